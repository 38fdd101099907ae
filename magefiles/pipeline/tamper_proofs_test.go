package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// proofRows tamper with who signed, when, and what.
func proofRows(g *genuine) []tampering {
	signed := func(change func(r *sigstorekit.Run)) func(c *copied) {
		return func(c *copied) { c.sign("", c.as(change)) }
	}
	return []tampering{
		{what: "all is signed with a key that nobody pinned",
			us:     "it is signed by a key, and no key is trusted here: want a certificate of an identity that counts",
			cosign: "not enough verified log entries from transparency log",
			ask:    aboutImage,
			do:     func(c *copied) { c.sign("", newKey(c)) }},
		{what: "all is signed by a fork",
			us:     "it is signed by https://github.com/evil/tiny/.github/workflows/release.yml@refs/tags/v0.3.0, a workflow of another repository: want one of https://github.com/example/tiny",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/evil/tiny/.github/workflows/release.yml@refs/tags/v0.3.0"`,
			ask:    aboutImage, do: signed(fork)},
		{what: "all is signed by a fork that calls our workflow",
			us:     `it is signed by a run of the repository "https://github.com/evil/tiny" that used the workflow https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0: runs of https://github.com/example/tiny alone count`,
			cosign: `expected GithubWorkflowRepository to be "example/tiny", got "evil/tiny"`,
			ask:    aboutCaller(), do: signed(func(r *sigstorekit.Run) { r.Caller = "evil/tiny" })},
		{what: "all is signed by another workflow of the repository",
			us:     "it is signed by https://github.com/example/tiny/.github/workflows/ci.yml@refs/tags/v0.3.0, which is nobody whose signatures count: want .github/workflows/edge.yml or .github/workflows/release.yml",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/ci.yml@refs/tags/v0.3.0"`,
			ask:    aboutImage, do: signed(func(r *sigstorekit.Run) { r.Workflow = ".github/workflows/ci.yml" })},
		{what: "all is signed by the workflow for edge builds, on main",
			us:     "edge.yml@refs/heads/main (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.3.0 has to be signed by a run on that very ref",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/edge.yml@refs/heads/main"`,
			ask:    aboutImage, do: signed(func(r *sigstorekit.Run) {
				r.Workflow, r.Ref = ".github/workflows/edge.yml", "refs/heads/main"
			})},
		{what: "all is signed by the release workflow, on main",
			us:     "release.yml@refs/heads/main, and that workflow's signatures do not count on refs/heads/main",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/heads/main"`,
			ask:    aboutImage, do: signed(func(r *sigstorekit.Run) { r.Ref = "refs/heads/main" })},
		{what: "all is signed by the release workflow, on another tag",
			us:     "release.yml@refs/tags/v0.2.0 (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.3.0 has to be signed by a run on that very ref",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0"`,
			ask:    aboutImage, do: signed(func(r *sigstorekit.Run) { r.Ref = "refs/tags/" + g.old.tag })},
		{what: "all is signed by the release workflow, on a candidate's tag",
			us:     "release.yml@refs/tags/v0.3.0-rc.1 (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.3.0 has to be signed by a run on that very ref",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0-rc.1"`,
			ask:    aboutImage, do: signed(func(r *sigstorekit.Run) { r.Ref += "-rc.1" })},
		{what: "all is signed by the same identity of another issuer",
			us:     "for whom the issuer https://token.actions.elsewhere.invalid vouches: want https://token.actions.githubusercontent.com",
			cosign: `expected issuer value "https://token.actions.githubusercontent.com", got "https://token.actions.elsewhere.invalid"`,
			ask:    aboutImage,
			do: func(c *copied) {
				c.sign("", proofs.Anyone(c.t, c.sigstore.Services, func() (string, error) { return c.sigstore.Token(sigstorekit.Elsewhere, c.run()) }))
			}},
		{what: "all is signed with a certificate of another authority",
			us:     `is from "Fulcio of this machine", an authority that the trusted root does not name`,
			cosign: "leaf certificate verification failed",
			ask:    aboutImage,
			do: func(c *copied) {
				services := product.Services{Fulcio: c.stranger.Services.Fulcio, Timestamps: c.sigstore.Services.Timestamps, Logs: c.sigstore.Services.Logs}
				c.sign("", proofs.Anyone(c.t, services, func() (string, error) { return c.stranger.Token(sigstorekit.GitHub, c.run()) }))
			}},

		{what: "all bundles have lost their timestamps",
			us:     "nothing that the trusted root names says when https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 signed",
			cosign: "threshold not met for verified signed timestamps: 0 < 1",
			ask:    aboutImage,
			do: func(c *copied) {
				c.edit(func(b map[string]any) { delete(within(b, "verificationMaterial"), "timestampVerificationData") })
			}},
		{what: "all bundles have the timestamp of another",
			us:     "nothing that the trusted root names says when https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 signed",
			cosign: "unable to verify signed timestamps: hashed messages don't match",
			ask:    aboutImage,
			do: func(c *copied) {
				var other map[string]any
				ok(c.t, json.Unmarshal(c.attached(c.old.digest, intoto.Signature)[0].text, &other))
				c.edit(func(b map[string]any) {
					within(b, "verificationMaterial")["timestampVerificationData"] = within(other, "verificationMaterial")["timestampVerificationData"]
				})
			}},
		{what: "all bundles have lost their entries in the log",
			us:     "no log that the trusted root names has the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0: not enough verified log entries",
			cosign: "not enough verified log entries from transparency log",
			ask:    aboutImage,
			do: func(c *copied) {
				c.edit(func(b map[string]any) { delete(within(b, "verificationMaterial"), "tlogEntries") })
			}},
		{what: "all bundles have the log's entry of another",
			us:     "no log that the trusted root names has the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0: the proof that comes with it is of another entry",
			cosign: "failed to verify log inclusion: transparency log signature does not match",
			ask:    aboutImage,
			do: func(c *copied) {
				var other map[string]any
				ok(c.t, json.Unmarshal(c.attached(c.old.digest, intoto.Signature)[0].text, &other))
				c.edit(func(b map[string]any) {
					within(b, "verificationMaterial")["tlogEntries"] = within(other, "verificationMaterial")["tlogEntries"]
				})
			}},
		{what: "all was signed after the certificate's end",
			us:     "release.yml@refs/tags/v0.3.0 signed at … , when its certificate was not valid: that was from",
			cosign: "leaf certificate verification failed",
			ask:    aboutImage,
			do: func(c *copied) {
				c.change("", func(text []byte) []byte {
					late := proofs.Lapse(c.t, c.sigstore, c.run())
					return late.Bundle(c.t, c.sigstore.Services, payload(c.t, text))
				})
			}},
		{what: "one byte of each signed statement is changed",
			us:     "the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 does not verify",
			cosign: "could not verify envelope: accepted signatures do not match threshold",
			ask:    aboutImage,
			do:     changedStatements},
		{what: "one byte of each signature is changed",
			us:     "the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 does not verify",
			cosign: "failed to verify log inclusion: transparency log signature does not match",
			ask:    aboutImage,
			do: func(c *copied) {
				c.edit(func(b map[string]any) {
					list, _ := within(b, "dsseEnvelope")["signatures"].([]any)
					one, _ := list[0].(map[string]any)
					text, _ := one["sig"].(string)
					one["sig"] = turned(text)
				})
			}},
		{what: "each signed statement is said to be of another type",
			us:     "the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 does not verify",
			cosign: "could not verify envelope: accepted signatures do not match threshold",
			ask:    aboutImage,
			do: func(c *copied) {
				c.edit(func(b map[string]any) { within(b, "dsseEnvelope")["payloadType"] = "text/plain" })
			}},
		{what: "a signature is listed as the provenance",
			us:     "has no provenance: attest the release",
			cosign: "none of the attestations matched the predicate type: slsaprovenance1",
			ask:    aboutProvenance,
			do: func(c *copied) {
				d, _ := c.index()
				c.drop(d.Digest, intoto.Provenance)
				for _, p := range c.attached(d.Digest, intoto.Signature) {
					proofs.Attach(c.t, c.repo, d, intoto.Provenance, p.text)
				}
			}},
		{what: "the signature's bundle is cut short in the registry",
			us:     "reading the blob sha256: … error verifying sha256 checksum",
			cosign: "none of the attestations matched the predicate type: https://sigstore.dev/cosign/sign/v1",
			ask:    aboutSignature,
			do: func(c *copied) {
				d, _ := c.index()
				for _, p := range c.attached(d.Digest, intoto.Signature) {
					ok(c.t, os.WriteFile(c.blob(p.layer), p.text[:len(p.text)/2], 0o644))
				}
			}},
		{what: "all bundles are cut short, and attached under their new digests",
			us:     "the signature of index … does not count: it is no Sigstore bundle",
			cosign: "no valid bundles exist in registry",
			ask:    aboutImage,
			do: func(c *copied) {
				c.change("", func(text []byte) []byte { return text[:len(text)/2] })
			}},
		{what: "where a key signs: all is signed with another key",
			us:     "the signature of index … is not signed by the key sha256:",
			cosign: "could not verify envelope: accepted signatures do not match threshold",
			ask:    askedByKey(aboutImage), before: keyed,
			do: func(c *copied) { c.sign("", newKey(c)) }},
		{what: "where a key signs: the provenance is signed with another key",
			us:     "the provenance of index … is not signed by the key sha256:",
			cosign: "none of the attestations matched the predicate type: slsaprovenance1",
			ask:    askedByKey(aboutProvenance), before: keyed,
			do: func(c *copied) { c.sign(intoto.Provenance, newKey(c)) }},
		{what: "where a key signs: one byte of each signed statement is changed",
			us:     "the signature of index … is not signed by the key sha256:",
			cosign: "could not verify envelope: accepted signatures do not match threshold",
			ask:    askedByKey(aboutImage), before: keyed, do: changedStatements},
	}
}

func newKey(c *copied) *attest.Key {
	c.t.Helper()
	key, err := attest.NewKey()
	ok(c.t, err)
	return key
}

// askedByKey asks the same of a release that a key signed.
func askedByKey(q question) question {
	q.key = true
	return q
}

// keyed has a key sign everything that is attached, as it would have signed the
// release.
func keyed(c *copied) {
	c.t.Helper()
	key := newKey(c)
	c.key = filepath.Join(c.t.TempDir(), "cosign.pub")
	ok(c.t, os.WriteFile(c.key, key.PublicPEM(), 0o644))
	_, index := c.index()
	subjects := append([]v1.Descriptor{{Digest: c.new.digest}}, index.Manifests...)
	for _, arch := range []string{"x86_64", "aarch64"} {
		subjects = append(subjects, v1.Descriptor{Digest: c.binaryFor(arch)})
	}
	for _, subject := range subjects {
		var m v1.Manifest
		d := c.get(subject.Digest.String(), &m)
		for _, p := range c.drop(subject.Digest, "") {
			made, err := key.Bundle(c.t.Context(), payload(c.t, p.text))
			ok(c.t, err)
			proofs.Attach(c.t, c.repo, d, p.predicate, made)
		}
	}
}

func changedStatements(c *copied) {
	c.edit(func(b map[string]any) {
		e := within(b, "dsseEnvelope")
		text, _ := e["payload"].(string)
		e["payload"] = turned(text)
	})
}

// turned is a text in base64 with one character changed.
func turned(text string) string {
	b := []byte(text)
	at := len(b) / 2
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}
