package changelog

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

const yankedMark = " [YANKED]"

// Withdraw marks a version as withdrawn: [YANKED] in its heading, as Keep a
// Changelog has it, and below that the incident as a paragraph of its own, its
// lines joined. The same again changes nothing; another incident takes the
// place of the first.
func (f *File) Withdraw(v decide.Version, text string) ([]byte, error) {
	p, err := f.released(v)
	if err != nil {
		return nil, err
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if text == "" {
		return nil, f.errorf(p.head.start, "no incident was given: say why %s is withdrawn and what to use instead", v)
	}
	line := incidentMark + text
	var edits []edit
	if p.form.yanked.empty() {
		edits = append(edits, insert(p.title.end, yankedMark))
	}
	switch b, ok := p.incident(); {
	case ok:
		edits = append(edits, edit{b.span, line})
	case f.blankAt(p.body.start):
		edits = append(edits, insert(p.head.end, f.eol+f.eol+line))
	default:
		// No blank line follows the heading, so none is written before the
		// incident: that is how Restore tells the two apart.
		edits = append(edits, insert(p.head.end, f.eol+line+f.eol))
	}
	return apply(f.text, edits), nil
}

// Restore takes Withdraw back, byte for byte. A version that is not withdrawn
// stays as it is.
func (f *File) Restore(v decide.Version) ([]byte, error) {
	p, err := f.released(v)
	if err != nil {
		return nil, err
	}
	var edits []edit
	if y := p.form.yanked; !y.empty() {
		edits = append(edits, edit{span{p.title.start + y.start, p.title.start + y.end}, ""})
	}
	if b, ok := p.incident(); ok {
		edits = append(edits, edit{f.incidentSpan(p, b), ""})
	}
	return apply(f.text, edits), nil
}

// incidentSpan is the incident with the line endings that Withdraw wrote.
func (f *File) incidentSpan(p *part, b block) span {
	end := f.lineSpan(b.start).end
	next := f.next(end)
	switch bytes.Count(f.text[p.head.end:b.start], []byte("\n")) {
	case 1:
		if next < len(f.text) && f.blankAt(next) {
			return span{p.head.end, next}
		}
		return span{p.head.end, end}
	case 2:
		return span{p.head.end, end}
	}
	return span{b.start, next}
}

func (f *File) released(v decide.Version) (*part, error) {
	if v.IsZero() {
		return nil, fmt.Errorf("no version was given")
	}
	p := f.part(v.String())
	if p == nil {
		return nil, &Error{f.name, 0, fmt.Sprintf("there is no section for %s: only a version that stands in the changelog can be withdrawn or restored", v)}
	}
	return p, nil
}

// incident gives the paragraph that Withdraw wrote: only directly under the
// heading.
func (p *part) incident() (block, bool) {
	if len(p.blocks) == 0 || p.blocks[0].kind != incident {
		return block{}, false
	}
	return p.blocks[0], true
}
