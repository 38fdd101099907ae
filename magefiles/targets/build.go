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
