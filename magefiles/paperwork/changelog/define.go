package changelog

import (
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// defineEdit is the edit that gives a version's label an address: in the place
// of the one that it has, or on a line of its own where the order of the other
// definitions wants it.
func (f *File) defineEdit(label, address string, v decide.Version) edit {
	type ranked struct {
		definition
		version decide.Version
	}
	var known []ranked
	var head *definition
	for i, d := range f.defs {
		if d.label == strings.ToLower(label) {
			return edit{d.address, address}
		}
		if d.label == unreleased && head == nil {
			head = &f.defs[i]
		}
		if got, err := decide.ParseVersion(strings.TrimPrefix(d.label, "v")); err == nil {
			known = append(known, ranked{d, got})
		}
	}
	line := "[" + label + "]: " + address
	if len(known) == 0 {
		if head != nil {
			return insert(head.line.end, f.eol+line)
		}
		return f.appendLine(line)
	}
	gap := string(f.text[known[0].line.start:known[0].address.start])
	line = "[" + label + gap[strings.LastIndex(gap, "]:"):] + address
	if strings.HasSuffix(gap, "<") {
		line += ">"
	}
	// Ascending lists get it behind the last lower one, others above the first.
	if n := len(known); n > 1 && known[0].version.Compare(known[n-1].version) < 0 {
		for i := n - 1; i >= 0; i-- {
			if known[i].version.Compare(v) < 0 {
				return insert(known[i].line.end, f.eol+line)
			}
		}
		return insert(known[0].line.start, line+f.eol)
	}
	for _, k := range known {
		if k.version.Compare(v) < 0 {
			return insert(k.line.start, line+f.eol)
		}
	}
	return insert(known[len(known)-1].line.end, f.eol+line)
}

// appendLine is the edit that ends the file with a line after a blank one. A
// file without a line ending at its end stays one.
func (f *File) appendLine(line string) edit {
	return f.insertBlock(max(f.parts[0].head.start, f.trim(0, len(f.text))), line)
}
