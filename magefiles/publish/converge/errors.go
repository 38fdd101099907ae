package converge

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// TagError says that an immutable version tag stands at another digest.
type TagError struct {
	Tag         string
	Found, Want v1.Hash
}

func (e *TagError) Error() string {
	return fmt.Sprintf("tag %s stands at %s in the registry, this release is %s: a version's tag is never moved, so release the change under a new version", e.Tag, e.Found, e.Want)
}

// CommitTagError says that a commit's tag stands at another digest: two builds
// of one commit differ.
type CommitTagError struct {
	Tag         string
	Found, Want v1.Hash
	// Differs says what differs between the two, "" where that is not known.
	Differs string
}

func (e *CommitTagError) Error() string {
	differs := e.Differs
	if differs == "" {
		differs = "what differs is not known"
	}
	return fmt.Sprintf("tag %s stands at %s in the registry, this build of the same commit is %s (%s): build with the same toolchain, or go on with -why=\"…\", which leaves that tag as it is and is recorded", e.Tag, e.Found, e.Want, differs)
}

// MovedError says that a tag was moved by somebody else while this run was at
// work. Observing again settles it.
type MovedError struct {
	Tag string
	// From is what was observed, Found what stands there now; the zero value
	// is no tag.
	From, Found v1.Hash
}

func (e *MovedError) Error() string {
	return fmt.Sprintf("tag %s was moved from %s to %s by somebody else while this run was at work: run it again", e.Tag, name(e.From), name(e.Found))
}

// UnprovenError says that a rolling tag was to move to a digest that was not
// verified.
type UnprovenError struct {
	Tag    string
	Digest v1.Hash
}

func (e *UnprovenError) Error() string {
	return fmt.Sprintf("tag %s is not moved to %s: that digest was not verified in this run", e.Tag, e.Digest)
}

// WithdrawnError says that a version was withdrawn by somebody else while this
// run was at work. Observing again settles it.
type WithdrawnError struct {
	Tag     string
	Version decide.Version
	Reason  string
}

func (e *WithdrawnError) Error() string {
	return fmt.Sprintf("tag %s is not moved to version %s: it was withdrawn while this run was at work (%s): run it again", e.Tag, e.Version, e.Reason)
}

func name(h v1.Hash) string {
	if h == (v1.Hash{}) {
		return "nothing"
	}
	return h.String()
}
