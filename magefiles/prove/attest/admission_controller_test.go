package attest_test

import (
	"cmp"
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
)

// policy-controller, with the policy for a key, and proofs under tags.
func TestAdmissionController(t *testing.T) {
	tester, key := testkit.PolicyTester(t), newKey(t)
	const unsigned, unproven = "signature key validation failed for authority signature", "attestation key validation failed for authority provenance"
	tag := func(suffix string) func(d v1.Descriptor) bool {
		return func(d v1.Descriptor) bool { return filepath.Ext(d.Annotations[bundle.RefNameKey]) == suffix }
	}
	for _, c := range []struct {
		name string
		by   *attest.Key
		// fork has another repository in the provenance, format is another one than
		// the policy's, bundles has the policy ask for bundles, skip leaves proofs out.
		fork    bool
		format  product.ProofFormat
		bundles bool
		skip    func(d v1.Descriptor) bool
		says    string
	}{
		{name: "ours", by: key},
		{name: "no proofs", by: key, skip: func(v1.Descriptor) bool { return true }, says: "key validation failed for authority"},
		{name: "no signature", by: key, skip: tag(".sig"), says: unsigned},
		{name: "no provenance", by: key, skip: tag(".att"), says: unproven},
		{name: "another key", by: newKey(t), says: "key validation failed for authority"},
		{name: "another repository", by: key, fork: true, says: "not built from RustShare's repository"},
		{name: "bundles", by: key, format: product.ProofBundles, says: "key validation failed for authority"},
		{name: "bundles where they are asked for", by: key, format: product.ProofBundles, bundles: true, says: "when using the new bundle format, the authority must be keyless"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := release(t, fixture.Options{Proofs: cmp.Or(c.format, product.ProofTags)})
			if c.fork {
				r.Product.Source = "https://github.com/somebody/rustshare"
			}
			write(t, r, c.by)
			repo := fixture.Registry(t, false)
			image := fixture.Push(t, r.Bundle, repo, func(d v1.Descriptor) bool { return c.skip != nil && c.skip(d) })
			policy := withKey(t, policyFor(t, "policy-controller-key.yaml", repo), key)
			if c.bundles {
				policy = strings.ReplaceAll(policy, "signatureFormat: legacy", "signatureFormat: bundle")
			}
			tested(t, tester, t.TempDir(), policy, "", image).want(t, c.says)
		})
	}
}

// With enable-oci11 policy-controller believes what nobody signed: the document
// warns of it.
func TestAdmissionControllerOCI11(t *testing.T) {
	tester := testkit.PolicyTester(t)
	repo := fixture.Registry(t, true)
	image := fixture.Push(t, release(t, fixture.Options{}).Bundle, repo)
	subject, err := remote.Head(image)
	testkit.OK(t, err)
	for _, kind := range []string{intoto.Signature, intoto.Provenance} {
		statement, err := intoto.Encode(kind, map[string]any{"buildDefinition": map[string]any{"externalParameters": map[string]any{"repository": "https://github.com/kubedoio/rustshare"}}},
			intoto.SHA256(repo.Name(), subject.Digest.Hex))
		testkit.OK(t, err)
		const inToto = "application/vnd.in-toto+json"
		envelope := encode(t, map[string]any{"payloadType": inToto, "payload": statement, "signatures": []any{map[string]any{"sig": "bm9ib2R5"}}})
		proofs.Put(t, repo, "", v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: inToto, Subject: &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
			Config: proofs.Blob(t, repo, inToto, []byte("{}")), Layers: []v1.Descriptor{proofs.Blob(t, repo, inToto, envelope)},
		}, types.OCIManifestSchema1)
	}
	p, home := sigstore(t), t.TempDir()
	policy, root := p.controllerPolicy(t, repo), p.trustRoot(t)
	tested(t, tester, home, policy, root, image).want(t, "no valid bundles exist in registry")
	tested(t, tester, home, policy, root, image, "-enable-oci11").want(t, "")
	// The policy for a key wants a signature under a tag, which is verified.
	policy = withKey(t, policyFor(t, "policy-controller-key.yaml", repo), newKey(t))
	tested(t, tester, home, policy, "", image, "-enable-oci11").want(t, "signature key validation failed for authority signature")
}

// tested has policy-controller judge an image by a policy, with a TrustRoot where
// there is one. A directory is its home.
func tested(t testing.TB, tester, home, policy, trustRoot string, image name.Digest, more ...string) verdict {
	t.Helper()
	args := append([]string{"-policy", put(t, home, "policy.yaml", policy), "-image", image.Name()}, more...)
	if trustRoot != "" {
		args = append(args, "-trustroot", put(t, home, "root.yaml", trustRoot))
	}
	return ran(t, home, tester, args...)
}

const publicFulcio = "        url: https://fulcio.sigstore.dev\n"

// controllerPolicy is policy-controller's policy for identities with the instance
// in the public one's place.
func (p private) controllerPolicy(t testing.TB, repo name.Repository) string {
	t.Helper()
	const bundles = "      signatureFormat: bundle\n"
	return policyFor(t, "policy-controller-keyless.yaml", repo,
		publicFulcio, "        url: "+p.services.Fulcio+"\n        trustRootRef: private\n        insecureIgnoreSCT: true\n",
		bundles, bundles+"      rfc3161timestamp:\n        trustRootRef: private\n")
}

// trustRoot has the authorities of the instance's trusted root, but not its logs:
// policy-controller gives a TrustRoot's logs names that no bundle knows.
func (p private) trustRoot(t testing.TB) string {
	t.Helper()
	type authority struct {
		URI       string
		Subject   any
		CertChain struct{ Certificates []struct{ RawBytes []byte } }
	}
	var root struct{ CertificateAuthorities, TimestampAuthorities []authority }
	testkit.OK(t, json.Unmarshal(p.root, &root))
	listed := func(all []authority) (out []any) {
		for _, a := range all {
			var chain []byte
			for _, c := range a.CertChain.Certificates {
				chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.RawBytes})...)
			}
			out = append(out, map[string]any{"uri": a.URI, "subject": a.Subject, "certChain": chain})
		}
		return out
	}
	return string(encode(t, map[string]any{
		"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": map[string]any{"name": "private"},
		"spec": map[string]any{"sigstoreKeys": map[string]any{
			"certificateAuthorities": listed(root.CertificateAuthorities), "timestampAuthorities": listed(root.TimestampAuthorities),
		}},
	}))
}
