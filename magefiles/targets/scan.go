package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Scan looks for known vulnerabilities.
type Scan mg.Namespace

// Bundle scans the images of a bundle in dist by their SBOMs, as a release does.
// -tag picks the bundle (default: that of the edge build of HEAD). -scanner is grype or trivy
// (default: the product's). -db is where its database comes from: a file, a
// mirror's http(s) URL, or oci://REPOSITORY:TAG. -sarif is a file to write, for
// code scanning. Fails where the policy would stop a release.
func (Scan) Bundle(ctx context.Context, tag, scanner, db, sarif *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Scan(ctx, pipeline.ScanOrder{Tag: value(tag), Scanner: value(scanner), Database: value(db), SARIF: value(sarif), JSON: value(json)})
	})
}

// Image scans a published image by the SBOMs that are attested of it.
// REF is a reference by tag or by digest, -key a file with cosign's public key
// (default: the one that the product's checkout pins). The rest as for
// scan:bundle.
func (Scan) Image(ctx context.Context, ref string, key, scanner, db, sarif *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Scan(ctx, pipeline.ScanOrder{
			Image: ref, Key: value(key), Scanner: value(scanner), Database: value(db), SARIF: value(sarif), JSON: value(json),
		})
	})
}

// Database fetches grype's vulnerability database where a newer one is there, and shows its age.
// -db as for scan:bundle.
func (Scan) Database(ctx context.Context, db *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.ScanDatabase(ctx, value(db), value(json))
	})
}
