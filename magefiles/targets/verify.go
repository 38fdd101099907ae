package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Verify shows that what was made, or published, holds.
type Verify mg.Namespace

// Reproducible builds a release again, as another user in other surroundings, and says which bytes differ.
// Without -image it holds the bundle in dist, which it makes where it is not
// there, against a build of the same checkout in another directory. -tag is the
// release's (default: the CI's ref, or the release tag at HEAD). -image is a
// published image by tag or digest: it is verified, with -key or the key that
// the checkout pins, and built again from the commit that its provenance names;
// -tag is then what the provenance must name. -attest signs the result and
// attaches it to the image. -keep is an empty directory for the build again.
func (Verify) Reproducible(ctx context.Context, tag, image, key, keep *string, attest, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Reproduce(ctx, pipeline.ReproduceQuery{
			Ref: value(tag), Image: value(image), Key: value(key), Keep: value(keep), Attest: value(attest), JSON: value(json),
		})
	})
}

// Files proves the files of a release page that lie in DIR; asks nobody.
// -key, -identity, -issuer, -trustedRoot, -commit and -tag as for
// release:verify.
func (Verify) Files(_ context.Context, dir string, key, identity, issuer, trustedRoot, commit, tag *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.VerifyFiles(dir, pipeline.VerifyQuery{
			Key: value(key), Identity: value(identity), Issuer: value(issuer), TrustedRoot: value(trustedRoot),
			Commit: value(commit), Tag: value(tag), JSON: value(json),
		})
	})
}
