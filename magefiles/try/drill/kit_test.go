package drill_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
)

var wants = testkit.Says

var (
	admin  = journey.Account{Email: inmemory.AdminEmail}
	viewer = journey.Account{Email: inmemory.ViewerEmail}
	moment = time.Date(2026, 11, 23, 2, 15, 0, 0, time.UTC)
)

// instance is a product in memory that can be meddled with, and copied.
type instance struct {
	*inmemory.Instance
	// replayed and replaced are called after these two.
	replayed, replaced func()
}

func (i *instance) Replay(ctx context.Context, from io.Reader) error {
	err := i.Instance.Replay(ctx, from)
	if err == nil && i.replayed != nil {
		i.replayed()
	}
	return err
}

func (i *instance) ReplaceObjects(ctx context.Context, from io.Reader) error {
	err := i.Instance.ReplaceObjects(ctx, from)
	if err == nil && i.replaced != nil {
		i.replaced()
	}
	return err
}

// opener opens instances in memory. Each is prepared, where there is a way.
type opener struct {
	t       *testing.T
	prepare func(*instance, drill.Opening)
	opened  []*instance
	asked   []drill.Opening
	err     error
}

func (o *opener) open(ctx context.Context, opening drill.Opening) (drill.Instance, error) {
	o.asked = append(o.asked, opening)
	if o.err != nil {
		return nil, o.err
	}
	i := &instance{Instance: inmemory.NewInstance(o.t, opening.Secrets)}
	o.opened = append(o.opened, i)
	if opening.Snapshot != "" {
		if err := i.Load(ctx, opening.Snapshot); err != nil {
			return nil, err
		}
	}
	if o.prepare != nil {
		o.prepare(i, opening)
	}
	return i, nil
}

// begin gives a run, and all of it in the test's log where that failed.
func begin(t *testing.T) *drill.Run {
	run := drill.Begin("drill:test", nil)
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range run.Steps {
				t.Logf("%s: %s: %s", s.Name, s.Outcome, s.Detail)
			}
		}
	})
	return run
}

// outcome gives that of a step.
func outcome(run *drill.Run, name string) drill.Outcome {
	i := slices.IndexFunc(run.Steps, func(s drill.Step) bool { return s.Name == name })
	if i < 0 {
		return drill.NotRun
	}
	return run.Steps[i].Outcome
}

// checkout has configuration files, by name.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func options(t *testing.T) drill.BackupOptions {
	return drill.BackupOptions{
		Time:     moment,
		Manifest: backup.Manifest{Branch: "main", Commit: strings.Repeat("a1", 20)},
		Root: checkout(t, map[string]string{
			"docker-compose.yml": "services: {}\n", "docker/nginx.conf": "server {}\n", "docker/.env": "A=secret\n", "docker/.env.prod": "A=secret\n", "README.md": "no configuration",
		}),
		Config: []string{"docker-compose*.yml", "docker/**"},
	}
}

// running is an instance that was used: a pilot journey left its data.
func running(t *testing.T) (*instance, journey.Kept) {
	t.Helper()
	i := &instance{Instance: inmemory.NewInstance(t, nil)}
	t.Cleanup(func() {
		if err := i.Destroy(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := i.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := journey.Pilot(t.Context(), drill.Target(i, admin, viewer), nil)
	if err != nil {
		t.Fatal(err)
	}
	return i, report.Kept
}
