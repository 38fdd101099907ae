package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// checkPart reads a compressed part once: its checksum, its compression, and
// what is in it.
func checkPart(ctx context.Context, root *os.Root, m member, limits Limits, total *atomic.Int64, p *problems) (Part, error) {
	s, err := openStream(ctx, root, m.name, limits, total)
	if err != nil {
		return Part{}, known(err, p)
	}
	part := Part{Name: m.name}
	if m.kind == archivePart {
		a := newArchive(limits, p, false)
		err = a.read(s, nil)
		part.Entries = a.entries
	} else {
		err = check(s, newChecker(m.kind, p))
	}
	part.Expanded = s.plain
	sum, closing := s.finish(p)
	part.SHA256, part.Size = sum, s.packed.n
	var f fault
	if errors.As(err, &f) || errors.Is(err, errStop) {
		err = nil // Told by finish, or told already.
	}
	return part, errors.Join(err, closing)
}

// checker checks a database that is written to it. Its Write never fails: what
// is wrong is a problem before it returns.
type checker interface {
	io.Writer
	// finish looks at how the database ended.
	finish()
}

func newChecker(k kind, p *problems) checker {
	if k == filePart {
		return &file{p: p}
	}
	return newDump(p)
}

// check checks a database. How it ends is judged only where it was read to its
// end.
func check(r io.Reader, c checker) error {
	if _, err := io.Copy(c, r); err != nil {
		return err
	}
	c.finish()
	return nil
}

// known takes a fault for a problem. Other errors are given back.
func known(err error, p *problems) error {
	var f fault
	if errors.As(err, &f) {
		p.add("%s", string(f))
		return nil
	}
	return err
}
