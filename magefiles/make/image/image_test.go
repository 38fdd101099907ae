package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		put(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (a new compressor or list of CA roots changes it; -update writes it):\n%s", path, got)
	}
}

// The index's digest is a function of the input: fixed for a fixed input,
// wherever it is made and however often.
func TestAssemble(t *testing.T) {
	p, in := sample()
	b := filled(t, p, &in, tiny)
	d, index := assemble(t, b, p, in)
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	raw, err := index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("index %s\n%s\n", d.Digest, indent(t, raw))
	all := images(t, index)
	for _, platform := range slices.Sorted(maps.Keys(all)) {
		text, err := all[platform].RawConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("\n%s config\n%s\n", platform, indent(t, text))
		layers, err := all[platform].Layers()
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range layers {
			h, err := l.Digest()
			if err != nil {
				t.Fatal(err)
			}
			out += fmt.Sprintf("\n%s layer %d %s\n%s", platform, i+1, h, list(t, l))
		}
	}
	golden(t, "assemble.golden", out)
	for _, word := range []string{"edge", "nightly", "stable", "latest", "v0.4.0"} {
		if strings.Contains(out, word) {
			t.Errorf("%q stands in the image", word)
		}
	}

	second := filled(t, p, &in, tiny)
	if again, _ := assemble(t, second, p, in); again.Digest != d.Digest {
		t.Errorf("in another directory the index is %s", again.Digest)
	}
	if err := os.RemoveAll(in.FrontendDir); err != nil {
		t.Fatal(err)
	}
	if again, _ := assemble(t, second, p, in); again.Digest != d.Digest {
		t.Errorf("the second time the index is %s", again.Digest)
	}
}

func indent(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlatformsShareLayers(t *testing.T) {
	p, in := sample()
	_, index := assemble(t, filled(t, p, &in, tiny), p, in)
	all := images(t, index)
	one, two := manifest(t, all["linux/amd64"]), manifest(t, all["linux/arm64"])
	if len(one.Layers) != 4 || len(two.Layers) != 4 {
		t.Fatalf("%d and %d layers", len(one.Layers), len(two.Layers))
	}
	for i := range 3 {
		if one.Layers[i].Digest != two.Layers[i].Digest {
			t.Errorf("layer %d is not shared", i+1)
		}
	}
	if one.Layers[3].Digest == two.Layers[3].Digest {
		t.Error("both platforms have the same binary")
	}
}

func manifest(t *testing.T, img v1.Image) *v1.Manifest {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWithoutFrontend(t *testing.T) {
	p, in := sample()
	p.Frontend, p.Image.Dirs, p.Image.BinaryPath = nil, nil, "/tiny"
	_, index := assemble(t, filled(t, p, &in, tiny), p, in)
	layers, err := images(t, index)["linux/amd64"].Layers()
	if err != nil || len(layers) != 3 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	if got := list(t, layers[2]); !strings.HasSuffix(got, " tiny\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("the binary's layer:\n%s", got)
	}
}

func TestRootsAreCertificates(t *testing.T) {
	p, _ := sample()
	entries, err := rootEntries(p, newTree(true))
	if err != nil {
		t.Fatal(err)
	}
	rest, n := entries[len(entries)-1].content, 0
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		rest = more
		n++
	}
	if n < 100 || len(bytes.TrimSpace(rest)) > 0 {
		t.Errorf("%d certificates, %d bytes left over", n, len(rest))
	}
}

func TestAssembleRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, p *product.Product, in *Input)
		want string
	}{
		{"no binary", func(_ *testing.T, p *product.Product, _ *Input) { p.Cargo.Targets[1].Asset = "other" }, "other for aarch64-unknown-linux-gnu: the bundle holds no such binary; it has to be built first"},
		{"no frontend", func(_ *testing.T, _ *product.Product, in *Input) { in.FrontendDir = "/nowhere" }, "/nowhere"},
		{"an empty frontend", func(t *testing.T, _ *product.Product, in *Input) { in.FrontendDir = t.TempDir() }, "holds no file: build the frontend first"},
		{"a link", func(t *testing.T, _ *product.Product, in *Input) {
			if err := os.Symlink("/etc/shadow", filepath.Join(in.FrontendDir, "x")); err != nil {
				t.Fatal(err)
			}
		}, "is neither a file nor a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, in := sample()
			b := filled(t, p, &in, tiny)
			tt.do(t, &p, &in)
			if _, err := Assemble(t.Context(), b, p, in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, _, ok, _ := b.ImageIndex(); ok {
				t.Error("there is an image all the same")
			}
		})
	}
}

func TestAttach(t *testing.T) {
	p, in := sample()
	p.Extra = []string{"docs/manual.pdf"}
	b := filled(t, p, &in, tiny)
	if err := AttachBinaries(b); err == nil || !strings.Contains(err.Error(), "assemble it first") {
		t.Errorf("before the image: %v", err)
	}
	d, index := assemble(t, b, p, in)
	dir := t.TempDir()
	err := AttachFiles(t.Context(), b, p, dir)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "docs/manual.pdf (Extra in the product's definition)") {
		t.Errorf("a missing file: %v", err)
	}
	put(t, filepath.Join(dir, "docs/manual.pdf"), "read me")
	for range 2 { // the second time changes nothing
		if err := AttachBinaries(b); err != nil {
			t.Fatal(err)
		}
		if err := AttachFiles(t.Context(), b, p, dir); err != nil {
			t.Fatal(err)
		}
	}
	attached := b.Entries(bundle.Artifact)
	if len(attached) != 3 || len(b.Entries(bundle.File)) != 1 {
		t.Fatalf("%d artifacts, %d files", len(attached), len(b.Entries(bundle.File)))
	}
	all := images(t, index)
	for i, target := range p.Cargo.Targets {
		var m v1.Manifest
		if err := b.ReadJSON(attached[i].Digest, &m); err != nil {
			t.Fatal(err)
		}
		own := manifest(t, all[target.Platform()]).Layers
		if len(m.Layers) != 1 || m.Layers[0].Digest != own[len(own)-1].Digest {
			t.Errorf("%s: the artifact's layer is not the image's", target.Asset)
		}
		if m.Subject == nil || m.Subject.Digest != d.Digest || m.ArtifactType != bundle.BinaryArtifact || attached[i].ArtifactType != m.ArtifactType {
			t.Errorf("%s: subject %v, type %q", target.Asset, m.Subject, m.ArtifactType)
		}
		want := map[string]string{
			bundle.TitleKey: target.Asset, bundle.TargetKey: target.Triple, bundle.PlatformKey: target.Platform(),
			bundle.SHA256Key: fmt.Sprintf("%x", sha256.Sum256(tiny(target))),
		}
		if !maps.Equal(m.Annotations, want) {
			t.Errorf("%s: annotations %v", target.Asset, m.Annotations)
		}
	}
	var m v1.Manifest
	if err := b.ReadJSON(attached[2].Digest, &m); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(b.Path(m.Layers[0].Digest))
	if err != nil || string(content) != "read me" || m.Layers[0].Annotations[bundle.TitleKey] != "manual.pdf" || m.ArtifactType != bundle.FileArtifact {
		t.Errorf("the file's artifact is %+v, content %q, %v", m, content, err)
	}
	if m.Config.MediaType != emptyType || string(m.Config.Data) != "{}" || m.Config.Size != 2 {
		t.Errorf("the config is %+v", m.Config)
	}
}

// What is allocated does not depend on how large an extra file is.
func TestLargeFilesNeedNoMemory(t *testing.T) {
	p, in := sample()
	p.Extra = []string{"large.bin"}
	b := filled(t, p, &in, tiny)
	assemble(t, b, p, in)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "large.bin"), "")
	if err := os.Truncate(filepath.Join(dir, "large.bin"), 256<<20); err != nil {
		t.Fatal(err)
	}
	if got := allocated(func() {
		if err := AttachFiles(t.Context(), b, p, dir); err != nil {
			t.Fatal(err)
		}
	}); got > 4<<20 {
		t.Errorf("%d bytes were allocated for a file of 256 MiB", got)
	}

	p.Cargo.Targets = p.Cargo.Targets[:1]
	b = filled(t, p, &in, func(product.Target) []byte { return compressible(64<<20, 1) })
	if got := allocated(func() { assemble(t, b, p, in) }); got > 24<<20 {
		t.Errorf("%d bytes were allocated for a binary of 64 MiB", got)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// realistic is the size of the real product: 17 MB a binary, 7 MB of frontend.
func realistic(t testing.TB) (*bundle.Bundle, product.Product, Input, int64) {
	p, in := sample()
	b := filled(t, p, &in, func(target product.Target) []byte { return compressible(17<<20, uint64(len(target.Triple))) })
	for i := range 70 {
		put(t, filepath.Join(in.FrontendDir, "assets", fmt.Sprintf("chunk-%02d.js", i)), string(compressible(100<<10, uint64(i))))
	}
	return b, p, in, 2*17<<20 + 70*100<<10
}

func BenchmarkAssemble(b *testing.B) {
	from, p, in, size := realistic(b)
	b.SetBytes(size)
	b.ReportAllocs()
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		to, err := bundle.Create(filepath.Join(b.TempDir(), "bundle"), from.Plan)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range from.Entries(bundle.Binary) {
			if err := os.Link(from.Path(d.Digest), to.Path(d.Digest)); err != nil {
				b.Fatal(err)
			}
			if err := to.Add(bundle.Binary, d); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		start := cpuTime()
		if _, err := Assemble(b.Context(), to, p, in); err != nil {
			b.Fatal(err)
		}
		if err := AttachBinaries(to); err != nil {
			b.Fatal(err)
		}
		used += cpuTime() - start
	}
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
}

// cpuTime is what this process has used: the measure that a busy machine does
// not spoil.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkAssembleAgain is a rerun: everything is there.
func BenchmarkAssembleAgain(b *testing.B) {
	from, p, in, _ := realistic(b)
	assemble(b, from, p, in)
	for b.Loop() {
		if _, err := Assemble(b.Context(), from, p, in); err != nil {
			b.Fatal(err)
		}
		if err := AttachBinaries(from); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAttachLarge attaches a file of 256 MiB.
func BenchmarkAttachLarge(b *testing.B) {
	p, in := sample()
	p.Extra = []string{"large.bin"}
	to := filled(b, p, &in, tiny)
	assemble(b, to, p, in)
	dir := b.TempDir()
	put(b, filepath.Join(dir, "large.bin"), "")
	if err := os.Truncate(filepath.Join(dir, "large.bin"), 256<<20); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(256 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if d, ok := to.Find(bundle.File, "large.bin"); ok {
			if err := os.Remove(to.Path(d.Digest)); err != nil {
				b.Fatal(err)
			}
		}
		if err := AttachFiles(b.Context(), to, p, dir); err != nil {
			b.Fatal(err)
		}
	}
}
