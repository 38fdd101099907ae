package versions

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ErrNoCargo is wrapped where a directory holds no Cargo.toml.
var ErrNoCargo = errors.New("no Cargo.toml")

// Member is a package of a Cargo workspace.
type Member struct {
	Name string
	// Version is its own or, where it says so, the workspace's; "" for none.
	Version string
	// Manifest is its Cargo.toml, relative to the checkout, slash-separated.
	Manifest string
}

// Members lists the packages of the workspace whose root is dir, or the one
// package that is there, the root first and the others by path. It needs no
// cargo, and finds what Cargo finds: workspace.members without
// workspace.exclude, and the crates below the root that those depend on by
// path. The error wraps [ErrNoCargo] where dir is no checkout of a Rust product.
func Members(dir string) ([]Member, error) {
	w, err := readWorkspace(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("reading the Cargo workspace in %s: %w", dir, err)
	}
	var out []Member
	for _, m := range w.manifests {
		if m.Package != nil {
			out = append(out, Member{m.Package.Name, w.version(m), m.name})
		}
	}
	return out, nil
}

// manifest is what matters here of a Cargo.toml.
type manifest struct {
	document
	content
}

type content struct {
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
		Dependencies map[string]any `toml:"dependencies"`
	} `toml:"workspace"`
	dependencyTables
	Target map[string]dependencyTables `toml:"target"`
}

type dependencyTables struct {
	Normal map[string]any `toml:"dependencies"`
	Dev    map[string]any `toml:"dev-dependencies"`
	Build  map[string]any `toml:"build-dependencies"`
}

// dependency is an entry of a table of dependencies.
type dependency struct {
	keys      []string // where it stands
	crate     string   // whatever it is called here
	path      string   // relative to the manifest, "" for none
	inherited bool     // as workspace.dependencies has it
}

// workspace holds the manifests of the packages, the root's first.
type workspace struct{ manifests []manifest }

func (w workspace) root() manifest { return w.manifests[0] }

// version gives the version of a package, "" for none.
func (w workspace) version(m manifest) string {
	if m.inherits() {
		if r := w.root().Workspace; r != nil {
			return r.Package.Version
		}
		return ""
	}
	own, _ := m.Package.Version.(string)
	return own
}

// inherits tells whether a package takes the workspace's version.
func (m manifest) inherits() bool {
	as, _ := m.Package.Version.(map[string]any)
	return as["workspace"] == true
}

// dependencies lists all of a manifest's entries, the workspace's included.
func (m manifest) dependencies() []dependency {
	var out []dependency
	table := func(entries map[string]any, keys ...string) {
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			entry, _ := entries[name].(map[string]any)
			d := dependency{keys: slices.Concat(keys, []string{name}), crate: name}
			if crate, ok := entry["package"].(string); ok {
				d.crate = crate
			}
			d.path, _ = entry["path"].(string)
			d.inherited = entry["workspace"] == true
			out = append(out, d)
		}
	}
	all := func(t dependencyTables, keys ...string) {
		table(t.Normal, slices.Concat(keys, []string{"dependencies"})...)
		table(t.Dev, slices.Concat(keys, []string{"dev-dependencies"})...)
		table(t.Build, slices.Concat(keys, []string{"build-dependencies"})...)
	}
	all(m.dependencyTables)
	for _, target := range slices.Sorted(maps.Keys(m.Target)) {
		all(m.Target[target], "target", target)
	}
	if m.Workspace != nil {
		table(m.Workspace.Dependencies, "workspace", "dependencies")
	}
	return out
}

// readWorkspace reads the manifests of the workspace in a checkout.
func readWorkspace(checkout fs.FS) (workspace, error) {
	root, err := readManifest(checkout, ".")
	if absent(err) {
		return workspace{}, fmt.Errorf("%w: this is not the product's checkout; run in it, or name it with mage's -w", ErrNoCargo)
	}
	if err != nil {
		return workspace{}, err
	}
	if root.Workspace == nil {
		return workspace{[]manifest{root}}, nil
	}
	dirs := []string{"."}
	for i, pattern := range root.Workspace.Members {
		found, err := fs.Glob(checkout, path.Clean(pattern))
		if err != nil {
			at, _ := root.at("workspace", "members", strconv.Itoa(i))
			return workspace{}, root.fault(root.line(at.start), "workspace.members has %q, which is no pattern: %v", pattern, err)
		}
		slices.Sort(found)
		dirs = append(dirs, found...)
	}
	read := map[string]manifest{}
	for len(dirs) > 0 {
		dir := dirs[0]
		dirs = dirs[1:]
		if _, done := read[dir]; done || !fs.ValidPath(dir) || root.excludes(dir) {
			continue
		}
		m, err := readManifest(checkout, dir)
		if absent(err) || notDir(checkout, dir) {
			continue // a pattern may match other things
		}
		if err != nil {
			return workspace{}, err
		}
		read[dir] = m
		dirs = append(dirs, root.below(dir, m)...)
	}
	w := workspace{[]manifest{root}}
	for _, dir := range slices.Sorted(maps.Keys(read)) {
		if dir != "." {
			w.manifests = append(w.manifests, read[dir])
		}
	}
	return w, nil
}

// below gives the directories that a package depends on by path.
func (m manifest) below(dir string, p manifest) []string {
	shared := map[string]string{}
	for _, d := range m.dependencies() {
		if len(d.keys) == 3 && d.keys[0] == "workspace" {
			shared[d.keys[2]] = d.path
		}
	}
	var out []string
	for _, d := range p.dependencies() {
		switch {
		case d.keys[0] == "workspace":
		case d.inherited && shared[d.keys[len(d.keys)-1]] != "":
			out = append(out, path.Join(shared[d.keys[len(d.keys)-1]]))
		case d.path != "":
			out = append(out, path.Join(dir, d.path))
		}
	}
	return out
}

// excludes tells whether Cargo leaves a directory out of the workspace: below
// one of workspace.exclude, unless workspace.members names it or one above.
func (m manifest) excludes(dir string) bool {
	under := func(parents []string) bool {
		return slices.ContainsFunc(parents, func(p string) bool {
			p = path.Clean(p)
			return dir == p || strings.HasPrefix(dir, p+"/")
		})
	}
	return under(m.Workspace.Exclude) && !under(m.Workspace.Members)
}

func readManifest(checkout fs.FS, dir string) (manifest, error) {
	var m manifest
	f, err := readFile(checkout, path.Join(dir, "Cargo.toml"))
	if err != nil {
		return m, err
	}
	m.document, err = parseTOML(f, &m.content)
	return m, err
}

// notDir tells whether a name is something else than a directory.
func notDir(checkout fs.FS, name string) bool {
	info, err := fs.Stat(checkout, name)
	return err != nil || !info.IsDir()
}
