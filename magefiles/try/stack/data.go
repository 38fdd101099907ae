package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// takeObjects puts a file in the place of the object store's directory. An
// empty place would not do: the server would make a new directory.
func (p *Process) takeObjects() error {
	if _, err := os.Lstat(p.path("away")); err == nil {
		return nil
	}
	if err := os.Rename(p.path("data", objectsDir), p.path("away")); err != nil {
		return err
	}
	return os.WriteFile(p.path("data", objectsDir), []byte("The object store is stopped.\n"), 0o600)
}

// returnObjects takes takeObjects back.
func (p *Process) returnObjects() error {
	if _, err := os.Lstat(p.path("away")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(p.path("data", objectsDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(p.path("away"), p.path("data", objectsDir))
}

// Snapshot copies the database file (rustshare.db and what SQLite keeps beside
// it) and the directory "objects". The server is started again where it ran.
func (p *Process) Snapshot(ctx context.Context, dir string) error {
	if _, err := os.Lstat(p.path("away")); err == nil {
		return errors.New("a snapshot needs the object store, which is stopped: start it first")
	}
	return p.paused(ctx, "a snapshot", func() error { return p.copyData(ctx, dir) })
}

func (p *Process) copyData(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the snapshot's directory: %w", err)
	}
	if there, err := os.ReadDir(dir); err != nil {
		return fmt.Errorf("looking at the snapshot's directory: %w", err)
	} else if len(there) > 0 {
		return fmt.Errorf("a snapshot needs an empty directory, and %s has %s in it", dir, there[0].Name())
	}
	if err := copyTree(ctx, p.path("data"), dir); err != nil {
		return errors.Join(fmt.Errorf("copying the data: %w", err), emptyDir(dir))
	}
	return nil
}

// emptyDir removes what is in a directory.
func emptyDir(dir string) error {
	there, err := os.ReadDir(dir)
	for _, d := range there {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, d.Name())))
	}
	return err
}

// copyTree copies directories and regular files into a directory that is
// there. Anything else is refused: a link could lead out of the tree.
func copyTree(ctx context.Context, from, to string) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		target := filepath.Join(to, filepath.FromSlash(name))
		switch {
		case name == ".":
			return nil
		case d.IsDir():
			return os.Mkdir(target, 0o700)
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a directory (%s)", filepath.Join(from, name), d.Type())
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		return writeFile(target, 0o600, f)
	})
}

func writeFile(path string, mode fs.FileMode, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// copyBinary copies an executable and holds what was copied against a digest.
func copyBinary(from, to, digest string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	if err := writeFile(to, 0o500, io.TeeReader(f, sum)); err != nil {
		return err
	}
	if found := "sha256:" + hex.EncodeToString(sum.Sum(nil)); digest != "" && found != digest {
		return fmt.Errorf("%s has the digest %s, expected %s: it is not the one to try", from, found, digest)
	}
	return nil
}

// removeAll removes a directory, also where parts of it cannot be entered and
// where a program that was just killed still wrote a file.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	for pause := 10 * time.Millisecond; err != nil && pause < time.Second; pause *= 4 {
		time.Sleep(pause)
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				_ = os.Chmod(path, 0o700) // removing tells whether it helped
			}
			return nil
		})
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return &LeftoverError{Paths: leftovers(dir), Err: err}
	}
	return nil
}

// leftovers are the files and empty directories that are still there, some of
// them where they are many.
func leftovers(dir string) []string {
	const many = 20
	var paths []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if len(paths) == many {
			return fs.SkipAll
		}
		inside, _ := os.ReadDir(path) // nothing for a file
		if err != nil || d != nil && (!d.IsDir() || len(inside) == 0) {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}
