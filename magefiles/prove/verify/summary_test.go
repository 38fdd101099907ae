package verify_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
)

func summed(minute int) intoto.Summary {
	return intoto.Summary{
		Verifier: intoto.SummaryVerifier{ID: "https://example.org/verifier"}, Verified: time.Date(2026, 4, 1, 0, minute, 0, 0, time.UTC),
		Resource: "oci://example.org/a", Policy: intoto.Resource{URI: "https://example.org/policy"},
		Result: intoto.SummaryPassed, Levels: []string{"SLSA_BUILD_LEVEL_1"},
	}
}

// summarise attaches a summary to subjects.
func summarise(t *testing.T, repo name.Repository, key attest.Signer, format product.ProofFormat, s intoto.Summary, subjects ...v1.Descriptor) {
	t.Helper()
	made, err := attest.VerificationSummary(t.Context(), key, format, subjects, s)
	must(t, err)
	var want converge.Desired
	for _, a := range made {
		m, err := converge.Proof("summary", a.Manifest, a.Tag, a.Blobs...)
		must(t, err)
		want.Manifests = append(want.Manifests, m)
	}
	send(t, repo, want)
}

func TestSummaries(t *testing.T) {
	for _, c := range []struct {
		name      string
		format    product.ProofFormat
		referrers bool
	}{
		{"bundles", product.ProofBundles, true},
		{"bundles, fallback tag", product.ProofBundles, false},
		{"tags", product.ProofTags, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key, other := newKey(t), newKey(t)
			r := signed(t, key, fixture.Options{Proofs: c.format})
			repo := fixture.Registry(t, c.referrers)
			ref := publish(t, r.Bundle, repo)
			index, amd64 := find(t, r.Bundle, "index"), find(t, r.Bundle, "linux-amd64")
			trust := verify.Trust{Key: key.PublicPEM(), Format: c.format}
			check := func(at name.Digest, minutes ...int) {
				t.Helper()
				got, err := verify.Summaries(t.Context(), at, trust)
				must(t, err)
				var have []int
				for _, s := range got {
					have = append(have, s.Verified.Minute())
				}
				if !slices.Equal(have, minutes) {
					t.Errorf("the summaries are those of minutes %v, want %v", have, minutes)
				}
			}
			check(ref)
			before, err := verify.Image(t.Context(), ref, trust, expect)
			must(t, err)
			if in := before.Report.Inputs; len(in) != len(slices.Compact(slices.Clone(in))) || len(in) == 0 {
				t.Errorf("got the inputs %+v", in)
			}
			if c.format == product.ProofBundles { // each of them is in the bundle, under this digest
				for _, in := range before.Report.Inputs {
					h, err := v1.NewHash(in.Digest)
					must(t, err)
					if len(content(t, r.Bundle, h)) == 0 {
						t.Errorf("%s is nothing of the bundle", in.Digest)
					}
				}
			}

			summarise(t, repo, other, c.format, summed(1), index, amd64) // somebody else's
			check(ref)
			summarise(t, repo, key, c.format, summed(2), amd64) // about an image alone
			check(ref)
			check(repo.Digest(amd64.Digest.String()), 2)
			summarise(t, repo, key, c.format, summed(3), index, amd64)
			summarise(t, repo, key, c.format, summed(5), index)
			summarise(t, repo, key, c.format, summed(4), index)
			check(ref, 5, 4, 3)
			after, err := verify.Image(t.Context(), ref, trust, expect)
			must(t, err)
			if len(after.Report.Summaries) != 3 || !slices.Equal(after.Report.Inputs, before.Report.Inputs) {
				t.Errorf("got %d summaries, and inputs %+v, which were %+v", len(after.Report.Summaries), after.Report.Inputs, before.Report.Inputs)
			}
			if c.format != product.ProofBundles {
				return
			}
			// One that says nothing takes nothing away.
			statement := statementOf(t, r.Bundle, "index.signature")
			statement.PredicateType, statement.Predicate = intoto.SummaryType, json.RawMessage(`{"verificationResult":"PASSED"}`)
			attach(t, repo, key, index, statement)
			check(ref, 5, 4, 3)
		})
	}
	_, err := attest.VerificationSummary(t.Context(), newKey(t), product.ProofBundles, nil, intoto.Summary{})
	testkit.Says(t, err, "names no verifier")
}

func content(t *testing.T, b *bundle.Bundle, h v1.Hash) []byte {
	t.Helper()
	text, err := os.ReadFile(b.Path(h))
	must(t, err)
	return text
}

// Provenances gives back what was signed, byte by byte, and nothing of others.
func TestProvenances(t *testing.T) {
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			repo := fixture.Registry(t, true)
			var want [][]byte
			var ref name.Digest
			for _, tag := range []string{"main", "v0.4.0"} { // of one image
				r := signed(t, key, fixture.Options{Proofs: format, Ref: tag})
				ref = publish(t, r.Bundle, repo)
				d, ok := r.Bundle.Find(bundle.File, attest.ProvenanceName(r.Bundle.Plan, r.Product))
				if !ok {
					t.Fatal("no provenance")
				}
				var text struct{ DSSEEnvelope struct{ Payload []byte } }
				must(t, r.Bundle.ReadJSON(d.Digest, &text))
				want = append(want, text.DSSEEnvelope.Payload)
			}
			got, err := verify.Provenances(t.Context(), ref, verify.Trust{Key: key.PublicPEM(), Format: format})
			must(t, err)
			slices.SortFunc(got, bytes.Compare)
			slices.SortFunc(want, bytes.Compare)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			got, err = verify.Provenances(t.Context(), ref, verify.Trust{Key: newKey(t).PublicPEM(), Format: format})
			must(t, err)
			if len(got) != 0 {
				t.Errorf("another key has signed %s", got)
			}
		})
	}
}

// What was built with is shown.
func TestDependenciesShown(t *testing.T) {
	key := newKey(t)
	r := fixture.New(t, fixture.Options{})
	must(t, sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout))
	began := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	by := attest.Builder{ID: "https://ci.example/release", Invocation: "https://ci.example/7", Started: began, Finished: began.Add(time.Minute)}
	tool := intoto.Tool("npm", "10.9.2")
	_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: by, Dependencies: []intoto.Resource{tool}})
	must(t, err)
	repo := fixture.Registry(t, true)
	got, err := verify.Image(t.Context(), publish(t, r.Bundle, repo), verify.Trust{Key: key.PublicPEM()}, expect)
	must(t, err)
	p := got.Report.Provenance
	if len(p.Dependencies) != 1 || p.Dependencies[0].URI != tool.URI || p.Invocation != by.Invocation || !p.Started.Equal(began) || !p.Finished.Equal(by.Finished) {
		t.Errorf("got %+v", p)
	}
}
