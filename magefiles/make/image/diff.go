package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
)

// Open gives the bundle's image index, for whoever wants to read it as an
// image.
func Open(b *bundle.Bundle) (v1.ImageIndex, error) {
	d, _, ok, err := b.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("reading the bundle's image index: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("the bundle in %s has no image yet: assemble it first", b.Dir)
	}
	all, err := layout.ImageIndexFromPath(b.Dir)
	if err != nil {
		return nil, err
	}
	return all.ImageIndex(d.Digest)
}

// Difference is one thing in which two image indexes differ.
type Difference struct {
	// Platform is empty for the index itself.
	Platform string
	// What is a field of the config such as "config.User", an annotation, a
	// layer by its name, a file in a layer, or "toolchain": the compilers that
	// the binary names in its .comment section.
	What string
	// A and B are the two values; "" where one side has none.
	A, B string
}

func (d Difference) String() string {
	at := d.What
	if d.Platform != "" {
		at = d.Platform + ": " + at
	}
	show := func(v string) string {
		if v == "" {
			return "nothing"
		}
		return v
	}
	return fmt.Sprintf("%s is %s here and %s there", at, show(d.A), show(d.B))
}

// maxFiles is how many files of a layer a comparison names.
const maxFiles = 5

// Diff says what differs between two image indexes, for people. It reads those
// layers that differ. No difference means equal content; digests may differ
// all the same where a manifest was written in another form.
//
// The toolchain is read from the binaries themselves: it is in no label, since
// the image says what it is made of and not what the machine was like.
func Diff(a, b v1.ImageIndex) ([]Difference, error) {
	am, err := a.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading an image index: %w", err)
	}
	bm, err := b.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading an image index: %w", err)
	}
	out := compare("", flatten("annotations", am.Annotations), flatten("annotations", bm.Annotations))
	as, bs := platforms(am), platforms(bm)
	both := maps.Clone(as)
	maps.Copy(both, bs)
	for _, p := range slices.Sorted(maps.Keys(both)) {
		x, inA := as[p]
		y, inB := bs[p]
		if !inA || !inB || x.Digest == y.Digest {
			out = append(out, compare("", map[string]string{"platform " + p: digest(x)}, map[string]string{"platform " + p: digest(y)})...)
			continue
		}
		more, err := diffImages(p, a, b, x.Digest, y.Digest)
		if err != nil {
			return nil, fmt.Errorf("comparing the images for %s: %w", p, err)
		}
		out = append(out, more...)
	}
	return out, nil
}

func digest(d v1.Descriptor) string {
	if d.Digest == (v1.Hash{}) {
		return ""
	}
	return d.Digest.String()
}

func platforms(m *v1.IndexManifest) map[string]v1.Descriptor {
	out := map[string]v1.Descriptor{}
	for _, d := range m.Manifests {
		if d.Platform != nil {
			out[d.Platform.String()] = d
		}
	}
	return out
}

// side is one of the two images.
type side struct {
	image  v1.Image
	fields map[string]string
	// layers are descriptors by name, order the names.
	layers map[string]v1.Descriptor
	order  []string
}

func diffImages(platform string, a, b v1.ImageIndex, da, db v1.Hash) ([]Difference, error) {
	x, err := readSide(a, da)
	if err != nil {
		return nil, err
	}
	y, err := readSide(b, db)
	if err != nil {
		return nil, err
	}
	out := compare(platform, x.fields, y.fields)
	names := slices.Clone(x.order)
	for _, n := range y.order {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, n := range names {
		p, q := x.layers[n], y.layers[n]
		if p.Digest == q.Digest {
			continue
		}
		what := "layer " + n
		out = append(out, Difference{platform, what, digest(p), digest(q)})
		if digest(p) == "" || digest(q) == "" {
			continue
		}
		more, err := diffLayers(platform, what, x.image, y.image, p.Digest, q.Digest)
		if err != nil {
			return nil, fmt.Errorf("comparing %s: %w", what, err)
		}
		out = append(out, more...)
	}
	return out, nil
}

func readSide(index v1.ImageIndex, h v1.Hash) (side, error) {
	s := side{layers: map[string]v1.Descriptor{}}
	var err error
	if s.image, err = index.Image(h); err != nil {
		return s, err
	}
	m, err := s.image.Manifest()
	if err != nil {
		return s, err
	}
	c, err := s.image.ConfigFile()
	if err != nil {
		return s, err
	}
	for i, n := range layerNames(c.History, len(m.Layers)) {
		if _, twice := s.layers[n]; twice {
			n = fmt.Sprintf("%s (number %d)", n, i+1)
		}
		s.layers[n] = m.Layers[i]
		s.order = append(s.order, n)
	}
	bare := c.DeepCopy()
	bare.RootFS, bare.History = v1.RootFS{}, nil // the layers tell
	s.fields = flatten("", bare)
	maps.Copy(s.fields, flatten("annotations", m.Annotations))
	return s, nil
}

func diffLayers(platform, what string, a, b v1.Image, da, db v1.Hash) ([]Difference, error) {
	x, err := readLayer(a, da)
	if err != nil {
		return nil, err
	}
	y, err := readLayer(b, db)
	if err != nil {
		return nil, err
	}
	var files []Difference
	for _, d := range compare(platform, x.files, y.files) {
		d.What = what + ", " + d.What
		files = append(files, d)
	}
	if more := len(files) - maxFiles; more > 0 {
		files = files[:maxFiles]
		files = append(files, Difference{platform, fmt.Sprintf("%s: and %d more", what, more), "other", "other"})
	}
	return append(compare(platform, x.tools, y.tools), files...), nil
}

type contents struct {
	// files are summaries by name; tools hold "toolchain" where there is an
	// executable that names its compilers.
	files, tools map[string]string
}

// maxExecutable bounds what is held in memory to look for a toolchain.
const maxExecutable = 256 << 20

func readLayer(img v1.Image, h v1.Hash) (contents, error) {
	c := contents{map[string]string{}, map[string]string{}}
	l, err := img.LayerByDigest(h)
	if err != nil {
		return c, err
	}
	r, err := l.Uncompressed()
	if err != nil {
		return c, err
	}
	defer r.Close() //nolint:errcheck // only read
	for t := tar.NewReader(r); ; {
		e, err := t.Next()
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		sum := sha256.New()
		to := io.Writer(sum)
		var whole bytes.Buffer
		if e.Mode&0o111 != 0 && e.Size <= maxExecutable {
			to = io.MultiWriter(sum, &whole)
		}
		if _, err := io.Copy(to, t); err != nil {
			return c, err
		}
		c.files[e.Name] = fmt.Sprintf("%d bytes, sha256 %.12x…, mode %04o, owner %d:%d, time %d%s",
			e.Size, sum.Sum(nil), e.Mode, e.Uid, e.Gid, e.ModTime.Unix(), e.Linkname)
		if tools := toolchain(whole.Bytes()); tools != "" {
			c.tools["toolchain"] = tools
		}
	}
}

// toolchain gives what compilers and linkers wrote into an ELF file's .comment
// section.
func toolchain(content []byte) string {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return ""
	}
	s := f.Section(".comment")
	if s == nil {
		return ""
	}
	text, err := s.Data()
	if err != nil {
		return ""
	}
	parts := strings.FieldsFunc(string(text), func(r rune) bool { return r == 0 })
	return strings.Join(parts, " + ")
}

// compare gives the differences of two flat sets of values, by name.
func compare(platform string, a, b map[string]string) []Difference {
	both := maps.Clone(a)
	maps.Copy(both, b)
	var out []Difference
	for _, k := range slices.Sorted(maps.Keys(both)) {
		if a[k] != b[k] {
			out = append(out, Difference{platform, k, a[k], b[k]})
		}
	}
	return out
}

// flatten gives the leaves of a value's JSON form by their dotted paths; lists
// count as leaves.
func flatten(at string, v any) map[string]string {
	out := map[string]string{}
	text, err := json.Marshal(v)
	if err != nil { // plain data
		return out
	}
	var walk func(at string, raw json.RawMessage)
	walk = func(at string, raw json.RawMessage) {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err == nil && object != nil {
			for k, child := range object {
				walk(strings.TrimPrefix(at+"."+k, "."), child)
			}
			return
		}
		if value := string(raw); value != "null" {
			out[at] = value
		}
	}
	walk(at, text)
	return out
}
