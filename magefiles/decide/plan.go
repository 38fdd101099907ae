package decide

import (
	"time"
)

// Plan is everything that a release would do. It is printed by release:plan,
// kept as plan.json in the bundle, and made without side effects.
type Plan struct {
	// Product and Definition name the product and the digest of its
	// definition.
	Product    string `json:"product"`
	Definition string `json:"definition"`
	Ref        Ref    `json:"ref"`
	// Version is the product's own version as its sources declare it; the
	// tag's is in Ref.
	Version string `json:"version"`
	// Commit is the full hash, CommitTime the committer's time in UTC.
	Commit     string    `json:"commit"`
	CommitTime time.Time `json:"commitTime"`
	// Image is the repository; Platforms and Assets are in the product's
	// order.
	Image     string   `json:"image"`
	Platforms []string `json:"platforms"`
	Assets    []string `json:"assets"`
	// Tries are what the image has to pass before it is published, as targets.
	Tries []string    `json:"tries,omitempty"`
	Tags  []TagChange `json:"tags"`
	Gates []Gate      `json:"gates"`
}

// ID names the directory of the plan's bundle below dist/: the tag, or
// "edge-<commit>" or "nightly-<commit>" where there is none.
func (p Plan) ID() string {
	if p.Ref.Version.IsZero() {
		return string(p.Ref.Channel) + "-" + p.Commit
	}
	return p.Ref.Name
}

// Refused gives the gates that stop the release.
func (p Plan) Refused() []Gate {
	var out []Gate
	for _, g := range p.Gates {
		if g.State == Fail {
			out = append(out, g)
		}
	}
	return out
}

// TagChange is a tag with what it points at now and what it would point at.
type TagChange struct {
	Tag
	// Now is the digest in the registry, "" where the tag is absent.
	Now string `json:"now,omitempty"`
	// NowIs says which version or commit Now is, where that is known.
	NowIs string `json:"nowIs,omitempty"`
	// Next is the version or "sha-" name that the tag would point at.
	Next string `json:"next"`
	// Change is true where the tag would be made or moved; it is unknown, and
	// true, where the image has not been built yet.
	Change bool `json:"change"`
}

// GateState is the outcome of one gate.
type GateState string

const (
	Pass    GateState = "pass"
	Fail    GateState = "fail"
	Warning GateState = "warning"
)

// Gate is one condition of a release with its outcome.
type Gate struct {
	// Name is short: "tag", "signature", "tree", "manual: staging deployment".
	Name  string    `json:"name"`
	State GateState `json:"state"`
	// File and Line are where the fault stands, File relative to the checkout,
	// Line counted from 1; zero where there is no such place.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Evidence is where the proof lies: a URL or a digest.
	Evidence string `json:"evidence,omitempty"`
	// Override is the maintainer's reason for going on although the gate
	// refused; the State is a Warning then.
	Override string `json:"override,omitempty"`
	// Detail says what was found, and for a Fail what was expected and what to
	// do next.
	Detail string `json:"detail"`
}
