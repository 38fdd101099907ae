package intoto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// BuildType names how a release is built. docs/provenance.md describes it.
const BuildType = "https://github.com/kubedoio/rustshare-release/blob/main/docs/provenance.md#build-type-v1"

// Build is the predicate of SLSA provenance v1
// (https://slsa.dev/spec/v1.0/provenance).
type Build struct {
	Definition BuildDefinition `json:"buildDefinition"`
	Run        RunDetails      `json:"runDetails"`
}

// BuildDefinition says what was built from what.
type BuildDefinition struct {
	BuildType string     `json:"buildType"`
	External  Parameters `json:"externalParameters"`
	// Dependencies has the source as its first element.
	Dependencies []Resource `json:"resolvedDependencies"`
}

// Parameters are what a caller of the build chooses.
type Parameters struct {
	// Repository is the product repository's URL, Ref the full git ref,
	// Channel one of edge, nightly, candidate and stable.
	Repository string `json:"repository"`
	Ref        string `json:"ref"`
	Channel    string `json:"channel"`
	// Target is what was asked for, such as "release:stable". It follows from
	// the ref; statements of earlier suites have none.
	Target string `json:"target,omitempty"`
}

// Tool describes a program by its version, such as "10.9.2", or by the line with
// it that the program prints, such as "rustc 1.96.0 (ac68faa20 2026-05-25)".
// The URI is a package URL.
func Tool(name, version string) Resource {
	number := strings.TrimPrefix(version, name+" ")
	number, _, _ = strings.Cut(number, " ")
	return Resource{Name: name, URI: "pkg:generic/" + name + "@" + url.PathEscape(number), Annotations: map[string]string{"version": version}}
}

// RunDetails says who built it.
type RunDetails struct {
	Builder  BuilderID `json:"builder"`
	Metadata *Metadata `json:"metadata,omitempty"`
}

// BuilderID names the build platform.
type BuilderID struct {
	ID string `json:"id"`
	// Version maps parts of the platform to their versions.
	Version map[string]string `json:"version,omitempty"`
}

// Metadata is about one run of the build.
type Metadata struct {
	InvocationID string     `json:"invocationId,omitempty"`
	StartedOn    *time.Time `json:"startedOn,omitempty"`
	FinishedOn   *time.Time `json:"finishedOn,omitempty"`
}

// Source gives the git URI of a repository at a ref, as in
// "git+https://github.com/owner/name@refs/tags/v1.2.3".
func Source(repository, ref string) string { return "git+" + repository + "@" + ref }

// SourceFile gives the URI of a file of the source, as in
// "git+https://github.com/owner/name@refs/tags/v1.2.3#Cargo.lock".
func SourceFile(repository, ref, path string) string { return Source(repository, ref) + "#" + path }

// Commit gives the commit of the source, "" where there is none.
func (b Build) Commit() string {
	want := Source(b.Definition.External.Repository, b.Definition.External.Ref)
	for _, d := range b.Definition.Dependencies {
		if d.URI == want {
			return d.Digest["gitCommit"]
		}
	}
	return ""
}

// SameBuild tells whether another provenance is of a build of the same: same
// parameters, same commit. Who built it when, and with which tools, may differ.
func (b Build) SameBuild(o Build) bool {
	return b.Definition.BuildType == o.Definition.BuildType && b.Definition.External == o.Definition.External && b.Commit() == o.Commit()
}

// check wants a provenance that says one thing.
func (b Build) check() error {
	sources := map[string]string{}
	for _, d := range b.Definition.Dependencies {
		if d.URI == "" && len(d.Digest) == 0 {
			return errors.New("the provenance has a dependency with neither URI nor digest")
		}
		commit, ok := d.Digest["gitCommit"]
		if !ok {
			continue
		}
		if other, twice := sources[d.URI]; twice && other != commit {
			return fmt.Errorf("the provenance names two commits of %s, %q and %q: want one", d.URI, other, commit)
		}
		sources[d.URI] = commit
	}
	if m := b.Run.Metadata; m != nil && m.StartedOn != nil && m.FinishedOn != nil && m.FinishedOn.Before(*m.StartedOn) {
		return fmt.Errorf("the provenance says that the build ended at %s, before it began at %s",
			m.FinishedOn.Format(time.RFC3339), m.StartedOn.Format(time.RFC3339))
	}
	return nil
}

// DecodeBuild reads the predicate of a provenance statement of our build type.
// Another build type is refused, and so is a parameter that the build type does
// not have, as SLSA asks of verifiers: nobody knows what it changed.
func DecodeBuild(s Statement) (Build, error) {
	var b Build
	if s.PredicateType != Provenance {
		return b, fmt.Errorf("the statement is of type %q, want %q", s.PredicateType, Provenance)
	}
	var kind struct {
		Definition struct {
			BuildType string          `json:"buildType"`
			External  json.RawMessage `json:"externalParameters"`
		} `json:"buildDefinition"`
	}
	if err := json.Unmarshal(s.Predicate, &kind); err != nil {
		return b, fmt.Errorf("reading the provenance: %w", err)
	}
	if got := kind.Definition.BuildType; got != BuildType {
		return b, fmt.Errorf("the provenance is of the build type %q, and the one that counts is %q: it was made by something else, or by a newer suite", got, BuildType)
	}
	if err := json.Unmarshal(s.Predicate, &b); err != nil {
		return Build{}, fmt.Errorf("reading the provenance: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(kind.Definition.External))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b.Definition.External); err != nil {
		return Build{}, fmt.Errorf("reading the provenance's externalParameters: %w", err)
	}
	return b, b.check()
}
