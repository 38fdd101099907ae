package intoto

import (
	"encoding/json"
	"fmt"
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
	Dependencies []Dependency `json:"resolvedDependencies"`
}

// Parameters are what a caller of the build chooses.
type Parameters struct {
	// Repository is the product repository's URL, Ref the full git ref,
	// Channel one of edge, nightly, candidate and stable.
	Repository string `json:"repository"`
	Ref        string `json:"ref"`
	Channel    string `json:"channel"`
}

// Dependency is a resource descriptor.
type Dependency struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// RunDetails says who built it.
type RunDetails struct {
	Builder  BuilderID `json:"builder"`
	Metadata *Metadata `json:"metadata,omitempty"`
}

// BuilderID names the build platform.
type BuilderID struct {
	ID string `json:"id"`
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

// DecodeBuild reads the predicate of a provenance statement of our build type.
func DecodeBuild(s Statement) (Build, error) {
	var b Build
	if err := json.Unmarshal(s.Predicate, &b); err != nil {
		return b, fmt.Errorf("reading the provenance: %w", err)
	}
	if b.Definition.BuildType != BuildType {
		return b, fmt.Errorf("the provenance is of build type %q, want %q", b.Definition.BuildType, BuildType)
	}
	return b, nil
}
