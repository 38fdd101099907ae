// Package verify proves a release from the registry alone: signature,
// provenance and SBOMs of an image index by digest, and that the binaries in
// the image are the attached ones. Its [Result] can be made nowhere else, and
// nothing gets a rolling tag without one.
package verify

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Expect is what the provenance has to name, and what else has to be there. An
// empty field is not compared.
type Expect struct {
	// Source is the product repository's URL.
	Source string
	// Commit is the full commit hash.
	Commit string
	// Ref is the full git ref that was released: "refs/tags/v0.4.0" or
	// "refs/heads/main".
	Ref string
	// Channel is the channel that was released: "stable".
	Channel string
	// Require names what the index has to have passed: a test result of the
	// trusted key for each, as in "smoke:pilot", or "smoke:pilot@compose" where
	// the kind of stack matters. See [Require].
	Require []string
}

// Result is the proof that one image index passed. The zero value proves
// nothing: only [Image] makes one that does.
type Result struct {
	digest v1.Hash
	// Report says what was found, for people and programs.
	Report Report
}

// Proves tells whether this is the proof for the digest.
func (r Result) Proves(digest v1.Hash) bool {
	return r.digest != v1.Hash{} && r.digest == digest
}
