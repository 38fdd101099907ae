package pilot_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
)

// stand are the phases that others need, and those that end a run.
var stand, ending = []string{"secrets", "boot", "readiness", "journey"}, []string{"logs", "evidence", "teardown"}

// broken makes the main stack fail at something once.
func (b *bench) broken(what string) {
	b.prepare = func(name string, i *inmemory.Instance) {
		if name == "pilot" {
			i.Fail[what] = errors.New("the disk is full")
			b.prepare = func(string, *inmemory.Instance) {}
		}
	}
}

func TestResume(t *testing.T) {
	b := newBench(t)
	b.broken("stop object store")
	r := b.fails(`phase "failure of the object store"`, "the disk is full", "its evidence lies in "+b.o.Dir)
	if got := outcome(r, "restart"); got != drill.Passed {
		t.Errorf("restart: %s", got)
	}
	for _, name := range []string{"backup", "restore drill", "upgrade drill", "evidence"} {
		if got := outcome(r, name); got != drill.NotRun {
			t.Errorf("%s: %s", name, got)
		}
	}
	restarted := r.Steps[slices.Index(pilot.Phases(), "restart")]

	// What is asked for passes, and the failure stands.
	b.o.Only = []string{"ui"}
	b.fails("what an earlier pilot run found stands: failure of the object store failed; run it again", b.o.Dir)
	b.o.Only = nil

	// What passed stays, and what the rest needs is done again.
	r = b.passes()
	want := slices.Concat(stand, []string{
		"failure of the object store", "bad login", "weak secrets", "cookies", "backup", "verify bundle", "restore drill", "upgrade drill", "migrations",
	}, ending)
	want = slices.Insert(want, 1, "config") // which cookies need
	if !slices.Equal(b.begun, want) {
		t.Errorf("began\n%q, want\n%q", b.begun, want)
	}
	if again := r.Steps[slices.Index(pilot.Phases(), "restart")]; !again.Started.Equal(restarted.Started) {
		t.Errorf("restart was run again: %v", again)
	}
	if len(r.Logs) != 3 || r.Started.After(restarted.Started) {
		t.Errorf("the result is %+v with %v", r.Run, r.Logs)
	}

	// Nothing is left to do but to look at the evidence.
	if b.passes(); !slices.Equal(b.begun, []string{"evidence"}) {
		t.Errorf("began %q", b.begun)
	}

	// Another image is another matter.
	b.o.Candidate.Digest = "sha256:" + strings.Repeat("2", 64)
	if r = b.passes(); len(b.begun) != len(pilot.Phases()) || len(r.Logs) != 1 || r.Facts["image"] != b.o.Candidate.Digest {
		t.Errorf("began %q: %v, %v", b.begun, r.Facts, r.Logs)
	}
	aside, err := filepath.Glob(b.o.Dir + "-*Z")
	if err != nil || len(aside) != 1 {
		t.Fatalf("put aside: %q, %v", aside, err)
	}
	if text := everything(t, aside[0]); !strings.Contains(text, digest) {
		t.Error("what was put aside is not the evidence of the image before")
	}
}

func TestFromAndOnly(t *testing.T) {
	b := newBench(t)
	b.o.Only = []string{"bad login", "verify bundle"}
	r, err := b.run()
	want := slices.Concat(stand, []string{"bad login", "backup", "verify bundle"}, ending)
	if err != nil || r.Status != drill.NotRun || !slices.Equal(b.begun, want) {
		t.Errorf("%v: %s, began %q", err, r.Status, b.begun)
	}
	if !strings.Contains(r.Details, "restore drill") || outcome(r, "evidence") != drill.NotRun || outcome(r, "ui") != drill.NotRun || detail(r, "ui") != "not asked for" {
		t.Errorf("the result is %+v", r.Run)
	}

	b.o.Only, b.o.From = nil, "restore drill"
	if _, err = b.run(); err != nil || !slices.Equal(b.begun, slices.Concat(stand, []string{"backup", "verify bundle", "restore drill", "upgrade drill", "migrations"}, ending)) {
		t.Errorf("%v: began %q", err, b.begun)
	}
	b.o.From = ""
	b.passes()
	if slices.Contains(b.begun, "restore drill") || !slices.Contains(b.begun, "ui") {
		t.Errorf("began %q", b.begun)
	}
	b.o.From = "teardown"
	if b.passes(); !slices.Equal(b.begun, []string{"evidence"}) {
		t.Errorf("began %q", b.begun)
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		set func(*testing.T, *bench)
		say string
	}{
		"unknown phase": {func(_ *testing.T, b *bench) { b.o.From = "lunch" }, `no phase "lunch"; its phases are: secrets, config, boot`},
		"unknown only":  {func(_ *testing.T, b *bench) { b.o.Only = []string{"ui", "tea"} }, `no phase "tea"`},
		"both":          {func(_ *testing.T, b *bench) { b.o.From, b.o.Only = "ui", []string{"ui"} }, "give one of both"},
		"no opener":     {func(_ *testing.T, b *bench) { b.o.Open = nil }, "a way to open one"},
		"other kind":    {func(_ *testing.T, b *bench) { b.o.Stack = "compose" }, `phase "secrets": the stack is of kind "in memory", and the run is one on "compose"`},
		"somebody's directory": {func(t *testing.T, b *bench) {
			b.o.Dir = t.TempDir()
			write(t, filepath.Join(b.o.Dir, "thesis.txt"), "chapter 1")
		}, "has thesis.txt in it and no pilot.json"},
		"state cut off": {func(t *testing.T, b *bench) {
			b.o.Dir = t.TempDir()
			write(t, filepath.Join(b.o.Dir, "pilot.json"), `{"phases": [`)
		}, "to begin anew"},
		"state of another suite": {func(t *testing.T, b *bench) {
			b.o.Dir = t.TempDir()
			write(t, filepath.Join(b.o.Dir, "pilot.json"), `{"phases": [{"name": "lunch"}, null]}`)
		}, "a phase that this suite does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tt.set(t, b)
			if _, err := b.run(); err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("the error is %v, expected to read: %s", err, tt.say)
			}
		})
	}
}

// TestCancelled: an interrupt in the midst of it leaves no stack, and what
// passed is kept.
func TestCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	begin := b.o.Begin
	b.o.Begin = func(phase string) {
		begin(phase)
		if phase == "restore drill" {
			cancel(errors.New("interrupted by a person"))
		}
	}
	r, err := pilot.Run(ctx, b.o)
	if err == nil || !strings.Contains(err.Error(), `phase "restore drill": interrupted by a person`) {
		t.Errorf("the error is %v", err)
	}
	if !b.opened["pilot"].Destroyed() || outcome(r, "teardown") != drill.Passed || outcome(r, "logs") != drill.NotRun || outcome(r, "upgrade drill") != drill.NotRun {
		t.Errorf("the result is %+v", r.Run)
	}
	b.o.Begin = begin
	if b.passes(); slices.Contains(b.begun, "weak secrets") || !slices.Contains(b.begun, "restore drill") {
		t.Errorf("began %q", b.begun)
	}
}

// TestKilled: gathered logs that nobody has searched do not stay.
func TestKilled(t *testing.T) {
	b := newBench(t)
	b.o.Only = []string{"boot"}
	if _, err := b.run(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(b.o.Dir, "run-1", ".partial-logs-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(left, "1-pilot-backend.log"), "who knows")
	if _, err := b.run(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestPanic: a fault of ours leaves no stack either.
func TestPanic(t *testing.T) {
	b := newBench(t)
	b.o.Watch = func(s drill.Step) {
		if s.Name == "journey" {
			panic("a fault")
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic got lost")
			}
		}()
		_, _ = b.run()
	}()
	if !b.opened["pilot"].Destroyed() {
		t.Error("the stack is still there")
	}
	if left, err := filepath.Glob(filepath.Join(b.o.Dir, "run-1", ".partial-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestEvidence(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(path string) error
		say   string
	}{
		"missing": {os.Remove, `page.html of the phase "ui" is missing`},
		"changed": {func(path string) error { return os.WriteFile(path, []byte("<html>nicer</html>"), 0o600) }, `page.html of the phase "ui" was changed`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.passes()
			if err := tt.spoil(filepath.Join(b.o.Dir, "run-1", "page.html")); err != nil {
				t.Fatal(err)
			}
			b.fails(`phase "evidence": run-1/`+tt.say, "the evidence is not complete")
			b.o.Only = []string{"ui"}
			b.passes()
		})
	}
	t.Run("secret", func(t *testing.T) {
		b := newBench(t)
		b.prepare = func(_ string, i *inmemory.Instance) {
			i.Page = "<html>" + i.Secrets()["JWT_SECRET"] + "</html>"
		}
		b.fails(`phase "evidence": run-1/page.html of the phase "ui" holds the value of JWT_SECRET`)
	})
}
