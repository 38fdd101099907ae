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
	switch m.kind {
	case dumpPart:
		err = copyDump(s, p)
	default:
		a := newArchive(limits, p, false)
		err = a.read(s, nil)
		part.Entries = a.entries
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

// copyDump checks a dump. How it ends is judged only where it was read to its
// end.
func copyDump(r io.Reader, p *problems) error {
	d := newDump(p)
	if _, err := io.Copy(d, r); err != nil {
		return err
	}
	d.finish()
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
