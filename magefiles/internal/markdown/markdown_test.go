package markdown

import (
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

func parse(source string) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader([]byte(source)))
}

func TestLiteral(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"uploads were cut short":               "uploads were cut short",
		"# no\nheading":                        `\# no heading`,
		"1. no list":                           `1\. no list`,
		"> no quote":                           `\> no quote`,
		"--- no rule":                          `\--- no rule`,
		"MAX_UPLOAD_BYTES and _this_":          `MAX_UPLOAD_BYTES and \_this\_`,
		"![x](https://a.b/c)":                  `!\[x\](https://a.b/c)`,
		"see https://example.org/issues/1_a?b": "see https://example.org/issues/1_a?b",
		"<script>&amp; `a|b` $x$ ~~y~~":        "\\<script>\\&amp; \\`a\\|b\\` \\$x\\$ \\~\\~y\\~\\~",
		"A & B -> C":                           "A & B -> C",
		"a\x1b[31mb\u202ec\xff":                `a\[31mbc?`,
	} {
		if got := Literal(in); got != want {
			t.Errorf("Literal(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzLiteral: any text is one paragraph without links, HTML or emphasis, and
// a reader sees its words.
func FuzzLiteral(f *testing.F) {
	for _, s := range []string{"# a\n\n## b", "<!-- x", "[a](b)", "![a]: b", "    code", "a\n===", "1) x", "&lt;", "https://a_b_/_c_", "~~~\nx", "`a`", `a\`, "| a |\n|---|", "_a_b_", "<https://a.b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := Literal(in)
		doc := parse(got + "\n")
		if got == "" {
			return
		}
		if doc.ChildCount() != 1 || doc.FirstChild().Kind() != ast.KindParagraph {
			t.Fatalf("Literal(%q) = %q is not one paragraph", in, got)
		}
		var seen strings.Builder
		_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if !entering {
				return ast.WalkContinue, nil
			}
			switch n := n.(type) {
			case *ast.Document, *ast.Paragraph:
			case *ast.AutoLink:
				seen.Write(n.Label([]byte(got + "\n")))
			case *ast.Text:
				seen.Write(n.Segment.Value([]byte(got + "\n")))
			case *ast.String:
				seen.Write(n.Value)
			default:
				t.Errorf("Literal(%q) = %q has a %s", in, got, n.Kind())
			}
			return ast.WalkContinue, nil
		})
		want := strings.Join(strings.Fields(strings.Map(visible, strings.ToValidUTF8(in, "?"))), " ")
		if shown := unescape(seen.String()); shown != unescape(got) {
			t.Errorf("%q shows %q", got, shown)
		}
		if unescape(got) != want {
			t.Errorf("Literal(%q) = %q, which shows something else", in, got)
		}
	})
}

// unescape takes the backslashes away that CommonMark takes away.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\\`*_[]<>|~$&#-+=.)", s[i+1]) >= 0 {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"a|b":         `a\|b`,
		`a\|b`:        `a\|b`,
		`a\\|b`:       `a\\\|b`,
		"`x | y`":     "`x \\| y`",
		" a\r\nb\n":   "a b",
		"**bold** _a": "**bold** _a",
	} {
		if got := Cell(in); got != want {
			t.Errorf("Cell(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzTable: a table has as many rows and cells as it was given, whatever
// stands in them.
func FuzzTable(f *testing.F) {
	f.Add("a|b", `\`)
	f.Add("`a", "b`|")
	f.Add("x\n\n# y", "<!--")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, table := range []string{
			Table([]string{"one", "two"}, [][]string{{a, b}, {a}}),
			"| one | two |\n|---|---|\n| " + Cell(Literal(a)) + " | " + Cell(b) + " |\n| x | |\n",
		} {
			doc := parse(table)
			if doc.FirstChild().Kind() != east.KindTable {
				if strings.ContainsAny(b, "\x00\v\f\u0085\u2028") { // not our business: Cell takes Markdown
					continue
				}
				t.Fatalf("this is not a table but a %s:\n%q", doc.FirstChild().Kind(), table)
			}
			rows := 0
			for row := doc.FirstChild().FirstChild(); row != nil; row = row.NextSibling() {
				rows++
				if row.ChildCount() != 2 {
					t.Errorf("a row of %d cells in\n%s", row.ChildCount(), table)
				}
			}
			if rows != 3 {
				t.Errorf("%d rows in\n%s", rows, table)
			}
		}
	})
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{"": "", "it broke": "it broke.", "It broke.": "It broke.", "Why?": "Why?", "No!": "No!", "ö": "ö."} {
		if got := Sentence(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}
