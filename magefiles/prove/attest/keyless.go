package attest

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Keyless signs with a key that nobody keeps: Fulcio certifies it for the
// identity that an OIDC token shows, for some minutes, and each signature is
// dated by timestamp authorities and entered in logs. One key and one
// certificate serve a whole run, while the certificate is valid. Methods may be
// called side by side.
type Keyless struct {
	o KeylessOptions

	mu   sync.Mutex
	key  *sign.EphemeralKeypair
	cert *x509.Certificate
	// name is the certificate's subject.
	name string
}

var _ Signer = (*Keyless)(nil)

// KeylessOptions of [NewKeyless]. All fields are needed.
type KeylessOptions struct {
	Services product.Services
	// Token gives an ID token (JWT) for Fulcio. It is asked for each certificate.
	Token func(ctx context.Context) (string, error)
	// Accept tells whether a certificate (DER) is of an identity that may sign
	// here.
	Accept func(certificate []byte) error
	// Verify holds a bundle over a statement or a file against what users will
	// trust, and gives the certificate's subject. What was just signed has to
	// pass it.
	Verify func(bundle, content []byte) (string, error)
}

// spare is how much longer than now a certificate has to be valid to be used.
const spare = 2 * time.Minute

// retries of a request to a service that is overloaded.
const retries = 3

// NewKeyless gets a first certificate, so that what is wrong with the identity
// is told before anything else is done.
func NewKeyless(ctx context.Context, o KeylessOptions) (*Keyless, error) {
	k := &Keyless{o: o}
	_, _, err := k.certified(ctx)
	return k, err
}

// certified gives the key and its certificate, new ones where the old one is
// about to end.
func (k *Keyless) certified(ctx context.Context) (*sign.EphemeralKeypair, *x509.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cert != nil && time.Now().Add(spare).Before(k.cert.NotAfter) {
		return k.key, k.cert, nil
	}
	token, err := k.o.Token(ctx)
	if err != nil {
		return nil, nil, err
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key: %w", err)
	}
	fulcio := sign.NewFulcio(&sign.FulcioOptions{BaseURL: k.o.Services.Fulcio, Retries: retries})
	der, err := fulcio.GetCertificate(ctx, key, &sign.CertificateProviderOptions{IDToken: token})
	if err != nil {
		return nil, nil, fmt.Errorf("asking %s for a certificate: %w", k.o.Services.Fulcio, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate of %s: %w", k.o.Services.Fulcio, err)
	}
	if err := k.o.Accept(der); err != nil {
		return nil, nil, fmt.Errorf("this run's identity is none that the product pins: %w", err)
	}
	k.key, k.cert, k.name = key, cert, subject(cert)
	return key, cert, nil
}

// subject is a certificate's one subject alternative name.
func subject(cert *x509.Certificate) string {
	switch {
	case len(cert.URIs) > 0:
		return cert.URIs[0].String()
	case len(cert.EmailAddresses) > 0:
		return cert.EmailAddresses[0]
	}
	return ""
}

// Bundle signs a statement, dates the signature and enters it.
func (k *Keyless) Bundle(ctx context.Context, statement []byte) ([]byte, error) {
	return k.bundle(ctx, &sign.DSSEData{Data: statement, PayloadType: intoto.PayloadType}, statement)
}

// Blob does the same with a file.
func (k *Keyless) Blob(ctx context.Context, text []byte) ([]byte, error) {
	return k.bundle(ctx, &sign.PlainData{Data: text}, text)
}

func (k *Keyless) bundle(ctx context.Context, content sign.Content, text []byte) ([]byte, error) {
	key, cert, err := k.certified(ctx)
	if err != nil {
		return nil, err
	}
	o := sign.BundleOptions{Context: ctx, CertificateProvider: ready{cert}}
	// These clients are made anew each time: they are not for use side by side.
	for _, url := range k.o.Services.Timestamps {
		o.TimestampAuthorities = append(o.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: url, Retries: retries}))
	}
	for _, l := range k.o.Services.Logs {
		o.TransparencyLogs = append(o.TransparencyLogs, sign.NewRekor(&sign.RekorOptions{BaseURL: l.URL, Version: uint32(l.Version), Retries: retries})) //nolint:gosec // 1 or 2
	}
	made, err := sign.Bundle(content, key, o)
	if err != nil {
		return nil, fmt.Errorf("making a Sigstore bundle with %s: %w", k.o.Services.Fulcio, err)
	}
	out, err := encoded(made)
	if err != nil {
		return nil, err
	}
	if _, err := k.o.Verify(out, text); err != nil {
		return nil, fmt.Errorf("what was signed would not verify, does the trusted root name the services of this instance? %w", err)
	}
	return out, nil
}

// ready gives a certificate that is there.
type ready struct{ cert *x509.Certificate }

func (r ready) GetCertificate(context.Context, sign.Keypair, *sign.CertificateProviderOptions) ([]byte, error) {
	return r.cert.Raw, nil
}

// Sign refuses: what stands under tags is signed by a key.
func (*Keyless) Sign(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("proofs under tags cannot be signed keyless: a certificate and its timestamp have no place there; use bundles (Proofs), or a key")
}

// Check tells whether a bundle is of this very identity and verifies, whatever
// key and certificate it was made with.
func (k *Keyless) Check(bundle, content []byte) bool {
	cert, err := certificateOf(bundle)
	if err != nil {
		return false
	}
	k.mu.Lock()
	name := k.name
	k.mu.Unlock()
	if subject(cert) != name {
		return false
	}
	_, err = k.o.Verify(bundle, content)
	return err == nil
}

// Fingerprint is the certificate's subject, such as the URI of a workflow.
func (k *Keyless) Fingerprint() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.name
}

// certificateOf reads the certificate of a Sigstore bundle, nothing verified.
func certificateOf(text []byte) (*x509.Certificate, error) {
	var b struct {
		Material struct {
			Certificate struct {
				Raw []byte `json:"rawBytes"`
			} `json:"certificate"`
		} `json:"verificationMaterial"`
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(b.Material.Certificate.Raw)
}

// SignedBy says whose certificate signed the image index of a bundle: its
// subject, and the issuer that vouches for it. Both are empty where a key did, or
// nothing is signed yet.
func SignedBy(b *bundle.Bundle) (name, issuer string, err error) {
	d, ok := b.Find(bundle.Artifact, "index.signature")
	if !ok {
		return "", "", nil
	}
	var m v1.Manifest
	if err := b.ReadJSON(d.Digest, &m); err != nil {
		return "", "", err
	}
	if len(m.Layers) != 1 {
		return "", "", fmt.Errorf("the signature of the index has %d layers, want one", len(m.Layers))
	}
	text, err := os.ReadFile(b.Path(m.Layers[0].Digest))
	if err != nil {
		return "", "", err
	}
	cert, err := certificateOf(text)
	if err != nil {
		return "", "", nil //nolint:nilerr // it is signed by a key
	}
	is, err := certificate.SummarizeCertificate(cert)
	return is.SubjectAlternativeName, is.Issuer, err
}
