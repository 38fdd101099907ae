package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

type state int

const (
	running state = iota
	done
	skipped
	stopped // by a cancelled context: something else failed
	failed
)

// ringSize is how many lines of a step's log are kept for the case that it
// fails.
const ringSize = 200

// Step is one step of a run. Its methods may be called side by side, and do
// nothing on a nil Step.
type Step struct {
	ui     *UI
	parent *Step
	name   string

	// All below are guarded by ui.mu.
	start, end   time.Time
	state        state
	detail       string
	children     []*Step
	ring         []string
	logs         []*lines
	moved, total int64
	held         bytes.Buffer // github: output while another group is open
	shown        bool         // at the top: written for good
}

// Run runs fn as a step at the top of the list. Its error is returned as it
// is and not printed: mage prints the one that ends the run, and in Actions
// [UI.Fail] annotates it.
func (u *UI) Run(ctx context.Context, name string, fn func(ctx context.Context, s *Step) error) error {
	return u.run(ctx, nil, name, fn)
}

// Run runs fn as a step below s.
func (s *Step) Run(ctx context.Context, name string, fn func(ctx context.Context, s *Step) error) error {
	if s == nil {
		return fn(ctx, nil)
	}
	return s.ui.run(ctx, s, name, fn)
}

func (u *UI) run(ctx context.Context, parent *Step, name string, fn func(context.Context, *Step) error) error {
	s := &Step{ui: u, parent: parent, start: u.now()}
	u.mu.Lock()
	s.name = oneLine(u.safe(name))
	if parent == nil {
		u.roots = append(u.roots, s)
		u.begin()
	} else {
		parent.children = append(parent.children, s)
	}
	u.started(s)
	u.mu.Unlock()

	err := fn(ctx, s)

	u.mu.Lock()
	logs := s.logs
	u.mu.Unlock()
	for _, l := range logs { // without the lock: a log takes its own first
		l.flush()
	}
	u.mu.Lock()
	s.end = u.now()
	switch {
	case err != nil && errors.Is(err, context.Canceled):
		s.state = stopped
	case err != nil:
		s.state = failed
	case s.state == running:
		s.state = done
	}
	u.ended(s, err)
	stop := func() {}
	if parent == nil {
		stop = u.finish()
	}
	u.mu.Unlock()
	stop()
	return err
}

// Detail sets the text behind the step's name: what came of it.
func (s *Step) Detail(format string, args ...any) {
	s.with(func() { s.detail = oneLine(s.ui.safe(sprintf(format, args...))) })
}

// Skip marks the step as one that had nothing to do, and says why.
func (s *Step) Skip(format string, args ...any) {
	s.with(func() {
		s.state = skipped
		s.detail = oneLine(s.ui.safe(sprintf(format, args...)))
	})
}

// Progress says that moved of total bytes are done; it is shown on a terminal
// only. A total of 0 is not known.
func (s *Step) Progress(moved, total int64) {
	s.with(func() { s.moved, s.total = moved, total })
}

// Println writes a line of its own, as [UI.Println] does; in Actions into the
// step's group.
func (s *Step) Println(format string, args ...any) {
	s.with(func() { s.ui.line(s, s.ui.safe(sprintf(format, args...))) })
}

// Warn is [UI.Warn].
func (s *Step) Warn(format string, args ...any) {
	if s != nil {
		s.ui.Warn(format, args...)
	}
}

// Mask is [UI.Mask].
func (s *Step) Mask(secret string) {
	if s != nil {
		s.ui.Mask(secret)
	}
}

func (s *Step) with(fn func()) {
	if s == nil {
		return
	}
	s.ui.mu.Lock()
	defer s.ui.mu.Unlock()
	fn()
}

// Log gives a writer for the output of another program. Each program needs one
// of its own. Whole lines are shown under the step's name as they come; on a
// terminal the last one stands beside the step, and the end of the log is
// printed where the step fails.
func (s *Step) Log() io.Writer {
	if s == nil {
		return io.Discard
	}
	l := &lines{step: s}
	s.with(func() { s.logs = append(s.logs, l) })
	return l
}

// lines cuts a stream into lines.
type lines struct {
	step *Step
	mu   sync.Mutex
	rest []byte
}

// maxLine is where a line that does not end is cut, in bytes.
const maxLine = 64 << 10

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			if len(l.rest) < maxLine {
				return len(p), nil
			}
			i = len(l.rest) - 1
		}
		l.step.said(string(l.rest[:i+1]))
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.step.said(string(l.rest))
		l.rest = nil
	}
}

// said takes one line of a program's output.
func (s *Step) said(line string) {
	line = strings.TrimRight(line, "\r\n")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 { // a progress bar: what stands there last
		line = line[i+1:]
	}
	s.with(func() {
		line = strings.TrimRight(s.ui.safe(line), " \t")
		if line == "" {
			return
		}
		if len(s.ring) == ringSize {
			s.ring = append(s.ring[:0], s.ring[1:]...)
		}
		s.ring = append(s.ring, line)
		if s.ui.mode != live {
			s.ui.line(s, s.name+" | "+line)
		}
	})
}

func (s *Step) root() *Step {
	for s.parent != nil {
		s = s.parent
	}
	return s
}

// path is the step's name with those above it.
func (s *Step) path() string {
	if s.parent == nil {
		return s.name
	}
	return s.parent.path() + " / " + s.name
}

func (s *Step) elapsed(now time.Time) time.Duration {
	if !s.end.IsZero() {
		now = s.end
	}
	return now.Sub(s.start)
}

// StepResult is one step that ran, for reports.
type StepResult struct {
	// Name is the step's own name, Path that of the steps above it and its
	// own, joined by " / ". Depth is 0 at the top.
	Name  string `json:"name"`
	Path  string `json:"path"`
	Depth int    `json:"depth"`
	// Elapsed is in nanoseconds in JSON.
	Elapsed time.Duration `json:"elapsed"`
	// Detail is what [Step.Detail] or [Step.Skip] said.
	Detail  string `json:"detail,omitempty"`
	Skipped bool   `json:"skipped,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
	// Stopped is true for a step that ended because its context was cancelled:
	// the fault lies elsewhere.
	Stopped bool `json:"stopped,omitempty"`
	// Running is true for a step that has not ended.
	Running bool `json:"running,omitempty"`
}

// Steps lists the steps so far, each followed by those below it.
func (u *UI) Steps() []StepResult {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	var out []StepResult
	u.walk(func(s *Step, depth int) {
		out = append(out, StepResult{
			Name: s.name, Path: s.path(), Depth: depth, Elapsed: s.elapsed(now), Detail: s.detail,
			Skipped: s.state == skipped, Failed: s.state == failed, Stopped: s.state == stopped, Running: s.end.IsZero(),
		})
	})
	return out
}

func (u *UI) walk(visit func(s *Step, depth int)) {
	for _, s := range u.roots {
		s.walk(0, visit)
	}
}

func (s *Step) walk(depth int, visit func(s *Step, depth int)) {
	visit(s, depth)
	for _, c := range s.children {
		c.walk(depth+1, visit)
	}
}
