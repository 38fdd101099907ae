package record

import (
	"errors"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// parse reads Markdown into blocks.
func parse(source []byte) ast.Node {
	return parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithInlineParsers(parser.DefaultInlineParsers()...),
		parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
	).Parse(text.NewReader(source))
}

// top is the highest level of a heading in a section: below our "##".
const top = 3

// errOpen is a section that would swallow what comes after it.
var errOpen = errors.New("it leaves a code fence, a comment or another block of HTML open: close it there")

// demote makes Markdown fit under a heading of the second level: its own
// headings begin at the third, with their distances kept. Everything else stays
// as it is, besides line ends and white space around it.
func demote(body string) (string, error) {
	body = strings.TrimSpace(strings.ReplaceAll(body, "\r\n", "\n"))
	if body == "" {
		return "", nil
	}
	// The last paragraph shows whether what comes next is still Markdown.
	source := []byte(body + "\n\nend\n")
	doc := parse(source)
	if last := doc.LastChild(); last.Kind() != ast.KindParagraph || last.Lines().Len() != 1 {
		return "", errOpen
	}
	var headings []*ast.Heading
	highest := 6
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			headings = append(headings, h)
			highest = min(highest, h.Level)
		}
	}
	if highest >= top {
		return body, nil
	}
	var out strings.Builder
	at := 0
	for _, h := range headings {
		begin, end := extent(source, h)
		title := ""
		if lines := h.Lines(); lines.Len() > 0 {
			title = strings.Join(strings.Fields(string(lines.Value(source))), " ")
		}
		out.Write(source[at:begin])
		out.WriteString(strings.TrimRight(strings.Repeat("#", min(h.Level+top-highest, 6))+" "+title, " "))
		at = end
	}
	out.WriteString(body[at:])
	return out.String(), nil
}

// extent gives where a heading begins and ends, the last line end not
// included: one line, or the lines of its text and the one that underlines it.
func extent(source []byte, h *ast.Heading) (begin, end int) {
	begin = h.Pos()
	for begin > 0 && source[begin-1] != '\n' {
		begin--
	}
	last := begin
	if n := h.Lines().Len(); n > 0 {
		last = h.Lines().At(n - 1).Start
	}
	end = lineEnd(source, last)
	if util.TrimLeftSpace(source[begin:end])[0] != '#' {
		end = lineEnd(source, end+1)
	}
	return begin, end
}

func lineEnd(source []byte, from int) int {
	for from < len(source) && source[from] != '\n' {
		from++
	}
	return from
}
