package changelog

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// span is a range of bytes of the file.
type span struct{ start, end int }

func (s span) empty() bool { return s.start >= s.end }

// unreleased is the key of the section that has no version yet.
const unreleased = "unreleased"

// part is a heading of level 1 or 2 with all up to the next one. The first part
// is what stands above all headings.
type part struct {
	// key is unreleased, a version, "#" for a heading of level 1, or the
	// heading's line of any other part.
	key      string
	form     form
	head     span // the heading's line without its ending
	title    span // the heading's text
	body     span // from the line below the heading to the next part
	blocks   []block
	linkAs   linkStyle
	link     span  // the address, where the section has one
	linkLine block // of a link in the text
}

// linkStyle is how a section's address is written.
type linkStyle int

const (
	linkNone      linkStyle = iota
	linkReference           // [0.1.0]: https://…
	linkInline              // ## [0.1.0](https://…)
	linkBody                // a line of its own in the section
)

func (p *part) isSection() bool { return p.form.ok }

// label is what a person calls the section.
func (p *part) label() string {
	if p.key == unreleased {
		return "Unreleased"
	}
	return p.key
}

// blockKind is what a block of Markdown is to a changelog.
type blockKind int

const (
	other      blockKind = iota // comments, code, headings of level 4 and more
	group                       // a heading of level 3
	entry                       // a list item or a paragraph
	link                        // a line that is a compare link
	incident                    // what Withdraw wrote
	defined                     // a link definition
	mostLevels = 2              // headings up to this level end a section
)

// block is a piece of a section at the level of list items. Blocks follow each
// other without gaps; span leaves out the blank lines at the end.
type block struct {
	kind blockKind
	span
	title string // of a group
}

// definition is a line "[label]: address".
type definition struct {
	label   string // lower case
	line    span   // without the line's ending
	address span
}

// incidentMark begins the paragraph that Withdraw writes.
const incidentMark = "> **Withdrawn:** "

var (
	definitionForm = regexp.MustCompile(`^ {0,3}\[([^\[\]]+)\]:[ \t]*<?([^\s<>]+)`)
	compareForm    = regexp.MustCompile(`https?://[^\s()<>\[\]]+/(?:compare|releases/tag)/[^\s()<>\[\]]+`)
	markerForm     = regexp.MustCompile(`^[ \t]*(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]+|$)`)
)

// scan finds the parts of the file and the link definitions.
func (f *File) scan() {
	skip := 0
	if bytes.HasPrefix(f.text, []byte("\ufeff")) {
		skip = len("\ufeff")
	}
	source := f.text[skip:]
	doc := parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
	).Parse(text.NewReader(source))

	p := &part{head: span{skip, skip}, title: span{skip, skip}, body: span{skip, len(f.text)}}
	f.parts = []*part{p}
	last := -1
	for _, node := range pieces(doc) {
		if node.Pos() < 0 {
			continue
		}
		at := f.lineSpan(min(node.Pos()+skip, len(f.text)))
		if at.start <= last {
			continue
		}
		last = at.start
		if n := len(p.blocks); n > 0 {
			p.blocks[n-1].end = f.trim(p.blocks[n-1].start, at.start)
		}
		if h, ok := node.(*ast.Heading); ok && h.Level <= mostLevels && f.isATX(at, h.Level) {
			p.body.end = at.start
			p = &part{head: at, title: span{at.end, at.end}, body: span{f.next(at.end), len(f.text)}}
			if h.Lines().Len() > 0 {
				s := h.Lines().At(0)
				p.title = span{s.Start + skip, s.Stop + skip}
			}
			p.key = string(f.text[p.head.start:p.head.end])
			if h.Level == 1 {
				p.key = "#"
			} else {
				p.form = parseHeading(string(f.text[p.title.start:p.title.end]))
			}
			if p.form.ok {
				p.key = p.form.key
			}
			f.parts = append(f.parts, p)
			continue
		}
		p.blocks = append(p.blocks, f.block(node, at))
	}
	if n := len(p.blocks); n > 0 {
		p.blocks[n-1].end = f.trim(p.blocks[n-1].start, len(f.text))
	}
	for _, p := range f.parts {
		f.classify(p)
	}
	for _, p := range f.parts {
		f.locateLink(p)
	}
}

// pieces gives the blocks of a document, with lists taken apart to their items.
func pieces(doc ast.Node) []ast.Node {
	var out []ast.Node
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if n.Kind() != ast.KindList {
			out = append(out, n)
			continue
		}
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			out = append(out, item)
		}
	}
	return out
}

// isATX tells whether a line is a heading made with "#", not by underlining.
func (f *File) isATX(at span, level int) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(f.text[at.start:at.end], " "), bytes.Repeat([]byte("#"), level))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

func (f *File) block(node ast.Node, at span) block {
	b := block{span: at}
	switch n := node.(type) {
	case *ast.Heading:
		if n.Level == mostLevels+1 && f.isATX(at, n.Level) {
			b.kind = group
			b.title = strings.TrimSpace(strings.TrimRight(strings.TrimLeft(string(f.text[at.start:at.end]), " #"), " \t#"))
		} else if !f.isATX(at, n.Level) {
			b.kind = entry
		}
	case *ast.ListItem, *ast.Paragraph, *ast.Blockquote:
		b.kind = entry
	case *ast.LinkReferenceDefinition:
		b.kind = defined
	}
	return b
}

// classify takes out of the entries what is none, now that their ends are
// known, and notes the definitions.
func (f *File) classify(p *part) {
	for i := range p.blocks {
		b := &p.blocks[i]
		line := f.text[b.start:b.end]
		single := !bytes.Contains(line, []byte("\n"))
		switch {
		case b.kind == defined:
			if m := definitionForm.FindSubmatchIndex(line); m != nil {
				f.defs = append(f.defs, definition{
					label:   strings.ToLower(string(line[m[2]:m[3]])),
					line:    f.lineSpan(b.start),
					address: span{b.start + m[4], b.start + m[5]},
				})
			}
		case b.kind != entry:
		case single && bytes.HasPrefix(line, []byte(incidentMark)):
			b.kind = incident
		case single && !markerForm.Match(line) && compareForm.Match(line):
			b.kind = link
		}
	}
}

// locateLink finds the address of a section: in its heading, in a definition,
// or in a line of its text.
func (f *File) locateLink(p *part) {
	if !p.isSection() {
		return
	}
	if at := p.form.address; !at.empty() {
		p.linkAs, p.link = linkInline, span{p.title.start + at.start, p.title.start + at.end}
		return
	}
	if d := f.definition(p.form); d != nil {
		p.linkAs, p.link = linkReference, d.address
		return
	}
	for _, b := range p.blocks {
		if b.kind == link {
			at := compareForm.FindIndex(f.text[b.start:b.end])
			p.linkAs, p.link, p.linkLine = linkBody, span{b.start + at[0], b.start + at[1]}, b
			return
		}
	}
}

// definition finds the link definition of a heading: by its label, or by the
// same version with or without "v".
func (f *File) definition(h form) *definition {
	for _, label := range []string{h.v + h.name, h.name, "v" + h.name} {
		for i := range f.defs {
			if f.defs[i].label == strings.ToLower(label) {
				return &f.defs[i]
			}
		}
	}
	return nil
}

// content is the text of a part from its first block to its last that is no
// definition.
func (p *part) content() span {
	for i := len(p.blocks) - 1; i >= 0; i-- {
		if p.blocks[i].kind != defined {
			return span{p.blocks[0].start, p.blocks[i].end}
		}
	}
	return span{p.head.end, p.head.end}
}

func (p *part) hasEntries() bool {
	for _, b := range p.blocks {
		if b.kind == entry {
			return true
		}
	}
	return false
}

// section gives a part the form that the package shows.
func (f *File) section(p *part) Section {
	content := p.content()
	s := Section{
		Version: p.form.version,
		Heading: string(f.text[p.title.start:p.title.end]),
		Line:    f.line(p.head.start),
		Date:    p.form.date,
		Yanked:  !p.form.yanked.empty(),
		Body:    unixLines(f.text[content.start:content.end]),
		file:    f.name,
	}
	if p.linkAs != linkNone {
		s.Link, s.LinkLine = string(f.text[p.link.start:p.link.end]), f.line(p.link.start)
	}
	for _, b := range p.blocks {
		switch b.kind {
		case group:
			s.Groups = append(s.Groups, Group{Kind: b.title, Line: f.line(b.start)})
		case entry:
			if len(s.Groups) == 0 {
				s.Groups = []Group{{Line: s.Line}}
			}
			g := &s.Groups[len(s.Groups)-1]
			g.Entries = append(g.Entries, Entry{Text: f.entryText(b), Line: f.line(b.start)})
		case incident:
			if s.Incident == "" {
				s.Incident = strings.TrimSpace(strings.TrimPrefix(string(f.text[b.start:b.end]), incidentMark))
			}
		}
	}
	return s
}

// entryText gives an entry without its list marker and with its further lines
// moved left by as much.
func (f *File) entryText(b block) string {
	lines := strings.Split(unixLines(f.text[b.start:b.end]), "\n")
	marker := len(markerForm.FindString(lines[0]))
	lines[0] = lines[0][marker:]
	for i, line := range lines[1:] {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		lines[i+1] = line[min(marker, indent):]
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
