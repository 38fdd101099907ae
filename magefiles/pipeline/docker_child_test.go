package pipeline

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// triedEnv has the pilot run that this binary does as a child of its own.
const triedEnv = "RELEASE_TEST_TRIED"

// triedOrder is that run.
type triedOrder struct{ Dir, Bundle, Evidence, Project, Images string }

func triedChild(text string) error {
	var o triedOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	getenv := func(name string) string { return map[string]string{envStackImages: o.Images}[name] }
	s, err := New(Suite{Product: triedProduct(o.Project), Dir: o.Dir, Getenv: getenv, UI: term.New(os.Stdout, func(string) string { return "" }), Out: os.Stdout})
	if err != nil {
		return err
	}
	b, err := bundle.Open(o.Bundle)
	if err != nil {
		return err
	}
	now, err := trialOf(b)
	if err != nil {
		return err
	}
	return s.UI.Run(ctx, pilot.Name, func(ctx context.Context, step *term.Step) error {
		at, err := s.stands(ctx, step, now, decide.Version{}, nil)
		if err != nil {
			return err
		}
		defer at.close(ctx) //nolint:errcheck // what is left is looked for
		_, err = s.show(ctx, at, nil, pilot.Name, attempt{Evidence: o.Evidence})
		return err
	})
}

// interrupt sends SIGINT to a process in the middle of its pilot run, as a
// terminal does, and to another one SIGKILL.
func (w *tried) interrupt(t *testing.T, e episode) {
	images := w.withDocker(t)
	look := bystander(t, images)
	for _, c := range []struct {
		name   string
		signal syscall.Signal
	}{{"SIGINT", syscall.SIGINT}, {"SIGKILL", syscall.SIGKILL}} {
		t.Run(c.name, func(t *testing.T) {
			pid, said := w.stopped(t, e, c.signal)
			left := ofProcess(t, pid)
			if c.signal == syscall.SIGINT {
				says(t, said, `phase "journey"`, "interrupt", "its evidence lies in")
				if len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
				return
			}
			if len(left) == 0 {
				t.Fatal("it left nothing, so it was not killed in the middle")
			}
			removed, err := stack.Stale(t.Context())
			ok(t, err)
			if still := ofProcess(t, pid); len(still) > 0 {
				t.Errorf("%q is there still, removed was %q of %q", still, removed, left)
			}
		})
	}
	look()
}

// stopped starts a pilot run as a process and stops it while its journey is
// under way.
func (w *tried) stopped(t *testing.T, e episode, with syscall.Signal) (pid int, said error) {
	t.Helper()
	order, err := json.Marshal(triedOrder{
		Dir: w.Dir, Bundle: w.dist(e.Ref), Evidence: filepath.Join(t.TempDir(), "evidence"), Project: w.project, Images: w.env[envStackImages],
	})
	ok(t, err)
	self, err := os.Executable()
	ok(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), triedEnv+"="+string(order), "TMPDIR="+t.TempDir())
	var last strings.Builder
	cmd.Stderr = &last
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	var begun time.Time
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		t.Log(lines.Text())
		if begun.IsZero() && strings.Contains(lines.Text(), "journey …") {
			begun = time.Now()
			ok(t, cmd.Process.Signal(with))
		}
	}
	err = cmd.Wait()
	if begun.IsZero() || err == nil {
		t.Fatalf("it was not stopped in its journey: %v %s", err, &last)
	}
	t.Logf("%s after %s: %v", with, time.Since(begun).Round(time.Millisecond), err)
	return cmd.Process.Pid, textError(last.String())
}

// textError is what a process printed as its error.
type textError string

func (e textError) Error() string { return string(e) }
