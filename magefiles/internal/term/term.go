// Package term is what a person sees of a run: a live list of steps on a
// terminal, grouped lines in GitHub's and Gitea's Actions, plain lines
// elsewhere. All of it goes to standard error: standard output is for results.
// It knows markdown and no other package of the suite.
package term

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

type mode int

const (
	plain  mode = iota // a line for each event
	github             // plain, with workflow commands: groups, annotations, masks
	live               // a list that is painted over
)

// UI reports the steps of a run. Its methods may be called side by side.
type UI struct {
	mode       mode
	colour     bool
	marks      marks
	size       func() (width, height int)
	now        func() time.Time
	stepReport string // the file of GITHUB_STEP_SUMMARY
	outputs    string // the file of GITHUB_OUTPUT

	mu      sync.Mutex
	w       io.Writer
	roots   []*Step
	secrets []string
	hide    *strings.Replacer
	open    *Step  // github: the step whose group is open
	painted int    // live: lines on the screen that will be painted over
	frame   int    // live: which picture of the spinner is shown
	running int    // steps at the top that run
	stop    func() // live: stops the painter
}

// New makes a UI that writes to w, which is standard error except in tests. It
// reads CI, GITHUB_ACTIONS, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY, NO_COLOR, TERM
// and the locale through getenv: live on a terminal outside CI, workflow
// commands where GITHUB_ACTIONS is true (Gitea's runner sets it too), plain
// lines otherwise.
func New(w io.Writer, getenv func(string) string) *UI {
	u := &UI{w: w, now: time.Now, marks: ascii, hide: strings.NewReplacer(), size: func() (int, int) { return 80, 24 }}
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		u.mode, u.stepReport, u.outputs = github, getenv("GITHUB_STEP_SUMMARY"), getenv("GITHUB_OUTPUT")
	case getenv("CI") == "" || getenv("CI") == "false":
		if f, ok := w.(*os.File); ok && getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())) {
			u.mode, u.size = live, sizeOf(f)
			u.colour = getenv("NO_COLOR") == ""
		}
	}
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(key)); v != "" {
			if strings.Contains(v, "utf") {
				u.marks = unicode
			}
			break
		}
	}
	return u
}

// Discard makes a UI that shows nothing, for tests and for callers that only
// want [UI.Steps].
func Discard() *UI { return New(io.Discard, func(string) string { return "" }) }

func sizeOf(f *os.File) func() (int, int) {
	return func() (int, int) {
		w, h, err := term.GetSize(int(f.Fd()))
		if err != nil || w < 1 || h < 1 {
			return 80, 24
		}
		return w, h
	}
}

// Mask replaces a secret by "***" in everything that is written from now on,
// each of its lines by itself, and has GitHub do the same. Values of fewer than
// four characters are left alone: they would garble the log and hide nothing.
func (u *UI) Mask(secret string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range append([]string{secret}, strings.Split(secret, "\n")...) {
		s = strings.TrimSpace(s)
		if len(s) < 4 || slices.Contains(u.secrets, s) {
			continue
		}
		if u.mode == github && !strings.Contains(s, "\n") {
			// The one line that must carry the value: the runner swallows it.
			_, _ = io.WriteString(u.w, "::add-mask::"+escape(s)+"\n")
		}
		u.secrets = append(u.secrets, s)
	}
	// The longest first: one secret may be the beginning of another.
	slices.SortStableFunc(u.secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range u.secrets {
		pairs = append(pairs, s, "***")
	}
	u.hide = strings.NewReplacer(pairs...)
}

// Println writes a line of its own.
func (u *UI) Println(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.above(u.safe(sprintf(format, args...)))
}

// Warn writes a warning; in Actions it becomes an annotation of the run.
func (u *UI) Warn(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	text := sprintf(format, args...)
	if u.mode == github {
		u.annotate("warning", Place{Text: text})
		return
	}
	u.above(u.style(yellow, "warning:") + " " + u.safe(text))
}

// above writes text and a line end, above the live list where there is one.
func (u *UI) above(text string) {
	u.erase()
	u.write(text + "\n")
	u.paint()
}

// write is the one way to the writer, with secrets replaced. What cannot be
// written to standard error cannot be reported anywhere.
func (u *UI) write(text string) { _, _ = io.WriteString(u.w, u.hide.Replace(text)) }

// safe makes text from elsewhere harmless: secrets hidden, no terminal escapes,
// and in Actions no workflow commands.
func (u *UI) safe(text string) string {
	text = u.hide.Replace(printable(text))
	if u.mode != github {
		return text
	}
	text = strings.ReplaceAll(text, "##[", "## [")
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(strings.TrimSpace(l), "::") {
			lines[i] = "| " + l
		}
	}
	return strings.Join(lines, "\n")
}

func sprintf(format string, args ...any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}
