package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Report tells what was shown of a release.
type Report mg.Namespace

// Validation writes the validation record of a release: Markdown below docs/releases, a page in its bundle.
// Without -tag it takes the CI's ref, or the release tag at HEAD. The bundle in
// dist has to be there.
func (Report) Validation(ctx context.Context, tag *string, json *bool) error {
	return run(func(s *pipeline.Suite) error { return s.Validation(ctx, value(tag), value(json)) })
}
