package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// emptyType is the config of an artifact (OCI image spec 1.1, empty
// descriptor).
const emptyType = "application/vnd.oci.empty.v1+json"

// AttachBinaries adds an artifact for each binary to the bundle, with the
// image index as its subject. Its layer is the very layer of the image that
// holds the binary, so that nothing is uploaded twice; what the plain binary's
// checksum is stands in an annotation.
func AttachBinaries(b *bundle.Bundle) error {
	subject, index, ok, err := b.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading the bundle's image index: %w", err)
	}
	if !ok {
		return fmt.Errorf("the bundle in %s has no image yet: assemble it first", b.Dir)
	}
	for _, d := range b.Entries(bundle.Binary) {
		platform := d.Annotations[bundle.PlatformKey]
		layer, err := layerNamed(b, index, platform, LayerBinary)
		if err != nil {
			return fmt.Errorf("attaching %s: %w", d.Annotations[bundle.TitleKey], err)
		}
		err = attach(b, subject, bundle.BinaryArtifact, layer, map[string]string{
			bundle.TitleKey:    d.Annotations[bundle.TitleKey],
			bundle.TargetKey:   d.Annotations[bundle.TargetKey],
			bundle.PlatformKey: platform,
			bundle.SHA256Key:   d.Digest.Hex,
		})
		if err != nil {
			return fmt.Errorf("attaching %s: %w", d.Annotations[bundle.TitleKey], err)
		}
	}
	return nil
}

// AttachFiles takes the product's extra files from its checkout into the
// bundle, as files of the release page and as artifacts of the image index.
// Files may be of any size; those that the bundle holds are not read again.
func AttachFiles(ctx context.Context, b *bundle.Bundle, p product.Product, dir string) error {
	subject, _, ok, err := b.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading the bundle's image index: %w", err)
	}
	if !ok {
		return fmt.Errorf("the bundle in %s has no image yet: assemble it first", b.Dir)
	}
	for _, from := range p.Extra {
		title := path.Base(from)
		d, ok := b.Find(bundle.File, title)
		if !ok || !b.Has(d) {
			if d, err = ingest(ctx, b, filepath.Join(dir, filepath.FromSlash(from)), title); err != nil {
				return fmt.Errorf("attaching %s (Extra in the product's definition): %w", from, err)
			}
			if err := b.Add(bundle.File, d); err != nil {
				return err
			}
		}
		if err := attachFile(b, subject, d, nil); err != nil {
			return fmt.Errorf("attaching %s: %w", from, err)
		}
	}
	return nil
}

func ingest(ctx context.Context, b *bundle.Bundle, from, title string) (v1.Descriptor, error) {
	f, err := os.Open(from)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return v1.Descriptor{}, fmt.Errorf("%s is no plain file", from)
	}
	blob, err := b.Ingest(stoppableReader{ctx, f})
	return blob.Descriptor("application/octet-stream", title), err
}

// attach writes an artifact manifest (OCI image spec 1.1) and adds it.
func attach(b *bundle.Bundle, subject v1.Descriptor, artifactType string, layer v1.Descriptor, notes map[string]string) error {
	empty, err := b.IngestJSON(struct{}{})
	if err != nil {
		return err
	}
	config := empty.Descriptor(emptyType, "")
	config.Data = []byte("{}")
	blob, err := b.IngestJSON(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType,
		Config: config, Layers: []v1.Descriptor{layer},
		Subject:     &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: notes,
	})
	if err != nil {
		return err
	}
	d := blob.Descriptor(string(types.OCIManifestSchema1), "")
	d.ArtifactType, d.Annotations = artifactType, notes
	return b.Add(bundle.Artifact, d)
}

// layerNamed finds a layer of a platform's image by the comment in its
// history.
func layerNamed(b *bundle.Bundle, index v1.IndexManifest, platform, name string) (v1.Descriptor, error) {
	for _, d := range index.Manifests {
		if d.Platform == nil || d.Platform.String() != platform {
			continue
		}
		var m v1.Manifest
		if err := b.ReadJSON(d.Digest, &m); err != nil {
			return v1.Descriptor{}, err
		}
		var c v1.ConfigFile
		if err := b.ReadJSON(m.Config.Digest, &c); err != nil {
			return v1.Descriptor{}, err
		}
		names := layerNames(c.History, len(m.Layers))
		for i := len(names) - 1; i >= 0; i-- { // ours come after a base's
			if names[i] == name {
				return m.Layers[i], nil
			}
		}
		return v1.Descriptor{}, fmt.Errorf("the image for %s has no layer %q in its history", platform, name)
	}
	return v1.Descriptor{}, fmt.Errorf("the image index has no platform %q", platform)
}

// layerNames gives the comments of the layers in a config's history; a layer
// without one is named by its number.
func layerNames(history []v1.History, count int) []string {
	names := make([]string, 0, count)
	for _, h := range history {
		if !h.EmptyLayer && len(names) < count {
			names = append(names, h.Comment)
		}
	}
	for len(names) < count {
		names = append(names, "")
	}
	for i, n := range names {
		if n == "" {
			names[i] = fmt.Sprintf("number %d", i+1)
		}
	}
	return names
}
