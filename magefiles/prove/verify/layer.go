package verify

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
)

// layerFile is a file inside a layer.
type layerFile struct {
	// path is absolute in the image, sha256 is in hex.
	path, sha256 string
}

// badImage says what is wrong with an image that was read well.
type badImage string

func (b badImage) Error() string { return string(b) }

// started hashes the file that an image starts. It has to lie in the top layer,
// where no other layer can hide it. The layer is streamed, not kept.
func (s *source) started(ctx context.Context, config v1.Descriptor, top v1.Hash) (layerFile, error) {
	text, err := s.blob(ctx, config)
	if err != nil {
		return layerFile{}, err
	}
	var image v1.ConfigFile
	if err := json.Unmarshal(text, &image); err != nil {
		return layerFile{}, fmt.Errorf("reading the image's configuration: %w", err)
	}
	if len(image.Config.Entrypoint) == 0 {
		return layerFile{}, badImage("it has no entry point, so what it starts is unknown")
	}
	out := layerFile{path: path.Clean("/" + image.Config.Entrypoint[0])}
	err = s.stream(ctx, top, func(r io.Reader) error {
		out.sha256, err = hashIn(r, out.path)
		return err
	})
	return out, err
}

// hashIn gives the sha256 (hex) of one file in a layer, compressed with gzip or
// not.
func hashIn(layer io.Reader, want string) (string, error) {
	r := bufio.NewReaderSize(layer, 1<<16)
	var plain io.Reader = r
	if magic, err := r.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		zip, err := gzip.NewReader(r)
		if err != nil {
			return "", fmt.Errorf("unpacking the layer: %w", err)
		}
		plain = zip
	}
	found := ""
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading the layer: %w", err)
		}
		if path.Clean("/"+h.Name) != want {
			continue
		}
		if h.Typeflag != tar.TypeReg || found != "" {
			return "", badImage("its top layer has " + want + " twice, or not as a regular file")
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, archive); err != nil {
			return "", fmt.Errorf("reading the layer: %w", err)
		}
		found = hex.EncodeToString(sum.Sum(nil))
	}
	if found == "" {
		return "", badImage("it starts " + want + ", which is not in its top layer")
	}
	return found, nil
}
