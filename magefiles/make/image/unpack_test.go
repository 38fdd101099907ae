package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func TestUnpack(t *testing.T) {
	p, in := sample()
	b := filled(t, p, &in, func(target product.Target) []byte { return []byte("binary for " + target.Arch) })
	if _, err := Assemble(t.Context(), b, p, in); err != nil {
		t.Fatal(err)
	}
	index, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	img, digest, err := For(index, "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if own, err := img.Digest(); err != nil || own != digest {
		t.Errorf("the image is %s, %v; its digest was said to be %s", own, err, digest)
	}
	dir := t.TempDir()
	got, err := Unpack(t.Context(), img, p, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Binary != filepath.Join(dir, "server") || got.Frontend != filepath.Join(dir, "frontend") {
		t.Errorf("unpacked into %+v", got)
	}
	for name, want := range map[string]string{
		got.Binary: "binary for arm64",
		filepath.Join(got.Frontend, "index.html"):       "<h1>hello</h1>\n",
		filepath.Join(got.Frontend, "assets", "app.js"): "alert(1)\n",
	} {
		text, err := os.ReadFile(name)
		if err != nil || string(text) != want {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
	if info, err := os.Stat(got.Binary); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("the binary cannot be run: %v, %v", info.Mode(), err)
	}

	_, _, err = For(index, "linux/riscv64")
	if err == nil || !strings.Contains(err.Error(), "has no linux/riscv64, only linux/amd64, linux/arm64") {
		t.Errorf("another platform: %v", err)
	}
	other := p
	other.Image.BinaryPath = "/usr/bin/other"
	_, err = Unpack(t.Context(), img, other, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "the image has no /usr/bin/other") {
		t.Errorf("another product's image: %v", err)
	}
}
