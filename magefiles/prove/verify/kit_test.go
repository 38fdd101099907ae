package verify_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

const (
	source      = "https://github.com/kubedoio/rustshare"
	bundleMedia = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

var expect = verify.Expect{Source: source, Commit: fixture.Commit, Ref: "refs/tags/v0.4.0"}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) *attest.Key {
	t.Helper()
	k, err := attest.NewKey()
	must(t, err)
	return k
}

// signed makes a whole release.
func signed(t testing.TB, key *attest.Key, o fixture.Options) fixture.Release {
	t.Helper()
	r := fixture.New(t, o)
	must(t, sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout))
	_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: attest.Builder{ID: "https://ci.example/release"}})
	must(t, err)
	return r
}

// publish brings a bundle's image and proofs to a repository: what is there
// stays there.
func publish(t testing.TB, b *bundle.Bundle, repo name.Repository) name.Digest {
	t.Helper()
	want, err := converge.Want(b, nil, converge.Extras{})
	must(t, err)
	want.Release, want.Channel = nil, decide.Candidate // no page, no rolling tags
	send(t, repo, want)
	return repo.Digest(want.Image.String())
}

// send does what there is to do but for the verification.
func send(t testing.TB, repo name.Repository, want converge.Desired) {
	t.Helper()
	reg, err := registry.Open(repo.Name(), registry.Options{Keychain: anonymous{}})
	must(t, err)
	p := &converge.Publisher{Registry: reg}
	have, err := p.Observe(t.Context(), want)
	must(t, err)
	actions, err := converge.Diff(want, have)
	must(t, err)
	_, err = p.Apply(t.Context(), slices.DeleteFunc(actions, func(a converge.Action) bool { _, is := a.(converge.Verify); return is }))
	must(t, err)
}

type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// without leaves the entries with these titles out of a push.
func without(titles ...string) func(v1.Descriptor) bool {
	return func(d v1.Descriptor) bool { return slices.Contains(titles, d.Annotations[bundle.TitleKey]) }
}

// find gives an entry's descriptor in the form of a subject.
func find(t testing.TB, b *bundle.Bundle, title string) v1.Descriptor {
	t.Helper()
	d, index, _, err := b.ImageIndex()
	must(t, err)
	switch title {
	case "index":
	case "linux-amd64":
		d = index.Manifests[0]
	case "linux-arm64":
		d = index.Manifests[1]
	default:
		var ok bool
		if d, ok = b.Find(bundle.Artifact, title); !ok {
			t.Fatalf("the bundle has no artifact %s", title)
		}
	}
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// statementOf reads the statement of a proof in the bundle.
func statementOf(t testing.TB, b *bundle.Bundle, title string) intoto.Statement {
	t.Helper()
	var m v1.Manifest
	must(t, b.ReadJSON(find(t, b, title).Digest, &m))
	var text struct{ DSSEEnvelope struct{ Payload []byte } }
	must(t, b.ReadJSON(m.Layers[0].Digest, &text))
	s, err := intoto.Decode(text.DSSEEnvelope.Payload)
	must(t, err)
	return s
}

// attach signs a statement and attaches it to a subject in the registry.
func attach(t testing.TB, repo name.Repository, key *attest.Key, subject v1.Descriptor, s intoto.Statement) {
	t.Helper()
	payload, err := json.Marshal(s)
	must(t, err)
	text, err := key.Bundle(t.Context(), payload)
	must(t, err)
	proofs.Attach(t, repo, subject, s.PredicateType, text)
}

// put writes a manifest by digest.
func put(t testing.TB, repo name.Repository, m v1.Manifest) {
	t.Helper()
	proofs.Put(t, repo, "", m, types.OCIManifestSchema1)
}
