package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// wanted gives the checksum that SHA256SUMS has for a part of one of the kinds.
func wanted(root *os.Root, name string, kinds ...kind) (string, *RefusedError, error) {
	if m, ok := find(name); !ok || !slices.Contains(kinds, m.kind) {
		return "", nil, fmt.Errorf("%q is no part of a backup bundle that can be read so", name)
	}
	refuse := func(file, text string) (string, *RefusedError, error) {
		return "", &RefusedError{root.Name(), Problem{File: file, Text: text}}, nil
	}
	content, _, err := readText(root, SumsName)
	var f fault
	switch {
	case errors.As(err, &f):
		return refuse(SumsName, string(f))
	case errors.Is(err, fs.ErrNotExist):
		return refuse(".", SumsName+" is missing")
	case err != nil:
		return "", nil, err
	}
	sums, found := ParseSums([]byte(content))
	if len(found) > 0 {
		return "", &RefusedError{root.Name(), found[0]}, nil
	}
	sum, ok := sums[name]
	if !ok {
		return refuse(SumsName, "does not list "+name)
	}
	return sum, nil, nil
}

// open opens a part for a restore.
func open(ctx context.Context, dir, name string, limits Limits, kinds ...kind) (*part, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the backup bundle: %w", err)
	}
	defer root.Close() //nolint:errcheck // only read
	sum, refused, err := wanted(root, name, kinds...)
	if err == nil && refused != nil {
		err = refused
	}
	if err != nil {
		return nil, err
	}
	p := &problems{file: name}
	s, err := openStream(ctx, root, name, limits.filled(), new(atomic.Int64))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fault("is missing")
		}
		if err := known(err, p); err != nil {
			return nil, err
		}
		return nil, p.refused(dir)
	}
	return &part{stream: s, dir: dir, sum: sum, p: p}, nil
}

// part is a part that is being restored.
type part struct {
	stream *stream
	dir    string
	sum    string
	p      *problems
}

// finish reads the part to its end and compares its checksum.
func (r *part) finish() error {
	sum, err := r.stream.finish(r.p)
	if err == nil && sum != r.sum {
		r.p.add("%s", mismatch(sum, r.sum))
	}
	if refused := r.p.refused(r.dir); refused != nil {
		return refused
	}
	return err
}

// OpenDatabase streams a database, [Postgres], [SQLite] or [ChatPostgres], and
// checks it on the way as [Verify] does. Instead of the end there is a [*RefusedError] where
// something was wrong, the checksum included: the database has to be thrown
// away then. What holds a command to psql is not handed out.
func OpenDatabase(ctx context.Context, dir, name string, limits Limits) (io.ReadCloser, error) {
	r, err := open(ctx, dir, name, limits, dumpPart, filePart)
	if err != nil {
		return nil, err
	}
	m, _ := find(name) // open found it
	return &databaseReader{part: r, checker: newChecker(m.kind, r.p)}, nil
}

type databaseReader struct {
	part    *part
	checker checker
	err     error // what ended the reading
	done    bool  // the file is closed
}

func (r *databaseReader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.part.stream.Read(b)
	r.checker.Write(b[:n]) //nolint:errcheck // never fails
	if errors.Is(err, io.EOF) {
		r.checker.finish()
	}
	if err == nil && len(r.part.p.list) == 0 {
		return n, nil
	}
	r.done = true
	if r.err = r.part.finish(); r.err == nil {
		r.err = io.EOF
	}
	if errors.Is(r.err, io.EOF) {
		return n, nil
	}
	return 0, r.err
}

// Close ends the reading at any time.
func (r *databaseReader) Close() error {
	if r.done {
		return nil
	}
	r.err, r.done = fs.ErrClosed, true
	return r.part.stream.packed.file.Close()
}

// CopyVolume writes an archive, [Volume], [ChatVolume] or [Config], as a tar
// stream that is made anew from checked entries: names, content, times, owners'
// numbers and permissions, and nothing else. With a [*RefusedError] the stream
// has no end marker, and what was made of it has to be thrown away.
func CopyVolume(ctx context.Context, dir, name string, limits Limits, w io.Writer) error {
	return read(ctx, dir, name, limits, func(a *archive, r io.Reader) error { return a.rewrite(r, w, nil) })
}

// ExtractVolume unpacks an archive into a directory, which has to be empty or
// is made. Nothing is written outside of it. Files belong to the caller, and
// the caller can read and write all of them. After an error the directory has
// to be thrown away.
func ExtractVolume(ctx context.Context, dir, name string, limits Limits, into string) error {
	if err := os.Mkdir(into, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the directory for %s: %w", name, err)
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return fmt.Errorf("opening the directory for %s: %w", name, err)
	}
	defer root.Close() //nolint:errcheck // every file was closed
	old, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("reading the directory for %s: %w", name, err)
	}
	if len(old) > 0 {
		return fmt.Errorf("%s is not empty (it has %q): name an empty directory for %s", into, old[0].Name(), name)
	}
	return read(ctx, dir, name, limits, func(a *archive, r io.Reader) error {
		return a.read(r, func(h *tar.Header, content io.Reader) error { return extract(root, h, content) })
	})
}

// read has use read an archive while all is well with it, and fails at the
// first problem, at the latest at the end of the file.
func read(ctx context.Context, dir, name string, limits Limits, use func(*archive, io.Reader) error) error {
	r, err := open(ctx, dir, name, limits, archivePart)
	if err != nil {
		return err
	}
	err = use(newArchive(limits.filled(), r.p, true), r.stream)
	finished := r.finish()
	var f fault
	if err == nil || errors.As(err, &f) || errors.Is(err, errStop) {
		return finished
	}
	// What finish says may follow from it.
	return fmt.Errorf("unpacking %s: %w", name, err)
}

func extract(root *os.Root, h *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	mode := fs.FileMode(h.Mode & 0o777)
	if name == "." {
		return nil // The directory is the caller's.
	}
	if h.Typeflag == tar.TypeDir {
		if err := root.MkdirAll(name, mode|0o700); err != nil {
			return err
		}
		return root.Chmod(name, mode|0o700) // It may have been made for a file in it.
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		if err := root.MkdirAll(name[:i], 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Chmod(mode|0o600), f.Close()); err != nil {
		return err
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}
