package record

import (
	_ "embed"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// Notice tells users that a version is withdrawn.
type Notice struct {
	Title string
	// Version is withdrawn, Use is to be used instead: an older one, or a newer
	// one that is out already.
	Version, Use decide.Version
	// Reason is text, not Markdown.
	Reason string
	// Image is the repository; Digest and UseDigest are those of the two
	// versions, in the form "sha256:…".
	Image, Digest, UseDigest string
	// Page and UsePage are the URLs of the two release pages, Guide that of the
	// upgrading guide; Guide may be empty.
	Page, UsePage, Guide string
	// Moved are the rolling tags that point at Use now.
	Moved []string
}

var (
	//go:embed notice.md.tmpl
	noticePage string
	//go:embed notice.txt.tmpl
	noticeText string
)

// Markdown writes the notice: what happened, why, what to use and how to get
// there with one's data.
func (n Notice) Markdown() (string, error) { return fill("notice", noticePage, n) }

// Text writes the notice in a few lines, for the places where the release was
// announced. Its last paragraph holds the links.
func (n Notice) Text() (string, error) { return fill("short notice", noticeText, n) }

// Back tells whether the version to use is the older one.
func (n Notice) Back() bool { return n.Use.Compare(n.Version) < 0 }

// Why is the reason on one line.
func (n Notice) Why() string { return strings.Join(strings.Fields(n.Reason), " ") }
