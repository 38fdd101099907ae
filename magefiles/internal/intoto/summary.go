package intoto

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// SummaryType is the predicate type of SLSA's verification summary (VSA).
const SummaryType = "https://slsa.dev/verification_summary/v1"

// SLSAVersion is the version of the specification that levels are of.
const SLSAVersion = "1.0"

// Summary is the predicate of a SLSA verification summary v1
// (https://slsa.dev/spec/v1.0/verification_summary): its signer verified a
// resource and says what came of it.
type Summary struct {
	Verifier SummaryVerifier `json:"verifier"`
	// Verified is in UTC and whole seconds.
	Verified time.Time `json:"timeVerified"`
	// Resource is the URI of what was verified.
	Resource string `json:"resourceUri"`
	// Policy is what it was held against.
	Policy Resource `json:"policy"`
	// Inputs are the attestations that it was proved with.
	Inputs []Resource `json:"inputAttestations,omitempty"`
	// Result is "PASSED" or "FAILED".
	Result string `json:"verificationResult"`
	// Levels are SLSA's, such as "SLSA_BUILD_LEVEL_1".
	Levels  []string `json:"verifiedLevels"`
	Version string   `json:"slsaVersion,omitempty"`
}

// SummaryVerifier is who verified.
type SummaryVerifier struct {
	// ID is a URI.
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// Results of a summary.
const (
	SummaryPassed = "PASSED"
	SummaryFailed = "FAILED"
)

// Check wants a summary that can be signed or believed.
func (s Summary) Check() error {
	switch {
	case s.Verifier.ID == "":
		return errors.New("the verification summary names no verifier")
	case s.Verified.IsZero():
		return errors.New("the verification summary says nothing of when")
	case s.Resource == "":
		return errors.New("the verification summary does not say what was verified")
	case s.Policy.URI == "":
		return errors.New("the verification summary names no policy")
	case s.Result != SummaryPassed && s.Result != SummaryFailed:
		return fmt.Errorf("the verification summary ends with %q, want %s or %s", s.Result, SummaryPassed, SummaryFailed)
	case s.Result == SummaryPassed && len(s.Levels) == 0:
		return errors.New("the verification summary says PASSED and no level that was reached")
	case slices.Contains(s.Levels, ""):
		return errors.New("the verification summary has an empty level")
	}
	return nil
}

// SameAs tells whether another summary says the same, whenever it was made and
// with whichever version of the verifier.
func (s Summary) SameAs(o Summary) bool {
	s.Verified, o.Verified = time.Time{}, time.Time{}
	s.Verifier.Version, o.Verifier.Version = nil, nil
	return reflect.DeepEqual(s, o)
}

// DecodeSummary reads the predicate of a verification summary's statement.
func DecodeSummary(st Statement) (Summary, error) {
	var s Summary
	if st.PredicateType != SummaryType {
		return s, fmt.Errorf("the statement is of type %q, want %q", st.PredicateType, SummaryType)
	}
	if err := json.Unmarshal(st.Predicate, &s); err != nil {
		return s, fmt.Errorf("reading the verification summary: %w", err)
	}
	return s, s.Check()
}
