package scan

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

func TestSARIF(t *testing.T) {
	high, low := found("GHSA-1", High, "2.0.0"), found("GHSA-2", Low)
	high.Source, high.Title = "https://example.org/1", "The parser reads too far\nand more."
	low.Package = "pkg:npm/b@1.0.0"
	r := report(high, low)
	r.Findings = append(r.Findings, found("GHSA-3", Critical, "2"))
	d, err := Decide(r, policy(), []Exception{{ID: "GHSA-1", Package: "pkg:cargo/a", Reason: "why", Expires: now, From: "list.yaml"}}, now)
	ok(t, err)
	got, err := SARIF(r, d, func(purl string) string {
		if purl == low.Package {
			return "frontend/package-lock.json"
		}
		return "Cargo.lock"
	})
	ok(t, err)
	testkit.Golden(t, "testdata/report.sarif", got)
}

// GitHub refuses a file without places below the checkout, or with more tags of
// a rule than it takes, and shows two results of one fingerprint as one alert.
func TestSARIFForGitHub(t *testing.T) {
	one, other := found("GHSA-1", High), found("GHSA-1", High)
	other.Package, other.Name = "pkg:cargo/b@1.0.0", "b"
	for n := range 30 {
		one.Aliases = append(one.Aliases, fmt.Sprint("CVE-", n))
	}
	r := report(one, other)
	r.Scanner.Name = "trivy"
	d, err := Decide(r, policy(), nil, now)
	ok(t, err)
	text, err := SARIF(r, d, func(string) string { return "Cargo.lock" })
	ok(t, err)
	var log sarifLog
	ok(t, json.Unmarshal(text, &log))
	run := log.Runs[0]
	if name := run.Tool.Driver.Name; name != "trivy" || len(log.Runs) != 1 {
		t.Errorf("%d runs of %q: what tells scanners apart is the driver's name", len(log.Runs), name)
	}
	for _, rule := range run.Tool.Driver.Rules {
		if len(rule.Properties.Tags) != 20 || rule.Short.Text == "" || rule.Full.Text == "" || rule.Help.Text == "" {
			t.Errorf("rule %+v: want at most 20 tags, and texts", rule)
		}
	}
	seen := map[string]bool{}
	for _, result := range run.Results {
		if len(result.Locations) != 1 {
			t.Fatalf("%s is in %d places, want one", result.Message.Text, len(result.Locations))
		}
		at := result.Locations[0].Physical
		if u, err := url.Parse(at.Artifact.URI); err != nil || u.IsAbs() || u.Path != "Cargo.lock" || at.Region.Line != 1 {
			t.Errorf("%s is at %q, line %d: %v", result.Message.Text, at.Artifact.URI, at.Region.Line, err)
		}
		seen[result.Fingerprints["primaryLocationLineHash"]] = true
	}
	if len(run.Results) != 2 || len(seen) != 2 || seen[""] {
		t.Errorf("%d results have the fingerprints %v", len(run.Results), seen)
	}
}
