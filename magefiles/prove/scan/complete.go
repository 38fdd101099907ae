package scan

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// complete wants a scanner to have seen each package that a document lists: one
// that saw less would call clean what it did not look at.
func complete(r Report, documents []Document) error {
	if len(documents) == 0 {
		return fmt.Errorf("%s had no SBOM to scan", r.Scanner.Name)
	}
	for _, d := range documents {
		text, err := os.ReadFile(d.Path)
		if err != nil {
			return err
		}
		want, err := ListedPackages(text)
		if err != nil {
			return fmt.Errorf("reading the SBOM of %s: %w", d.Name, err)
		}
		i := slices.IndexFunc(r.Scanned, func(s Scanned) bool { return s.Name == d.Name })
		if i < 0 || len(r.Scanned[i].Packages) == 0 {
			return fmt.Errorf("%s saw no package in %s, whose SBOM lists %d: that is no clean result but none at all", r.Scanner.Name, d.Name, len(want))
		}
		seen := map[string]bool{}
		for _, purl := range r.Scanned[i].Packages {
			seen[key(purl)] = true
		}
		var missed []string
		for _, purl := range want {
			if !seen[key(purl)] {
				missed = append(missed, purl)
			}
		}
		if len(missed) > 0 {
			return fmt.Errorf("%s saw %d of the %d packages that the SBOM of %s lists, and not %s: what it did not see it cannot have judged",
				r.Scanner.Name, len(want)-len(missed), len(want), d.Name, few(missed))
		}
	}
	return nil
}

func few(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}

// ListedPackages reads the package URLs of a CycloneDX document's components,
// without qualifiers, sorted. A document without any is an error.
func ListedPackages(text []byte) ([]string, error) {
	var doc struct {
		Format     string `json:"bomFormat"`
		Components []struct {
			PURL string `json:"purl"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if doc.Format != "CycloneDX" {
		return nil, fmt.Errorf("it is of the format %q, want CycloneDX", doc.Format)
	}
	var out []string
	for _, c := range doc.Components {
		if c.PURL != "" {
			out = append(out, bare(c.PURL))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of its %d components has a package URL: there is nothing to scan", len(doc.Components))
	}
	return sortedOnce(out), nil
}
