package image

import (
	"archive/tar"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

var commit = strings.Repeat("0123456789", 4)

// sample is the real definition: two platforms, a frontend.
func sample() (product.Product, Input) {
	return product.RustShare(), Input{
		Commit: commit, Version: "0.4.0",
		CommitTime: time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600)),
	}
}

// filled makes a bundle with binaries of that content, and a frontend.
func filled(t testing.TB, p product.Product, in *Input, content func(product.Target) []byte) *bundle.Bundle {
	t.Helper()
	dir := t.TempDir()
	b, err := bundle.Create(filepath.Join(dir, "bundle"), decide.Plan{Commit: in.Commit})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range p.Cargo.Targets {
		addBinary(t, b, target, content(target))
	}
	in.FrontendDir = filepath.Join(dir, "build")
	put(t, filepath.Join(in.FrontendDir, "index.html"), "<h1>hello</h1>\n")
	put(t, filepath.Join(in.FrontendDir, "assets", "app.js"), "alert(1)\n")
	put(t, filepath.Join(in.FrontendDir, "assets", strings.Repeat("long-", 30)+"ü.js"), "alert(2)\n")
	if err := os.Chmod(filepath.Join(in.FrontendDir, "index.html"), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func addBinary(t testing.TB, b *bundle.Bundle, target product.Target, content []byte) {
	t.Helper()
	blob, err := b.Ingest(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	d := blob.Descriptor("application/x-executable", target.Asset)
	d.Annotations[bundle.TargetKey] = target.Triple
	d.Annotations[bundle.PlatformKey] = target.Platform()
	if err := b.Add(bundle.Binary, d); err != nil {
		t.Fatal(err)
	}
}

func tiny(t product.Target) []byte { return []byte("the binary for " + t.Triple) }

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func assemble(t testing.TB, b *bundle.Bundle, p product.Product, in Input) (v1.Descriptor, v1.ImageIndex) {
	t.Helper()
	d, err := Assemble(t.Context(), b, p, in)
	if err != nil {
		t.Fatal(err)
	}
	index, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return d, index
}

// images gives the images by platform.
func images(t testing.TB, index v1.ImageIndex) map[string]v1.Image {
	t.Helper()
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]v1.Image{}
	for _, d := range m.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		out[d.Platform.String()] = img
	}
	return out
}

// list shows a layer's entries, a line each.
func list(t testing.TB, l v1.Layer) string {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read
	var out strings.Builder
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(h.PAXRecords) > 0 || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s: records %v, owner %q, group %q", h.Name, h.PAXRecords, h.Uname, h.Gname)
		}
		fmt.Fprintf(&out, "%c %04o %d:%d %s %d %s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.UTC().Format(time.RFC3339), h.Size, h.Name)
	}
}

// compressible gives bytes that gzip about as well as a stripped binary does,
// to four tenths.
func compressible(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = make([]byte, 2+r.IntN(9))
		for j := range words[i] {
			words[i][j] = byte(r.NormFloat64()*40 + 80)
		}
	}
	out := make([]byte, 0, n+16)
	for len(out) < n {
		out = append(out, words[int(r.ExpFloat64()*500)%len(words)]...)
	}
	return out[:n]
}
