// Package bundle is the one thing that flows through a release: an OCI image
// layout in dist/<id>/ with the image index, its proofs and the release's
// files, and plan.json beside it. Everything in it is named by digest, so a
// step is done when its digest is there, and a run that died goes on where it
// stopped. It knows decide.
package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
)

// Annotations of the descriptors in a bundle's index.json.
const (
	// RoleKey tells the entries apart; its values are the Role constants.
	RoleKey = "com.github.kubedoio.release.role"
	// TitleKey is a file's name on the release page (OCI image spec).
	TitleKey = "org.opencontainers.image.title"
	// TargetKey is the Rust target triple of a binary.
	TargetKey = "com.github.kubedoio.release.target"
	// DescribesKey is the digest that an SBOM file describes: that of an image
	// manifest or of a raw binary.
	DescribesKey = "com.github.kubedoio.release.describes"
	// SHA256Key is the sha256, in lower-case hex, of the raw binary in an
	// artifact of type [BinaryArtifact].
	SHA256Key = "com.github.kubedoio.release.sha256"
)

// Role says what an entry of the bundle is.
type Role string

const (
	// Binary is a plain blob: an executable with its title and target.
	Binary Role = "binary"
	// File is a plain blob that is attached to the release page under its
	// title: an SBOM, a Sigstore bundle, an extra file.
	File Role = "file"
	// Image is the multi-arch image index.
	Image Role = "image"
	// Artifact is an OCI manifest whose subject is the image or a part of it.
	Artifact Role = "artifact"
	// Tagged is an OCI manifest that is found by a tag of its own (the
	// ref.name annotation), as cosign's older proofs are.
	Tagged Role = "tagged"
	// Evidence is a plain blob that stays in the bundle: the record of a gate, a
	// test or a drill, or the logs that it names. It is no asset of the page.
	Evidence Role = "evidence"
)

// BinaryArtifact is the artifactType of the manifest that attaches a binary to
// the image index. Its one layer is the very layer of the image that holds the
// binary.
const BinaryArtifact = "application/vnd.kubedoio.release.binary.v1"

// RefNameKey is the annotation with an entry's tag (OCI image layout).
const RefNameKey = "org.opencontainers.image.ref.name"

// GzipLevel is part of what makes an image reproducible, as is the compressor:
// the same level of another one gives another digest.
const GzipLevel = 6

// Bundle is an opened bundle. Its methods may be called side by side.
type Bundle struct {
	// Dir is the bundle's directory.
	Dir string
	// Plan is what plan.json says.
	Plan decide.Plan

	mu    sync.Mutex
	index v1.IndexManifest
}

// ForeignError says that a directory holds the bundle of something else.
type ForeignError struct{ Dir, What, Found, Want string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s holds a bundle of %s %s, this release is of %s; move that directory away (nothing in it was changed)", e.Dir, e.What, e.Found, e.Want)
}

// Create makes the plan's bundle in dir, or opens the one that is there. A
// bundle of another commit, tag or product definition is a [*ForeignError].
func Create(dir string, plan decide.Plan) (*Bundle, error) {
	b, err := Open(dir)
	if err == nil {
		if what, found, want, other := mismatch(b.Plan, plan); other {
			return nil, &ForeignError{dir, what, found, want}
		}
		return b, b.sweep()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("making the bundle: %w", err)
	}
	b = &Bundle{Dir: dir, Plan: plan, index: v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{},
	}}
	if err := atomicfile.Write(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"`+layoutVersion+`"}`), 0o644); err != nil {
		return nil, err
	}
	if err := b.writeIndex(); err != nil {
		return nil, err
	}
	// plan.json comes last: a directory without it is no bundle yet.
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the plan: %w", err)
	}
	return b, atomicfile.Write(filepath.Join(dir, "plan.json"), append(text, '\n'), 0o644)
}

// layoutVersion is that of the OCI image layout.
const layoutVersion = "1.0.0"

// mismatch names the first thing in which a bundle is of something else than a
// plan.
func mismatch(have, want decide.Plan) (what, found, wanted string, other bool) {
	for _, c := range [][3]string{
		{"ref", have.Ref.Name, want.Ref.Name},
		{"channel", string(have.Ref.Channel), string(want.Ref.Channel)},
		{"commit", have.Commit, want.Commit},
		{"product definition", have.Definition, want.Definition},
	} {
		if c[1] != c[2] {
			return c[0], c[1], c[2], true
		}
	}
	return "", "", "", false
}

// sweep removes what a killed run left half written: nothing points at it. A
// bundle is written by one run at a time.
func (b *Bundle) sweep() error {
	var left []string
	for _, pattern := range []string{atomicfile.Pattern, filepath.Join("blobs", "sha256", atomicfile.Pattern)} {
		found, err := filepath.Glob(filepath.Join(b.Dir, pattern))
		if err != nil {
			return err
		}
		left = append(left, found...)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("clearing what an interrupted run left: %w", err)
		}
	}
	return nil
}

// Open opens an existing bundle. The error wraps [fs.ErrNotExist] where dir
// holds none.
func Open(dir string) (*Bundle, error) {
	b := &Bundle{Dir: dir}
	if err := readJSON(filepath.Join(dir, "plan.json"), &b.Plan); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(dir, "index.json"), &b.index); err != nil {
		return nil, err
	}
	return b, nil
}

// Blob is content that the bundle holds.
type Blob struct {
	Digest v1.Hash
	Size   int64
}

// Ingest streams r into the bundle, hashing it on the way. Content that is
// there already is left alone.
func (b *Bundle) Ingest(r io.Reader) (Blob, error) {
	sum := sha256.New()
	var blob Blob
	err := b.store(func(w io.Writer) (v1.Hash, error) {
		n, err := io.Copy(io.MultiWriter(w, sum), r)
		blob = Blob{hash(sum.Sum(nil)), n}
		return blob.Digest, err
	})
	return blob, err
}

// IngestFile is [Bundle.Ingest] for a file.
func (b *Bundle) IngestFile(path string) (Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return Blob{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	return b.Ingest(f)
}

// IngestJSON writes v as compact JSON, as manifests are.
func (b *Bundle) IngestJSON(v any) (Blob, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return Blob{}, err
	}
	return b.Ingest(bytes.NewReader(text))
}

// Layer is a gzip-compressed layer that the bundle holds.
type Layer struct {
	Blob
	// DiffID is the digest of the uncompressed content.
	DiffID v1.Hash
}

// IngestLayer has write produce an uncompressed layer, and compresses and
// hashes it in the same pass. Memory does not grow with the layer.
func (b *Bundle) IngestLayer(write func(io.Writer) error) (Layer, error) {
	packed, plain := sha256.New(), sha256.New()
	var layer Layer
	err := b.store(func(w io.Writer) (v1.Hash, error) {
		count := &counter{w: io.MultiWriter(w, packed)}
		zip, err := gzip.NewWriterLevel(count, GzipLevel)
		if err != nil {
			return v1.Hash{}, err
		}
		zip.ModTime = time.Unix(0, 0) // none: the zero time would be written as a year to come
		if err := write(io.MultiWriter(zip, plain)); err != nil {
			return v1.Hash{}, err
		}
		if err := zip.Close(); err != nil {
			return v1.Hash{}, err
		}
		layer = Layer{Blob{hash(packed.Sum(nil)), count.n}, hash(plain.Sum(nil))}
		return layer.Digest, nil
	})
	return layer, err
}

// store has write fill a temporary file and gives it its name once complete.
func (b *Bundle) store(write func(io.Writer) (v1.Hash, error)) error {
	dir := filepath.Join(b.Dir, "blobs", "sha256")
	f, err := atomicfile.Create(dir)
	if err != nil {
		return fmt.Errorf("writing into the bundle: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	h, err := write(f)
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("writing into the bundle: %w", err)
	}
	// What is there in its full size is kept: it may be in use.
	path := filepath.Join(dir, h.Hex)
	if old, err := os.Stat(path); err == nil && old.Size() == info.Size() {
		return nil
	}
	return os.Rename(f.Name(), path)
}

// Has tells whether the content of a descriptor is there, in its size.
func (b *Bundle) Has(d v1.Descriptor) bool {
	info, err := os.Stat(b.Path(d.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == d.Size
}

// Path is where a blob's content lies.
func (b *Bundle) Path(h v1.Hash) string {
	return filepath.Join(b.Dir, "blobs", h.Algorithm, h.Hex)
}

// ReadJSON decodes a small blob, such as a manifest.
func (b *Bundle) ReadJSON(h v1.Hash, v any) error { return readJSON(b.Path(h), v) }

// Add records an entry in index.json. An entry of the same role and title, or
// of the same digest where it has no title, is replaced.
func (b *Bundle) Add(role Role, d v1.Descriptor) error {
	annotations := map[string]string{RoleKey: string(role)}
	for k, v := range d.Annotations {
		annotations[k] = v
	}
	d.Annotations = annotations
	same := func(o v1.Descriptor) bool {
		if Role(o.Annotations[RoleKey]) != role {
			return false
		}
		if title := annotations[TitleKey]; title != "" {
			return o.Annotations[TitleKey] == title
		}
		return o.Digest == d.Digest
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.index.Manifests, same); i >= 0 {
		b.index.Manifests[i] = d
	} else {
		b.index.Manifests = append(b.index.Manifests, d)
	}
	return b.writeIndex()
}

// Entries lists the entries of a role in the order in which they were added.
func (b *Bundle) Entries(role Role) []v1.Descriptor {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []v1.Descriptor
	for _, d := range b.index.Manifests {
		if Role(d.Annotations[RoleKey]) == role {
			out = append(out, d)
		}
	}
	return out
}

// Find gives the entry of a role with a title.
func (b *Bundle) Find(role Role, title string) (v1.Descriptor, bool) {
	for _, d := range b.Entries(role) {
		if d.Annotations[TitleKey] == title {
			return d, true
		}
	}
	return v1.Descriptor{}, false
}

// ImageIndex gives the descriptor and the manifest of the image index; ok is
// false where it has not been made yet.
func (b *Bundle) ImageIndex() (d v1.Descriptor, m v1.IndexManifest, ok bool, err error) {
	all := b.Entries(Image)
	if len(all) == 0 {
		return d, m, false, nil
	}
	err = b.ReadJSON(all[0].Digest, &m)
	return all[0], m, err == nil, err
}

// Assets lists what the release page gets, each with its title: binaries in
// the product's order, then files by title.
func (b *Bundle) Assets() []v1.Descriptor {
	files := b.Entries(File)
	slices.SortFunc(files, func(a, c v1.Descriptor) int {
		return strings.Compare(a.Annotations[TitleKey], c.Annotations[TitleKey])
	})
	return append(b.Entries(Binary), files...)
}

// Descriptor describes the blob under a title.
func (b Blob) Descriptor(mediaType, title string) v1.Descriptor {
	d := v1.Descriptor{MediaType: types.MediaType(mediaType), Digest: b.Digest, Size: b.Size}
	if title != "" {
		d.Annotations = map[string]string{TitleKey: title}
	}
	return d
}

func (b *Bundle) writeIndex() error {
	text, err := json.MarshalIndent(b.index, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(b.Dir, "index.json"), append(text, '\n'), 0o644)
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func hash(sum []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum)}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
