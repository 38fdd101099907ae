package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
)

// TestNotesOfShapes writes the notes of the newest version of every shape of
// changelog that the changelog's own tests know, and deprecates them and back.
func TestNotesOfShapes(t *testing.T) {
	shapes, err := filepath.Glob("../paperwork/changelog/testdata/release/*.md")
	if err != nil || len(shapes) < 6 {
		t.Fatalf("%d shapes were found: %v", len(shapes), err)
	}
	for _, path := range shapes {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			log, err := changelog.Parse("CHANGELOG.md", text)
			if err != nil {
				t.Fatal(err)
			}
			var newest changelog.Section
			for _, s := range log.Sections() {
				if !s.Version.IsZero() && (newest.Version.IsZero() || s.Version.Compare(newest.Version) > 0) {
					newest = s
				}
			}
			n := Notes{
				Title: "RustShare", Tag: newest.Version.Tag(), Channel: "stable", Source: "https://github.com/kubedoio/rustshare",
				Changelog: "CHANGELOG.md", Changes: newest.Body, Image: "ghcr.io/kubedoio/rustshare-backend", Digest: "sha256:" + strings.Repeat("a", 64),
				Tags: []string{newest.Version.Image()}, KeyFile: ".release/cosign.pub", Bundles: true,
			}
			got, err := n.Markdown()
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range newest.Groups {
				for _, e := range g.Entries {
					if line, _, _ := strings.Cut(e.Text, "\n"); !strings.Contains(got, strings.TrimSpace(line)) {
						t.Errorf("the notes lack the entry %q", line)
					}
				}
			}
			golden(t, "notes.md", got)
			marked := Deprecate(got, "It loses files.", "0.0.1")
			if !strings.HasPrefix(marked, bannerHeading+"\n") || Deprecate(marked, "It loses files.", "0.0.1") != marked || Undeprecate(marked) != got {
				t.Errorf("the banner does not come and go:\n%.200s", marked)
			}
		})
	}
}
