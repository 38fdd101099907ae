package verify_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// Every way in which a release can be wrong has words of its own.
func TestBad(t *testing.T) {
	type env struct {
		key, other *attest.Key
		r          fixture.Release
		repo       name.Repository
		trust      verify.Trust
		want       verify.Expect
	}
	push := func(t *testing.T, e *env, leaveOut ...string) {
		fixture.Push(t, e.r.Bundle, e.repo, without(leaveOut...))
	}
	const x86 = "rustshare-backend-x86_64-linux"
	everyProvenance := []string{
		"index.provenance", "linux-amd64.provenance", "linux-arm64.provenance", x86 + ".provenance", "rustshare-backend-aarch64-linux.provenance",
	}
	// A release is signed once for all the cases that only publish it badly.
	key := newKey(t)
	releases := map[fixture.Options]fixture.Release{}
	for _, o := range []fixture.Options{{}, {Proofs: product.ProofTags}, {Revision: strings.Repeat("e", 40)}} {
		releases[o] = signed(t, key, o)
	}
	for _, c := range []struct {
		name    string
		options fixture.Options
		publish func(t *testing.T, e *env)
		reason  verify.Reason
		subject string
		words   []string
	}{
		{
			name:    "wrong key",
			publish: func(t *testing.T, e *env) { push(t, e); e.trust.Key = e.other.PublicPEM() },
			reason:  verify.Untrusted, subject: "index",
			words: []string{"the signature of index", "is not signed by the key sha256:", "more checks failed"},
		},
		{
			name:    "wrong key, tags",
			options: fixture.Options{Proofs: product.ProofTags},
			publish: func(t *testing.T, e *env) { push(t, e); e.trust.Key = e.other.PublicPEM() },
			reason:  verify.Untrusted, subject: "index",
			words: []string{"the signature of index", "is not signed by the key sha256:"},
		},
		{
			name: "nothing signed",
			publish: func(t *testing.T, e *env) {
				fixture.Push(t, e.r.Bundle, e.repo, func(d v1.Descriptor) bool { return d.ArtifactType == bundleMedia })
			},
			reason: verify.Unsigned, subject: "index",
			words: []string{"index (sha256:", "has no signature: sign the release"},
		},
		{
			name:    "attestation without signature",
			publish: func(t *testing.T, e *env) { push(t, e, "index.signature") },
			reason:  verify.Unsigned, subject: "index",
			words: []string{"has no signature (it has attestations, but those are no signature)"},
		},
		{
			name:    "attestation without signature, tags",
			options: fixture.Options{Proofs: product.ProofTags},
			publish: func(t *testing.T, e *env) { push(t, e, "index.sig") },
			reason:  verify.Unsigned, subject: "index",
			words: []string{"has no signature (it has attestations, but those are no signature)"},
		},
		{
			name:    "one image unsigned",
			publish: func(t *testing.T, e *env) { push(t, e, "linux-arm64.signature") },
			reason:  verify.Unsigned, subject: "linux/arm64",
			words: []string{"linux/arm64 (sha256:", "has no signature"},
		},
		{
			name: "signature of another image",
			publish: func(t *testing.T, e *env) {
				push(t, e, "linux-arm64.signature")
				attach(t, e.repo, e.key, find(t, e.r.Bundle, "linux-arm64"), statementOf(t, e.r.Bundle, "linux-amd64.signature"))
			},
			reason: verify.Untrusted, subject: "linux/arm64",
			words: []string{"the signature of linux/arm64", "it is about sha256:"},
		},
		{
			name:    "no provenance",
			publish: func(t *testing.T, e *env) { push(t, e, "index.provenance") },
			reason:  verify.NoProvenance, subject: "index",
			words: []string{"index (sha256:", "has no provenance: attest the release"},
		},
		{
			name:    "no provenance, tags",
			options: fixture.Options{Proofs: product.ProofTags},
			publish: func(t *testing.T, e *env) { push(t, e, "linux-amd64.att") },
			reason:  verify.NoProvenance, subject: "linux/amd64",
			words: []string{"linux/amd64 (sha256:", "has no provenance"},
		},
		{
			name:    "no provenance of a binary",
			publish: func(t *testing.T, e *env) { push(t, e, x86+".provenance") },
			reason:  verify.NoProvenance, subject: x86,
			words: []string{x86 + " (sha256:", "has no provenance"},
		},
		{
			name:    "another repository",
			publish: func(t *testing.T, e *env) { push(t, e); e.want.Source = "https://github.com/kubedoio/other" },
			reason:  verify.WrongProvenance, subject: "index",
			words: []string{`it names the repository "https://github.com/kubedoio/rustshare", want "https://github.com/kubedoio/other"`},
		},
		{
			name:    "another ref",
			publish: func(t *testing.T, e *env) { push(t, e); e.want.Ref = "refs/tags/v0.4.1" },
			reason:  verify.WrongProvenance, subject: "index",
			words: []string{`it names the ref "refs/tags/v0.4.0", want "refs/tags/v0.4.1"`},
		},
		{
			name:    "another commit",
			publish: func(t *testing.T, e *env) { push(t, e); e.want.Commit = strings.Repeat("f", 40) },
			reason:  verify.WrongProvenance, subject: "index",
			words: []string{`it names the commit "` + fixture.Commit + `", want "ffff`},
		},
		{
			name: "provenance of another kind",
			publish: func(t *testing.T, e *env) {
				push(t, e, "index.provenance")
				s := statementOf(t, e.r.Bundle, "index.provenance")
				s.Predicate = json.RawMessage(strings.Replace(string(s.Predicate), intoto.BuildType, "https://example.org/by-hand", 1))
				attach(t, e.repo, e.key, find(t, e.r.Bundle, "index"), s)
			},
			reason: verify.WrongProvenance, subject: "index",
			words: []string{`of the build type "https://example.org/by-hand", and the one that counts is`},
		},
		{
			name:    "the index names another commit",
			options: fixture.Options{Revision: strings.Repeat("e", 40)},
			publish: func(t *testing.T, e *env) { push(t, e) },
			reason:  verify.WrongRevision, subject: "index",
			words: []string{`the index names the revision "eeee`, "its provenance the commit"},
		},
		{
			name:    "no SPDX of an image",
			publish: func(t *testing.T, e *env) { push(t, e, "linux-amd64.spdx") },
			reason:  verify.NoSBOM, subject: "linux/amd64",
			words: []string{"linux/amd64 (sha256:", "has no SPDX document"},
		},
		{
			name:    "no CycloneDX of one platform at the index",
			publish: func(t *testing.T, e *env) { push(t, e, "index.linux-arm64.cyclonedx") },
			reason:  verify.WrongSBOM, subject: "index",
			words: []string{"no CycloneDX document of index is about the image for linux/arm64", "it describes sha256:"},
		},
		{
			name:    "no SBOM of a binary",
			publish: func(t *testing.T, e *env) { push(t, e, x86+".cyclonedx") },
			reason:  verify.NoSBOM, subject: x86,
			words: []string{x86 + " (sha256:", "has no CycloneDX document"},
		},
		{
			name: "SBOM about another digest",
			publish: func(t *testing.T, e *env) {
				push(t, e, "linux-amd64.spdx")
				s := statementOf(t, e.r.Bundle, "linux-amd64.spdx")
				s.Predicate = statementOf(t, e.r.Bundle, "linux-arm64.spdx").Predicate
				attach(t, e.repo, e.key, find(t, e.r.Bundle, "linux-amd64"), s)
			},
			reason: verify.WrongSBOM, subject: "linux/amd64",
			words: []string{"no SPDX document of linux/amd64 is about the image sha256:", "it describes sha256:", "make the SBOMs again"},
		},
		{
			name: "SBOM without crates",
			publish: func(t *testing.T, e *env) {
				push(t, e, "linux-amd64.cyclonedx")
				s := statementOf(t, e.r.Bundle, "linux-amd64.cyclonedx")
				s.Predicate = json.RawMessage(strings.ReplaceAll(string(s.Predicate), "pkg:cargo/", "pkg:generic/"))
				attach(t, e.repo, e.key, find(t, e.r.Bundle, "linux-amd64"), s)
			},
			reason: verify.WrongSBOM, subject: "linux/amd64",
			words: []string{"no CycloneDX document of linux/amd64", "it lists no crate"},
		},
		{
			name: "SBOM not signed by the key",
			publish: func(t *testing.T, e *env) {
				push(t, e, "linux-amd64.spdx")
				attach(t, e.repo, e.other, find(t, e.r.Bundle, "linux-amd64"), statementOf(t, e.r.Bundle, "linux-amd64.spdx"))
			},
			reason: verify.Untrusted, subject: "linux/amd64",
			words: []string{"the SPDX document of linux/amd64", "is not signed by the key"},
		},
		{
			name:    "no attached binary",
			publish: func(t *testing.T, e *env) { push(t, e, x86) },
			reason:  verify.NoBinary, subject: "linux/amd64",
			words: []string{"no attached binary has the top layer sha256:", "the image for linux/amd64"},
		},
		{
			name: "attached binary says another sha256",
			publish: func(t *testing.T, e *env) {
				push(t, e, x86)
				var m v1.Manifest
				must(t, e.r.Bundle.ReadJSON(find(t, e.r.Bundle, x86).Digest, &m))
				m.Annotations[bundle.SHA256Key] = strings.Repeat("0", 64)
				put(t, e.repo, m)
			},
			reason: verify.WrongBinary, subject: "linux/amd64",
			words: []string{"the binary /app/rustshare-server in the image for linux/amd64 has sha256", "has 0000", "not the same build"},
		},
		{
			name: "attached by somebody else",
			publish: func(t *testing.T, e *env) {
				push(t, e, x86)
				var m v1.Manifest
				must(t, e.r.Bundle.ReadJSON(find(t, e.r.Bundle, x86).Digest, &m))
				m.Annotations["note"] = "from somebody else"
				put(t, e.repo, m)
			},
			reason: verify.WrongBinary, subject: "linux/amd64",
			words: []string{"the attached binary " + x86, "is not in the provenance"},
		},
		{
			name: "binary that the provenance does not know",
			publish: func(t *testing.T, e *env) {
				push(t, e, everyProvenance...)
				s := statementOf(t, e.r.Bundle, "index.provenance")
				for i, sub := range s.Subject {
					if sub.Name == x86 {
						s.Subject[i] = intoto.SHA256(x86, strings.Repeat("1", 64))
					}
				}
				for _, on := range []string{"index", "linux-amd64", "linux-arm64", x86, "rustshare-backend-aarch64-linux"} {
					attach(t, e.repo, e.key, find(t, e.r.Bundle, on), s)
				}
			},
			reason: verify.WrongBinary, subject: "linux/amd64",
			words: []string{"the provenance has no " + x86 + " with sha256", "signed for another binary"},
		},
		{
			name: "both formats",
			publish: func(t *testing.T, e *env) {
				push(t, e)
				fixture.Push(t, releases[fixture.Options{Proofs: product.ProofTags}].Bundle, e.repo)
			},
			reason: verify.MixedFormats, subject: "index",
			words: []string{"proofs in two formats", "keep one format a product"},
		},
		{
			name:    "not the wanted format: bundles",
			publish: func(t *testing.T, e *env) { push(t, e); e.trust.Format = product.ProofTags },
			reason:  verify.MixedFormats, subject: "index",
			words: []string{"its proofs are Sigstore bundles, this product's are under .sig and .att tags"},
		},
		{
			name:    "not the wanted format: tags",
			options: fixture.Options{Proofs: product.ProofTags},
			publish: func(t *testing.T, e *env) { push(t, e); e.trust.Format = product.ProofBundles },
			reason:  verify.MixedFormats, subject: "index",
			words: []string{"its proofs are under .sig and .att tags, this product's are Sigstore bundles"},
		},
		{
			name: "junk for a bundle",
			publish: func(t *testing.T, e *env) {
				push(t, e, "index.signature")
				proofs.Attach(t, e.repo, find(t, e.r.Bundle, "index"), intoto.Signature, []byte("junk"))
			},
			reason: verify.Untrusted, subject: "index",
			words: []string{"the signature of index", "it is no Sigstore bundle"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := &env{key: key, other: newKey(t), r: releases[c.options], repo: fixture.Registry(t, true), want: expect}
			e.trust.Key = e.key.PublicPEM()
			c.publish(t, e)
			ref := e.repo.Digest(find(t, e.r.Bundle, "index").Digest.String())
			got, err := verify.Image(t.Context(), ref, e.trust, e.want)
			if err == nil {
				t.Fatalf("it passed: %+v", got.Report.Checks)
			}
			var all *verify.Error
			var first *verify.Failure
			if !errors.As(err, &all) || !errors.As(err, &first) {
				t.Fatalf("got the error %v of type %T, want a *verify.Error", err, err)
			}
			if first.Reason != c.reason || first.Subject != c.subject {
				t.Errorf("got the failure %q of %q first, want %q of %q; all:\n%v", first.Reason, first.Subject, c.reason, c.subject, errors.Join(all.Unwrap()...))
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error %q does not say %q", err, w)
				}
			}
			if got.Report.Passed || got.Proves(find(t, e.r.Bundle, "index").Digest) {
				t.Error("the result proves an image that failed")
			}
			if !slices.ContainsFunc(got.Report.Checks, func(c verify.Check) bool { return !c.Pass }) {
				t.Error("the report has no failed check")
			}
		})
	}
}
