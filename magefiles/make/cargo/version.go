package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// manifest is what matters here of a Cargo.toml.
type manifest struct {
	Package *struct {
		Name string `toml:"name"`
		// Version is a text, or a table that says "as the workspace".
		Version any `toml:"version"`
	} `toml:"package"`
	Workspace *struct {
		Members []string `toml:"members"`
		Exclude []string `toml:"exclude"`
		Package struct {
			Version string `toml:"version"`
		} `toml:"package"`
	} `toml:"workspace"`
}

// ErrNoCargo is wrapped where a directory holds no Cargo.toml.
var ErrNoCargo = errors.New("no Cargo.toml")

// member is a package of the workspace.
type member struct{ Name, Version, Manifest string }

// ProductVersion gives the version that the sources in dir declare for a
// package: package.version, or workspace.package.version where it says so. It
// needs no cargo. The error wraps [ErrNoCargo] where dir is no checkout of a
// Rust product.
func ProductVersion(dir, pkg string) (string, error) {
	all, err := members(dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, m := range all {
		if m.Name == pkg {
			if m.Version == "" {
				return "", fmt.Errorf("%s declares no version for package %s: set package.version, or version.workspace = true with workspace.package.version in %s", m.Manifest, pkg, filepath.Join(dir, "Cargo.toml"))
			}
			return m.Version, nil
		}
		names = append(names, m.Name)
	}
	return "", fmt.Errorf("the workspace in %s has no package %s, only %v: correct Cargo.Package in the product's definition", dir, pkg, names)
}

// members lists the packages of the workspace whose root is dir.
func members(dir string) ([]member, error) {
	root, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	dirs := []string{dir}
	workspaceVersion := ""
	if w := root.Workspace; w != nil {
		workspaceVersion = w.Package.Version
		for _, pattern := range w.Members {
			found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
			if err != nil {
				return nil, fmt.Errorf("reading workspace.members of %s: %q: %w", filepath.Join(dir, "Cargo.toml"), pattern, err)
			}
			dirs = append(dirs, found...)
		}
		for _, x := range w.Exclude {
			out := filepath.Join(dir, filepath.FromSlash(x))
			dirs = slices.DeleteFunc(dirs, func(d string) bool { return d == out })
		}
	}
	slices.Sort(dirs[1:])
	var out []member
	for _, d := range slices.Compact(dirs) {
		m, err := readManifest(d)
		if errors.Is(err, ErrNoCargo) && d != dir {
			continue // a pattern may match other things
		}
		if err != nil {
			return nil, err
		}
		if m.Package == nil {
			continue
		}
		version, isText := m.Package.Version.(string)
		if !isText {
			if as, _ := m.Package.Version.(map[string]any); as["workspace"] == true {
				version = workspaceVersion
			}
		}
		out = append(out, member{m.Package.Name, version, filepath.Join(d, "Cargo.toml")})
	}
	return out, nil
}

func readManifest(dir string) (manifest, error) {
	var m manifest
	path := filepath.Join(dir, "Cargo.toml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w in %s: this is not the product's checkout; run in it, or name it with mage's -w", ErrNoCargo, dir)
	}
	if err != nil {
		return m, err
	}
	if err := toml.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w", path, err)
	}
	return m, nil
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
