package changelog

import "slices"

// hunk is a place in a list of items where a side differs from base: behind the
// item with the text of anchor, which both have.
type hunk struct {
	anchor  string
	removed []item // of base
	added   []item // of the side
}

// side is one side's items of one kind and how they differ from base's.
type side struct {
	items []item
	hunks []*hunk
}

func has(items []item, text string) bool {
	return slices.ContainsFunc(items, func(i item) bool { return i.text == text })
}

func differ(base, items []item) side {
	s := side{items: items}
	anchor := ""
	for _, i := range items {
		if has(base, i.text) {
			anchor = i.text
		} else {
			h := s.hunk(anchor)
			h.added = append(h.added, i)
		}
	}
	anchor = ""
	for _, i := range base {
		if has(items, i.text) {
			anchor = i.text
		} else {
			h := s.hunk(anchor)
			h.removed = append(h.removed, i)
		}
	}
	return s
}

func (s *side) hunk(anchor string) *hunk {
	for _, h := range s.hunks {
		if h.anchor == anchor {
			return h
		}
	}
	h := &hunk{anchor: anchor}
	s.hunks = append(s.hunks, h)
	return h
}

// removal gives the hunk in which the side took an item away, or nil.
func (s *side) removal(text string) *hunk {
	for _, h := range s.hunks {
		if has(h.removed, text) {
			return h
		}
	}
	return nil
}

// last tells whether no item that base has too follows the anchor.
func (s *side) last(anchor string) bool {
	for _, i := range slices.Backward(s.items) {
		if !slices.ContainsFunc(s.hunks, func(h *hunk) bool { return has(h.added, i.text) }) {
			return i.text == anchor
		}
	}
	return true
}
