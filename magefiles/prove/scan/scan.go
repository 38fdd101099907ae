// Package scan holds what is in a release against known vulnerabilities. Two
// scanners can be asked: grype, as a program of our own around its library, and
// Trivy. What they find is brought into one form, and a policy decides, with
// exceptions that have a reason and an end. A scanner that saw less than is
// there, or that could not work, is an error and never a clean result. It knows
// bundle and product.
package scan

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Scanner finds known vulnerabilities.
type Scanner interface {
	// Scan gives what it found in the targets. An error means that it gave no
	// answer that can be trusted.
	Scan(ctx context.Context, targets Targets) (Report, error)
}

// Targets are what is scanned: the images of one bundle or layout.
type Targets struct {
	// Documents are the SBOMs of the images in CycloneDX.
	Documents []Document
	// Layout is the directory of an OCI image layout with the images, each by
	// its manifest's digest; Trivy alone reads it.
	Layout string
	// Images are these digests, in the order of the documents.
	Images []Image
}

// Image is an image in a layout.
type Image struct {
	// Platform is as in "linux/amd64".
	Platform string
	// Digest is "sha256:" and hex.
	Digest string
}

// Report is what a scanner said. Times are UTC.
type Report struct {
	Scanner  Tool      `json:"scanner"`
	Database Database  `json:"database"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Scanned are the documents and images, in order.
	Scanned []Scanned `json:"scanned"`
	// Findings are sorted, each vulnerability of a package once.
	Findings []Finding `json:"findings"`
}

// Tool is what scanned.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	URI     string `json:"uri"`
}

// Database is what a scanner knows from.
type Database struct {
	// Schema is the version of its form.
	Schema string `json:"schema"`
	// Built is its age.
	Built time.Time `json:"built"`
	// From is where it was taken from, Checksum its digest ("" where the scanner
	// tells none).
	From     string `json:"from"`
	Checksum string `json:"checksum,omitempty"`
}

// Scanned is one thing that was looked into.
type Scanned struct {
	Name string `json:"name"`
	// Packages are the package URLs that the scanner saw, without qualifiers,
	// sorted, each once.
	Packages []string `json:"packages"`
}

// Finding is a vulnerability of a package. Texts come from outside.
type Finding struct {
	// ID is the advisory's, Aliases are its names elsewhere.
	ID      string   `json:"id"`
	Aliases []string `json:"aliases,omitempty"`
	// Package is a package URL without qualifiers.
	Package string `json:"package"`
	Name    string `json:"name"`
	Version string `json:"version"`
	// Fixed are the versions with a fix; empty where there is none.
	Fixed    []string `json:"fixed,omitempty"`
	Severity Severity `json:"severity"`
	// Source is a URL that tells more, Title a few words.
	Source string `json:"source,omitempty"`
	Title  string `json:"title,omitempty"`
	// In are the names of what was scanned that have it.
	In []string `json:"in"`
}

// names tells whether a finding goes by this identifier.
func (f Finding) names(id string) bool {
	return strings.EqualFold(f.ID, id) || slices.ContainsFunc(f.Aliases, func(a string) bool { return strings.EqualFold(a, id) })
}

// Severity is how bad a vulnerability is.
type Severity string

// The severities, from the worst. What a scanner calls otherwise is Unknown.
const (
	Critical   Severity = "critical"
	High       Severity = "high"
	Medium     Severity = "medium"
	Low        Severity = "low"
	Negligible Severity = "negligible"
	Unknown    Severity = "unknown"
)

var severities = [...]Severity{Critical, High, Medium, Low, Negligible, Unknown}

// severityOf reads what a scanner calls it.
func severityOf(text string) Severity {
	s := Severity(strings.ToLower(strings.TrimSpace(text)))
	if s.rank() < 0 {
		return Unknown
	}
	return s
}

// rank is 0 for the worst, -1 for what is no severity.
func (s Severity) rank() int { return slices.Index(severities[:], s) }

// merge sorts findings, worst first, and makes one of those that say the same of
// the same package.
func merge(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Package, b.Package))
	})
	var out []Finding
	for _, f := range all {
		i := slices.IndexFunc(out, func(o Finding) bool { return o.ID == f.ID && o.Package == f.Package })
		if i < 0 {
			f.In = sortedOnce(f.In)
			out = append(out, f)
			continue
		}
		out[i].In = sortedOnce(append(out[i].In, f.In...))
		out[i].Aliases = sortedOnce(append(out[i].Aliases, f.Aliases...))
		out[i].Fixed = sortedOnce(append(out[i].Fixed, f.Fixed...))
	}
	return out
}

// sortedOnce gives a new slice.
func sortedOnce(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// key is a package URL to compare: without qualifiers, and with characters as they
// are, since libraries differ in what they escape ("+" in a version).
func key(purl string) string {
	purl = bare(purl)
	if plain, err := url.PathUnescape(purl); err == nil {
		return plain
	}
	return purl
}

// bare takes qualifiers and subpath off a package URL.
func bare(purl string) string {
	purl, _, _ = strings.Cut(purl, "#")
	purl, _, _ = strings.Cut(purl, "?")
	return purl
}
