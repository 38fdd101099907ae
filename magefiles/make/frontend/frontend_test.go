package frontend

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// site copies the fixture into a fresh git repository.
func site(t *testing.T) (Options, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "web"), os.DirFS("testdata/site")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	log := &bytes.Buffer{}
	return Options{
		Dir:        dir,
		Frontend:   product.Frontend{Dir: "web", Output: "web/build", ImageDir: "/app/web"},
		CommitTime: time.Unix(1_700_000_000, 0),
		Log:        log,
	}, log
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBuild(t *testing.T) {
	t.Setenv("VITE_SECRET", "of this machine")
	t.Setenv("NODE_ENV", "production")
	o, log := site(t)
	stale := filepath.Join(o.Dir, "web/build/stale.js")
	write(t, stale, "old")
	output, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if output != filepath.Join(o.Dir, "web/build") {
		t.Errorf("the output is in %s", output)
	}
	got, err := os.ReadFile(filepath.Join(output, "index.html"))
	if err != nil || string(got) != "1700000000 1 none none\n" {
		t.Errorf("the build saw %q, %v", got, err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("a file of an earlier build is still there")
	}
	if !strings.Contains(log.String(), "site is built\n") {
		t.Errorf("the log is %q", log)
	}
}

// node_modules is kept where it was installed from the same lock file.
func TestInstallOnlyOnce(t *testing.T) {
	o, _ := site(t)
	witness := filepath.Join(o.Dir, "web/node_modules/witness")
	for _, step := range []struct {
		name string
		do   func()
		kept bool
	}{
		{"the first time", func() {}, false},
		{"the same lock file", func() { write(t, witness, "") }, true},
		{"another lock file", func() {
			lock := filepath.Join(o.Dir, "web/package-lock.json")
			text, err := os.ReadFile(lock)
			if err != nil {
				t.Fatal(err)
			}
			write(t, lock, string(text)+"\n")
		}, false},
	} {
		step.do()
		if err := Test(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(witness); (err == nil) != step.kept {
			t.Errorf("%s: node_modules kept is %v", step.name, err == nil)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, o *Options)
		want string
	}{
		{"no lock file", func(t *testing.T, o *Options) {
			if err := os.Remove(filepath.Join(o.Dir, "web/package-lock.json")); err != nil {
				t.Fatal(err)
			}
		}, "has no package-lock.json"},
		{"a failing build", func(t *testing.T, o *Options) {
			write(t, filepath.Join(o.Dir, "web/build.mjs"), `console.error("cannot resolve ./x"); process.exit(3)`)
		}, "cannot resolve ./x"},
		{"no output", func(t *testing.T, o *Options) { write(t, filepath.Join(o.Dir, "web/build.mjs"), "") }, "web/build was not made"},
		{"an empty output", func(t *testing.T, o *Options) {
			write(t, filepath.Join(o.Dir, "web/build.mjs"), `import { mkdirSync } from "node:fs"; mkdirSync("build")`)
		}, "web/build holds no file"},
		{"sources as output", func(_ *testing.T, o *Options) { o.Frontend.Output = "web" }, "holds web/build.mjs, which git tracks"},
		{"no npm", func(t *testing.T, _ *Options) { t.Setenv("PATH", "/nowhere") }, "needs node, which is not on PATH: install it with `scripts/setup.sh`"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, _ := site(t)
			tt.do(t, &o)
			_, err := Build(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTest(t *testing.T) {
	o, log := site(t)
	if err := Test(t.Context(), o); err != nil || !strings.Contains(log.String(), "one test passed") {
		t.Errorf("%v, log %q", err, log)
	}
	write(t, filepath.Join(o.Dir, "web/test.mjs"), `console.log(process.argv.slice(2).join("|"))`)
	if err := Test(t.Context(), o, "--reporter=json", "--out=a b"); err != nil || !strings.Contains(log.String(), "--reporter=json|--out=a b\n") {
		t.Errorf("arguments: %v, log %q", err, log)
	}
	write(t, filepath.Join(o.Dir, "web/test.mjs"), `console.error("expected 1, got 2"); process.exit(1)`)
	if err := Test(t.Context(), o); err == nil || !strings.Contains(err.Error(), "testing the frontend") || !strings.Contains(err.Error(), "expected 1, got 2") {
		t.Errorf("failing tests: %v", err)
	}
}
