package record

import (
	"regexp"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
)

// The banner is a heading, one paragraph or two, and a comment that readers do
// not see: it tells where the notes go on.
const (
	bannerHeading = "## ⚠️ Deprecated"
	bannerEnd     = "<!-- end of the deprecation -->"
)

// banner is what Deprecate puts on top, with the line ends that forges make of
// it.
var banner = regexp.MustCompile(`^` + bannerHeading + `\r?\n\r?\n(?:[^\r\n]+\r?\n\r?\n){1,2}` + bannerEnd + `(?:\r?\n){0,2}`)

// Deprecate puts a banner on top of a release's notes: why the release is
// withdrawn, and which version to use instead. An earlier banner is replaced;
// nothing else is changed. Reason and use are shown as they are written: they
// are text, not Markdown. Use may be empty where no version is known.
func Deprecate(notes, reason, use string) string {
	rest := Undeprecate(notes)
	parts := []string{bannerHeading, "**Do not use this release.** " + because(reason)}
	if use = markdown.Literal(use); use != "" {
		parts = append(parts, "Use **"+use+"** instead.")
	}
	text := strings.Join(append(parts, bannerEnd, ""), "\n\n")
	if strings.Contains(rest, "\r\n") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text + rest
}

// Undeprecate takes away what Deprecate put on top, and nothing else: notes
// without its banner come back as they are.
func Undeprecate(notes string) string {
	for {
		at := banner.FindStringIndex(notes)
		if at == nil {
			return notes
		}
		notes = notes[at[1]:]
	}
}

// because gives a reason as one paragraph of Markdown that ends like a sentence.
func because(text string) string {
	text = markdown.Literal(text)
	if text == "" {
		return "No reason was given."
	}
	return markdown.Sentence(text)
}
