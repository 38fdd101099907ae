package record

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
)

// Notes is what the notes of a release are written from.
type Notes struct {
	Title  string
	Tag    string
	Source string
	// Files is the URL below which the repository's files at the tag are
	// shown, without a trailing slash; empty: as GitHub has it.
	Files string
	// Changelog and Upgrading are the files' paths in the repository. Upgrading
	// may be empty.
	Changelog, Upgrading string
	// Changes is the body of the release's section in the changelog, Markdown;
	// empty: the notes only point at the file.
	Changes string
	// Breaking and Environment are the release's rows of the two tables in the
	// upgrading guide.
	Breaking, Environment NoteTable
	Image                 string
	Digest                string
	Channel               string
	Tags                  []string
	Assets                []NoteAsset
	// KeyFile is the public key's file name, as a reader of the notes has it.
	KeyFile string
	// Identity is the subject of the certificate that signed, Issuer who vouches
	// for it; empty where the key did.
	Identity, Issuer string
	// Unsigned marks a candidate whose tag nobody signed.
	Unsigned bool
	// Bundles tells cosign to expect Sigstore bundles instead of tags.
	Bundles bool
	// Provenance is the asset with the provenance of all assets, where there
	// is one.
	Provenance string
	// Previous is the tag to compare with; empty for a first release.
	Previous string
	// Contributors are names, in any order, without mail addresses.
	Contributors []string
	// Overrides are what the maintainer overrode; none as a rule.
	Overrides []Override
}

// NoteAsset is a file of the release page.
type NoteAsset struct {
	Name   string
	SHA256 string
	Size   int64
}

// NoteTable is a part of a table of the upgrading guide. Cells hold Markdown.
type NoteTable struct {
	Header []string
	Rows   [][]string
}

// Override is a rule that the maintainer overrode.
type Override struct {
	// Gate is its name, empty where no single gate is meant; Found is what it
	// said.
	Gate, Found string
	// Reason is the maintainer's.
	Reason string
}

//go:embed notes.md.tmpl
var notesText string

// Markdown writes the notes. The same notes give the same text.
func (n Notes) Markdown() (string, error) {
	var err error
	if n.Changes, err = demote(n.Changes); err != nil {
		return "", fmt.Errorf("putting the section of %s into the notes: %w", n.Changelog, err)
	}
	if n.Files == "" {
		n.Files = n.Source + "/blob/" + n.Tag
	}
	n.Breaking, n.Environment = n.Breaking.telling(), n.Environment.telling()
	n.Contributors = names(n.Contributors)
	return fill("notes", notesText, n)
}

// fill writes one of the templates of this package.
func fill(name, text string, data any) (string, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		"size": size, "cell": markdown.Cell, "literal": markdown.Literal, "sentence": because,
		"join": func(list []string) string { return strings.Join(list, ", ") },
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("reading the template of the %s: %w", name, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("writing the %s: %w", name, err)
	}
	return out.String(), nil
}

// telling gives the rows that say something, without the column of versions,
// which is the same in all of them. All rows get as many cells as the longest.
func (t NoteTable) telling() NoteTable {
	skip := 0
	if len(t.Header) > 1 && strings.EqualFold(strings.TrimSpace(t.Header[0]), "version") {
		skip = 1
	}
	out := NoteTable{Header: slices.Clone(t.Header[min(skip, len(t.Header)):])}
	for _, row := range t.Rows {
		row = slices.Clone(row[min(skip, len(row)):])
		if !slices.ContainsFunc(row, says) {
			continue
		}
		out.Rows = append(out.Rows, row)
		for len(out.Header) < len(row) {
			out.Header = append(out.Header, "")
		}
	}
	for i := range out.Rows {
		for len(out.Rows[i]) < len(out.Header) {
			out.Rows[i] = append(out.Rows[i], "")
		}
	}
	return out
}

// says tells whether a cell says more than that there is nothing to say.
func says(cell string) bool {
	switch strings.ToLower(strings.Trim(cell, " \t\r\n*_`.-–—")) {
	case "", "none", "nothing", "nothing to do", "no", "no change", "no changes", "n/a":
		return false
	}
	return true
}

// names gives names without mail addresses, each once, sorted.
func names(list []string) []string {
	var out []string
	for _, n := range list {
		n, _, _ = strings.Cut(n, "<")
		if n = markdown.Literal(n); n != "" && !strings.Contains(n, "@") {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if c := strings.Compare(strings.ToLower(a), strings.ToLower(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}

func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
