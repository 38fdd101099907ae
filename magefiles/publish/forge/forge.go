// Package forge is where a release has its page: notes and files under a git
// tag. A release is prepared as a draft and becomes public in one step, with
// all its files. GitHub and Gitea have such pages; [Directory] is one on disk.
package forge

import (
	"context"
	"fmt"
	"io"
	"regexp"
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

// Content opens what is uploaded, from its beginning.
type Content func() (io.ReadCloser, error)

// Forge is what publishing needs of one. Every method may be called again
// after it was interrupted. Uploads may run side by side.
type Forge interface {
	// Find gives the release of a tag, public or draft, with the true sizes
	// and checksums of its assets; nil where there is none.
	Find(ctx context.Context, tag string) (*Release, error)
	// Latest gives the tag of the release shown first, "" where there is none.
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
	// SetLatest has a public release shown first.
	SetLatest(ctx context.Context, tag string) error
}

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
