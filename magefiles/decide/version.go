// Package decide holds the release policy as pure functions: what a version
// is, which channel it belongs to, which image tags it gets and what a release
// would do. It knows the product's types and does no I/O.
package decide

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Channel is the way that a build takes to its users.
type Channel string

const (
	// Edge is a push to the main branch.
	Edge Channel = "edge"
	// Nightly is a dated build of the main branch that leaves "edge" alone.
	Nightly Channel = "nightly"
	// Candidate is a pre-release tag: -rc.N, and -alpha.N, -beta.N or any
	// other pre-release that SemVer knows.
	Candidate Channel = "candidate"
	// Stable is a plain version tag.
	Stable Channel = "stable"
)

// maxVersion is what an OCI tag may hold (OCI distribution 1.1: 128
// characters).
const maxVersion = 128

// Version is a SemVer 2.0.0 version. The zero value is no version.
type Version struct{ v semver.Version }

// ParseVersion reads a version without the leading "v", strictly: three
// numbers without leading zeros, pre-release and build metadata as SemVer
// 2.0.0 has them.
func ParseVersion(s string) (Version, error) {
	v, err := semver.StrictNewVersion(s)
	if err != nil {
		return Version{}, fmt.Errorf("%s is no SemVer 2.0.0 version: want MAJOR.MINOR.PATCH, optionally -PRERELEASE and +BUILD, numbers without leading zeros (%w)", clip(s), err)
	}
	if len(s) > maxVersion {
		return Version{}, fmt.Errorf("version %s has %d characters, an image tag may have %d", clip(s), len(s), maxVersion)
	}
	return Version{*v}, nil
}

// ParseTag reads a version from a git tag: "v" and a strict version.
func ParseTag(tag string) (Version, error) {
	rest, ok := strings.CutPrefix(tag, "v")
	if !ok {
		return Version{}, fmt.Errorf("%s is no release tag: want vMAJOR.MINOR.PATCH, such as v0.4.0 or v0.4.0-rc.1", clip(tag))
	}
	v, err := ParseVersion(rest)
	if err != nil {
		return Version{}, fmt.Errorf("%s is no release tag: %w", clip(tag), err)
	}
	return v, nil
}

// clip quotes what a person may have typed and keeps it short.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q… (%d characters)", string(r[:most]), len(r))
	}
	return fmt.Sprintf("%q", s)
}

// String gives the version as it was read, without "v".
func (v Version) String() string { return v.v.String() }

// Tag gives the git tag of the version.
func (v Version) Tag() string { return "v" + v.String() }

// Image gives the version as an image tag: build metadata is dropped, since
// "+" cannot stand in one.
func (v Version) Image() string {
	s, _, _ := strings.Cut(v.String(), "+")
	return s
}

// Core gives MAJOR.MINOR.PATCH alone.
func (v Version) Core() string {
	return fmt.Sprintf("%d.%d.%d", v.v.Major(), v.v.Minor(), v.v.Patch())
}

// Line gives MAJOR.MINOR, the name of a rolling tag.
func (v Version) Line() string { return fmt.Sprintf("%d.%d", v.v.Major(), v.v.Minor()) }

// Major gives MAJOR alone, the name of a rolling tag.
func (v Version) Major() string { return fmt.Sprintf("%d", v.v.Major()) }

// Channel is Candidate for a pre-release and Stable otherwise; build metadata
// has no say in it.
func (v Version) Channel() Channel {
	if v.v.Prerelease() != "" {
		return Candidate
	}
	return Stable
}

// Compare orders versions by SemVer precedence: build metadata is ignored.
func (v Version) Compare(o Version) int { return v.v.Compare(&o.v) }

// IsZero tells whether there is no version.
func (v Version) IsZero() bool { return v == Version{} }

// MarshalText and UnmarshalText carry a version through JSON as its string.
func (v Version) MarshalText() ([]byte, error) {
	if v.IsZero() {
		return nil, nil
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*v = Version{}
		return nil
	}
	got, err := ParseVersion(string(b))
	if err != nil {
		return err
	}
	*v = got
	return nil
}

// ParseVersions reads a comma-separated list, each with or without "v".
func ParseVersions(list string) ([]Version, error) {
	var out []Version
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		v, err := ParseVersion(strings.TrimPrefix(s, "v"))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Ref is what a release starts from: a tag with its version, or the main
// branch.
type Ref struct {
	// Name is the short name: "v0.4.0", or "main".
	Name string `json:"name"`
	// Channel is decided by the name alone.
	Channel Channel `json:"channel"`
	// Version is the zero value for edge and nightly.
	Version Version `json:"version,omitzero"`
}

// Full gives the full git ref, such as "refs/tags/v0.4.0" or
// "refs/heads/main".
func (r Ref) Full() string {
	if r.Version.IsZero() {
		return "refs/heads/" + r.Name
	}
	return "refs/tags/" + r.Name
}

// Target gives the target that publishes the ref, such as "release:stable".
func (r Ref) Target() string {
	switch r.Channel {
	case Stable:
		return "release:stable"
	case Candidate:
		return "release:rc"
	}
	return "release:edge"
}

// ParseRef reads a tag ("v0.4.0", "refs/tags/v0.4.0"), the main branch ("main",
// "refs/heads/main", "edge"), or "nightly".
func ParseRef(s, mainBranch string) (Ref, error) {
	switch {
	case mainBranch == "":
		// No name is the main branch's, least of all the empty one.
	case s == mainBranch, s == "refs/heads/"+mainBranch, s == string(Edge):
		return Ref{Name: mainBranch, Channel: Edge}, nil
	case s == string(Nightly):
		return Ref{Name: mainBranch, Channel: Nightly}, nil
	}
	if branch, ok := strings.CutPrefix(s, "refs/heads/"); ok {
		return Ref{}, fmt.Errorf("branch %s is published nowhere: want a tag such as v0.4.0, %q, or %q", clip(branch), mainBranch, Nightly)
	}
	tag := strings.TrimPrefix(s, "refs/tags/")
	v, err := ParseTag(tag)
	if err != nil {
		return Ref{}, err
	}
	return Ref{Name: tag, Channel: v.Channel(), Version: v}, nil
}

var commitForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// CheckCommit wants a full commit hash: 40 lower-case hex digits, or 64 in a
// SHA-256 repository.
func CheckCommit(sha string) error {
	if !commitForm.MatchString(sha) {
		return fmt.Errorf("commit %s is no full commit hash: want 40 (or 64) lower-case hex digits, as `git rev-parse HEAD` prints them", clip(sha))
	}
	return nil
}

// Bump is the kind of a release: which of its three numbers grew first.
type Bump string

const (
	BumpMajor Bump = "major"
	BumpMinor Bump = "minor"
	BumpPatch Bump = "patch"
)

// Bump tells of which kind the version is, by the form of its numbers alone:
// X.0.0 is a major release, X.Y.0 a minor one, and everything else a patch.
func (v Version) Bump() Bump {
	switch {
	case v.v.Patch() != 0:
		return BumpPatch
	case v.v.Minor() != 0 || v.v.Major() == 0:
		return BumpMinor
	}
	return BumpMajor
}

// Initial tells whether the version is below 1.0.0, where a MINOR may break.
func (v Version) Initial() bool { return v.v.Major() == 0 }

// Stable gives the version without pre-release and build metadata: 0.4.0 for
// 0.4.0-rc.1.
func (v Version) Stable() Version {
	return Version{*semver.New(v.v.Major(), v.v.Minor(), v.v.Patch(), "", "")}
}

// NextMajor gives the version with the MAJOR after this one.
func (v Version) NextMajor() Version { return Version{v.v.IncMajor()} }

// NextMinor gives the version with the MINOR after this one.
func (v Version) NextMinor() Version { return Version{v.v.IncMinor()} }

// NextPatch gives the version with the PATCH after this one.
func (v Version) NextPatch() Version { return Version{v.v.IncPatch()} }
