package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// placed is an error that knows one place, gates one that knows several.
type placed struct {
	file string
	line int
}

func (e *placed) Error() string        { return fmt.Sprintf("%s:%d: no date", e.file, e.line) }
func (e *placed) Place() (string, int) { return e.file, e.line }

type gates []Place

func (e gates) Error() string   { return fmt.Sprintf("%d gates refuse", len(e)) }
func (e gates) Places() []Place { return e }

func TestFail(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string // in Actions
		says string // what mage prints there
	}{
		"nil":     {nil, "", ""},
		"plain":   {errors.New("no key to sign with"), "::error::no key to sign with\n", "no key to sign with"},
		"a place": {fmt.Errorf("preparing: %w", &placed{"docs/a,b: c%.md", 12}), "::error file=docs/a%2Cb%3A c%25.md,line=12::docs/a,b: c%25.md:12: no date\n", "preparing: docs/a,b: c%.md:12: no date"},
		"several": {
			fmt.Errorf("releasing: %w", errors.Join(gates{{File: "CHANGELOG.md", Line: 3, Title: "changelog", Text: "no entries"}, {Title: "CI\r\n::x", Text: "two\nlines"}}, &placed{"a", 0}, errors.New("other"))),
			"::error file=CHANGELOG.md,line=3,title=changelog::no entries\n::error title=CI%0A%3A%3Ax::two%0Alines\n::error file=a::a:0: no date\n",
			"releasing: 2 gates refuse\na:0: no date\nother",
		},
		"no places": {gates{}, "::error::0 gates refuse\n", "0 gates refuse"},
		"a secret":  {gates{{File: "hunter2secret.md", Title: "hunter2secret", Text: "hunter2secret"}}, "::error file=***.md,title=***::***\n", "1 gates refuse"},
		"a command": {errors.New("cargo said:\n::set-env name=PATH::x\n##[error]y"), "::error::cargo said:%0A::set-env name=PATH::x%0A##[error]y\n", "cargo said:\n| ::set-env name=PATH::x\n## [error]y"},
	} {
		for _, mode := range []string{"GITHUB_ACTIONS", "CI"} {
			var out bytes.Buffer
			u := New(&out, env(mode, "true"))
			u.Mask("hunter2secret")
			out.Reset()
			err := u.Fail(tt.err)
			want, says := tt.want, tt.says
			if mode != "GITHUB_ACTIONS" { // mage prints it, nobody else
				want = ""
				if tt.err != nil {
					says = tt.err.Error()
				}
			}
			if out.String() != want {
				t.Errorf("%s (%s): wrote %q, want %q", name, mode, out.String(), want)
			}
			if (err == nil) != (tt.err == nil) || err != nil && (err.Error() != says || !errors.Is(err, tt.err) && name != "no places" && name != "a secret") {
				t.Errorf("%s (%s): gave back %v, want %q", name, mode, err, says)
			}
		}
	}
}

// TestActions shows annotations, outputs and the page of a run as the runner
// gets them.
func TestActions(t *testing.T) {
	dir := t.TempDir()
	outputs, page := filepath.Join(dir, "output"), filepath.Join(dir, "page.md")
	var out bytes.Buffer
	u := New(&out, env("GITHUB_ACTIONS", "true", "GITHUB_OUTPUT", outputs, "GITHUB_STEP_SUMMARY", page))
	u.now = (&clock{t: time.Unix(0, 0)}).now
	u.Mask("hunter2secret")
	u.WarnAt(Place{File: "docs/upgrading.md", Line: 7, Title: "upgrading", Text: "not filled in"})
	u.ErrorAt()
	for name, value := range map[string]string{"version": "0.4.0", "password": "hunter2secret", "tags": "latest\n0.4\nhunter2secret"} {
		if err := u.Output(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Output("a=b\nc", "x"); err == nil || !strings.Contains(err.Error(), "no name of an output") {
		t.Errorf("a name with a line end: %v", err)
	}
	if err := u.Page("## Tags\n\n" + markdown.Table([]string{"tag", "digest"}, [][]string{{"latest", "a|b hunter2secret"}})); err != nil {
		t.Fatal(err)
	}
	_ = u.Run(context.Background(), "step", func(context.Context, *Step) error { return nil })
	if err := u.Summary(); err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/actions.txt", out.String())
	testkit.Golden(t, "testdata/page.md", read(t, page))

	// Read the outputs back the way the runner does.
	got, lines := map[string]string{}, strings.Split(read(t, outputs), "\n")
	for i := 0; i < len(lines)-1; i++ {
		name, end, long := strings.Cut(lines[i], "<<")
		if !long {
			name, value, _ := strings.Cut(lines[i], "=")
			got[name] = value
			continue
		}
		var value []string
		for i++; lines[i] != end; i++ {
			value = append(value, lines[i])
		}
		got[name] = strings.Join(value, "\n")
	}
	for name, want := range map[string]string{"version": "0.4.0", "password": "***", "tags": "latest\n0.4\n***"} {
		if got[name] != want {
			t.Errorf("output %s is %q, want %q", name, got[name], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("the outputs are %v", got)
	}

	u.outputs = dir // cannot be written
	if err := u.Output("a", "b"); err == nil || !strings.Contains(err.Error(), "GITHUB_OUTPUT") {
		t.Errorf("a directory as file of outputs: %v", err)
	}
}

// TestNoActions: outside of Actions none of it does anything, whatever the
// variables name.
func TestNoActions(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	u := New(&out, env("CI", "true", "GITHUB_OUTPUT", filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY", filepath.Join(dir, "page.md")))
	u.ErrorAt(Place{File: "a", Text: "b"})
	if err := errors.Join(u.Output("a", "b"), u.Page("c"), u.Summary()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 || out.Len() != 0 {
		t.Errorf("wrote %v and %q, %v", left, out.String(), err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
