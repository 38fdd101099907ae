package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// base is what an image is built on; the zero value is nothing.
type base struct {
	layers []made
	config v1.ConfigFile
}

// PlatformError says that a base image lacks a platform.
type PlatformError struct {
	Base, Want string
	Has        []string
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("base image %s has no %s, only %s: choose another Image.Base, or take the target out of Cargo.Targets", e.Base, e.Want, strings.Join(e.Has, ", "))
}

// pullBases copies the base image's layers into the bundle, as they are, and
// gives a base for each target.
func pullBases(ctx context.Context, b *bundle.Bundle, p product.Product, options []remote.Option) ([]base, error) {
	out := make([]base, len(p.Cargo.Targets))
	if p.Image.Base == "" {
		return out, nil
	}
	ref, err := name.NewDigest(p.Image.Base)
	if err != nil {
		return nil, fmt.Errorf("reading Image.Base: %w", err)
	}
	found, err := remote.Get(ref, append(slices.Clone(options), remote.WithContext(ctx))...)
	if err != nil {
		return nil, fmt.Errorf("pulling the base image %s: %w", ref, err)
	}
	for i, t := range p.Cargo.Targets {
		img, err := forPlatform(found, ref.String(), t)
		if err != nil {
			return nil, err
		}
		if out[i], err = copyBase(ctx, b, img); err != nil {
			return nil, fmt.Errorf("pulling the base image %s for %s: %w", ref, t.Platform(), err)
		}
	}
	return out, nil
}

func forPlatform(found *remote.Descriptor, from string, t product.Target) (v1.Image, error) {
	if !found.MediaType.IsIndex() {
		img, err := found.Image()
		if err != nil {
			return nil, fmt.Errorf("pulling the base image: %w", err)
		}
		c, err := img.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("pulling the base image's config: %w", err)
		}
		if c.OS != t.OS || c.Architecture != t.Arch {
			return nil, &PlatformError{from, t.Platform(), []string{c.OS + "/" + c.Architecture}}
		}
		return img, nil
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("pulling the base image: %w", err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading the base image's index: %w", err)
	}
	missing := &PlatformError{Base: from, Want: t.Platform()}
	for _, d := range m.Manifests {
		if d.Platform == nil || d.Platform.OS == "unknown" || !d.MediaType.IsImage() {
			continue // a proof, not a platform
		}
		if d.Platform.OS == t.OS && d.Platform.Architecture == t.Arch {
			return index.Image(d.Digest)
		}
		missing.Has = append(missing.Has, d.Platform.String())
	}
	return nil, missing
}

// ociTypes are the OCI names of Docker's layer types; the bytes are the same.
var ociTypes = map[types.MediaType]types.MediaType{
	types.OCILayer: types.OCILayer, types.OCILayerZStd: types.OCILayerZStd, types.OCIUncompressedLayer: types.OCIUncompressedLayer,
	types.DockerLayer: types.OCILayer, types.DockerUncompressedLayer: types.OCIUncompressedLayer,
}

func copyBase(ctx context.Context, b *bundle.Bundle, img v1.Image) (base, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return base{}, err
	}
	m, err := img.Manifest()
	if err != nil {
		return base{}, err
	}
	if len(m.Layers) != len(c.RootFS.DiffIDs) {
		return base{}, fmt.Errorf("its manifest has %d layers and its config %d", len(m.Layers), len(c.RootFS.DiffIDs))
	}
	out := base{config: *c}
	for i, d := range m.Layers {
		mediaType, ok := ociTypes[d.MediaType]
		if !ok {
			return base{}, fmt.Errorf("its layer %s is %s, which cannot be copied", d.Digest, d.MediaType)
		}
		if !b.Has(d) {
			if err := copyLayer(ctx, b, img, d); err != nil {
				return base{}, fmt.Errorf("copying layer %s: %w", d.Digest, err)
			}
		}
		out.layers = append(out.layers, made{
			Layer:     bundle.Layer{Blob: bundle.Blob{Digest: d.Digest, Size: d.Size}, DiffID: c.RootFS.DiffIDs[i]},
			mediaType: mediaType,
		})
	}
	return out, nil
}

func copyLayer(ctx context.Context, b *bundle.Bundle, img v1.Image, d v1.Descriptor) error {
	l, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return err
	}
	r, err := l.Compressed() // it holds the content against the digest
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	blob, err := b.Ingest(stoppableReader{ctx, r})
	if err == nil && blob.Digest != d.Digest {
		err = errors.New("its content has another digest")
	}
	return err
}

type stoppableReader struct {
	ctx context.Context
	r   io.Reader
}

func (s stoppableReader) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
