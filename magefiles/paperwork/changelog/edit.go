package changelog

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// edit puts text in the place of a span.
type edit struct {
	span
	text string
}

// apply makes the edits. Insertions at one place follow each other in the order
// given and stand above what is removed there; where two edits remove the same
// bytes, both texts are kept.
func apply(text []byte, edits []edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(min(a.end, a.start+1), min(b.end, b.start+1)))
	})
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, text[at:max(at, e.start)]...)
		out = append(out, e.text...)
		at = max(at, e.end)
	}
	return append(out, text[at:]...)
}

// insert is an edit that removes nothing.
func insert(at int, text string) edit { return edit{span{at, at}, text} }

// insertBlock is an edit that sets text off by blank lines: from what ends at an
// offset, or at the top of the file from what follows.
func (f *File) insertBlock(at int, text string) edit {
	switch {
	case at > f.parts[0].head.start:
		return insert(at, f.eol+f.eol+text+f.blankBelow(at))
	case at == len(f.text):
		return insert(at, text+f.eol)
	}
	return insert(at, text+f.eol+f.eol)
}

// blankBelow is a line ending where the line below an offset is not blank.
func (f *File) blankBelow(at int) string {
	if f.blankAt(f.next(at)) {
		return ""
	}
	return f.eol
}

// lineEnding gives the ending that most lines have.
func lineEnding(text []byte) string {
	if crlf := bytes.Count(text, []byte("\r\n")); 2*crlf > bytes.Count(text, []byte("\n")) {
		return "\r\n"
	}
	return "\n"
}

// unixLines gives text with "\n" as line ending.
func unixLines(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") }

// lines gives text the file's line ending.
func (f *File) lines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", f.eol)
}

// lineSpan gives the line around an offset, without its ending. Any \r before the
// ending belongs to it, so that what is inserted there can be told from it.
func (f *File) lineSpan(offset int) span {
	s := span{bytes.LastIndexByte(f.text[:offset], '\n') + 1, len(f.text)}
	if i := bytes.IndexByte(f.text[offset:], '\n'); i >= 0 {
		s.end = offset + i
	}
	s.end = s.start + len(bytes.TrimRight(f.text[s.start:s.end], "\r"))
	if s.start == 0 && bytes.HasPrefix(f.text, []byte("\ufeff")) {
		s.start = min(len("\ufeff"), s.end)
	}
	return s
}

// next gives the start of the line after the one that ends at an offset.
func (f *File) next(end int) int {
	if i := bytes.IndexByte(f.text[end:], '\n'); i >= 0 {
		return end + i + 1
	}
	return len(f.text)
}

// trim gives the end of a range without the blanks at its end.
func (f *File) trim(start, end int) int {
	return start + len(bytes.TrimRight(f.text[start:end], " \t\r\n"))
}

// blankAt tells whether nothing but blanks follows an offset in its line.
func (f *File) blankAt(offset int) bool {
	line, _, _ := bytes.Cut(f.text[offset:], []byte("\n"))
	return len(bytes.Trim(line, " \t\r")) == 0
}
