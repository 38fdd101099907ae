package backup

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
)

// Files is the tar stream of a tree. What is neither a directory nor a regular
// file is an error that names it: it could not be restored.
func Files(tree fs.FS) Stream {
	return func(ctx context.Context, w io.Writer) error { return writeTree(ctx, tree, w) }
}

// Named is the tar stream of some regular files of a tree, by their names.
func Named(tree fs.FS, names []string) Stream {
	return func(ctx context.Context, w io.Writer) error {
		out := tar.NewWriter(w)
		for _, name := range names {
			info, err := fs.Lstat(tree, name)
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = writeEntry(out, tree, name, fs.FileInfoToDirEntry(info))
			}
			if err != nil {
				return fmt.Errorf("packing %s: %w", name, err)
			}
		}
		return out.Close()
	}
}

func writeTree(ctx context.Context, tree fs.FS, w io.Writer) error {
	out := tar.NewWriter(w)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := writeEntry(out, tree, name, entry); err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func writeEntry(out *tar.Writer, tree fs.FS, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("it is %s, expected files and directories alone", typeName(info.Mode()))
	}
	h, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	h.Name = name
	if info.IsDir() {
		h.Name += "/"
		return out.WriteHeader(h)
	}
	f, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(out, f)
	if err == nil && n != info.Size() {
		err = fmt.Errorf("it had %d bytes and now has %d: stop what writes there", info.Size(), n)
	}
	return err
}
