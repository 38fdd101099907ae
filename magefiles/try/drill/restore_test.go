package drill_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// restoring is a drill of a bundle that holds what a pilot journey left.
type restoring struct {
	*opener
	o    drill.RestoreOptions
	info backup.Info
}

func prepare(t *testing.T) *restoring {
	t.Helper()
	i, kept := running(t)
	info, err := drill.Backup(t.Context(), begin(t), i, t.TempDir(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &restoring{opener: &opener{t: t}, info: info}
	r.o = drill.RestoreOptions{
		Bundle: info.Dir, Open: r.open, Secrets: i.Secrets(), Kept: kept, Admin: admin, Viewer: viewer,
		LockDir: t.TempDir(), Project: "rustshare-restore-drill", Reports: filepath.Join(t.TempDir(), "reports"),
	}
	return r
}

// report reads the one report, as a shell does: keys in order, and values.
func (r *restoring) report(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.o.Reports, "*-restore-drill.env"))
	if err != nil || len(found) != 1 {
		t.Fatalf("reports: %q, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		key, _, _ := strings.Cut(line, "=")
		keys = append(keys, key)
	}
	want := []string{"RESTORE_DRILL_STATUS", "RESTORE_DRILL_STARTED_AT", "RESTORE_DRILL_FINISHED_AT", "RESTORE_DRILL_PROJECT", "RESTORE_DRILL_BASE_URL", "BACKUP_DIR", "REPORT_DETAILS"}
	if !slices.Equal(keys, want) {
		t.Errorf("the report has the keys %q, expected %q", keys, want)
	}
	out, err := exec.Command("bash", "-c", `. "$1"; for k in `+strings.Join(want, " ")+`; do printf '%s\0' "${!k}"; done`, "bash", found[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for i, v := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		values[want[i]] = v
	}
	return values
}

func TestRestore(t *testing.T) {
	r, run := prepare(t), begin(t)
	if err := run.End(drill.Restore(t.Context(), run, r.o)); err != nil {
		t.Fatal(err)
	}
	want := []string{"start", "stop backend", "replay", "replace objects", "start", "ready", "leaks", "destroy"}
	if got := r.opened[0].Asked; !slices.Equal(got, want) {
		t.Errorf("the instance was asked %q, expected %q", got, want)
	}
	if a := r.asked[0]; !a.Isolated || a.Previous || a.Snapshot != "" || a.Secrets["JWT_SECRET"] != r.o.Secrets["JWT_SECRET"] {
		t.Errorf("asked for %+v", a)
	}
	for _, step := range []string{"verify the bundle", "post-restore journey", "data from before the backup", "search the logs for secrets", "tear down"} {
		if got := outcome(run, step); got != drill.Passed {
			t.Errorf("%s: %s", step, got)
		}
	}
	report := r.report(t)
	for key, want := range map[string]string{
		"RESTORE_DRILL_STATUS": "passed", "RESTORE_DRILL_PROJECT": "rustshare-restore-drill", "RESTORE_DRILL_BASE_URL": r.opened[0].URL(),
		"BACKUP_DIR": r.info.Dir, "REPORT_DETAILS": fmt.Sprintf("%d steps passed", len(run.Steps)),
	} {
		if report[key] != want {
			t.Errorf("%s is %q, expected %q", key, report[key], want)
		}
	}
	if run.Facts["backup"] != filepath.Base(r.info.Dir) {
		t.Errorf("facts: %v", run.Facts)
	}
}

// restoreFailure is what goes wrong, and what is said of it.
type restoreFailure struct {
	change func(t *testing.T, r *restoring)
	want   []string
	// unopened: no stack was asked for.
	unopened bool
}

// with changes the restored instance.
func with(change func(i *instance)) func(*testing.T, *restoring) {
	return func(_ *testing.T, r *restoring) {
		r.prepare = func(i *instance, _ drill.Opening) { change(i) }
	}
}

func fails(what, text string) func(*testing.T, *restoring) {
	return with(func(i *instance) { i.Fail[what] = errors.New(text) })
}

// change changes one bit of a file, at a place or, below 0, in its middle.
func change(t *testing.T, path string, at int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at = len(text) / 2
	}
	text[at] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(name string) func(*testing.T, *restoring) {
	return func(t *testing.T, r *restoring) { change(t, filepath.Join(r.info.Dir, name), -1) }
}

func restoreFailures() map[string]restoreFailure {
	rows := map[string]restoreFailure{
		"wrong note": {with(func(i *instance) {
			i.replayed = func() {
				for id := range i.Notes {
					i.Notes[id]["content"] = fmt.Sprint(i.Notes[id]["content"], " changed")
				}
			}
		}), []string{"data from before the backup: "}, false},
		"wrong bytes": {with(func(i *instance) {
			i.replaced = func() {
				for id := range i.Files {
					_ = os.Truncate(filepath.Join(i.Dir, id), 10)
				}
			}
		}), []string{"post-restore journey: "}, false},
		"volume emptied": {with(func(i *instance) {
			i.replaced = func() {
				for id := range i.Files {
					_ = os.Truncate(filepath.Join(i.Dir, id), 0)
				}
			}
		}), []string{"post-restore journey: "}, false},
		"database refuses":      {fails("replay", "ERROR: permission denied"), []string{"replay the database: ERROR: permission denied"}, false},
		"object store refuses":  {fails("replace objects", "no space left"), []string{"replace the objects: no space left"}, false},
		"does not start":        {fails("start", "the backend ended by itself"), []string{"start the isolated stack: the backend ended by itself"}, false},
		"does not become ready": {fails("ready", "it waits"), []string{"start the restored product: it waits"}, false},
		"cannot stop writers": {with(func(i *instance) {
			i.Fail["stop backend"] = &stack.UnsupportedError{Kind: "odd", Op: "stop", Service: stack.Backend, Reason: "why not"}
		}), []string{"stop writers: the drill cannot do without it: a stack of kind"}, false},
		"secret in a log": {with(func(i *instance) { i.Say(stack.Database, "password is "+i.Secrets()["POSTGRES_PASSWORD"]) }),
			[]string{"search the logs for secrets: the database logged the value of POSTGRES_PASSWORD: a secret must never be logged"}, false},
		"teardown": {fails("destroy", "volume x is in use"), []string{"tear down: volume x is in use"}, false},
		"both": {with(func(i *instance) {
			i.Fail["replay"], i.Fail["destroy"] = errors.New("first"), errors.New("second")
		}), []string{"replay the database: first", "tear down: second"}, false},
		"collision": {func(_ *testing.T, r *restoring) {
			r.err = errors.New("volume rustshare-restore-drill_data is there already")
		},
			[]string{"open the isolated stack: volume rustshare-restore-drill_data is there already"}, false},
		"extra file": {func(t *testing.T, r *restoring) {
			if err := os.WriteFile(filepath.Join(r.info.Dir, "more"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{`verify the bundle: the backup bundle`, `"more" is a regular file that does not belong to a bundle`}, true},
		"no bundle": {func(_ *testing.T, r *restoring) { r.o.Bundle += "x" }, []string{"verify the bundle: opening the backup bundle", "no such file"}, true},
	}
	for _, name := range []string{backup.SQLite, backup.Volume, backup.Config, backup.ManifestName, backup.SumsName} {
		rows["one bit of "+name] = restoreFailure{flip(name), []string{"verify the bundle: the backup bundle", name}, true}
	}
	// A byte that the decompressor does not look at, after the bundle was
	// verified: the checksum alone tells.
	for name, step := range map[string]string{backup.SQLite: "replay the database", backup.Volume: "replace the objects"} {
		rows["changed behind our back: "+name] = restoreFailure{func(t *testing.T, r *restoring) {
			r.prepare = func(*instance, drill.Opening) { change(t, filepath.Join(r.info.Dir, name), 4) }
		}, []string{step + ": ", "is refused: " + name + ": its SHA-256 is "}, false}
	}
	return rows
}

// Whatever fails is named, in the report too, and nothing is left.
func TestRestoreFails(t *testing.T) {
	for name, row := range restoreFailures() {
		t.Run(name, func(t *testing.T) {
			r, run := prepare(t), begin(t)
			row.change(t, r)
			err := run.End(drill.Restore(t.Context(), run, r.o))
			wants(t, err, row.want...)
			if row.unopened != (len(r.asked) == 0) {
				t.Errorf("stacks that were asked for: %v", r.asked)
			}
			for _, i := range r.opened {
				if !i.Destroyed() {
					t.Errorf("the stack is there still: %q", i.Asked)
				}
			}
			report := r.report(t)
			if report["RESTORE_DRILL_STATUS"] != "failed" {
				t.Errorf("the report says %q", report)
			}
			for _, want := range row.want {
				if !strings.Contains(report["REPORT_DETAILS"], want) {
					t.Errorf("the report says %q, expected %q", report["REPORT_DETAILS"], want)
				}
			}
			if run.Status != drill.Failed {
				t.Errorf("the run %s", run.Status)
			}
		})
	}
}

// What the other kind of stack made is not restored into this one.
func TestRestoreOtherDatabase(t *testing.T) {
	r, run := prepare(t), begin(t)
	dump, err := os.ReadFile(filepath.Join("..", "backup", "testdata", "postgres.sql"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := backup.Create(t.Context(), t.TempDir(), backup.Source{
		Time: moment, Postgres: stream(dump), Volume: backup.Named(os.DirFS("."), nil), Config: backup.Named(os.DirFS("."), nil),
		Manifest: backup.Manifest{PostgresService: "postgres", PostgresDB: "rustshare", PostgresUser: "rustshare", RustfsService: "rustfs", Branch: "main", Commit: "unknown"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.o.Bundle = info.Dir
	err = drill.Restore(t.Context(), run, r.o)
	wants(t, err, "the bundle has no sqlite.db.gz, and the stack to restore it into runs sqlite: choose the other kind of stack")
	if got := r.opened[0].Asked; slices.Contains(got, "start") || !r.opened[0].Destroyed() {
		t.Errorf("the stack was asked %q", got)
	}
}

func TestRestorePanics(t *testing.T) {
	r := prepare(t)
	r.prepare = func(i *instance, _ drill.Opening) { i.replayed = func() { panic("on the way") } }
	func() {
		defer func() {
			if p := recover(); p != "on the way" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = drill.Restore(t.Context(), begin(t), r.o) // panics
	}()
	if !r.opened[0].Destroyed() {
		t.Error("the stack is there still")
	}
	if report := r.report(t); report["RESTORE_DRILL_STATUS"] != "failed" || report["REPORT_DETAILS"] != "the drill did not come to its end" {
		t.Errorf("the report says %q", report)
	}
}

func TestRestoreCancelled(t *testing.T) {
	r := prepare(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.prepare = func(i *instance, _ drill.Opening) { i.replayed = cancel }
	err := drill.Restore(ctx, begin(t), r.o)
	if !errors.Is(err, context.Canceled) || !r.opened[0].Destroyed() {
		t.Errorf("got %v; the stack was asked %q", err, r.opened[0].Asked)
	}
}

func TestRestoreKeeps(t *testing.T) {
	r, run := prepare(t), begin(t)
	r.o.Keep = true
	if err := drill.Restore(t.Context(), run, r.o); err != nil {
		t.Fatal(err)
	}
	if r.opened[0].Destroyed() || !r.asked[0].Keep {
		t.Error("the stack is gone, or was not opened to stay")
	}
	last := run.Steps[len(run.Steps)-1]
	if want := "it is at " + r.opened[0].URL() + "; remove it with `docker compose --project-name rustshare-restore-drill down --volumes --remove-orphans`"; last.Detail != want {
		t.Errorf("got %q, expected %q", last.Detail, want)
	}
	if err := r.opened[0].Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

// While one drill runs, another one starts nothing and says who is there.
func TestRestoreLocked(t *testing.T) {
	r := prepare(t)
	second := *r
	second.opener, second.o.Reports = &opener{t: t}, t.TempDir()
	second.o.Open = second.open
	r.prepare = func(i *instance, _ drill.Opening) {
		i.replayed = func() {
			err := drill.Restore(t.Context(), begin(t), second.o)
			var locked *drill.LockedError
			if !errors.As(err, &locked) || locked.PID != fmt.Sprint(os.Getpid()) || locked.Since == "" {
				t.Errorf("got %v (%+v)", err, locked)
			}
			wants(t, err, "another restore drill is running: process ", ", since 20", "wait until it ends")
			if len(second.asked) > 0 {
				t.Errorf("a stack was asked for: %v", second.asked)
			}
		}
	}
	if err := drill.Restore(t.Context(), begin(t), r.o); err != nil {
		t.Fatal(err)
	}
	if report := second.report(t); report["RESTORE_DRILL_STATUS"] != "failed" {
		t.Errorf("the report says %q", report)
	}
	second.o.Reports = ""
	if err := drill.Restore(t.Context(), begin(t), second.o); err != nil {
		t.Errorf("after the first: %v", err)
	}
}
