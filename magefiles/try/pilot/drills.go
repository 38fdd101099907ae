package pilot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
)

// sub runs a drill with steps of its own, and keeps them beside the phase's.
func (p *pilot) sub(r *record, name string, do func(*drill.Run) error) error {
	run := drill.Begin(name, func(s drill.Step) {
		s.Name = r.Name + ": " + s.Name
		s.Detail = p.mask(s.Detail)
		p.o.Watch(s)
	})
	err := run.End(do(run))
	r.Detail, r.Facts = run.Details, maps.Clone(run.Facts)
	if len(run.Steps) == 1 {
		r.Detail = run.Steps[0].Detail
	}
	text, jsonErr := json.MarshalIndent(run, "", "  ")
	if jsonErr != nil {
		return errors.Join(err, fmt.Errorf("encoding the steps: %w", jsonErr))
	}
	path := p.path(strings.ReplaceAll(r.Name, " ", "-") + ".json")
	if written := os.WriteFile(path, []byte(p.mask(string(text))+"\n"), 0o644); written != nil {
		return errors.Join(err, fmt.Errorf("keeping the steps: %w", written))
	}
	r.leave(path)
	if err == nil && run.Status == drill.NotApplicable {
		return &drill.NotApplicableError{Reason: run.Steps[0].Detail} // it went no further
	}
	return err
}

func (p *pilot) backup(ctx context.Context, r *record) error {
	o := p.o.Backup
	o.Secrets = p.main.Secrets()
	return p.sub(r, "drill:backup", func(run *drill.Run) error {
		info, err := drill.Backup(ctx, run, p.main, p.path("backup"), o)
		if err == nil {
			p.bundle = info.Dir
			r.leave(info.Dir)
		}
		return err
	})
}

func (p *pilot) verify(ctx context.Context, r *record) error {
	return p.sub(r, "drill:verify", func(run *drill.Run) error {
		_, err := drill.Verify(ctx, run, p.bundle)
		return err
	})
}

func (p *pilot) restore(ctx context.Context, r *record) error {
	o := drill.RestoreOptions{
		Bundle: p.bundle, Open: p.openStack, Secrets: p.main.Secrets(), Admin: p.o.Admin, Viewer: p.o.Viewer, Kept: p.kept,
		Keep: p.o.KeepRestored, LockDir: p.o.LockDir, Reports: p.path("restore"),
	}
	if _, err := p.composeReader(); err == nil {
		o.Project = p.o.Compose.DrillProject
	}
	return p.sub(r, "drill:restore", func(run *drill.Run) error {
		err := drill.Restore(ctx, run, o)
		if _, there := os.Lstat(o.Reports); there == nil {
			r.leave(o.Reports)
		}
		return err
	})
}

func (p *pilot) upgrade(ctx context.Context, r *record) error {
	if p.o.Previous.Version == "" {
		return &drill.NotApplicableError{Reason: "this is the first stable release: there is none to upgrade from"}
	}
	o := drill.UpgradeOptions{
		Open: p.openStack, Admin: p.o.Admin, Viewer: p.o.Viewer, Previous: p.o.Previous, Candidate: p.o.Candidate,
	}
	return p.sub(r, "drill:upgrade", func(run *drill.Run) error { return drill.Upgrade(ctx, run, o) })
}
