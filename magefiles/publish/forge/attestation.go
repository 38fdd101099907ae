package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Attestations is a forge that keeps signed statements, and gives them to
// whoever asks by the digest of what they are about.
type Attestations interface {
	// Attested gives the ids of the statements about a subject, such as
	// "sha256:" and hex; none where there are none.
	Attested(ctx context.Context, subject string) ([]string, error)
	// Attest gives it a statement; one that it has is not given again.
	Attest(ctx context.Context, a Attestation) error
}

// Attestation is a signed statement in a Sigstore bundle.
type Attestation struct {
	// ID is the same for the same signature of the same statement, however the
	// bundle's JSON is written.
	ID string
	// Subject is the first thing that it is about, "sha256:" and hex.
	Subject string
	// Predicate is the statement's predicate type.
	Predicate string
	// Certified is true where a certificate says who signed. A forge takes no
	// others: a bundle that names a key says nothing to those who do not have it.
	Certified bool
	// Bundle is the JSON.
	Bundle []byte
}

// BundleMedia is the media type of a Sigstore bundle as it is taken here.
const BundleMedia = "application/vnd.dev.sigstore.bundle.v0.3+json"

// errNoStatement says that a bundle signs something else, such as a file.
var errNoStatement = errors.New("the Sigstore bundle signs no statement")

// ReadAttestation takes a Sigstore bundle v0.3 apart that signs an in-toto
// statement. Whether the signature is right is nothing that it looks at.
func ReadAttestation(bundle []byte) (Attestation, error) {
	var b struct {
		MediaType string `json:"mediaType"`
		Material  struct {
			Certificate *struct {
				Raw []byte `json:"rawBytes"`
			} `json:"certificate"`
		} `json:"verificationMaterial"`
		Envelope *struct {
			Payload    []byte `json:"payload"`
			Type       string `json:"payloadType"`
			Signatures []struct {
				Sig []byte `json:"sig"`
			} `json:"signatures"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return Attestation{}, fmt.Errorf("reading a Sigstore bundle: %w", err)
	}
	if b.MediaType != BundleMedia {
		return Attestation{}, fmt.Errorf("the Sigstore bundle is of type %q, want %q", b.MediaType, BundleMedia)
	}
	if b.Envelope == nil || len(b.Envelope.Signatures) == 0 {
		return Attestation{}, errNoStatement
	}
	var s struct {
		Predicate string `json:"predicateType"`
		Subject   []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(b.Envelope.Payload, &s); err != nil {
		return Attestation{}, fmt.Errorf("reading the statement in a Sigstore bundle: %w", err)
	}
	a := Attestation{Predicate: s.Predicate, Bundle: bundle, Certified: b.Material.Certificate != nil && len(b.Material.Certificate.Raw) > 0}
	for _, sub := range s.Subject {
		if hex := sub.Digest["sha256"]; hex != "" && a.Subject == "" {
			a.Subject = "sha256:" + hex
		}
	}
	if a.Subject == "" {
		return Attestation{}, fmt.Errorf("the statement %s in a Sigstore bundle is about nothing with a sha256", s.Predicate)
	}
	parts := []string{b.Envelope.Type, string(b.Envelope.Payload)}
	for _, sig := range b.Envelope.Signatures {
		parts = append(parts, string(sig.Sig))
	}
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%d:%s", len(p), p)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "")))
	a.ID = hex.EncodeToString(sum[:])
	return a, nil
}

// IsNoStatement tells whether a bundle signs something else than a statement.
func IsNoStatement(err error) bool { return errors.Is(err, errNoStatement) }
