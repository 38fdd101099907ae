package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// RestoreOptions say what is restored, into what, and what has to be there.
type RestoreOptions struct {
	// Bundle is the directory of a backup bundle.
	Bundle string
	// Open gives the isolated stack. It refuses where anything of its project
	// is there already.
	Open Opener
	// Secrets are those that the data was made with.
	Secrets stack.Secrets
	// Admin and Viewer need an e-mail address; an empty password is that of
	// the instance.
	Admin, Viewer journey.Account
	// Kept is what a pilot journey left in the product before the backup. It is
	// looked for, byte for byte; with the zero value it is not.
	Kept journey.Kept
	// PublicShareToken and PublicSharePassword are of a public link in the
	// backup, AllowSkipPublicShare lets it have none: see [journey.Target].
	PublicShareToken, PublicSharePassword string
	AllowSkipPublicShare                  bool
	// Keep leaves the restored stack running.
	Keep bool
	// LockDir is the directory with the lock: one drill runs at a time.
	LockDir string
	// Project is the Compose project of the isolated stack; empty where it has
	// none.
	Project string
	// Reports is the directory for the report; empty: none is written.
	Reports string
}

// Restore shows that a backup can be restored: into an isolated stack, which is
// taken away again. A bundle with a problem starts nothing ([*DamagedError]),
// and neither does a second drill ([*LockedError]). The report is written in
// any case. A teardown that fails fails the drill.
func Restore(ctx context.Context, run *Run, o RestoreOptions) (err error) {
	report := o.begin()
	defer func() { err = errors.Join(err, report.write(o.Reports)) }()
	first := len(run.Steps)
	err = o.locked(ctx, run, report)
	report.conclude(run.Steps[first:], err)
	return err
}

func (o RestoreOptions) locked(ctx context.Context, run *Run, report *restoreReport) error {
	var release func()
	err := run.need(ctx, "lock out other drills", func(context.Context) (_ string, err error) {
		release, err = lock(o.LockDir)
		return "", err
	})
	if err != nil {
		return err
	}
	defer release()
	info, err := Verify(ctx, run, o.Bundle)
	if err != nil {
		return err
	}
	return o.isolated(ctx, run, report, info)
}

func (o RestoreOptions) isolated(ctx context.Context, run *Run, report *restoreReport, info backup.Info) (err error) {
	var s Instance
	err = run.need(ctx, "open the isolated stack", func(ctx context.Context) (string, error) {
		s, err = o.Open(ctx, Opening{Name: "restore", Secrets: o.Secrets, Isolated: true, Keep: o.Keep})
		return o.Project, err
	})
	if err != nil {
		return err
	}
	report.secrets = s.Secrets()
	defer func() { err = errors.Join(err, o.leave(ctx, run, s)) }()
	err = o.restore(ctx, run, s, info)
	report.BaseURL = s.URL()
	if err == nil {
		err = o.inspect(ctx, run, s)
	}
	return leaks(ctx, run, s, err)
}

// restore does what an operator does with a bundle.
func (o RestoreOptions) restore(ctx context.Context, run *Run, s Instance, info backup.Info) error {
	database := backup.Postgres
	if s.Database() == sqlite {
		database = backup.SQLite
	}
	has := func(name string) bool {
		return slices.ContainsFunc(info.Parts, func(p backup.Part) bool { return p.Name == name })
	}
	steps := []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"start the isolated stack", func(ctx context.Context) (string, error) {
			if !has(database) {
				return "", fmt.Errorf("the bundle has no %s, and the stack to restore it into runs %s: choose the other kind of stack", database, s.Database())
			}
			return "", s.Start(ctx)
		}},
		{"stop writers", func(ctx context.Context) (string, error) { return "", s.Stop(ctx, stack.Backend) }},
		{"replay the database", func(ctx context.Context) (string, error) { return database, replay(ctx, s, o.Bundle, database) }},
		{"replace the objects", func(ctx context.Context) (string, error) {
			return backup.Volume, replaceObjects(ctx, s, o.Bundle)
		}},
		{"start the restored product", func(ctx context.Context) (string, error) {
			err := s.Start(ctx)
			if err == nil {
				err = s.Ready(ctx)
			}
			return "ready at " + s.URL(), err
		}},
	}
	for _, step := range steps {
		if err := run.need(ctx, step.name, step.do); err != nil {
			return err
		}
	}
	if !has(backup.ChatPostgres) {
		return nil
	}
	return run.Step(ctx, "restore the chat", func(context.Context) (string, error) {
		return "", &NotApplicableError{"the stack has no chat: its parts of the bundle were verified, and not restored"}
	})
}

// replay reads a database to its end, whatever the replay leaves: its checksum
// is known there alone.
func replay(ctx context.Context, s Instance, bundle, name string) error {
	r, err := backup.OpenDatabase(ctx, bundle, name, backup.Limits{})
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	if err := s.Replay(ctx, r); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// replaceObjects reads the objects to their end, as replay does.
func replaceObjects(ctx context.Context, s Instance, bundle string) error {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(backup.CopyVolume(ctx, bundle, backup.Volume, backup.Limits{}, w))
	}()
	defer func() {
		cancel()
		_ = r.Close() // never fails
		<-done
	}()
	if err := s.ReplaceObjects(ctx, r); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// inspect looks at what was restored, and changes nothing.
func (o RestoreOptions) inspect(ctx context.Context, run *Run, s Instance) error {
	target := Target(s, o.Admin, o.Viewer)
	target.PublicShareToken, target.PublicSharePassword = o.PublicShareToken, o.PublicSharePassword
	target.AllowSkipPublicShare = o.AllowSkipPublicShare
	_, err := run.Travel(ctx, "post-restore journey", func(ctx context.Context) (journey.Report, error) {
		report, err := journey.PostRestore(ctx, target, o.Kept, nil)
		return report, Cause(ctx, s, err)
	})
	if err == nil && o.Kept.Preserved {
		_, err = run.Travel(ctx, "data from before the backup", func(ctx context.Context) (journey.Report, error) {
			report, err := journey.Verify(ctx, target, o.Kept, nil)
			return report, Cause(ctx, s, err)
		})
	}
	return err
}

// leaks wants none of an instance's secrets in its logs, also where it failed
// before, which is joined. Where that was an interruption there is no time.
func leaks(ctx context.Context, run *Run, s Instance, before error) error {
	if before != nil && ctx.Err() != nil {
		return before
	}
	return errors.Join(before, run.Step(ctx, "search the logs for secrets", func(ctx context.Context) (string, error) {
		found, err := s.Leaks(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			return "", &NotApplicableError{"nothing was started, so there are no logs"}
		}
		if err != nil {
			return "", err
		}
		var all []string
		for _, l := range found {
			all = append(all, fmt.Sprintf("the %s logged the value of %s", l.Service, l.Secret))
		}
		if len(all) > 0 {
			return "", fmt.Errorf("%s: a secret must never be logged", strings.Join(all, "; "))
		}
		return fmt.Sprintf("%d secrets, none found", len(s.Secrets())), nil
	}))
}

// leave takes the stack away, or says how to.
func (o RestoreOptions) leave(ctx context.Context, run *Run, s Instance) error {
	if !o.Keep {
		return tearDown(ctx, run, "tear down", s)
	}
	return run.Step(ctx, "keep the stack", func(context.Context) (string, error) {
		if o.Project == "" {
			return "it ends with this program; what it leaves in the directory of temporary files is to be removed by hand", nil
		}
		return fmt.Sprintf("it is at %s; remove it with `docker compose --project-name %s down --volumes --remove-orphans`", s.URL(), o.Project), nil
	})
}

func tearDown(ctx context.Context, run *Run, name string, s Instance) error {
	return run.need(ctx, name, func(ctx context.Context) (string, error) { return "", s.Destroy(ctx) })
}
