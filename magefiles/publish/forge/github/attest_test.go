package github

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/certified"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// statements makes so many, all about one subject.
func statements(t testing.TB, n int) []forge.Attestation {
	t.Helper()
	by := certified.New(t).Signer(certified.Identity{
		Repository: "https://github.com/kubedoio/sample", Workflow: ".github/workflows/release.yml", Ref: "refs/tags/" + tag, Commit: "c0ffee",
	})
	var out []forge.Attestation
	for i := range n {
		text, err := by.Bundle(t.Context(), fmt.Appendf(nil,
			`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":%q}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"n":%d}}`,
			strings.Repeat("ab", 32), i))
		ok(t, err)
		a, err := forge.ReadAttestation(text)
		ok(t, err)
		out = append(out, a)
	}
	return out
}

func TestAttest(t *testing.T) {
	for _, apart := range []bool{false, true} {
		b := serve(t, kit.Options{BundlesApart: apart})
		g := b.client(t, kit.Token, 3)
		all := statements(t, 2)
		ids, err := g.Attested(t.Context(), all[0].Subject)
		ok(t, err)
		if len(ids) != 0 {
			t.Errorf("an empty store has %q", ids)
		}
		for _, a := range append(all, all...) { // each twice
			ok(t, g.Attest(t.Context(), a))
		}
		ids, err = g.Attested(t.Context(), all[0].Subject)
		ok(t, err)
		if want := []string{all[1].ID, all[0].ID}; !slices.Equal(ids, want) {
			t.Errorf("the store has %q, want %q", ids, want)
		}
		if sins := b.Sins(); len(sins) > 0 {
			t.Errorf("never: %q", sins)
		}
	}
}

// A hundred and more are listed page after page.
func TestAttestedPages(t *testing.T) {
	b := serve(t, kit.Options{})
	g := b.client(t, kit.Token, 3)
	all := statements(t, 103)
	for _, a := range all {
		ok(t, g.Attest(t.Context(), a))
	}
	ids, err := g.Attested(t.Context(), all[0].Subject)
	ok(t, err)
	if len(ids) != len(all) || !slices.Contains(ids, all[0].ID) {
		t.Errorf("%d of %d are listed", len(ids), len(all))
	}
}

// Whatever is cut, a statement is posted once, and limits are waited for.
func TestAttestCut(t *testing.T) {
	all := statements(t, 1)
	for _, cut := range kit.Cuts {
		for n := 1; n <= 3; n++ {
			b := serve(t, kit.Options{})
			g := b.client(t, kit.Token, 4)
			b.Cut(n, cut)
			ok(t, g.Attest(t.Context(), all[0]))
			if kept := b.Attestations(); len(kept) != 1 || len(b.Sins()) > 0 {
				t.Errorf("request %d cut %s: %d are kept, %q", n, cut, len(kept), b.Sins())
			}
		}
	}
	b := serve(t, kit.Options{})
	b.LimitEvery(2, time.Minute)
	g := b.client(t, kit.Token, 4)
	for _, a := range statements(t, 3) {
		ok(t, g.Attest(t.Context(), a))
	}
	if len(b.Attestations()) != 3 || len(b.Sins()) > 0 || len(b.clock.slept) == 0 {
		t.Errorf("%d are kept, %q, waited %v", len(b.Attestations()), b.Sins(), b.clock.slept)
	}
}

func TestAttestRefused(t *testing.T) {
	a := statements(t, 1)[0]
	b := serve(t, kit.Options{})
	b.SetToken("reads", kit.Access{Permissions: map[string]string{"contents": "write", "attestations": "read"}})
	err := b.client(t, "reads", 1).Attest(t.Context(), a)
	var lacks *forge.PermissionError
	if !errors.As(err, &lacks) || lacks.Needs != "attestations: write" {
		t.Errorf("without the right: %v", err)
	}
	testkit.Says(t, err, "posting the statement https://slsa.dev/provenance/v1 about sha256:abab", "attestations=write")

	keyed := a
	keyed.Certified = false
	testkit.Says(t, b.client(t, kit.Token, 1).Attest(t.Context(), keyed), "signed with a key")

	wrong := a
	wrong.Bundle = []byte(strings.Replace(string(a.Bundle), "bundle.v0.3+json", "bundle.v0.9+json", 1))
	testkit.Says(t, b.client(t, kit.Token, 1).Attest(t.Context(), wrong), "422", "is not supported")

	hidden := serve(t, kit.Options{Private: true})
	hidden.SetToken("nothing", kit.Access{Permissions: map[string]string{}})
	testkit.Says(t, hidden.client(t, "nothing", 1).Attest(t.Context(), a), "404")
	if len(b.Attestations())+len(hidden.Attestations()) != 0 {
		t.Error("a refused statement was kept")
	}
}
