// Package layering holds the direction of imports: targets, pipeline, the
// packages of the steps, bundle, decide, product. It has tests only.
package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/kubedoio/rustshare-release/"
	ours   = module + "magefiles/"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func list(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e"}, args...)...)
	cmd.Dir = filepath.Join("..", "..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	return out
}

// packages are ours, by their path below magefiles.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	out := map[string]pkg{}
	dec := json.NewDecoder(bytes.NewReader(list(t, "-json=ImportPath,Dir,GoFiles,Imports", "./magefiles/...")))
	for {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(p.ImportPath, ours); ok {
			out[name] = p
		}
	}
	if _, ok := out["targets"]; !ok || len(out) < 10 {
		t.Fatalf("only these packages were found: %v", out)
	}
	return out
}

// layers from the lowest to the highest. A package may import what lies lower;
// those of one step import each other.
var layers = [][]string{
	{"product"},
	{"decide"},
	{"bundle", "paperwork"},
	{"gate", "make", "prove", "publish", "record", "try", "doctor"},
	{"pipeline"},
	{"targets"},
}

// sideways are the imports between steps that the design asks for.
var sideways = map[[2]string]string{
	{"publish", "prove/verify"}: "rolling tags want a proof that only verify can make",
	{"doctor", "make/cargo"}:    "the package that builds knows best which compiler it would take",
}

// kit is where what tests and the bench use lies.
const kit = "internal/testkit"

func top(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

func layer(name string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, top(name)) })
}

// fault says what is wrong with an import, or nothing.
func fault(from, to string) string {
	switch {
	case top(to) == "internal":
		if top(from) == "product" || top(from) == "decide" {
			return "pure packages know no tools"
		}
		return ""
	case strings.HasPrefix(from, kit):
		// Test kits set up real registries and the like.
		if layer(to) < layer("pipeline") {
			return ""
		}
		return "test kits serve the steps"
	case top(from) == "internal":
		// Tools may speak of the product, and no more of the suite than that.
		if to == "product" || to == "decide" {
			return ""
		}
		return "what all may import must not know its users"
	case layer(from) < 0:
		return "the package has no layer: give it one in this test"
	case layer(to) < layer(from):
		return ""
	case layer(to) > layer(from):
		return "the direction is targets, pipeline, steps, bundle, decide, product"
	case top(from) == top(to):
		return ""
	}
	if _, ok := sideways[[2]string{top(from), to}]; ok {
		return ""
	}
	return "steps do not know each other: the pipeline hands over what one made"
}

func TestDirection(t *testing.T) {
	used := map[[2]string]bool{}
	for name, p := range packages(t) {
		for _, path := range p.Imports {
			to, ok := strings.CutPrefix(path, ours)
			if !ok {
				continue
			}
			if why := fault(name, to); why != "" {
				t.Errorf("%s imports %s: %s", name, to, why)
			}
			used[[2]string{top(name), to}] = true
		}
	}
	for pair := range sideways {
		if !used[pair] {
			t.Logf("%s no longer imports %s: take the exception out of this test", pair[0], pair[1])
		}
	}
}

// TestFault shows that the rules can fail.
func TestFault(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		fine     bool
	}{
		{"targets", "pipeline", true},
		{"pipeline", "make/cargo", true},
		{"make/image", "bundle", true},
		{"publish/converge", "publish/registry", true},
		{"publish/converge", "prove/verify", true},
		{"publish/converge", "prove/attest", false},
		{"prove/verify", "publish/registry", false},
		{"make/cargo", "gate", false},
		{"bundle", "make/image", false},
		{"decide", "bundle", false},
		{"decide", "internal/run", false},
		{"product", "decide", false},
		{"make/cargo", "pipeline", false},
		{"internal/run", "bundle", false},
		{"internal/term", "internal/run", true},
		{"internal/testkit/registries", "publish/embedded", true},
		{"internal/testkit", "pipeline", false},
		{"novel", "product", false},
	} {
		if got := fault(tt.from, tt.to); (got == "") != tt.fine {
			t.Errorf("%s imports %s: %q", tt.from, tt.to, got)
		}
	}
}

// impure are packages that reach outside the process.
func impure(path string) bool {
	return slices.Contains([]string{
		"os", "net", "io/fs", "io/ioutil", "path/filepath", "syscall", "log", "log/slog",
		"crypto/rand", "math/rand", "math/rand/v2", "plugin", "embed", "testing/fstest",
	}, path) || strings.HasPrefix(path, "os/") || strings.HasPrefix(path, "net/") && path != "net/url" || strings.HasPrefix(path, "golang.org/x/sys")
}

// TestPure: the same question gets the same answer, on any machine and at any
// time.
func TestPure(t *testing.T) {
	all := packages(t)
	for _, name := range []string{"product", "decide"} {
		p := all[name]
		for _, path := range p.Imports {
			if impure(path) {
				t.Errorf("%s imports %s: it does no I/O", name, path)
			}
		}
		for _, file := range p.GoFiles {
			tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "Local"}, sel.Sel.Name) {
					t.Errorf("%s/%s uses time.%s: the clock is an argument", name, file, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

// TestLight: what weighs most stays out of the targets' binary. The numbers
// stand in docs.
func TestLight(t *testing.T) {
	for path := range strings.SplitSeq(strings.TrimSpace(string(list(t, "-deps", "./magefiles/targets"))), "\n") {
		if why := heavy(path); why != "" {
			t.Errorf("the targets import %s: %s; `go mod why %s` tells by which way", path, why, path)
		}
	}
}

// TestScanner: grype's library is in the scanner program alone, and that knows of
// the suite what it is asked in.
func TestScanner(t *testing.T) {
	const program = "prove/scan/grype"
	for name, p := range packages(t) {
		for _, path := range p.Imports {
			if strings.HasPrefix(path, "github.com/anchore/grype/") && name != program {
				t.Errorf("%s imports %s: ask the scanner program (%s)", name, path, program)
			}
			if ours, ok := strings.CutPrefix(path, ours); ok && name == program && ours != "prove/scan" {
				t.Errorf("%s imports %s: it knows prove/scan alone", name, ours)
			}
		}
	}
	if out := string(list(t, "-deps", "./magefiles/"+program)); !strings.Contains(out, "github.com/anchore/grype/grype/db/v6\n") {
		t.Errorf("%s does not use grype's library", program)
	}
}

func heavy(path string) string {
	for prefix, why := range map[string]string{
		"github.com/sigstore/cosign/v2/cmd":         "cosign's command line brings every cloud's SDK",
		"github.com/anchore/syft/cmd":               "syft's command line",
		"github.com/anchore/grype":                  "grype brings a thousand packages: it is a program of its own, prove/scan/grype",
		"github.com/anchore/stereoscope/pkg/image/": "images are read from the bundle",
		"github.com/distribution/distribution":      "a registry for tests",
		"github.com/docker/docker/":                 "no Docker is needed",
		"github.com/moby/moby":                      "no Docker is needed",
		"github.com/containerd/containerd":          "no container runtime is needed",
		"cloud.google.com/go":                       "a cloud's SDK",
		"github.com/aws/":                           "a cloud's SDK",
		"github.com/Azure/":                         "a cloud's SDK",
		"k8s.io/api":                                "a cluster's SDK",
		"k8s.io/apimachinery":                       "a cluster's SDK",
		"k8s.io/client-go":                          "a cluster's SDK",
		"github.com/open-policy-agent":              "a policy language",
		"modernc.org/sqlite":                        "a database in Go",
	} {
		if strings.HasPrefix(path, prefix) {
			return why
		}
	}
	switch path {
	case "github.com/anchore/syft/syft":
		return "syft's root package brings every cataloger and container runtimes"
	case "github.com/anchore/stereoscope":
		return "it brings the clients of container runtimes"
	}
	return ""
}

func TestHeavy(t *testing.T) {
	for path, want := range map[string]bool{
		"github.com/anchore/syft/syft":                        true,
		"github.com/anchore/syft/syft/sbom":                   false,
		"github.com/anchore/grype/grype/match":                true,
		"github.com/anchore/stereoscope":                      true,
		"github.com/anchore/stereoscope/pkg/image":            false,
		"github.com/docker/docker-credential-helpers/client":  false,
		"github.com/sigstore/cosign/v2/cmd/cosign/cli/verify": true,
		"github.com/sigstore/cosign/v2/pkg/cosign":            false,
		"github.com/aws/aws-sdk-go-v2/config":                 true,
		"os":                                                  false,
	} {
		if got := heavy(path) != ""; got != want {
			t.Errorf("%s: heavy is %v, want %v", path, got, want)
		}
	}
}
