package bundle

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// PartError says why a part was not merged.
type PartError struct{ Dir, Problem string }

func (e *PartError) Error() string {
	return fmt.Sprintf("part %s %s; nothing of it was taken", e.Dir, e.Problem)
}

// Merge takes the binaries that parts hold into dst, in the order of the plan,
// with what their entries say of them. A part is a bundle of the same ref,
// commit and product definition that holds binaries alone, made on another
// machine. It comes from a store of artifacts and is hostile until checked:
// every file has to have its place, and every byte that is taken is hashed on
// the way. Who built a part cannot be seen from it: the store has to be one that
// only the release's own run can write to.
//
// The plan's Assets begin with its binaries, one for each of its Platforms.
// Together with what dst holds the parts have to have all of them, and two
// different ones nowhere. A fault of a part is a [*PartError].
func Merge(dst *Bundle, parts ...string) error {
	offers := map[string][]offer{}
	for _, dir := range parts {
		p, err := openPart(dir)
		if err != nil {
			return err
		}
		defer p.root.Close() //nolint:errcheck // only read
		entries, err := p.binaries(dst.Plan)
		if err != nil {
			return err
		}
		for _, d := range entries {
			title := d.Annotations[TitleKey]
			offers[title] = append(offers[title], offer{p, d})
		}
	}
	var take []offer
	for _, title := range binaryTitles(dst.Plan) {
		all := offers[title]
		d, there := dst.Find(Binary, title)
		if there = there && dst.Has(d); there {
			all = append([]offer{{&part{dir: dst.Dir}, d}}, all...)
		}
		if len(all) == 0 {
			return fmt.Errorf("%s is in none of the parts (%s): build it too, and name its part", title, strings.Join(parts, ", "))
		}
		for _, o := range all[1:] {
			if first := all[0]; o.d.Digest != first.d.Digest {
				return fmt.Errorf("%s is %s in %s, and %s in %s: the machines that built them differ; find out in what, and build both again", title, first.d.Digest, first.part.dir, o.d.Digest, o.part.dir)
			}
		}
		if !there {
			take = append(take, all[0])
		}
	}
	for _, o := range take {
		if err := dst.takeBlob(o); err != nil {
			return err
		}
	}
	for _, o := range take {
		if err := dst.Add(Binary, o.d); err != nil {
			return err
		}
	}
	return nil
}

// offer is a binary and where it lies.
type offer struct {
	part *part
	d    v1.Descriptor
}

// takeBlob copies a binary, and keeps it only where it is what its entry says.
func (b *Bundle) takeBlob(o offer) error {
	name := "blobs/sha256/" + o.d.Digest.Hex
	f, err := o.part.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	return b.store(func(w io.Writer) (v1.Hash, error) {
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(f, o.d.Size+1)); err != nil {
			return v1.Hash{}, err
		}
		if found := hash(sum.Sum(nil)); found != o.d.Digest {
			return v1.Hash{}, o.part.fault("is damaged: the content of %s is %s", name, found)
		}
		return o.d.Digest, nil
	})
}

func binaryTitles(p decide.Plan) []string {
	return p.Assets[:min(len(p.Platforms), len(p.Assets))]
}

// part is a part that has the form of one. Nothing outside of its directory is
// read.
type part struct {
	dir  string
	root *os.Root
}

func (p *part) fault(format string, args ...any) error {
	return &PartError{p.dir, fmt.Sprintf(format, args...)}
}

func openPart(dir string) (*part, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the part %s: %w", dir, err)
	}
	p := &part{dir, root}
	if err := fs.WalkDir(root.FS(), ".", p.place); err != nil {
		_ = root.Close() // only read
		return nil, err
	}
	return p, nil
}

var blobForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// place wants a file to be one that a part has, and no link or device.
func (p *part) place(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	dir, file := path.Split(name)
	want := fs.FileMode(0)
	switch {
	case name == ".", name == "blobs", name == "blobs/sha256":
		want = fs.ModeDir
	case name == "plan.json", name == "index.json", name == "oci-layout":
	case dir == "blobs/sha256/" && blobForm.MatchString(file):
	default:
		return p.fault("holds %s, which has no place in a part", clip(name))
	}
	if d.Type() != want {
		return p.fault("has %s as %s: a part has plain files and directories alone", clip(name), d.Type())
	}
	return nil
}

// maxJSON is the size of the largest JSON file of a part, in bytes. What a
// release writes is a hundredth of it.
const maxJSON = 1 << 20

func (p *part) readJSON(name string, v any) error {
	f, err := p.root.Open(name)
	if err != nil {
		return p.fault("is no part, or not a whole one: %v", err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return err
	}
	if len(text) > maxJSON {
		return p.fault("has %s with more than %d bytes", name, maxJSON)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return p.fault("has %s damaged: %v", name, err)
	}
	return nil
}

// binaries gives the part's entries, each held against the plan of the bundle
// that it goes into.
func (p *part) binaries(want decide.Plan) ([]v1.Descriptor, error) {
	var plan decide.Plan
	var index v1.IndexManifest
	var form struct {
		Version string `json:"imageLayoutVersion"`
	}
	for _, f := range []struct {
		name string
		v    any
	}{{"oci-layout", &form}, {"plan.json", &plan}, {"index.json", &index}} {
		if err := p.readJSON(f.name, f.v); err != nil {
			return nil, err
		}
	}
	if form.Version != layoutVersion {
		return nil, p.fault("is an image layout of version %s: want %s", clip(form.Version), layoutVersion)
	}
	if what, found, wanted, other := mismatch(plan, want); other {
		return nil, p.fault("is of %s %s, this release is of %s", what, clip(found), wanted)
	}
	for _, d := range index.Manifests {
		if problem := entryProblem(d, want); problem != "" {
			return nil, p.fault("%s", problem)
		}
		info, err := p.root.Stat("blobs/sha256/" + d.Digest.Hex)
		if err != nil {
			return nil, p.fault("is not complete: %s (%s) is missing", d.Annotations[TitleKey], d.Digest)
		}
		if info.Size() != d.Size {
			return nil, p.fault("is damaged: %s has %d bytes, its entry says %d", d.Annotations[TitleKey], info.Size(), d.Size)
		}
	}
	return index.Manifests, nil
}

// binaryKeys are the annotations of a binary's entry.
var binaryKeys = []string{RoleKey, TitleKey, TargetKey, PlatformKey, VersionKey, ToolchainKey, CargoKey, RanKey, CratesKey}

// entryProblem says what is wrong with an entry of a part, or nothing. What it
// lets through is shown to people and goes into records: no text of it is long
// or steers a terminal.
func entryProblem(d v1.Descriptor, plan decide.Plan) string {
	if role := d.Annotations[RoleKey]; Role(role) != Binary {
		return fmt.Sprintf("has an entry of the role %s: a part holds binaries alone", clip(role))
	}
	title, titles := d.Annotations[TitleKey], binaryTitles(plan)
	i := slices.Index(titles, title)
	if i < 0 {
		return fmt.Sprintf("has a binary %s: this release has %s", clip(title), strings.Join(titles, ", "))
	}
	for key, want := range map[string]string{PlatformKey: plan.Platforms[i], VersionKey: plan.Version} {
		if got := d.Annotations[key]; got != want {
			return fmt.Sprintf("says of %s that its %s is %s: want %s", title, key[strings.LastIndexByte(key, '.')+1:], clip(got), want)
		}
	}
	for key, value := range d.Annotations {
		if !slices.Contains(binaryKeys, key) || !plain(value) {
			return fmt.Sprintf("says of %s what no release says: %s is %s", title, clip(key), clip(value))
		}
	}
	bare := v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest, Annotations: d.Annotations}
	if !reflect.DeepEqual(d, bare) || !plain(string(d.MediaType)) {
		return fmt.Sprintf("describes %s with more than media type, size, digest and annotations", title)
	}
	if d.Digest.Algorithm != "sha256" || !blobForm.MatchString(d.Digest.Hex) || d.Size <= 0 {
		return fmt.Sprintf("names no content for %s: digest %s, size %d", title, clip(d.Digest.String()), d.Size)
	}
	return ""
}

// maxText is the length of the longest text of an entry, in bytes.
const maxText = 256

func plain(s string) bool {
	return len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// clip quotes a text that may be anything.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return fmt.Sprintf("%q", s)
}
