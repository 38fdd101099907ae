package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// shared is the instance of all tests here; there is one timestamp authority on
// a machine.
var shared struct {
	sync.Once
	*sigstorekit.Instance
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.Instance != nil {
		if err := errors.Join(shared.Close(), os.RemoveAll(shared.dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// instance gives the Sigstore instance of the tests.
func instance(t testing.TB) *sigstorekit.Instance {
	t.Helper()
	o := sigstorekit.Options{Log: true, Wait: 5 * time.Minute}
	if missing := sigstorekit.Missing(o); len(missing) > 0 && testing.Short() {
		t.Skipf("%s is not there: %s builds it", strings.Join(missing, ", "), sigstorekit.Install)
	}
	shared.Do(func() {
		if o.Dir, shared.err = os.MkdirTemp("", "sigstore-*"); shared.err != nil {
			return
		}
		shared.dir = o.Dir
		shared.Instance, shared.err = sigstorekit.Start(context.Background(), o)
	})
	must(t, shared.err)
	return shared.Instance
}

// untimed starts another instance, without a timestamp authority.
func untimed(t testing.TB) *sigstorekit.Instance {
	t.Helper()
	i, err := sigstorekit.Start(t.Context(), sigstorekit.Options{Dir: t.TempDir(), Untimed: true})
	must(t, err)
	t.Cleanup(func() { must(t, i.Close()) })
	return i
}

// rootWith changes a trusted root.
func rootWith(t testing.TB, text []byte, change func(all map[string]any)) func() ([]byte, error) {
	t.Helper()
	out := testkit.Edited(t, text, change)
	return func() ([]byte, error) { return out, nil }
}

// stripped takes a part of a bundle's verification material away.
func stripped(t testing.TB, text []byte, what string) []byte {
	t.Helper()
	return testkit.Edited(t, text, func(b map[string]any) {
		material, ok := b["verificationMaterial"].(map[string]any)
		if _, there := material[what]; !ok || !there {
			t.Fatalf("no %s in %s", what, text)
		}
		delete(material, what)
	})
}

func noLog(all map[string]any) { delete(all, "tlogs") }

// stable is the run that releases the fixture.
var stable = sigstorekit.Run{
	Repository: "kubedoio/rustshare", Workflow: ".github/workflows/release.yml", Ref: "refs/tags/v0.4.0", Commit: fixture.Commit, Event: "push",
}

// is changes a run.
func is(change func(r *sigstorekit.Run)) sigstorekit.Run {
	r := stable
	change(&r)
	return r
}

// trustIn is what RustShare pins, with the instance's root.
func trustIn(i *sigstorekit.Instance) verify.Trust {
	return verify.Trust{Keyless: verify.KeylessOf(product.RustShare(), func() ([]byte, error) { return i.TrustedRoot, nil }), Format: product.ProofBundles}
}

// keyless makes a whole release and publishes it.
func keyless(t testing.TB, o fixture.Options, signers ...attest.Signer) (fixture.Release, name.Digest) {
	t.Helper()
	repo := fixture.Registry(t, true)
	var r fixture.Release
	var ref name.Digest
	for _, s := range signers {
		r = fixture.New(t, o)
		must(t, sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout))
		_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: s, Builder: attest.Builder{ID: "https://ci.example/release"}})
		must(t, err)
		ref = publish(t, r.Bundle, repo)
	}
	return r, ref
}

func TestKeyless(t *testing.T) {
	for _, c := range []struct {
		name string
		log  bool
	}{{"timestamp authority", false}, {"timestamp authority and log", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := instance(t)
			trust, services := trustIn(i), i.Services
			if !c.log {
				trust.Keyless.Root = rootWith(t, i.TrustedRoot, noLog)
				services.Logs = nil
			}
			_, ref := keyless(t, fixture.Options{}, proofs.Anyone(t, services, func() (string, error) { return i.Token(sigstorekit.GitHub, stable) }))
			got, err := verify.Image(t.Context(), ref, trust, expect)
			must(t, err)
			const who = "https://github.com/kubedoio/rustshare/.github/workflows/release.yml@refs/tags/v0.4.0 (by https://token.actions.githubusercontent.com)"
			if !got.Report.Passed || got.Report.Signer != who || got.Report.Provenance.Ref != expect.Ref {
				t.Errorf("got %+v", got.Report)
			}
			if _, err := verify.Image(t.Context(), ref, trust, verify.Expect{Source: source}); err != nil {
				t.Errorf("without naming a ref: %v", err)
			}
			exact := trust
			exact.Keyless = &verify.Keyless{Root: trust.Keyless.Root, Source: source, Main: "main", Issuer: sigstorekit.GitHub, Exact: strings.Fields(who)[0]}
			if _, err := verify.Image(t.Context(), ref, exact, verify.Expect{Source: source}); err != nil {
				t.Errorf("with the exact identity: %v", err)
			}
			both := trust
			both.Key = newKey(t).PublicPEM()
			if _, err := verify.Image(t.Context(), ref, both, expect); err != nil {
				t.Errorf("where a key counts as well: %v", err)
			}
		})
	}
}

// TestKeylessRefused: whom a product does not pin for the release is refused,
// each with its sentence.
func TestKeylessRefused(t *testing.T) {
	i, other := instance(t), untimed(t)
	trust := trustIn(i)
	unlogged := func(services product.Services) attest.Signer {
		return proofs.Anyone(t, services, func() (string, error) { return i.Token(sigstorekit.GitHub, stable) })
	}
	trustAt := map[string]func() ([]byte, error){
		"no timestamp": rootWith(t, i.TrustedRoot, noLog),
		"another's timestamp": rootWith(t, i.TrustedRoot, func(all map[string]any) {
			var others map[string]any
			must(t, json.Unmarshal(other.TrustedRoot, &others))
			noLog(all)
			all["timestampAuthorities"] = others["timestampAuthorities"]
		}),
	}
	token := func(by string, r sigstorekit.Run) attest.Signer {
		return proofs.Anyone(t, i.Services, func() (string, error) { return i.Token(by, r) })
	}
	for _, c := range []struct {
		name   string
		signer attest.Signer
		want   string
	}{
		{"another workflow", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Workflow = ".github/workflows/ci.yml" })),
			"it is signed by https://github.com/kubedoio/rustshare/.github/workflows/ci.yml@refs/tags/v0.4.0, which is nobody whose signatures count: want .github/workflows/"},
		{"a fork", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Repository = "evil/rustshare" })),
			"it is signed by https://github.com/evil/rustshare/.github/workflows/release.yml@refs/tags/v0.4.0, a workflow of another repository: want one of https://github.com/kubedoio/rustshare"},
		{"a fork that calls our workflow", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Caller = "evil/rustshare" })),
			`it is signed by a run of the repository "https://github.com/evil/rustshare" that used the workflow https://github.com/kubedoio/rustshare/`},
		{"another issuer", token(sigstorekit.Elsewhere, stable),
			"for whom the issuer https://token.actions.elsewhere.invalid vouches: want https://token.actions.githubusercontent.com"},
		{"an edge build", proofs.Run(t, i, is(func(r *sigstorekit.Run) {
			r.Workflow, r.Ref = ".github/workflows/pilot-release.yml", "refs/heads/main"
		})), "pilot-release.yml@refs/heads/main (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.4.0 has to be signed by a run on that very ref"},
		{"another tag", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Ref = "refs/tags/v0.3.0" })),
			"release.yml@refs/tags/v0.3.0 (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.4.0 has to be"},
		{"a workflow on a branch that is not its own", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Ref = "refs/heads/main" })),
			"release.yml@refs/heads/main, and that workflow's signatures do not count on refs/heads/main"},
		{"a workflow of main on a tag", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Workflow = ".github/workflows/pilot-release.yml" })),
			"pilot-release.yml@refs/tags/v0.4.0, and that workflow's signatures do not count on refs/tags/v0.4.0"},
		{"a run of another commit", proofs.Run(t, i, is(func(r *sigstorekit.Run) { r.Commit = strings.Repeat("b", 40) })),
			"in a run of commit bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, and the image names the commit"},
		{"another authority", proofs.Anyone(t, product.Services{Fulcio: other.Services.Fulcio, Timestamps: i.Services.Timestamps, Logs: i.Services.Logs}, func() (string, error) { return other.Token(sigstorekit.GitHub, stable) }), `is from "Fulcio of this machine", an authority that the trusted root does not name`},
		{"no timestamp", unlogged(product.Services{Fulcio: i.Services.Fulcio}),
			"nothing that the trusted root names says when https://github.com/kubedoio/rustshare/.github/workflows/release.yml@refs/tags/v0.4.0 signed, and its certificate was valid from "},
		{"another's timestamp", unlogged(product.Services{Fulcio: i.Services.Fulcio, Timestamps: i.Services.Timestamps}),
			"nothing that the trusted root names says when"},
		{"a key", newKey(t), "it is signed by a key, and no key is trusted here: want a certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ref := keyless(t, fixture.Options{}, c.signer)
			trust := trust
			if root := trustAt[c.name]; root != nil {
				trust = trustIn(i)
				trust.Keyless.Root = root
			}
			_, err := verify.Image(t.Context(), ref, trust, expect)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "the signature of index") {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
	t.Run("nothing but a key trusted", func(t *testing.T) {
		_, ref := keyless(t, fixture.Options{}, proofs.Run(t, i, stable))
		_, err := verify.Image(t.Context(), ref, verify.Trust{Key: newKey(t).PublicPEM()}, expect)
		if err == nil || !strings.Contains(err.Error(), "it is not signed by the key sha256:") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no trusted root to be had", func(t *testing.T) {
		_, ref := keyless(t, fixture.Options{}, proofs.Run(t, i, stable))
		without := trust
		without.Keyless = verify.KeylessOf(product.RustShare(), func() ([]byte, error) { return nil, os.ErrNotExist })
		for _, ask := range []func() error{
			func() error { _, err := verify.Image(t.Context(), ref, without, expect); return err },
		} {
			if err := ask(); err == nil || !strings.Contains(err.Error(), "getting the trusted root that certificates are judged by") {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestKeylessOneDigest: edge, candidate and stable share a digest, and each has
// its own signatures. Test results of an edge run count for all of them.
func TestKeylessOneDigest(t *testing.T) {
	i := instance(t)
	trust := trustIn(i)
	edge := proofs.Run(t, i, is(func(r *sigstorekit.Run) {
		r.Workflow, r.Ref = ".github/workflows/pilot-release.yml", "refs/heads/main"
	}))
	repo := fixture.Registry(t, true)
	var ref name.Digest
	for at, s := range map[string]attest.Signer{"main": edge, "v0.4.0": proofs.Run(t, i, stable)} {
		r := fixture.New(t, fixture.Options{Ref: at})
		must(t, sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout))
		_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: s, Builder: attest.Builder{ID: "https://ci.example/release"}})
		must(t, err)
		ref = publish(t, r.Bundle, repo)
	}
	for _, at := range []string{"refs/heads/main", "refs/tags/v0.4.0"} {
		got, err := verify.Image(t.Context(), ref, trust, verify.Expect{Source: source, Ref: at})
		if err != nil || !strings.HasSuffix(strings.Fields(got.Report.Signer)[0], "@"+at) {
			t.Errorf("%s: %v, %v", at, got.Report.Signer, err)
		}
	}
	got, err := verify.Image(t.Context(), ref, trust, verify.Expect{Source: source})
	if err != nil || got.Report.Provenance.Ref != "refs/tags/v0.4.0" {
		t.Errorf("no ref named: %+v, %v", got.Report.Provenance, err)
	}
	if _, err := verify.Image(t.Context(), ref, trust, verify.Expect{Source: source, Ref: "refs/tags/v0.4.1"}); err == nil {
		t.Error("another tag passes")
	}
}

// TestKeylessStripped takes things out of a bundle that verifies.
func TestKeylessStripped(t *testing.T) {
	i := instance(t)
	trust := trustIn(i)
	k := proofs.Run(t, i, stable)
	statement := []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + strings.Repeat("a", 64) + `"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1"}`)
	text, err := k.Bundle(t.Context(), statement)
	must(t, err)
	blob, err := k.Blob(t.Context(), []byte("sums\n"))
	must(t, err)
	for content, of := range map[string][]byte{string(statement): text, "sums\n": blob} {
		if who, err := trust.Bundle(of, []byte(content), expect.Ref); err != nil || !strings.Contains(who, "release.yml@refs/tags/v0.4.0") {
			t.Errorf("got %q, %v", who, err)
		}
		if !k.Check(of, []byte(content)) {
			t.Error("the signer does not know its own")
		}
		if _, err := trust.Bundle(of, []byte(content+" "), expect.Ref); err == nil {
			t.Error("another content passes")
		}
	}
	for _, c := range []struct{ what, want string }{
		{"tlogEntries", "no log that the trusted root names has the signature of https://github.com/"},
		{"timestampVerificationData", "nothing that the trusted root names says when"},
		{"certificate", "it is no Sigstore bundle"},
	} {
		if _, err := trust.Bundle(stripped(t, text, c.what), statement, expect.Ref); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %s: got %v, want %s", c.what, err, c.want)
		}
	}
}

// TestKeylessRoot: a trusted root has to be able to say something.
func TestKeylessRoot(t *testing.T) {
	i := instance(t)
	for _, c := range []struct{ drop, want string }{
		{"certificateAuthorities", "names no certificate authority"},
		{"timestampAuthorities", "names neither a timestamp authority nor a log"},
		{"mediaType", "want Sigstore's trusted_root.json"},
	} {
		trust := trustIn(i)
		trust.Keyless.Root = rootWith(t, i.TrustedRoot, func(all map[string]any) {
			noLog(all)
			delete(all, c.drop)
		})
		k := proofs.Run(t, i, stable)
		made, err := k.Blob(t.Context(), []byte("x"))
		must(t, err)
		if _, err := trust.Bundle(made, []byte("x"), expect.Ref); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %s: %v", c.drop, err)
		}
	}
	if !slices.Equal(sigstorekit.Missing(sigstorekit.Options{Log: true}), nil) {
		t.Error("programs are missing, and it runs")
	}
}
