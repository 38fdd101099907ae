package packages_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func TestTitles(t *testing.T) {
	got := packages.Titles(product.RustShare(), version(t, "0.4.0-rc.1"))
	want := []string{
		"rustshare_0.4.0.rc.1_amd64.deb", "rustshare-0.4.0.rc.1-1.x86_64.rpm", "rustshare_0.4.0_rc1-r0_x86_64.apk",
		"rustshare-0.4.0rc1-1-x86_64.pkg.tar.zst", "rustshare-0.4.0-rc.1-linux-amd64.tar.gz", "rustshare-0.4.0-rc.1-linux-amd64.tar.zst",
		"rustshare_0.4.0.rc.1_arm64.deb", "rustshare-0.4.0.rc.1-1.aarch64.rpm", "rustshare_0.4.0_rc1-r0_aarch64.apk",
		"rustshare-0.4.0rc1-1-aarch64.pkg.tar.zst", "rustshare-0.4.0-rc.1-linux-arm64.tar.gz", "rustshare-0.4.0-rc.1-linux-arm64.tar.zst",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := packages.Titles(product.Product{}, version(t, "0.4.0")); got != nil {
		t.Errorf("a product without packages has %q", got)
	}
}

// TestSameBytes makes everything twice: with another umask, another number of
// threads, from another directory.
func TestSameBytes(t *testing.T) {
	first := prepare(t, product.RustShare(), "v0.4.0", large).pack(t)
	umask := syscall.Umask(0o077)
	threads := runtime.GOMAXPROCS(1)
	defer func() {
		syscall.Umask(umask)
		runtime.GOMAXPROCS(threads)
	}()
	second := prepare(t, product.RustShare(), "v0.4.0", large).pack(t)
	if len(first) != 12 || len(second) != 12 {
		t.Fatalf("%d and %d files", len(first), len(second))
	}
	for title, d := range first {
		if second[title].Digest != d.Digest {
			t.Errorf("%s is %s once, and %s then", title, d.Digest, second[title].Digest)
		}
	}
}

// large is longer than any block of a compressor.
func large(target product.Target) []byte { return append(fake(target), make([]byte, 3<<20)...) }

// TestAgain keeps what is there, makes what is gone, and attaches all of it.
func TestAgain(t *testing.T) {
	m := prepare(t, product.RustShare(), "v0.4.0", fake)
	got, err := packages.Make(t.Context(), m.Bundle, m.p, m.in)
	ok(t, err)
	if got != (packages.Made{New: 12}) {
		t.Errorf("the first run: %+v", got)
	}
	ok(t, os.RemoveAll(m.in.Checkout)) // nothing is read again
	if got, err = packages.Make(t.Context(), m.Bundle, m.p, m.in); err != nil || got != (packages.Made{Kept: 12}) {
		t.Errorf("the second run: %+v, %v", got, err)
	}
	index, _, _, err := m.ImageIndex()
	ok(t, err)
	attached := 0
	for _, d := range m.Entries(bundle.Artifact) {
		var manifest v1.Manifest
		ok(t, m.ReadJSON(d.Digest, &manifest))
		if d.ArtifactType != bundle.FileArtifact {
			continue
		}
		attached++
		title := manifest.Annotations[bundle.TitleKey]
		f, found := m.Find(bundle.File, title)
		if !found || manifest.Layers[0].Digest != f.Digest || manifest.Subject.Digest != index.Digest ||
			manifest.Annotations[bundle.PlatformKey] != f.Annotations[bundle.PlatformKey] || manifest.Annotations[bundle.PlatformKey] == "" {
			t.Errorf("%s is attached as %+v", title, manifest)
		}
	}
	if attached != 12 {
		t.Errorf("%d files are attached", attached)
	}
	d, _ := m.Find(bundle.File, "rustshare_0.4.0_amd64.deb")
	ok(t, os.Remove(m.Path(d.Digest)))
	_, err = packages.Make(t.Context(), m.Bundle, m.p, m.in)
	says(t, err, "reading the licence", "LICENSE")
}

// TestContent lists what is in each format, and that the binary is the bundle's
// own.
func TestContent(t *testing.T) {
	bsdtar := tool(t, "bsdtar")
	m := prepare(t, product.RustShare(), "v0.4.0", fake)
	dir := m.export(t)
	binary, _ := m.Find(bundle.Binary, m.p.Cargo.Targets[0].Asset)
	for format, title := range map[product.PackageFormat]string{
		product.Deb: "rustshare_0.4.0_amd64.deb", product.RPM: "rustshare-0.4.0-1.x86_64.rpm", product.APK: "rustshare_0.4.0-r0_x86_64.apk",
		product.Arch: "rustshare-0.4.0-1-x86_64.pkg.tar.zst", product.TarGz: "rustshare-0.4.0-linux-amd64.tar.gz", product.TarZst: "rustshare-0.4.0-linux-amd64.tar.zst",
	} {
		t.Run(string(format), func(t *testing.T) {
			archive := filepath.Join(dir, title)
			if format == product.Deb {
				ok(t, os.WriteFile(filepath.Join(dir, "data"), output(t, tool(t, "dpkg-deb"), "--fsys-tarfile", archive), 0o600))
				archive = filepath.Join(dir, "data")
			}
			var names []string
			inside := ""
			for line := range strings.Lines(string(output(t, bsdtar, "-tvf", archive))) {
				f := strings.Fields(line)
				name := strings.TrimPrefix(strings.Join(f[8:], " "), "./")
				names = append(names, f[0]+" "+name)
				if strings.HasSuffix(name, "rustshare-server") {
					inside = strings.Join(f[8:], " ")
				}
			}
			slices.SortFunc(names, func(a, b string) int { return strings.Compare(a[11:], b[11:]) })
			testkit.Golden(t, filepath.Join("testdata", "TestContent", string(format)+".txt"), []byte(strings.Join(names, "\n")+"\n"))
			sum := sha256.Sum256(output(t, bsdtar, "-xOf", archive, inside))
			if hex.EncodeToString(sum[:]) != binary.Digest.Hex {
				t.Error("the binary is not the bundle's")
			}
		})
	}
}

func output(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, said.String())
	}
	return out
}

// TestTexts are the files that are written for the packages.
func TestTexts(t *testing.T) {
	bsdtar := tool(t, "bsdtar")
	dir := prepare(t, product.RustShare(), "v0.4.0-rc.1", fake).export(t)
	archive := filepath.Join(dir, "rustshare-0.4.0-rc.1-linux-amd64.tar.gz")
	for _, name := range []string{"rustshare.service", "rustshare.env", "rustshare.openrc", "rustshare.sysusers", "rustshare-server.8"} {
		text := output(t, bsdtar, "-xOf", archive, "rustshare-0.4.0-rc.1-linux-amd64/"+name)
		testkit.Golden(t, filepath.Join("testdata", "TestTexts", name), text)
	}
	deb := filepath.Join(dir, "rustshare_0.4.0.rc.1_amd64.deb")
	ok(t, os.WriteFile(filepath.Join(dir, "data"), output(t, tool(t, "dpkg-deb"), "--fsys-tarfile", deb), 0o600))
	testkit.Golden(t, filepath.Join("testdata", "TestTexts", "changelog"), output(t, "sh", "-c", `"$0" -xOf "$1" ./usr/share/doc/rustshare/changelog.gz | gzip -dc`, bsdtar, filepath.Join(dir, "data")))
	testkit.Golden(t, filepath.Join("testdata", "TestTexts", "copyright"), output(t, bsdtar, "-xOf", filepath.Join(dir, "data"), "./usr/share/doc/rustshare/copyright"))
	testkit.Golden(t, filepath.Join("testdata", "TestTexts", "control"), output(t, "dpkg-deb", "--field", deb))
}

// TestTiny is a product without a frontend, with fewer formats and another
// licence.
func TestTiny(t *testing.T) {
	p := product.RustShare()
	p.Name, p.License, p.Frontend = "tiny", "MIT", nil
	p.Packages = &product.Packages{
		Formats: []product.PackageFormat{product.Deb, product.TarZst}, Maintainer: "Tiny <tiny@example.org>", Section: "net",
		Copyright: "2026 Tiny", License: "LICENSE", Readme: "README.md",
		Service: product.Service{Args: []string{"serve"}, Capabilities: []string{"CAP_NET_BIND_SERVICE"}},
	}
	dir := prepare(t, p, "v0.4.0", fake).export(t)
	text := string(output(t, tool(t, "dpkg-deb"), "--contents", filepath.Join(dir, "tiny_0.4.0_arm64.deb")))
	if strings.Contains(text, "frontend") || !strings.Contains(text, "/usr/lib/systemd/system/tiny.service") {
		t.Errorf("the package has\n%s", text)
	}
	unit := string(output(t, "sh", "-c", `zstd -dc "$0" | tar -xO tiny-0.4.0-linux-amd64/tiny.service`, filepath.Join(dir, "tiny-0.4.0-linux-amd64.tar.zst")))
	for _, want := range []string{"ExecStart=/usr/bin/rustshare-server serve\n", "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit has no %q:\n%s", want, unit)
		}
	}
	if strings.Contains(unit, "PrivateUsers") {
		t.Error("a unit with capabilities must not have users of its own")
	}
}
