package sbom

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/anchore/packageurl-go"
	"github.com/anchore/syft/syft/artifact"
	"github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/format/common/spdxhelpers"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/sbom"
	"github.com/anchore/syft/syft/source"
	"github.com/google/uuid"
	"github.com/spdx/tools-golang/spdx"
)

// Tool and version stand in the documents as what made them.
const (
	toolName    = "syft"
	toolVersion = "1.52.0"
)

// purl names the image by manifest digest (purl type "oci"); a binary has none.
func (d document) purl() string {
	if d.image == nil {
		return ""
	}
	return packageurl.NewPackageURL(packageurl.TypeOCI, "", path.Base(d.image.repository), d.subject.String(),
		packageurl.Qualifiers{
			{Key: "arch", Value: d.image.arch},
			{Key: "repository_url", Value: d.image.repository},
		}, "").ToString()
}

// spdx encodes the document with syft's model of SPDX, less what syft takes
// from the clock and from random numbers.
func (d document) spdx() ([]byte, error) {
	// No supplier here: syft would name it as the supplier of every crate.
	description := source.Description{Name: d.name, Version: d.version}
	if d.image != nil {
		description.Metadata = source.ImageMetadata{
			UserInput: d.image.repository, ManifestDigest: d.subject.String(), Architecture: d.image.arch,
		}
	} else {
		description.Metadata = source.FileMetadata{
			Path: d.name, Digests: []file.Digest{{Algorithm: d.subject.Algorithm, Value: d.subject.Hex}},
		}
	}
	doc := spdxhelpers.ToFormatModel(sbom.SBOM{
		Artifacts:     sbom.Artifacts{Packages: pkg.NewCollection(d.packages...)},
		Relationships: d.relations,
		Source:        description,
		Descriptor:    sbom.Descriptor{Name: toolName, Version: toolVersion},
	})
	if doc == nil || doc.CreationInfo == nil {
		return nil, errors.New("syft gave no SPDX document")
	}
	doc.DocumentNamespace = d.uri()
	doc.CreationInfo.Created = d.created.Format(time.RFC3339)
	for _, p := range doc.Packages {
		if p.PrimaryPackagePurpose == "" {
			continue // not the described one
		}
		if d.supplier != "" {
			p.PackageSupplier = &spdx.Supplier{SupplierType: "Organization", Supplier: d.supplier}
		}
		if d.image != nil {
			p.PackageExternalReferences = []*spdx.PackageExternalReference{{
				Category: "PACKAGE-MANAGER", RefType: "purl", Locator: d.purl(),
			}}
		}
	}
	slices.SortStableFunc(doc.Relationships, func(a, b *spdx.Relationship) int {
		return cmp.Or(
			cmp.Compare(a.RefA.ElementRefID, b.RefA.ElementRefID),
			cmp.Compare(a.Relationship, b.Relationship),
			cmp.Compare(a.RefB.ElementRefID, b.RefB.ElementRefID))
	})
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(doc)
	return out.Bytes(), err
}

// cycloneDX encodes the document directly: syft's own encoder for this format
// links container runtimes and everything that comes with them.
func (d document) cycloneDX() ([]byte, error) {
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte(d.uri())).URN()
	kind := cyclonedx.ComponentTypeApplication
	if d.image != nil {
		kind = cyclonedx.ComponentTypeContainer
	}
	subject := cyclonedx.Component{
		BOMRef: d.subject.String(), Type: kind, Name: d.name, Version: d.version, PackageURL: d.purl(),
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: d.subject.Hex}},
	}
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: d.created.Format(time.RFC3339),
		Tools: &cyclonedx.ToolsChoice{Components: &[]cyclonedx.Component{{
			Type: cyclonedx.ComponentTypeApplication, Author: "anchore", Name: toolName, Version: toolVersion,
		}}},
		Component: &subject,
	}
	if d.supplier != "" {
		bom.Metadata.Supplier = &cyclonedx.OrganizationalEntity{Name: d.supplier}
	}

	seen := map[string]bool{}
	components := []cyclonedx.Component{}
	refs := []string{}
	for _, p := range pkg.NewCollection(d.packages...).Sorted() {
		c := component(p)
		if !seen[c.BOMRef] {
			seen[c.BOMRef] = true
			components, refs = append(components, c), append(refs, c.BOMRef)
		}
	}
	bom.Components = &components
	dependencies := append([]cyclonedx.Dependency{{Ref: subject.BOMRef, Dependencies: &refs}}, d.dependencies()...)
	bom.Dependencies = &dependencies

	var out bytes.Buffer
	enc := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON)
	enc.SetEscapeHTML(false)
	err := enc.EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return out.Bytes(), err
}

// component gives a package; its package URL names it inside the document.
func component(p pkg.Package) cyclonedx.Component {
	c := cyclonedx.Component{
		BOMRef: ref(p), Type: cyclonedx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: p.PURL,
	}
	var licenses cyclonedx.Licenses
	found := p.Licenses.ToSlice()
	for _, l := range found {
		switch {
		case l.SPDXExpression != "" && strings.Contains(l.SPDXExpression, " "):
			if len(found) == 1 { // the schema allows one expression or several licences
				licenses = cyclonedx.Licenses{{Expression: l.SPDXExpression}}
			} else {
				licenses = append(licenses, cyclonedx.LicenseChoice{License: &cyclonedx.License{Name: l.SPDXExpression}})
			}
		case l.SPDXExpression != "":
			licenses = append(licenses, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: l.SPDXExpression}})
		case l.Value != "":
			licenses = append(licenses, cyclonedx.LicenseChoice{License: &cyclonedx.License{Name: l.Value}})
		}
	}
	if len(licenses) > 0 {
		c.Licenses = &licenses
	}
	return c
}

func ref(p pkg.Package) string {
	if p.PURL != "" {
		return p.PURL
	}
	return string(p.ID())
}

func (d document) dependencies() []cyclonedx.Dependency {
	needs := map[string][]string{}
	for _, r := range d.relations {
		from, ok1 := r.From.(pkg.Package)
		to, ok2 := r.To.(pkg.Package)
		if ok1 && ok2 && r.Type == artifact.DependencyOfRelationship {
			needs[ref(to)] = append(needs[ref(to)], ref(from))
		}
	}
	var out []cyclonedx.Dependency
	for who, what := range needs {
		slices.Sort(what)
		what = slices.Compact(what)
		out = append(out, cyclonedx.Dependency{Ref: who, Dependencies: &what})
	}
	slices.SortFunc(out, func(a, b cyclonedx.Dependency) int { return cmp.Compare(a.Ref, b.Ref) })
	return out
}
