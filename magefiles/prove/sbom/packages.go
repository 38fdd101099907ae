package sbom

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// writePackages describes a target's packages and archives, by the digest of the
// file: the crates of its binary and the npm packages of the frontend. They are
// in one format alone: a page with both would show little else.
func writePackages(ctx context.Context, b *bundle.Bundle, p product.Product, t product.Target, binary v1.Descriptor, npm contents) error {
	var files []v1.Descriptor
	for _, d := range b.Entries(bundle.File) {
		if d.Annotations[bundle.PackageKey] != "" && d.Annotations[bundle.PlatformKey] == t.Platform() {
			files = append(files, d)
		}
	}
	if len(files) == 0 {
		return nil
	}
	found, err := crates(ctx, b.Path(binary.Digest), t.Asset, "/usr/bin/"+p.Cargo.Binary, origin(b, p))
	if err != nil {
		return err
	}
	found = found.plus(npm)
	for _, d := range files {
		title := d.Annotations[bundle.TitleKey]
		err := storeAs(b, title, document{
			subject: d.Digest, name: title, version: b.Plan.Version, supplier: p.Vendor,
			namespace: p.Source + "/sbom/" + title,
			created:   b.Plan.CommitTime.UTC(), contents: found,
		}, spdxFormat)
		if err != nil {
			return err
		}
	}
	return nil
}
