package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// attempt is one of the things that an image is tried with.
type attempt struct {
	// Backup is a bundle to restore (default: one that is made for it), Kept
	// what a journey left before it was made, and Secrets those of the
	// installation that it is of.
	Backup  string
	Kept    journey.Kept
	Secrets stack.Secrets
	// From is the phase of the pilot run to begin with; Only are those to run.
	From string
	Only []string
	// Evidence is the directory for reports, packed logs and backups.
	Evidence string
}

// try runs one of what an image can be tried with, by its target's name. The
// run is there also where it failed, and nil where it was not begun. Logs are
// files with packed logs.
func (t *stands) try(ctx context.Context, name string, a attempt) (run *drill.Run, logs []string, err error) {
	if name == pilot.Name {
		return t.pilot(ctx, a)
	}
	do, ok := map[string]func(context.Context, *drill.Run, attempt) error{
		"smoke:launch":  t.travel(journey.Launch),
		"smoke:beta":    t.travel(journey.Beta),
		"drill:backup":  t.backup,
		"drill:restore": t.restore,
		"drill:upgrade": t.upgrade,
		"drill:failure": t.failure,
	}[name]
	if !ok {
		return nil, nil, fmt.Errorf("%q is nothing that an image can be tried with", name)
	}
	run = drill.Begin(name, t.say)
	return run, nil, run.End(do(ctx, run, a))
}

// say shows a step that ended.
func (t *stands) say(s drill.Step) {
	line := s.Name + ": " + string(s.Outcome)
	if s.Detail != "" && s.Outcome != drill.Failed { // a failure is told by the error
		line += " (" + s.Detail + ")"
	}
	t.step.Println("%s", line)
}

// running opens and starts an instance of what is tried, gives it to use, looks
// for secrets in its logs and takes it away.
func (t *stands) running(ctx context.Context, run *drill.Run, name string, use func(context.Context, drill.Instance) error) (err error) {
	var in drill.Instance
	err = run.Step(ctx, "start", func(ctx context.Context) (_ string, err error) {
		if in, err = t.open(ctx, drill.Opening{Name: name}); err != nil {
			return "", err
		}
		err = in.Start(ctx)
		return in.Kind() + " stack at " + in.URL(), err
	})
	if in != nil {
		defer func() { err = errors.Join(err, in.Destroy(ctx)) }()
	}
	if err != nil {
		return err
	}
	err = use(ctx, in)
	return errors.Join(err, run.Step(context.WithoutCancel(ctx), "search the logs for secrets", func(ctx context.Context) (string, error) {
		return fmt.Sprintf("%d secrets, none found", len(in.Secrets())), leaked(ctx, in)
	}))
}

// leaked says which secrets of its run stand in the logs of a stack.
func leaked(ctx context.Context, in stack.Stack) error {
	leaks, err := in.Leaks(ctx)
	for _, l := range leaks {
		err = errors.Join(err, fmt.Errorf("the log of the %s holds the value of %s: a secret must never be logged", l.Service, l.Secret))
	}
	return err
}

// travel is one journey.
func (t *stands) travel(along func(context.Context, journey.Target, journey.Watch) (journey.Report, error)) func(context.Context, *drill.Run, attempt) error {
	return func(ctx context.Context, run *drill.Run, a attempt) error {
		return t.running(ctx, run, "smoke", func(ctx context.Context, in drill.Instance) error {
			report, err := run.Travel(ctx, "journey", func(ctx context.Context) (journey.Report, error) {
				report, err := along(ctx, drill.Target(in, t.admin(), t.viewer()), nil)
				return report, drill.Cause(ctx, in, err)
			})
			return errors.Join(err, written(report, a.Evidence))
		})
	}
}

// written leaves a journey's report, where it set out.
func written(r journey.Report, dir string) error {
	if r.Status == "" {
		return nil
	}
	_, err := r.Write(dir)
	return err
}

// admin and viewer are the accounts of an instance of our own; their passwords
// are the instance's.
func (t *stands) admin() journey.Account {
	return journey.Account{Email: or(t.suite.Getenv("ADMIN_EMAIL"), "admin@localhost")}
}

func (t *stands) viewer() journey.Account {
	return journey.Account{Email: or(t.suite.Getenv("VIEWER_EMAIL"), "viewer@localhost")}
}

// backup makes a backup of an instance that was used, and verifies it.
func (t *stands) backup(ctx context.Context, run *drill.Run, a attempt) error {
	_, _, _, err := t.backedUp(ctx, run, a.Evidence)
	return err
}

// backedUp is the backup with what a journey left in it, and the secrets that
// it was made with.
func (t *stands) backedUp(ctx context.Context, run *drill.Run, dir string) (bundle string, kept journey.Kept, secrets stack.Secrets, err error) {
	o, err := t.backupOptions(ctx)
	if err != nil {
		return "", kept, nil, err
	}
	err = t.running(ctx, run, "backup", func(ctx context.Context, in drill.Instance) error {
		report, err := run.Travel(ctx, "pilot journey", func(ctx context.Context) (journey.Report, error) {
			report, err := journey.Pilot(ctx, drill.Target(in, t.admin(), t.viewer()), nil)
			return report, drill.Cause(ctx, in, err)
		})
		if err := errors.Join(err, written(report, dir)); err != nil {
			return err
		}
		info, err := drill.Backup(ctx, run, in, filepath.Join(dir, "backups"), o)
		bundle, kept, secrets = info.Dir, report.Kept, in.Secrets()
		return err
	})
	if err != nil {
		return "", kept, nil, err
	}
	_, err = drill.Verify(ctx, run, bundle)
	return bundle, kept, secrets, err
}

// backupOptions say what a backup holds besides the data.
func (t *stands) backupOptions(ctx context.Context) (drill.BackupOptions, error) {
	o := drill.BackupOptions{Root: t.suite.Dir, Manifest: backup.Manifest{Commit: t.now.Commit}}
	if branch, err := (git.Repo{Dir: t.suite.Dir}).Branch(ctx); err == nil {
		o.Manifest.Branch = branch
	}
	if o.Manifest.Branch == "" {
		o.Manifest.Branch = "HEAD" // what git calls a checkout of no branch
	}
	if c := t.suite.Product.Compose; c != nil {
		o.Config = c.Config
		o.Manifest.PostgresService, o.Manifest.RustfsService = c.Database, c.ObjectStore
		o.Manifest.PostgresDB, o.Manifest.PostgresUser = c.DatabaseName, c.DatabaseUser
	}
	return o, nil
}

// restore is the restore drill on a given backup, or on one that is made for it.
func (t *stands) restore(ctx context.Context, run *drill.Run, a attempt) error {
	admin, viewer := t.admin(), t.viewer()
	if a.Backup != "" { // accounts of the installation that it is of
		admin, viewer = t.suite.accounts()
	} else {
		var err error
		if a.Backup, a.Kept, a.Secrets, err = t.backedUp(ctx, run, a.Evidence); err != nil {
			return err
		}
	}
	o := drill.RestoreOptions{
		Bundle: a.Backup, Open: t.open, Secrets: a.Secrets, Kept: a.Kept, Admin: admin, Viewer: viewer,
		PublicShareToken: t.suite.secret("PUBLIC_SHARE_TOKEN"), PublicSharePassword: t.suite.secret("PUBLIC_SHARE_PASSWORD"),
		AllowSkipPublicShare: t.suite.Getenv("ALLOW_SKIP_PUBLIC_SHARE") == "true",
		Keep:                 t.suite.Getenv("DRILL_KEEP_STACK") == "true",
		LockDir:              os.TempDir(), Reports: a.Evidence,
	}
	if c := t.suite.Product.Compose; c != nil && t.kind == onCompose {
		o.Project = c.DrillProject
	}
	return drill.Restore(ctx, run, o)
}

// upgrade is the upgrade drill.
func (t *stands) upgrade(ctx context.Context, run *drill.Run, _ attempt) error {
	before, err := t.before(ctx)
	var none *drill.NotApplicableError
	if err != nil && !errors.As(err, &none) {
		return err
	}
	return drill.Upgrade(ctx, run, drill.UpgradeOptions{
		Open: t.open, Admin: t.admin(), Viewer: t.viewer(), Scratch: t.dir,
		Previous: before.release(), Candidate: t.now.release(),
	})
}

// failure takes away what an instance in use needs.
func (t *stands) failure(ctx context.Context, run *drill.Run, a attempt) error {
	return t.running(ctx, run, "failure", func(ctx context.Context, in drill.Instance) error {
		o := drill.FailureOptions{Admin: t.admin(), Viewer: t.viewer(), Checked: t.suite.Product.Run.Secrets}
		report, err := run.Travel(ctx, "pilot journey", func(ctx context.Context) (journey.Report, error) {
			report, err := journey.Pilot(ctx, drill.Target(in, o.Admin, o.Viewer), nil)
			return report, drill.Cause(ctx, in, err)
		})
		if err := errors.Join(err, written(report, a.Evidence)); err != nil {
			return err
		}
		o.Kept = report.Kept
		return drill.Failure(ctx, run, in, o)
	})
}

// pilot is the pilot run.
func (t *stands) pilot(ctx context.Context, a attempt) (*drill.Run, []string, error) {
	p := t.suite.Product
	backups, err := t.backupOptions(ctx)
	if err != nil {
		return nil, nil, err
	}
	o := pilot.Options{
		Dir: a.Evidence, Candidate: t.now.release(), Stack: t.kind, Open: t.open, Run: *p.Run, Page: p.Frontend != nil,
		Admin: t.admin(), Viewer: t.viewer(), Backup: backups, LockDir: os.TempDir(),
		KeepRestored: t.suite.Getenv("DRILL_KEEP_STACK") == "true",
		From:         a.From, Only: a.Only, Mask: t.suite.UI.Mask,
		Begin: func(phase string) { t.step.Println("%s …", phase) }, Watch: t.say,
	}
	if !t.last.IsZero() {
		before, err := t.before(ctx)
		if err != nil {
			return nil, nil, err
		}
		o.Previous = before.release()
	}
	if t.kind == onCompose {
		o.Compose, o.Migrations = p.Compose, filepath.Join(t.suite.Dir, filepath.FromSlash(p.Compose.Migrations))
	}
	result, err := pilot.Run(ctx, o)
	var logs []string
	for _, f := range result.Logs {
		logs = append(logs, filepath.Join(a.Evidence, filepath.FromSlash(f.Path)))
	}
	return result.Run, logs, err
}

// kindOf is the kind of evidence that a target gives.
func kindOf(name string) record.Kind {
	kind, _, _ := strings.Cut(name, ":")
	if slices.Contains([]string{"test", "smoke", "drill", "scan"}, kind) {
		return record.Kind(kind)
	}
	return record.Gate
}
