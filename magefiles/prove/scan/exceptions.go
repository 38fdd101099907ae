package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openvex/go-vex/pkg/vex"
	"go.yaml.in/yaml/v3"
)

// Exception lets a finding pass for a time.
type Exception struct {
	// ID is the vulnerability's, by any of its names; Aliases are others.
	ID      string   `json:"id"`
	Aliases []string `json:"aliases,omitempty"`
	// Package is a package URL: with a version it is about that one alone; ""
	// for all packages of the product.
	Package string `json:"package,omitempty"`
	Reason  string `json:"reason"`
	// Expires is the last day on which it counts (UTC).
	Expires time.Time `json:"expires"`
	// From is the file that has it.
	From string `json:"from"`
}

// ends is the first moment at which it counts no more.
func (e Exception) ends() time.Time { return e.Expires.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1) }

func (e Exception) covers(f Finding) bool {
	return (f.names(e.ID) || slices.ContainsFunc(e.Aliases, f.names)) && (e.Package == "" || covers(e.Package, f.Package))
}

// covers tells whether a package URL means another: the same, or the same
// without a version.
func covers(purl, other string) bool {
	purl, other = key(purl), key(other)
	if purl == other {
		return true
	}
	at := strings.LastIndex(other, "@") // a scope of npm has one as well
	return at > strings.LastIndex(other, "/") && purl == other[:at]
}

// maxFile is the size of the largest file with exceptions, in bytes.
const maxFile = 1 << 20

// ReadExceptions reads a checkout's exceptions: a list in YAML (which may be
// missing) and OpenVEX documents by pattern. Paths are relative to the checkout.
func ReadExceptions(checkout, list string, documents []string, p Policy) ([]Exception, error) {
	var out []Exception
	if list != "" {
		text, err := readFile(checkout, list)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			if out, err = ParseExceptions(list, text); err != nil {
				return nil, err
			}
		}
	}
	for _, pattern := range documents {
		paths, err := filepath.Glob(filepath.Join(checkout, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", pattern, err)
		}
		slices.Sort(paths)
		for _, path := range paths {
			name, err := filepath.Rel(checkout, path)
			if err != nil {
				return nil, err
			}
			name = filepath.ToSlash(name)
			text, err := readFile(checkout, name)
			if err != nil {
				return nil, err
			}
			more, err := ParseVEX(name, text, p)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

func readFile(checkout, name string) ([]byte, error) {
	path := filepath.Join(checkout, filepath.FromSlash(name))
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that exceptions may have", name, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// ParseExceptions reads a list of exceptions in YAML:
//
//	exceptions:
//	  - vulnerability: GHSA-xxxx-xxxx-xxxx
//	    package: pkg:cargo/example
//	    reason: the parser is never given what others send
//	    expires: 2026-12-31
//
// Each needs all four; an unknown key is an error.
func ParseExceptions(name string, text []byte) ([]Exception, error) {
	var list struct {
		Exceptions []struct {
			Vulnerability string `yaml:"vulnerability"`
			Package       string `yaml:"package"`
			Reason        string `yaml:"reason"`
			Expires       string `yaml:"expires"`
		} `yaml:"exceptions"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the exceptions in %s: %w", name, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the exceptions in %s: it has more than one YAML document", name)
	}
	var out []Exception
	for i, e := range list.Exceptions {
		fault := func(what string) error {
			return fmt.Errorf("%s: exception %d (%s) %s", name, i+1, or(e.Vulnerability, "of nothing"), what)
		}
		expires, err := time.Parse(time.DateOnly, e.Expires)
		switch {
		case strings.TrimSpace(e.Vulnerability) == "":
			return nil, fault("names no vulnerability, want its id as in GHSA-xxxx-xxxx-xxxx")
		case !strings.HasPrefix(e.Package, "pkg:"):
			return nil, fault(fmt.Sprintf("names the package %q, want a package URL as in pkg:cargo/example", e.Package))
		case strings.TrimSpace(e.Reason) == "":
			return nil, fault("has no reason: say why it may pass")
		case err != nil:
			return nil, fault(fmt.Sprintf("expires on %q, want a day as in 2026-12-31", e.Expires))
		}
		out = append(out, Exception{ID: strings.TrimSpace(e.Vulnerability), Package: e.Package, Reason: strings.TrimSpace(e.Reason), Expires: expires, From: name})
	}
	return out, nil
}

// ParseVEX reads an OpenVEX document. What it says not_affected or fixed of the
// policy's product, or of one of its packages, is an exception for as long as
// the policy believes it; other products and statuses are left out.
func ParseVEX(name string, text []byte, p Policy) ([]Exception, error) {
	doc, err := vex.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the OpenVEX document %s: %w", name, err)
	}
	if !strings.HasPrefix(doc.Context, vex.Context) {
		return nil, fmt.Errorf("%s is no OpenVEX document: its @context is %q, want %s", name, doc.Context, vex.ContextLocator())
	}
	var out []Exception
	for i, s := range doc.Statements {
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("%s: statement %d (%s): %w", name, i+1, s.Vulnerability.Name, err)
		}
		if s.Status != vex.StatusNotAffected && s.Status != vex.StatusFixed {
			continue
		}
		id := string(s.Vulnerability.Name)
		if id == "" {
			id = s.Vulnerability.ID
		}
		said := latest(s.LastUpdated, s.Timestamp, doc.LastUpdated, doc.Timestamp)
		switch {
		case id == "":
			return nil, fmt.Errorf("%s: statement %d names no vulnerability", name, i+1)
		case said.IsZero():
			return nil, fmt.Errorf("%s: statement %d (%s) has no timestamp, nor has the document: nobody knows how long to believe it", name, i+1, id)
		}
		for _, about := range packages(s.Products, p.Product) {
			out = append(out, Exception{
				ID: id, Aliases: aliases(s.Vulnerability), Package: about,
				Reason: reason(s), Expires: said.UTC().Add(p.Believed), From: name,
			})
		}
	}
	return out, nil
}

func aliases(v vex.Vulnerability) []string {
	var out []string
	for _, a := range v.Aliases {
		out = append(out, string(a))
	}
	return out
}

// latest is the first of the times that is set: the nearest word counts.
func latest(times ...*time.Time) time.Time {
	for _, t := range times {
		if t != nil && !t.IsZero() {
			return *t
		}
	}
	return time.Time{}
}

func reason(s vex.Statement) string {
	text := string(s.Status)
	for _, t := range []string{string(s.Justification), s.ImpactStatement, s.StatusNotes} {
		if t != "" {
			text += ", " + strings.Join(strings.Fields(t), " ")
		}
	}
	return text
}

// packages are the package URLs that a statement is about: the subcomponents
// of our product ("" where it names none), or packages that it names as products.
func packages(products []vex.Product, ours []string) []string {
	var out []string
	for _, product := range products {
		if slices.ContainsFunc(ours, product.Component.Matches) {
			if len(product.Subcomponents) == 0 {
				out = append(out, "")
			}
			for _, s := range product.Subcomponents {
				out = append(out, purls(s.Component)...)
			}
			continue
		}
		for _, purl := range purls(product.Component) {
			if !strings.HasPrefix(purl, "pkg:oci/") && !strings.HasPrefix(purl, "pkg:docker/") {
				out = append(out, purl)
			}
		}
	}
	return sortedOnce(out)
}

func purls(c vex.Component) []string {
	var out []string
	for _, id := range []string{c.ID, c.Identifiers[vex.PURL]} {
		if strings.HasPrefix(id, "pkg:") {
			out = append(out, id)
		}
	}
	return sortedOnce(out)
}
