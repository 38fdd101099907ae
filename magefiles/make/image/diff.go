package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/filediff"
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

// maxTold is how many differences of one layer are told.
const maxTold = 5

// Diff says what differs between two image indexes, a line each, for people. It
// reads those layers that differ, which lie in the directory for temporary files
// meanwhile. No difference means equal content; digests may differ all the same
// where a manifest was written in another form.
func Diff(ctx context.Context, a, b v1.ImageIndex) ([]string, error) {
	am, err := a.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading an image index: %w", err)
	}
	bm, err := b.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading an image index: %w", err)
	}
	var d differences
	if err := d.values(ctx, []string{"index"}, says{Annotations: am.Annotations}, says{Annotations: bm.Annotations}); err != nil {
		return nil, err
	}
	as, bs := platforms(am), platforms(bm)
	for _, p := range slices.Sorted(maps.Keys(joined(as, bs))) {
		x, y := digest(as[p]), digest(bs[p])
		switch {
		case x == y:
		case x == "" || y == "":
			d.tell(filediff.Difference{What: "platform " + p, A: x, B: y})
		default:
			if err := d.images(ctx, p, a, b, as[p].Digest, bs[p].Digest); err != nil {
				return nil, fmt.Errorf("comparing the images for %s: %w", p, err)
			}
		}
	}
	return d, nil
}

func joined[V any](a, b map[string]V) map[string]V {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
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

// differences are collected, a line each.
type differences []string

func (d *differences) tell(x filediff.Difference) { *d = append(*d, x.String()) }

func (d *differences) images(ctx context.Context, platform string, a, b v1.ImageIndex, da, db v1.Hash) error {
	x, err := readSide(a, da)
	if err != nil {
		return err
	}
	y, err := readSide(b, db)
	if err != nil {
		return err
	}
	at := []string{platform}
	if err := d.values(ctx, at, x.says, y.says); err != nil {
		return err
	}
	news := slices.DeleteFunc(y.order, func(n string) bool { return slices.Contains(x.order, n) })
	for _, n := range append(x.order, news...) {
		what := "layer " + n
		p, q := digest(x.layers[n]), digest(y.layers[n])
		switch {
		case p == q:
		case p == "" || q == "":
			d.tell(filediff.Difference{At: at, What: what, A: p, B: q})
		default:
			if err := d.layers(ctx, append(at, what), x.image, y.image, x.layers[n].Digest, y.layers[n].Digest); err != nil {
				return fmt.Errorf("comparing %s: %w", what, err)
			}
		}
	}
	return nil
}

// says is what an index or an image says of itself: the config, but for what
// the layers tell, and the annotations.
type says struct {
	*v1.ConfigFile
	Annotations map[string]string `json:"annotations,omitempty"`
}

// side is one of the two images.
type side struct {
	image v1.Image
	says  says
	// layers are descriptors by name, order the names.
	layers map[string]v1.Descriptor
	order  []string
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
	s.says = says{c.DeepCopy(), m.Annotations}
	s.says.RootFS, s.says.History = v1.RootFS{}, nil
	return s, nil
}

func (d *differences) layers(ctx context.Context, at []string, a, b v1.Image, da, db v1.Hash) error {
	x, done, err := spool(a, da)
	if err != nil {
		return err
	}
	defer done()
	y, done, err := spool(b, db)
	if err != nil {
		return err
	}
	defer done()
	return d.compare(ctx, at, x, y, maxTold)
}

// spool puts a layer, as it is packed, into a file that has no name any more.
func spool(img v1.Image, h v1.Hash) (content *io.SectionReader, done func(), err error) {
	l, err := img.LayerByDigest(h)
	if err != nil {
		return nil, nil, err
	}
	from, err := l.Compressed()
	if err != nil {
		return nil, nil, err
	}
	defer from.Close() //nolint:errcheck // only read
	f, err := os.CreateTemp("", "layer-*")
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = f.Close() }
	n, err := io.Copy(f, from)
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		done()
		return nil, nil, err
	}
	return io.NewSectionReader(f, 0, n), done, nil
}

// values compares two values by their JSON form.
func (d *differences) values(ctx context.Context, at []string, a, b says) error {
	x, err := json.Marshal(a)
	if err != nil {
		return err
	}
	y, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return d.compare(ctx, at, io.NewSectionReader(bytes.NewReader(x), 0, int64(len(x))), io.NewSectionReader(bytes.NewReader(y), 0, int64(len(y))), 0)
}

// compare tells the first differences of two contents, and counts the others.
func (d *differences) compare(ctx context.Context, at []string, a, b *io.SectionReader, most int) error {
	r, err := filediff.Compare(ctx, a, b, filediff.Options{Most: most})
	if err != nil {
		return err
	}
	for _, x := range r.Differences {
		x.At = slices.Concat(at, x.At)
		d.tell(x)
	}
	if r.More > 0 {
		*d = append(*d, fmt.Sprintf("%s: and %d more", strings.Join(at, " → "), r.More))
	}
	return nil
}
