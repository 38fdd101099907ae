package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// FuzzIdentify gives certificates of anybody: who counts for a release is a run
// of a pinned workflow in the product's repository, on a ref of its channel.
func FuzzIdentify(f *testing.F) {
	p := product.RustShare()
	p.Trust.Keyless.Identities = append(p.Trust.Keyless.Identities,
		product.Identity{For: []string{product.Withdrawal}, Person: "a@example.org", Issuer: "https://accounts.example"})
	const gitHub = "https://token.actions.githubusercontent.com"
	for _, s := range []string{
		p.Source + "/.github/workflows/release.yml@refs/tags/v0.4.0", p.Source + "/.github/workflows/release.yml@refs/tags/v0.4.0-rc.1",
		p.Source + "/.github/workflows/pilot-release.yml@refs/heads/main", p.Source + "/.github/workflows/release.yml@v0.4.0",
		p.Source + "/.github/workflows/release.yml@refs/tags/v0.4.0@refs/tags/v0.4.1", p.Source + "@refs/tags/v0.4.0", "@", "",
		p.Source + "-evil/.github/workflows/release.yml@refs/tags/v0.4.0", "a@example.org",
	} {
		f.Add(s, gitHub, p.Source)
		f.Add(s, "https://accounts.example", "")
	}
	f.Fuzz(func(t *testing.T, subject, issuer, source string) {
		c := &certificates{Keyless: *KeylessOf(p, nil)}
		who, err := c.identify(certificate.Summary{
			SubjectAlternativeName: subject,
			Extensions:             certificate.Extensions{Issuer: issuer, SourceRepositoryURI: source, SourceRepositoryDigest: "c"},
		})
		if err != nil {
			return
		}
		if who.key || who.release == who.withdrawal {
			t.Fatalf("%q is %+v", subject, who)
		}
		if who.withdrawal {
			if subject != "a@example.org" || issuer != "https://accounts.example" {
				t.Errorf("%q of %q may withdraw", subject, issuer)
			}
			return
		}
		ref, err := decide.ParseRef(who.ref, "main")
		if err != nil || issuer != gitHub || source != p.Source || who.commit != "c" {
			t.Fatalf("%q of %q, %q counts on %q: %v", subject, issuer, source, who.ref, err)
		}
		if !slices.ContainsFunc(p.Trust.Keyless.Identities, func(i product.Identity) bool {
			channel := slices.Contains(i.For, string(ref.Channel)) || ref.Version.IsZero() && slices.Contains(i.For, "nightly")
			return channel && subject == p.Source+"/"+i.Workflow+"@"+ref.Full()
		}) {
			t.Errorf("%q counts on %q", subject, who.ref)
		}
	})
}

// FuzzBundle reads anything as a bundle: it is refused with a sentence.
func FuzzBundle(f *testing.F) {
	f.Add([]byte("{}"), []byte("x"))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"MIIB"}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="}}`), []byte("x"))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AA=="}]}}`), []byte("{}"))
	p := product.RustShare()
	trust := Trust{Keyless: KeylessOf(p, func() ([]byte, error) {
		return []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), nil
	})}
	f.Fuzz(func(t *testing.T, text, content []byte) {
		if who, err := trust.Bundle(text, content, "refs/tags/v0.4.0"); err == nil || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%q over %q is signed by %s", text, content, who)
		}
	})
}
