package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/anchore/grype/grype"
	"github.com/anchore/grype/grype/match"
	"github.com/anchore/grype/grype/matcher"
	"github.com/anchore/grype/grype/pkg"
	"github.com/anchore/grype/grype/vulnerability"

	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

const uri = "https://github.com/anchore/grype"

// scanned holds every document against the database.
func scanned(r scan.Request) (report scan.Report, err error) {
	report = scan.Report{Scanner: tool(), Started: time.Now().UTC()}
	if len(r.Documents) == 0 {
		return report, errors.New("the request names no document to scan")
	}
	db, database, err := open(r.Database)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	report.Database = database
	for _, d := range r.Documents {
		seen, findings, err := look(db, d)
		if err != nil {
			return report, fmt.Errorf("scanning %s: %w", d.Name, err)
		}
		report.Scanned = append(report.Scanned, seen)
		report.Findings = append(report.Findings, findings...)
	}
	report.Finished = time.Now().UTC()
	return report, nil
}

// look scans one document.
func look(db vulnerability.Provider, d scan.Document) (scan.Scanned, []scan.Finding, error) {
	seen := scan.Scanned{Name: d.Name}
	f, err := os.Open(d.Path)
	if err != nil {
		return seen, nil, err
	}
	defer f.Close() //nolint:errcheck // it is only read
	packages, about, _, err := pkg.ProvideFromReader(f, pkg.ProviderConfig{})
	if err != nil {
		return seen, nil, fmt.Errorf("reading the SBOM: %w", err)
	}
	for _, p := range packages {
		seen.Packages = append(seen.Packages, bare(p.PURL))
	}
	slices.Sort(seen.Packages)
	seen.Packages = slices.Compact(seen.Packages)
	m := grype.VulnerabilityMatcher{VulnerabilityProvider: db, Matchers: matcher.NewDefaultMatchers(matcher.Config{})}
	found, _, err := m.FindMatches(packages, about)
	if err != nil {
		return seen, nil, err
	}
	var out []scan.Finding
	for m := range found.Enumerate() {
		out = append(out, finding(m, d.Name))
	}
	return seen, out, nil
}

func finding(m match.Match, in string) scan.Finding {
	v := m.Vulnerability
	f := scan.Finding{
		ID: v.ID, Package: bare(m.Package.PURL), Name: m.Package.Name, Version: m.Package.Version,
		Severity: scan.Unknown, In: []string{in},
	}
	if v.Fix.State == vulnerability.FixStateFixed {
		f.Fixed = v.Fix.Versions
	}
	for _, r := range v.RelatedVulnerabilities {
		if r.ID != v.ID {
			f.Aliases = append(f.Aliases, r.ID)
		}
	}
	if v.Metadata != nil {
		f.Severity = scan.Severity(strings.ToLower(v.Metadata.Severity))
		f.Source, f.Title = v.Metadata.DataSource, v.Metadata.Description
	}
	return f
}

func bare(purl string) string {
	purl, _, _ = strings.Cut(purl, "#")
	purl, _, _ = strings.Cut(purl, "?")
	return purl
}

// tool is grype in the version that this program was built with.
func tool() scan.Tool {
	t := scan.Tool{Name: "grype", Version: "unknown", URI: uri}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/anchore/grype" {
				t.Version = strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return t
}
