package term

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// screen is a terminal of the simplest kind: it knows the sequences that we
// use, and complains about lines that would wrap.
type screen struct {
	t     *testing.T
	width int
	mu    sync.Mutex
	lines []string
	at    int
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(p)
	for text != "" {
		var n int
		switch {
		case strings.HasPrefix(text, clearDown):
			s.lines = s.lines[:s.at]
			text = text[len(clearDown):]
			continue
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "mA")
			if text[end] == 'A' {
				if _, err := fmt.Sscanf(text, lineUp, &n); err != nil || n > s.at {
					s.t.Errorf("cannot go up %q from line %d", text[:end+1], s.at)
				}
				s.at -= n
			}
			text = text[end+1:]
			continue
		case text[0] == '\n':
			s.put("")
			if w := utf8.RuneCountInString(s.lines[s.at]); w >= s.width {
				s.t.Errorf("a line of %d wraps on a screen of %d: %q", w, s.width, s.lines[s.at])
			}
			s.at++
			text = text[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		if r < ' ' {
			s.t.Errorf("control character %q", r)
		}
		s.put(text[:size])
		text = text[size:]
	}
	return len(p), nil
}

func (s *screen) put(text string) {
	for len(s.lines) <= s.at {
		s.lines = append(s.lines, "")
	}
	s.lines[s.at] += text
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n") + "\n"
}

func liveUI(t *testing.T, width, height int) (*UI, *screen, *clock) {
	s, c := &screen{t: t, width: width}, &clock{t: time.Unix(0, 0)}
	u := New(s, env("LANG", "C.UTF-8"))
	u.mode, u.now, u.colour = live, c.now, true
	u.size = func() (int, int) { return width, height }
	return u, s, c
}

func TestLive(t *testing.T) {
	u, s, c := liveUI(t, 80, 24)
	story(t, u, c)
	testkit.Golden(t, "testdata/live.txt", s.String())
}

func TestLiveNoColour(t *testing.T) {
	u, _, c := liveUI(t, 80, 24)
	var out bytes.Buffer
	u.w, u.colour = &out, false
	story(t, u, c)
	for _, style := range []string{red, green, yellow, dim, reset} {
		if strings.Contains(out.String(), style) {
			t.Errorf("%q in spite of NO_COLOR", style)
		}
	}
}

// TestLiveWhileRunning looks at the list in the middle of a run, on a wide
// screen and on one that is too small for it.
func TestLiveWhileRunning(t *testing.T) {
	for _, tt := range []struct {
		golden        string
		width, height int
	}{{"live-wide.txt", 80, 24}, {"live-small.txt", 30, 5}} {
		u, s, c := liveUI(t, tt.width, tt.height)
		_ = u.Run(context.Background(), "release", func(ctx context.Context, top *Step) error {
			for i := range 4 {
				_ = top.Run(ctx, fmt.Sprintf("done%d", i), func(_ context.Context, s *Step) error {
					c.pass(time.Second)
					return nil
				})
			}
			return top.Run(ctx, "make", func(ctx context.Context, s2 *Step) error {
				fmt.Fprintln(s2.Log(), "Compiling a-crate-with-a-rather-long-name v1.2.3 (/somewhere)")
				return s2.Run(ctx, "upload", func(_ context.Context, up *Step) error {
					up.Progress(12_300_000, 17_000_000)
					c.pass(3 * time.Second)
					u.mu.Lock()
					u.frame = 0
					u.repaint()
					u.mu.Unlock()
					testkit.Golden(t, "testdata/"+tt.golden, s.String())
					return nil
				})
			})
		})
		if u.stop != nil || u.painted != 0 {
			t.Errorf("%s: the painter still runs", tt.golden)
		}
	}
}

func TestTable(t *testing.T) {
	u := Discard()
	var out bytes.Buffer
	rows := [][]string{{"v0.1.0", "0.1.0", "sha256:" + strings.Repeat("a", 64)}, {"main", "", "x\ny\x1b[31m"}, {"short"}}
	if err := u.Table(&out, []string{"TAG", "VERSION", "DIGEST"}, rows); err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/table.txt", out.String())
	testkit.Golden(t, "testdata/table-narrow.txt", table(60, []string{"TAG", "VERSION", "DIGEST"}, rows))
	out.Reset()
	if err := u.Table(&out, nil, nil); err != nil || out.String() != "\n" {
		t.Errorf("an empty table gave %q, %v", out.String(), err)
	}
}

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 0: "0.0s", 340 * time.Millisecond: "0.3s", 59940 * time.Millisecond: "59.9s",
		59960 * time.Millisecond: "1m00s", 245 * time.Second: "4m05s", time.Hour - time.Millisecond: "1h00m", 62 * time.Minute: "1h02m",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("Elapsed(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 17_000_000: "17.0 MB", 999_999_999: "1.0 GB", 5e15: "5000.0 TB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	if got, want := Progress(1_000_000, 0), "1.0 MB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Progress(2_500_000, 5_000_000), "2.5 MB of 5.0 MB (50 %)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzLog cuts a log with a secret in it anywhere: the secret never shows, and
// neither do escapes or workflow commands.
func FuzzLog(f *testing.F) {
	f.Add("one\ntwo hunter2secret three\r\n::set-env::x\n", 5)
	f.Add("\x1b]0;title\x07##[error]x\nhunter2\x1b[0msecret", 9)
	f.Add("hunter2\x00secret\rhunter2secret", 3)
	f.Fuzz(func(t *testing.T, text string, at int) {
		for _, key := range []string{"GITHUB_ACTIONS", "CI"} {
			var out bytes.Buffer
			u := New(&out, env(key, "true"))
			_ = u.Run(context.Background(), "s", func(_ context.Context, s *Step) error {
				u.mu.Lock()
				u.secrets = []string{"hunter2secret"}
				u.hide = strings.NewReplacer("hunter2secret", "***")
				u.mu.Unlock()
				log := s.Log()
				at = min(max(at, 0), len(text))
				fmt.Fprint(log, text[:at])
				fmt.Fprint(log, text[at:])
				s.Detail("%s", text)
				s.Println("%s", text)
				return nil
			})
			got := out.String()
			if strings.Contains(got, "hunter2secret") || strings.Contains(got, "\x1b") || !utf8.ValidString(got) {
				t.Errorf("got %q", got)
			}
			if key != "GITHUB_ACTIONS" {
				continue
			}
			for l := range strings.SplitSeq(got, "\n") {
				l = strings.TrimSpace(l)
				if strings.HasPrefix(l, "::") && l != "::group::s" && l != "::endgroup::" || strings.Contains(l, "##[") {
					t.Errorf("a workflow command came through: %q", l)
				}
			}
		}
	})
}

// TestTerminal runs on a real pseudo-terminal.
func TestTerminal(t *testing.T) {
	master, slave := openPTY(t)
	for _, tt := range []struct {
		name   string
		env    func(string) string
		want   mode
		colour bool
	}{
		{"terminal", env("TERM", "xterm"), live, true},
		{"NO_COLOR", env("TERM", "xterm", "NO_COLOR", "1"), live, false},
		{"dumb", env("TERM", "dumb"), plain, false},
		{"CI", env("TERM", "xterm", "CI", "true"), plain, false},
	} {
		u := New(slave, tt.env)
		if u.mode != tt.want || u.colour != tt.colour {
			t.Errorf("%s: mode %d, colour %v; want %d, %v", tt.name, u.mode, u.colour, tt.want, tt.colour)
		}
	}
	u := New(slave, env("TERM", "xterm", "NO_COLOR", "1"))
	_ = u.Run(context.Background(), "step", func(_ context.Context, s *Step) error {
		time.Sleep(2 * interval) // at least one picture by the painter
		s.Detail("well done")
		return nil
	})
	buf := make([]byte, 4096)
	n, err := master.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(buf[:n]); !strings.Contains(got, "step") || !strings.Contains(got, clearDown) {
		t.Errorf("got %q", got)
	}
}
