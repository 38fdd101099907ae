package changelog

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

var (
	breakingWord  = regexp.MustCompile(`(^|[^\pL\pN_-])BREAKING($|[^\pL\pN_])`)
	breakingStart = regexp.MustCompile(`(?i)^(?:[\[(]breaking(?:\s+changes?)?[\])]|breaking(?:\s+changes?)?\s*(?:$|[:!–—-]))`)
	breakingKind  = regexp.MustCompile(`(?i)\bbreaking\b`)
)

// CheckBump wants a section that breaks nothing in a version that may break
// nothing: below 1.0.0 a PATCH, from then on a PATCH or MINOR. An entry breaks
// when it stands under "Removed", has the word BREAKING in capitals outside of
// code, or begins with "Breaking:" or "Breaking change". Errors are of type
// *[Error].
func (s Section) CheckBump(next decide.Version) error {
	if next.Bump() == decide.BumpMajor || next.Initial() && next.Bump() == decide.BumpMinor {
		return nil
	}
	e, why, ok := s.breaking()
	if !ok {
		return nil
	}
	fit := "a MAJOR"
	if next.Initial() {
		fit = "a MINOR"
	}
	return &Error{s.file, e.Line, fmt.Sprintf("%s, but %s is a %s: release it as %s or reword the entry", why, next, strings.ToUpper(string(next.Bump())), fit)}
}

// breaking finds the first entry that breaks and says why it does.
func (s Section) breaking() (Entry, string, bool) {
	for _, g := range s.Groups {
		for _, e := range g.Entries {
			switch plain := plainText(e.Text); {
			case strings.EqualFold(g.Kind, "Removed"), breakingKind.MatchString(g.Kind):
				return e, fmt.Sprintf("an entry stands under %q", g.Kind), true
			case breakingWord.MatchString(plain), breakingStart.MatchString(plain):
				return e, "the entry is marked as breaking", true
			}
		}
	}
	return Entry{}, "", false
}

// plainText is the text of Markdown without code, HTML and addresses. Bold text
// gets a colon, so that "**Breaking** …" reads like "Breaking: …".
func plainText(markdown string) string {
	source := []byte(markdown)
	doc := parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithInlineParsers(parser.DefaultInlineParsers()...),
	).Parse(text.NewReader(source))
	var out strings.Builder
	// The walker returns no error, and so does Walk.
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.CodeSpan, *ast.RawHTML, *ast.AutoLink:
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if entering {
				out.Write(n.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					out.WriteByte(' ')
				}
			}
		case *ast.Emphasis:
			if !entering && n.Level == 2 {
				out.WriteByte(':')
			}
		default:
			if !entering && n.Type() == ast.TypeBlock {
				out.WriteByte('\n')
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(out.String())
}
