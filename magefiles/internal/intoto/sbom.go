package intoto

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Document is what is read from an SBOM: what it is about and what it lists.
type Document struct {
	// SHA256 is the digest (hex) of the described component.
	SHA256 string
	// Name and Version are the described component's.
	Name, Version string
	// Crates and Packages count the components from Cargo and from npm.
	Crates, Packages int
}

// DecodeSBOM reads an SBOM in the format of a predicate type: SPDX 2.3 or
// CycloneDX 1.x, both in JSON.
func DecodeSBOM(predicateType string, text []byte) (Document, error) {
	switch predicateType {
	case SPDX:
		return decodeSPDX(text)
	case CycloneDX:
		return decodeCycloneDX(text)
	}
	return Document{}, fmt.Errorf("predicate type %q is no SBOM", predicateType)
}

func decodeSPDX(text []byte) (Document, error) {
	var in struct {
		Version  string `json:"spdxVersion"`
		Packages []struct {
			ID        string `json:"SPDXID"`
			Name      string `json:"name"`
			Version   string `json:"versionInfo"`
			Checksums []struct {
				Algorithm string `json:"algorithm"`
				Value     string `json:"checksumValue"`
			} `json:"checksums"`
			Refs []struct {
				Type    string `json:"referenceType"`
				Locator string `json:"referenceLocator"`
			} `json:"externalRefs"`
		} `json:"packages"`
		Relationships []struct {
			From string `json:"spdxElementId"`
			Type string `json:"relationshipType"`
			To   string `json:"relatedSpdxElement"`
		} `json:"relationships"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return Document{}, fmt.Errorf("reading the SPDX document: %w", err)
	}
	if !strings.HasPrefix(in.Version, "SPDX-2.") {
		return Document{}, fmt.Errorf("reading the SPDX document: its version is %q, want SPDX-2.x", in.Version)
	}
	var root string
	for _, r := range in.Relationships {
		if r.From == "SPDXRef-DOCUMENT" && r.Type == "DESCRIBES" {
			root = r.To
		}
	}
	var out Document
	for _, p := range in.Packages {
		if p.ID == root {
			out.Name, out.Version = p.Name, p.Version
			for _, c := range p.Checksums {
				if c.Algorithm == "SHA256" {
					out.SHA256 = c.Value
				}
			}
			continue
		}
		for _, r := range p.Refs {
			if r.Type == "purl" {
				out.count(r.Locator)
			}
		}
	}
	return out, nil
}

func decodeCycloneDX(text []byte) (Document, error) {
	var in struct {
		Format   string `json:"bomFormat"`
		Metadata struct {
			Component struct {
				Name    string `json:"name"`
				Version string `json:"version"`
				Hashes  []struct {
					Algorithm string `json:"alg"`
					Value     string `json:"content"`
				} `json:"hashes"`
			} `json:"component"`
		} `json:"metadata"`
		Components []struct {
			PURL string `json:"purl"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return Document{}, fmt.Errorf("reading the CycloneDX document: %w", err)
	}
	if in.Format != "CycloneDX" {
		return Document{}, fmt.Errorf("reading the CycloneDX document: its bomFormat is %q", in.Format)
	}
	c := in.Metadata.Component
	out := Document{Name: c.Name, Version: c.Version}
	for _, h := range c.Hashes {
		if h.Algorithm == "SHA-256" {
			out.SHA256 = h.Value
		}
	}
	for _, c := range in.Components {
		out.count(c.PURL)
	}
	return out, nil
}

func (d *Document) count(purl string) {
	switch {
	case strings.HasPrefix(purl, "pkg:cargo/"):
		d.Crates++
	case strings.HasPrefix(purl, "pkg:npm/"):
		d.Packages++
	}
}
