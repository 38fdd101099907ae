package validation

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
)

//go:embed validation.md.tmpl
var markdownText string

// Markdown writes the record for the product's repository: GitHub's Markdown
// that reads well as plain text. The same release gives the same bytes.
func Markdown(r Release) ([]byte, error) {
	t, err := template.New("validation.md").Funcs(template.FuncMap{
		"literal": markdown.Literal, "code": code, "short": short, "brief": brief, "took": took, "size": term.Bytes, "bar": bar, "clock": clock, "proof": proof,
		"oneline": oneline,
	}).Parse(markdownText)
	if err != nil {
		return nil, fmt.Errorf("reading the template of the validation record: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, r.view()); err != nil {
		return nil, fmt.Errorf("writing the validation record: %w", err)
	}
	return out.Bytes(), nil
}

var plainCode = regexp.MustCompile(`^[A-Za-z0-9@:/._+=-]+(?: [A-Za-z0-9@:/._+=-]+)*$`)

// code shows names and digests as code, and all other text as it is.
func code(s string) string {
	if plainCode.MatchString(s) {
		return "`" + s + "`"
	}
	return markdown.Literal(s)
}

// proof shows where evidence lies.
func proof(s string) string {
	if isDigest(s) {
		return code(short(s))
	}
	return markdown.Literal(s)
}

// briefLength is how much of a text stands in the matrix, in characters. The
// whole stands with the steps.
const briefLength = 240

func brief(s string) string {
	s = oneline(s)
	if utf8.RuneCountInString(s) <= briefLength {
		return s
	}
	cut := string([]rune(s)[:briefLength-1])
	if i := strings.LastIndexByte(cut, ' '); i > 0 {
		cut = cut[:i]
	}
	return cut + "…"
}

// barWidth is the length of a bar in characters.
const barWidth = 32

// bar draws when something ran, at least one character of it.
func (t track) bar() string {
	from := min(int(t.from*barWidth), barWidth-1)
	wide := max(min(int(t.wide*barWidth+0.5), barWidth-from), 1)
	return strings.Repeat("·", from) + strings.Repeat("█", wide) + strings.Repeat("·", barWidth-from-wide)
}

func bar(t track) string { return t.bar() }

func oneline(s string) string { return strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ") }
