package targets

import (
	"context"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Prepare writes changelog, upgrading rows and version numbers for VERSION, and commits them.
// For a candidate (X.Y.Z-rc.N) the changelog stays as it is. -date is
// YYYY-MM-DD, today in UTC where it is missing.
func (Release) Prepare(ctx context.Context, version string, date *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Prepare(ctx, version, value(date), value(json))
	})
}

// Tag makes the signed tag of VERSION at HEAD once every gate lets it pass; never in CI.
// X.Y.Z-rc counts the next candidate. -push pushes the tag. -why goes on
// without a tried candidate, and is recorded when it is published.
func (Release) Tag(ctx context.Context, version string, why *string, push, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Tag(ctx, pipeline.TagOrder{Version: version, Why: value(why), Push: value(push), JSON: value(json)})
	})
}

// Notes prints the notes of a release: of its bundle, or of what is published.
// Without -tag it takes the CI's ref, or the release tag at HEAD.
func (Release) Notes(ctx context.Context, tag *string) error {
	return run(func(s *pipeline.Suite) error {
		return s.Notes(ctx, value(tag))
	})
}

// Rollback withdraws a stable VERSION: users are told, and rolling tags go back, latest first.
// -reason is one sentence for users, -use the version to use instead (default:
// where its line points then). Tag, image and release page stay. -dryRun prints
// what it would do.
func (Release) Rollback(ctx context.Context, version string, reason, use *string, dryRun, json *bool) error {
	return rollback(ctx, pipeline.RollbackOrder{Version: version, Reason: value(reason), Use: value(use), DryRun: value(dryRun), JSON: value(json)})
}

// Restore takes the withdrawal of VERSION back.
// -dryRun prints what it would do.
func (Release) Restore(ctx context.Context, version string, dryRun, json *bool) error {
	return rollback(ctx, pipeline.RollbackOrder{Version: version, Restore: true, DryRun: value(dryRun), JSON: value(json)})
}

func rollback(ctx context.Context, o pipeline.RollbackOrder) error {
	return run(func(s *pipeline.Suite) error {
		return s.Rollback(ctx, o)
	})
}

// Status shows what registry and forge hold, what they should, and the command that repairs it.
func (Release) Status(ctx context.Context, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Status(ctx, value(json))
	})
}

// Announce makes a published release, or its withdrawal, known to each place once.
// -tag as for release:notes. -dryRun prints the text and where it would go.
// -again sends to addresses of which nobody knows whether they heard.
func (Release) Announce(ctx context.Context, tag *string, dryRun, again, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Announce(ctx, pipeline.AnnounceOrder{Ref: value(tag), DryRun: value(dryRun), Again: value(again), JSON: value(json)})
	})
}
