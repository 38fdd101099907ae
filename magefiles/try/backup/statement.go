package backup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// statement is the SQL statement that is being read. Only its beginning and its
// end are kept.
type statement struct {
	// words counts those outside of quotes; first are the first of them, in
	// lower case, and last is the one before.
	words int
	first [4]string
	last  string
	// head and tail have comments taken out and white space folded.
	head, tail []byte
	// parens and blocks are open; blocks are those of BEGIN ATOMIC.
	parens, blocks int
	refused        bool
}

const headSize, tailSize = 200, 32

// Statements that pg_dump writes into a plain dump, by their first word.
var (
	dumpStatements = []string{
		"set", "select", "create", "alter", "comment", "copy", "grant", "revoke", "refresh", "security", "insert", "drop", "begin", "commit",
	}
	dumpFunctions = []string{
		"set_config", "setval", "lo_create", "lo_open", "lowrite", "lo_close", "lo_unlink",
	}
	// otherObjects are not part of a database: pg_dump leaves them to pg_dumpall.
	otherObjects = []string{"system", "database", "role", "group", "tablespace"}
)

// take takes a word, and says what is wrong with the statement from it on.
func (s *statement) take(word string, complete bool) string {
	w := strings.ToLower(word)
	if s.words < len(s.first) {
		s.first[s.words] = w
	}
	s.words++
	problem := s.judge(w)
	if complete && s.words == 1 {
		problem = "a statement follows the end of the dump"
	}
	s.nest(w)
	s.last = w
	if s.refused || problem == "" {
		return ""
	}
	s.refused = true
	return problem
}

func (s *statement) judge(w string) string {
	first := s.first[0]
	switch {
	case s.words == 1 && !slices.Contains(dumpStatements, w):
		return fmt.Sprintf("a statement begins with %s: pg_dump writes none such", short(w))
	case s.words == 2 && first == "select" && w != "pg_catalog",
		s.words == 3 && first == "select" && !slices.Contains(dumpFunctions, w),
		s.words > 3 && first == "select" && w == "set_config":
		return "a SELECT does something that pg_dump's do not"
	case s.words == 2 && slices.Contains([]string{"create", "alter", "drop"}, first) && slices.Contains(otherObjects, w),
		s.words == 3 && s.first[1] == "user" && w != "mapping":
		return fmt.Sprintf("%s %s reaches beyond the database: expected a dump of one database", strings.ToUpper(first), strings.ToUpper(s.first[1]))
	case first == "copy" && w == "program" && s.parens == 0 && (s.last == "from" || s.last == "to"):
		return "COPY runs a program on the server"
	}
	return ""
}

// nest counts the blocks of a function whose body is SQL, as psql does.
func (s *statement) nest(w string) {
	kind := s.first[1]
	if kind == "or" {
		kind = s.first[3]
	}
	if s.first[0] != "create" || kind != "function" && kind != "procedure" || s.parens > 0 {
		return
	}
	switch {
	case w == "begin", w == "case" && s.blocks > 0:
		s.blocks++
	case w == "end" && s.blocks > 0:
		s.blocks--
	}
}

// keep takes a byte of the statement's text.
func (s *statement) keep(c byte) {
	if space(c) {
		if c = ' '; len(s.tail) == 0 || s.tail[len(s.tail)-1] == ' ' {
			return
		}
	}
	if len(s.head) < headSize {
		s.head = append(s.head, c)
	}
	if len(s.tail) == 2*tailSize {
		s.tail = append(s.tail[:0], s.tail[tailSize:]...)
	}
	s.tail = append(s.tail, c)
}

// drop takes the last byte back: it began a comment.
func (s *statement) drop() {
	if len(s.tail) == 0 {
		return
	}
	if len(s.head) < headSize {
		s.head = s.head[:len(s.head)-1]
	}
	s.tail = s.tail[:len(s.tail)-1]
}

var setting = regexp.MustCompile(`^set [a-z_.]+ = `)

// end says whether data follows the statement, or what is wrong with it. What
// changes how psql reads the rest is refused: quotes would lie elsewhere for it.
func (s *statement) end() (data bool, problem string) {
	head := strings.ToLower(strings.TrimRight(string(s.head), " ;"))
	switch s.first[0] {
	case "copy":
		if data = strings.HasSuffix(strings.ToLower(string(s.tail)), " from stdin;"); !data {
			problem = "COPY reads or writes something else than the dump: expected FROM stdin"
		}
	case "set":
		switch {
		case !setting.MatchString(head):
			problem = "a SET is not of the form that pg_dump writes"
		case strings.Contains(head, "standard_conforming_strings") && head != "set standard_conforming_strings = on":
			problem = "standard_conforming_strings is not set to on, which changes where strings end"
		case strings.Contains(head, "client_encoding") && head != "set client_encoding = 'utf8'":
			problem = "client_encoding is not set to UTF8, which changes where strings end"
		}
	case "select":
		if strings.Contains(head, "set_config") && head != "select pg_catalog.set_config('search_path', '', false)" {
			problem = "set_config sets something else than an empty search_path"
		}
	}
	if s.refused {
		problem = ""
	}
	return data, problem
}
