package filediff

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// spool unpacks what read gives into the scratch directory. The caller frees
// it. A fault of what is read is errFormat, one of the directory is an error.
func (d *differ) spool(read io.Reader) (out *io.SectionReader, free func(), err error) {
	f, err := os.CreateTemp(d.o.Scratch, "filediff-*")
	if err != nil {
		return nil, nil, fmt.Errorf("unpacking: %w", err)
	}
	var size int64
	free = func() {
		d.unpacked -= size
		_ = f.Close() // it has no name any more
	}
	if err := os.Remove(f.Name()); err != nil { // open, it lives on without a name
		free()
		return nil, nil, fmt.Errorf("unpacking: %w", err)
	}
	buf := make([]byte, block)
	for {
		n, rerr := read.Read(buf)
		size += int64(n)
		d.unpacked += int64(n)
		if _, err := f.Write(buf[:n]); err != nil {
			free()
			return nil, nil, fmt.Errorf("unpacking: %w", err)
		}
		if err := d.ctx.Err(); err != nil {
			free()
			return nil, nil, err
		}
		switch {
		case errors.Is(rerr, io.EOF):
			return io.NewSectionReader(f, 0, size), free, nil
		case rerr != nil || d.unpacked > d.o.MaxUnpacked:
			free()
			return nil, nil, errFormat
		}
	}
}

// member is one stream of a gzip file (RFC 1952); an apk has two or three.
type member struct {
	extra   byte // XFL: what the compressor says of its level
	header  gzip.Header
	content *io.SectionReader
}

// maxMembers is how many streams of a gzip file are looked at.
const maxMembers = 16

// members unpacks the streams one by one.
func (d *differ) members(r *io.SectionReader) (out []member, free func(), err error) {
	var frees []func()
	free = func() {
		for _, f := range frees {
			f()
		}
	}
	own := io.NewSectionReader(r, 0, r.Size())
	br := bufio.NewReaderSize(own, block)
	z := new(gzip.Reader)
	for {
		if _, err := br.Peek(1); errors.Is(err, io.EOF) {
			return out, free, nil
		}
		if len(out) == maxMembers {
			free()
			return nil, nil, errFormat
		}
		start, err := br.Peek(10)
		if err != nil {
			free()
			return nil, nil, errFormat
		}
		m := member{extra: start[8]}
		if err := z.Reset(br); err != nil {
			free()
			return nil, nil, errFormat
		}
		z.Multistream(false)
		var done func()
		if m.content, done, err = d.spool(z); err != nil {
			free()
			return nil, nil, err
		}
		frees = append(frees, done)
		m.header = z.Header
		out = append(out, m)
	}
}

func (d *differ) gzip(at []string, a, b *io.SectionReader, depth int) error {
	x, free, err := d.members(a)
	if err != nil {
		return err
	}
	defer free()
	y, free, err := d.members(b)
	if err != nil {
		return err
	}
	defer free()
	told := len(d.Differences) + d.More
	// The signature of an apk is a stream before all others.
	if x, y, err = d.signatures(at, x, y, depth); err != nil {
		return err
	}
	if len(x) != len(y) {
		d.tell(at, "gzip streams", strconv.Itoa(len(x)), strconv.Itoa(len(y)))
	}
	for i := range min(len(x), len(y)) {
		way := at
		if len(x) > 1 || len(y) > 1 {
			way = into(at, fmt.Sprintf("stream %d", i+1))
		}
		if err := d.stream(way, x[i], y[i], depth); err != nil {
			return err
		}
	}
	if len(d.Differences)+d.More == told {
		d.compression(at, "gzip", a, b)
	}
	return nil
}

// compression tells that the same content was compressed in two ways: another
// compressor, version or level.
func (d *differ) compression(at []string, how string, a, b *io.SectionReader) {
	d.tell(at, how+" compression of the same content", size(a), size(b))
}

// signatures takes the streams away that hold an apk's signature.
func (d *differ) signatures(at []string, x, y []member, depth int) (a, b []member, err error) {
	var signed [2]*member
	for i, list := range []*[]member{&x, &y} {
		if len(*list) > 1 && signs((*list)[0].content) {
			signed[i] = &(*list)[0]
			*list = (*list)[1:]
		}
	}
	d.signature++
	defer func() { d.signature-- }()
	switch p, q := signed[0], signed[1]; {
	case p != nil && q != nil:
		err = d.stream(into(at, "signature"), *p, *q, depth)
	case p != nil:
		d.tell(at, "signature", "signed", "")
	case q != nil:
		d.tell(at, "signature", "", "signed")
	}
	return x, y, err
}

func (d *differ) stream(at []string, a, b member, depth int) error {
	for _, f := range [][3]string{
		{"gzip mtime", when(a.header.ModTime), when(b.header.ModTime)},
		{"gzip name", a.header.Name, b.header.Name},
		{"gzip comment", a.header.Comment, b.header.Comment},
		{"gzip system", strconv.Itoa(int(a.header.OS)), strconv.Itoa(int(b.header.OS))},
		{"gzip flag of the level", strconv.Itoa(int(a.extra)), strconv.Itoa(int(b.extra))},
		{"gzip extra field", fmt.Sprintf("%x", a.header.Extra), fmt.Sprintf("%x", b.header.Extra)},
	} {
		d.field(at, f[0], cut(f[1]), cut(f[2]))
	}
	return d.diff(at, a.content, b.content, depth)
}

// when shows a time; the zero time is none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// maxWindow is the largest window of a zstd frame that is unpacked: it is held
// in memory.
const maxWindow = 128 << 20

func (d *differ) zstd(at []string, a, b *io.SectionReader, depth int) error {
	var parts [2]*io.SectionReader
	for i, r := range []*io.SectionReader{a, b} {
		z, err := zstd.NewReader(io.NewSectionReader(r, 0, r.Size()), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return errFormat
		}
		part, free, err := d.spool(z)
		z.Close()
		if err != nil {
			return err
		}
		defer free()
		parts[i] = part
	}
	off, err := d.firstDifference(parts[0], parts[1])
	if err != nil {
		return err
	}
	if off >= 0 {
		return d.diff(at, parts[0], parts[1], depth)
	}
	d.compression(at, "zstd", a, b)
	return nil
}

func size(r *io.SectionReader) string { return fmt.Sprintf("%d bytes", r.Size()) }
