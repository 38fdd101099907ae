package gate

import (
	"fmt"
	"strings"
	"time"
)

// Refusal is a reason not to release. Every one is a type of its own and its
// sentence says what was found, what was expected and what to do next.
type Refusal interface {
	error
	refusal()
}

// BadRefError is a name that no release can have.
type BadRefError struct {
	// Where is what the name was taken from: "-tag", "GITHUB_REF_NAME".
	Where string
	Err   error
}

func (e *BadRefError) Error() string { return e.Where + ": " + e.Err.Error() }
func (e *BadRefError) Unwrap() error { return e.Err }

// NoTagAtHeadError is a release without a name: nothing names a tag, and there
// is none at HEAD.
type NoTagAtHeadError struct {
	Head string
	// Others are tags at HEAD that are no release tags.
	Others []string
}

func (e *NoTagAtHeadError) Error() string {
	found := "there is none"
	if len(e.Others) > 0 {
		found = "there is only " + list(e.Others, 5)
	}
	return fmt.Sprintf("no -tag, no CI ref, and no release tag at HEAD (%s), where %s: name one with -tag=vX.Y.Z, or `git switch --detach vX.Y.Z`", short(e.Head), found)
}

// SeveralTagsError is HEAD with more than one release tag.
type SeveralTagsError struct {
	Head string
	Tags []string
}

func (e *SeveralTagsError) Error() string {
	return fmt.Sprintf("HEAD (%s) has %d release tags, %s: say which one with -tag=%s", short(e.Head), len(e.Tags), list(e.Tags, 20), e.Tags[0])
}

// TagMissingError is a tag that the repository does not have.
type TagMissingError struct{ Tag string }

func (e *TagMissingError) Error() string {
	return fmt.Sprintf("there is no tag %s in this repository: run `git fetch --tags`, or make it with `git tag -s %s`", e.Tag, e.Tag)
}

// ShallowError is a clone whose history was cut off before what is needed.
type ShallowError struct{ Lacks string }

func (e *ShallowError) Error() string {
	return fmt.Sprintf("this clone is shallow and lacks %s: run `git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'`, or set `fetch-depth: 0` in the CI's checkout step", e.Lacks)
}

// LightweightTagError is a tag without a tag object: it has no author, no date
// and no place for a signature.
type LightweightTagError struct{ Tag, Commit string }

func (e *LightweightTagError) Error() string {
	return fmt.Sprintf("%s is a lightweight tag (a bare name for commit %s), want an annotated, signed one: where the remote has that (some CI checkouts replace it), run `git fetch --force --tags`; else make it with `git tag -s -f %s %s`", e.Tag, short(e.Commit), e.Tag, short(e.Commit))
}

// WrongObjectError is a tag that points at something other than a commit.
type WrongObjectError struct{ Tag, Type string }

func (e *WrongObjectError) Error() string {
	return fmt.Sprintf("%s is a tag of a %s, want a tag of a commit: make it with `git tag -s %s COMMIT`", e.Tag, e.Type, e.Tag)
}

// MalformedTagError is a tag object that git itself would not write.
type MalformedTagError struct {
	Tag string
	Err error
}

func (e *MalformedTagError) Error() string {
	return fmt.Sprintf("%s is no tag object as git writes it: %v; make it again with `git tag -s %s COMMIT`", e.Tag, e.Err, e.Tag)
}
func (e *MalformedTagError) Unwrap() error { return e.Err }

// RenamedTagError is a ref that holds the tag object of another name.
type RenamedTagError struct{ Tag, Inner string }

func (e *RenamedTagError) Error() string {
	return fmt.Sprintf("the ref %s holds the tag object of %s, so whoever signed it signed another name: fetch the real tag with `git fetch --force --tags`, and find out who moved it", e.Tag, e.Inner)
}

// UnsignedTagError is an annotated tag without a signature.
type UnsignedTagError struct {
	Tag, Tagger string
}

func (e *UnsignedTagError) Error() string {
	return fmt.Sprintf("%s by %s is not signed, want a signature by a pinned key: make it again with `git tag -s %s`", e.Tag, e.Tagger, e.Tag)
}

// UnsupportedSignatureError is a signature of a kind that the product does not
// accept.
type UnsupportedSignatureError struct{ Tag, Kind, Want string }

func (e *UnsupportedSignatureError) Error() string {
	return fmt.Sprintf("%s has %s signature, want %s: sign it again with a key of that kind (git's setting gpg.format)", e.Tag, e.Kind, e.Want)
}

// UnknownKeyError is a signature by a key that is not pinned.
type UnknownKeyError struct {
	Tag string
	// Key is a fingerprint (upper-case hex, or SHA256:… for SSH), or the key ID
	// where the signature holds no more.
	Key string
	// Files are the key files that were looked at, From the branch and commit
	// that they were read from.
	Files []string
	Want  []string
	From  string
}

func (e *UnknownKeyError) Error() string {
	looked := "looked at " + list(e.Files, 10)
	if len(e.Files) == 0 {
		looked = "there is no " + list(e.Want, 10)
	}
	return fmt.Sprintf("%s is signed by key %s, which is not pinned: %s on %s; sign with a pinned key, or get this one pinned on that branch", e.Tag, e.Key, looked, e.From)
}

// ExpiredKeyError is a signature by a key that has expired by now.
type ExpiredKeyError struct {
	Tag, Key, Owner, File string
	// When is the time at which the key expired, as its file says it.
	When string
	// Signed is when the signature says that it was made.
	Signed time.Time
}

func (e *ExpiredKeyError) Error() string {
	return fmt.Sprintf("%s is signed by key %s%s, which expired on %s (the signature says %s): sign with a valid key, or prolong this one and pin it again in %s", e.Tag, e.Key, of(e.Owner), e.When, date(e.Signed), e.File)
}

// RevokedKeyError is a signature by a key whose owner revoked it.
type RevokedKeyError struct {
	Tag, Key, Owner, File string
	When                  time.Time
	// Reason is the owner's, "" where none is given.
	Reason string
	Signed time.Time
}

func (e *RevokedKeyError) Error() string {
	reason := ""
	if e.Reason != "" {
		reason = ", reason: " + e.Reason
	}
	return fmt.Sprintf("%s is signed by key %s%s, which was revoked on %s%s (the signature says %s, which counts for nothing): sign with another pinned key and take this one out of %s", e.Tag, e.Key, of(e.Owner), date(e.When), reason, date(e.Signed), e.File)
}

// UnusableKeyError is a signature by a pinned key that must not sign releases:
// not meant for signing, too weak, or not valid yet.
type UnusableKeyError struct{ Tag, Key, Owner, File, Reason string }

func (e *UnusableKeyError) Error() string {
	return fmt.Sprintf("%s is signed by key %s%s in %s, which cannot vouch for a release: %s; sign with another pinned key", e.Tag, e.Key, of(e.Owner), e.File, e.Reason)
}

// BadSignatureError is a signature that does not fit the tag, or cannot be
// read.
type BadSignatureError struct {
	Tag, Reason string
	// Key is the key that the signature names, "" where it cannot be read.
	Key string
}

func (e *BadSignatureError) Error() string {
	key := ""
	if e.Key != "" {
		key = " by key " + e.Key
	}
	return fmt.Sprintf("the signature of %s%s is bad: %s; the tag was changed after it was signed, or damaged: fetch it again with `git fetch --force --tags`, or sign it again", e.Tag, key, e.Reason)
}

// BrokenKeyFileError is a pinned file that cannot be read as what it should
// be. It stops every release: it may be the file with a revocation in it.
type BrokenKeyFileError struct {
	File, From string
	Err        error
}

func (e *BrokenKeyFileError) Error() string {
	return fmt.Sprintf("the pinned key file %s on %s cannot be used: %v; export it again with `gpg --armor --export FINGERPRINT`, or take it out", e.File, e.From, e.Err)
}
func (e *BrokenKeyFileError) Unwrap() error { return e.Err }

// NoMainBranchError is a repository without the branch that pins the keys.
type NoMainBranchError struct {
	Looked []string
}

func (e *NoMainBranchError) Error() string {
	return fmt.Sprintf("the main branch is not here: looked for %s; run `git fetch origin '+refs/heads/*:refs/remotes/origin/*'`", list(e.Looked, 10))
}

// WrongBranchError is a commit that no release branch contains.
type WrongBranchError struct {
	Commit string
	Want   string
	Looked []string
}

func (e *WrongBranchError) Error() string {
	return fmt.Sprintf("commit %s is on none of the branches that a release may come from (%s): looked at %s; merge it first, or tag the right commit", short(e.Commit), e.Want, list(e.Looked, 12))
}

// WrongHeadError is a checkout of another commit than the one to be released.
type WrongHeadError struct{ Tag, Commit, Head string }

func (e *WrongHeadError) Error() string {
	at := short(e.Head)
	if e.Head == "" {
		at = "no commit"
	}
	return fmt.Sprintf("HEAD is %s, and %s is commit %s: run `git switch --detach %s`", at, e.Tag, short(e.Commit), e.Tag)
}

// DirtyTreeError is a working tree that differs from the commit.
type DirtyTreeError struct{ Files []string }

func (e *DirtyTreeError) Error() string {
	return fmt.Sprintf("the working tree differs from the commit in %s: commit, stash or remove what is there (`git status`)", list(e.Files, 5))
}

func (*TagMissingError) refusal()           {}
func (*ShallowError) refusal()              {}
func (*LightweightTagError) refusal()       {}
func (*WrongObjectError) refusal()          {}
func (*MalformedTagError) refusal()         {}
func (*RenamedTagError) refusal()           {}
func (*UnsignedTagError) refusal()          {}
func (*UnsupportedSignatureError) refusal() {}
func (*UnknownKeyError) refusal()           {}
func (*ExpiredKeyError) refusal()           {}
func (*RevokedKeyError) refusal()           {}
func (*UnusableKeyError) refusal()          {}
func (*BadSignatureError) refusal()         {}
func (*BrokenKeyFileError) refusal()        {}
func (*NoMainBranchError) refusal()         {}
func (*WrongBranchError) refusal()          {}
func (*WrongHeadError) refusal()            {}
func (*DirtyTreeError) refusal()            {}

// list names the first few of many.
func list(names []string, most int) string {
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

func of(owner string) string {
	if owner == "" {
		return ""
	}
	return " of " + owner
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
