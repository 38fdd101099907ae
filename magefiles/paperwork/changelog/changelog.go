// Package changelog reads and edits a changelog in the form of Keep a Changelog
// 1.1.0. It works on bytes, does no I/O, and leaves every byte alone that an
// edit has no reason to change. It may know decide only.
package changelog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// Error is a fault at a line of a changelog.
type Error struct {
	// File is the name that [Parse] was given. In errors of [Merge] it is
	// "base", "ours" or "theirs".
	File string
	// Line counts from 1. It is 0 where the whole file is meant.
	Line int
	// Problem says what was found and what to do.
	Problem string
}

// Place is where the fault stands, for annotations.
func (e *Error) Place() (file string, line int) { return e.File, e.Line }

// Error gives "CHANGELOG.md:12: problem".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// File is a changelog as it was read.
type File struct {
	name  string
	text  []byte
	eol   string
	parts []*part
	defs  []definition
}

// Section is what stands under the heading of one version, or under
// "Unreleased".
type Section struct {
	// Version is the zero value for "Unreleased".
	Version decide.Version
	// Heading is the heading's text without the leading "##".
	Heading string
	// Line is the heading's line, counted from 1.
	Line int
	// Date is the release date as YYYY-MM-DD, or "" where the heading has no
	// day of the calendar in that form.
	Date string
	// Yanked tells whether the heading carries [YANKED].
	Yanked bool
	// Incident is the text that [File.Withdraw] wrote, or "".
	Incident string
	// Link is where the heading points, or the compare link in the section's
	// text where the heading is no link; "" for none.
	Link string
	// LinkLine is the line where Link stands, 0 for none.
	LinkLine int
	// Body is the Markdown between this heading and the next, trimmed, without
	// the link definitions at its end and with "\n" as line ending.
	Body string
	// Groups are the entries under their "###" headings, in file order. One
	// kind may come twice.
	Groups []Group

	file string
}

// Group is the entries under one "###" heading.
type Group struct {
	// Kind is the heading's text, such as "Added"; "" for entries above the
	// first heading.
	Kind string
	// Line is the heading's line, that of the section where Kind is "".
	Line    int
	Entries []Entry
}

// Entry is one list item with all that belongs to it, or a paragraph of its
// own.
type Entry struct {
	// Text is Markdown without the list marker, with "\n" as line ending.
	Text string
	Line int
}

// Parse reads a changelog. The name is for errors, which are of type *[Error].
//
// Sections are the level-2 headings that name a version or "Unreleased"; other
// headings of level 1 or 2 end the section before them and are kept as text.
// Headings in comments, code and lists do not count. Refused is only what can
// be read in two ways: two sections of one version.
func Parse(name string, text []byte) (*File, error) {
	f := &File{name: name, text: bytes.Clone(text), eol: lineEnding(text)}
	f.scan()
	seen := map[string]*part{}
	for _, p := range f.parts {
		if !p.isSection() {
			continue
		}
		if first, ok := seen[p.key]; ok {
			return nil, f.errorf(p.head.start, "%s has a second section here, the first is in line %d: merge the two", p.label(), f.line(first.head.start))
		}
		seen[p.key] = p
	}
	return f, nil
}

// Bytes gives exactly what was parsed.
func (f *File) Bytes() []byte { return bytes.Clone(f.text) }

// Sections gives all sections in file order.
func (f *File) Sections() []Section {
	var out []Section
	for _, p := range f.parts {
		if p.isSection() {
			out = append(out, f.section(p))
		}
	}
	return out
}

// Unreleased gives the section of what is not released yet.
func (f *File) Unreleased() (Section, bool) { return f.find(unreleased) }

// Section gives the section of a version.
func (f *File) Section(v decide.Version) (Section, bool) {
	if v.IsZero() {
		return Section{}, false
	}
	return f.find(v.String())
}

func (f *File) find(key string) (Section, bool) {
	p := f.part(key)
	if p == nil {
		return Section{}, false
	}
	return f.section(p), true
}

// part gives the section with this key, or nil.
func (f *File) part(key string) *part {
	i := slices.IndexFunc(f.parts, func(p *part) bool { return p.isSection() && p.key == key })
	if i < 0 {
		return nil
	}
	return f.parts[i]
}

// versions are the parts of released versions in file order.
func (f *File) versions() []*part {
	var out []*part
	for _, p := range f.parts {
		if p.isSection() && p.key != unreleased {
			out = append(out, p)
		}
	}
	return out
}

// line gives the number of the line that an offset is in.
func (f *File) line(offset int) int { return bytes.Count(f.text[:offset], []byte("\n")) + 1 }

func (f *File) errorf(offset int, format string, args ...any) *Error {
	return &Error{File: f.name, Line: f.line(offset), Problem: fmt.Sprintf(format, args...)}
}
