// Package intoto has the statements that a release signs: in-toto Statement
// v1, SLSA provenance v1 and what is read from SBOM predicates. The maker of
// proofs and their verifier share it.
package intoto

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Types of the in-toto attestation framework and of cosign.
const (
	// StatementType is the "_type" of an in-toto Statement v1.
	StatementType = "https://in-toto.io/Statement/v1"
	// PayloadType is the DSSE payload type of any statement.
	PayloadType = "application/vnd.in-toto+json"

	// Signature is the predicate type of cosign's image signatures in bundles.
	Signature = "https://sigstore.dev/cosign/sign/v1"
	// Provenance is SLSA provenance v1.
	Provenance = "https://slsa.dev/provenance/v1"
	// SPDX and CycloneDX are SBOMs in JSON: the document is the predicate.
	SPDX      = "https://spdx.dev/Document"
	CycloneDX = "https://cyclonedx.org/bom"
)

// Media types of SBOM files, as IANA has them.
const (
	SPDXMedia      = "application/spdx+json"
	CycloneDXMedia = "application/vnd.cyclonedx+json"
)

// Statement is an in-toto Statement v1.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate,omitempty"`
}

// Subject is one thing that a statement is about.
type Subject struct {
	Name string `json:"name,omitempty"`
	// Digest maps an algorithm, such as "sha256", to lower-case hex.
	Digest map[string]string `json:"digest"`
}

// SHA256 makes a subject from a sha256 in lower-case hex.
func SHA256(name, hex string) Subject {
	return Subject{Name: name, Digest: map[string]string{"sha256": hex}}
}

// Encode gives the bytes to sign: compact JSON, the same for the same
// statement.
func Encode(predicateType string, predicate any, subjects ...Subject) ([]byte, error) {
	s := Statement{Type: StatementType, Subject: subjects, PredicateType: predicateType}
	if predicate != nil {
		raw, err := json.Marshal(predicate)
		if err != nil {
			return nil, fmt.Errorf("encoding the predicate %s: %w", predicateType, err)
		}
		s.Predicate = raw
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("encoding the statement %s: %w", predicateType, err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// Decode reads a statement. It must be of type v1 and name a subject.
func Decode(payload []byte) (Statement, error) {
	var s Statement
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, fmt.Errorf("the payload is no in-toto statement: %w", err)
	}
	if s.Type != StatementType {
		return s, fmt.Errorf("the statement's type is %q, want %q", s.Type, StatementType)
	}
	if len(s.Subject) == 0 {
		return s, fmt.Errorf("the statement %s has no subject", s.PredicateType)
	}
	return s, nil
}

// Names tells whether the statement is about content with this sha256 (hex).
func (s Statement) Names(hex string) bool {
	for _, sub := range s.Subject {
		if hex != "" && sub.Digest["sha256"] == hex {
			return true
		}
	}
	return false
}
