package upgrading

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// table is a table with its places in the file.
type table struct {
	Table
	version int   // the column of the version
	body    int   // offset behind the delimiter row
	ends    []int // offsets behind each row
	// How rows are written here.
	indent, ending    string
	leading, trailing bool
}

// Parse reads a guide in GitHub Flavored Markdown. It wants one table under
// each of the two headings, whatever their level and case, with a column named
// "Version" (or else the version first) and at least one beside it. The error
// is an [*Error].
func Parse(file string, source []byte) (*Guide, error) {
	g := &Guide{text: bytes.Clone(source)}
	titles := [...]string{BreakingTitle, EnvironmentTitle}
	under := [len(titles)]int{} // lines of the headings
	current := -1
	doc := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(g.text))
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			title := strings.Join(strings.Fields(plain(n, g.text)), " ")
			current = slices.IndexFunc(titles[:], func(t string) bool { return strings.EqualFold(t, title) })
			if current >= 0 && under[current] == 0 {
				under[current] = lineAt(g.text, n.Lines().At(0).Start)
			}
		case *tables.Table:
			if current < 0 {
				continue
			}
			t := read(n, g.text)
			t.Title = titles[current]
			if before := g.tables[current].Line; before != 0 {
				return nil, &Error{file, t.Line, fmt.Sprintf("this is the second table under %q, after the one in line %d: keep one", t.Title, before)}
			}
			if len(t.Header) < 2 {
				return nil, &Error{file, t.Line, fmt.Sprintf("table %q has the version's column alone: add one for what changed", t.Title)}
			}
			g.tables[current] = t
		}
	}
	for i, title := range titles {
		switch {
		case under[i] == 0:
			return nil, &Error{file, 1, fmt.Sprintf("there is no heading %q: add one with a table (| Version | Change | … |) below it", title)}
		case g.tables[i].Line == 0:
			return nil, &Error{file, under[i], fmt.Sprintf("there is no table under %q before the next heading: add one (| Version | Change | … |, then |---|---|…)", title)}
		}
	}
	return g, nil
}

// plain gives the text of a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// read takes a table from the tree.
func read(n *tables.Table, source []byte) table {
	var t table
	header := n.FirstChild()
	start, end := lineOf(source, header.Pos())
	_, t.body = lineOf(source, end) // the delimiter row
	t.Line = lineAt(source, start)
	t.Header = cells(header, source)
	t.version = max(0, slices.IndexFunc(t.Header, func(s string) bool { return strings.EqualFold(bare(s), "version") }))

	line := string(source[start:end])
	content := strings.TrimSpace(line)
	t.indent = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	t.leading, t.trailing = strings.HasPrefix(content, "|"), strings.HasSuffix(content, "|")
	t.ending = "\n"
	if strings.HasSuffix(line, "\r\n") {
		t.ending = "\r\n"
	}

	var version decide.Version
	for row := header.NextSibling(); row != nil; row = row.NextSibling() {
		start, end := lineOf(source, row.Pos())
		r := Row{Line: lineAt(source, start), Cells: cells(row, source)}
		if said := r.Cells[t.version]; said != "" {
			version, _ = decide.ParseVersion(strings.TrimPrefix(bare(said), "v")) // what is none belongs to none
		}
		r.Version = version
		r.Placeholder = slices.ContainsFunc(r.Cells, func(s string) bool { return strings.Contains(strings.ToLower(s), marker) })
		t.Rows = append(t.Rows, r)
		t.ends = append(t.ends, end)
	}
	return t
}

// cells gives what stands in a row.
func cells(row ast.Node, source []byte) []string {
	var out []string
	for c := row.FirstChild(); c != nil; c = c.NextSibling() {
		said := ""
		if c.Lines().Len() > 0 {
			segment := c.Lines().At(0)
			said = string(segment.Value(source))
		}
		out = append(out, strings.ReplaceAll(said, `\|`, "|"))
	}
	return out
}

// bare takes emphasis, code and a link off a word.
func bare(s string) string {
	s = strings.Trim(s, "*_` ")
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if word, _, ok := strings.Cut(rest, "]"); ok {
			return strings.Trim(word, "*_` ")
		}
	}
	return s
}

// lineOf gives the offsets of the line around an offset, its end included.
func lineOf(source []byte, at int) (start, end int) {
	start = bytes.LastIndexByte(source[:at], '\n') + 1
	if i := bytes.IndexByte(source[at:], '\n'); i >= 0 {
		return start, at + i + 1
	}
	return start, len(source)
}

// lineAt gives the number of the line at an offset, counted from 1.
func lineAt(source []byte, at int) int { return bytes.Count(source[:at], []byte("\n")) + 1 }
