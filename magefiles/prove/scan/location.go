package scan

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/klauspost/compress/gzip"
)

// OCI is how the name of a database begins that lies in a registry.
const OCI = "oci://"

// Locate reads where a database of grype's is to be taken from: "" for the
// public one, an http or https URL, "oci://host/repository:tag" (or @digest), or
// a file. One in a registry is fetched, once, into the cache; what comes is held
// against its digest.
func Locate(ctx context.Context, from, cache string, options ...remote.Option) (Location, error) {
	l := Location{Cache: cache}
	switch {
	case from == "":
	case strings.HasPrefix(from, "http://"), strings.HasPrefix(from, "https://"):
		l.URL = from
	case strings.HasPrefix(from, OCI):
		file, err := fetch(ctx, strings.TrimPrefix(from, OCI), cache, options)
		if err != nil {
			return l, fmt.Errorf("fetching the vulnerability database %s: %w", from, err)
		}
		l.File = file
	default:
		path, err := filepath.Abs(from)
		if err != nil {
			return l, err
		}
		if _, err := os.Stat(path); err != nil {
			return l, fmt.Errorf("the vulnerability database: %w; name a file, an http(s) URL or oci://REPOSITORY:TAG", err)
		}
		l.File = path
	}
	return l, nil
}

// fetch gets the one layer of an artifact.
func fetch(ctx context.Context, from, cache string, options []remote.Option) (string, error) {
	ref, err := name.ParseReference(from)
	if err != nil {
		return "", err
	}
	image, err := remote.Image(ref, append(options, remote.WithContext(ctx))...)
	if err != nil {
		return "", err
	}
	layers, err := image.Layers()
	if err != nil {
		return "", err
	}
	if len(layers) != 1 {
		return "", fmt.Errorf("it has %d layers, want one with the archive", len(layers))
	}
	manifest, err := image.Manifest()
	if err != nil {
		return "", err
	}
	layer := manifest.Layers[0]
	title := filepath.Base(or(layer.Annotations["org.opencontainers.image.title"], "database.tar.gz"))
	path := filepath.Join(cache, "oci", layer.Digest.Hex, title)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	content, err := layers[0].Compressed() // verifies what it reads
	if err != nil {
		return "", err
	}
	partial := path + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return "", errors.Join(err, content.Close())
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, content.Close(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(partial))
	}
	return path, os.Rename(partial, path)
}

// maxTrivy is the size of the largest file of a Trivy database, in bytes.
const maxTrivy = 8 << 30

// UnpackTrivy puts a Trivy database (a gzipped tar with trivy.db and
// metadata.json) into a cache directory of Trivy's.
func UnpackTrivy(archive, cache string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("the database of Trivy: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s is no gzipped tar with trivy.db and metadata.json: %w", archive, err)
	}
	dir := filepath.Join(cache, "db")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	found := map[string]bool{}
	files := tar.NewReader(unzipped)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", archive, err)
		}
		base := filepath.Base(h.Name)
		if h.Typeflag != tar.TypeReg || (base != "trivy.db" && base != "metadata.json") {
			continue
		}
		if h.Size > maxTrivy {
			return fmt.Errorf("reading %s: %s has %d bytes", archive, base, h.Size)
		}
		if err := copyTo(filepath.Join(dir, base), files); err != nil {
			return fmt.Errorf("reading %s: %w", archive, err)
		}
		found[base] = true
	}
	if !found["trivy.db"] || !found["metadata.json"] {
		return fmt.Errorf("%s holds no trivy.db with metadata.json: it is no database of Trivy", archive)
	}
	return nil
}

func copyTo(path string, from io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(path), "partial-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
