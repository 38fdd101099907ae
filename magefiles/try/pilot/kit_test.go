package pilot_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

const digest = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// container is an instance that is made of Compose files, and has PostgreSQL as
// far as its migrations go.
type container struct {
	*inmemory.Instance
	b *bench
}

func (c *container) Config(_ context.Context, files ...string) ([]byte, error) {
	if len(files) == 0 {
		files = []string{"docker-compose.yml", "docker-compose.pilot.yml"}
	}
	text, ok := c.b.composeFiles[strings.Join(files, " ")]
	if !ok {
		return nil, errors.New("there are no such files")
	}
	return []byte(text), nil
}

// Database is one that has migrations in their phase, and for a backup the one
// in memory.
func (c *container) Database() string {
	if c.b.migrating {
		return "postgres"
	}
	return c.Instance.Database()
}

func (c *container) Exec(_ context.Context, service stack.Service, cmd []string, _ io.Reader, out io.Writer) error {
	if service != stack.Database || !slices.Contains(cmd, "psql") || !strings.Contains(cmd[len(cmd)-1], "_sqlx_migrations") {
		c.b.t.Errorf("asked of the %s: %q", service, cmd)
	}
	_, err := io.WriteString(out, c.b.recorded)
	return err
}

// bench has all that a pilot run needs.
type bench struct {
	t *testing.T
	o pilot.Options
	// opened are the instances, by the names of what they were for.
	opened map[string]*inmemory.Instance
	// prepare is called with each one before anybody uses it.
	prepare func(name string, i *inmemory.Instance)
	// begun are the phases that began, and steps all that ended.
	begun []string
	steps []drill.Step
	// container makes instances that are made of Compose files.
	container, migrating bool
	composeFiles         map[string]string
	recorded             string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, opened: map[string]*inmemory.Instance{}, prepare: func(string, *inmemory.Instance) {}}
	checkout := t.TempDir()
	write(t, filepath.Join(checkout, "docker-compose.yml"), "services: {}\n")
	b.o = pilot.Options{
		Dir:       filepath.Join(t.TempDir(), "pilot"),
		Candidate: drill.Release{Version: "1.1.0-rc.1", Digest: digest},
		Previous:  drill.Release{Version: "1.0.0", Digest: "sha256:" + strings.Repeat("1", 64)},
		Stack:     inmemory.Kind, Open: b.open, Run: *product.RustShare().Run, Page: true,
		Admin: journey.Account{Email: inmemory.AdminEmail}, Viewer: journey.Account{Email: inmemory.ViewerEmail},
		Backup:  drill.BackupOptions{Manifest: backup.Manifest{Branch: "main", Commit: strings.Repeat("a", 40)}, Root: checkout, Config: []string{"docker-compose*.yml"}},
		LockDir: t.TempDir(),
		Begin: func(phase string) {
			b.begun = append(b.begun, phase)
			b.migrating = phase == "migrations" && b.container
		},
		Watch: func(s drill.Step) { b.steps = append(b.steps, s) },
	}
	return b
}

func (b *bench) open(ctx context.Context, o drill.Opening) (drill.Instance, error) {
	i := inmemory.NewInstance(b.t, o.Secrets)
	if o.Snapshot != "" {
		if err := i.Load(ctx, o.Snapshot); err != nil {
			return nil, errors.Join(err, i.Destroy(ctx))
		}
	}
	b.opened[o.Name] = i
	b.prepare(o.Name, i)
	if b.container {
		return &container{i, b}, nil
	}
	return i, nil
}

// run does a run, or what is left of it.
func (b *bench) run() (pilot.Result, error) {
	b.t.Helper()
	b.begun, b.steps = nil, nil
	return pilot.Run(b.t.Context(), b.o)
}

// passes wants a run to pass.
func (b *bench) passes() pilot.Result {
	b.t.Helper()
	r, err := b.run()
	if err != nil || r.Status != drill.Passed {
		b.t.Fatalf("%v: %s (%s)", err, r.Status, r.Details)
	}
	return r
}

// fails wants a run to fail with all of these in its error.
func (b *bench) fails(says ...string) pilot.Result {
	b.t.Helper()
	r, err := b.run()
	if err == nil || r.Run != nil && r.Status != drill.Failed {
		b.t.Fatalf("did not fail: %v, %+v", err, r.Run)
	}
	for _, want := range says {
		if !strings.Contains(err.Error(), want) {
			b.t.Errorf("the error is\n%v\nand does not say\n%s", err, want)
		}
	}
	return r
}

// outcome is that of a phase.
func outcome(r pilot.Result, phase string) drill.Outcome {
	for _, s := range r.Steps {
		if s.Name == phase {
			return s.Outcome
		}
	}
	return ""
}

func detail(r pilot.Result, phase string) string {
	for _, s := range r.Steps {
		if s.Name == phase {
			return s.Detail
		}
	}
	return ""
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compose is the sample's set of files, as Compose prints it.
func compose() (*product.Compose, map[string]string) {
	c := product.RustShare().Compose
	image := "pilot/candidate:1"
	text := func(secure string) string {
		return `{"services": {
  "postgres": {"image": "postgres:16-alpine", "volumes": [{"type": "volume", "source": "postgres-data", "target": "/var/lib/postgresql/data"}]},
  "rustfs": {"image": "rustfs/rustfs:1.0.0", "volumes": [{"type": "volume", "source": "rustfs-data", "target": "/data"}]},
  "backend": {"image": "` + image + `", "environment": {"SESSION_COOKIE_SECURE": ` + secure + `}},
  "nginx": {"image": "nginx:1.27-alpine", "volumes": [{"type": "bind", "source": "/checkout/nginx.conf", "target": "/etc/nginx/conf.d/default.conf"}]}
}, "volumes": {"postgres-data": {}, "rustfs-data": {}}}`
	}
	return c, map[string]string{
		strings.Join(c.Files, " "):      text(`"false"`),
		strings.Join(c.Production, " "): text(`"true"`),
		strings.Join(c.Drill, " "):      text(`"false"`),
	}
}

// everything is all text of an evidence directory, packed or not.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
