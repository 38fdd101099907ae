// Package filediff says which bytes of two files differ and where: the section
// of an ELF file, the entry of an archive and the field of its header, the path
// in a JSON document, the line of a text. It goes into what it knows: tar, gzip,
// zstd, ar (deb), rpm, cpio, apk and Arch packages, and all of these in each
// other.
//
// What it reads comes from outside. It never panics and never fails for what it
// reads: where a file is not what it looks like, its bytes are compared as they
// are. Memory does not grow with the files; what has to be unpacked lies in a
// directory for it and is bounded.
package filediff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Difference is one place in which two files differ.
type Difference struct {
	// At is the way into the file, from the outside to the inside:
	// "data.tar.gz", "./usr/bin/tinyd". Empty for the file itself.
	At []string `json:"at,omitempty"`
	// What differs there: a header's field ("mtime"), "section .rodata at 0x1f",
	// a JSON path (".config.User"), "line 3", "byte 0x1f", "entry".
	What string `json:"what"`
	// A and B are the two values; "" where one side has none.
	A string `json:"a"`
	B string `json:"b"`
	// Signature tells that this lies in a part that holds nothing but the
	// package's signature.
	Signature bool `json:"signature,omitempty"`
}

func (d Difference) String() string {
	return fmt.Sprintf("%s is %s here and %s there", d.Where(), Shown(d.A), Shown(d.B))
}

// Where gives the way and what differs at its end.
func (d Difference) Where() string {
	return strings.Join(append(append([]string{}, d.At...), d.What), " → ")
}

// Shown gives a value for people, who want to see that there is none.
func Shown(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

// Options bound a comparison.
type Options struct {
	// Scratch is a directory for what is unpacked, which may be large; nothing
	// stays in it. "" is the system's directory for temporary files.
	Scratch string
	// Most is how many differences are told (default 20), the others are
	// counted.
	Most int
	// MaxUnpacked bounds, in bytes, what is unpacked at a time (default 8 GiB).
	// What is larger is compared as it is packed.
	MaxUnpacked int64
}

// Result is what came of a comparison.
type Result struct {
	Differences []Difference `json:"differences,omitempty"`
	// More counts the differences that were found and are not told.
	More int `json:"more,omitempty"`
}

// Same tells whether no difference was found.
func (r Result) Same() bool { return len(r.Differences) == 0 }

// SignatureAlone tells whether the two differ, and only in their signatures.
func (r Result) SignatureAlone() bool {
	for _, d := range r.Differences {
		if !d.Signature {
			return false
		}
	}
	return len(r.Differences) > 0 && r.More == 0
}

const (
	defaultMost     = 20
	defaultUnpacked = 8 << 30
	// maxDepth is how many formats may lie in each other.
	maxDepth = 8
	// maxEntries is how many entries of one archive are looked at.
	maxEntries = 200_000
)

// Compare gives the differences of two files. The error is for what stops the
// comparison itself: reading, or the scratch directory.
func Compare(ctx context.Context, a, b *io.SectionReader, o Options) (Result, error) {
	if o.Most <= 0 {
		o.Most = defaultMost
	}
	if o.MaxUnpacked <= 0 {
		o.MaxUnpacked = defaultUnpacked
	}
	d := &differ{ctx: ctx, o: o}
	err := d.diff(nil, a, b, 0)
	return d.Result, err
}

// Files is [Compare] for two files by their paths.
func Files(ctx context.Context, a, b string, o Options) (Result, error) {
	var parts [2]*io.SectionReader
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			return Result{}, err
		}
		defer f.Close() //nolint:errcheck // only read
		info, err := f.Stat()
		if err != nil {
			return Result{}, err
		}
		parts[i] = io.NewSectionReader(f, 0, info.Size())
	}
	return Compare(ctx, parts[0], parts[1], o)
}

type differ struct {
	Result
	ctx context.Context
	o   Options
	// unpacked are the bytes in the scratch directory now.
	unpacked int64
	// signature counts the parts being compared that hold a signature alone.
	signature int
}

// errFormat says that a file is not what it looked like, or is so large that it
// is better compared as it is.
var errFormat = errors.New("not of this format")

func (d *differ) tell(at []string, what, a, b string) {
	if len(d.Differences) >= d.o.Most {
		d.More++
		return
	}
	d.Differences = append(d.Differences, Difference{
		At: append([]string{}, at...), What: what, A: a, B: b, Signature: d.signature > 0,
	})
}

// field tells a difference of two values, where there is one.
func (d *differ) field(at []string, what, a, b string) {
	if a != b {
		d.tell(at, what, a, b)
	}
}

// full tells whether looking further would only count.
func (d *differ) full() bool { return len(d.Differences) >= d.o.Most && d.More > 1000 }

// into is a way one step further.
func into(at []string, name string) []string {
	return append(append(make([]string, 0, len(at)+1), at...), name)
}

// diff compares two parts by what they are. What two equal headers and entries
// do not explain is told as bytes.
func (d *differ) diff(at []string, a, b *io.SectionReader, depth int) error {
	off, err := d.firstDifference(a, b)
	if err != nil || off < 0 || d.full() {
		return err
	}
	kind, how := kindOf(a)
	if other, _ := kindOf(b); how == nil || kind != other || depth >= maxDepth {
		return d.raw(at, a, b, off)
	}
	told := len(d.Differences) + d.More
	err = how(d, at, a, b, depth+1)
	if errors.Is(err, errFormat) {
		err = nil
	}
	if err != nil || len(d.Differences)+d.More > told {
		return err
	}
	return d.raw(at, a, b, off)
}

// raw compares texts by lines and everything else by bytes.
func (d *differ) raw(at []string, a, b *io.SectionReader, off int64) error {
	if isText(a) && isText(b) {
		return d.line(at, a, b, off)
	}
	return d.bytesAt(at, "byte", a, b, off)
}

// format compares two parts of one format. It gives errFormat where they are
// not of it.
type format func(d *differ, at []string, a, b *io.SectionReader, depth int) error

func head(r *io.SectionReader, n int) []byte {
	buf := make([]byte, n)
	got, _ := r.ReadAt(buf, 0) // what cannot be read is told elsewhere
	return buf[:got]
}

// kindOf tells a part's format by how it begins.
func kindOf(r *io.SectionReader) (string, format) {
	const tarMagic = 257
	h := head(r, 512)
	starts := func(magic string) bool { return bytes.HasPrefix(h, []byte(magic)) }
	switch t := bytes.TrimLeft(h, " \t\r\n"); {
	case starts("\x7fELF"):
		return "elf", (*differ).elf
	case starts("\x1f\x8b\x08"):
		return "gzip", (*differ).gzip
	case starts("\x28\xb5\x2f\xfd"):
		return "zstd", (*differ).zstd
	case starts("!<arch>\n"):
		return "ar", archive(arEntries)
	case starts("\xed\xab\xee\xdb"):
		return "rpm", (*differ).rpm
	case starts("07070"):
		return "cpio", archive(cpioEntries)
	case len(h) > tarMagic && bytes.HasPrefix(h[tarMagic:], []byte("ustar")):
		return "tar", archive(tarEntries)
	case len(t) > 0 && (t[0] == '{' || t[0] == '['):
		return "json", (*differ).json
	}
	return "", nil
}

func isText(r *io.SectionReader) bool {
	h := head(r, 8<<10)
	if bytes.IndexByte(h, 0) >= 0 {
		return false
	}
	for cut := 0; cut < utf8.UTFMax && cut <= len(h); cut++ { // the last rune may be cut off
		if utf8.Valid(h[:len(h)-cut]) {
			return true
		}
	}
	return false
}
