package record

import (
	"strings"
	"testing"

	"github.com/yuin/goldmark/ast"
)

func TestDeprecate(t *testing.T) {
	const notes = "# Server v0.4.0\n\n## Changes\n\n- one\n"
	got := Deprecate(notes, "Uploads of more than 2 GiB\nwere cut short: https://example.org/issues/12", "v0.4.1")
	golden(t, "banner.md", got)
	crlf := strings.ReplaceAll(notes, "\n", "\r\n")
	for name, tt := range map[string]struct{ notes, back string }{
		"as written":           {got, notes},
		"twice":                {Deprecate(got, "Uploads of more than 2 GiB were cut short: https://example.org/issues/12", "v0.4.1"), notes},
		"by the forge's CRLF":  {strings.ReplaceAll(got, "\n", "\r\n"), crlf},
		"on CRLF notes":        {Deprecate(crlf, "x", "v1"), crlf},
		"on empty notes":       {Deprecate("", "x", ""), ""},
		"trimmed by the forge": {strings.TrimSpace(Deprecate("", "x", "v1")), ""},
		"never put there":      {notes, notes},
		"put there by hand":    {"## ⚠️ Deprecated\n\nDo not use.\n\n" + notes, "## ⚠️ Deprecated\n\nDo not use.\n\n" + notes},
		"further down":         {notes + got, notes + got},
	} {
		if back := Undeprecate(tt.notes); back != tt.back {
			t.Errorf("%s: got %q, want %q", name, back, tt.back)
		}
	}
	again := Deprecate(got, "another reason", "v0.4.2")
	if strings.Count(again, "⚠️") != 1 || strings.Contains(again, "2 GiB") || !strings.Contains(again, "another reason.") || Undeprecate(again) != notes {
		t.Errorf("another reason gave\n%s", again)
	}
	if same := Deprecate(again, "another reason", "v0.4.2"); same != again {
		t.Errorf("the same again gave\n%s\nwant\n%s", same, again)
	}
}

// FuzzDeprecate: what goes on comes off, the notes stay as they were, and no
// reason gets out of its paragraph.
func FuzzDeprecate(f *testing.F) {
	for _, s := range []string{"", "# a\n", "\r\n\r\n# a\r\n", "\n\nx", bannerHeading, bannerEnd, "a\n\n" + bannerEnd, "[a]: b\n", "\r"} {
		f.Add(s, "it was # broken\n\n## really", "v0.4.1")
		f.Add("a", s, s)
	}
	f.Add(Deprecate("x", "y", "z"), "<!--", "")
	f.Add("a", "1. [x](javascript:1) ![y](z) </p> `c`", "**")
	f.Fuzz(func(t *testing.T, notes, reason, use string) {
		clean := Undeprecate(notes)
		got := Deprecate(notes, reason, use)
		if back := Undeprecate(got); back != clean {
			t.Fatalf("%q came back as %q by way of %q", clean, back, got)
		}
		if again := Deprecate(got, reason, use); again != got {
			t.Errorf("again: %q, first %q", again, got)
		}
		if !banner.MatchString(got) {
			t.Errorf("the banner is not on top: %q", got)
		}
		source := []byte(strings.TrimSuffix(got, clean))
		doc := parse(source)
		kinds := []ast.NodeKind{ast.KindHeading, ast.KindParagraph, ast.KindParagraph, ast.KindHTMLBlock}
		if doc.ChildCount() == 3 { // no version to use
			kinds = append(kinds[:1], kinds[2:]...)
		}
		n := doc.FirstChild()
		for _, kind := range kinds {
			if n == nil || n.Kind() != kind {
				t.Fatalf("reason %q, use %q: the banner's blocks are not %v:\n%s", reason, use, kinds, source)
			}
			n = n.NextSibling()
		}
		if n != nil {
			t.Errorf("reason %q, use %q: more than the banner:\n%s", reason, use, source)
		}
		_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			switch n.Kind() {
			case ast.KindLink, ast.KindImage, ast.KindRawHTML, ast.KindCodeSpan, ast.KindAutoLink:
				t.Errorf("reason %q, use %q: a %s in\n%s", reason, use, n.Kind(), source)
			}
			return ast.WalkContinue, nil
		})
	})
}
