package reproduce

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

var ok, says = testkit.OK, testkit.Says

// made is a small bundle: a binary of this text, which is a layer of the image
// too, and the files.
func made(t *testing.T, binary string, files map[string]string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Create(t.TempDir(), decide.Plan{Commit: "c"})
	ok(t, err)
	exe := ingest(t, b, binary)
	d := exe.Descriptor("application/x-executable", "tinyd")
	d.Annotations[bundle.ToolchainKey] = "rustc 1"
	ok(t, b.Add(bundle.Binary, d))
	layer, err := b.IngestLayer(func(w io.Writer) error { _, err := io.WriteString(w, binary); return err })
	ok(t, err)
	config := ingestJSON(t, b, v1.ConfigFile{
		OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer.DiffID}},
		History: []v1.History{{EmptyLayer: true}, {Comment: "binary"}},
	})
	image := ingestJSON(t, b, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: config.Descriptor(string(types.OCIConfigJSON), ""), Layers: []v1.Descriptor{layer.Descriptor(string(types.OCILayer), "")},
	})
	m := image.Descriptor(string(types.OCIManifestSchema1), "")
	m.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	index := ingestJSON(t, b, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{m}})
	ok(t, b.Add(bundle.Image, index.Descriptor(string(types.OCIImageIndex), "")))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		ok(t, b.Add(bundle.File, ingest(t, b, files[name]).Descriptor("application/octet-stream", name)))
	}
	ok(t, b.WriteSums())
	return b
}

func ingest(t *testing.T, b *bundle.Bundle, text string) bundle.Blob {
	t.Helper()
	blob, err := b.Ingest(strings.NewReader(text))
	ok(t, err)
	return blob
}

func ingestJSON(t *testing.T, b *bundle.Bundle, v any) bundle.Blob {
	t.Helper()
	blob, err := b.IngestJSON(v)
	ok(t, err)
	return blob
}

func compare(t *testing.T, a, b *bundle.Bundle, o Options) Report {
	t.Helper()
	o.Scratch = t.TempDir()
	r, err := Compare(t.Context(), a, b, o)
	ok(t, err)
	return r
}

func text(r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r)
	for _, rows := range [][][]string{r.Rows(), r.LeftRows()} {
		for _, row := range rows {
			b.WriteString(strings.TrimRight(strings.Join(row, " | "), " |") + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// deb is an ar archive with a signature, or without.
func deb(content, signature string) string {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range [][2]string{{"debian-binary", content}, {"_gpgorigin", signature}} {
		if m[1] != "" {
			fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", m[0], 0, 0, 0, 0o100644, len(m[1]), m[1])
		}
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	files := map[string]string{"tiny.spdx.json": `{"name":"tiny"}`, "tiny.deb": deb("2.0\n", "")}
	release := func() *bundle.Bundle { return made(t, "same bytes", files) }
	with := func(b *bundle.Bundle, role bundle.Role, d v1.Descriptor) *bundle.Bundle {
		ok(t, b.Add(role, d))
		return b
	}
	signed := map[string]string{"tiny.spdx.json": files["tiny.spdx.json"], "tiny.deb": deb("2.0\n", "sign")}
	proofs := release()
	for _, p := range []struct {
		role bundle.Role
		d    v1.Descriptor
	}{
		{bundle.Evidence, ingest(t, proofs, "gates").Descriptor("x", "gates.json")},
		{bundle.File, ingest(t, proofs, "bundle").Descriptor(proofMedia+".v0.3+json", "tiny.provenance.sigstore.json")},
		{bundle.File, ingest(t, proofs, "sarif").Descriptor("application/sarif+json", "scan.sarif")},
		{bundle.File, ingest(t, proofs, "pgp").Descriptor("application/pgp-signature", "SHA256SUMS.asc")},
		{bundle.Artifact, v1.Descriptor{ArtifactType: proofMedia + ".v0.3+json", Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, Annotations: map[string]string{predicateKey: "https://slsa.dev/provenance/v1"}}},
		{bundle.Tagged, v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 64)}, Annotations: map[string]string{bundle.RefNameKey: "sha256-0.sig"}}},
	} {
		with(proofs, p.role, p.d)
	}
	ok(t, proofs.WriteSums())
	absent := made(t, "same bytes", map[string]string{"tiny.deb": files["tiny.deb"]})
	for _, c := range []struct {
		name           string
		release, again *bundle.Bundle
		o              Options
		same           bool
	}{
		{"same", release(), release(), Options{}, true},
		{"proofs", proofs, release(), Options{}, true},
		{"signed", made(t, "same bytes", signed), release(), Options{}, true},
		{"binary", release(), made(t, "other bytes", files), Options{}, false},
		{"file", release(), made(t, "same bytes", map[string]string{"tiny.spdx.json": `{"name":"tiny","created":"now"}`, "tiny.deb": deb("2.1\n", "")}), Options{}, false},
		{"missing", release(), made(t, "same bytes", map[string]string{"more": "x"}), Options{}, false},
		{"absent", absent, release(), Options{Absent: func(title string) string {
			if title == "tiny.spdx.json" {
				return "there is no page"
			}
			return ""
		}}, false}, // the list of checksums names it
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compare(t, c.release, c.again, c.o)
			testkit.Golden(t, "testdata/"+c.name+".txt", text(r))
			if r.Same != c.same {
				t.Errorf("same is %t", r.Same)
			}
			encoded, err := json.Marshal(r)
			ok(t, err)
			var back Report
			ok(t, json.Unmarshal(encoded, &back))
			if text(back) != text(r) {
				t.Errorf("read back from JSON it is\n%s", text(back))
			}
		})
	}
}

// TestToolchain names the compiler where it is another one.
func TestToolchain(t *testing.T) {
	b := made(t, "other bytes", nil)
	d, _ := b.Find(bundle.Binary, "tinyd")
	d.Annotations[bundle.ToolchainKey] = "rustc 2"
	ok(t, b.Add(bundle.Binary, d))
	r := compare(t, made(t, "same bytes", nil), b, Options{})
	if want := "tinyd: toolchain is rustc 1 in the release and rustc 2 in the build again"; !strings.Contains(r.String(), want) {
		t.Errorf("%s, want it to say %q", r, want)
	}
}

func TestNoImage(t *testing.T) {
	empty, err := bundle.Create(t.TempDir(), decide.Plan{})
	ok(t, err)
	_, err = Compare(t.Context(), made(t, "x", nil), empty, Options{})
	says(t, err, "the build again", "has no image")
}

// TestAdd takes files of the release page into a report.
func TestAdd(t *testing.T) {
	r := compare(t, made(t, "same", nil), made(t, "same", nil), Options{})
	r.Add(BySum("a", "1", "1"))
	if !r.Same {
		t.Error("a file that is the same makes it differ")
	}
	r.Add(BySum("b", "1", ""))
	if r.Same || r.Count(Missing) != 1 {
		t.Errorf("%+v", r)
	}
	r = compare(t, made(t, "same", nil), made(t, "other", nil), Options{})
	binary := r.Artifacts[0]
	r.Add(BySum("tinyd on the release page", strings.TrimPrefix(binary.A, "sha256:"), strings.TrimPrefix(binary.B, "sha256:")))
	if last := r.Artifacts[len(r.Artifacts)-1]; last.Verdict != Follows || last.Of[0] != "tinyd" {
		t.Errorf("%+v", last)
	}
}

// TestDerived: of what is published under a checksum alone it is found out that
// it names a signed package, and nothing else is taken for that.
func TestDerived(t *testing.T) {
	hex := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	signed, unsigned := deb("same", "signature"), deb("same", "")
	again := made(t, "same", map[string]string{"a.deb": unsigned, "a.deb.spdx.json": "about " + hex(unsigned)})
	for published, same := range map[string]bool{"about " + hex(signed): true, "about " + hex(unsigned): true, "above " + hex(signed): false, "about " + hex("else"): false} {
		release := made(t, "same", map[string]string{"a.deb": signed})
		sum, err := v1.NewHash("sha256:" + hex(published))
		ok(t, err)
		ok(t, release.Add(bundle.File, bundle.Blob{Digest: sum, Size: 1}.Descriptor("application/octet-stream", "a.deb.spdx.json")))
		ok(t, release.WriteSums())
		r := compare(t, release, again, Options{})
		r.Add(BySum("a.deb on the release page", hex(signed), hex(unsigned)))
		if r.Same != same || r.Count(Signature) != 1 {
			t.Errorf("%q: the same is %t, want %t\n%s", published, r.Same, same, text(r))
		}
	}
}

// FuzzIndex wants no panic for what an image of a release says of itself.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`"}]}`), []byte(`{}`), []byte(`{}`))
	f.Add([]byte(`{"manifests":null}`), []byte(`{"layers":[{}]}`), []byte(`{"history":[{}],"rootfs":{"diff_ids":["sha256:00"]}}`))
	f.Add([]byte(`[]`), []byte(`null`), []byte(``))
	again := func(t *testing.T) *bundle.Bundle { return made(t, "x", nil) }
	f.Fuzz(func(t *testing.T, index, manifest, config []byte) {
		b, err := bundle.Create(t.TempDir(), decide.Plan{})
		ok(t, err)
		c := ingest(t, b, string(config))
		m := ingest(t, b, strings.ReplaceAll(string(manifest), "CONFIG", c.Digest.String()))
		i := ingest(t, b, strings.ReplaceAll(string(index), "MANIFEST", m.Digest.String()))
		ok(t, b.Add(bundle.Image, i.Descriptor(string(types.OCIImageIndex), "")))
		_, _ = Compare(t.Context(), b, again(t), Options{Scratch: t.TempDir()}) // an error, or a report
	})
}
