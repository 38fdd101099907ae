package image

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func TestDiff(t *testing.T) {
	p, in := sample()
	p.Cargo.Targets = p.Cargo.Targets[:1]
	_, one := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	_, same := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	if d, err := Diff(one, same); err != nil || len(d) != 0 {
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
	d, err := Diff(one, two)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, x := range d {
		lines = append(lines, x.String())
	}
	got := strings.Join(lines, "\n")
	for _, want := range []string{
		`annotations.org.opencontainers.image.version is "0.4.0" here and "0.5.0" there`,
		`linux/amd64: config.User is "10001:10001" here and "4242:10001" there`,
		`linux/amd64: toolchain is rustc version 1.95.0 here and rustc version 1.96.0 there`,
		`linux/amd64: layer binary, app/rustshare-server is `,
		`linux/amd64: layer frontend, app/frontend-build/0.js is nothing here and 3 bytes`,
		`linux/amd64: layer frontend: and 4 more`,
		`linux/amd64: layer accounts is sha256:`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "layer ca-roots") || strings.Contains(got, "rootfs") {
		t.Errorf("what is equal is listed, or twice:\n%s", got)
	}

	p, in = sample()
	_, both := assemble(t, filled(t, p, &in, compiled("rustc version 1.95.0")), p, in)
	alike(false, "a platform more", both)
	d, err = Diff(one, both)
	if err != nil || len(d) != 1 || !strings.Contains(d[0].String(), "platform linux/arm64 is nothing here and sha256:") {
		t.Errorf("a platform more: %v, %v", d, err)
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
