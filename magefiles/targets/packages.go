package targets

import (
	"context"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Packages makes deb, rpm, apk and pacman packages and archives, without a release.
// -tag names a bundle in dist/, or else the checkout is built. -out is the
// directory that they go to (default: dist/packages/VERSION). They are signed
// where the keys are there.
func (Build) Packages(ctx context.Context, tag, out *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.BuildPackages(ctx, pipeline.PackOrder{Tag: value(tag), Out: value(out), JSON: value(json)})
	})
}
