package pilot_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// TestFailures causes a failure in every phase.
func TestFailures(t *testing.T) {
	full := errors.New("the disk is full")
	main := func(do func(*inmemory.Instance)) func(*bench) {
		return func(b *bench) {
			b.prepare = func(name string, i *inmemory.Instance) {
				if name == "pilot" {
					do(i)
				}
			}
		}
	}
	other := func(which string, do func(*inmemory.Instance)) func(*bench) {
		return func(b *bench) {
			b.prepare = func(name string, i *inmemory.Instance) {
				if name == which {
					do(i)
				}
			}
		}
	}
	fail := func(what string) func(*inmemory.Instance) {
		return func(i *inmemory.Instance) { i.Fail[what] = full }
	}
	for _, tt := range []struct {
		name, phase string
		set         func(*bench)
		says        []string
	}{
		{"nothing to open", "secrets", func(b *bench) {
			b.o.Open = func(context.Context, drill.Opening) (drill.Instance, error) { return nil, full }
		}, []string{"the disk is full"}},
		{"short secret", "secrets", main(func(i *inmemory.Instance) { i.Secrets()["JWT_SECRET"] = "abc" }), []string{"JWT_SECRET has fewer than 8 characters"}},
		{"image does not start", "boot", main(func(i *inmemory.Instance) {
			i.Fail["start"] = &stack.ExitError{Service: stack.Backend, Code: 3, Status: "exit status 3", Tail: "no migrations"}
		}), []string{"the backend ended by itself (exit status 3)", "no migrations"}},
		{"not ready", "readiness", main(fail("ready")), []string{"the disk is full"}},
		{"journey", "journey", main(func(i *inmemory.Instance) {
			i.Misbehave = func(s inmemory.Seen) inmemory.Fault {
				if s.Route == "POST /notes" {
					return inmemory.Refuse
				}
				return inmemory.None
			}
		}), []string{"notes: sent POST /api/v1/notes as admin"}},
		{"no page", "ui", main(func(i *inmemory.Instance) { i.Page = `{"status": "ok"}` }), []string{"GET /: expected HTML, found 16 bytes"}},
		{"restart", "restart", main(fail("restart proxy")), []string{"the disk is full"}},
		{"blind to the database", "failure of the database", main(func(i *inmemory.Instance) { i.Blind = true }),
			[]string{"the database is stopped, so readiness has to fail", "the product was not unready"}},
		{"object store", "failure of the object store", main(fail("stop object store")), []string{"stopping the object store: the disk is full"}},
		{"bad login", "bad login", func(b *bench) {
			begin := b.o.Begin
			b.o.Begin = func(phase string) {
				begin(phase)
				if phase == "bad login" {
					b.opened["pilot"].Misbehave = func(inmemory.Seen) inmemory.Fault { return inmemory.Refuse }
				}
			}
		}, []string{"expected 401 or 403, found 500"}},
		{"weak secrets", "weak secrets", main(func(i *inmemory.Instance) {
			i.Fail["probe RUSTSHARE_ADMIN_PASSWORD"] = &stack.ReadinessError{Want: "ready", Last: "connection refused"}
		}), []string{"RUSTSHARE_ADMIN_PASSWORD is a placeholder, so the product has to refuse to start: it did not end by itself"}},
		{"backup", "backup", main(fail("dump")), []string{"the disk is full"}},
		{"damaged bundle", "verify bundle", func(b *bench) {
			begin := b.o.Begin
			b.o.Begin = func(phase string) {
				begin(phase)
				if phase == "verify bundle" {
					damage(b.t, filepath.Join(b.o.Dir, "run-*", "backup", "*", "rustfs-data.tar.gz"))
				}
			}
		}, []string{"rustfs-data.tar.gz", "SHA256SUMS"}},
		{"restored data", "restore drill", func(b *bench) {
			begin := b.o.Begin
			b.o.Begin = func(phase string) {
				begin(phase)
				if phase != "backup" { // the wrong data goes into it
					return
				}
				for id, n := range b.opened["pilot"].Notes {
					if id != "foreign-note" {
						n["content"] = "something else"
					}
				}
			}
		}, []string{"kept note"}},
		{"restore", "restore drill", other("restore", fail("replay")), []string{"the disk is full"}},
		{"restore stays", "restore drill", other("restore", fail("destroy")), []string{"tear down", "the disk is full"}},
		{"upgrade", "upgrade drill", other("upgraded", fail("start")), []string{"cannot take over the data of 1.0.0"}},
		{"logs", "logs", main(fail("logs proxy")), []string{"gathering the log of the proxy of the stack 1-pilot: the disk is full"}},
		{"teardown", "teardown", main(func(i *inmemory.Instance) {
			i.Fail["destroy"] = &stack.LeftoverError{Paths: []string{"volume pilot_data"}, Err: full}
		}), []string{"remove by hand: volume pilot_data"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			tt.set(b)
			r := b.fails(append(tt.says, `phase "`+tt.phase+`"`, "its evidence lies in "+b.o.Dir)...)
			at := slices.Index(pilot.Phases(), tt.phase)
			for i, s := range r.Steps {
				switch {
				case i == at && s.Outcome != drill.Failed,
					i < at && s.Outcome != drill.Passed && s.Outcome != drill.NotApplicable,
					i > at && s.Outcome != drill.NotRun && s.Name != "logs" && s.Name != "teardown",
					i > at && s.Name == "teardown" && s.Outcome != drill.Passed:
					t.Errorf("%s: %s (%s)", s.Name, s.Outcome, s.Detail)
				}
			}
			for name, i := range b.opened {
				if !i.Destroyed() {
					t.Errorf("the stack %s is still there", name)
				}
			}
			// As long as it is so, it fails again.
			if tt.phase == "teardown" || tt.phase == "logs" {
				b.fails(tt.says...)
			}
		})
	}
}

// damage turns a bit over in the midst of a file.
func damage(t *testing.T, pattern string) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	text, err := os.ReadFile(found[0])
	if err == nil {
		text[len(text)/2] ^= 1
		err = os.WriteFile(found[0], text, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestFirstRelease(t *testing.T) {
	b := newBench(t)
	b.o.Previous = drill.Release{}
	r := b.passes()
	if outcome(r, "upgrade drill") != drill.NotApplicable || !strings.Contains(detail(r, "upgrade drill"), "first stable release") {
		t.Errorf("upgrade drill: %s", detail(r, "upgrade drill"))
	}
}

// TestLeaks puts a secret into the logs, in each form and of each stack.
func TestLeaks(t *testing.T) {
	plain := func(s string) []string { return []string{"token=" + s} }
	encoded := func(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte("user:" + s))} }
	split := func(s string) []string { return []string{s[:20], s[20:]} }
	for _, tt := range []struct {
		name, stack string
		write       func(string) []string
	}{
		{"plain", "pilot", plain},
		{"base64", "pilot", encoded},
		{"split over lines", "pilot", split},
		{"restored", "restore", split},
		{"previous", "previous", plain},
		{"upgraded", "upgraded", encoded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			var secret string
			b.prepare = func(opened string, i *inmemory.Instance) {
				if opened == tt.stack {
					secret = i.Secrets()["JWT_SECRET"]
					for _, line := range tt.write(secret) {
						i.Say(stack.Backend, line)
					}
				}
			}
			says := "a secret must never be logged"
			if tt.stack == "pilot" { // the others' drills fail by it as well
				says = "the log of the backend of the stack 1-pilot holds the value of JWT_SECRET"
			}
			r := b.fails(says, "JWT_SECRET", `phase "logs"`)
			if outcome(r, "logs") != drill.Failed || outcome(r, "evidence") != drill.NotRun {
				t.Errorf("the result is %+v", r.Run)
			}
			text := unpacked(t, filepath.Join(b.o.Dir, "run-1", "logs.tar.gz")) + everything(t, b.o.Dir)
			for _, part := range tt.write(secret) {
				if strings.Contains(text, part) {
					t.Errorf("the evidence holds %q", part)
				}
			}
			// Nothing that passed meanwhile counts.
			b.prepare = func(string, *inmemory.Instance) {}
			if b.passes(); len(b.begun) != len(pilot.Phases()) {
				t.Errorf("began %q", b.begun)
			}
		})
	}
	t.Run("of another stack", func(t *testing.T) {
		b := newBench(t)
		b.prepare = func(opened string, i *inmemory.Instance) {
			if opened == "previous" {
				i.Say(stack.Proxy, b.opened["pilot"].Secrets()["POSTGRES_PASSWORD"])
			}
		}
		b.fails("the log of the proxy of the stack", "previous holds the value of POSTGRES_PASSWORD")
		if text := unpacked(t, filepath.Join(b.o.Dir, "run-1", "logs.tar.gz")); !strings.Contains(text, "withheld") || strings.Contains(text, b.opened["pilot"].Secrets()["POSTGRES_PASSWORD"]) {
			t.Errorf("packed:\n%s", text)
		}
	})
}

// TestLeakThenDeath: a run that ends in the midst of it, after a leak, leaves
// nothing to keep.
func TestLeakThenDeath(t *testing.T) {
	b := newBench(t)
	b.prepare = func(_ string, i *inmemory.Instance) { i.Say(stack.Backend, i.Secrets()["JWT_SECRET"]) }
	watch := b.o.Watch
	b.o.Watch = func(s drill.Step) {
		if s.Name == "ui" {
			panic("a fault")
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = b.run()
	}()
	b.prepare, b.o.Watch = func(string, *inmemory.Instance) {}, watch
	if b.passes(); len(b.begun) != len(pilot.Phases()) {
		t.Errorf("began %q", b.begun)
	}
}

// unpacked is the text of all files of an archive.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	in := tar.NewReader(zip)
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(head.Name + "\n" + string(text))
	}
}
