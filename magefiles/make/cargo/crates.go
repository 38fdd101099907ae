package cargo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zlib"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// sectionName is where the auditable project keeps a binary's crates
// (github.com/rust-secure-code/cargo-auditable): zlib-compressed JSON. Syft,
// Trivy and `cargo audit bin` read it.
const sectionName = ".dep-v0"

// crateList is the auditable project's document.
type crateList struct {
	Packages []crate `json:"packages"`
}

// crate is one package. A kind is not written: all are runtime dependencies.
type crate struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Source is "crates.io", "registry" (another one), "git" or "local".
	Source string `json:"source"`
	// Dependencies are indices into the list, ascending.
	Dependencies []int `json:"dependencies,omitempty"`
	Root         bool  `json:"root,omitempty"`
}

// section gives the content of the binary's section.
func (l crateList) section() ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = z.Write(text)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// crates asks cargo which crates the binary has for a target: those of normal
// dependency edges. `cargo tree` is asked and not `cargo metadata`, which
// knows neither the features chosen for one package nor the difference between
// the target's and the build machine's.
func (o Options) crates(ctx context.Context, triple string, tc Toolchain, env *environment) (crateList, error) {
	out, err := run.Output(ctx, run.Cmd{
		Name: tc.Cargo, Dir: o.Dir, BareEnv: true, Env: env.with(tc, nil),
		Args: []string{
			"tree", "--locked", "--package", o.Cargo.Package, "--edges", "normal", "--target", triple,
			"--prefix", "depth", "--format", treeFormat,
		},
	})
	if err != nil {
		return crateList{}, fmt.Errorf("listing the crates for %s: %w", triple, err)
	}
	list, err := parseTree(string(out))
	if err != nil {
		return list, fmt.Errorf("listing the crates for %s: %w", triple, err)
	}
	return list, nil
}

// treeFormat puts bars around the package, so that a line reads
// "2|serde v1.0.228| (*)".
const treeFormat = "|{p}|"

// parseTree reads what `cargo tree --prefix depth --format '|{p}|'` prints,
// with the edges. A package that comes twice, marked "(*)" the second time or
// built twice with other features, is listed once.
func parseTree(text string) (crateList, error) {
	type node struct {
		crate
		uses map[string]bool
	}
	nodes := map[string]*node{}
	var path []*node // from the root to the last line's package
	for i, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		depthText, rest, ok := strings.Cut(line, "|")
		depth, err := strconv.Atoi(depthText)
		if !ok || err != nil || depth < 0 || depth > len(path) || depth == 0 && len(path) > 0 {
			return crateList{}, fmt.Errorf("line %d of `cargo tree` is %q: want one root and below it \"DEPTH|NAME vVERSION|\"", i+1, line)
		}
		id, _, _ := strings.Cut(rest, "|")
		c, err := parsePackage(id)
		if err != nil {
			return crateList{}, fmt.Errorf("line %d of `cargo tree` is %q: %w", i+1, line, err)
		}
		c.Root = depth == 0
		// The path of a local package is no part of its name.
		key := c.Name + "\n" + c.Version + "\n" + c.Source
		n := nodes[key]
		if n == nil {
			n = &node{c, map[string]bool{}}
			nodes[key] = n
		}
		path = append(path[:depth], n)
		if depth > 0 {
			path[depth-1].uses[key] = true
		}
	}
	if len(nodes) == 0 {
		return crateList{}, fmt.Errorf("`cargo tree` printed nothing")
	}
	keys := make([]string, 0, len(nodes))
	for key := range nodes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := nodes[a], nodes[b]
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Version, y.Version), cmp.Compare(x.Source, y.Source))
	})
	index := map[string]int{}
	for i, key := range keys {
		index[key] = i
	}
	var list crateList
	for _, key := range keys {
		n := nodes[key]
		for used := range n.uses {
			n.Dependencies = append(n.Dependencies, index[used])
		}
		slices.Sort(n.Dependencies)
		list.Packages = append(list.Packages, n.crate)
	}
	return list, nil
}

// parsePackage reads cargo's form of a package: "serde v1.0.228", followed by
// "(proc-macro)" and by the source in brackets where it is not crates.io.
func parsePackage(id string) (crate, error) {
	name, rest, _ := strings.Cut(id, " ")
	version, rest, _ := strings.Cut(rest, " ")
	version, ok := strings.CutPrefix(version, "v")
	if name == "" || !ok || version == "" || version[0] < '0' || version[0] > '9' {
		return crate{}, fmt.Errorf("want \"NAME vVERSION\"")
	}
	c := crate{Name: name, Version: version, Source: "crates.io"}
	rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), "(proc-macro)"))
	if rest == "" {
		return c, nil
	}
	source, opened := strings.CutPrefix(rest, "(")
	source, closed := strings.CutSuffix(source, ")")
	switch {
	case !opened || !closed || source == "":
		return crate{}, fmt.Errorf("%q is no source in brackets", rest)
	case strings.HasPrefix(source, "registry "):
		c.Source = "registry"
	case strings.Contains(source, "://"):
		c.Source = "git"
	default:
		c.Source = "local"
	}
	return c, nil
}
