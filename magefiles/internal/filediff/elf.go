package filediff

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
)

// section is a named part of an ELF file.
type section struct {
	name string
	*io.SectionReader
}

// maxSections is how many sections of an ELF file are looked at.
const maxSections = 4096

// elf compares two executables section by section (System V ABI, chapter 4).
func (d *differ) elf(at []string, a, b *io.SectionReader, _ int) error {
	x, y, err := both(sections, a, b)
	if err != nil {
		return err
	}
	// What people read comes first, and what is a hash of all the rest last.
	for _, list := range [][]section{x, y} {
		slices.SortStableFunc(list, func(a, b section) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	}
	same := func(s section) func(section) bool { return func(o section) bool { return o.name == s.name } }
	for _, s := range x {
		i := slices.IndexFunc(y, same(s))
		if i < 0 {
			d.tell(at, "section "+s.name, size(s.SectionReader), "")
			continue
		}
		o := y[i]
		off, err := d.firstDifference(s.SectionReader, o.SectionReader)
		if err != nil {
			return err
		}
		if off < 0 {
			continue
		}
		if p, q := texts(s.SectionReader), texts(o.SectionReader); s.name == ".comment" && p != q {
			d.tell(at, "section "+s.name, p, q)
			continue
		}
		if err := d.bytesAt(at, "section "+s.name+" at", s.SectionReader, o.SectionReader, off); err != nil {
			return err
		}
	}
	for _, s := range y {
		if !slices.ContainsFunc(x, same(s)) {
			d.tell(at, "section "+s.name, "", size(s.SectionReader))
		}
	}
	return nil
}

// texts gives the strings of a section: compilers and linkers write into
// .comment who they are.
func texts(r *io.SectionReader) string {
	const long = 4 << 10
	parts := bytes.FieldsFunc(head(r, long), func(c rune) bool { return c == 0 })
	return cut(printable(bytes.Join(parts, []byte(" + "))))
}

func rank(name string) int {
	switch {
	case name == ".comment" || name == ".interp":
		return 0
	case strings.HasPrefix(name, ".rodata"):
		return 1
	case strings.HasPrefix(name, ".data") && !strings.HasPrefix(name, ".data.rel"):
		return 2
	case name == ".note.gnu.build-id":
		return 4
	}
	return 3
}

// sections reads the section headers. The ELF header and what lies between the
// sections is told as bytes, where nothing else differs.
func sections(r *io.SectionReader) ([]section, error) {
	h := head(r, 64)
	if len(h) < 64 {
		return nil, errFormat
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h[5] == 2 {
		order = binary.BigEndian
	}
	var shoff, entry uint64
	var size, count, names uint16
	switch h[4] {
	case 1:
		shoff, entry = uint64(order.Uint32(h[32:])), 40
		size, count, names = order.Uint16(h[46:]), order.Uint16(h[48:]), order.Uint16(h[50:])
	case 2:
		shoff, entry = order.Uint64(h[40:]), 64
		size, count, names = order.Uint16(h[58:]), order.Uint16(h[60:]), order.Uint16(h[62:])
	default:
		return nil, errFormat
	}
	length := uint64(size) * uint64(count)
	if uint64(size) < entry || count == 0 || count > maxSections || names >= count || shoff > uint64(r.Size()) || length > uint64(r.Size())-shoff {
		return nil, errFormat
	}
	table := make([]byte, length)
	if n, _ := r.ReadAt(table, int64(shoff)); uint64(n) < length {
		return nil, errFormat
	}
	at := func(i uint16) (name, kind uint32, off, n uint64) {
		s := table[int(i)*int(size):]
		if h[4] == 1 {
			return order.Uint32(s), order.Uint32(s[4:]), uint64(order.Uint32(s[16:])), uint64(order.Uint32(s[20:]))
		}
		return order.Uint32(s), order.Uint32(s[4:]), order.Uint64(s[24:]), order.Uint64(s[32:])
	}
	within := func(off, n uint64) bool { return off <= uint64(r.Size()) && n <= uint64(r.Size())-off }
	_, _, namesAt, namesSize := at(names)
	const maxNames = 1 << 20
	if !within(namesAt, namesSize) || namesSize > maxNames {
		return nil, errFormat
	}
	text := make([]byte, namesSize)
	if n, _ := r.ReadAt(text, int64(namesAt)); uint64(n) < namesSize {
		return nil, errFormat
	}
	const null, noBits = 0, 8
	var out []section
	seen := map[string]int{}
	for i := range count {
		name, kind, off, n := at(i)
		if kind == null || kind == noBits {
			continue
		}
		if !within(off, n) || uint64(name) >= max(namesSize, 1) {
			return nil, errFormat
		}
		end := bytes.IndexByte(text[name:], 0)
		if end < 0 {
			return nil, errFormat
		}
		title := printable(text[name : int(name)+end])
		if seen[title]++; seen[title] > 1 {
			title = fmt.Sprintf("%s (number %d)", title, seen[title])
		}
		out = append(out, section{title, io.NewSectionReader(r, int64(off), int64(n))})
	}
	return out, nil
}

// printable gives a name without anything that a terminal would obey.
func printable(b []byte) string {
	return string(bytes.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '.'
		}
		return c
	}, bytes.ToValidUTF8(b, []byte("?"))))
}
