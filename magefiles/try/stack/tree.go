package stack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// writeTree writes the files and directories below a directory as a tar
// stream. Anything else is refused: it could not be restored.
func writeTree(ctx context.Context, root *os.Root, to io.Writer) error {
	out := tar.NewWriter(to)
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case name == ".":
			return nil
		case !d.IsDir() && !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a directory (%s)", name, d.Type())
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = name
		if d.IsDir() {
			h.Name += "/"
			return out.WriteHeader(h)
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

// readTree gives the entries of a tar stream to emit, except for the top
// directory itself, with clean relative names. An entry that is neither a file
// nor a directory, or leads out of the tree, is refused.
func readTree(ctx context.Context, from io.Reader, emit func(name string, h *tar.Header, content io.Reader) error) error {
	in := tar.NewReader(from)
	for {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			_, err := io.Copy(io.Discard, from) // what sends it wants to be read to the end
			return err
		case err != nil:
			return fmt.Errorf("reading the tar stream: %w", err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
			return fmt.Errorf("entry %.200q of the tar stream is neither a file nor a directory (type %q): it is refused", h.Name, h.Typeflag)
		}
		name := path.Clean(h.Name)
		if !fs.ValidPath(name) || strings.ContainsAny(h.Name, "\\\x00") {
			return fmt.Errorf("entry %.200q of the tar stream leads out of its directory: it is refused", h.Name)
		}
		if name == "." {
			if h.Typeflag != tar.TypeDir {
				return fmt.Errorf("entry %.200q of the tar stream is a file without a name: it is refused", h.Name)
			}
			continue
		}
		if err := emit(name, h, in); err != nil {
			return err
		}
	}
}

// unpackTree unpacks a tar stream into an empty directory. All in it belongs to
// the caller, who can read and write it.
func unpackTree(ctx context.Context, root *os.Root, from io.Reader) error {
	return readTree(ctx, from, func(name string, h *tar.Header, content io.Reader) error {
		dir := name
		if h.Typeflag == tar.TypeReg {
			dir = path.Dir(name)
		}
		if err := root.MkdirAll(dir, 0o700); err != nil || dir == name {
			return err
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	})
}
