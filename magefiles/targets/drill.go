package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Drill shows that a product survives what operators fear.
type Drill mg.Namespace

// Backup runs the product, uses it, and makes a backup that is verified to its last byte.
// -tag picks the image of a bundle in dist; without it the checkout is built.
// The backup lies in backups below -dir (default: below dist/tries), and the
// report of its data beside that.
func (Drill) Backup(ctx context.Context, dir, tag *string, json *bool) error {
	return drill(ctx, pipeline.TryOrder{Name: "drill:backup", Reports: value(dir), Tag: value(tag), JSON: value(json)})
}

// Verify checks a backup to its last byte and names everything that is wrong with it.
// DIR is the directory of one backup.
func (Drill) Verify(ctx context.Context, dir string, json *bool) error {
	return run(func(s *pipeline.Suite) error { return s.VerifyBackup(ctx, dir, value(json)) })
}

// Restore restores a backup into an isolated copy of the product, and looks whether it works.
// DIR is the directory of one backup; the secrets that it was made with come from
// the environment. -kept (SMOKE_REPORT) is the report of the journey whose data
// must be found again, byte for byte. -tag as for drill:backup.
// DRILL_KEEP_STACK=true leaves the copy running.
func (Drill) Restore(ctx context.Context, dir string, kept, tag *string, json *bool) error {
	return drill(ctx, pipeline.TryOrder{Name: "drill:restore", Backup: dir, Kept: value(kept), Tag: value(tag), JSON: value(json)})
}

// Upgrade runs the release before, uses it, and has the new one take over its data.
// -from is the version before (default: the last stable one in the history); its
// published image is taken, or one that is built from its tag. -tag as for
// drill:backup.
func (Drill) Upgrade(ctx context.Context, from, tag *string, json *bool) error {
	return drill(ctx, pipeline.TryOrder{Name: "drill:upgrade", Previous: value(from), Tag: value(tag), JSON: value(json)})
}

// Failure takes away database and object store, logs in with a wrong password, weakens secrets, restarts.
// -tag as for drill:backup.
func (Drill) Failure(ctx context.Context, tag *string, json *bool) error {
	return drill(ctx, pipeline.TryOrder{Name: "drill:failure", Tag: value(tag), JSON: value(json)})
}

func drill(ctx context.Context, o pipeline.TryOrder) error {
	return run(func(s *pipeline.Suite) error { return s.Try(ctx, o) })
}
