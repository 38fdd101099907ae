package cargo

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"github.com/kubedoio/rustshare-release/magefiles/paperwork/versions"
)

// ProductVersion gives the version that the sources in dir declare for a
// package: package.version, or workspace.package.version where it says so. It
// needs no cargo. The error wraps [versions.ErrNoCargo] where dir is no checkout
// of a Rust product.
func ProductVersion(dir, pkg string) (string, error) {
	all, err := versions.Members(dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, m := range all {
		if m.Name == pkg {
			if m.Version == "" {
				return "", fmt.Errorf("%s declares no version for package %s: set package.version, or version.workspace = true with workspace.package.version in %s", filepath.Join(dir, m.Manifest), pkg, filepath.Join(dir, "Cargo.toml"))
			}
			return m.Version, nil
		}
		names = append(names, m.Name)
	}
	return "", fmt.Errorf("the workspace in %s has no package %s, only %v: correct Cargo.Package in the product's definition", dir, pkg, names)
}

// localCrates lists the packages of Cargo.lock that come from the checkout
// itself, as cargo's package specs.
func localCrates(dir string) ([]string, error) {
	path := filepath.Join(dir, "Cargo.lock")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the locked crates (commit a Cargo.lock, `cargo generate-lockfile` makes one): %w", err)
	}
	var lockFile struct {
		Package []struct {
			Name    string `toml:"name"`
			Version string `toml:"version"`
			Source  string `toml:"source"`
		} `toml:"package"`
	}
	if err := toml.Unmarshal(text, &lockFile); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var out []string
	for _, p := range lockFile.Package {
		if p.Source == "" {
			out = append(out, p.Name+"@"+p.Version)
		}
	}
	return out, nil
}
