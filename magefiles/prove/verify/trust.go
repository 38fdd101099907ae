package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ssldsse "github.com/secure-systems-lab/go-securesystemslib/dsse"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Trust says whose signatures count.
type Trust struct {
	// Key is a public key in PEM, as cosign.pub has it; nil where no key counts.
	Key []byte
	// Keyless says which certificates count; nil where none does. With both a
	// proof by either will do.
	Keyless *Keyless
	// Format is how the proofs have to be stored; where it is empty, either
	// way will do.
	Format product.ProofFormat
}

// judge verifies signatures by whom is trusted: with the key where there is one
// (else the verifiers are nil), and by certificate.
type judge struct {
	certificates func() (*certificates, error)

	fingerprint string
	key         signature.Verifier
	bundles     *sgverify.Verifier
	envelopes   *ssldsse.EnvelopeVerifier
}

func (t Trust) judge() (*judge, error) {
	switch t.Format {
	case "", product.ProofBundles, product.ProofTags:
	default:
		return nil, fmt.Errorf("the format of proofs is %q, want %q or %q", t.Format, product.ProofBundles, product.ProofTags)
	}
	j := &judge{}
	if t.Keyless != nil {
		j.certificates = sync.OnceValues(t.Keyless.judge)
		if t.Key == nil {
			return j, nil
		}
	}
	if bytes.Contains(t.Key, []byte("PRIVATE KEY")) {
		return nil, errors.New("the key to verify with is a private key: want the public one, cosign.pub")
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(t.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the key to verify with (want a public key in PEM, as cosign.pub): %w", err)
	}
	fingerprint, err := Fingerprint(public)
	if err != nil {
		return nil, err
	}
	verifier, err := signature.LoadDefaultVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("the key to verify with is of no kind that cosign uses: %w", err)
	}
	valid := root.NewExpiringKey(verifier, time.Time{}, time.Time{})
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return valid, nil })
	bundles, err := sgverify.NewVerifier(material, sgverify.WithNoObserverTimestamps())
	if err != nil {
		return nil, fmt.Errorf("preparing the verification: %w", err)
	}
	envelopes, err := ssldsse.NewEnvelopeVerifier(&dsse.VerifierAdapter{SignatureVerifier: verifier})
	if err != nil {
		return nil, fmt.Errorf("preparing the verification: %w", err)
	}
	j.fingerprint, j.key, j.bundles, j.envelopes = fingerprint, verifier, bundles, envelopes
	return j, nil
}

// Fingerprint names a public key: "sha256:" and the hash of its PKIX form in
// hex.
func Fingerprint(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// signed is a statement that counts, and who says it.
type signed struct {
	intoto.Statement
	by signer
	// from is what it was read from. The text is left out where nobody asks for
	// it again.
	from found
}

// bundle verifies a Sigstore bundle and gives its statement. Who it is about
// is for the caller to compare.
func (j *judge) bundle(text []byte) (signed, error) {
	b := &sgbundle.Bundle{}
	if err := b.UnmarshalJSON(text); err != nil {
		return signed{}, fmt.Errorf("it is no Sigstore bundle: %w", err)
	}
	if b.GetDsseEnvelope() == nil && b.GetMessageSignature() != nil {
		return signed{}, errors.New("the bundle signs no statement")
	}
	who, err := j.entity(b, nil)
	if err != nil {
		return signed{}, err
	}
	envelope := b.GetDsseEnvelope()
	if envelope.GetPayloadType() != intoto.PayloadType {
		return signed{}, fmt.Errorf("the bundle signs a payload of type %q, want %q", envelope.GetPayloadType(), intoto.PayloadType)
	}
	s, err := intoto.Decode(envelope.GetPayload())
	return signed{Statement: s, by: who}, err
}

// entity verifies what a bundle signs, which is compared with the content
// where that is not nil.
func (j *judge) entity(b *sgbundle.Bundle, content []byte) (signer, error) {
	material, err := b.VerificationContent()
	if err != nil {
		return signer{}, fmt.Errorf("it is no Sigstore bundle: %w", err)
	}
	cert := material.Certificate()
	if cert != nil && j.certificates != nil {
		certificates, err := j.certificates()
		if err != nil {
			return signer{}, noRoot{err}
		}
		return certificates.bundle(b, cert, content)
	}
	if j.bundles == nil {
		return signer{}, errors.New("it is signed by a key, and no key is trusted here: want a certificate of an identity that counts")
	}
	artifact := sgverify.WithoutArtifactUnsafe()
	if content != nil {
		artifact = sgverify.WithArtifact(bytes.NewReader(content))
	}
	if _, err := j.bundles.Verify(b, sgverify.NewPolicy(artifact, sgverify.WithKey())); err != nil {
		return signer{}, fmt.Errorf("it is not signed by the key %s: %w", j.fingerprint, err)
	}
	return j.byKey(), nil
}

// over verifies a bundle over a statement or a file.
func (j *judge) over(text, content []byte) (signer, error) {
	b := &sgbundle.Bundle{}
	if err := b.UnmarshalJSON(text); err != nil {
		return signer{}, fmt.Errorf("it is no Sigstore bundle: %w", err)
	}
	if envelope := b.GetDsseEnvelope(); envelope != nil {
		if !bytes.Equal(envelope.GetPayload(), content) {
			return signer{}, errors.New("the bundle signs another statement")
		}
		content = nil
	}
	return j.entity(b, content)
}

// byKey is the trusted key as a signer.
func (j *judge) byKey() signer { return signer{name: "the key " + j.fingerprint, key: true} }

// noKey refuses what only a key can have signed.
func (j *judge) noKey() error {
	if j.key == nil {
		return errors.New("proofs under tags are signed by a key, and no key is trusted here")
	}
	return nil
}

// envelope verifies a DSSE envelope, as ".att" tags have it.
func (j *judge) envelope(ctx context.Context, text []byte) (signed, error) {
	if err := j.noKey(); err != nil {
		return signed{}, err
	}
	var e ssldsse.Envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return signed{}, fmt.Errorf("it is no DSSE envelope: %w", err)
	}
	if e.PayloadType != intoto.PayloadType {
		return signed{}, fmt.Errorf("the envelope has a payload of type %q, want %q", e.PayloadType, intoto.PayloadType)
	}
	if _, err := j.envelopes.Verify(ctx, &e); err != nil {
		return signed{}, fmt.Errorf("it is not signed by the key %s: %w", j.fingerprint, err)
	}
	raw, err := e.DecodeB64Payload()
	if err != nil {
		return signed{}, err
	}
	s, err := intoto.Decode(raw)
	return signed{Statement: s, by: j.byKey()}, err
}

// simple verifies a signature of the "simple signing" kind, as ".sig" tags
// have it, and gives it as a statement.
func (j *judge) simple(text []byte, d v1.Descriptor) (signed, error) {
	if err := j.noKey(); err != nil {
		return signed{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(d.Annotations["dev.cosignproject.cosign/signature"])
	if err != nil {
		return signed{}, fmt.Errorf("its signature is not in base64: %w", err)
	}
	if err := j.key.VerifySignature(bytes.NewReader(raw), bytes.NewReader(text)); err != nil {
		return signed{}, fmt.Errorf("it is not signed by the key %s: %w", j.fingerprint, err)
	}
	var p payload.SimpleContainerImage
	if err := json.Unmarshal(text, &p); err != nil {
		return signed{}, fmt.Errorf("it is no signature of an image: %w", err)
	}
	if p.Critical.Type != payload.CosignSignatureType {
		return signed{}, fmt.Errorf("it is a signature of type %q, want %q", p.Critical.Type, payload.CosignSignatureType)
	}
	return signed{Statement: intoto.Statement{
		Type: intoto.StatementType, PredicateType: intoto.Signature,
		Subject: []intoto.Subject{intoto.SHA256("", strings.TrimPrefix(p.Critical.Image.DockerManifestDigest, "sha256:"))},
	}, by: j.byKey()}, nil
}
