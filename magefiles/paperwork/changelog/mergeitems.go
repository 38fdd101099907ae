package changelog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// item is an entry, or another piece of a section, under the kind of heading
// that it stands under.
type item struct {
	block
	under string
	text  string
	gap   int // line endings between it and the item above
}

// items gives the pieces of a part without headings and definitions; those of
// no part are none.
func (f *File) items(p *part) []item {
	if p == nil {
		return nil
	}
	var out []item
	under, end := "", -1
	for _, b := range p.blocks {
		switch {
		case b.kind == group:
			under, end = b.title, -1
			continue
		case b.kind == defined, b.kind == link && p.key == unreleased:
			continue
		}
		it := item{block: b, under: under, text: unixLines(f.text[b.start:b.end]), gap: 1}
		if b.kind == entry {
			it.text = f.entryText(b)
		}
		if end >= 0 {
			it.gap = strings.Count(string(f.text[end:b.start]), "\n")
		}
		end = b.end
		out = append(out, it)
	}
	return out
}

// change is what happens to an item of ours.
type change struct {
	removed  bool
	replaced string
	after    string
}

// items merges the entries of one section that both sides have, kind by kind.
func (m merge) items(b, o, t *part) ([]edit, error) {
	base, ours, theirs := m.base.items(b), m.ours.items(o), m.theirs.items(t)
	changes := map[int]*change{}
	for _, i := range ours {
		changes[i.start] = &change{}
	}
	appended := map[string]string{}
	var kinds []string
	for _, i := range slices.Concat(theirs, base) {
		if !slices.Contains(kinds, i.under) {
			kinds = append(kinds, i.under)
		}
	}
	for _, kind := range kinds {
		of := func(items []item) (out []item) {
			for _, i := range items {
				if i.under == kind {
					out = append(out, i)
				}
			}
			return out
		}
		here, there := differ(of(base), of(ours)), differ(of(base), of(theirs))
		var err error
		if appended[kind], err = m.kind(o, t, here, there, changes); err != nil {
			return nil, err
		}
	}
	if t.key == unreleased {
		for _, i := range ours {
			if i.kind == entry && m.releasedByTheirs(i, base) {
				changes[i.start].removed = true
			}
		}
	}
	return m.ours.itemEdits(o, ours, kinds, changes, appended, m.headings(t)), nil
}

// headings gives the heading lines of a part's groups.
func (m merge) headings(t *part) map[string]string {
	out := map[string]string{}
	for _, b := range t.blocks {
		if _, ok := out[b.title]; !ok && b.kind == group {
			line := m.theirs.lineSpan(b.start)
			out[b.title] = string(m.theirs.text[line.start:line.end])
		}
	}
	return out
}

// kind decides about the items under one kind of heading, and gives what is to
// stand at the end of it.
func (m merge) kind(o, t *part, here, there side, changes map[int]*change) (appended string, err error) {
	for _, h := range there.hunks {
		var replaced *change
		for _, r := range h.removed {
			if mine := here.removal(r.text); mine != nil {
				if err := m.removedTwice(o, t, r, mine.added, h.added); err != nil {
					return "", err
				}
				continue
			}
			for _, i := range here.items {
				if i.text == r.text {
					changes[i.start].removed = true
					replaced = cmp.Or(replaced, changes[i.start])
				}
			}
		}
		var text string
		for _, i := range h.added {
			if has(here.items, i.text) || t.key == unreleased && m.ours.holds(i.text, nil) {
				continue
			}
			text += strings.Repeat(m.ours.eol, max(1, i.gap)) + m.ours.lines(string(m.theirs.text[i.start:i.end]))
		}
		at := slices.IndexFunc(here.items, func(i item) bool { return i.text == h.anchor })
		switch {
		case text == "":
		case replaced != nil:
			replaced.replaced = strings.TrimLeft(text, "\r\n")
		case at >= 0 && !there.last(h.anchor):
			changes[here.items[at].start].after = text
		default:
			appended += text
		}
	}
	return appended, nil
}

// removedTwice refuses an entry that both sides took away where one of them put
// other words in its place. An entry that was moved to another section is not
// one that got other words.
func (m merge) removedTwice(o, t *part, r item, mine, other []item) error {
	if m.ours.holds(r.text, o) {
		mine = nil
	}
	if m.theirs.holds(r.text, t) {
		other = nil
	}
	if slices.EqualFunc(mine, other, func(a, b item) bool { return a.text == b.text }) {
		return nil
	}
	at := o.head.start
	if len(mine) > 0 {
		at = mine[0].start
	}
	return m.conflict(at, t, "the entry %s was changed on both sides", short(r.text))
}

// holds tells whether an entry stands in the file, in another section than p.
func (f *File) holds(text string, p *part) bool {
	for _, q := range f.parts {
		if q.isSection() && q != p && has(f.items(q), text) {
			return true
		}
	}
	return false
}

// releasedByTheirs tells whether an entry under Unreleased stands in a version
// that theirs has added.
func (m merge) releasedByTheirs(i item, base []item) bool {
	for _, p := range m.theirs.versions() {
		if m.base.part(p.key) != nil {
			continue
		}
		for _, j := range m.theirs.items(p) {
			if j.kind == entry && j.text == i.text && (j.under == i.under || has(base, i.text)) {
				return true
			}
		}
	}
	return false
}

// itemEdits turns the changes of a section's items into edits. A heading that
// loses all of its entries goes with them.
func (f *File) itemEdits(p *part, items []item, kinds []string, changes map[int]*change, appended map[string]string, headings map[string]string) []edit {
	var edits []edit
	for n, b := range p.blocks {
		c := changes[b.start]
		if c == nil {
			continue
		}
		switch {
		case c.removed && c.replaced+c.after != "":
			edits = append(edits, edit{b.span, strings.TrimLeft(c.replaced+c.after, "\r\n")})
		case c.removed && f.keptAfter(p, n, changes):
			edits = append(edits, edit{span{b.start, p.blocks[n+1].start}, ""})
		case c.removed:
			edits = append(edits, edit{span{p.blockEnd(n - 1), b.end}, ""})
		case c.after != "":
			edits = append(edits, insert(b.end, c.after))
		}
	}
	for n, b := range p.blocks {
		if b.kind == group && appended[b.title] == "" && f.emptied(p, n, changes) {
			edits = append(edits, edit{span{p.blockEnd(n - 1), f.lineSpan(b.start).end}, ""})
		}
	}
	for _, kind := range kinds {
		text := appended[kind]
		if text == "" {
			continue
		}
		at, found := p.groupEnd(kind)
		switch bare := strings.TrimLeft(text, "\r\n"); {
		case found && slices.ContainsFunc(items, func(i item) bool { return i.under == kind }):
			edits = append(edits, insert(at, text))
		case found:
			edits = append(edits, f.insertBlock(at, bare))
		default:
			edits = append(edits, f.insertBlock(p.content().end, headings[kind]+f.eol+f.eol+bare))
		}
	}
	return edits
}

// blockEnd gives where the n-th block ends; -1 stands for the heading.
func (p *part) blockEnd(n int) int {
	if n < 0 {
		return p.head.end
	}
	return p.blocks[n].end
}

// groupEnd gives the end of the first group of a kind.
func (p *part) groupEnd(kind string) (int, bool) {
	at, in := p.head.end, kind == ""
	for _, b := range p.blocks {
		switch {
		case b.kind == group && in:
			return at, true
		case b.kind == group:
			in = b.title == kind
		case b.kind == defined:
			continue
		}
		if in {
			at = b.end
		}
	}
	return at, in
}

// keptAfter tells whether the group of the n-th block goes on with an item that
// stays.
func (f *File) keptAfter(p *part, n int, changes map[int]*change) bool {
	for _, b := range p.blocks[n+1:] {
		if b.kind == group {
			return false
		}
		if c := changes[b.start]; c == nil || !c.removed || c.replaced+c.after != "" {
			return true
		}
	}
	return false
}

// emptied tells whether the group that begins with the n-th block had items and
// loses all of them.
func (f *File) emptied(p *part, n int, changes map[int]*change) bool {
	any := false
	for _, b := range p.blocks[n+1:] {
		if b.kind == group {
			break
		}
		if c := changes[b.start]; c == nil || !c.removed || c.replaced+c.after != "" {
			return false
		}
		any = true
	}
	return any
}

// short quotes the beginning of an entry.
func short(text string) string {
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
