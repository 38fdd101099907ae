package verify_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

func TestGood(t *testing.T) {
	for _, c := range []struct {
		name      string
		format    product.ProofFormat
		referrers bool
	}{
		{"bundles", product.ProofBundles, true},
		{"bundles, fallback tag", product.ProofBundles, false},
		{"tags", product.ProofTags, true},
		{"tags, fallback tag", product.ProofTags, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := newKey(t)
			r := signed(t, key, fixture.Options{Proofs: c.format})
			repo := fixture.Registry(t, c.referrers)
			ref := fixture.Push(t, r.Bundle, repo)
			got, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect)
			must(t, err)
			digest := find(t, r.Bundle, "index").Digest
			if !got.Proves(digest) || got.Proves(find(t, r.Bundle, "linux-amd64").Digest) || got.Proves(v1.Hash{}) {
				t.Error("the result does not prove the index, or proves something else")
			}
			rep := got.Report
			if !rep.Passed || rep.Format != c.format || rep.Signer != key.Fingerprint() || rep.Digest != digest.String() || rep.Image != repo.Name() {
				t.Errorf("got the report %+v", rep)
			}
			if p := rep.Provenance; p == nil || !reflect.DeepEqual(*p, verify.Provenance{
				Repository: source, Ref: "refs/tags/v0.4.0", Channel: "stable", Target: "release:stable",
				Commit: fixture.Commit, Builder: "https://ci.example/release",
			}) {
				t.Errorf("got the provenance %+v", p)
			}
			var platforms []string
			for i, p := range rep.Platforms {
				platforms = append(platforms, p.Name+" "+p.Binary)
				binary := r.Bundle.Entries(bundle.Binary)[i]
				if p.SHA256 != binary.Digest.Hex || p.Crates != 3 || p.Packages != 3 {
					t.Errorf("got the platform %+v, want a binary with sha256 %s, 3 crates, 3 packages", p, binary.Digest.Hex)
				}
			}
			if want := []string{"linux/amd64 rustshare-backend-x86_64-linux", "linux/arm64 rustshare-backend-aarch64-linux"}; !slices.Equal(platforms, want) {
				t.Errorf("got the platforms %q, want %q", platforms, want)
			}
			// format; index: signature, provenance, revision; a platform:
			// signature, provenance, 2 SBOMs, 2 at the index, binary, and the
			// attached binary's provenance and 2 SBOMs.
			if len(rep.Checks) != 1+3+2*10 {
				t.Errorf("got %d checks: %+v", len(rep.Checks), rep.Checks)
			}
			for _, check := range rep.Checks {
				if !check.Pass || check.Detail == "" {
					t.Errorf("got the check %+v in a good report", check)
				}
			}
		})
	}
}

// An edge build and a candidate of one commit are one image with two
// provenances: it verifies as either.
func TestTwoBuildsOfOneCommit(t *testing.T) {
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			key := newKey(t)
			repo := fixture.Registry(t, true)
			edge := signed(t, key, fixture.Options{Ref: "main", Proofs: format})
			rc := signed(t, key, fixture.Options{Ref: "v0.4.0-rc.1", Proofs: format})
			ref := publish(t, edge.Bundle, repo)
			if again := publish(t, rc.Bundle, repo); again != ref {
				t.Fatalf("the candidate's index is %s, the edge build's %s", again, ref)
			}
			for _, full := range []string{"refs/heads/main", "refs/tags/v0.4.0-rc.1"} {
				want := expect
				want.Ref = full
				got, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, want)
				if err != nil {
					t.Errorf("as %s: %v", full, err)
				} else if got.Report.Provenance.Ref != full {
					t.Errorf("as %s: the report names %s", full, got.Report.Provenance.Ref)
				}
			}
		})
	}
}

// What somebody else attaches takes nothing away.
func TestForeignProofs(t *testing.T) {
	key, other := newKey(t), newKey(t)
	r := signed(t, key, fixture.Options{})
	repo := fixture.Registry(t, true)
	ref := fixture.Push(t, r.Bundle, repo)
	index := find(t, r.Bundle, "index")
	attach(t, repo, other, index, statementOf(t, r.Bundle, "index.signature"))
	proofs.Attach(t, repo, index, intoto.Provenance, []byte(`{"mediaType":"`+bundleMedia+`"}`))
	var m v1.Manifest
	must(t, r.Bundle.ReadJSON(find(t, r.Bundle, "rustshare-backend-x86_64-linux").Digest, &m))
	m.Annotations[bundle.SHA256Key] = strings.Repeat("0", 64)
	put(t, repo, m)
	m.Layers, m.ArtifactType = nil, "application/vnd.example.note"
	put(t, repo, m)
	if _, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect); err != nil {
		t.Error(err)
	}
}

func TestTrust(t *testing.T) {
	key := newKey(t)
	repo := fixture.Registry(t, true)
	r := fixture.New(t, fixture.Options{})
	ref := fixture.Push(t, r.Bundle, repo)
	for _, c := range []struct {
		name  string
		ref   name.Digest
		trust verify.Trust
		want  string
	}{
		{"no key", ref, verify.Trust{}, "want a public key in PEM"},
		{"private key", ref, verify.Trust{Key: []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")}, "is a private key: want the public one, cosign.pub"},
		{"unknown format", ref, verify.Trust{Key: key.PublicPEM(), Format: "paper"}, `the format of proofs is "paper"`},
		{"one image instead of the index", repo.Digest(find(t, r.Bundle, "linux-amd64").Digest.String()), verify.Trust{Key: key.PublicPEM()}, "is no image index"},
	} {
		_, err := verify.Image(t.Context(), c.ref, c.trust, expect)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.want)
		}
	}
}

// Everything is asked for once.
func TestRequests(t *testing.T) {
	key := newKey(t)
	r := signed(t, key, fixture.Options{})
	real := fixture.Handler(true)
	asked := map[string]int{}
	lock := make(chan struct{}, 1)
	repo := fixture.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		lock <- struct{}{}
		asked[q.Method+" "+q.URL.Path]++
		<-lock
		real.ServeHTTP(w, q)
	}))
	ref := fixture.Push(t, r.Bundle, repo)
	clear(asked)
	_, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect)
	must(t, err)
	total := 0
	for what, n := range asked {
		total += n
		if n > 1 {
			t.Errorf("asked %d times: %s", n, what)
		}
	}
	if total > 70 {
		t.Errorf("a verification took %d requests", total)
	}
	t.Logf("%d requests", total)
}

func BenchmarkImage(b *testing.B) {
	key := newKey(b)
	r := signed(b, key, fixture.Options{Binary: 17 << 20, Frontend: 7 << 20, Crates: 300})
	ref := fixture.Push(b, r.Bundle, fixture.Registry(b, true))
	for b.Loop() {
		if _, err := verify.Image(b.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect); err != nil {
			b.Fatal(err)
		}
	}
}
