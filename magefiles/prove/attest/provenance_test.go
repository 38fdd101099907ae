package attest_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
)

const base = "registry.example/base/static@sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

// built signs a release whose build began at this time.
func built(t *testing.T, r fixture.Release, key *attest.Key, began time.Time, published ...[]byte) intoto.Build {
	t.Helper()
	by := builder
	by.Version, by.Invocation = map[string]string{"rustshare-release": "v1.0.0"}, "https://ci.example/runs/"+began.Format("150405")
	by.Started, by.Finished = began, began.Add(3*time.Minute+time.Millisecond)
	lock := intoto.Resource{Name: "Cargo.lock", URI: "git+x#Cargo.lock", Digest: map[string]string{"sha256": "ab"}}
	_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{
		Signer: key, Builder: by, Dependencies: []intoto.Resource{lock, intoto.Tool("npm", "10.9.2")}, Provenances: published,
	})
	testkit.OK(t, err)
	_, s := statement(t, r.Bundle, "index.provenance")
	b, err := intoto.DecodeBuild(s)
	testkit.OK(t, err)
	return b
}

// lines gives a binary the version lines of its compilers.
func lines(t *testing.T, r fixture.Release, i int, rustc, cargo string) {
	t.Helper()
	d := r.Bundle.Entries(bundle.Binary)[i]
	d.Annotations[bundle.ToolchainKey], d.Annotations[bundle.CargoKey] = rustc, cargo
	testkit.OK(t, r.Bundle.Add(bundle.Binary, d))
}

func TestDependencies(t *testing.T) {
	r := release(t, fixture.Options{})
	r.Product.Image.Base = base
	lines(t, r, 0, "rustc 1.96.0 (ac68faa20 2026-05-25)", "cargo 1.96.0")
	lines(t, r, 1, "rustc 1.95.0 (other) (built from a source tarball)", "cargo 1.96.0")
	began := time.Date(2026, 3, 4, 7, 8, 9, 5, time.FixedZone("east", 3600))
	b := built(t, r, newKey(t), began)
	want := []intoto.Resource{
		{URI: "git+https://github.com/kubedoio/rustshare@refs/tags/v0.4.0", Digest: map[string]string{"gitCommit": fixture.Commit}},
		{Name: "base image", URI: "oci://registry.example/base/static", Digest: map[string]string{"sha256": base[len(base)-64:]}},
		{Name: "rustc", URI: "pkg:generic/rustc@1.95.0", Annotations: map[string]string{"version": "rustc 1.95.0 (other) (built from a source tarball)"}},
		{Name: "rustc", URI: "pkg:generic/rustc@1.96.0", Annotations: map[string]string{"version": "rustc 1.96.0 (ac68faa20 2026-05-25)"}},
		{Name: "cargo", URI: "pkg:generic/cargo@1.96.0", Annotations: map[string]string{"version": "cargo 1.96.0"}},
		{Name: "Cargo.lock", URI: "git+x#Cargo.lock", Digest: map[string]string{"sha256": "ab"}},
		{Name: "npm", URI: "pkg:generic/npm@10.9.2", Annotations: map[string]string{"version": "10.9.2"}},
	}
	if !reflect.DeepEqual(b.Definition.Dependencies, want) {
		t.Errorf("got the dependencies\n%+v\nwant\n%+v", b.Definition.Dependencies, want)
	}
	m := b.Run.Metadata
	if m == nil || m.InvocationID != "https://ci.example/runs/070809" || m.StartedOn.Format(time.RFC3339Nano) != "2026-03-04T06:08:09Z" ||
		m.FinishedOn.Format(time.RFC3339Nano) != "2026-03-04T06:11:09Z" {
		t.Errorf("got the metadata %+v, want the run and its times in UTC and whole seconds", m)
	}
	if b.Run.Builder.Version["rustshare-release"] != "v1.0.0" {
		t.Errorf("got the builder %+v", b.Run.Builder)
	}
}

// Files of the release page are subjects whatever they are; the checksums and
// the Sigstore bundles are not.
func TestFilesAreSubjects(t *testing.T) {
	r := release(t, fixture.Options{})
	for title, media := range map[string]string{
		"rustshare_0.4.0_amd64.deb": "application/vnd.debian.binary-package", bundle.SumsName: "text/plain",
		bundle.SumsName + ".sigstore.json": "application/vnd.dev.sigstore.bundle.v0.3+json",
	} {
		blob, err := r.Bundle.Ingest(strings.NewReader(title))
		testkit.OK(t, err)
		testkit.OK(t, r.Bundle.Add(bundle.File, blob.Descriptor(media, title)))
	}
	write(t, r, newKey(t))
	_, s := statement(t, r.Bundle, "index.provenance")
	var names []string
	for _, sub := range s.Subject {
		names = append(names, sub.Name)
	}
	if !slices.Contains(names, "rustshare_0.4.0_amd64.deb") || slices.ContainsFunc(names, func(n string) bool { return n == bundle.SumsName || n == bundle.SumsName+".sigstore.json" }) {
		t.Errorf("got the subjects %q, want the package and neither the checksums nor their signature", names)
	}
}

// A build has one provenance: signing again at another time keeps it, in the
// same directory and, where it is published, in another.
func TestOneProvenance(t *testing.T) {
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			key, first := newKey(t), time.Date(2026, 3, 4, 7, 0, 0, 0, time.UTC)
			r := release(t, fixture.Options{})
			built(t, r, key, first)
			r.Product.Proofs = format
			d, ok := r.Bundle.Find(bundle.File, "rustshare-0.4.0.provenance.sigstore.json")
			if !ok {
				t.Fatal("no provenance among the files")
			}
			published := payload(t, r.Bundle, d)
			began := func(r fixture.Release) string {
				d, ok := r.Bundle.Find(bundle.File, attest.ProvenanceName(r.Bundle.Plan, r.Product))
				if !ok {
					t.Fatal("no provenance among the files")
				}
				s, err := intoto.Decode(payload(t, r.Bundle, d))
				testkit.OK(t, err)
				b, err := intoto.DecodeBuild(s)
				testkit.OK(t, err)
				return b.Run.Metadata.StartedOn.Format("15:04")
			}
			again := func(t *testing.T, r fixture.Release, key *attest.Key, at time.Time, published ...[]byte) string {
				by := builder
				by.Started, by.Finished = at, at
				r.Product.Proofs = format
				_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: by, Provenances: published})
				testkit.OK(t, err)
				return began(r)
			}
			later := first.Add(time.Hour)
			if at := again(t, r, key, later); at != "07:00" {
				t.Errorf("signing the same bundle again says that the build began at %s, want 07:00", at)
			}
			other := release(t, fixture.Options{})
			if at := again(t, other, key, later, published); at != "07:00" {
				t.Errorf("another machine says that the build began at %s, want the published 07:00", at)
			}
			if got, _ := other.Bundle.Find(bundle.File, "rustshare-0.4.0.provenance.sigstore.json"); got.Digest != d.Digest {
				t.Errorf("another machine's provenance is %s, the published one %s", got.Digest, d.Digest)
			}
			// What was signed before that was published counts no more.
			late := release(t, fixture.Options{})
			again(t, late, key, later)
			if at := again(t, late, key, later, published); at != "07:00" {
				t.Errorf("a bundle beside the published provenance says %s, want the published 07:00", at)
			}
			// Of something else, or of somebody else, it is not kept.
			if at := again(t, release(t, fixture.Options{Ref: "v0.4.0-rc.1"}), key, later, published); at != "08:00" {
				t.Errorf("a build of another ref kept the provenance of %s", at)
			}
			if at := again(t, release(t, fixture.Options{Binary: 7}), key, later, published); at != "08:00" {
				t.Errorf("a build of other content kept the provenance of %s", at)
			}
			if at := again(t, r, newKey(t), later); at != "08:00" {
				t.Errorf("another signer kept the provenance of %s", at)
			}
		})
	}
}

func content(t *testing.T, b *bundle.Bundle, d v1.Descriptor) []byte {
	t.Helper()
	text, err := os.ReadFile(b.Path(d.Digest))
	testkit.OK(t, err)
	return text
}

// payload is the statement in a Sigstore bundle.
func payload(t *testing.T, b *bundle.Bundle, d v1.Descriptor) []byte {
	t.Helper()
	var signed struct{ DSSEEnvelope struct{ Payload []byte } }
	testkit.OK(t, json.Unmarshal(content(t, b, d), &signed))
	return signed.DSSEEnvelope.Payload
}
