package attest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
)

// private is a Sigstore instance of our own.
type private struct {
	*sigstorekit.Instance
	// services have the log of version 1, which dates its entries, as the public
	// instance has it.
	services product.Services
	// root is the trusted root, in JSON, with the logs of both versions.
	root []byte
}

// sigstore starts one for a test.
func sigstore(t testing.TB) private {
	t.Helper()
	o := sigstorekit.Options{Dir: t.TempDir(), Log: true, Wait: 5 * time.Minute}
	if missing := sigstorekit.Missing(o); len(missing) > 0 {
		testkit.NoPeer(t, strings.Join(missing, ", ")+" is not there, and signs the images of this test: "+sigstorekit.Install+" builds it")
	}
	i, err := sigstorekit.Start(t.Context(), o)
	testkit.OK(t, err)
	t.Cleanup(func() { testkit.OK(t, i.Close()) })
	log, url := proofs.NewRekorV1(t)
	var root map[string]any
	testkit.OK(t, json.Unmarshal(i.TrustedRoot, &root))
	logs, ok := root["tlogs"].([]any)
	if !ok {
		t.Fatalf("the trusted root names no log: %s", i.TrustedRoot)
	}
	root["tlogs"], root["ctlogs"] = append(logs, log.Trusted()), []any{ctLog(t)}
	services := i.Services
	services.Logs = []product.Log{{URL: url, Version: 1}}
	return private{i, services, encode(t, root)}
}

// ctLog is a log of certificates that nobody writes to: Kyverno takes no trusted
// root without one.
func ctLog(t testing.TB) map[string]any {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.OK(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	testkit.OK(t, err)
	id := sha256.Sum256(der)
	return map[string]any{
		"baseUrl": "https://ctlog.invalid", "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": id[:]},
		"publicKey": map[string]any{"rawBytes": der, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": map[string]any{"start": "2026-01-01T00:00:00Z"}},
	}
}

// stable is the run that releases the fixture.
var stable = sigstorekit.Run{
	Repository: "kubedoio/rustshare", Workflow: ".github/workflows/release.yml", Ref: "refs/tags/v0.4.0", Commit: fixture.Commit, Event: "push",
}

// keylessCase is an image, and the sentences with which the engines refuse it.
type keylessCase struct {
	name   string
	signer attest.Signer
	// before signs the same image earlier, fork has another repository in the
	// provenance, bare attaches one that names none, skip leaves proofs out.
	before     attest.Signer
	fork, bare bool
	skip       func(b *bundle.Bundle) func(v1.Descriptor) bool
	// kyverno and controller are "" where it is admitted.
	kyverno, controller string
}

func keylessCases(t testing.TB, p private) []keylessCase {
	run := func(change func(r *sigstorekit.Run)) attest.Signer {
		r := stable
		change(&r)
		return proofs.Anyone(t, p.services, func() (string, error) { return p.Token(sigstorekit.GitHub, r) })
	}
	ours, main := run(func(*sigstorekit.Run) {}), run(func(r *sigstorekit.Run) { r.Ref = "refs/heads/main" })
	leave := func(predicate string) func(b *bundle.Bundle) func(v1.Descriptor) bool {
		return func(b *bundle.Bundle) func(v1.Descriptor) bool { return without(b, predicate) }
	}
	const unsigned = "not signed by RustShare's release workflow"
	const unread, stranger, missing = "no valid bundles exist in registry", "no matching CertificateIdentity found", "no matching attestations with type "
	return []keylessCase{
		{name: "ours", signer: ours},
		{name: "ours after an edge build", signer: ours, before: main},
		{name: "no proofs", signer: ours, skip: leave(""), kyverno: unsigned, controller: unread},
		{name: "no signature", signer: ours, skip: leave(intoto.Signature), kyverno: unsigned, controller: missing + "https://sigstore.dev/cosign/sign/v1"},
		{name: "no provenance", signer: ours, skip: leave(intoto.Provenance), kyverno: "no provenance by RustShare's release workflow", controller: missing + "https://slsa.dev/provenance/v1"},
		{name: "another repository in the provenance", signer: ours, fork: true, kyverno: "not built from RustShare's repository", controller: "not built from RustShare's repository"},
		{name: "a provenance without a repository", signer: ours, bare: true, skip: leave(intoto.Provenance), kyverno: "not built from RustShare's repository", controller: "not built from RustShare's repository"},
		{name: "main", signer: main, kyverno: unsigned, controller: stranger},
		{name: "another workflow", signer: run(func(r *sigstorekit.Run) { r.Workflow = ".github/workflows/ci.yml" }), kyverno: unsigned, controller: stranger},
		{name: "a candidate", signer: run(func(r *sigstorekit.Run) { r.Ref = "refs/tags/v0.4.0-rc.1" }), kyverno: unsigned, controller: stranger},
		{name: "a fork", signer: run(func(r *sigstorekit.Run) { r.Repository = "evil/rustshare" }), kyverno: unsigned, controller: stranger},
		// Neither engine asks whose run used the workflow.
		{name: "a fork that calls the workflow", signer: run(func(r *sigstorekit.Run) { r.Caller = "evil/rustshare" })},
		// policy-controller 0.14.0 is older than Rekor 2.
		{name: "ours in a log of Rekor 2", signer: proofs.Run(t, p.Instance, stable), controller: unread},
		{name: "a key", signer: newKey(t), kyverno: unsigned, controller: "no matching attestations"},
	}
}

// Both engines judge images by the policies for identities. The instance stands
// in the public one's place: its trusted root comes by TUF, or in a TrustRoot.
func TestAdmissionKeyless(t *testing.T) {
	kyverno, tester, p := testkit.Kyverno(t), testkit.PolicyTester(t), sigstore(t)
	tuf := p.tuf(t)
	for _, c := range keylessCases(t, p) {
		t.Run(c.name, func(t *testing.T) {
			image, repo := c.publish(t)
			home := t.TempDir()
			policy := policyFor(t, "kyverno-keyless.yaml", repo, "          url: https://rekor.sigstore.dev\n", tuf)
			applied(t, kyverno, home, policy, "  containers:\n    - {name: backend, image: \""+image.Name()+"\"}\n").want(t, c.kyverno)

			// It reads what Kyverno has fetched by TUF into this home.
			policy = policyFor(t, "policy-controller-keyless.yaml", repo, publicFulcio, publicFulcio+"        insecureIgnoreSCT: true\n")
			tested(t, tester, home, policy, "", image).want(t, c.controller)
			tested(t, tester, t.TempDir(), p.controllerPolicy(t, repo), p.trustRoot(t), image).want(t, c.controller)
		})
	}
}

// tuf has Kyverno trust the instance: it is put in the place of the log's URL.
func (p private) tuf(t testing.TB) string {
	t.Helper()
	mirror, root := tufRepository(t, "trusted_root.json", p.root)
	return fmt.Sprintf("          url: %s\n          insecureIgnoreSCT: true\n        tuf:\n          mirror: %s\n          root:\n            data: %s\n",
		p.services.Logs[0].URL, mirror, base64.StdEncoding.EncodeToString(root))
}

// publish makes a release, signs it and pushes what the case does not leave out.
func (c keylessCase) publish(t testing.TB) (name.Digest, name.Repository) {
	t.Helper()
	repo := fixture.Registry(t, true)
	if c.before != nil {
		r := release(t, fixture.Options{Ref: "main"})
		write(t, r, c.before)
		fixture.Push(t, r.Bundle, repo)
	}
	r := release(t, fixture.Options{})
	if c.fork {
		r.Product.Source = "https://github.com/somebody/rustshare"
	}
	write(t, r, c.signer)
	var skip []func(v1.Descriptor) bool
	if c.skip != nil {
		skip = append(skip, c.skip(r.Bundle))
	}
	image := fixture.Push(t, r.Bundle, repo, skip...)
	if c.bare {
		subject, err := remote.Head(image)
		testkit.OK(t, err)
		statement, err := intoto.Encode(intoto.Provenance, map[string]any{"buildDefinition": map[string]any{"externalParameters": map[string]any{}}},
			intoto.SHA256(repo.Name(), subject.Digest.Hex))
		testkit.OK(t, err)
		text, err := c.signer.Bundle(t.Context(), statement)
		testkit.OK(t, err)
		proofs.Attach(t, repo, *subject, intoto.Provenance, text)
	}
	return image, repo
}
