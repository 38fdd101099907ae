package scan

import (
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
