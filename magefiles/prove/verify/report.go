package verify

import (
	"fmt"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Report is what a verification found, in the order in which it looked. It is
// the JSON of release:verify.
type Report struct {
	// Image is the repository, Digest the index's.
	Image  string `json:"image"`
	Digest string `json:"digest"`
	// Format is how the proofs are stored.
	Format product.ProofFormat `json:"format,omitempty"`
	// Signer is the fingerprint of the key that was trusted, or the certificate's
	// subject and issuer.
	Signer string `json:"signer"`
	// Passed is true where every check passed.
	Passed bool `json:"passed"`
	// Withdrawn is set where the release is withdrawn by a statement of the
	// trusted key. The proof holds all the same: it is the release that was
	// made, and its makers say not to use it.
	Withdrawn  *intoto.Withdrawal `json:"withdrawn,omitempty"`
	Provenance *Provenance        `json:"provenance,omitempty"`
	// Results are what the trusted key says was tried on this index, by name and
	// stack; of each the newest.
	Results []TestResult `json:"results,omitempty"`
	// Platforms are in the index's order.
	Platforms []Platform `json:"platforms"`
	Checks    []Check    `json:"checks"`
	// Summaries are what the trusted key says of earlier verifications of this
	// index, the newest first.
	Summaries []intoto.Summary `json:"summaries,omitempty"`
	// Inputs are the digests of the attestations that count, summaries left out.
	Inputs []Input `json:"inputs,omitempty"`
}

// Input is an attestation that counts.
type Input struct {
	// Predicate is its predicate type, Digest that of the signed text in the
	// registry.
	Predicate string `json:"predicate"`
	Digest    string `json:"digest"`
}

// Provenance is what the signed provenance says.
type Provenance struct {
	Repository string `json:"repository"`
	Ref        string `json:"ref"`
	Channel    string `json:"channel"`
	// Target is what was asked for, such as "release:stable".
	Target  string `json:"target,omitempty"`
	Commit  string `json:"commit"`
	Builder string `json:"builder"`
	// Invocation names the run, Started and Finished are the build's times;
	// empty where the statement has none.
	Invocation string     `json:"invocation,omitempty"`
	Started    *time.Time `json:"started,omitempty"`
	Finished   *time.Time `json:"finished,omitempty"`
	// Dependencies are what was built from and with, the source left out.
	Dependencies []intoto.Resource `json:"dependencies,omitempty"`
}

// Platform is one image of the index.
type Platform struct {
	// Name is as in "linux/amd64".
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Binary is the attached file's name, SHA256 the hash of the binary inside
	// the image, in hex.
	Binary string `json:"binary,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Crates and Packages count what the image's SBOM lists.
	Crates   int `json:"crates"`
	Packages int `json:"packages"`
}

// Check is one thing that was looked at.
type Check struct {
	// Subject is "index", a platform or an asset's name; Name is one word.
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Pass    bool   `json:"pass"`
	// Detail says what was found, and where it failed what to do next.
	Detail string `json:"detail"`
}

// Reason classifies a failure.
type Reason string

const (
	// Unsigned: there is no signature.
	Unsigned Reason = "unsigned"
	// Untrusted: there is one, but not by the trusted key.
	Untrusted Reason = "untrusted"
	// NoProvenance and NoSBOM: the attestation is missing.
	NoProvenance Reason = "no provenance"
	NoSBOM       Reason = "no sbom"
	// WrongProvenance: signed, but about another repository, ref or commit.
	WrongProvenance Reason = "wrong provenance"
	// WrongSBOM: signed, but the document is about something else or empty.
	WrongSBOM Reason = "wrong sbom"
	// WrongRevision: the index names another commit than the provenance.
	WrongRevision Reason = "wrong revision"
	// NoBinary: no attached binary belongs to an image.
	NoBinary Reason = "no binary"
	// WrongBinary: the binary in the image is not the attached or signed one.
	WrongBinary Reason = "wrong binary"
	// MixedFormats: bundles and tags beside each other, or not the wanted one.
	MixedFormats Reason = "mixed formats"
	// NoEvidence: nothing that counts says that it passed a test that was asked
	// for.
	NoEvidence Reason = "no evidence"
)

// Failure is a check that did not pass.
type Failure struct {
	Reason  Reason
	Subject string
	// Message is a sentence: what was found, what to do next.
	Message string
}

func (f *Failure) Error() string { return f.Message }

// Error says that an image did not pass. It wraps a [*Failure] for each check.
type Error struct {
	// Image is the reference by digest.
	Image    string
	Failures []*Failure
}

func (e *Error) Error() string {
	more := ""
	if n := len(e.Failures) - 1; n == 1 {
		more = "; one more check failed"
	} else if n > 1 {
		more = fmt.Sprintf("; %d more checks failed", n)
	}
	return fmt.Sprintf("%s is not verified: %s%s", e.Image, e.Failures[0].Message, more)
}

// Unwrap gives the failures.
func (e *Error) Unwrap() []error {
	out := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		out[i] = f
	}
	return out
}

// recorder collects checks.
type recorder struct {
	*judge
	report   *Report
	failures []*Failure
}

func (r *recorder) pass(subject, name, format string, args ...any) {
	r.report.Checks = append(r.report.Checks, Check{subject, name, true, fmt.Sprintf(format, args...)})
}

func (r *recorder) fail(reason Reason, subject, name, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	r.report.Checks = append(r.report.Checks, Check{subject, name, false, detail})
	r.failures = append(r.failures, &Failure{reason, subject, detail})
}
