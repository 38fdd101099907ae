package product

import (
	"fmt"
	"slices"
)

// Scan says how a release is held against known vulnerabilities before it is
// published.
type Scan struct {
	// Scanners look at every release: "grype", "trivy". Candidate come on top
	// for release candidates.
	Scanners  []string `json:"scanners"`
	Candidate []string `json:"candidate,omitempty"`
	// Stop is the mildest severity that stops a release (default "high"), by
	// default where there is a fix; with Unfixed also where there is none.
	Stop    string `json:"stop,omitempty"`
	Unfixed bool   `json:"unfixed,omitempty"`
	// MaxAge is how many hours old a scanner's database may be (default 120).
	MaxAge int `json:"maxAge,omitempty"`
	// Databases say where a scanner's database comes from, by scanner: a URL of
	// a mirror, oci://REPOSITORY:TAG, or a file; the scanner's public one where
	// there is nothing.
	Databases map[string]string `json:"databases,omitempty"`
	// Exceptions is a YAML file with what may pass, why and until when; VEX are
	// patterns of OpenVEX documents. Both lie in the checkout and may be missing.
	Exceptions string   `json:"exceptions,omitempty"`
	VEX        []string `json:"vex,omitempty"`
	// Believed is for how many days an OpenVEX statement counts after it was made
	// or last updated (default 90).
	Believed int `json:"believed,omitempty"`
}

// The scanners that there are.
const (
	Grype = "grype"
	Trivy = "trivy"
)

var (
	scanners   = []string{Grype, Trivy}
	severities = []string{"critical", "high", "medium", "low", "negligible"}
)

func (s Scan) validate(fault faultFunc, inTree func(field, value string), patterns func(field string, values []string)) {
	if len(s.Scanners)+len(s.Candidate) == 0 {
		fault("Scan.Scanners", "is empty: name at least one of %q, or leave Scan out", scanners)
	}
	once := distinct(fault)
	for _, l := range []struct {
		field string
		names []string
	}{{"Scanners", s.Scanners}, {"Candidate", s.Candidate}} {
		for i, name := range l.names {
			at := fmt.Sprintf("Scan.%s[%d]", l.field, i)
			if !slices.Contains(scanners, name) {
				fault(at, "%q is none of %q", name, scanners)
			}
			once(at, name)
		}
	}
	if s.Stop != "" && !slices.Contains(severities, s.Stop) {
		fault("Scan.Stop", "%q is none of %q", s.Stop, severities)
	}
	if s.MaxAge < 0 {
		fault("Scan.MaxAge", "%d hours is less than none", s.MaxAge)
	}
	if s.Believed < 0 {
		fault("Scan.Believed", "%d days is less than none", s.Believed)
	}
	for name, from := range s.Databases {
		if !slices.Contains(scanners, name) || from == "" {
			fault("Scan.Databases", "%q: %q is no database of %q", name, from, scanners)
		}
	}
	if s.Exceptions != "" {
		inTree("Scan.Exceptions", s.Exceptions)
	}
	patterns("Scan.VEX", s.VEX)
}
