package backup

import (
	"bytes"
	"strings"
)

// Comments that pg_dump writes around a plain dump.
const (
	dumpBegins = "-- PostgreSQL database dump"
	dumpEnds   = "-- PostgreSQL database dump complete"
)

// dump checks the SQL that is written to it, with the eyes of psql: what psql
// would not take for a quote, a comment or the data of a COPY must not hold a
// command to psql itself. Problems are known before the Write returns that
// brought what they are about, so a reader can hold it back. Memory does not
// grow with the dump.
//
// What the server does with the SQL is not judged beyond statements that
// pg_dump never writes: a dump is replayed where it can harm nothing else, and
// with ON_ERROR_STOP, since psql reads on as SQL what a failed COPY left.
type dump struct {
	p     *problems
	line  int
	state state
	prev  byte
	// began and complete tell whether the comments were seen; dead ends the
	// checking of what is no dump.
	began, complete, dead bool

	comment []byte // the line comment so far, cut
	depth   int    // of block comments
	meta    []byte // the command to psql so far
	tag     []byte // a dollar quote's delimiter; nil where none began
	matched int    // how much of the tag was met

	// escapes: the string that is open, or was closed last, is an E'…';
	// closed: one was closed, and nothing but white space followed;
	// newline: a line ended since.
	escapes, closed, newline bool

	word []byte // the word so far, cut
	st   statement

	copyHead [4]byte // how the line of data begins, and how much is known of it
	copyLen  int
}

type state int

const (
	code state = iota
	lineComment
	blockComment
	metaCommand
	metaRefused
	singleQuote
	doubleQuote
	dollarTag
	dollarQuote
	copyStart
	copyData
)

func newDump(p *problems) *dump { return &dump{p: p, line: 1} }

// Write never fails.
func (d *dump) Write(b []byte) (int, error) {
	for i := 0; i < len(b) && !d.dead; {
		if d.state == copyData {
			i += d.data(b[i:])
			continue
		}
		d.step(b[i])
		if b[i] == '\n' {
			d.line++
		}
		i++
	}
	return len(b), nil
}

// data takes the rest of a line of a COPY's data, and gives its length.
func (d *dump) data(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	line := b
	if n >= 0 {
		line = b[:n]
	}
	for _, c := range line[:min(len(line), len(d.copyHead)-d.copyLen)] {
		d.copyHead[d.copyLen] = c
		d.copyLen++
	}
	if n < 0 {
		return len(b)
	}
	if head := string(d.copyHead[:d.copyLen]); head == `\.` || head == "\\.\r" {
		d.state, d.st = code, statement{}
	}
	d.copyLen = 0
	d.line++
	return n + 1
}

// step takes one byte outside of a COPY's data.
func (d *dump) step(c byte) {
	if c == 0 {
		d.refuse("a NUL byte is no SQL")
	}
	prev := d.prev
	d.prev = c
	switch d.state {
	case lineComment:
		d.inComment(c)
	case blockComment:
		switch {
		case prev == '*' && c == '/':
			d.depth--
			d.prev = 0
		case prev == '/' && c == '*':
			d.depth++
			d.prev = 0
		}
		if d.depth == 0 {
			d.state = code
		}
	case metaCommand, metaRefused:
		d.inMeta(c)
	case singleQuote:
		d.st.keep(c)
		switch {
		case d.escapes && prev == '\\':
			d.prev = 0
		case c == '\'':
			d.state, d.closed, d.newline = code, true, false
		}
	case doubleQuote:
		d.st.keep(c)
		if c == '"' {
			d.state = code
		}
	case dollarTag:
		d.inTag(c)
	case dollarQuote:
		d.inDollar(c)
	case copyStart:
		if c == '\n' {
			d.state = copyData
		} else if c != '\r' {
			d.refuse("something follows COPY on its line, where its data has to begin in the next")
			d.state = copyData
		}
	default:
		d.inCode(c, prev)
	}
}

func (d *dump) inCode(c, prev byte) {
	if prev == '-' && c != '-' {
		d.closed = false // The dash began no comment.
	}
	if wordByte(c) || c == '$' && len(d.word) > 0 && !digit(d.word[0]) {
		if len(d.word) < 64 {
			d.word = append(d.word, c)
		}
		d.st.keep(c)
		d.closed = false
		return
	}
	last := string(d.word)
	if last != "" {
		d.word = d.word[:0]
		if d.started(); d.dead {
			return
		}
		d.fault(d.st.take(last, d.complete))
	}
	switch {
	case c == '-' && prev == '-':
		d.state, d.prev, d.comment = lineComment, 0, append(d.comment[:0], "--"...)
		d.st.drop()
		return
	case c == '*' && prev == '/':
		d.state, d.prev, d.depth, d.closed = blockComment, 0, 1, false
		d.st.drop()
		return
	case c == '\\':
		d.state, d.meta = metaCommand, append(d.meta[:0], c)
		return
	case c == '\n' || c == '\r':
		d.newline = true
	}
	d.st.keep(c)
	switch {
	case space(c):
		return
	case c == '\'':
		again := d.closed && d.escapes && (prev == '\'' || d.newline)
		d.state, d.escapes, d.prev = singleQuote, strings.EqualFold(last, "E") || again, 0
		if last != "" && digit(last[0]) {
			d.refuse("a string begins inside of a number")
		}
	case c == '"':
		d.state = doubleQuote
	case c == '$':
		d.state, d.tag = dollarTag, append(d.tag[:0], c)
	case c == '(':
		d.st.parens++
	case c == ')':
		d.st.parens--
	case c == ';' && d.st.parens <= 0 && d.st.blocks == 0:
		d.ended()
	}
	d.closed = d.closed && c == '-'
}

// started looks at the first word of a file.
func (d *dump) started() {
	if !d.began {
		d.p.addAt(d.line, "is not a plain dump of pg_dump: expected the comment %q before anything else", dumpBegins)
		d.dead = true
	}
}

// ended closes a statement.
func (d *dump) ended() {
	data, problem := d.st.end()
	d.fault(problem)
	d.st = statement{}
	if data {
		d.state = copyStart
	}
}

func (d *dump) inComment(c byte) {
	if c != '\n' && c != '\r' {
		if len(d.comment) < 64 {
			d.comment = append(d.comment, c)
		}
		return
	}
	d.state, d.newline = code, true
	switch string(d.comment) {
	case dumpBegins:
		d.began = true
	case dumpEnds:
		d.complete = d.st.words == 0
	}
}

// inMeta takes a command to psql. Two are harmless: newer versions of pg_dump
// forbid all the others with them.
func (d *dump) inMeta(c byte) {
	if c == '\n' {
		if d.state == metaCommand && !harmless(d.meta, true) {
			d.refuse("%s is a command to psql: expected SQL alone", short(string(d.meta)))
		}
		d.state, d.newline = code, true
		return
	}
	if d.state == metaRefused || c == '\r' {
		return
	}
	d.meta = append(d.meta, c)
	if d.st.words > 0 || !harmless(d.meta, false) {
		d.state = metaRefused
		d.refuse("%s begins a command to psql: expected SQL alone", short(string(d.meta)))
	}
}

// harmless tells whether a command is, or can still become, \restrict or
// \unrestrict with its key.
func harmless(meta []byte, whole bool) bool {
	for _, command := range []string{`\restrict `, `\unrestrict `} {
		key, ok := strings.CutPrefix(string(meta), command)
		if ok && len(key) <= 128 && !strings.ContainsFunc(key, func(r rune) bool { return r > 0x7f || r == '$' || r == '_' || !wordByte(byte(r)) }) {
			return key != "" || !whole
		}
		if !whole && strings.HasPrefix(command, string(meta)) {
			return true
		}
	}
	return false
}

func (d *dump) inTag(c byte) {
	d.st.keep(c)
	switch {
	case c == '$':
		d.tag = append(d.tag, c)
		d.state, d.matched = dollarQuote, 0
	case wordByte(c) && (len(d.tag) > 1 || !digit(c)) && len(d.tag) < 128:
		d.tag = append(d.tag, c)
	case len(d.tag) == 1 && digit(c): // A parameter, such as $1.
		d.state, d.word = code, append(d.word[:0], c)
	default:
		d.refuse("%s begins a dollar quote that does not go on as one", short(string(d.tag)))
		d.state = code
		d.inCode(c, 0)
	}
}

func (d *dump) inDollar(c byte) {
	if c == d.tag[d.matched] {
		d.matched++
	} else if d.matched = 0; c == '$' {
		d.matched = 1
	}
	if d.matched == len(d.tag) {
		d.state = code
	}
}

// finish looks at how the dump ended.
func (d *dump) finish() {
	if d.dead {
		return
	}
	if d.state == lineComment {
		d.step('\n')
	}
	switch {
	case !d.began:
		d.p.add("is not a plain dump of pg_dump: the comment %q is missing", dumpBegins)
	case d.state == copyData:
		d.p.addAt(d.line, "the dump ends inside of a table's data: pg_dump was cut off")
	case d.state != code || d.st.words > 0 || len(d.word) > 0:
		d.p.addAt(d.line, "the dump ends inside of a statement: pg_dump was cut off")
	case !d.complete:
		d.p.addAt(d.line, "the dump does not end with the comment %q: pg_dump was cut off", dumpEnds)
	}
}

func (d *dump) refuse(format string, args ...any) { d.p.addAt(d.line, format, args...) }

func (d *dump) fault(problem string) {
	if problem != "" {
		d.refuse("%s", problem)
	}
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || digit(c) || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
