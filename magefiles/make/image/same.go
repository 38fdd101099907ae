package image

import (
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// SameLayers tells whether two image indexes have the same platforms with the
// same layers, by digest. Labels and annotations, which name version and
// commit, have no say.
func SameLayers(a, b v1.ImageIndex) (bool, error) {
	left, err := layersOf(a)
	if err != nil {
		return false, err
	}
	right, err := layersOf(b)
	if err != nil {
		return false, err
	}
	if len(left) != len(right) {
		return false, nil
	}
	for platform, layers := range left {
		if !slices.Equal(layers, right[platform]) {
			return false, nil
		}
	}
	return true, nil
}

// layersOf lists the layers of each platform's image.
func layersOf(index v1.ImageIndex) (map[string][]v1.Hash, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading an image index: %w", err)
	}
	out := map[string][]v1.Hash{}
	for platform, d := range platforms(m) {
		img, err := index.Image(d.Digest)
		if err != nil {
			return nil, fmt.Errorf("reading the image for %s: %w", platform, err)
		}
		manifest, err := img.Manifest()
		if err != nil {
			return nil, fmt.Errorf("reading the image for %s: %w", platform, err)
		}
		for _, l := range manifest.Layers {
			out[platform] = append(out[platform], l.Digest)
		}
	}
	return out, nil
}
