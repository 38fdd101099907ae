// Package tests runs the product's own tests, all of them or those that a
// change reaches, and counts what came of them. It knows the product.
package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Scope is which crates of a workspace are tested.
type Scope struct {
	// All stands for the whole workspace, Why says what made it so.
	All bool
	Why string
	// Crates are package names in alphabetical order, where All is not set:
	// none where no crate is reached.
	Crates []string
}

// Everything is the whole workspace.
func Everything(why string) Scope { return Scope{All: true, Why: why} }

// String says it in a few words.
func (s Scope) String() string {
	switch {
	case s.All:
		return "the whole workspace, since " + s.Why
	case len(s.Crates) == 0:
		return "no crate"
	}
	return strings.Join(s.Crates, ", ")
}

// metadata is what is read of `cargo metadata --no-deps`.
type metadata struct {
	Packages []struct {
		Name         string `json:"name"`
		ManifestPath string `json:"manifest_path"`
		Dependencies []struct {
			// Path is set where the dependency lies in the checkout.
			Path string `json:"path"`
		} `json:"dependencies"`
	} `json:"packages"`
}

// Affected says which crates of the workspace in dir a change reaches: those
// whose files are among the changed ones (slash-separated, relative to dir) and
// all that depend on them, build and test dependencies included. A file that
// lies in no crate may be read by any of them, unless the caller says that it is
// not by leaving it out: it asks for the whole workspace.
func Affected(ctx context.Context, cargo, dir string, changed []string) (Scope, error) {
	out, err := run.Output(ctx, run.Cmd{
		Name: cargo, Args: []string{"metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"}, Dir: dir,
	})
	if err != nil {
		return Scope{}, fmt.Errorf("asking cargo for the crates: %w", err)
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Scope{}, err
	}
	return affected(out, root, changed)
}

// affected works on what cargo printed.
func affected(text []byte, root string, changed []string) (Scope, error) {
	var m metadata
	if err := json.Unmarshal(text, &m); err != nil {
		return Scope{}, fmt.Errorf("reading cargo's metadata: %w", err)
	}
	dirs := map[string]string{}         // a crate's directory, by its name
	dependents := map[string][]string{} // who depends on the crate in a directory
	for _, p := range m.Packages {
		dir := filepath.Dir(p.ManifestPath)
		dirs[p.Name] = dir
		for _, d := range p.Dependencies {
			if d.Path != "" {
				dependents[d.Path] = append(dependents[d.Path], p.Name)
			}
		}
	}
	reached := map[string]bool{}
	var reach func(name string)
	reach = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		for _, other := range dependents[dirs[name]] {
			reach(other)
		}
	}
	for _, path := range changed {
		owner := ""
		for name, dir := range dirs {
			rel, err := filepath.Rel(root, dir)
			if err != nil {
				return Scope{}, err
			}
			if rel = filepath.ToSlash(rel); rel != "." && strings.HasPrefix(path, rel+"/") && len(dir) > len(dirs[owner]) {
				owner = name
			}
			// The crate at the top owns its sources, not what else lies there.
			if rel == "." && owner == "" && slices.Contains([]string{"src", "tests", "benches", "examples", "build.rs"}, strings.Split(path, "/")[0]) {
				owner = name
			}
		}
		if owner == "" {
			return Everything(path + " belongs to no crate"), nil
		}
		reach(owner)
	}
	var s Scope
	for name := range reached {
		s.Crates = append(s.Crates, name)
	}
	slices.Sort(s.Crates)
	return s, nil
}
