// Package pipeline is the order of things: what a release, a plan, a
// verification and a rehearsal do, step after step, as straight-line Go. What
// a step does stands in the packages that it calls.
package pipeline

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Suite is one invocation: a product, its checkout and the surroundings.
type Suite struct {
	Product product.Product
	// Dir is the working directory: the product's checkout for most targets.
	Dir    string
	Getenv func(string) string
	// UI is the log, Out gets results.
	UI  *term.UI
	Out io.Writer

	// The rest is for a rehearsal and for tests; the zero values are right
	// elsewhere.

	// Dist is where bundles and directory releases lie (default: dist below
	// Dir).
	Dist string
	// Image is the repository to publish to (default: RELEASE_IMAGE, or the
	// product's own).
	Image string
	// CargoTarget is cargo's target directory.
	CargoTarget string
	// Key signs the proofs (default: the key that the environment names).
	Key *attest.Key
	// Sigstore is where to sign without a key (default: the product's).
	Sigstore product.Services
	// Forge has the release pages (default: RELEASE_FORGE, or the product's).
	Forge forge.Forge
	// Who commits and tags (default: what git's configuration says).
	Who *git.Identity
	// Stack is the kind of stack that things are tried on (default:
	// RELEASE_STACK, or Docker Compose where the product has files for it).
	Stack string
	// Database is where grype's vulnerability database comes from (default:
	// RELEASE_SCAN_DB_GRYPE, or the product's).
	Database string
	// Clock is the time of nightly tags, commits and tags (default: now).
	Clock time.Time
	// childEnv is added to the environment of this program where it builds again
	// as a process of its own: tests tell it there what it is.
	childEnv []string
}

// New holds the product against its rules, once.
func New(s Suite) (*Suite, error) {
	if err := s.Product.Validate(); err != nil {
		return nil, err
	}
	return &s, nil
}

// dist is where bundles and directory releases lie.
func (s *Suite) dist(elem ...string) string {
	dir := s.Dist
	if dir == "" {
		dir = filepath.Join(s.Dir, gate.OutputDir)
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

func (s *Suite) printJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
