// Package upgrading reads the tables of the upgrading guide, such as
// docs/upgrading.md, and adds the rows of a new version to them. Every byte
// that is not added stays as it was. It does no I/O.
package upgrading

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// The headings that the tables stand under, in whatever case.
const (
	BreakingTitle    = "Breaking Changes"
	EnvironmentTitle = "Environment Variable Changes"
)

// Placeholder is what AddRows writes into each cell beside the version. As long
// as a cell holds its first words, in whatever case, the row is not filled in.
const Placeholder = `**FILL ME IN:** what changed and what to do, or "None"`

// marker finds a placeholder also where it was edited around.
const marker = "fill me in"

// Guide is an upgrading guide.
type Guide struct {
	text   []byte
	tables [2]table // breaking changes, environment variable changes
}

// Table is one of the two tables.
type Table struct {
	// Title is BreakingTitle or EnvironmentTitle.
	Title string
	// Line is where the table's header stands, counted from 1.
	Line   int
	Header []string
	Rows   []Row
}

// Row is a row of a table.
type Row struct {
	Line int
	// Version is the version that the row belongs to: its own, or the one
	// above where its cell is empty. It is zero where there is none that can
	// be read.
	Version decide.Version
	// Cells hold Markdown, one for each column of the header. An escaped pipe
	// stands as a plain one.
	Cells []string
	// Placeholder is true where a cell has not been filled in.
	Placeholder bool
}

// Problem is something that keeps a guide from being complete.
type Problem struct {
	Line int
	Text string
}

// Error is a fault in the file.
type Error struct {
	File    string
	Line    int
	Problem string
}

// Error gives "docs/upgrading.md:12: problem".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// Place is where the fault stands, for annotations.
func (e *Error) Place() (file string, line int) { return e.File, e.Line }

// Bytes gives what was parsed.
func (g *Guide) Bytes() []byte { return bytes.Clone(g.text) }

// Tables gives the breaking changes and the environment variable changes, in
// this order.
func (g *Guide) Tables() []Table { return []Table{g.tables[0].Table, g.tables[1].Table} }

// Breaking gives the rows of a version in the table of breaking changes. The
// rows of a candidate are those of the stable version that it leads to.
func (g *Guide) Breaking(v decide.Version) []Row { return g.tables[0].of(v) }

// Environment is Breaking for the environment variable changes.
func (g *Guide) Environment(v decide.Version) []Row { return g.tables[1].of(v) }

func (t table) of(v decide.Version) []Row {
	var out []Row
	for _, r := range t.Rows {
		if !r.Version.IsZero() && r.Version.Compare(v.Stable()) == 0 {
			out = append(out, r)
		}
	}
	return out
}

// Check says what is missing before a version can be released: each table needs
// a row of it, and its rows no placeholder and no empty cell. A guide that is
// complete gives nothing.
func (g *Guide) Check(v decide.Version) []Problem {
	v = v.Stable()
	var out []Problem
	for _, t := range g.tables {
		rows := t.of(v)
		if len(rows) == 0 {
			out = append(out, Problem{t.Line, fmt.Sprintf("table %q has no row of version %s: add one that says what changed and what to do, or \"None\"", t.Title, v)})
		}
		for _, r := range rows {
			var empty []string
			for i, c := range r.Cells {
				if c == "" && i != t.version {
					empty = append(empty, fmt.Sprintf("%q", t.Header[i]))
				}
			}
			if r.Placeholder {
				out = append(out, Problem{r.Line, fmt.Sprintf("the row of version %s in table %q is not filled in: replace \"FILL ME IN\" by what changed and what to do, or by \"None\"", v, t.Title)})
			}
			if len(empty) > 0 {
				out = append(out, Problem{r.Line, fmt.Sprintf("the row of version %s in table %q says nothing under %s: fill it in, or write \"None\"", v, t.Title, strings.Join(empty, " and "))})
			}
		}
	}
	return out
}

// AddRows gives the file with a row of the version in each table that has none,
// to be filled in by people; a candidate's row is that of the stable version.
// The row stands where the order of the table wants it: versions ascend or
// descend as they do already, or else as in the other table, or else they
// ascend. Where nothing is missing, the file stays as it is.
func (g *Guide) AddRows(v decide.Version) ([]byte, error) {
	if v.IsZero() {
		return nil, errors.New("adding rows to the upgrading guide: there is no version to add rows for")
	}
	v = v.Stable()
	orders := [2]int{g.tables[0].order(), g.tables[1].order()}
	out := g.Bytes()
	added := 0 // bytes so far; the tables are handled in the order of the file
	places := []int{0, 1}
	if g.tables[1].Line < g.tables[0].Line {
		places = []int{1, 0}
	}
	for _, i := range places {
		t := g.tables[i]
		if len(t.of(v)) > 0 {
			continue
		}
		order := orders[i]
		if order == 0 {
			order = orders[1-i]
		}
		at, row := t.place(v, order < 0), t.row(v)
		if at > 0 && g.text[at-1] != '\n' { // the last line of the file, unended
			row = t.ending + strings.TrimSuffix(row, t.ending)
		}
		out = slices.Insert(out, at+added, []byte(row)...)
		added += len(row)
	}
	return out, nil
}

// order is 1 where versions ascend, -1 where they descend, and 0 where there
// are not two to tell.
func (t table) order() int {
	var known []decide.Version
	for _, r := range t.Rows {
		if !r.Version.IsZero() {
			known = append(known, r.Version)
		}
	}
	if len(known) == 0 {
		return 0
	}
	return known[len(known)-1].Compare(known[0])
}

// place gives the offset at which a row of the version belongs: before the first
// lower version where they descend, behind the last lower one where they ascend.
// It never parts a row without a version from the one above.
func (t table) place(v decide.Version, descending bool) int {
	at, known := t.body, false
	for i, r := range t.Rows {
		lower := !r.Version.IsZero() && r.Version.Compare(v) < 0
		if descending && lower {
			break
		}
		known = known || !r.Version.IsZero()
		if descending || lower || !known {
			at = t.ends[i]
		}
	}
	return at
}

// row writes a row in the table's form.
func (t table) row(v decide.Version) string {
	cells := make([]string, len(t.Header))
	for i := range cells {
		cells[i] = Placeholder
	}
	cells[t.version] = v.String()
	row := strings.Join(cells, " | ")
	if t.leading {
		row = "| " + row
	}
	if t.trailing {
		row += " |"
	}
	return t.indent + row + t.ending
}
