package changelog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// Merge brings what theirs changed since base into ours, section by section: for
// a hotfix branch (theirs) that goes back into main (ours). The result is ours
// with
//   - the versions that only theirs has, in the order of versions, with their
//     link definitions;
//   - what theirs changed where ours did not, and of a section that both
//     changed the entries that either added;
//   - nothing under "Unreleased" that theirs has released meanwhile: the entries
//     that stood there in base, or stand in the same words under the same kind
//     of heading.
//
// The link of "Unreleased" stays that of ours unless theirs has the highest
// version. Line endings are those of ours. Where both sides changed the same
// entry, heading or other text in different ways the error, an *[Error], names
// the line in ours.
func Merge(base, ours, theirs []byte) ([]byte, error) {
	m := merge{}
	for _, side := range []struct {
		file **File
		name string
		text []byte
	}{{&m.base, "base", base}, {&m.ours, "ours", ours}, {&m.theirs, "theirs", theirs}} {
		f, err := Parse(side.name, side.text)
		if err != nil {
			return nil, err
		}
		*side.file = f
	}
	out, err := m.parts()
	for _, step := range []func(*File) ([]byte, error){m.newParts, m.definitions, m.unreleasedLink} {
		if err != nil {
			return nil, err
		}
		var f *File
		if f, err = Parse("ours", out); err == nil {
			out, err = step(f)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := m.check(out); err != nil {
		return nil, err
	}
	return out, nil
}

// merge is one three-way merge.
type merge struct{ base, ours, theirs *File }

// lookup gives the part of a file that answers to another file's part: the
// section of the same version, the n-th part of the same heading.
func (f *File) lookup(from *File, p *part) *part {
	n := 0
	for _, q := range from.parts {
		if q == p {
			break
		}
		if q.key == p.key {
			n++
		}
	}
	for _, q := range f.parts {
		if q.key == p.key && q.isSection() == p.isSection() {
			if n == 0 {
				return q
			}
			n--
		}
	}
	return nil
}

// contentText is a part's text for comparison; that of no part is empty.
func (f *File) contentText(p *part) string {
	if p == nil {
		return ""
	}
	c := p.content()
	return unixLines(f.text[c.start:c.end])
}

func (f *File) titleText(p *part) string {
	if p == nil {
		return ""
	}
	return string(f.text[p.title.start:p.title.end])
}

// parts merges what ours has already.
func (m merge) parts() ([]byte, error) {
	var edits []edit
	for _, t := range m.theirs.parts {
		b, o := m.base.lookup(m.theirs, t), m.ours.lookup(m.theirs, t)
		if o == nil {
			if b != nil && m.theirs.contentText(t) != m.base.contentText(b) && (t.key != unreleased || t.hasEntries()) {
				return nil, m.theirs.errorf(t.head.start, "%q was changed here but ours has removed it: put it back in ours, or take the change back", m.theirs.titleText(t))
			}
			continue
		}
		add, err := m.part(b, o, t)
		if err != nil {
			return nil, err
		}
		edits = append(edits, add...)
	}
	for _, b := range m.base.parts {
		o := m.ours.lookup(m.base, b)
		if o == nil || b.key == unreleased || m.theirs.lookup(m.base, b) != nil {
			continue
		}
		if m.ours.contentText(o) != m.base.contentText(b) {
			return nil, m.ours.errorf(o.head.start, "%q was changed here but theirs has removed it: put it back in theirs, or take the change back", m.ours.titleText(o))
		}
		end := m.ours.next(o.content().end)
		for end < o.body.end && m.ours.blankAt(end) {
			end = m.ours.next(end)
		}
		edits = append(edits, edit{span{o.head.start, end}, ""})
	}
	return apply(m.ours.text, edits), nil
}

// part merges one part that both sides have; b is nil where base lacks it.
func (m merge) part(b, o, t *part) ([]edit, error) {
	var edits []edit
	if was, here, there := m.base.titleText(b), m.ours.titleText(o), m.theirs.titleText(t); t.key != unreleased && there != was && there != here {
		if here != was {
			return nil, m.conflict(o.head.start, t, "the heading %q reads %q in theirs", here, there)
		}
		edits = append(edits, edit{o.title, there})
	}
	was, here, there := m.base.contentText(b), m.ours.contentText(o), m.theirs.contentText(t)
	switch {
	case t.key == unreleased:
	case there == was || there == here:
		return edits, nil
	case here == was:
		return append(edits, m.ours.replaceContent(o, there)), nil
	case !t.isSection():
		return nil, m.conflict(o.head.start, t, "the text under %q was changed on both sides", cmp.Or(m.ours.titleText(o), "the top of the file"))
	}
	more, err := m.items(b, o, t)
	return append(edits, more...), err
}

// replaceContent gives a part another text.
func (f *File) replaceContent(p *part, text string) edit {
	c, text := p.content(), f.lines(text)
	switch {
	case text == "":
		return edit{span{p.head.end, c.end}, ""}
	case !c.empty():
		return edit{c, text}
	}
	return f.insertBlock(c.start, text)
}

// newParts adds what only theirs has.
func (m merge) newParts(f *File) ([]byte, error) {
	missing := []*part{}
	for _, t := range m.theirs.parts {
		if m.base.lookup(m.theirs, t) == nil && m.ours.lookup(m.theirs, t) == nil {
			missing = append(missing, t)
		}
	}
	for _, t := range missing {
		text := f.lines(strings.TrimSpace(string(m.theirs.text[t.head.start:t.content().end])))
		if text == "" {
			continue
		}
		var e edit
		switch all := f.versions(); {
		case !t.isSection():
			e = m.placeText(f, t, text)
		case t.key == unreleased && len(all) > 0:
			e = f.placeSection(text, all[0])
		default:
			e = f.placeSection(text, f.below(t.form.version))
		}
		var err error
		if f, err = Parse("ours", apply(f.text, []edit{e})); err != nil {
			return nil, err
		}
	}
	return f.text, nil
}

// placeText is the edit that writes a part that is no section behind the one that
// it follows in theirs.
func (m merge) placeText(f *File, t *part, text string) edit {
	follows := f.parts[0]
	for _, p := range m.theirs.parts {
		if p == t {
			break
		}
		if q := f.lookup(m.theirs, p); q != nil {
			follows = q
		}
	}
	return f.insertBlock(follows.content().end, text)
}

// definitions adds and changes link definitions.
func (m merge) definitions(f *File) ([]byte, error) {
	address := func(f *File, label string) (string, int) {
		for _, d := range f.defs {
			if d.label == label {
				return string(f.text[d.address.start:d.address.end]), d.line.start
			}
		}
		return "", 0
	}
	for _, d := range m.theirs.defs {
		there := string(m.theirs.text[d.address.start:d.address.end])
		was, _ := address(m.base, d.label)
		here, at := address(f, d.label)
		if there == was || there == here || d.label == unreleased && here != "" {
			continue
		}
		if here != was {
			return nil, &Error{"ours", f.line(at), fmt.Sprintf("the link %q goes to %s here and to %s in theirs (line %d): make the two the same, then merge again", d.label, here, there, m.theirs.line(d.line.start))}
		}
		label := string(m.theirs.text[d.line.start:d.line.end])
		label = label[strings.Index(label, "[")+1 : strings.Index(label, "]")]
		v, err := decide.ParseVersion(strings.TrimPrefix(d.label, "v"))
		e := f.appendLine("[" + label + "]: " + there)
		switch {
		case err == nil || here != "":
			e = f.defineEdit(label, there, v)
		case len(f.defs) > 0:
			e = insert(f.defs[len(f.defs)-1].line.end, f.eol+"["+label+"]: "+there)
		}
		if f, err = Parse("ours", apply(f.text, []edit{e})); err != nil {
			return nil, err
		}
	}
	return f.text, nil
}

// unreleasedLink takes theirs where theirs has a version above all of ours.
func (m merge) unreleasedLink(f *File) ([]byte, error) {
	here, there := f.part(unreleased), m.theirs.part(unreleased)
	if here == nil || there == nil || here.linkAs == linkNone || there.linkAs == linkNone {
		return f.text, nil
	}
	if b := m.base.part(unreleased); b != nil && b.linkAs != linkNone && string(m.base.text[b.link.start:b.link.end]) == string(m.theirs.text[there.link.start:there.link.end]) {
		return f.text, nil
	}
	if !slices.ContainsFunc(m.theirs.versions(), func(p *part) bool { return m.ours.newest(p.form.version) && m.ours.part(p.key) == nil }) {
		return f.text, nil
	}
	return apply(f.text, []edit{{here.link, string(m.theirs.text[there.link.start:there.link.end])}}), nil
}

// check wants every version of both sides in the result.
func (m merge) check(out []byte) error {
	got, err := Parse("ours", out)
	if err != nil {
		return err
	}
	for _, f := range []*File{m.ours, m.theirs} {
		for _, p := range f.versions() {
			if gone := m.base.lookup(f, p) != nil && (m.ours.lookup(f, p) == nil || m.theirs.lookup(f, p) == nil); !gone && got.part(p.key) == nil {
				return f.errorf(p.head.start, "the section of %s can't be placed in the other file: look for a comment or a code fence that is not closed", p.key)
			}
		}
	}
	return nil
}

func (m merge) conflict(at int, t *part, format string, args ...any) *Error {
	return m.ours.errorf(at, "%s (line %d there): make the two the same on one of the branches, then merge again", fmt.Sprintf(format, args...), m.theirs.line(t.head.start))
}
