package github

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/snappy"
)

// Attestation is a Sigstore bundle in the repository's store.
type Attestation struct {
	ID int64
	// Predicate is the statement's predicate type, Subjects its sha256 digests,
	// each with "sha256:" before it.
	Predicate string
	Subjects  []string
	// Bundle is compact JSON.
	Bundle []byte
}

// Attestations gives those that were posted, the oldest first.
func (s *Server) Attestations() []Attestation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attestations)
}

// bundle is what is looked at in a Sigstore bundle.
type bundle struct {
	MediaType string `json:"mediaType"`
	Material  struct {
		Certificate *struct {
			Raw []byte `json:"rawBytes"`
		} `json:"certificate"`
		Log        []json.RawMessage `json:"tlogEntries"`
		Timestamps *struct {
			RFC3161 []json.RawMessage `json:"rfc3161Timestamps"`
		} `json:"timestampVerificationData"`
	} `json:"verificationMaterial"`
	Envelope *struct {
		Payload    []byte            `json:"payload"`
		Type       string            `json:"payloadType"`
		Signatures []json.RawMessage `json:"signatures"`
	} `json:"dsseEnvelope"`
}

// attestation reads what is posted, and says what is wrong with it.
func attestation(text []byte) (a Attestation, problem string) {
	var b bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return a, "bundle is no JSON object"
	}
	var s struct {
		Type      string `json:"_type"`
		Predicate string `json:"predicateType"`
		Subject   []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	switch {
	case b.MediaType != "application/vnd.dev.sigstore.bundle.v0.3+json":
		return a, fmt.Sprintf("mediaType %q is not supported", b.MediaType)
	case b.Material.Certificate == nil:
		return a, "verificationMaterial has no certificate"
	case b.Envelope == nil || len(b.Envelope.Signatures) != 1:
		return a, "dsseEnvelope with one signature is required"
	case b.Envelope.Type != "application/vnd.in-toto+json":
		return a, fmt.Sprintf("payloadType %q is not supported", b.Envelope.Type)
	case len(b.Material.Log) == 0 && (b.Material.Timestamps == nil || len(b.Material.Timestamps.RFC3161) == 0):
		return a, "verificationMaterial has neither a log entry nor a timestamp"
	}
	if _, err := x509.ParseCertificate(b.Material.Certificate.Raw); err != nil {
		return a, "certificate is invalid"
	}
	if err := json.Unmarshal(b.Envelope.Payload, &s); err != nil || s.Type != "https://in-toto.io/Statement/v1" {
		return a, "payload is no in-toto statement"
	}
	a.Predicate = s.Predicate
	for _, sub := range s.Subject {
		if hex := sub.Digest["sha256"]; subjectForm.MatchString("sha256:" + hex) {
			a.Subjects = append(a.Subjects, "sha256:"+hex)
		}
	}
	if len(a.Subjects) == 0 || len(a.Subjects) != len(s.Subject) || len(a.Subjects) > 1024 {
		return a, "statement must have between 1 and 1024 subjects with a sha256 digest"
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, text) // read before
	a.Bundle = compact.Bytes()
	return a, ""
}

var subjectForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (c *call) createAttestation() {
	if !c.needs("attestations", "write") {
		return
	}
	if kind := c.r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		c.refuse(http.StatusUnsupportedMediaType, fmt.Sprintf("Unsupported 'Content-Type' header: %q.", kind))
		return
	}
	var want struct {
		Bundle json.RawMessage `json:"bundle"`
	}
	if !c.read(&want) {
		return
	}
	a, problem := attestation(want.Bundle)
	if problem != "" {
		c.invalid("Attestation", "bundle", "invalid", problem)
		return
	}
	for _, other := range c.s.attestations {
		if bytes.Equal(other.Bundle, a.Bundle) { // GitHub keeps it twice
			c.s.sin("the same statement about %s was posted twice", a.Subjects[0])
		}
	}
	a.ID = c.s.id()
	c.s.attestations = append(c.s.attestations, a)
	_ = os.WriteFile(c.s.content(a.ID), snappy.Encode(nil, a.Bundle), 0o600)
	c.answer(http.StatusCreated, object{"id": a.ID})
}

// listAttestations gives those about a subject, the newest first, by cursors.
func (c *call) listAttestations(subject string) {
	if !c.query("per_page", "after", "before", "predicate_type") || c.s.o.Private && !c.needs("attestations", "read") {
		return
	}
	if !subjectForm.MatchString(subject) {
		c.invalid("Attestation", "subject_digest", "invalid", "")
		return
	}
	q := c.r.URL.Query()
	var found []Attestation
	for _, a := range slices.Backward(c.s.attestations) {
		if slices.Contains(a.Subjects, subject) && (q.Get("predicate_type") == "" || a.Predicate == q.Get("predicate_type")) {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		c.missing()
		return
	}
	size, at := 30, 0
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	if after := q.Get("after"); after != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(after, "cursor="))
		if err != nil {
			c.invalid("Attestation", "after", "invalid", "")
			return
		}
		at = min(n, len(found))
	}
	end := min(len(found), at+size)
	if end < len(found) {
		v := c.r.URL.Query()
		v.Set("after", "cursor="+strconv.Itoa(end))
		next := url.URL{Scheme: "http", Host: c.r.Host, Path: c.r.URL.Path, RawQuery: v.Encode()}
		c.w.Header().Set("Link", fmt.Sprintf("<%s>; rel=%q", &next, "next"))
	}
	out := []object{}
	for _, a := range found[at:end] {
		o := object{"repository_id": 1, "bundle_url": c.s.storage.URL + "/" + strconv.FormatInt(a.ID, 10), "initiator": "user", "bundle": nil}
		if !c.s.o.BundlesApart {
			o["bundle"] = json.RawMessage(a.Bundle)
		}
		out = append(out, o)
	}
	c.answer(http.StatusOK, object{"attestations": out})
}
