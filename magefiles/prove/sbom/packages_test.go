package sbom_test

import (
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
)

// TestPackages describes each package by its own digest, with what its target's
// binary and the frontend hold, and nothing else of the page.
func TestPackages(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	add := func(title, format, platform string) bundle.Blob {
		blob, err := r.Bundle.Ingest(strings.NewReader(title))
		testkit.OK(t, err)
		d := blob.Descriptor("application/octet-stream", title)
		if format != "" {
			d.Annotations[bundle.PackageKey], d.Annotations[bundle.PlatformKey] = format, platform
		}
		testkit.OK(t, r.Bundle.Add(bundle.File, d))
		return blob
	}
	packed := map[string]bundle.Blob{
		"rustshare_0.4.0_amd64.deb":           add("rustshare_0.4.0_amd64.deb", "deb", "linux/amd64"),
		"rustshare-0.4.0-linux-arm64.tar.zst": add("rustshare-0.4.0-linux-arm64.tar.zst", "tar.zst", "linux/arm64"),
	}
	add("compose.yml", "", "")
	testkit.OK(t, sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout))
	for title, blob := range packed {
		doc, err := intoto.DecodeSBOM(intoto.SPDX, read(t, r.Bundle, title+".spdx.json"))
		testkit.OK(t, err)
		if doc.SHA256 != blob.Digest.Hex || doc.Crates != 3 || doc.Packages != 3 {
			t.Errorf("%s is described as %+v", title, doc)
		}
	}
	for _, title := range []string{"rustshare_0.4.0_amd64.deb.cdx.json", "compose.yml.spdx.json"} {
		if _, found := r.Bundle.Find(bundle.File, title); found {
			t.Errorf("there is a %s", title)
		}
	}
}
