package stack

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestDead: in doubt a process lives.
func TestDead(t *testing.T) {
	self, none := owner(), fmt.Sprintf("%s.%d.1", machine(), 1<<30)
	again := fmt.Sprintf("%s.%d.1", machine(), os.Getpid()) // an id that was given again
	for value, want := range map[string]bool{
		self: false, self + ".abcdefgh": false, again: true, none: true, none + ".abcdefgh": true, none + kept: false,
		"": false, "x": false, "0123456789ab.1073741824.1": false, machine() + ".x.1": false, machine() + ".-1.1": false, machine() + ".7": false,
	} {
		if got := dead(value); got != want {
			t.Errorf("%q: got %t", value, got)
		}
	}
}

func FuzzReadTree(f *testing.F) {
	for _, h := range []tar.Header{
		{Name: "./a/b", Typeflag: tar.TypeReg}, {Name: "a/", Typeflag: tar.TypeDir}, {Name: "../a", Typeflag: tar.TypeReg},
		{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/"}, {Name: `a\b`, Typeflag: tar.TypeReg},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readTree(t.Context(), bytes.NewReader(b), func(name string, h *tar.Header, content io.Reader) error {
			if !filepath.IsLocal(name) || name == "." || h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
				t.Errorf("%q (type %q) was let through", name, h.Typeflag)
			}
			_, err := io.Copy(io.Discard, content)
			return err
		})
	})
}
