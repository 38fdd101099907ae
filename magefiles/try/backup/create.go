package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/secret"
)

// Stream writes the content of a part. An error of w is given back.
type Stream func(ctx context.Context, w io.Writer) error

// Source is what a bundle is made from.
type Source struct {
	// Time names the bundle. Only its seconds count.
	Time time.Time
	// Manifest is what manifest.env says; both times in it come from Time.
	Manifest Manifest
	// Postgres writes what pg_dump writes in its plain format, SQLite the
	// database's file; one of the two is nil. The manifest's Database comes from
	// that.
	Postgres, SQLite Stream
	// Volume and Config write tar streams, see [Files].
	Volume, Config Stream
	// Chat has the chat's parts; nil where there is no chat.
	Chat *Chat
	// Secrets are values, by their names, that neither the configuration nor the
	// manifest may hold, plain, in base64 or URL-encoded.
	Secrets map[string]string
	// Limits are those that the bundle will be checked with.
	Limits Limits
}

// Chat is the source of the chat's parts.
type Chat struct {
	Postgres, Volume Stream
}

// Create writes the bundle of a source into dir/<stamp> and tells what it
// holds. Parts are written one after the other, the database before its
// objects; each is checked, compressed and hashed on the way. The bundle has
// its name when it is complete. Before, and after a crash, its directory begins
// with [atomicfile.Prefix]; after an error it is removed. Directories have the
// mode 0700, files 0600. What [Verify] would not accept is a [*RefusedError].
func Create(ctx context.Context, dir string, src Source) (Info, error) {
	stamp := Stamp(src.Time)
	target := filepath.Join(dir, stamp)
	if src.Postgres != nil && src.SQLite != nil {
		return Info{}, errors.New("a backup bundle has one database: give that of PostgreSQL or that of SQLite")
	}
	src.Manifest.Timestamp, src.Manifest.Created = stamp, src.Time.UTC().Format(time.RFC3339)
	src.Manifest.Database = ""
	if src.SQLite != nil {
		src.Manifest.Database = sqlite
	}
	manifest := []byte(src.Manifest.Text())
	hidden := secret.New(src.Secrets)
	written, found := ParseManifest(manifest)
	if len(found) > 0 {
		return Info{}, &RefusedError{target, found[0]}
	}
	if name := holds(hidden.Search(), manifest); name != "" {
		return Info{}, &RefusedError{target, Problem{File: ManifestName, Text: "holds the value of " + name}}
	}
	if _, err := os.Lstat(target); err == nil {
		return Info{}, fmt.Errorf("%s is there already: a backup never replaces another; try again in a second", target)
	}
	tmp, err := os.MkdirTemp(dir, atomicfile.Prefix+stamp+"-")
	if err != nil {
		return Info{}, fmt.Errorf("making the backup bundle: %w", err)
	}
	w := &writer{dir: tmp, target: target, limits: src.Limits.filled(), hidden: hidden, sums: map[string]string{}}
	if err := w.write(ctx, src, manifest); err != nil {
		return Info{}, errors.Join(err, os.RemoveAll(tmp))
	}
	return Info{Dir: target, Manifest: written, Parts: w.parts}, nil
}

// writer writes one bundle.
type writer struct {
	dir, target string
	limits      Limits
	hidden      *secret.Set
	total       int64
	sums        map[string]string
	parts       []Part
}

func (w *writer) write(ctx context.Context, src Source, manifest []byte) error {
	streams := map[string]Stream{Postgres: src.Postgres, Volume: src.Volume, Config: src.Config}
	if src.SQLite != nil {
		delete(streams, Postgres)
		streams[SQLite] = src.SQLite
	}
	if src.Chat != nil {
		streams[ChatPostgres], streams[ChatVolume] = src.Chat.Postgres, src.Chat.Volume
	}
	for _, m := range layout() {
		source, wanted := streams[m.name]
		if !wanted {
			continue
		}
		if err := w.part(ctx, m, source); err != nil {
			return fmt.Errorf("writing %s: %w", m.name, err)
		}
	}
	if err := w.file(ManifestName, manifest); err != nil {
		return err
	}
	w.sums[ManifestName] = digest(manifest)
	if err := w.file(SumsName, []byte(formatSums(w.sums))); err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), syncDir(w.dir)); err != nil {
		return err
	}
	if err := os.Rename(w.dir, w.target); err != nil {
		return err
	}
	return syncDir(filepath.Dir(w.target))
}

// file writes one of the small files.
func (w *writer) file(name string, content []byte) error {
	f, err := w.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func (w *writer) create(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// gzipLevel is that of gzip(1).
const gzipLevel = 6

// part writes a compressed part.
func (w *writer) part(ctx context.Context, m member, source Stream) (err error) {
	if source == nil {
		return errors.New("nothing was given to write it from")
	}
	f, err := w.create(m.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	packed := &counter{w: io.MultiWriter(f, sum)}
	zip, err := gzip.NewWriterLevel(packed, gzipLevel)
	if err != nil {
		return err
	}
	zip.ModTime = time.Unix(0, 0) // none: the zero time would be written as a year to come
	plain := &counter{w: zip, most: max(1, w.limits.Expanded-w.total)}
	p := &problems{file: m.name}
	part := Part{Name: m.name}
	if m.kind == archivePart {
		part.Entries, err = w.archive(ctx, m.name, source, plain, p)
	} else {
		err = writeDatabase(ctx, source, plain, newChecker(m.kind, p))
	}
	if err = known(err, p); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	if plain.n > ratioFloor && plain.n/w.limits.Ratio > packed.n {
		p.add("packs to less than 1/%d of its size, which is the limit when it is read: raise the limit", w.limits.Ratio)
	}
	if err := p.refused(w.target); err != nil {
		return err
	}
	w.total += plain.n
	part.SHA256, part.Size, part.Expanded = hex.EncodeToString(sum.Sum(nil)), packed.n, plain.n
	w.sums[m.name], w.parts = part.SHA256, append(w.parts, part)
	return f.Sync()
}

func writeDatabase(ctx context.Context, source Stream, w io.Writer, c checker) error {
	if err := source(ctx, io.MultiWriter(w, c)); err != nil {
		return err
	}
	c.finish()
	return nil
}

// archive writes a tar stream anew from the checked entries of a source.
func (w *writer) archive(ctx context.Context, name string, source Stream, out io.Writer, p *problems) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := source(ctx, pipe)
		pipe.CloseWithError(err)
		done <- err
	}()
	a := newArchive(w.limits, p, true)
	var filter func(string, io.Reader) (io.Reader, error)
	if name == Config {
		filter = w.search
	}
	err := a.rewrite(r, out, filter)
	if errors.Is(err, errStop) {
		err = nil // p tells it.
	}
	// A source that still writes meets a closed pipe.
	cancel()
	r.CloseWithError(errStop)
	if failed := <-done; err == nil && len(p.list) == 0 {
		err = failed
	}
	return a.entries, err
}

// search looks for secrets in names and content.
func (w *writer) search(name string, content io.Reader) (io.Reader, error) {
	if found := holds(w.hidden.Search(), []byte(name)); found != "" {
		return nil, fault("the name of an entry holds the value of " + found)
	}
	return &labelled{&searching{content, w.hidden.Search()}, name}, nil
}

// labelled names the entry in the faults of its content.
type labelled struct {
	r    io.Reader
	name string
}

func (l *labelled) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	var f fault
	if errors.As(err, &f) {
		err = fault("entry " + short(l.name) + " " + string(f) + ": leave it out of the backup")
	}
	return n, err
}

// counter counts what is written, up to a limit where it has one.
type counter struct {
	w       io.Writer
	n, most int64
}

func (c *counter) Write(b []byte) (int, error) {
	if c.most > 0 && c.n+int64(len(b)) > c.most {
		return 0, fault("makes the bundle larger than the limit for what it holds when unpacked: raise the limit")
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
