// Package versions sets the product's own version in its sources: in the Cargo
// workspace, its lock file, and the frontend. Nothing but the versions changes.
package versions

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Set writes a version, such as "0.4.0", into the checkout in dir, and gives
// the files that it changed, relative to dir and slash-separated. The version of
// the product's package counts as the product's, and goes over to
//   - workspace.package.version and package.version of every member that say the
//     same as it; a member with another version keeps its own;
//   - path dependencies on those members that require exactly it ("0.3.0",
//     "=0.3.0", "^0.3.0");
//   - the entries of those members in Cargo.lock;
//   - package.json and package-lock.json of the frontend, whatever they say.
//
// Each file is replaced in one step, and the one that declares the product's
// version last: a call that died can be repeated. Faults in files are [*Error];
// [ErrNoCargo] is wrapped where dir is no checkout of a Rust product.
func Set(dir string, p product.Product, core string) ([]string, error) {
	changes, err := plan(os.DirFS(dir), p, core)
	if err != nil {
		return nil, fmt.Errorf("setting the version in %s: %w", dir, err)
	}
	var names []string
	for _, c := range changes {
		to := filepath.Join(dir, filepath.FromSlash(c.name))
		info, err := os.Stat(to)
		if err == nil {
			err = atomicfile.Write(to, c.text, info.Mode().Perm())
		}
		if err != nil {
			return names, fmt.Errorf("setting the version in %s: %w", to, err)
		}
		names = append(names, c.name)
	}
	return names, nil
}

// plan gives what has to be written, in that order.
func plan(checkout fs.FS, p product.Product, core string) ([]change, error) {
	if _, err := decide.ParseVersion(core); err != nil {
		return nil, err
	}
	w, err := readWorkspace(checkout)
	if err != nil {
		return nil, err
	}
	declares, old, err := w.declares(p.Cargo.Package)
	if err != nil {
		return nil, err
	}
	crates := w.crates(old, core)
	var out []change
	add := func(f file, edits []edit) {
		if c, ok := f.apply(edits); ok {
			out = append(out, c)
		}
	}
	lock, edits, err := lockFile(checkout, crates, old, core)
	if err != nil {
		return nil, err
	}
	add(lock, edits)
	if p.Frontend != nil {
		for _, f := range npmFiles {
			f, edits, err := f.edits(checkout, p.Frontend.Dir, core)
			if err != nil {
				return nil, err
			}
			add(f, edits)
		}
	}
	// The manifests, and among them the declaring one last.
	for _, last := range []bool{false, true} {
		for _, m := range w.manifests {
			if (m.name == declares) == last {
				add(m.file, m.edits(crates, old, core))
			}
		}
	}
	return out, nil
}

// declares gives the manifest that holds the product's version, and the version.
func (w workspace) declares(pkg string) (name, version string, err error) {
	var names []string
	for _, m := range w.manifests {
		if m.Package == nil {
			continue
		}
		if names = append(names, m.Package.Name); m.Package.Name != pkg {
			continue
		}
		version := w.version(m)
		if version == "" {
			return "", "", m.fault(1, "package %s declares no version: set package.version, or version.workspace = true with workspace.package.version in Cargo.toml", pkg)
		}
		if m.inherits() {
			return w.root().name, version, nil
		}
		return m.name, version, nil
	}
	return "", "", w.root().fault(1, "the workspace has no package %s, only %v: correct Cargo.Package in the product's definition", pkg, names)
}

// crates are the names of the packages whose version is the product's. Those
// that have the new one already are left from a call that died.
func (w workspace) crates(old, core string) map[string]bool {
	out := map[string]bool{}
	for _, m := range w.manifests {
		if m.Package == nil {
			continue
		}
		if v := w.version(m); v == old || v == core {
			out[m.Package.Name] = true
		}
	}
	return out
}

// edits gives what changes in a manifest.
func (m manifest) edits(crates map[string]bool, old, core string) []edit {
	var out []edit
	for _, keys := range [][]string{{"workspace", "package", "version"}, {"package", "version"}} {
		if at, ok := m.at(keys...); ok && at.value == old {
			out = append(out, edit{at, core})
		}
	}
	for _, d := range m.dependencies() {
		at, ok := m.at(append(d.keys, "version")...)
		if !ok || d.path == "" || !crates[d.crate] {
			continue
		}
		if rest := strings.TrimLeft(at.value, "=^ "); rest == old {
			out = append(out, edit{at, at.value[:len(at.value)-len(rest)] + core})
		}
	}
	return out
}

// lockFile gives Cargo.lock, and what changes in it. Where it has several
// crates of one name from the checkout, the product's is known by its version.
func lockFile(checkout fs.FS, crates map[string]bool, old, core string) (file, []edit, error) {
	f, err := readFile(checkout, "Cargo.lock")
	if err != nil {
		return f, nil, fmt.Errorf("reading the locked crates (commit a Cargo.lock, `cargo generate-lockfile` makes one): %w", err)
	}
	var lock struct {
		Package []struct {
			Name         string   `toml:"name"`
			Version      string   `toml:"version"`
			Source       string   `toml:"source"`
			Dependencies []string `toml:"dependencies"`
		} `toml:"package"`
	}
	d, err := parseTOML(f, &lock)
	if err != nil {
		return f, nil, err
	}
	local := map[string][]int{}
	for i, p := range lock.Package {
		if p.Source == "" && crates[p.Name] {
			local[p.Name] = append(local[p.Name], i)
		}
	}
	var edits []edit
	locked := map[string]bool{} // "name version" of the crates
	for _, name := range slices.Sorted(maps.Keys(crates)) {
		if len(local[name]) > 1 {
			local[name] = slices.DeleteFunc(local[name], func(i int) bool {
				v := lock.Package[i].Version
				return v != old && v != core
			})
		}
		if len(local[name]) != 1 {
			return f, nil, f.fault(1, "it has no package %s %s, which the workspace has: `cargo update --workspace` brings it up to date", name, old)
		}
		i := local[name][0]
		if at, ok := d.at("package", strconv.Itoa(i), "version"); ok {
			edits = append(edits, edit{at, core})
			locked[name+" "+at.value] = true
		}
	}
	for i, p := range lock.Package {
		for j, needs := range p.Dependencies {
			if at, ok := d.at("package", strconv.Itoa(i), "dependencies", strconv.Itoa(j)); ok && locked[needs] {
				name, _, _ := strings.Cut(needs, " ")
				edits = append(edits, edit{at, name + " " + core})
			}
		}
	}
	return f, edits, nil
}

// npmFile is a file of an npm project with the paths of its versions.
type npmFile struct {
	name     string
	optional bool
	paths    [][]string
}

var npmFiles = []npmFile{
	{"package.json", false, [][]string{{"version"}}},
	{"package-lock.json", true, [][]string{{"version"}, {"packages", "", "version"}}},
}

func (n npmFile) edits(checkout fs.FS, dir, core string) (file, []edit, error) {
	f, err := readFile(checkout, path.Join(dir, n.name))
	if n.optional && absent(err) {
		return f, nil, nil
	}
	if err != nil {
		return f, nil, fmt.Errorf("reading the frontend's version: %w", err)
	}
	var out []edit
	for _, p := range n.paths {
		places, err := jsonTexts(f, p...)
		if err != nil {
			return f, nil, err
		}
		for _, at := range places {
			out = append(out, edit{at, core})
		}
	}
	return f, out, nil
}
