package scan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const answer = `{"scanner":{"name":"grype","version":"1","uri":"u"},"database":{"schema":"6","built":"2026-11-20T00:00:00Z","from":"x"},
"started":"2026-11-20T00:00:00Z","finished":"2026-11-20T00:00:01Z","scanned":[{"name":"linux/amd64","packages":["pkg:cargo/a@1.0.0"]}],
"findings":[{"id":"GHSA-1","package":"pkg:cargo/a@1.0.0","name":"a","version":"1.0.0","severity":"High","in":["linux/amd64"]}]}`

func TestParseReport(t *testing.T) {
	r, err := ParseReport([]byte(answer))
	ok(t, err)
	if r.Scanner.Name != "grype" || len(r.Findings) != 1 || r.Findings[0].Severity != High {
		t.Errorf("got %+v", r)
	}
	for want, text := range map[string]string{
		"cannot be read":               "",
		"unknown field":                `{"verdict":"clean"}`,
		"goes on after its end":        answer + "{}",
		"has a finding (1) without id": strings.Replace(answer, `"id":"GHSA-1",`, "", 1),
	} {
		_, err := ParseReport([]byte(text))
		says(t, err, "the scanner program's answer", want)
	}
}

const trivySays = `{"SchemaVersion":2,"ArtifactName":"x","Results":[{"Target":"app","Class":"lang-pkgs","Type":"rustbinary",
"Packages":[{"Name":"a","Version":"1.0.0","Identifier":{"PURL":"pkg:cargo/a@1.0.0?x=y"}},{"Name":"no purl"}],
"Vulnerabilities":[{"VulnerabilityID":"CVE-1","VendorIDs":["GHSA-1"],"PkgName":"a","PkgIdentifier":{"PURL":"pkg:cargo/a@1.0.0"},"InstalledVersion":"1.0.0",
"FixedVersion":"2.0.0, 1.1.0","Severity":"HIGH","PrimaryURL":"https://example.org","Title":"bad"}]}]}`

func TestParseTrivy(t *testing.T) {
	packages, findings, err := ParseTrivy([]byte(trivySays), "linux/amd64")
	ok(t, err)
	if strings.Join(packages, " ") != "pkg:cargo/a@1.0.0" || len(findings) != 1 {
		t.Fatalf("got %q, %+v", packages, findings)
	}
	if f := findings[0]; f.ID != "CVE-1" || !f.names("ghsa-1") || strings.Join(f.Fixed, "|") != "2.0.0|1.1.0" || f.Severity != High {
		t.Errorf("got %+v", f)
	}
	for want, text := range map[string]string{
		"is no JSON report":          "clean",
		"of schema version 3":        strings.Replace(trivySays, `"SchemaVersion":2`, `"SchemaVersion":3`, 1),
		"of schema version 0":        "{}",
		"goes on after its end":      trivySays + trivySays,
		"without an id or a package": strings.Replace(trivySays, `"PkgIdentifier":{"PURL":"pkg:cargo/a@1.0.0"},`, "", 1),
	} {
		_, _, err := ParseTrivy([]byte(text), "x")
		says(t, err, want)
	}
	d, err := ParseTrivyMetadata([]byte(`{"Version":2,"UpdatedAt":"2026-11-20T00:00:00Z"}`))
	if err != nil || d.Schema != "2" || d.Built.IsZero() {
		t.Errorf("got %+v, %v", d, err)
	}
	_, err = ParseTrivyMetadata([]byte(`{"Version":2}`))
	says(t, err, "does not say when it was updated")
}

func TestListedPackages(t *testing.T) {
	got, err := ListedPackages([]byte(`{"bomFormat":"CycloneDX","components":[{"purl":"pkg:npm/b@2?x=y"},{"purl":"pkg:cargo/a@1#p"},{},{"purl":"pkg:npm/b@2"}]}`))
	if err != nil || strings.Join(got, " ") != "pkg:cargo/a@1 pkg:npm/b@2" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = ListedPackages([]byte(`{"bomFormat":"CycloneDX","components":[{}]}`))
	says(t, err, "none of its 1 components has a package URL")
	_, err = ListedPackages([]byte(`{"spdxVersion":"SPDX-2.3"}`))
	says(t, err, `it is of the format "", want CycloneDX`)
}

func TestComplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.cdx.json")
	ok(t, os.WriteFile(path, []byte(`{"bomFormat":"CycloneDX","components":[{"purl":"pkg:npm/b@2"},{"purl":"pkg:cargo/a@1"}]}`), 0o644))
	documents := []Document{{Name: "linux/amd64", Path: path}}
	r := report()
	says(t, complete(r, nil), "grype had no SBOM to scan")
	says(t, complete(r, documents), "grype saw no package in linux/amd64, whose SBOM lists 2")
	r.Scanned = []Scanned{{"linux/amd64", []string{"pkg:cargo/a@1", "pkg:cargo/other@1"}}}
	says(t, complete(r, documents), "grype saw 1 of the 2 packages that the SBOM of linux/amd64 lists, and not pkg:npm/b@2")
	r.Scanned[0].Packages = []string{"pkg:cargo/a@1", "pkg:npm/b@2"}
	ok(t, complete(r, documents))
	// Two ways to write one version.
	ok(t, os.WriteFile(path, []byte(`{"bomFormat":"CycloneDX","components":[{"purl":"pkg:cargo/wasi@0.11.0+wasi"},{"purl":"pkg:npm/%40a/b@2"}]}`), 0o644))
	r.Scanned[0].Packages = []string{"pkg:cargo/wasi@0.11.0%2Bwasi", "pkg:npm/@a/b@2"}
	ok(t, complete(r, documents))
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(answer))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseReport(text)
		if err != nil {
			return
		}
		d, err := Decide(r, policy(), nil, now)
		if err != nil {
			return
		}
		if _, err := SARIF(r, d, func(string) string { return "Cargo.lock" }); err != nil {
			t.Error(err)
		}
	})
}

func FuzzTrivy(f *testing.F) {
	f.Add([]byte(trivySays))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, findings, err := ParseTrivy(text, "x")
		for _, found := range findings {
			if err != nil || found.ID == "" || found.Package == "" || found.Severity.rank() < 0 {
				t.Errorf("%+v, %v", found, err)
			}
		}
		_, _ = ParseTrivyMetadata(text)
		_, _ = ListedPackages(text)
	})
}
