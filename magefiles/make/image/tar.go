package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// entry is one file or directory of a layer.
type entry struct {
	// name is the path in the image without a leading slash; a directory's ends
	// in one.
	name     string
	mode     int64
	uid, gid int
	// A file has content, or a path on this machine and its size.
	content []byte
	path    string
	size    int64
}

func file(name string, content []byte) entry {
	return entry{name: inImage(name), mode: 0o644, content: content, size: int64(len(content))}
}

func directory(name string) entry { return entry{name: inImage(name) + "/", mode: 0o755} }

func inImage(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }

// tree knows which directories the image has so far, so that each is made
// once, by the first layer that needs it.
type tree struct {
	made map[string]bool
	// parents is false on a base image: there a directory on the way may be a
	// symbolic link, or have an owner of its own. What is missing is made by
	// whoever unpacks the layer.
	parents bool
}

func newTree(parents bool) *tree { return &tree{map[string]bool{}, parents} }

func (t *tree) clone() *tree { return &tree{maps.Clone(t.made), t.parents} }

// layer sorts the entries and adds the directories above them.
func (t *tree) layer(entries []entry) []entry {
	for _, e := range entries {
		if strings.HasSuffix(e.name, "/") {
			t.made[e.name] = true
		}
	}
	out := slices.Clone(entries)
	for _, e := range entries {
		for dir := path.Dir(strings.TrimSuffix(e.name, "/")); t.parents && dir != "."; dir = path.Dir(dir) {
			if !t.made[dir+"/"] {
				t.made[dir+"/"] = true
				out = append(out, directory(dir))
			}
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return slices.CompactFunc(out, func(a, b entry) bool { return a.name == b.name })
}

// tarOf writes the entries as a tar file. Nothing of this machine gets in:
// names, owners' names and times are those given.
func tarOf(ctx context.Context, entries []entry, mtime time.Time) func(io.Writer) error {
	return func(w io.Writer) error {
		t := tar.NewWriter(stoppable{ctx, w})
		for _, e := range entries {
			if err := e.write(t, mtime); err != nil {
				return fmt.Errorf("packing %s: %w", e.name, err)
			}
		}
		return t.Close()
	}
}

func (e entry) write(t *tar.Writer, mtime time.Time) error {
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: e.name, Size: e.size, Mode: e.mode,
		Uid: e.uid, Gid: e.gid, ModTime: mtime, Format: tar.FormatUSTAR,
	}
	if strings.HasSuffix(e.name, "/") {
		h.Typeflag = tar.TypeDir
	}
	if !plain(e) {
		h.Format = tar.FormatGNU
	}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	if e.path == "" {
		_, err := io.Copy(t, bytes.NewReader(e.content))
		return err
	}
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	n, err := io.Copy(t, f)
	if err == nil && n != e.size {
		err = fmt.Errorf("%s had %d bytes and now has %d: it changed while it was packed", e.path, e.size, n)
	}
	return err
}

// plain tells whether an entry fits into the oldest format, USTAR; others are
// written as GNU tar does, which every runtime reads.
func plain(e entry) bool {
	const most, large, ids = 100, 1 << 33, 1 << 21
	return len(e.name) <= most && e.size < large && e.uid < ids && e.gid < ids &&
		!strings.ContainsFunc(e.name, func(r rune) bool { return r > 127 })
}

// stoppable ends a long write when the run is stopped.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s stoppable) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}
