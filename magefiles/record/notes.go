package record

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// Notes is what the notes of a release are written from.
type Notes struct {
	Title  string
	Tag    string
	Source string
	// Changelog is the file's path in the repository.
	Changelog string
	Image     string
	Digest    string
	Channel   string
	Tags      []string
	Assets    []NoteAsset
	// KeyFile is the public key's file name, as a reader of the notes has it.
	KeyFile string
	// Unsigned marks a candidate whose tag nobody signed.
	Unsigned bool
	// Bundles tells cosign to expect Sigstore bundles instead of tags.
	Bundles bool
	// Provenance is the asset with the provenance of all assets, where there
	// is one.
	Provenance string
}

// NoteAsset is a file of the release page.
type NoteAsset struct {
	Name   string
	SHA256 string
	Size   int64
}

//go:embed notes.md.tmpl
var notesText string

// Markdown writes the notes.
func (n Notes) Markdown() (string, error) {
	t, err := template.New("notes").Funcs(template.FuncMap{"size": size}).Parse(notesText)
	if err != nil {
		return "", fmt.Errorf("reading the template of the notes: %w", err)
	}
	var out strings.Builder
	if err := t.Execute(&out, n); err != nil {
		return "", fmt.Errorf("writing the notes: %w", err)
	}
	return out.String(), nil
}

func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
