package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// archive checks the entries of a tar stream.
type archive struct {
	limits Limits
	p      *problems
	// strict ends the reading at the first problem.
	strict  bool
	entries int
	// seen has the names so far by their hash.
	seed maphash.Seed
	seen map[uint64]place
}

func newArchive(limits Limits, p *problems, strict bool) *archive {
	return &archive{limits: limits, p: p, strict: strict, seed: maphash.MakeSeed(), seen: map[uint64]place{}}
}

// errStop ends the reading of an archive that has a problem.
var errStop = errors.New("the archive is refused")

// read checks a tar stream to its end and beyond: all of r is read unless an
// error ends it. Entries without a problem are given to emit, where there is
// one, with a header that has nothing in it but what was checked. An error is
// one of r or of emit, or errStop; faults of the archive go into p.
func (a *archive) read(r io.Reader, emit func(*tar.Header, io.Reader) error) error {
	source := &ending{r: r}
	reader := tar.NewReader(source)
	for {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return a.end(source)
		}
		if err != nil {
			return a.broken(source, err)
		}
		clean, problem := a.check(h)
		if problem != "" {
			a.p.add("entry %s %s", short(h.Name), problem)
		}
		if max(a.entries+1, len(a.seen)) > a.limits.Entries {
			a.p.add("has more than %d entries and directories, which is the limit", a.limits.Entries)
			return errStop
		}
		a.entries++
		if problem == "" && emit != nil {
			if err := emit(clean, reader); err != nil {
				return a.broken(source, err)
			}
		}
		if a.strict && len(a.p.list) > 0 {
			return errStop
		}
	}
}

// broken sorts an error out: those of the source and of emit are given back,
// what is left is the archive's.
func (a *archive) broken(source *ending, err error) error {
	switch {
	case source.err != nil && !errors.Is(source.err, io.EOF):
		return source.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		a.p.add("its tar stream ends inside of an entry: the archive was cut off")
	case errors.Is(err, tar.ErrHeader):
		a.p.add("its tar stream has a broken header after %d entries", a.entries)
	case strings.HasPrefix(err.Error(), "archive/tar: "):
		a.p.add("its tar stream is broken (%v)", err)
	default:
		return err
	}
	return errStop
}

// end looks at what follows the last entry: two blocks of zeros, and zeros up
// to the end.
func (a *archive) end(source *ending) error {
	if errors.Is(source.err, io.EOF) {
		a.p.add("its tar stream has no end marker: the archive was cut off after %d entries", a.entries)
		return nil
	}
	buf, told := make([]byte, 1<<15), false
	for {
		n, err := source.Read(buf)
		if !told && len(bytes.TrimRight(buf[:n], "\x00")) > 0 {
			told = true
			a.p.add("data follows the end marker of its tar stream, expected zeros alone")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ending remembers how a reader ended.
type ending struct {
	r   io.Reader
	err error
}

func (e *ending) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.r.Read(p)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil // The next call meets it again.
	}
	e.err = err
	return n, err
}

// check gives the header of an entry as it may be used, or what is wrong with
// it.
func (a *archive) check(h *tar.Header) (*tar.Header, string) {
	dir := h.Typeflag == tar.TypeDir
	if problem := typeProblem(h); problem != "" {
		return nil, problem
	}
	name, problem := a.name(h.Name, dir)
	if problem != "" {
		return nil, problem
	}
	if h.Size > a.limits.Entry {
		return nil, "is larger than the limit for one file"
	}
	if dir && h.Size != 0 {
		return nil, "is a directory with content"
	}
	if problem := a.place(name, dir); problem != "" {
		return nil, problem
	}
	clean := &tar.Header{
		Typeflag: h.Typeflag, Name: name, Size: h.Size, Mode: h.Mode & 0o777, ModTime: h.ModTime, Uid: h.Uid, Gid: h.Gid,
	}
	if dir {
		clean.Name += "/"
	}
	return clean, ""
}

func typeProblem(h *tar.Header) string {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "is sparse: its size in the archive says nothing of its size on disk"
		}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
		return ""
	case tar.TypeLink:
		return "is a hard link to " + short(h.Linkname) + ": only files and directories are taken"
	case tar.TypeSymlink:
		return "is a symbolic link to " + short(h.Linkname) + ": only files and directories are taken"
	case tar.TypeChar, tar.TypeBlock:
		return "is a device: only files and directories are taken"
	case tar.TypeFifo:
		return "is a named pipe: only files and directories are taken"
	case tar.TypeGNUSparse:
		return "is sparse: its size in the archive says nothing of its size on disk"
	}
	return "is of the type " + short(string(rune(h.Typeflag))) + ": only files and directories are taken"
}

// name gives an entry's name without "./" before and "/" after it; "." is the
// archive's root.
func (a *archive) name(name string, dir bool) (clean, problem string) {
	if len(name) > a.limits.Name {
		return "", "has a name that is longer than the limit"
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", "has a name with bytes that are no text"
	}
	if strings.HasPrefix(name, "/") {
		return "", "has an absolute name"
	}
	if strings.Contains(name, `\`) || len(name) > 1 && name[1] == ':' && unicode.IsLetter(rune(name[0])) {
		return "", "has a name that Windows reads as a path of its own"
	}
	clean = strings.TrimPrefix(name, "./")
	if dir {
		clean = strings.TrimSuffix(clean, "/")
	}
	if dir && (clean == "" || clean == ".") && name != "" {
		return ".", ""
	}
	elements := strings.Split(clean, "/")
	if len(elements) > a.limits.Depth {
		return "", "lies deeper than the limit"
	}
	for _, e := range elements {
		switch {
		case e == "..":
			return "", `has ".." in its name`
		case e == "" || e == ".":
			return "", "has a name with an empty element"
		case len(e) > 255:
			return "", "has a name with an element of more than 255 bytes"
		}
	}
	return clean, ""
}

// place takes a name, once, and holds that nothing lies below a file. A
// directory may follow what lies in it.
func (a *archive) place(name string, dir bool) string {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		key := maphash.String(a.seed, name[:i])
		switch a.seen[key] {
		case aFile:
			return "lies below " + short(name[:i]) + ", which is a file"
		case nothing:
			a.seen[key] = impliedDir
		}
	}
	key := maphash.String(a.seed, name)
	switch old := a.seen[key]; {
	case old == nothing, old == impliedDir && dir:
	case old == impliedDir:
		return "is a file, and others lie below it"
	default:
		return "stands there a second time"
	}
	a.seen[key] = aFile
	if dir {
		a.seen[key] = aDir
	}
	return ""
}

// place is what is known of a name.
type place byte

const (
	nothing place = iota
	impliedDir
	aDir
	aFile
)

// rewrite makes a tar stream from the checked entries of another. Each entry's
// content goes through a filter, where there is one.
func (a *archive) rewrite(r io.Reader, w io.Writer, filter func(name string, content io.Reader) (io.Reader, error)) error {
	out := tar.NewWriter(w)
	err := a.read(r, func(h *tar.Header, content io.Reader) error {
		if filter != nil {
			filtered, err := filter(h.Name, content)
			if err != nil {
				return err
			}
			content = filtered
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(out, content)
		return err
	})
	if err != nil || len(a.p.list) > 0 {
		return err
	}
	return out.Close()
}
