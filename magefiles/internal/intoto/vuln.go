package intoto

import "time"

// Vulnerabilities is the predicate type of a scan for vulnerabilities, as cosign
// specifies it.
const Vulnerabilities = "https://cosign.sigstore.dev/attestation/vuln/v1"

// VulnerabilityScan is a predicate of the type [Vulnerabilities]. Its result is
// what the scanner, or who judges it, has to say; here that is a decision with
// its findings.
type VulnerabilityScan struct {
	Invocation struct {
		Parameters []string `json:"parameters"`
		URI        string   `json:"uri"`
		EventID    string   `json:"event_id"`
		Builder    string   `json:"builder.id"`
	} `json:"invocation"`
	Scanner struct {
		URI     string `json:"uri"`
		Version string `json:"version"`
		DB      struct {
			URI     string `json:"uri"`
			Version string `json:"version"`
		} `json:"db"`
		Result any `json:"result"`
	} `json:"scanner"`
	Metadata struct {
		Started  time.Time `json:"scanStartedOn"`
		Finished time.Time `json:"scanFinishedOn"`
	} `json:"metadata"`
}
