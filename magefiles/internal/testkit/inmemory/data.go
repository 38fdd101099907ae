package inmemory

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// magic begins every file of SQLite's, and header is how many bytes come before
// all else.
const (
	magic  = "SQLite format 3\x00"
	header = 100
)

// rows is what a product keeps in its database.
type rows struct {
	Folders map[string]map[string]any
	Files   map[string]File
	Notes   map[string]map[string]any
	Shares  map[string]string
	Links   map[string]*Link
	Audit   []any
}

// Database is "sqlite".
func (i *Instance) Database() string { return "sqlite" }

// Dump writes the database as something that looks like a file of SQLite's.
func (i *Instance) Dump(ctx context.Context, to io.Writer) error {
	if err := i.ask(ctx, "dump"); err != nil {
		return err
	}
	p := i.Product
	p.Settle()
	text, err := json.Marshal(rows{p.Folders, p.Files, p.Notes, p.Shares, p.Links, p.Audit})
	if err != nil {
		return err
	}
	// A header, as a backup wants one, then pages with the rows.
	const page = 512
	size := (header+len(text))/page + 1
	file := make([]byte, size*page)
	copy(file, magic)
	binary.BigEndian.PutUint16(file[16:], page)
	file[18], file[19] = 1, 1
	binary.BigEndian.PutUint32(file[28:], uint32(size))
	copy(file[header:], text)
	_, err = to.Write(file)
	return err
}

// Replay reads what Dump wrote. The backend is stopped.
func (i *Instance) Replay(ctx context.Context, from io.Reader) error {
	if err := i.ask(ctx, "replay"); err != nil {
		return err
	}
	i.set(false, stack.Backend)
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(text, []byte(magic)) || len(text) < header {
		return errors.New("what is replayed is no dump")
	}
	body := bytes.TrimRight(text[header:], "\x00")
	var r rows
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	p := i.Product
	p.Folders, p.Files, p.Notes, p.Shares, p.Links, p.Audit = r.Folders, r.Files, r.Notes, r.Shares, r.Links, r.Audit
	return nil
}

// PackObjects writes the bytes of the files.
func (i *Instance) PackObjects(ctx context.Context, to io.Writer) error {
	if err := i.ask(ctx, "pack"); err != nil {
		return err
	}
	out := tar.NewWriter(to)
	if err := out.AddFS(os.DirFS(i.Dir)); err != nil {
		return err
	}
	return out.Close()
}

// ReplaceObjects reads what PackObjects wrote. The backend is stopped.
func (i *Instance) ReplaceObjects(ctx context.Context, from io.Reader) error {
	if err := i.ask(ctx, "replace objects"); err != nil {
		return err
	}
	i.set(false, stack.Backend)
	in := tar.NewReader(from)
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if !filepath.IsLocal(head.Name) {
			return fmt.Errorf("%s leads out of the store", head.Name)
		}
		if err := os.WriteFile(filepath.Join(i.Dir, head.Name), text, 0o600); err != nil {
			return err
		}
	}
}

// Snapshot copies what Load reads.
func (i *Instance) Snapshot(ctx context.Context, dir string) error {
	if err := i.ask(ctx, "snapshot"); err != nil {
		return err
	}
	var database, objects bytes.Buffer
	if err := errors.Join(os.MkdirAll(dir, 0o700), i.Dump(ctx, &database), i.PackObjects(ctx, &objects)); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "database"), database.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "objects"), objects.Bytes(), 0o600))
}

// Load begins with a snapshot.
func (i *Instance) Load(ctx context.Context, dir string) error {
	database, err := os.ReadFile(filepath.Join(dir, "database"))
	if err != nil {
		return err
	}
	objects, err := os.ReadFile(filepath.Join(dir, "objects"))
	if err != nil {
		return err
	}
	return errors.Join(i.Replay(ctx, bytes.NewReader(database)), i.ReplaceObjects(ctx, bytes.NewReader(objects)))
}
