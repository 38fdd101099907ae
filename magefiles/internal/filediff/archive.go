package filediff

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// entry is a file in an archive.
type entry struct {
	name string
	// fields are those of its header but for name and size, in order.
	fields  [][2]string
	content *io.SectionReader
	// signature tells that it holds the archive's signature.
	signature bool
}

// entries compares two archives entry by entry, by name. A name that is there
// twice counts as two.
func (d *differ) entries(at []string, a, b []entry, depth int) error {
	x, order := named(a)
	y, other := named(b)
	names := slices.Clone(order)
	for _, n := range other {
		if _, ok := x[n]; !ok {
			names = append(names, n)
		}
	}
	var both []string
	for _, n := range names {
		if d.full() {
			return nil
		}
		p, inA := x[n]
		q, inB := y[n]
		signature := inA && p.signature || inB && q.signature
		if signature {
			d.signature++
		}
		err := d.entry(at, n, p, q, inA, inB, depth)
		if signature {
			d.signature--
		}
		if err != nil {
			return err
		}
		if inA && inB {
			both = append(both, n)
		}
	}
	there := slices.DeleteFunc(slices.Clone(other), func(n string) bool { _, ok := x[n]; return !ok })
	for i := range both {
		if both[i] != there[i] {
			d.tell(at, fmt.Sprintf("order of the entries, number %d", i+1), both[i], there[i])
			break
		}
	}
	return nil
}

func (d *differ) entry(at []string, name string, a, b entry, inA, inB bool, depth int) error {
	switch {
	case !inB:
		d.tell(at, "entry "+name, size(a.content), "")
		return nil
	case !inA:
		d.tell(at, "entry "+name, "", size(b.content))
		return nil
	}
	at = into(at, name)
	for i := range min(len(a.fields), len(b.fields)) {
		d.field(at, a.fields[i][0], a.fields[i][1], b.fields[i][1])
	}
	return d.diff(at, a.content, b.content, depth)
}

// named gives the entries by name, and the names in order.
func named(list []entry) (map[string]entry, []string) {
	out := make(map[string]entry, len(list))
	times := map[string]int{}
	order := make([]string, 0, len(list))
	for _, e := range list {
		n := e.name
		times[e.name]++
		for k := times[e.name]; ; k++ {
			if k > 1 {
				n = fmt.Sprintf("%s (number %d)", e.name, k)
			}
			if _, taken := out[n]; !taken {
				break
			}
		}
		out[n] = e
		order = append(order, n)
	}
	return out, order
}

// archive compares archives of one format by their entries.
func archive(read func(*io.SectionReader) ([]entry, error)) format {
	return func(d *differ, at []string, a, b *io.SectionReader, depth int) error {
		x, y, err := both(read, a, b)
		if err != nil {
			return err
		}
		return d.entries(at, x, y, depth)
	}
}

// both reads two parts of one format.
func both[T any](read func(*io.SectionReader) (T, error), a, b *io.SectionReader) (x, y T, err error) {
	if x, err = read(a); err == nil {
		y, err = read(b)
	}
	return x, y, err
}

// signs tells whether a tar is the first stream of a signed apk.
func signs(r *io.SectionReader) bool {
	h, err := tar.NewReader(io.NewSectionReader(r, 0, r.Size())).Next()
	return err == nil && strings.HasPrefix(h.Name, ".SIGN.")
}

func tarEntries(r *io.SectionReader) ([]entry, error) {
	own := io.NewSectionReader(r, 0, r.Size())
	t := tar.NewReader(own)
	var out []entry
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil || len(out) == maxEntries {
			return nil, errFormat
		}
		off, err := own.Seek(0, io.SeekCurrent)
		if err != nil || h.Size < 0 || sparse(h) {
			return nil, errFormat
		}
		content := int64(0)
		if h.Typeflag == tar.TypeReg {
			content = h.Size
		}
		if off+content > r.Size() {
			return nil, errFormat
		}
		out = append(out, entry{name: h.Name, fields: tarFields(h), content: io.NewSectionReader(r, off, content)})
	}
}

// sparse tells whether an entry's bytes do not lie there as they are.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

func tarFields(h *tar.Header) [][2]string {
	var pax []string
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		switch k {
		case "path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime": // told by their own names
		default:
			pax = append(pax, k+"="+strconv.Quote(h.PAXRecords[k]))
		}
	}
	return [][2]string{
		{"type", string(rune(h.Typeflag))},
		{"mode", fmt.Sprintf("%04o", h.Mode)},
		{"owner", fmt.Sprintf("%d:%d", h.Uid, h.Gid)},
		{"owner's name", cut(strings.Trim(h.Uname+":"+h.Gname, ":"))},
		{"mtime", when(h.ModTime)},
		{"atime", when(h.AccessTime)},
		{"ctime", when(h.ChangeTime)},
		{"link", cut(h.Linkname)},
		{"device", fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)},
		{"records", cut(strings.Join(pax, " "))},
		{"tar format", h.Format.String()},
	}
}

// arEntries reads the archive of a deb: ar(5), in its common form.
func arEntries(r *io.SectionReader) ([]entry, error) {
	const magic, header = 8, 60
	var out []entry
	buf := make([]byte, header)
	for off := int64(magic); off < r.Size(); {
		n, _ := r.ReadAt(buf, off)
		if n < header || !bytes.Equal(buf[58:], []byte("`\n")) || len(out) == maxEntries {
			return nil, errFormat
		}
		part := func(from, to int) string { return strings.TrimSpace(string(buf[from:to])) }
		size, err := strconv.ParseInt(part(48, 58), 10, 64)
		if err != nil || size < 0 || size > r.Size()-off-header {
			return nil, errFormat
		}
		name := strings.TrimSuffix(part(0, 16), "/")
		out = append(out, entry{
			name:      strings.ToValidUTF8(name, "\uFFFD"),
			fields:    [][2]string{{"mtime", part(16, 28)}, {"owner", part(28, 34) + ":" + part(34, 40)}, {"mode", part(40, 48)}},
			content:   io.NewSectionReader(r, off+header, size),
			signature: strings.HasPrefix(name, "_gpg"),
		})
		off += header + size + size%2
	}
	return out, nil
}

// cpioEntries reads the payload of an rpm: cpio(5), the new ASCII format.
func cpioEntries(r *io.SectionReader) ([]entry, error) {
	const header, maxName = 110, 64 << 10
	var out []entry
	buf := make([]byte, header)
	for off := int64(0); ; {
		n, _ := r.ReadAt(buf, off)
		if n < header || (string(buf[:6]) != "070701" && string(buf[:6]) != "070702") || len(out) == maxEntries {
			return nil, errFormat
		}
		var f [13]int64
		for i := range f {
			v, err := strconv.ParseUint(string(buf[6+8*i:14+8*i]), 16, 32)
			if err != nil {
				return nil, errFormat
			}
			f[i] = int64(v)
		}
		size, nameSize := f[6], f[11]
		if nameSize < 1 || nameSize > maxName {
			return nil, errFormat
		}
		name := make([]byte, nameSize)
		if n, _ := r.ReadAt(name, off+header); int64(n) < nameSize {
			return nil, errFormat
		}
		off = align4(off + header + nameSize)
		title := strings.ToValidUTF8(string(bytes.TrimRight(name, "\x00")), "\uFFFD")
		if title == "TRAILER!!!" {
			return out, nil
		}
		if size > r.Size()-off {
			return nil, errFormat
		}
		out = append(out, entry{
			name: title,
			fields: [][2]string{
				{"inode", strconv.FormatInt(f[0], 10)}, {"mode", fmt.Sprintf("%04o", f[1])}, {"owner", fmt.Sprintf("%d:%d", f[2], f[3])},
				{"links", strconv.FormatInt(f[4], 10)}, {"mtime", unix(f[5])},
				{"device", fmt.Sprintf("%d:%d", f[7], f[8])}, {"special file", fmt.Sprintf("%d:%d", f[9], f[10])},
			},
			content: io.NewSectionReader(r, off, size),
		})
		off = align4(off + size)
	}
}

func align4(n int64) int64 { return (n + 3) &^ 3 }
