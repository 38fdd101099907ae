package forge_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

func bundleText(media, material, payload, sig string) string {
	return fmt.Sprintf(`{"mediaType":%q,"verificationMaterial":%s,"dsseEnvelope":{"payload":%q,"payloadType":"application/vnd.in-toto+json","signatures":[{"sig":%q}]}}`,
		media, material, base64.StdEncoding.EncodeToString([]byte(payload)), base64.StdEncoding.EncodeToString([]byte(sig)))
}

const (
	certificate = `{"certificate":{"rawBytes":"AAAA"}}`
	statement   = `{"predicateType":"https://slsa.dev/provenance/v1","subject":[{"name":"a","digest":{"sha512":"cc"}},{"digest":{"sha256":"aa"}},{"digest":{"sha256":"bb"}}]}`
)

func TestReadAttestation(t *testing.T) {
	text := bundleText(forge.BundleMedia, certificate, statement, "sig")
	a, err := forge.ReadAttestation([]byte(text))
	testkit.OK(t, err)
	if a.Subject != "sha256:aa" || a.Predicate != "https://slsa.dev/provenance/v1" || !a.Certified || string(a.Bundle) != text {
		t.Errorf("got %+v", a)
	}
	// The id is of what is signed, whatever the JSON around it looks like.
	loose, err := forge.ReadAttestation([]byte(strings.ReplaceAll(strings.ReplaceAll(text, ":{", ": {"), `"AAAA"`, `"AAAB"`)))
	testkit.OK(t, err)
	if loose.ID != a.ID {
		t.Errorf("the same signature has the ids %s and %s", a.ID, loose.ID)
	}
	for _, other := range []string{
		bundleText(forge.BundleMedia, certificate, statement, "other"), bundleText(forge.BundleMedia, certificate, statement+" ", "sig"),
	} {
		b, err := forge.ReadAttestation([]byte(other))
		testkit.OK(t, err)
		if b.ID == a.ID {
			t.Errorf("%s has the same id", other)
		}
	}
	keyed, err := forge.ReadAttestation([]byte(bundleText(forge.BundleMedia, `{"publicKey":{"hint":"x"}}`, statement, "sig")))
	testkit.OK(t, err)
	if keyed.Certified {
		t.Error("a bundle of a key is certified")
	}
	for in, says := range map[string]string{
		`[]`: "reading a Sigstore bundle",
		bundleText("application/vnd.dev.sigstore.bundle+json;version=0.2", certificate, statement, "sig"): "want \"application/vnd.dev.sigstore.bundle.v0.3+json\"",
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{}}`:             "signs no statement",
		bundleText(forge.BundleMedia, certificate, `{`, "sig"):                                            "reading the statement",
		bundleText(forge.BundleMedia, certificate, `{"predicateType":"x"}`, "sig"):                        "the statement x in a Sigstore bundle is about nothing",
	} {
		_, err := forge.ReadAttestation([]byte(in))
		testkit.Says(t, err, says)
		if forge.IsNoStatement(err) != (says == "signs no statement") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzReadAttestation(f *testing.F) {
	f.Add(bundleText(forge.BundleMedia, certificate, statement, "sig"))
	f.Fuzz(func(t *testing.T, text string) {
		a, err := forge.ReadAttestation([]byte(text))
		if err == nil && (len(a.ID) != 64 || !strings.HasPrefix(a.Subject, "sha256:") || a.Subject == "sha256:") {
			t.Errorf("%q gives %+v", text, a)
		}
	})
}
