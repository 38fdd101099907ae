package pilot_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// A pilot run with Docker Compose: the images were loaded from the bundles of
// the candidate and of the release before it.
func Example_compose() {
	var (
		ctx                 = context.Background()
		checkout            = "rustshare"
		c                   = *product.RustShare().Compose
		candidate, previous *stack.Image // from stack.Load
	)
	open := func(ctx context.Context, o drill.Opening) (drill.Instance, error) {
		so := stack.ComposeOptions{Dir: checkout, Run: *product.RustShare().Run, Compose: c, Image: candidate, Secrets: o.Secrets, Snapshot: o.Snapshot}
		if o.Previous {
			so.Image = previous
		}
		if o.Isolated {
			so.Files, so.Project, so.Exclusive, so.FixedPorts = c.Drill, c.DrillProject, true, true
		}
		return stack.OpenCompose(ctx, so)
	}
	result, err := pilot.Run(ctx, pilot.Options{
		Dir:       "dist/pilot/v0.2.0-rc.1",
		Candidate: drill.Release{Version: "0.2.0-rc.1", Digest: "sha256:f6352de5…"},
		Previous:  drill.Release{Version: "0.1.1", Digest: "sha256:f3173471…"},
		Stack:     "compose", Open: open, Run: *product.RustShare().Run, Compose: &c, Page: true,
		Migrations: checkout + "/backend/migrations",
		Admin:      journey.Account{Email: "admin@localhost"}, Viewer: journey.Account{Email: "viewer@localhost"},
		Backup: drill.BackupOptions{Root: checkout, Config: c.Config, Manifest: backup.Manifest{
			Branch: "main", Commit: "4f0c9d5…", PostgresService: c.Database,
			PostgresDB: c.DatabaseName, PostgresUser: c.DatabaseUser, RustfsService: c.ObjectStore,
		}},
		LockDir: "dist",
		Watch:   func(s drill.Step) { fmt.Println(s.Name, s.Outcome, s.Detail) },
	})
	if err != nil {
		log.Print(err)
	}
	if result.Run != nil { // it began
		fmt.Println(result.Status, result.Details, result.Logs)
	}
}
