package filediff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// block is what is read at a time.
const block = 64 << 10

// firstDifference gives the offset of the first byte that differs, or where the
// shorter part ends; -1 where both are the same.
func (d *differ) firstDifference(a, b *io.SectionReader) (int64, error) {
	x, y := make([]byte, block), make([]byte, block)
	for off := int64(0); ; off += block {
		if err := d.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := readAt(a, x, off)
		if err != nil {
			return 0, err
		}
		m, err := readAt(b, y, off)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(x[:n], y[:m]) {
			return off + int64(common(x[:n], y[:m])), nil
		}
		if n < block {
			return -1, nil
		}
	}
}

// common is the length of what two texts begin with.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// readAt fills the buffer as far as the part goes.
func readAt(r *io.SectionReader, buf []byte, off int64) (int, error) {
	n, err := r.ReadAt(buf, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// changed counts the bytes that differ in what both parts have.
func (d *differ) changed(a, b *io.SectionReader, from int64) (n int64, err error) {
	x, y := make([]byte, block), make([]byte, block)
	for off := from; ; off += block {
		if err := d.ctx.Err(); err != nil {
			return n, err
		}
		i, err := readAt(a, x, off)
		if err != nil {
			return n, err
		}
		j, err := readAt(b, y, off)
		if err != nil {
			return n, err
		}
		both := min(i, j)
		for k := range both {
			if x[k] != y[k] {
				n++
			}
		}
		if both < block {
			return n, nil
		}
	}
}

// bytesAt tells where the bytes differ first, how many do, and those around.
func (d *differ) bytesAt(at []string, what string, a, b *io.SectionReader, off int64) error {
	n, err := d.changed(a, b, off)
	if err != nil {
		return err
	}
	label := fmt.Sprintf("%s %#x", what, off)
	switch {
	case a.Size() != b.Size():
		label += fmt.Sprintf(" (%d and %d bytes)", a.Size(), b.Size())
	case n > 1:
		label += fmt.Sprintf(" (%d of %d bytes differ)", n, a.Size())
	}
	d.tell(at, label, around(a, off), around(b, off))
	return nil
}

// around shows the bytes at an offset: four before it and up to sixteen from it
// on, as hex and as ASCII.
func around(r *io.SectionReader, off int64) string {
	const before, after = 4, 16
	from := max(off-before, 0)
	buf := make([]byte, off-from+after)
	n, _ := r.ReadAt(buf, from) // it was read a moment ago
	buf = buf[:n]
	if int64(n) <= off-from {
		return "the end"
	}
	ascii := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '.'
		}
		return c
	}, latin(buf))
	return fmt.Sprintf("% x |%s|", buf, ascii)
}

// latin gives each byte as one rune.
func latin(b []byte) string {
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
	}
	return string(out)
}

// line tells the first line that differs.
func (d *differ) line(at []string, a, b *io.SectionReader, off int64) error {
	number, start := 1, int64(0)
	buf := make([]byte, block)
	for pos := int64(0); pos < off; pos += block {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		n, err := readAt(a, buf[:min(block, off-pos)], pos)
		if err != nil {
			return err
		}
		number += bytes.Count(buf[:n], []byte("\n"))
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			start = pos + int64(i) + 1
		}
	}
	const before, long = 60, 160
	from := start
	if off-start > before {
		from = off - before
	}
	d.tell(at, "line "+strconv.Itoa(number), lineAt(a, from, long), lineAt(b, from, long))
	return nil
}

func lineAt(r *io.SectionReader, from int64, long int) string {
	buf := make([]byte, long)
	n, _ := r.ReadAt(buf, from) // it was read a moment ago
	text, _, ended := bytes.Cut(buf[:n], []byte("\n"))
	if n == 0 {
		return ""
	}
	out := strconv.Quote(strings.ToValidUTF8(string(text), "\uFFFD"))
	if !ended && n == long {
		out += "…"
	}
	return out
}

// maxJSON bounds a document that is held in memory.
const maxJSON = 32 << 20

// json compares two documents by the paths of their values.
func (d *differ) json(at []string, a, b *io.SectionReader, _ int) error {
	x, y, err := both(decode, a, b)
	if err != nil {
		return err
	}
	d.values(at, "", x, y)
	return nil
}

func decode(r *io.SectionReader) (v any, err error) {
	if r.Size() > maxJSON {
		return nil, errFormat
	}
	dec := json.NewDecoder(io.NewSectionReader(r, 0, r.Size()))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, errFormat
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errFormat
	}
	return v, nil
}

func (d *differ) values(at []string, path string, a, b any) {
	if x, ok := a.(map[string]any); ok {
		if y, ok := b.(map[string]any); ok {
			both := maps.Clone(x)
			maps.Copy(both, y)
			for _, k := range slices.Sorted(maps.Keys(both)) {
				p, inA := x[k]
				q, inB := y[k]
				d.member(at, path+"."+key(k), p, q, inA, inB)
			}
			return
		}
	}
	if x, ok := a.([]any); ok {
		if y, ok := b.([]any); ok {
			for i := range max(len(x), len(y)) {
				var p, q any
				if i < len(x) {
					p = x[i]
				}
				if i < len(y) {
					q = y[i]
				}
				d.member(at, fmt.Sprintf("%s[%d]", path, i), p, q, i < len(x), i < len(y))
			}
			return
		}
	}
	d.field(at, or(path, "."), compact(a), compact(b))
}

func (d *differ) member(at []string, path string, a, b any, inA, inB bool) {
	switch {
	case inA && inB:
		d.values(at, path, a, b)
	case inA:
		d.tell(at, path, compact(a), "")
	default:
		d.tell(at, path, "", compact(b))
	}
}

// key quotes a member's name where it would read as a path.
func key(k string) string {
	if k == "" || strings.ContainsAny(k, ". []\"") {
		return strconv.Quote(k)
	}
	return k
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // decoded a moment ago
		return fmt.Sprint(v)
	}
	return cut(string(text))
}

// cut keeps a value short enough for a table.
func cut(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func or(s, alternative string) string {
	if s == "" {
		return alternative
	}
	return s
}
