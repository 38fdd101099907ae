package image

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func TestDiff(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	p, in := sample()
	p.Cargo.Targets = p.Cargo.Targets[:1]
	_, one := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	_, same := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	if d, err := Diff(t.Context(), one, same); err != nil || len(d) != 0 {
		t.Errorf("equal images: %v, %v", d, err)
	}
	alike := func(want bool, what string, other v1.ImageIndex) {
		t.Helper()
		if got, err := SameLayers(one, other); err != nil || got != want {
			t.Errorf("%s: same layers %v, %v", what, got, err)
		}
	}
	alike(true, "equal images", same)
	in.Version = "0.4.1"
	_, labelled := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	alike(true, "another label", labelled)

	in.Version = "0.5.0"
	p.Image.User.UID = 4242
	other := filled(t, p, &in, compiled("rustc version 1.96.0"))
	for i := range 9 {
		put(t, filepath.Join(in.FrontendDir, fmt.Sprintf("%d.js", i)), "new")
	}
	_, two := assemble(t, other, p, in)
	alike(false, "another binary", two)
	lines, err := Diff(t.Context(), one, two)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "diff.golden", strings.Join(lines, "\n")+"\n")

	p.Frontend = nil
	_, bare := assemble(t, filled(t, p, &in, compiled("rustc version 1.96.0")), p, in)
	for want, pair := range map[string][2]v1.ImageIndex{
		`(?m)^linux/amd64 → layer frontend is sha256:[0-9a-f]{64} here and nothing there$`: {two, bare},
		`(?m)^linux/amd64 → layer frontend is nothing here and sha256:[0-9a-f]{64} there$`: {bare, two},
	} {
		lines, err := Diff(t.Context(), pair[0], pair[1])
		if got := strings.Join(lines, "\n"); err != nil || !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("a layer less: %v, got\n%s\nwant\n%s", err, got, want)
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("%d files were left behind, %v", len(left), err)
	}

	p, in = sample()
	_, both := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	alike(false, "a platform more", both)
	lines, err = Diff(t.Context(), one, both)
	if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], "platform linux/arm64 is nothing here and sha256:") {
		t.Errorf("a platform more: %q, %v", lines, err)
	}
}

func TestOpenWithoutImage(t *testing.T) {
	p, in := sample()
	if _, err := Open(filled(t, p, &in, tiny)); err == nil || !strings.Contains(err.Error(), "assemble it first") {
		t.Errorf("got %v", err)
	}
}

// compiled gives a small ELF file with a .comment section.
func compiled(comment string) func(product.Target) []byte {
	names := "\x00.comment\x00.shstrtab\x00"
	text := comment + "\x00"
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	le := func(b []byte, at, size int, v uint64) {
		for i := range size {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	table := make([]byte, 3*64)
	section := func(n int, name, kind, off, size uint64) {
		le(table, n*64, 4, name)
		le(table, n*64+4, 4, kind)
		le(table, n*64+24, 8, off)
		le(table, n*64+32, 8, size)
	}
	section(1, 1, 1, 64, uint64(len(text)))
	section(2, 10, 3, uint64(64+len(text)), uint64(len(names)))
	le(head, 16, 2, 2)
	le(head, 18, 2, 62)
	le(head, 20, 4, 1)
	le(head, 40, 8, uint64(64+len(text)+len(names)))
	le(head, 52, 2, 64)
	le(head, 58, 2, 64)
	le(head, 60, 2, 3)
	le(head, 62, 2, 2)
	return func(product.Target) []byte {
		return append(append(append(append([]byte{}, head...), text...), names...), table...)
	}
}
