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
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Unpacked is what of an image runs without a container.
type Unpacked struct {
	// Binary is the executable; Frontend the directory with the built frontend,
	// "" where the product has none.
	Binary, Frontend string
}

// Unpack takes the product's binary and frontend out of an image, into dir,
// which must be there.
func Unpack(ctx context.Context, img v1.Image, p product.Product, dir string) (out Unpacked, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files := mutate.Extract(img)
	defer func() { _ = files.Close() }() // only read
	wanted := map[string]string{strings.TrimPrefix(p.Image.BinaryPath, "/"): "server"}
	frontend := ""
	if p.Frontend != nil {
		frontend = strings.TrimPrefix(p.Frontend.ImageDir, "/") + "/"
	}
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, fmt.Errorf("unpacking the image: %w", err)
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "/"))
		to := wanted[name]
		if rest, ok := strings.CutPrefix(name, frontend); ok && frontend != "" {
			to = "frontend/" + rest
		}
		if to == "" || h.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(ctx, root, filepath.FromSlash(to), r); err != nil {
			return out, fmt.Errorf("unpacking %s of the image: %w", name, err)
		}
		if to == "server" {
			out.Binary = filepath.Join(dir, to)
		} else {
			out.Frontend = filepath.Join(dir, "frontend")
		}
	}
	switch {
	case out.Binary == "":
		return out, fmt.Errorf("the image has no %s: it is no image of %s", p.Image.BinaryPath, p.Name)
	case frontend != "" && out.Frontend == "":
		return out, fmt.Errorf("the image has nothing in %s: it is no image of %s", p.Frontend.ImageDir, p.Name)
	}
	return out, nil
}

func unpackFile(ctx context.Context, root *os.Root, name string, from io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// For gives the image of a platform, such as "linux/amd64", of an index.
func For(index v1.ImageIndex, platform string) (v1.Image, v1.Hash, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, v1.Hash{}, fmt.Errorf("reading the image index: %w", err)
	}
	var there []string
	for _, d := range m.Manifests {
		if d.Platform == nil {
			continue
		}
		is := d.Platform.OS + "/" + d.Platform.Architecture
		if is == platform {
			img, err := index.Image(d.Digest)
			return img, d.Digest, err
		}
		there = append(there, is)
	}
	return nil, v1.Hash{}, fmt.Errorf("the image index has no %s, only %s: it cannot be run on this machine", platform, strings.Join(there, ", "))
}
