package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Release takes a product from a tag to a release.
type Release mg.Namespace

// Tags prints the image tags that a ref gets, one a line; needs no repository.
// REF is a tag such as v0.4.0-rc.1, main, or nightly. -sha is the full commit
// hash, -date a UTC date (YYYY-MM-DD, default today), -published and
// -withdrawn are stable versions, separated by commas.
func (Release) Tags(ref string, sha, date, published, withdrawn *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Tags(pipeline.TagsQuery{
			Ref: ref, Commit: value(sha), Date: value(date),
			Published: value(published), Withdrawn: value(withdrawn), JSON: value(json),
		})
	})
}

// Plan shows everything that a release would do, and does nothing.
// Without -tag it takes the CI's ref, or the release tag at HEAD.
func (Release) Plan(ctx context.Context, tag *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.ShowPlan(ctx, value(tag), value(json))
	})
}

// Edge publishes the main branch as edge, nightly-YYYY-MM-DD and sha-COMMIT.
// -tag=nightly leaves "edge" alone. -dryRun builds, but publishes nothing and
// prints what it would publish. -why goes on where sha-COMMIT names another
// digest already. -parts are directories of build:binaries, separated by
// commas, where the binaries were built elsewhere.
func (Release) Edge(ctx context.Context, tag, why, parts *string, dryRun, json *bool) error {
	ref := value(tag)
	if ref == "" {
		ref = string(decide.Edge)
	}
	return release(ctx, ref, why, parts, dryRun, json, decide.Edge, decide.Nightly)
}

// RC publishes a release candidate (or another pre-release) from its tag.
// Without -tag it takes the CI's ref, or the release tag at HEAD. -dryRun, -why
// and -parts as for release:edge.
func (Release) RC(ctx context.Context, tag, why, parts *string, dryRun, json *bool) error {
	return release(ctx, value(tag), why, parts, dryRun, json, decide.Candidate)
}

// Stable publishes a stable release from its signed tag and moves the rolling tags.
// Without -tag it takes the CI's ref, or the release tag at HEAD. -dryRun, -why
// and -parts as for release:edge.
func (Release) Stable(ctx context.Context, tag, why, parts *string, dryRun, json *bool) error {
	return release(ctx, value(tag), why, parts, dryRun, json, decide.Stable)
}

// Publish publishes whatever the CI's ref or the tag at HEAD is: for workflows that let it decide.
// -tag, -dryRun, -why and -parts as for release:edge.
func (Release) Publish(ctx context.Context, tag, why, parts *string, dryRun, json *bool) error {
	return release(ctx, value(tag), why, parts, dryRun, json, decide.Edge, decide.Nightly, decide.Candidate, decide.Stable)
}

// Verify proves a published image from the registry alone; works in an empty directory.
// IMAGE is a reference by tag or by digest, -key a file with cosign's public
// key, -identity and -issuer the subject of a certificate and who vouches for it
// (default: whom the product's checkout pins), -trustedRoot a file with the
// authorities that count. -commit and -tag are what the provenance must name,
// where given; that of a version's own image must be its tag's. -require names what the image
// must have passed, separated by commas: "smoke:pilot", "drill:restore@compose".
// -attest signs what came of it, where it passed, and attaches that to the
// image: it needs somebody to sign and the right to push.
func (Release) Verify(ctx context.Context, image string, key, identity, issuer, trustedRoot, commit, tag, require *string, attest, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Verify(ctx, pipeline.VerifyQuery{
			Image: image, Key: value(key), Identity: value(identity), Issuer: value(issuer), TrustedRoot: value(trustedRoot),
			Commit: value(commit), Tag: value(tag), Require: list(require), Attest: value(attest), JSON: value(json),
		})
	})
}

func release(ctx context.Context, ref string, why, parts *string, dryRun, json *bool, channels ...decide.Channel) error {
	return run(func(s *pipeline.Suite) error {
		return s.Release(ctx, pipeline.Order{
			Ref: ref, Channels: channels, Why: value(why), Parts: list(parts), DryRun: value(dryRun), JSON: value(json),
		})
	})
}
