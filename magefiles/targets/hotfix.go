package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Hotfix is the way of an urgent fix.
type Hotfix mg.Namespace

// Start makes the branch of a hotfix from the last stable tag.
// -version is a line (0.3) to take its last one, or the version to make (0.3.2).
func (Hotfix) Start(ctx context.Context, version *string) error {
	return run(func(s *pipeline.Suite) error {
		return s.StartHotfix(ctx, value(version))
	})
}

// Run checks the hotfix at HEAD, runs what it has to pass, and publishes it at its signed tag.
// Plain `hotfix` is the same. -dryRun and -why as for release:stable.
func (Hotfix) Run(ctx context.Context, why *string, dryRun, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Hotfix(ctx, pipeline.Order{Why: value(why), DryRun: value(dryRun), JSON: value(json)})
	})
}

// Finish merges a released hotfix back into the main branch.
// -version names it where that is not clear. -pr leaves the merge on a branch
// of its own and opens a pull request.
func (Hotfix) Finish(ctx context.Context, version *string, pr *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.FinishHotfix(ctx, value(version), value(pr))
	})
}
