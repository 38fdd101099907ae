package scan

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// SARIF gives a decision as SARIF 2.1.0, for code scanning: a rule for each
// vulnerability, a result for each package that has it, at the file that pins
// the package. What an exception allows is a result with a suppression. The same
// report and decision give the same bytes, with all that GitHub wants to see.
func SARIF(r Report, d Decision, pinned func(purl string) string) ([]byte, error) {
	run := sarifRun{Results: []sarifResult{}}
	driver := &run.Tool.Driver
	driver.Name, driver.Version, driver.URI = r.Scanner.Name, r.Scanner.Version, r.Scanner.URI
	driver.Rules = []sarifRule{}
	for _, v := range d.Verdicts {
		if !slices.ContainsFunc(driver.Rules, func(o sarifRule) bool { return o.ID == v.ID }) {
			title := sarifText{or(firstLine(v.Title), v.ID)}
			rule := sarifRule{ID: v.ID, HelpURI: v.Source, Short: title, Full: title, Help: sarifText{or(v.Source, v.ID)}}
			rule.Properties.Severity = score(v.Severity)
			tags := append([]string{"security", "vulnerability"}, v.Aliases...)
			rule.Properties.Tags = tags[:min(len(tags), maxTags)]
			driver.Rules = append(driver.Rules, rule)
		}
		result := sarifResult{
			Rule: v.ID, Level: level(v.Severity),
			Message:      sarifText{fmt.Sprintf("%s %s has %s (%s); %s. Decision: %s.", v.Name, v.Version, v.ID, v.Severity, fixed(v.Finding), v)},
			Fingerprints: map[string]string{"primaryLocationLineHash": fingerprint(v.Finding)},
		}
		var at sarifLocation
		at.Physical.Artifact.URI = pinned(v.Package)
		at.Physical.Region.Line = 1
		at.Logical = []sarifLogical{{Name: v.Package, Kind: "package"}}
		result.Locations = []sarifLocation{at}
		if v.By != nil {
			result.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Why: fmt.Sprintf("%s (%s, until %s)", v.By.Reason, v.By.From, day(v.By.Expires))}}
		}
		run.Results = append(run.Results, result)
	}
	out, err := json.MarshalIndent(sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	}, "", "  ")
	return append(out, '\n'), err
}

// maxTags is how many GitHub takes of a rule.
const maxTags = 20

// fingerprint stands for a line in what GitHub knows a finding by again: all of
// them are at the first one.
func fingerprint(f Finding) string {
	return fmt.Sprintf("%x:1", sha256.Sum256([]byte(f.ID+" "+f.Package)))
}

func fixed(f Finding) string {
	if len(f.Fixed) == 0 {
		return "there is no fix yet"
	}
	return "fixed in " + strings.Join(f.Fixed, " or ")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(line); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return line
}

// score is a number for code scanning's own classes (CVSS bounds).
func score(s Severity) string {
	return map[Severity]string{Critical: "9.5", High: "8.0", Medium: "5.5", Low: "2.0", Negligible: "0.5", Unknown: "7.0"}[s]
}

func level(s Severity) string {
	switch s {
	case Critical, High, Unknown:
		return "error"
	case Medium:
		return "warning"
	}
	return "note"
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name    string      `json:"name"`
			Version string      `json:"version,omitempty"`
			URI     string      `json:"informationUri,omitempty"`
			Rules   []sarifRule `json:"rules"`
		} `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID         string    `json:"id"`
	Short      sarifText `json:"shortDescription"`
	Full       sarifText `json:"fullDescription"`
	Help       sarifText `json:"help"`
	HelpURI    string    `json:"helpUri,omitempty"`
	Properties struct {
		Severity string   `json:"security-severity"`
		Tags     []string `json:"tags"`
	} `json:"properties"`
}

type sarifResult struct {
	Rule         string             `json:"ruleId"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			Line int `json:"startLine"`
		} `json:"region"`
	} `json:"physicalLocation"`
	Logical []sarifLogical `json:"logicalLocations"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

type sarifSuppression struct {
	Kind   string `json:"kind"`
	Status string `json:"status"`
	Why    string `json:"justification"`
}
