// Package certified signs statements in tests as a workflow on GitHub does: with
// a certificate for its identity and a timestamp. Certificate and timestamp
// authority are of the test's own making.
package certified

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// Issuer is that of the tokens of GitHub's workflows.
const Issuer = "https://token.actions.githubusercontent.com"

// Authority issues certificates and timestamps.
type Authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	// clock is the timestamp authority's certificate.
	clock    *x509.Certificate
	clockKey *ecdsa.PrivateKey
}

// New makes an authority that lives as long as the test.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, key: newKey(t), clockKey: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "testkit", Organization: []string{"testkit"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	a.root = issue(t, template, template, a.key.Public(), a.key)
	stamping, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	testkit.OK(t, err)
	a.clock = issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "testkit clock", Organization: []string{"testkit"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		// RFC 3161 wants it critical.
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: stamping}},
	}, a.root, a.clockKey.Public(), a.key)
	return a
}

// stamp is a timestamp of a signature (RFC 3161).
func (a *Authority) stamp(signature []byte) ([]byte, error) {
	sum := sha256.Sum256(signature)
	t := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: time.Now(), SerialNumber: big.NewInt(time.Now().UnixNano()),
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
	}
	return t.CreateResponseWithOpts(a.clock, a.clockKey, crypto.SHA256)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.OK(t, err)
	return key
}

func issue(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	testkit.OK(t, err)
	cert, err := x509.ParseCertificate(der)
	testkit.OK(t, err)
	return cert
}

// TrustedRoot is Sigstore's file of that name, on one line with its end: others
// than that GitHub's command line reads as empty.
func (a *Authority) TrustedRoot() []byte {
	a.t.Helper()
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{&root.FulcioCertificateAuthority{
		Root: a.root, URI: "https://testkit.example", ValidityPeriodStart: a.root.NotBefore, ValidityPeriodEnd: a.root.NotAfter,
	}}, nil, []root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
		Root: a.root, Leaf: a.clock, URI: "https://testkit.example", ValidityPeriodStart: a.root.NotBefore, ValidityPeriodEnd: a.root.NotAfter,
	}}, nil)
	testkit.OK(a.t, err)
	text, err := json.Marshal(trusted)
	testkit.OK(a.t, err)
	var line bytes.Buffer
	testkit.OK(a.t, json.Compact(&line, text))
	line.WriteByte('\n')
	return line.Bytes()
}

// Identity is a workflow that runs.
type Identity struct {
	// Repository is its page, Workflow the file's path in it, Ref the full git
	// ref and Commit what it runs for.
	Repository, Workflow, Ref, Commit string
}

// Signer signs with a certificate of its own for each statement. It has the
// methods that the maker of proofs wants.
type Signer struct {
	a  *Authority
	id Identity
}

// Signer gives the one of an identity.
func (a *Authority) Signer(id Identity) *Signer { return &Signer{a, id} }

// Fingerprint names the identity.
func (s *Signer) Fingerprint() string { return s.id.workflow() }

// Sign is for proofs that hold no certificate.
func (s *Signer) Sign(context.Context, []byte) ([]byte, error) {
	return nil, x509.ErrUnsupportedAlgorithm
}

// Blob is for files, which are signed by others in tests.
func (s *Signer) Blob(context.Context, []byte) ([]byte, error) {
	return nil, x509.ErrUnsupportedAlgorithm
}

// Check knows no bundle again.
func (s *Signer) Check(_, _ []byte) bool { return false }

func (id Identity) workflow() string { return id.Repository + "/" + id.Workflow + "@" + id.Ref }

// Bundle signs an in-toto statement and gives a Sigstore bundle v0.3 in JSON.
func (s *Signer) Bundle(_ context.Context, statement []byte) ([]byte, error) {
	const payloadType = "application/vnd.in-toto+json"
	key := newKey(s.a.t)
	cert := s.a.certificate(s.id, key.Public())
	sum := sha256.Sum256(dsse.PAE(payloadType, statement))
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	stamp, err := s.a.stamp(sig)
	if err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(&protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: cert.Raw}},
			TimestampVerificationData: &protobundle.TimestampVerificationData{
				Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp}},
			},
		},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: payloadType, Signatures: []*protodsse.Signature{{Sig: sig}},
		}},
	})
	return text, err
}

// certificate is what Fulcio gives a workflow on GitHub, as far as it is looked
// at (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
func (a *Authority) certificate(id Identity, public crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	san, err := url.Parse(id.workflow())
	testkit.OK(a.t, err)
	owner := id.Repository[:strings.LastIndexByte(id.Repository, '/')]
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), URIs: []*url.URL{san},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	for last, value := range map[int]string{
		8: Issuer, 9: id.workflow(), 10: id.Commit, 11: "github-hosted", 12: id.Repository, 13: id.Commit, 14: id.Ref,
		16: owner, 18: id.workflow(), 19: id.Commit,
	} {
		der, err := asn1.MarshalWithParams(value, "utf8")
		testkit.OK(a.t, err)
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, last}, Value: der,
		})
	}
	return issue(a.t, template, a.root, public, a.key)
}
