// Package image assembles the product's runtime image in a bundle, without
// Docker: a layer each for the CA roots, the accounts, the frontend and the
// binary, one image a platform, and one index. The result is a function of the
// commit alone: neither channel nor tag nor build time enters a byte of it. It
// knows bundle and product.
package image

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Input is what the image is made of, besides the binaries in the bundle.
type Input struct {
	// Commit is the full hash; CommitTime is every timestamp in the image.
	Commit     string
	CommitTime time.Time
	// Version is the product's own version as its sources declare it.
	Version string
	// FrontendDir is the built frontend; not read where the product has none.
	FrontendDir string
	// Remote says how to reach the registry of product.Image.Base: credentials,
	// transport. Not used where the product names no base.
	Remote []remote.Option
}

// Names of the layers, as the comments in an image's history.
const (
	LayerRoots    = "ca-roots"
	LayerAccounts = "accounts"
	LayerDirs     = "directories"
	LayerFrontend = "frontend"
	LayerBinary   = "binary"
)

// made is a layer that the bundle holds, with its name.
type made struct {
	bundle.Layer
	name string
	// mediaType is empty for our own.
	mediaType types.MediaType
}

// Assemble makes the image index of the binaries in the bundle and gives its
// descriptor. An index that the bundle holds already is returned at once: a
// bundle is of one commit and one definition.
func Assemble(ctx context.Context, b *bundle.Bundle, p product.Product, in Input) (v1.Descriptor, error) {
	if d, _, ok, err := b.ImageIndex(); err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading the bundle's image index: %w", err)
	} else if ok {
		return d, nil
	}
	in.CommitTime = in.CommitTime.UTC().Truncate(time.Second)
	bases, err := pullBases(ctx, b, p, in.Remote)
	if err != nil {
		return v1.Descriptor{}, err
	}
	layers, err := makeLayers(ctx, b, p, in)
	if err != nil {
		return v1.Descriptor{}, err
	}
	index := v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Annotations: annotations(p, in),
	}
	for i, t := range p.Cargo.Targets {
		d, err := writeImage(b, p, in, t, bases[i], layers[i])
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("writing the image for %s: %w", t.Platform(), err)
		}
		index.Manifests = append(index.Manifests, d)
	}
	blob, err := b.IngestJSON(index)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("writing the image index: %w", err)
	}
	if err := b.Add(bundle.Image, blob.Descriptor(string(types.OCIImageIndex), "")); err != nil {
		return v1.Descriptor{}, err
	}
	d, _, _, err := b.ImageIndex()
	return d, err
}

// writeImage writes the config and the manifest of one platform.
func writeImage(b *bundle.Bundle, p product.Product, in Input, t product.Target, from base, layers []made) (v1.Descriptor, error) {
	layers = append(from.layers[:len(from.layers):len(from.layers)], layers...)
	blob, err := b.IngestJSON(config(p, in, t, from, layers))
	if err != nil {
		return v1.Descriptor{}, err
	}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config:      blob.Descriptor(string(types.OCIConfigJSON), ""),
		Annotations: annotations(p, in),
	}
	for _, l := range layers {
		mediaType := l.mediaType
		if mediaType == "" {
			mediaType = types.OCILayer
		}
		m.Layers = append(m.Layers, l.Descriptor(string(mediaType), ""))
	}
	if blob, err = b.IngestJSON(m); err != nil {
		return v1.Descriptor{}, err
	}
	d := blob.Descriptor(string(types.OCIManifestSchema1), "")
	d.Platform = &v1.Platform{OS: t.OS, Architecture: t.Arch}
	return d, nil
}

// makeLayers makes our own layers, for each target in order. Those that are
// the same for all platforms are made once; all are made side by side.
func makeLayers(ctx context.Context, b *bundle.Bundle, p product.Product, in Input) ([][]made, error) {
	files := newTree(p.Image.Base == "")
	type job struct {
		name    string
		entries []entry
		to      *made
	}
	var jobs []job
	var shared []*made
	for _, l := range []struct {
		name string
		make func() ([]entry, error)
	}{
		{LayerRoots, func() ([]entry, error) { return rootEntries(p, files) }},
		{LayerAccounts, func() ([]entry, error) { return accountEntries(p, files) }},
		{LayerDirs, func() ([]entry, error) { return dirEntries(p, files) }},
		{LayerFrontend, func() ([]entry, error) { return frontendEntries(p, in, files) }},
	} {
		entries, err := l.make()
		if err != nil {
			return nil, fmt.Errorf("collecting the layer %q: %w", l.name, err)
		}
		if len(entries) > 0 {
			shared = append(shared, new(made))
			jobs = append(jobs, job{l.name, entries, shared[len(shared)-1]})
		}
	}
	var binaries []*made
	for _, t := range p.Cargo.Targets {
		entries, err := binaryEntries(b, p, t, files.clone())
		if err != nil {
			return nil, err
		}
		binaries = append(binaries, new(made))
		jobs = append(jobs, job{LayerBinary, entries, binaries[len(binaries)-1]})
	}

	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	// The largest come last in order; begin with them.
	for i := len(jobs) - 1; i >= 0; i-- {
		j := jobs[i]
		g.Go(func() error {
			layer, err := b.IngestLayer(tarOf(ctx, j.entries, in.CommitTime))
			if err != nil {
				return fmt.Errorf("making the layer %q: %w", j.name, err)
			}
			*j.to = made{Layer: layer, name: j.name}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out [][]made
	for i := range p.Cargo.Targets {
		var layers []made
		for _, s := range append(shared[:len(shared):len(shared)], binaries[i]) {
			layers = append(layers, *s)
		}
		out = append(out, layers)
	}
	return out, nil
}

// ErrNoBinary is wrapped where the bundle lacks a target's binary.
var ErrNoBinary = errors.New("the bundle holds no such binary")

func binary(b *bundle.Bundle, t product.Target) (v1.Descriptor, error) {
	d, ok := b.Find(bundle.Binary, t.Asset)
	if !ok {
		return d, fmt.Errorf("%s for %s: %w; it has to be built first", t.Asset, t.Triple, ErrNoBinary)
	}
	return d, nil
}
