package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

// clock moves by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var errBoom = errors.New("boom")

// story is one run with everything that can happen in it, one thing at a time.
func story(t *testing.T, u *UI, c *clock) {
	t.Helper()
	ctx := context.Background()
	u.Mask("hunter2secret")
	u.Println("releasing %s", "v0.4.0")
	err := u.Run(ctx, "make", func(ctx context.Context, s *Step) error {
		_ = s.Run(ctx, "cargo x86_64", func(_ context.Context, s *Step) error {
			log := s.Log()
			fmt.Fprint(log, "Compiling one\nCompil")
			fmt.Fprint(log, "ing two\npassword hunter2secret\n\x1b[31mred\x1b[0m\n10%\r50%\r100%\n")
			fmt.Fprint(log, "no line end")
			s.Progress(500_000, 1_000_000)
			c.pass(12300 * time.Millisecond)
			s.Detail("%d MB", 17)
			return nil
		})
		_ = s.Run(ctx, "frontend", func(_ context.Context, s *Step) error {
			s.Skip("the product has none")
			return nil
		})
		s.Warn("the arm64 binary was not run: %s is missing", "qemu-aarch64-static")
		c.pass(50 * time.Second)
		return nil
	})
	if err != nil {
		t.Errorf("a step without an error gave %v", err)
	}
	err = u.Run(ctx, "publish", func(_ context.Context, s *Step) error {
		fmt.Fprintln(s.Log(), "::error::not ours")
		fmt.Fprintln(s.Log(), "##[error]nor this")
		c.pass(time.Second)
		return fmt.Errorf("pushing: %w", errBoom)
	})
	if !errors.Is(err, errBoom) || err.Error() != "pushing: boom" {
		t.Errorf("the step's error came back as %v", err)
	}
	_ = u.Run(ctx, "announce", func(context.Context, *Step) error { return context.Canceled })
	err = u.Fail(errors.New("publishing v0.4.0: pushing: boom 100%\nwith hunter2secret"))
	if want := "publishing v0.4.0: pushing: boom 100%\nwith ***"; err.Error() != want {
		t.Errorf("the error for mage is %q, want %q", err, want)
	}
	if err := u.Summary(); err != nil {
		t.Error(err)
	}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	c := &clock{t: time.Unix(0, 0)}
	u := New(&out, env("CI", "true"))
	u.now = c.now
	story(t, u, c)
	testkit.Golden(t, "testdata/plain.txt", out.String())
}

func TestGitHub(t *testing.T) {
	var out bytes.Buffer
	c := &clock{t: time.Unix(0, 0)}
	page := filepath.Join(t.TempDir(), "summary.md")
	u := New(&out, env("GITHUB_ACTIONS", "true", "CI", "true", "GITHUB_STEP_SUMMARY", page))
	u.now = c.now
	story(t, u, c)
	testkit.Golden(t, "testdata/github.txt", out.String())
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/summary.md", string(text))
}

// TestGitHubSideBySide shows that groups never nest: what runs beside the open
// group is held back, whole and in order.
func TestGitHubSideBySide(t *testing.T) {
	var out bytes.Buffer
	u := New(&out, env("GITHUB_ACTIONS", "true"))
	u.now = (&clock{t: time.Unix(0, 0)}).now
	aRuns, bDone, cRuns, aDone := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_ = u.Run(context.Background(), "a", func(_ context.Context, s *Step) error {
			s.Println("a speaks")
			close(aRuns)
			<-cRuns
			s.Println("a speaks again")
			return nil
		})
		close(aDone)
	})
	<-aRuns
	_ = u.Run(context.Background(), "b", func(_ context.Context, s *Step) error {
		s.Println("b speaks")
		return nil
	})
	close(bDone)
	group.Go(func() {
		_ = u.Run(context.Background(), "c", func(_ context.Context, s *Step) error {
			s.Println("c speaks")
			close(cRuns)
			<-aDone
			s.Println("c speaks again")
			return nil
		})
	})
	group.Wait()
	testkit.Golden(t, "testdata/github-side-by-side.txt", out.String())
}

func TestMode(t *testing.T) {
	pipe, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close() //nolint:errcheck // a scratch file
	for _, tt := range []struct {
		name string
		env  func(string) string
		want mode
	}{
		{"nothing set", env(), plain},
		{"CI", env("CI", "true"), plain},
		{"GitHub", env("GITHUB_ACTIONS", "true"), github},
		{"a file is no terminal", env("TERM", "xterm"), plain},
	} {
		if got := New(pipe, tt.env).mode; got != tt.want {
			t.Errorf("%s: mode %d, want %d", tt.name, got, tt.want)
		}
	}
	if u := New(pipe, env("LC_ALL", "C", "LANG", "en_US.UTF-8")); u.marks.done != ascii.done {
		t.Error("LC_ALL=C must win over LANG")
	}
	if u := New(pipe, env("LANG", "C.UTF-8")); u.marks.done != unicode.done {
		t.Error("LANG=C.UTF-8 must give the Unicode marks")
	}
}

func TestSteps(t *testing.T) {
	c := &clock{t: time.Unix(0, 0)}
	u := Discard()
	u.now = c.now
	story(t, u, c)
	want := []StepResult{
		{Name: "make", Path: "make", Elapsed: 62300 * time.Millisecond},
		{Name: "cargo x86_64", Path: "make / cargo x86_64", Depth: 1, Elapsed: 12300 * time.Millisecond, Detail: "17 MB"},
		{Name: "frontend", Path: "make / frontend", Depth: 1, Detail: "the product has none", Skipped: true},
		{Name: "publish", Path: "publish", Elapsed: time.Second, Failed: true},
		{Name: "announce", Path: "announce", Stopped: true},
	}
	got := u.Steps()
	if len(got) != len(want) {
		t.Fatalf("got %d steps, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("step %d:\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestMask(t *testing.T) {
	var out bytes.Buffer
	u := New(&out, env())
	u.Mask("abcd")
	u.Mask("abcdefgh") // the longer one must go whole
	u.Mask("-----BEGIN KEY-----\nMIIBsecretline\n-----END KEY-----\n")
	u.Mask("xyz") // too short to be a secret
	u.Mask("")
	u.Println("abcdefgh abcd %s xyz", "MIIBsecretline")
	u.Warn("abcd")
	_ = u.Run(context.Background(), "step abcdefgh", func(_ context.Context, s *Step) error {
		fmt.Fprintln(s.Log(), "-----BEGIN KEY-----")
		s.Detail("token abcd")
		return nil
	})
	if err := u.Table(&out, []string{"KEY"}, [][]string{{"abcdefgh"}}); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, secret := range []string{"abcd", "efgh", "MIIB", "BEGIN"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in the log:\n%s", secret, got)
		}
	}
	if !strings.HasPrefix(got, "*** *** *** xyz\n") {
		t.Errorf("got %q", got)
	}
	if strings.Contains(fmt.Sprint(u.Steps()), "abcd") {
		t.Errorf("a secret is in the steps: %v", u.Steps())
	}
}

// TestSideBySide is for the race detector, and shows that no line is lost or
// torn.
func TestSideBySide(t *testing.T) {
	for _, m := range []mode{plain, github, live} {
		var out bytes.Buffer
		u := New(&out, env())
		u.mode, u.size = m, func() (int, int) { return 100, 10 }
		err := u.Run(context.Background(), "all", func(ctx context.Context, s *Step) error {
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() {
					_ = s.Run(ctx, fmt.Sprintf("step%d", i), func(_ context.Context, s *Step) error {
						log := s.Log()
						for n := range 50 {
							fmt.Fprintf(log, "line %d-%d\n", i, n)
							s.Progress(int64(n), 50)
							s.Detail("%d", n)
							_ = u.Steps()
						}
						s.Println("said by %d", i)
						u.Mask(fmt.Sprintf("secret-%d", i))
						return nil
					})
				})
			}
			group.Wait()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		lines := map[string]int{}
		for l := range strings.SplitSeq(out.String(), "\n") {
			lines[strings.TrimPrefix(l, clearDown)]++
		}
		for i := range 8 {
			if m != live && lines[fmt.Sprintf("step%d | line %d-49", i, i)] != 1 {
				t.Errorf("mode %d: the last line of step %d is missing", m, i)
			}
			if want := fmt.Sprintf("said by %d", i); !strings.Contains(out.String(), want+"\n") {
				t.Errorf("mode %d: %q is missing", m, want)
			}
		}
	}
}

func TestNilStep(t *testing.T) {
	var s *Step
	s.Detail("x")
	s.Skip("x")
	s.Progress(1, 2)
	s.Println("x")
	s.Warn("x")
	s.Mask("xxxx")
	if _, err := fmt.Fprintln(s.Log(), "x"); err != nil {
		t.Error(err)
	}
	if err := s.Run(context.Background(), "x", func(context.Context, *Step) error { return errBoom }); !errors.Is(err, errBoom) {
		t.Errorf("got %v, want boom", err)
	}
}
