package sbom_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/elfkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
)

func read(t *testing.T, b *bundle.Bundle, title string) []byte {
	t.Helper()
	d, ok := b.Find(bundle.File, title)
	if !ok {
		t.Fatalf("the bundle has no file %s", title)
	}
	text, err := os.ReadFile(b.Path(d.Digest))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{
		"rustshare-backend-x86_64-linux.spdx.json", "rustshare-backend-x86_64-linux.cdx.json",
		"rustshare-image-linux-arm64.spdx.json", "rustshare-image-linux-arm64.cdx.json",
	} {
		t.Run(title, func(t *testing.T) {
			var got bytes.Buffer
			if err := json.Indent(&got, masked(t, r.Bundle, title), "", " "); err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, filepath.Join("testdata", "TestGolden", title), got.Bytes())
		})
	}
}

// masked is a document whose digests, and what follows from them, are replaced:
// they are those of the fixture and its compressor.
func masked(t *testing.T, b *bundle.Bundle, title string) []byte {
	d, _ := b.Find(bundle.File, title)
	_, hex, _ := strings.Cut(d.Annotations[bundle.DescribesKey], ":")
	text := bytes.ReplaceAll(read(t, b, title), []byte(hex), []byte("DIGEST"))
	return regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`).ReplaceAll(text, []byte("urn:uuid:FROM-DIGEST"))
}

func TestWhatIsDescribed(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
		t.Fatal(err)
	}
	_, index, _, err := r.Bundle.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	for i, target := range r.Product.Cargo.Targets {
		binary, _ := r.Bundle.Find(bundle.Binary, target.Asset)
		for _, c := range []struct {
			base             string
			digest           v1.Hash
			crates, packages int
		}{
			{target.Asset, binary.Digest, 3, 0},
			{"rustshare-image-linux-" + target.Arch, index.Manifests[i].Digest, 3, 3},
		} {
			for suffix, predicate := range map[string]string{".spdx.json": intoto.SPDX, ".cdx.json": intoto.CycloneDX} {
				doc, err := intoto.DecodeSBOM(predicate, read(t, r.Bundle, c.base+suffix))
				if err != nil {
					t.Fatal(err)
				}
				if doc.SHA256 != c.digest.Hex || doc.Crates != c.crates || doc.Packages != c.packages || doc.Version != "0.4.0" {
					t.Errorf("%s%s: got %+v, want sha256 %s, %d crates, %d packages, version 0.4.0", c.base, suffix, doc, c.digest.Hex, c.crates, c.packages)
				}
				entry, _ := r.Bundle.Find(bundle.File, c.base+suffix)
				if entry.Annotations[bundle.DescribesKey] != c.digest.String() {
					t.Errorf("%s%s says that it describes %q", c.base, suffix, entry.Annotations[bundle.DescribesKey])
				}
			}
		}
	}
}

// Two runs at different times and in different directories give the same
// bytes.
func TestDeterministic(t *testing.T) {
	var runs [2][]v1.Descriptor
	for i := range runs {
		r := fixture.New(t, fixture.Options{})
		if i == 1 {
			time.Sleep(1100 * time.Millisecond) // documents carry whole seconds
		}
		if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
			t.Fatal(err)
		}
		runs[i] = r.Bundle.Entries(bundle.File)
		slices.SortFunc(runs[i], func(a, b v1.Descriptor) int {
			return strings.Compare(a.Annotations[bundle.TitleKey], b.Annotations[bundle.TitleKey])
		})
	}
	if len(runs[0]) != 8 || len(runs[1]) != 8 {
		t.Fatalf("got %d and %d documents, want 8 each", len(runs[0]), len(runs[1]))
	}
	for i := range runs[0] {
		if runs[0][i].Digest != runs[1][i].Digest {
			t.Errorf("%s differs between two runs", runs[0][i].Annotations[bundle.TitleKey])
		}
	}
}

func TestNoCrates(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	bare, err := r.Bundle.Ingest(bytes.NewReader(elfkit.Executable(elf.EM_X86_64, nil, 100)))
	if err != nil {
		t.Fatal(err)
	}
	const asset = "rustshare-backend-x86_64-linux"
	if err := r.Bundle.Add(bundle.Binary, bare.Descriptor("application/octet-stream", asset)); err != nil {
		t.Fatal(err)
	}
	err = sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout)
	var none *sbom.NoCratesError
	if !errors.As(err, &none) || none.Asset != asset {
		t.Fatalf("got %v, want a NoCratesError about %s", err, asset)
	}
	for _, want := range []string{asset, ".dep-v0", "stripped", "cargo auditable"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not say %q", err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		lock   string
		spoil  func(*testing.T, *fixture.Release)
		expect []string
	}{
		{
			name:   "only development dependencies",
			lock:   `{"name":"f","lockfileVersion":3,"packages":{"":{"name":"f"},"node_modules/vite":{"version":"6.4.1","dev":true}}}`,
			expect: []string{"package-lock.json lists no runtime dependency", "npm install --save-prod"},
		},
		{
			name:   "empty lock file",
			lock:   `{"lockfileVersion":3,"packages":{}}`,
			expect: []string{"lists no runtime dependency"},
		},
		{
			name:   "broken lock file",
			lock:   `{"lockfileVersion":3,`,
			expect: []string{"reading", "package-lock.json"},
		},
		{
			name: "no lock file",
			spoil: func(t *testing.T, r *fixture.Release) {
				if err := os.Remove(filepath.Join(r.Checkout, "frontend", "package-lock.json")); err != nil {
					t.Fatal(err)
				}
			},
			expect: []string{"package-lock.json is missing", "npm install --package-lock-only"},
		},
		{
			name:   "binary not built",
			spoil:  func(_ *testing.T, r *fixture.Release) { r.Product.Cargo.Targets[0].Asset = "other" },
			expect: []string{"the bundle has no binary other"},
		},
		{
			name:   "platform not built",
			spoil:  func(_ *testing.T, r *fixture.Release) { r.Product.Cargo.Targets[1].Arch = "riscv64" },
			expect: []string{"no image for linux/riscv64"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := fixture.New(t, fixture.Options{Lock: c.lock})
			if c.spoil != nil {
				c.spoil(t, &r)
			}
			err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range c.expect {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
		})
	}
}

// A product without a frontend has crates alone.
func TestNoFrontend(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	r.Product.Frontend = nil
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, "/nonexistent"); err != nil {
		t.Fatal(err)
	}
	doc, err := intoto.DecodeSBOM(intoto.SPDX, read(t, r.Bundle, "rustshare-image-linux-amd64.spdx.json"))
	if err != nil || doc.Crates != 3 || doc.Packages != 0 {
		t.Errorf("got %+v and %v, want 3 crates and no package", doc, err)
	}
}

// The sample product's own lock file gives its runtime packages.
func TestSampleFrontend(t *testing.T) {
	lock, err := os.ReadFile("../../../testdata/rustshare/frontend/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	r := fixture.New(t, fixture.Options{Lock: string(lock)})
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
		t.Fatal(err)
	}
	text := string(read(t, r.Bundle, "rustshare-image-linux-amd64.cdx.json"))
	for _, want := range []string{`"name":"lit"`, `"name":"lit-html"`, `"name":"js-cookie"`, "pkg:npm/lit@"} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %s", want)
		}
	}
	for _, not := range []string{`"name":"vite"`, `"name":"typescript"`} {
		if strings.Contains(text, not) {
			t.Errorf("the document lists %s, which no browser gets", not)
		}
	}
}

// The documents say which syft made them: the one that is linked.
func TestToolVersion(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	r := fixture.New(t, fixture.Options{})
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		CreationInfo struct{ Creators []string }
	}
	if err := json.Unmarshal(read(t, r.Bundle, "rustshare-image-linux-amd64.spdx.json"), &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.CreationInfo.Creators {
		if v, ok := strings.CutPrefix(c, "Tool: syft-"); ok {
			if !strings.Contains(string(mod), "github.com/anchore/syft v"+v) {
				t.Errorf("the documents name syft %s, go.mod another", v)
			}
			return
		}
	}
	t.Errorf("the creators %q name no syft", doc.CreationInfo.Creators)
}

func BenchmarkWrite(b *testing.B) {
	r := fixture.New(b, fixture.Options{Binary: 17 << 20})
	for b.Loop() {
		if err := sbom.Write(b.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
			b.Fatal(err)
		}
	}
}
