package term

import (
	"fmt"
	"strings"
)

// started and ended tell about a step, line writes a line that belongs to it.
// All of them are called with the lock held.

func (u *UI) started(s *Step) {
	switch {
	case u.mode == live:
		u.repaint()
	case u.mode == github && s.parent == nil:
		u.group()
	default:
		u.line(s, "start  "+s.path())
	}
}

func (u *UI) ended(s *Step, err error) {
	switch {
	case u.mode == live && s.parent == nil:
		u.erase()
		u.write(strings.Join(u.tree(s), "\n") + "\n")
		s.shown = true
		u.tail(s, err)
		u.paint()
	case u.mode == live:
		if s.state == failed && len(s.unsaid(err)) > 0 {
			u.erase()
			u.tail(s, err)
		}
		u.repaint()
	case u.mode == github && s.parent == nil:
		u.group()
	default:
		u.line(s, s.result())
	}
}

// result is the line that tells how a step ended.
func (s *Step) result() string {
	word := map[state]string{done: "done ", skipped: "skip ", stopped: "stop ", failed: "fail "}[s.state]
	line := fmt.Sprintf("%s  %s  %s", word, s.path(), Elapsed(s.end.Sub(s.start)))
	if s.state == skipped {
		line = word + "  " + s.path()
	}
	if s.detail != "" {
		line += "  " + s.detail
	}
	return line
}

func (u *UI) line(s *Step, text string) {
	switch root := s.root(); {
	case u.mode == live:
		u.above(text)
	case u.mode == github && u.open != root:
		root.held.WriteString(text + "\n")
	default:
		u.write(text + "\n")
	}
}

// group keeps one group open at a time, since groups cannot nest: steps that
// run beside the open one are held back until it ends, then shown in the order
// in which they began.
func (u *UI) group() {
	if u.open != nil {
		if u.open.end.IsZero() {
			return
		}
		u.write("::endgroup::\n" + u.open.result() + "\n")
		u.open.shown = true
		u.open = nil
	}
	for _, s := range u.roots {
		if s.shown {
			continue
		}
		u.write("::group::" + strings.TrimSpace(s.name) + "\n" + s.held.String())
		s.held.Reset()
		if s.end.IsZero() {
			u.open = s
			return
		}
		u.write("::endgroup::\n" + s.result() + "\n")
		s.shown = true
	}
}

// tailLines is how much of a failed step's log is printed on a terminal.
const tailLines = 30

// unsaid is the end of a failed step's log, unless its error quotes it already.
func (s *Step) unsaid(err error) []string {
	if s.state != failed || len(s.ring) == 0 || strings.Contains(err.Error(), s.ring[len(s.ring)-1]) {
		return nil
	}
	return s.ring[max(0, len(s.ring)-tailLines):]
}

func (u *UI) tail(s *Step, err error) {
	for _, l := range s.unsaid(err) {
		u.write(u.style(dim, s.name+" | ") + l + "\n")
	}
}
