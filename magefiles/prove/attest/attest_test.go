package attest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
)

var builder = attest.Builder{ID: "https://github.com/kubedoio/rustshare/.github/workflows/release.yml"}

// release makes a bundle with SBOMs, ready to be signed.
func release(t testing.TB, o fixture.Options) fixture.Release {
	t.Helper()
	r := fixture.New(t, o)
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
		t.Fatal(err)
	}
	return r
}

func newKey(t testing.TB) *attest.Key {
	t.Helper()
	k, err := attest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func write(t testing.TB, r fixture.Release, s attest.Signer) attest.Summary {
	t.Helper()
	sum, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: s, Builder: builder})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// entries gives title and digest of everything that publishing would send.
func entries(b *bundle.Bundle) map[string]v1.Hash {
	out := map[string]v1.Hash{}
	for _, role := range []bundle.Role{bundle.Artifact, bundle.Tagged, bundle.File} {
		for _, d := range b.Entries(role) {
			out[d.Annotations[bundle.TitleKey]] = d.Digest
		}
	}
	return out
}

func TestWhatIsSigned(t *testing.T) {
	r := release(t, fixture.Options{})
	key := newKey(t)
	sum := write(t, r, key)
	// 3 signatures, 1 provenance, 2 SBOMs for each of 2 images and 2 binaries.
	if sum.Signed != 12 || sum.Kept != 0 || sum.Fingerprint != key.Fingerprint() {
		t.Errorf("got %+v, want 12 signed by %s", sum, key.Fingerprint())
	}
	var got []string
	for _, d := range r.Bundle.Entries(bundle.Artifact) {
		if d.ArtifactType != bundle.BinaryArtifact {
			got = append(got, d.Annotations[bundle.TitleKey])
		}
	}
	slices.Sort(got)
	want := []string{
		"index.linux-amd64.cyclonedx", "index.linux-amd64.spdx", "index.linux-arm64.cyclonedx", "index.linux-arm64.spdx",
		"index.provenance", "index.signature",
		"linux-amd64.cyclonedx", "linux-amd64.provenance", "linux-amd64.signature", "linux-amd64.spdx",
		"linux-arm64.cyclonedx", "linux-arm64.provenance", "linux-arm64.signature", "linux-arm64.spdx",
		"rustshare-backend-aarch64-linux.cyclonedx", "rustshare-backend-aarch64-linux.provenance", "rustshare-backend-aarch64-linux.spdx",
		"rustshare-backend-x86_64-linux.cyclonedx", "rustshare-backend-x86_64-linux.provenance", "rustshare-backend-x86_64-linux.spdx",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the proofs\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, ok := r.Bundle.Find(bundle.File, "rustshare-0.4.0.provenance.sigstore.json"); !ok {
		t.Error("the bundle has no provenance among its files")
	}
}

// statement reads the in-toto statement of a proof.
func statement(t *testing.T, b *bundle.Bundle, title string) (v1.Manifest, intoto.Statement) {
	t.Helper()
	d, ok := b.Find(bundle.Artifact, title)
	if !ok {
		t.Fatalf("the bundle has no proof %s", title)
	}
	var m v1.Manifest
	if err := b.ReadJSON(d.Digest, &m); err != nil {
		t.Fatal(err)
	}
	var signed struct{ DSSEEnvelope struct{ Payload []byte } }
	if err := b.ReadJSON(m.Layers[0].Digest, &signed); err != nil {
		t.Fatal(err)
	}
	s, err := intoto.Decode(signed.DSSEEnvelope.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return m, s
}

func TestProvenance(t *testing.T) {
	for _, c := range []struct{ ref, full, channel, target, file string }{
		{"v0.4.0", "refs/tags/v0.4.0", "stable", "release:stable", "rustshare-0.4.0.provenance.sigstore.json"},
		{"v0.4.0-rc.1", "refs/tags/v0.4.0-rc.1", "candidate", "release:rc", "rustshare-0.4.0-rc.1.provenance.sigstore.json"},
		{"main", "refs/heads/main", "edge", "release:edge", "rustshare-edge-" + fixture.Commit + ".provenance.sigstore.json"},
	} {
		t.Run(c.ref, func(t *testing.T) {
			r := release(t, fixture.Options{Ref: c.ref})
			write(t, r, newKey(t))
			_, s := statement(t, r.Bundle, "index.provenance")
			build, err := intoto.DecodeBuild(s)
			if err != nil {
				t.Fatal(err)
			}
			external := intoto.Parameters{Repository: "https://github.com/kubedoio/rustshare", Ref: c.full, Channel: c.channel, Target: c.target}
			if build.Definition.External != external || build.Commit() != fixture.Commit || build.Run.Builder.ID != builder.ID || build.Run.Metadata != nil {
				t.Errorf("got the provenance %+v", build)
			}
			var names []string
			for _, sub := range s.Subject {
				names = append(names, sub.Name)
			}
			const image = "ghcr.io/kubedoio/rustshare-backend"
			want := []string{
				image, image + " (linux/amd64)", image + " (linux/arm64)",
				image + " (rustshare-backend-x86_64-linux)", image + " (rustshare-backend-aarch64-linux)",
				"rustshare-backend-x86_64-linux", "rustshare-backend-aarch64-linux",
				"rustshare-backend-aarch64-linux.cdx.json", "rustshare-backend-aarch64-linux.spdx.json",
				"rustshare-backend-x86_64-linux.cdx.json", "rustshare-backend-x86_64-linux.spdx.json",
				"rustshare-image-linux-amd64.cdx.json", "rustshare-image-linux-amd64.spdx.json",
				"rustshare-image-linux-arm64.cdx.json", "rustshare-image-linux-arm64.spdx.json",
			}
			if !slices.Equal(names, want) {
				t.Errorf("got the subjects %q, want %q", names, want)
			}
			for _, b := range r.Bundle.Entries(bundle.Binary) {
				if !s.Names(b.Digest.Hex) {
					t.Errorf("the raw binary %s is no subject", b.Annotations[bundle.TitleKey])
				}
			}
			if _, ok := r.Bundle.Find(bundle.File, c.file); !ok {
				t.Errorf("the bundle has no file %s, but %v", c.file, entries(r.Bundle))
			}
		})
	}
}

// The manifests are what cosign 2.6 writes, down to the order of the fields.
func TestReferrerForm(t *testing.T) {
	r := release(t, fixture.Options{})
	write(t, r, newKey(t))
	index, _, _, err := r.Bundle.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, s := statement(t, r.Bundle, "index.signature")
	d, _ := r.Bundle.Find(bundle.Artifact, "index.signature")
	text, err := os.ReadFile(r.Bundle.Path(d.Digest))
	if err != nil {
		t.Fatal(err)
	}
	for layer := range slices.Values(m.Layers) {
		want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"},` +
			`"layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":` + number(layer.Size) + `,"digest":"` + layer.Digest.String() + `"}],` +
			`"annotations":{"dev.sigstore.bundle.content":"dsse-envelope","dev.sigstore.bundle.predicateType":"https://sigstore.dev/cosign/sign/v1","org.opencontainers.image.created":"2026-03-04T05:06:07Z"},` +
			`"subject":{"mediaType":"application/vnd.oci.image.index.v1+json","size":` + number(index.Size) + `,"digest":"` + index.Digest.String() + `"},` +
			`"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`
		if string(text) != want {
			t.Errorf("got the manifest\n%s\nwant\n%s", text, want)
		}
	}
	if len(s.Subject) != 1 || !s.Names(index.Digest.Hex) || s.Predicate != nil {
		t.Errorf("got the statement %+v, want one about the index without a predicate", s)
	}
}

func number(n int64) string {
	b, _ := json.Marshal(n) // a number
	return string(b)
}

// The same release signed twice, in two directories, is the same bytes; one of
// another channel differs in its provenance alone.
func TestDeterministic(t *testing.T) {
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			key := newKey(t)
			make := func(ref string) map[string]v1.Hash {
				r := release(t, fixture.Options{Ref: ref, Proofs: format})
				write(t, r, key)
				return entries(r.Bundle)
			}
			first, second, edge := make("v0.4.0-rc.1"), make("v0.4.0-rc.1"), make("main")
			for title, digest := range first {
				if second[title] != digest {
					t.Errorf("%s differs between two runs", title)
				}
				mayDiffer := strings.HasSuffix(title, "provenance") || strings.HasSuffix(title, ".att") || strings.Contains(title, ".provenance.")
				if !mayDiffer && edge[title] != digest {
					t.Errorf("%s differs between an edge build and a candidate of one commit", title)
				}
				if strings.HasSuffix(title, ".provenance") && edge[title] == digest {
					t.Errorf("%s does not tell an edge build from a candidate", title)
				}
			}
		})
	}
}

// counting counts what it signs.
type counting struct {
	*attest.Key
	signed int
}

func (c *counting) Bundle(ctx context.Context, statement []byte) ([]byte, error) {
	c.signed++
	return c.Key.Bundle(ctx, statement)
}

func TestAgain(t *testing.T) {
	r := release(t, fixture.Options{})
	signer := &counting{Key: newKey(t)}
	write(t, r, signer)
	before := entries(r.Bundle)
	signer.signed = 0
	// A new process opens the bundle.
	again, err := bundle.Open(r.Bundle.Dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Bundle = again
	if sum := write(t, r, signer); signer.signed != 0 || sum.Signed != 0 || sum.Kept != 12 {
		t.Errorf("a second run signed %d statements (%+v), want none", signer.signed, sum)
	}
	after := entries(r.Bundle)
	if len(after) != len(before) {
		t.Errorf("a second run left %d entries, the first %d", len(after), len(before))
	}

	// Another key's proofs take the place of the first's.
	other := &counting{Key: newKey(t)}
	if write(t, r, other); other.signed != 12 {
		t.Errorf("another key signed %d statements, want 12", other.signed)
	}
	if got := entries(r.Bundle); len(got) != len(before) || got["index.signature"] == before["index.signature"] {
		t.Errorf("after another key there are %d entries, want %d with other signatures", len(got), len(before))
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, r *fixture.Release, o *attest.Options)
		want  string
	}{
		{"no builder", func(_ *testing.T, _ *fixture.Release, o *attest.Options) { o.Builder.ID = "" }, "say who builds"},
		{"unknown format", func(_ *testing.T, r *fixture.Release, _ *attest.Options) { r.Product.Proofs = "paper" }, `the product's proofs are "paper"`},
		{"no SBOM", func(t *testing.T, r *fixture.Release, _ *attest.Options) { *r = fixture.New(t, fixture.Options{}) }, "the bundle has 0 SBOMs of linux-amd64"},
		{"another binary", func(t *testing.T, r *fixture.Release, _ *attest.Options) {
			blob, err := r.Bundle.Ingest(strings.NewReader("another build"))
			if err == nil {
				err = r.Bundle.Add(bundle.Binary, blob.Descriptor("application/octet-stream", "rustshare-backend-x86_64-linux"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "build the image again"},
		{"a signer that fails", func(_ *testing.T, _ *fixture.Release, o *attest.Options) { o.Signer = broken{o.Signer} }, "signing index.signature: the token is broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := release(t, fixture.Options{})
			o := attest.Options{Signer: newKey(t), Builder: builder}
			c.spoil(t, &r, &o)
			_, err := attest.Write(t.Context(), r.Bundle, r.Product, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

type broken struct{ attest.Signer }

func (broken) Bundle(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("the token is broken")
}

func TestKeyFiles(t *testing.T) {
	key := newKey(t)
	dir := t.TempDir()
	if err := key.Save(dir, []byte("s3cret")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cosign.key", "cosign.pub"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
	if err := key.Save(dir, nil); err == nil || !strings.Contains(err.Error(), "file exists") {
		t.Errorf("saving over a key gave %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cosign.key"))
	if err != nil {
		t.Fatal(err)
	}
	password := func(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }
	back, err := attest.ParseKey(text, password("s3cret"))
	if err != nil || back.Fingerprint() != key.Fingerprint() {
		t.Errorf("reading the key back gave %v", err)
	}
	for _, c := range []struct{ name, text, password, want string }{
		{"wrong password", string(text), "wr0ng", "does not open with this password"},
		{"no key", "hello", "", "is no PEM file: want the file cosign.key"},
		{"public key", string(key.PublicPEM()), "", `is a PEM block "PUBLIC KEY"`},
		{"damaged", strings.Replace(string(text), "E", "F", 20), "s3cret", "signing key"},
	} {
		_, err := attest.ParseKey([]byte(c.text), password(c.password))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.want)
		}
		if err != nil && c.password != "" && strings.Contains(err.Error(), c.password) {
			t.Errorf("%s: the error tells the password", c.name)
		}
	}
	if _, err := attest.ParseKey(text, func() ([]byte, error) { return nil, errors.New("no terminal") }); err == nil || !strings.Contains(err.Error(), "no terminal") {
		t.Errorf("got %v, want the error of the password function", err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ne30=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := attest.ParseKey(text, func() ([]byte, error) { return nil, nil }); (k == nil) == (err == nil) {
			t.Errorf("got %v and %v", k, err)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	key := newKey(b)
	for b.Loop() {
		b.StopTimer()
		r := release(b, fixture.Options{Crates: 300})
		b.StartTimer()
		write(b, r, key)
	}
}
