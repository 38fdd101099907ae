package sigstorekit

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prototrust "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The files of an instance.
const (
	rootFile     = "trusted_root.json"
	fulcioCA     = "fulcio.pem"
	fulcioKey    = "fulcio.key"
	timestampCA  = "timestamp.pem"
	timestampKey = "timestamp.key"
	rekorKey     = "rekor.key"
	issuerCA     = "issuer.pem"
)

// lifetime of the authorities' certificates.
const lifetime = 365 * 24 * time.Hour

// authorities makes the keys of all servers and the trusted root, where they
// are not there from an earlier instance.
func (i *Instance) authorities() error {
	if _, err := os.Stat(i.path(rootFile)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	from := time.Now().Add(-time.Hour).Truncate(time.Second)
	ca, caKey, err := authority("Fulcio of this machine", from, nil)
	if err != nil {
		return err
	}
	tsaRoot, tsaRootKey, err := authority("Timestamps of this machine", from, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping})
	if err != nil {
		return err
	}
	tsa, tsaKey, err := stamping(tsaRoot, tsaRootKey, from)
	if err != nil {
		return err
	}
	log, logKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	for name, key := range map[string]crypto.PrivateKey{fulcioKey: caKey, timestampKey: tsaKey, rekorKey: logKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		if err := os.WriteFile(i.path(name), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return err
		}
	}
	for name, chain := range map[string][]*x509.Certificate{fulcioCA: {ca}, timestampCA: {tsa, tsaRoot}} {
		var text []byte
		for _, c := range chain {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		if err := os.WriteFile(i.path(name), text, 0o600); err != nil {
			return err
		}
	}
	root := &prototrust.TrustedRoot{
		MediaType:              "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		CertificateAuthorities: []*prototrust.CertificateAuthority{trusted("https://fulcio.invalid", from, ca)},
		TimestampAuthorities:   []*prototrust.CertificateAuthority{trusted("https://timestamp.invalid", from, tsa, tsaRoot)},
	}
	if i.o.Log {
		if root.Tlogs, err = tlogs(log, from); err != nil {
			return err
		}
	}
	text, err := protojson.Marshal(root)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil { // protojson varies its white space on purpose
		return err
	}
	return os.WriteFile(i.path(rootFile), append(out.Bytes(), '\n'), 0o644)
}

// authority makes a self-signed certificate authority.
func authority(name string, from time.Time, usage []x509.ExtKeyUsage) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"sigstorekit"}, CommonName: name},
		NotBefore: from, NotAfter: from.Add(lifetime), ExtKeyUsage: usage,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: 1,
	}
	made, err := certificate(c, c, key.Public(), key)
	return made, key, err
}

// stamping makes the certificate of a timestamp authority (RFC 3161, 2.3).
func stamping(root *x509.Certificate, rootKey crypto.Signer, from time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		return nil, nil, err
	}
	made, err := certificate(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: []string{"sigstorekit"}, CommonName: "Timestamp authority of this machine"},
		NotBefore: from, NotAfter: from.Add(lifetime), KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, root, key.Public(), rootKey)
	return made, key, err
}

func certificate(c, by *x509.Certificate, key crypto.PublicKey, with crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, c, by, key, with)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of %s: %w", c.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

func trusted(uri string, from time.Time, chain ...*x509.Certificate) *prototrust.CertificateAuthority {
	last := chain[len(chain)-1]
	out := &prototrust.CertificateAuthority{
		Uri:       uri,
		Subject:   &protocommon.DistinguishedName{Organization: last.Subject.Organization[0], CommonName: last.Subject.CommonName},
		ValidFor:  &protocommon.TimeRange{Start: timestamppb.New(from)},
		CertChain: &protocommon.X509CertificateChain{},
	}
	for _, c := range chain {
		out.CertChain.Certificates = append(out.CertChain.Certificates, &protocommon.X509Certificate{RawBytes: c.Raw})
	}
	return out
}

// tlogs name a Rekor v2 log, whose identifier is that of its checkpoints' key
// (C2SP signed-note: SHA-256 of origin, newline, algorithm and key).
func tlogs(key ed25519.PublicKey, from time.Time) ([]*prototrust.TransparencyLogInstance, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(append([]byte(host+"\n\x01"), key...))
	return []*prototrust.TransparencyLogInstance{{
		BaseUrl: "http://" + host, HashAlgorithm: protocommon.HashAlgorithm_SHA2_256,
		PublicKey: &protocommon.PublicKey{
			RawBytes: der, KeyDetails: protocommon.PublicKeyDetails_PKIX_ED25519, ValidFor: &protocommon.TimeRange{Start: timestamppb.New(from)},
		},
		LogId: &protocommon.LogId{KeyId: id[:]},
	}}, nil
}

// Authority gives certificate and key of Fulcio, for a test that makes
// certificates which Fulcio would not.
func (i *Instance) Authority() (*x509.Certificate, crypto.Signer, error) {
	text, err := os.ReadFile(i.path(fulcioCA))
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, fmt.Errorf("%s is no PEM file", fulcioCA)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	if text, err = os.ReadFile(i.path(fulcioKey)); err != nil {
		return nil, nil, err
	}
	if block, _ = pem.Decode(text); block == nil {
		return nil, nil, fmt.Errorf("%s is no PEM file", fulcioKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("%s holds a %T", fulcioKey, key)
	}
	return c, signer, nil
}
