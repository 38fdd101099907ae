package filediff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rpm compares lead, signature header, header and payload of two packages
// (RPM 4 package format).
func (d *differ) rpm(at []string, a, b *io.SectionReader, depth int) error {
	x, y, err := both(splitRPM, a, b)
	if err != nil {
		return err
	}
	off, err := d.firstDifference(x.lead, y.lead)
	if err != nil {
		return err
	}
	if off >= 0 {
		if err := d.bytesAt(at, "lead at", x.lead, y.lead, off); err != nil {
			return err
		}
	}
	d.tags(into(at, "header"), x.header, y.header, headerTags)
	if err := d.diff(into(at, "payload"), x.payload, y.payload, depth); err != nil {
		return err
	}
	d.signature++
	d.tags(into(at, "signature header"), x.signature, y.signature, signatureTags)
	d.signature--
	return nil
}

type rpmParts struct {
	lead, payload     *io.SectionReader
	signature, header []rpmTag
}

// rpmTag is an entry of a header with its values.
type rpmTag struct {
	tag    uint32
	values []string
}

func splitRPM(r *io.SectionReader) (p rpmParts, err error) {
	const lead = 96
	if r.Size() < lead {
		return p, errFormat
	}
	p.lead = io.NewSectionReader(r, 0, lead)
	var end int64
	if p.signature, end, err = rpmHeader(r, lead); err != nil {
		return p, err
	}
	if p.header, end, err = rpmHeader(r, (end+7)&^7); err != nil {
		return p, err
	}
	p.payload = io.NewSectionReader(r, end, r.Size()-end)
	return p, nil
}

const (
	maxTags  = 16 << 10
	maxStore = 64 << 20
)

// rpmHeader reads the header at an offset, and gives where it ends.
func rpmHeader(r *io.SectionReader, off int64) ([]rpmTag, int64, error) {
	const intro, index = 16, 16
	h := make([]byte, intro)
	if n, _ := r.ReadAt(h, off); n < intro || !bytes.Equal(h[:3], []byte{0x8e, 0xad, 0xe8}) {
		return nil, 0, errFormat
	}
	count, size := int64(binary.BigEndian.Uint32(h[8:])), int64(binary.BigEndian.Uint32(h[12:]))
	if count > maxTags || size > maxStore || off+intro+count*index+size > r.Size() {
		return nil, 0, errFormat
	}
	buf := make([]byte, count*index+size)
	if n, _ := r.ReadAt(buf, off+intro); n < len(buf) {
		return nil, 0, errFormat
	}
	store := buf[count*index:]
	out := make([]rpmTag, 0, count)
	for i := range count {
		e := buf[i*index:]
		t := rpmTag{tag: binary.BigEndian.Uint32(e)}
		at, n := binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		if int64(at) > size {
			return nil, 0, errFormat
		}
		var ok bool
		if t.values, ok = rpmValues(store[at:], binary.BigEndian.Uint32(e[4:]), n); !ok {
			return nil, 0, errFormat
		}
		out = append(out, t)
	}
	return out, off + intro + int64(len(buf)), nil
}

// rpmValues reads the values of a type: numbers, texts, or bytes as hex.
func rpmValues(data []byte, kind, n uint32) ([]string, bool) {
	width := map[uint32]int64{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind]
	if int64(n)*max(width, 1) > int64(len(data)) {
		return nil, false
	}
	switch kind {
	case 0:
		return nil, true
	case 7:
		return []string{fmt.Sprintf("%x", data[:n])}, true
	case 6, 8, 9:
		var out []string
		for range n {
			text, rest, found := bytes.Cut(data, []byte{0})
			if !found {
				return nil, false
			}
			out, data = append(out, printable(text)), rest
		}
		return out, true
	}
	if width == 0 {
		return nil, false
	}
	out := make([]string, 0, n)
	for i := range int64(n) {
		v := uint64(0)
		for _, c := range data[i*width : (i+1)*width] {
			v = v<<8 | uint64(c)
		}
		out = append(out, strconv.FormatUint(v, 10))
	}
	return out, true
}

// tags compares two headers tag by tag.
func (d *differ) tags(at []string, a, b []rpmTag, names map[uint32]string) {
	of := func(t uint32) func(rpmTag) bool { return func(o rpmTag) bool { return o.tag == t } }
	title := func(t uint32) string {
		if n := names[t]; n != "" {
			return n
		}
		return "tag " + strconv.FormatUint(uint64(t), 10)
	}
	for _, t := range a {
		i := slices.IndexFunc(b, of(t.tag))
		if i < 0 {
			d.tell(at, title(t.tag), cut(strings.Join(t.values, " ")), "")
			continue
		}
		d.tagValues(at, title(t.tag), t.values, b[i].values)
	}
	for _, t := range b {
		if !slices.ContainsFunc(a, of(t.tag)) {
			d.tell(at, title(t.tag), "", cut(strings.Join(t.values, " ")))
		}
	}
}

func (d *differ) tagValues(at []string, title string, a, b []string) {
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x == y {
			continue
		}
		if len(a) > 1 || len(b) > 1 {
			title = fmt.Sprintf("%s[%d]", title, i)
		}
		d.tell(at, title, cut(x), cut(y))
		return
	}
}

// signatureTags and headerTags are the names of the tags that are met most.
var (
	signatureTags = map[uint32]string{
		62: "HEADERSIGNATURES", 267: "DSA", 268: "RSA", 269: "SHA1", 273: "SHA256",
		1000: "SIZE", 1002: "PGP", 1004: "MD5", 1005: "GPG", 1007: "PAYLOADSIZE", 1008: "RESERVEDSPACE",
	}
	headerTags = map[uint32]string{
		63: "HEADERIMMUTABLE", 100: "HEADERI18NTABLE", 1000: "NAME", 1001: "VERSION", 1002: "RELEASE", 1003: "EPOCH",
		1004: "SUMMARY", 1005: "DESCRIPTION", 1006: "BUILDTIME", 1007: "BUILDHOST", 1009: "SIZE", 1011: "VENDOR",
		1014: "LICENSE", 1015: "PACKAGER", 1016: "GROUP", 1020: "URL", 1021: "OS", 1022: "ARCH",
		1023: "PREIN", 1024: "POSTIN", 1025: "PREUN", 1026: "POSTUN", 1028: "FILESIZES", 1030: "FILEMODES",
		1033: "FILERDEVS", 1034: "FILEMTIMES", 1035: "FILEDIGESTS", 1036: "FILELINKTOS", 1037: "FILEFLAGS",
		1039: "FILEUSERNAME", 1040: "FILEGROUPNAME", 1044: "SOURCERPM", 1047: "PROVIDENAME", 1049: "REQUIRENAME",
		1064: "RPMVERSION", 1080: "CHANGELOGTIME", 1081: "CHANGELOGNAME", 1082: "CHANGELOGTEXT",
		1095: "FILEDEVICES", 1096: "FILEINODES", 1097: "FILELANGS", 1116: "DIRINDEXES", 1117: "BASENAMES", 1118: "DIRNAMES",
		1124: "PAYLOADFORMAT", 1125: "PAYLOADCOMPRESSOR", 1126: "PAYLOADFLAGS",
		5011: "FILEDIGESTALGO", 5092: "PAYLOADDIGEST", 5093: "PAYLOADDIGESTALGO", 5097: "PAYLOADDIGESTALT",
	}
)

func unix(t int64) string { return time.Unix(t, 0).UTC().Format(time.RFC3339) }
