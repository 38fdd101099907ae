package versions

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Error is a fault in a file that holds a version.
type Error struct {
	// File is relative to the checkout, slash-separated.
	File    string
	Line    int
	Problem string
}

// Error gives "Cargo.toml:12: problem".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// Place is where the fault stands, for annotations.
func (e *Error) Place() (file string, line int) { return e.File, e.Line }

// file is a file of the checkout as it stands there.
type file struct {
	name string
	text []byte
}

func readFile(checkout fs.FS, name string) (file, error) {
	text, err := fs.ReadFile(checkout, name)
	return file{name, text}, err
}

func (f file) fault(line int, format string, args ...any) *Error {
	return &Error{f.name, line, fmt.Sprintf(format, args...)}
}

// line gives the number of the line at an offset, counted from 1.
func (f file) line(at int) int { return bytes.Count(f.text[:at], []byte("\n")) + 1 }

// place is a text in a file, and where it stands without its quotes.
type place struct {
	value      string
	start, end int
}

// edit is a place with what is to stand there.
type edit struct {
	place
	text string
}

// change is what a file should hold.
type change struct {
	name string
	text []byte
}

// apply makes the edits that change something; ok is false where none does.
func (f file) apply(edits []edit) (c change, ok bool) {
	edits = slices.DeleteFunc(slices.Clone(edits), func(e edit) bool { return e.value == e.text })
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var out []byte
	last := 0
	for _, e := range edits {
		out = append(append(out, f.text[last:e.start]...), e.text...)
		last = e.end
	}
	return change{f.name, append(out, f.text[last:]...)}, len(edits) > 0
}

// absent tells whether an error says that a file is not there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
