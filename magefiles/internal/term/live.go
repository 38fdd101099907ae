package term

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Escape sequences, as ECMA-48 has them.
const (
	red       = "\x1b[31m"
	green     = "\x1b[32m"
	yellow    = "\x1b[33m"
	dim       = "\x1b[2m"
	reset     = "\x1b[0m"
	lineUp    = "\x1b[%dA"
	clearDown = "\r\x1b[J"
)

// marks are the signs before a step.
type marks struct {
	done, skipped, stopped, failed string
	spin                           []string
}

var (
	ascii   = marks{"+", "-", "~", "x", []string{"|", "/", "-", `\`}}
	unicode = marks{"✓", "-", "~", "✗", []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}}
)

// interval is the time between two pictures of the live list.
const interval = 120 * time.Millisecond

// begin starts the painter with the first step, finish stops it after the last.
// Both are called with the lock held; finish gives what to call without it.
func (u *UI) begin() {
	u.running++
	if u.mode != live || u.running > 1 {
		return
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	u.stop = func() { close(quit); <-gone }
	go func() {
		defer close(gone)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				u.mu.Lock()
				u.frame++
				u.repaint()
				u.mu.Unlock()
			}
		}
	}()
}

func (u *UI) finish() (stop func()) {
	u.running--
	if u.stop == nil || u.running > 0 {
		return func() {}
	}
	stop, u.stop = u.stop, nil
	return stop
}

func (u *UI) repaint() {
	u.erase()
	u.paint()
}

// erase takes the live list off the screen, paint puts it there. Both do
// nothing elsewhere.
func (u *UI) erase() {
	if u.painted > 0 {
		u.write(fmt.Sprintf(lineUp, u.painted) + clearDown)
		u.painted = 0
	}
}

func (u *UI) paint() {
	if u.mode != live {
		return
	}
	_, height := u.size()
	lines := u.list(max(1, height-1))
	if len(lines) > 0 {
		u.write(strings.Join(lines, "\n") + "\n")
	}
	u.painted = len(lines)
}

// list gives the steps that run, with those below them. Where the screen is too
// low for all, steps that ended go first, then those at the top.
func (u *UI) list(most int) []string {
	type row struct {
		text  string
		ended bool
	}
	var rows []row
	ended := 0
	for _, r := range u.roots {
		if r.shown {
			continue
		}
		r.walk(0, func(s *Step, depth int) {
			over := !s.end.IsZero()
			if over {
				ended++
			}
			rows = append(rows, row{u.row(s, depth), over})
		})
	}
	drop := min(ended, max(0, len(rows)-most))
	var lines []string
	for _, r := range rows {
		if r.ended && drop > 0 {
			drop--
			continue
		}
		lines = append(lines, r.text)
	}
	return lines[max(0, len(lines)-most):]
}

// tree gives a step that ended, with those below it.
func (u *UI) tree(s *Step) []string {
	var lines []string
	s.walk(0, func(s *Step, depth int) { lines = append(lines, u.row(s, depth)) })
	return lines
}

// row is a step's line: mark, time, name, and what is known. It fits the
// screen's width, so that no line wraps.
func (u *UI) row(s *Step, depth int) string {
	mark, style := u.marks.spin[u.frame%len(u.marks.spin)], yellow
	switch {
	case s.end.IsZero():
	case s.state == done:
		mark, style = u.marks.done, green
	case s.state == skipped:
		mark, style = u.marks.skipped, dim
	case s.state == stopped:
		mark, style = u.marks.stopped, dim
	case s.state == failed:
		mark, style = u.marks.failed, red
	}
	width, _ := u.size()
	room := width - 1
	head := fmt.Sprintf(" %7s  %s%s", Elapsed(s.elapsed(u.now())), strings.Repeat("  ", depth), s.name)
	note, quiet := s.detail, false
	if s.end.IsZero() {
		switch {
		case s.moved > 0 || s.total > 0:
			note = Progress(s.moved, s.total)
		case note == "" && len(s.ring) > 0:
			note, quiet = s.ring[len(s.ring)-1], true
		}
	}
	head = fit(head, room-1)
	note = fit(note, room-1-utf8.RuneCountInString(head)-2)
	if note == "" {
		return u.style(style, mark) + head
	}
	if quiet {
		note = u.style(dim, note)
	}
	return u.style(style, mark) + head + "  " + note
}

func (u *UI) style(style, text string) string {
	if !u.colour {
		return text
	}
	return style + text + reset
}

// fit cuts text to a width, with dots where something was cut.
func fit(text string, width int) string {
	r := []rune(text)
	switch {
	case len(r) <= width:
		return text
	case width < 4:
		return ""
	}
	return string(r[:width-3]) + "..."
}
