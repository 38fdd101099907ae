package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Database is "sqlite".
func (p *Process) Database() string { return "sqlite" }

// beside are the files that SQLite keeps next to a database while it is open,
// and after a crash: the database is not whole without them.
var beside = [...]string{"-wal", "-journal"}

// Dump copies the database file. The server is stopped meanwhile, and started
// again where it ran: closing the database is what brings all into the file.
func (p *Process) Dump(ctx context.Context, to io.Writer) error {
	return p.paused(ctx, "a dump", func() error {
		for _, suffix := range beside {
			if info, err := os.Stat(p.path("data", databaseFile+suffix)); err == nil && info.Size() > 0 {
				return fmt.Errorf("the server left %s beside its database, which is not whole without it: start and stop the server; if it stays, the server does not close its database when it ends", info.Name())
			}
		}
		f, err := os.Open(p.path("data", databaseFile))
		if err != nil {
			return fmt.Errorf("reading the database: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		if _, err := io.Copy(to, f); err != nil {
			return fmt.Errorf("copying the database: %w", err)
		}
		return nil
	})
}

// paused does something while the server is stopped, and starts it again where
// it ran.
func (p *Process) paused(ctx context.Context, what string, do func() error) (err error) {
	if p.child != nil {
		if err := p.Stop(ctx, Backend); err != nil {
			return fmt.Errorf("stopping the backend for %s: %w", what, err)
		}
		defer func() {
			if startErr := p.Start(ctx, Backend); startErr != nil {
				err = errors.Join(err, fmt.Errorf("starting the backend after %s: %w", what, startErr))
			}
		}()
	}
	return do()
}

// Replay puts a database file in the place of the one that is there, which is
// gone whatever comes of it.
func (p *Process) Replay(ctx context.Context, from io.Reader) error {
	if err := p.stopBackend(ctx); err != nil {
		return fmt.Errorf("stopping the backend for its database: %w", err)
	}
	for _, suffix := range append(beside[:], "-shm", "") {
		if err := os.Remove(p.path("data", databaseFile+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the old database: %w", err)
		}
	}
	whole := p.path("tmp", databaseFile)
	defer func() { _ = os.Remove(whole) }() // where it was not moved
	if err := writeFile(whole, 0o600, from); err != nil {
		return fmt.Errorf("replaying the database: %w", err)
	}
	if err := os.Rename(whole, p.path("data", databaseFile)); err != nil {
		return fmt.Errorf("replaying the database: %w", err)
	}
	return nil
}

// PackObjects packs the store's directory, also while the store is stopped.
func (p *Process) PackObjects(ctx context.Context, to io.Writer) error {
	dir := p.path("data", objectsDir)
	if _, err := os.Lstat(p.path("away")); err == nil {
		dir = p.path("away")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("reading the object store: %w", err)
	}
	defer func() { _ = root.Close() }() // only read
	if err := writeTree(ctx, root, to); err != nil {
		return fmt.Errorf("packing the object store: %w", err)
	}
	return nil
}

// ReplaceObjects starts the object store where it was stopped.
func (p *Process) ReplaceObjects(ctx context.Context, from io.Reader) (err error) {
	if err := p.stopBackend(ctx); err != nil {
		return fmt.Errorf("stopping the backend for its objects: %w", err)
	}
	if err := errors.Join(p.returnObjects(), os.RemoveAll(p.path("data", objectsDir)), os.Mkdir(p.path("data", objectsDir), 0o700)); err != nil {
		return fmt.Errorf("emptying the object store: %w", err)
	}
	root, err := os.OpenRoot(p.path("data", objectsDir))
	if err != nil {
		return fmt.Errorf("emptying the object store: %w", err)
	}
	defer func() { _ = root.Close() }() // every file was closed
	if err := unpackTree(ctx, root, from); err != nil {
		return errors.Join(fmt.Errorf("unpacking into the object store: %w", err), emptyDir(root.Name()))
	}
	return nil
}
