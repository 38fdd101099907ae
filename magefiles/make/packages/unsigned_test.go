package packages_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

var unsignedForms = map[product.PackageFormat]string{
	product.Deb: "rustshare_0.4.0_amd64.deb", product.RPM: "rustshare-0.4.0-1.x86_64.rpm", product.APK: "rustshare_0.4.0-r0_x86_64.apk",
	product.TarGz: "rustshare-0.4.0-linux-amd64.tar.gz",
}

// TestUnsigned: who has no key makes what is in the signed package.
func TestUnsigned(t *testing.T) {
	plain := prepare(t, product.RustShare(), "v0.4.0", fake).export(t)
	m := prepare(t, product.RustShare(), "v0.4.0", fake)
	m.in.Signer = newIdentity(t, keys.MadeAt(before)).signer(t)
	signed := m.export(t)
	for f, name := range unsignedForms {
		a, err := os.ReadFile(filepath.Join(plain, name))
		ok(t, err)
		b, err := os.ReadFile(filepath.Join(signed, name))
		ok(t, err)
		if bytes.Equal(a, b) != (f == product.TarGz) {
			t.Errorf("%s: signed and unsigned are the same: %v", f, bytes.Equal(a, b))
		}
		x, err := packages.Unsigned(f, a)
		ok(t, err)
		y, err := packages.Unsigned(f, b)
		ok(t, err)
		if !bytes.Equal(x, y) || len(x) < len(a)-1000 {
			t.Errorf("%s: without its signature it is not the same", f)
		}
		if f != product.RPM && !bytes.Equal(y, a) {
			t.Errorf("%s: without its signature it is not the unsigned file", f)
		}
	}
	for f, text := range map[product.PackageFormat]string{
		product.Deb: "!<arch>\nx", product.RPM: "\xed\xab\xee\xdb", product.APK: "x",
	} {
		if _, err := packages.Unsigned(f, []byte(text)); err == nil {
			t.Errorf("%q is taken as %s", text, f)
		}
	}
}

func FuzzUnsigned(f *testing.F) {
	dir := prepare(f, product.RustShare(), "v0.4.0", func(product.Target) []byte { return []byte("x") }).export(f)
	for _, name := range unsignedForms {
		text, err := os.ReadFile(filepath.Join(dir, name))
		ok(f, err)
		f.Add(text[:min(len(text), 4096)])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for format := range unsignedForms {
			if got, err := packages.Unsigned(format, text); err == nil && !bytes.Contains(text, got) {
				t.Errorf("%s: it made something up", format)
			}
		}
	})
}
