package term

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
)

// Table writes rows under headers, in columns, with secrets replaced. It is for
// a command's result: w is standard output. Where w is a terminal that is too
// narrow, each row becomes a block of lines, one a cell, so that a digest or a
// command can still be copied whole. A row may have fewer cells than there are
// headers.
func (u *UI) Table(w io.Writer, headers []string, rows [][]string) error {
	width := 0
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, _ = sizeOf(f)()
	}
	u.mu.Lock()
	text := u.hide.Replace(table(width, headers, rows))
	u.mu.Unlock()
	_, err := io.WriteString(w, text)
	return err
}

// table lays rows out; a width of 0 has no end.
func table(width int, headers []string, rows [][]string) string {
	clean := make([][]string, 0, len(rows)+1)
	widths := make([]int, len(headers))
	for _, row := range append([][]string{headers}, rows...) {
		cells := make([]string, len(headers))
		for i := range cells {
			if i < len(row) {
				cells[i] = oneLine(printable(row[i]))
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		clean = append(clean, cells)
	}
	sum := 2 * (len(widths) - 1)
	for _, n := range widths {
		sum += n
	}
	if width > 0 && sum > width {
		return blocks(clean[0], clean[1:])
	}
	var out strings.Builder
	for _, row := range clean {
		line := ""
		for i, cell := range row {
			line += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

func blocks(headers []string, rows [][]string) string {
	most := 0
	for _, h := range headers {
		most = max(most, utf8.RuneCountInString(h))
	}
	var out strings.Builder
	for n, row := range rows {
		if n > 0 {
			out.WriteString("\n")
		}
		for i, cell := range row {
			if cell != "" {
				fmt.Fprintf(&out, "%-*s  %s\n", most, headers[i], cell)
			}
		}
	}
	return out.String()
}

// Summary writes the steps with their times, and in Actions adds them to the
// page of the run. It fails only where that page cannot be written.
func (u *UI) Summary() error {
	var rows [][]string
	var cells [][]string
	for _, s := range u.Steps() {
		outcome := "done"
		switch {
		case s.Running:
			outcome = "running"
		case s.Failed:
			outcome = "failed"
		case s.Stopped:
			outcome = "stopped"
		case s.Skipped:
			outcome = "skipped"
		}
		if s.Detail != "" {
			outcome += ": " + s.Detail
		}
		elapsed := Elapsed(s.Elapsed)
		// Indented with dots: white space at the start of a cell is taken out.
		rows = append(rows, []string{strings.Repeat(". ", s.Depth) + s.Name, elapsed, outcome})
		cells = append(cells, []string{strings.Repeat("· ", s.Depth) + s.Name, elapsed, outcome})
	}
	if len(rows) == 0 {
		return nil
	}
	width := 0
	if u.mode == live {
		width, _ = u.size()
	}
	u.Println("%s", strings.TrimRight(table(width, []string{"STEP", "TIME", "OUTCOME"}, rows), "\n"))
	return u.Page(markdown.Table([]string{"step", "time", "outcome"}, cells))
}
