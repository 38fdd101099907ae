package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/klauspost/compress/gzip"
)

// fault says what is wrong with content that could be read well.
type fault string

func (f fault) Error() string { return string(f) }

// openRegular opens a file of a bundle for reading. What is no regular file is
// a fault, and is not waited for.
func openRegular(root *os.Root, name string) (*os.File, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fault("is " + typeName(before.Mode()) + ", expected a regular file")
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fault("was replaced while it was opened: keep others from changing the bundle")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func typeName(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a regular file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a device"
}

// stream unpacks a compressed part, and hashes the file in the same pass.
type stream struct {
	ctx    context.Context // a reader has no other place for it
	packed *hashed
	raw    *bufio.Reader
	zip    *gzip.Reader
	limits Limits
	// plain is how much was unpacked; total is that of all the parts together.
	plain int64
	total *atomic.Int64
	// err is what ended the unpacking: io.EOF, a fault, or a failure to read.
	err error
}

// hashed is a file that is being read.
type hashed struct {
	file *os.File
	sum  hash.Hash
	n    int64
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.file.Read(p)
	h.sum.Write(p[:n])
	h.n += int64(n)
	return n, err
}

// openStream opens a part. [stream.finish] has to follow.
func openStream(ctx context.Context, root *os.Root, name string, limits Limits, total *atomic.Int64) (*stream, error) {
	f, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	s := &stream{ctx: ctx, packed: &hashed{file: f, sum: sha256.New()}, limits: limits, total: total}
	s.raw = bufio.NewReaderSize(s.packed, 1<<16)
	if s.zip, err = gzip.NewReader(s.raw); err != nil {
		s.err = explain(err)
		return s, nil
	}
	s.zip.Multistream(false)
	return s, nil
}

// explain turns what the decompressor says into a fault. Failures to read stay
// what they are.
func explain(err error) error {
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault("its gzip stream ends too early: the file was cut off")
	case errors.Is(err, gzip.ErrHeader):
		return fault("is not compressed with gzip")
	}
	return fault(fmt.Sprintf("its gzip stream is damaged (%v)", err))
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.zip.Read(p)
	s.plain += int64(n)
	total := s.total.Add(int64(n))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		s.err = explain(err)
	case total > s.limits.Expanded:
		s.err = fault(fmt.Sprintf("makes the bundle larger than %d bytes when unpacked, which is the limit", s.limits.Expanded))
	case s.plain > ratioFloor && s.plain/s.limits.Ratio > s.packed.n:
		s.err = fault(fmt.Sprintf("unpacks to more than %d times its size, which is the limit: expected data, found a bomb", s.limits.Ratio))
	default:
		s.err = err
	}
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return 0, s.err
	}
	return n, s.err
}

// finish reads the file to its end, closes it, and gives its checksum. A fault
// of the compression goes into p; the error is a failure to read.
func (s *stream) finish(p *problems) (sum string, err error) {
	rest, err := io.Copy(io.Discard, &interruptible{s.ctx, s.raw})
	err = errors.Join(err, s.packed.file.Close())
	var f fault
	switch {
	case errors.As(s.err, &f):
		p.add("%s", string(f))
	case errors.Is(s.err, io.EOF) && rest > 0:
		p.add("%d bytes follow the end of its gzip stream, expected none", rest)
	case s.err != nil && !errors.Is(s.err, io.EOF):
		err = errors.Join(s.err, err)
	}
	return hex.EncodeToString(s.packed.sum.Sum(nil)), err
}

// interruptible is a reader that stops with its context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
