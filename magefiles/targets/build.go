package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Build makes parts of a release on machines of their own.
type Build mg.Namespace

// Binaries builds the binary of one target, or all, for a release elsewhere to merge with -parts.
// -target is a Rust target triple, -out the part's directory (default: below
// dist/parts). -tag and -why as for the release. It needs no key.
func (Build) Binaries(ctx context.Context, target, out, tag, why *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.BuildBinaries(ctx, pipeline.PartOrder{
			Ref: value(tag), Why: value(why), Target: value(target), Out: value(out), JSON: value(json),
		})
	})
}

// Bundle builds everything of a release but its proofs: binaries, frontend, image, files, SBOMs.
// It needs no key and no registry, and asks no gate but that the tag's commit is
// checked out, unchanged. -tag as for the release, -out is the bundle's
// directory (default: the release's own, below dist, with which the release
// goes on).
func (Build) Bundle(ctx context.Context, tag, out *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.BuildBundle(ctx, pipeline.ContentOrder{Ref: value(tag), Out: value(out), JSON: value(json)})
	})
}
