package record

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/util"
)

// Announcement is what a release is made known with.
type Announcement struct {
	Title, Tag string
	// Entries are the entries of the release's section in the changelog, in
	// order, Markdown. The first ones are its highlights.
	Entries []string
	// Page is the URL of the release page, Guide that of the upgrading guide at
	// the tag; Guide may be empty.
	Page, Guide   string
	Image, Digest string
}

// How much of a changelog an announcement shows: entries, and characters of
// each.
const (
	highlights      = 5
	highlightLength = 140
)

//go:embed announcement.md.tmpl
var announcementText string

// Text writes the announcement: text that reads well as it is and as Markdown.
// Its last paragraph holds the links.
func (a Announcement) Text() (string, error) {
	v := struct {
		Announcement
		Highlights []string
		More       int
	}{Announcement: a}
	for _, e := range a.Entries {
		line := shorten(plain(e), highlightLength)
		switch {
		case line == "":
		case len(v.Highlights) < highlights:
			v.Highlights = append(v.Highlights, line)
		default:
			v.More++
		}
	}
	return fill("announcement", announcementText, v)
}

// plain gives the text of an entry's first paragraph on one line: links and
// emphasis are gone, code keeps its backticks. Nobody is mentioned by it: a
// zero-width space follows each "@".
func plain(entry string) string {
	source := []byte(entry)
	block := parse(source).FirstChild()
	for block != nil && block.Type() == ast.TypeBlock && block.FirstChild() != nil && block.FirstChild().Type() == ast.TypeBlock {
		block = block.FirstChild() // into lists and quotes
	}
	if block == nil || block.Kind() == ast.KindHTMLBlock {
		return ""
	}
	var out strings.Builder
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.CodeSpan:
			out.WriteByte('`')
		case *ast.AutoLink:
			if entering {
				out.Write(n.Label(source))
			}
		case *ast.Text:
			if !entering {
				break
			}
			text := n.Segment.Value(source)
			if n.Parent().Kind() != ast.KindCodeSpan {
				text = util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(text)))
			}
			out.Write(text)
			if n.SoftLineBreak() || n.HardLineBreak() {
				out.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(out.String(), "?"))
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "@", "@\u200b")
}

// shorten cuts a line at a word, with a mark, to so many characters.
func shorten(line string, most int) string {
	if utf8.RuneCountInString(line) <= most {
		return line
	}
	room := []rune(line)[:most-1] // of which the last may be a space, a backtick or nothing
	cut := string(room[:len(room)-1])
	if i := strings.LastIndexByte(string(room), ' '); i > 0 {
		cut = string(room)[:i]
	}
	cut = strings.TrimRight(cut, " ,;:(-–—`")
	if strings.Count(cut, "`")%2 == 1 {
		cut += "`"
	}
	return cut + "…"
}
