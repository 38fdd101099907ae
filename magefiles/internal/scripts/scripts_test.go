// Package scripts holds the tests of the scripts that the product keeps as its
// entry points. It has tests only.
package scripts

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// top is the repository's.
var top = filepath.Join("..", "..", "..")

var entries = []string{"suite.sh", "final-launch-smoke.sh", "run-restore-drill.sh"}

// stub stands for go: it writes down what it was called with.
const stub = `#!/bin/sh
{
  printf 'in %s\n' "$PWD"
  for a; do printf 'arg %s\n' "$a"; done
  for v in ADMIN_PASSWORD SMOKE_REPORT REPORT_DIR DRILL_KEEP_STACK; do
    eval "[ -z \"\${$v:-}\" ]" || eval "printf '%s %s\n' $v \"\$$v\""
  done
} >>"$STUB_LOG"
exit "$STUB_EXIT"
`

// bench is a product's checkout with the scripts in it and a suite beside it,
// both at paths with spaces.
type bench struct {
	t                        *testing.T
	dir, product, suite, log string
	env                      []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: dir, product: filepath.Join(dir, "my work", "rust share"), log: filepath.Join(dir, "log")}
	b.suite = filepath.Join(dir, "my work", "rustshare-release")
	b.write("bin/go", stub, 0o755)
	b.mkdir(filepath.Join(b.suite, "magefiles", "targets"))
	b.install(b.product)
	b.env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "STUB_LOG=" + b.log, "HOME=" + dir, "GIT_CEILING_DIRECTORIES=" + dir, "CDPATH=" + dir}
	return b
}

func (b *bench) mkdir(path string) {
	b.t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) write(name, text string, mode os.FileMode) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	b.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
}

// install copies the scripts into a checkout.
func (b *bench) install(checkout string) {
	b.t.Helper()
	for _, name := range entries {
		text, err := os.ReadFile(filepath.Join(top, "scripts", name))
		if err != nil {
			b.t.Fatal(err)
		}
		rel, err := filepath.Rel(b.dir, filepath.Join(checkout, "scripts", name))
		if err != nil {
			b.t.Fatal(err)
		}
		b.write(rel, string(text), 0o755)
	}
}

// call runs a script in a directory and gives what the stub wrote, what the
// script printed, and its exit code.
func (b *bench) call(in, script string, exit int, env []string, args ...string) (called, printed string, code int) {
	b.t.Helper()
	if err := os.RemoveAll(b.log); err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.CommandContext(b.t.Context(), script, args...)
	cmd.Dir, cmd.Env = in, append(append([]string{"STUB_EXIT=" + strconv.Itoa(exit)}, b.env...), env...)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		b.t.Fatal(err)
	}
	text, err := os.ReadFile(b.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), b.dir, "DIR"), strings.ReplaceAll(string(out), b.dir, "DIR"), cmd.ProcessState.ExitCode()
}

const (
	work = "in DIR/my work/rustshare-release\narg tool\narg mage\narg -w\narg DIR/my work/rust share\n"
	b1   = "DIR/my work/rust share/backups/20260101T000000Z"
	b2   = "DIR/my work/rust share/backups/20260201T000000Z"
)

func TestSmoke(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		name            string
		exit            int
		env, args       []string
		called, printed string
		code            int
	}{
		{name: "defaults", called: work + "arg smoke:launch\narg -url=http://localhost:8080\n"},
		{name: "a URL, a password and a failure", exit: 1, env: []string{"BASE_URL=http://h:1/a b", "ADMIN_PASSWORD=x y'\"$z"},
			called: work + "arg smoke:launch\narg -url=http://h:1/a b\nADMIN_PASSWORD x y'\"$z\n", code: 1},
		{name: "an exit code of its own", exit: 77, called: work + "arg smoke:launch\narg -url=http://localhost:8080\n", code: 77},
		{name: "an empty URL", env: []string{"BASE_URL="}, called: work + "arg smoke:launch\narg -url=http://localhost:8080\n"},
		{name: "reports elsewhere", env: []string{"REPORT_DIR=my reports"}, called: work + "arg smoke:launch\narg -url=http://localhost:8080\nREPORT_DIR DIR/elsewhere/my reports\n"},
		{name: "an argument", args: []string{"--fast"}, printed: "takes no arguments, but got --fast", code: 2},
		{name: "help", args: []string{"--help"}, printed: "\n  BASE_URL        where it answers"},
	} {
		elsewhere := filepath.Join(b.dir, "elsewhere")
		b.mkdir(elsewhere)
		called, printed, code := b.call(elsewhere, filepath.Join(b.product, "scripts", "final-launch-smoke.sh"), tt.exit, tt.env, tt.args...)
		if called != tt.called || !strings.Contains(printed, tt.printed) || tt.printed == "" && printed != "" || code != tt.code {
			t.Errorf("%s: exit code %d, called\n%s\nprinted\n%s", tt.name, code, called, printed)
		}
	}
}

func TestDrill(t *testing.T) {
	b := newBench(t)
	script := filepath.Join(b.product, "scripts", "run-restore-drill.sh")
	_, printed, code := b.call(b.product, script, 0, nil)
	if code != 2 || !strings.Contains(printed, "there is no backup below DIR/my work/rust share/backups: make one with the target drill:backup") {
		t.Errorf("no backups: exit code %d, printed %s", code, printed)
	}
	for _, name := range []string{"20260101T000000Z", "20260201T000000Z"} {
		b.write(filepath.Join("my work/rust share/backups", name, "manifest.env"), "", 0o644)
	}
	b.write("my work/rust share/backups/zz-not-done/postgres.sql.gz", "", 0o644)
	b.write("my work/rust share/pilot.env", "", 0o644)
	b.mkdir(filepath.Join(b.product, "-odd"))
	for _, tt := range []struct {
		name            string
		exit            int
		env, args       []string
		called, printed string
		code            int
	}{
		{name: "the newest", called: work + "arg drill:restore\narg " + b2 + "\n"},
		{name: "an argument", args: []string{"backups/20260101T000000Z/"}, called: work + "arg drill:restore\narg " + b1 + "\n"},
		{name: "a variable", env: []string{"BACKUP_DIR=backups/20260101T000000Z"}, called: work + "arg drill:restore\narg " + b1 + "\n"},
		{name: "both", env: []string{"BACKUP_DIR=/nowhere"}, args: []string{"backups/20260101T000000Z"}, called: work + "arg drill:restore\narg " + b1 + "\n"},
		{name: "a name that looks like a flag", env: []string{"BACKUP_DIR=-odd"}, called: work + "arg drill:restore\narg DIR/my work/rust share/-odd\n"},
		{name: "all variables, and a failure", exit: 1, env: []string{"DRILL_KEEP_STACK=true", "SMOKE_REPORT=pilot.env", "REPORT_DIR=out put", "ADMIN_PASSWORD=a b"},
			called: work + "arg drill:restore\narg " + b2 + "\nADMIN_PASSWORD a b\nSMOKE_REPORT DIR/my work/rust share/pilot.env\nREPORT_DIR DIR/my work/rust share/out put\nDRILL_KEEP_STACK true\n", code: 1},
		{name: "a flag", args: []string{"--keep"}, printed: "usage: ", code: 2},
		{name: "too much", args: []string{"a", "b"}, printed: "usage: ", code: 2},
		{name: "no directory", args: []string{"backups/none"}, printed: "the backup backups/none is no directory", code: 2},
		{name: "no report", env: []string{"SMOKE_REPORT=none.env"}, printed: "SMOKE_REPORT is none.env, which is no file", code: 2},
		{name: "help", args: []string{"-h"}, printed: "DRILL_KEEP_STACK=true"},
	} {
		called, printed, code := b.call(b.product, script, tt.exit, tt.env, tt.args...)
		if called != tt.called || !strings.Contains(printed, tt.printed) || tt.printed == "" && printed != "" || code != tt.code {
			t.Errorf("%s: exit code %d, called\n%s\nprinted\n%s", tt.name, code, called, printed)
		}
	}
}

// The suite is found where it is named, where the action puts it, and beside
// the product; called in place it works on the checkout around the caller.
func TestSuite(t *testing.T) {
	b := newBench(t)
	script := filepath.Join(b.product, "scripts", "suite.sh")
	b.mkdir(filepath.Join(b.dir, "named suite", "magefiles", "targets"))
	b.mkdir(filepath.Join(b.dir, "tmp", "suite", "magefiles", "targets"))
	b.install(b.suite)
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", b.product).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.mkdir(filepath.Join(b.product, "docs"))
	for _, tt := range []struct {
		name, script, in string
		env              []string
		suite, product   string
	}{
		{"beside", script, b.dir, nil, b.suite, b.product},
		{"named", script, b.dir, []string{"RELEASE_SUITE=named suite", "RUNNER_TEMP=" + b.dir + "/tmp"}, b.dir + "/named suite", b.product},
		{"the action's", script, b.dir, []string{"RUNNER_TEMP=" + b.dir + "/tmp"}, b.dir + "/tmp/suite", b.product},
		{"a runner without it", script, b.dir, []string{"RUNNER_TEMP=" + b.dir}, b.suite, b.product},
		{"in place, inside a checkout", filepath.Join(b.suite, "scripts", "suite.sh"), filepath.Join(b.product, "docs"), nil, b.suite, b.product},
		{"in place, without git", filepath.Join(b.suite, "scripts", "suite.sh"), filepath.Join(b.dir, "tmp"), nil, b.suite, b.dir + "/tmp"},
	} {
		called, printed, code := b.call(tt.in, tt.script, 3, tt.env, "release:plan", "-tag=a b", "")
		want := strings.ReplaceAll("in "+tt.suite+"\narg tool\narg mage\narg -w\narg "+tt.product+"\narg release:plan\narg -tag=a b\narg \n", b.dir, "DIR")
		if called != want || printed != "" || code != 3 {
			t.Errorf("%s: exit code %d, called\n%s\nwant\n%s\nprinted\n%s", tt.name, code, called, want, printed)
		}
	}
	for _, tt := range []struct {
		env, args []string
		want      string
		code      int
	}{
		{nil, nil, "usage: ", 2},
		{nil, []string{"-l"}, "usage: ", 2},
		{[]string{"RELEASE_SUITE=/nowhere"}, []string{"doctor"}, "/nowhere is no checkout of the release suite: clone https://", 1},
	} {
		called, printed, code := b.call(b.product, script, 0, tt.env, tt.args...)
		if called != "" || !strings.Contains(printed, tt.want) || code != tt.code {
			t.Errorf("%v: exit code %d, called\n%s\nprinted\n%s", tt.args, code, called, printed)
		}
	}
}

// The sample product keeps the scripts as they are here.
func TestCopies(t *testing.T) {
	for _, name := range entries {
		ours, err := os.ReadFile(filepath.Join(top, "scripts", name))
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(top, "testdata", "rustshare", "scripts", name)
		theirs, err := os.ReadFile(copied)
		if err != nil || !bytes.Equal(ours, theirs) {
			t.Errorf("the sample's scripts/%s is another one (%v): copy ours", name, err)
		}
		if info, err := os.Stat(copied); err == nil && info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be run", copied)
		}
	}
}

func TestShellcheck(t *testing.T) {
	tool, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed: scripts/setup.sh lint")
	}
	for _, name := range append([]string{"install.sh"}, entries...) {
		if out, err := exec.CommandContext(t.Context(), tool, filepath.Join(top, "scripts", name)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
