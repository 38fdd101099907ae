package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// AttachFile adds an artifact for a file of the bundle, with the image index as
// its subject. The file's platform stands on it, where it has one.
func AttachFile(b *bundle.Bundle, d v1.Descriptor) error {
	subject, _, ok, err := b.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading the bundle's image index: %w", err)
	}
	if !ok {
		return fmt.Errorf("the bundle in %s has no image yet: assemble it first", b.Dir)
	}
	notes := map[string]string{}
	if platform := d.Annotations[bundle.PlatformKey]; platform != "" {
		notes[bundle.PlatformKey] = platform
	}
	if err := attachFile(b, subject, d, notes); err != nil {
		return fmt.Errorf("attaching %s: %w", d.Annotations[bundle.TitleKey], err)
	}
	return nil
}

func attachFile(b *bundle.Bundle, subject, d v1.Descriptor, notes map[string]string) error {
	title := d.Annotations[bundle.TitleKey]
	layer := v1.Descriptor{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size,
		Annotations: map[string]string{bundle.TitleKey: title},
	}
	all := map[string]string{bundle.TitleKey: title, bundle.SHA256Key: d.Digest.Hex}
	for k, v := range notes {
		all[k] = v
	}
	return attach(b, subject, bundle.FileArtifact, layer, all)
}

// UnpackFrontend takes the frontend out of the bundle's image, into dir, which
// must be there. It is the same for all platforms.
func UnpackFrontend(ctx context.Context, b *bundle.Bundle, p product.Product, dir string) (err error) {
	_, index, ok, err := b.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading the bundle's image index: %w", err)
	}
	if !ok {
		return fmt.Errorf("the bundle in %s has no image yet: assemble it first", b.Dir)
	}
	layer, err := layerNamed(b, index, p.Cargo.Targets[0].Platform(), LayerFrontend)
	if err != nil {
		return err
	}
	f, err := os.Open(b.Path(layer.Digest))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	zip, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("reading the frontend's layer: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	below := inImage(p.Frontend.ImageDir) + "/"
	found := false
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the frontend's layer: %w", err)
		}
		name, ok := strings.CutPrefix(path.Clean(h.Name), below)
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(ctx, root, filepath.FromSlash(name), r); err != nil {
			return fmt.Errorf("unpacking the frontend's %s: %w", name, err)
		}
		found = true
	}
	if !found {
		return fmt.Errorf("the frontend's layer has nothing in %s: remove %s and build it again", p.Frontend.ImageDir, b.Dir)
	}
	return nil
}
