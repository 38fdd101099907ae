// Package atomicfile writes files that are whole or not there: content goes
// into a temporary file beside its place and gets its name by rename. A process
// that is killed leaves at most a temporary file, whose name begins with
// [Prefix].
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Prefix begins the names of files that are not complete yet, and Pattern
// finds them.
const (
	Prefix  = ".partial-"
	Pattern = Prefix + "*"
)

// Create makes a temporary file in a directory. [Settle] has to follow.
func Create(dir string) (*os.File, error) { return os.CreateTemp(dir, Pattern) }

// Settle closes a temporary file and gives it its name and mode. Where err, or
// anything on the way, is not nil, the file is removed instead and the error
// given back.
func Settle(f *os.File, path string, mode fs.FileMode, err error) error {
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Write replaces a file in one step. Its directory has to be there.
func Write(path string, text []byte, mode fs.FileMode) error {
	f, err := Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return Settle(f, path, mode, err)
}
