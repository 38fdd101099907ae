// Package forge is where a release has its page: notes and files under a git
// tag. A release is prepared as a draft and becomes public in one step, with
// all its files. GitHub and Gitea have such pages; [Directory] is one on disk.
package forge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// Release is one release page.
type Release struct {
	// Tag is the git tag, such as "v0.4.0".
	Tag string `json:"tag"`
	// Name is the heading.
	Name string `json:"name"`
	// Draft is true until it is published. Nobody sees a draft.
	Draft      bool `json:"-"`
	Prerelease bool `json:"prerelease"`
	// Latest is true for the one release that the forge shows first.
	Latest bool `json:"-"`
	// Notes are Markdown.
	Notes  string  `json:"-"`
	Assets []Asset `json:"assets"`
}

// Asset is a file of a release.
type Asset struct {
	// Name is letters, digits, dots, dashes and underscores.
	Name string `json:"name"`
	Size int64  `json:"size"`
	// SHA256 is lower-case hex.
	SHA256 string `json:"sha256"`
}

// Find gives the asset with a name.
func (r Release) Find(name string) (Asset, bool) {
	for _, a := range r.Assets {
		if a.Name == name {
			return a, true
		}
	}
	return Asset{}, false
}

// SameNotes tells whether two texts are the same notes: forges change line ends
// and trim white space around them.
func SameNotes(a, b string) bool { return canonical(a) == canonical(b) }

func canonical(notes string) string {
	return strings.TrimSpace(strings.ReplaceAll(notes, "\r\n", "\n"))
}

// Content opens what is uploaded, from its beginning.
type Content func() (io.ReadCloser, error)

// Forge is what publishing needs of one. Every method may be called again
// after it was interrupted. Uploads may run side by side.
type Forge interface {
	// Find gives the release of a tag, public or draft, with the true sizes
	// and checksums of its assets; nil where there is none.
	Find(ctx context.Context, tag string) (*Release, error)
	// Page is Find without assets and without Latest, and costs little: it looks
	// at the page alone.
	Page(ctx context.Context, tag string) (*Release, error)
	// Latest gives the tag of the release shown first, "" where there is none.
	// A forge that chooses by itself gives [ErrOwnLatest] beside it.
	Latest(ctx context.Context) (string, error)
	// Draft makes a draft, or gives an existing one this name, these notes and
	// this prerelease flag. Its assets stay as they are. A public release is a
	// [*PublicError].
	Draft(ctx context.Context, r Release) error
	// Upload puts an asset into the release, replacing one of the same name in
	// a draft. In a public release it is never replaced: a [*ConflictError].
	Upload(ctx context.Context, tag string, a Asset, content Content) error
	// Drop takes an asset out of a draft.
	Drop(ctx context.Context, tag, name string) error
	// Publish makes a draft public. It is refused where the draft's assets are
	// not those of r. Where r.Latest is set it is then shown first; where not,
	// it explicitly is not.
	Publish(ctx context.Context, r Release) error
	// SetLatest has a public release shown first; [ErrOwnLatest] where the
	// forge chooses by itself.
	SetLatest(ctx context.Context, tag string) error
	// Amend gives a public release other notes, where they are not the
	// [SameNotes]. Its tag, flags and assets stay.
	Amend(ctx context.Context, tag, notes string) error
}

// ErrOwnLatest says that the forge chooses by itself which release it shows
// first.
var ErrOwnLatest = errors.New("this forge chooses by itself which release it shows first")

// Checked is a forge that can tell before anything slow whether it would let
// the release of a tag be made: token there, rights sufficient.
type Checked interface {
	Check(ctx context.Context) error
}

// CI is a forge that runs workflows.
type CI interface {
	// Runs gives the latest run of each workflow for exactly this commit.
	Runs(ctx context.Context, commit string) ([]Run, error)
}

// Run is a workflow's run.
type Run struct {
	// Workflow is its display name.
	Workflow string
	// Status is "queued", "in_progress" or "completed"; Conclusion is
	// "success", "failure", "cancelled", … once it is completed.
	Status, Conclusion string
	URL                string
	Created            time.Time
}

// PullRequests is a forge that takes pull requests.
type PullRequests interface {
	// OpenPullRequest opens one, or finds the open one with the same head and
	// base, and gives its page.
	OpenPullRequest(ctx context.Context, p PullRequest) (url string, err error)
}

// PullRequest asks to merge the branch Head into the branch Base.
type PullRequest struct{ Head, Base, Title, Body string }

// Discussions is a forge with a board.
type Discussions interface {
	// Discuss opens a discussion in a category, or finds the one with the same
	// title, and gives its page; made tells which.
	Discuss(ctx context.Context, category, title, body string) (url string, made bool, err error)
}

// PermissionError says which right the forge's token lacks.
type PermissionError struct {
	// Doing is what was tried, with a gerund: "uploading a.txt to release v1.0.0".
	Doing string
	// Needs names the permission as the forge calls it: "contents: write".
	Needs string
	Err   error
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("%s: the token lacks the permission %q: grant it and run this again (%v)", e.Doing, e.Needs, e.Err)
}

func (e *PermissionError) Unwrap() error { return e.Err }

// ConflictError says that a public release holds another file than the one it
// should. Nothing was changed.
type ConflictError struct {
	Tag, Asset string
	// Found and Want are sha256 checksums in hex; Found is "" where the
	// asset is missing.
	Found, Want string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("release %s is public with another %s: found sha256 %s, want %s; a public release is never changed, so publish these files under a new version",
		e.Tag, e.Asset, e.Found, e.Want)
}

// PublicError says that a release is public already and is no draft any more.
type PublicError struct{ Tag string }

func (e *PublicError) Error() string {
	return fmt.Sprintf("release %s is public already: it is no draft any more and keeps its name and notes", e.Tag)
}

// IncompleteError says that a draft does not hold the files that it is to be
// published with.
type IncompleteError struct {
	Tag, Asset string
	// Problem is "is missing", "does not belong to it" and the like.
	Problem string
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("release %s stays a draft: asset %s %s; run the release again, it finishes what is missing", e.Tag, e.Asset, e.Problem)
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}$`)

// CheckName wants a plain file name.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q is no asset name: want letters, digits, dots, dashes and underscores, not beginning with a dot or dash", name)
	}
	return nil
}

func checkTag(tag string) error {
	if !nameForm.MatchString(tag) || tag == latestFile {
		return fmt.Errorf("%q names no release: want a tag such as v0.4.0", tag)
	}
	return nil
}
