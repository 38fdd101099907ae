// Package workflows holds the CI files of this repository and of the sample
// product against actionlint and against rules of our own. It has tests only.
package workflows

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rhysd/actionlint"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Repositories with workflows: the top of this one, and the sample's.
var (
	top    = filepath.Join("..", "..", "..")
	sample = filepath.Join(top, "testdata", "rustshare")
)

// files are the workflows and the composite actions of a repository.
func files(t *testing.T, root string) (workflows, actions []string) {
	t.Helper()
	dir := filepath.Join(root, ".github")
	workflows, err := filepath.Glob(filepath.Join(dir, "workflows", "*.yml"))
	if err != nil || len(workflows) == 0 {
		t.Fatalf("%s has no workflows: %v", dir, err)
	}
	if actions, err = filepath.Glob(filepath.Join(dir, "actions", "*", "action.yml")); err != nil {
		t.Fatal(err)
	}
	return workflows, actions
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// linter is actionlint for a repository, with shellcheck where it is installed.
func linter(t *testing.T, root string) (*actionlint.Linter, *actionlint.Project) {
	t.Helper()
	project, err := actionlint.NewProject(root)
	if err != nil {
		t.Fatal(err)
	}
	shellcheck, _ := exec.LookPath("shellcheck")
	l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: shellcheck, WorkingDir: root})
	if err != nil {
		t.Fatal(err)
	}
	return l, project
}

// TestActionlint has the field's own linter look.
func TestActionlint(t *testing.T) {
	for _, root := range []string{top, sample} {
		dir, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		l, project := linter(t, dir)
		found, _ := files(t, dir)
		faults, err := l.LintFiles(found, project)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			t.Error(f)
		}
	}
	// It looks into our own action and into scripts.
	dir, err := filepath.Abs(sample)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{
		"needs: rust sign":             "nonsense: x",
		"TARGET: ${{ matrix.target }}": "TARGET: ${{ matrix.nonsense }}",
	}
	if _, err := exec.LookPath("shellcheck"); err == nil {
		wants[`-parts="$parts"`] = "-parts=$nonsense"
	}
	path := filepath.Join(dir, ".github", "workflows", "release-split.yml")
	for old, with := range wants {
		l, project := linter(t, dir)
		faults, err := l.Lint(path, []byte(strings.Replace(read(t, path), old, with, 1)), project)
		found := fmt.Sprint(faults)
		if err != nil || !strings.Contains(found, "nonsense") && !strings.Contains(found, "SC2086") {
			t.Errorf("%s: actionlint found %v, %v", with, faults, err)
		}
	}
}

// TestRules holds every file against the rules of this package.
func TestRules(t *testing.T) {
	pins := map[string]string{}
	for _, root := range []string{top, sample} {
		workflows, actions := files(t, root)
		for _, path := range append(workflows, actions...) {
			text := read(t, path)
			faults := workflowFaults(text)
			if slices.Contains(actions, path) {
				faults = actionFaults(text)
			}
			for _, f := range faults {
				t.Errorf("%s: %s", path, f)
			}
			for _, m := range pinForm.FindAllStringSubmatch(text, -1) {
				if other, ok := pins[m[1]]; ok && other != m[2] {
					t.Errorf("%s: %s is pinned to %s here and to %s elsewhere", path, m[1], m[2], other)
				}
				pins[m[1]] = m[2]
			}
		}
	}
	if len(pins) == 0 {
		t.Error("no pinned action was found")
	}
}

// TestRequired: the workflows that a stable release waits for exist, and run
// for every commit that may become one.
func TestRequired(t *testing.T) {
	p := product.RustShare()
	found, _ := files(t, sample)
	for _, name := range p.Workflows {
		i := slices.IndexFunc(found, func(path string) bool { return parse(t, read(t, path)).Name == name })
		if i < 0 {
			t.Errorf("no workflow is named %q", name)
			continue
		}
		push := parse(t, read(t, found[i])).On["push"]
		if want := (trigger{Branches: []string{p.Branches.Main, p.Branches.Hotfix + "**"}}); !equal(push, want) {
			t.Errorf("%s runs on pushes to %+v, want %+v", found[i], push, want)
		}
	}
}

// TestChannels: each way of releasing has its file and its trigger.
func TestChannels(t *testing.T) {
	p := product.RustShare()
	for file, want := range map[string]struct {
		on      string
		trigger trigger
		call    string
	}{
		"pilot-release.yml": {"push", trigger{Branches: []string{p.Branches.Main}}, "release:edge"},
		"release.yml":       {"push", trigger{Tags: []string{"v*"}}, "release:publish"},
		"hotfix.yml":        {"push", trigger{Branches: []string{p.Branches.Hotfix + "**"}}, "hotfix"},
		"nightly.yml":       {"schedule", trigger{}, "release:edge -tag=nightly"},
		"release-split.yml": {"workflow_dispatch", trigger{}, "build:binaries -target="},
	} {
		text := read(t, filepath.Join(sample, ".github", "workflows", file))
		on, ok := parse(t, text).On[want.on]
		if !ok || !equal(on, want.trigger) {
			t.Errorf("%s runs on %s of %+v (%v), want %+v", file, want.on, on, ok, want.trigger)
		}
		if !strings.Contains(text, `mage -w "$GITHUB_WORKSPACE" `+want.call) {
			t.Errorf("%s does not run %s", file, want.call)
		}
	}
	var triples []string
	for _, target := range p.Cargo.Targets {
		triples = append(triples, target.Triple)
	}
	split := parse(t, read(t, filepath.Join(sample, ".github", "workflows", "release-split.yml")))
	if got := split.Jobs["binaries"].Strategy.Matrix["target"]; !slices.Equal(got, triples) {
		t.Errorf("the split release builds %q, want %q", got, triples)
	}
}

// TestTargets: what a workflow types exists, with its flags.
func TestTargets(t *testing.T) {
	targets := mageTargets(t)
	calls := 0
	found, _ := files(t, sample)
	for _, path := range found {
		for _, c := range mageCalls(read(t, path)) {
			calls++
			flags, ok := targets[c.target]
			if !ok {
				t.Errorf("%s: there is no target %s", path, c.target)
			}
			for _, flag := range c.flags {
				if ok && !slices.Contains(flags, flag) {
					t.Errorf("%s: %s has no flag -%s, only %q", path, c.target, flag, flags)
				}
			}
		}
	}
	if calls < 6 {
		t.Errorf("only %d calls of mage were found", calls)
	}
}

// TestEvidence: whatever tries an image has Docker for it, and leaves what came
// of it also where it failed.
func TestEvidence(t *testing.T) {
	var action struct {
		Inputs map[string]struct {
			Default string `yaml:"default"`
		} `yaml:"inputs"`
	}
	text := read(t, filepath.Join(sample, ".github", "actions", "suite", "action.yml"))
	if err := yaml.Unmarshal([]byte(text), &action); err != nil {
		t.Fatal(err)
	}
	found, _ := files(t, sample)
	tried := 0
	for _, path := range found {
		for name, j := range parse(t, read(t, path)).Jobs {
			var docker, tries, record, kept bool
			validated := true
			for _, s := range j.Steps {
				if s.Uses == "./.github/actions/suite" {
					needs, ok := s.With["needs"].(string)
					if !ok {
						needs = action.Inputs["needs"].Default
					}
					docker = slices.Contains(strings.Fields(needs), "docker")
				}
				for _, c := range mageCalls(s.Run) {
					tries = tries || c.target == "hotfix" || strings.HasPrefix(c.target, "release:")
					if c.target == "release:publish" {
						validated = false
					}
					record = record || c.target == "report:validation" && s.If == "always()"
				}
				if strings.HasPrefix(s.Uses, "actions/upload-artifact@") && s.If == "always()" {
					kept = strings.Contains(fmt.Sprint(s.With["path"]), "dist/tries")
				}
			}
			if !tries {
				continue
			}
			tried++
			if !docker || !kept || !validated && !record {
				t.Errorf("%s: job %s tries an image; installs docker: %t, keeps dist/tries: %t, writes the validation record of a tag: %t", path, name, docker, kept, validated || record)
			}
		}
	}
	if tried < 5 {
		t.Errorf("only %d jobs that try an image were found", tried)
	}
}

// TestCodeScanning: whatever scans a release uploads what was found, also where
// it stopped the release; no other job may write findings.
func TestCodeScanning(t *testing.T) {
	const right = "security-events"
	found, _ := files(t, sample)
	scanning := 0
	for _, path := range found {
		for name, j := range parse(t, read(t, path)).Jobs {
			var scans, uploads bool
			for _, s := range j.Steps {
				for _, c := range mageCalls(s.Run) {
					scans = scans || slices.Contains([]string{"release:edge", "release:publish"}, c.target)
				}
				if strings.HasPrefix(s.Uses, "github/codeql-action/upload-sarif@") {
					want := map[string]any{"sarif_file": "dist/scans", "category": "image"}
					uploads = scans && s.If == "always() && hashFiles('dist/scans/**/*.sarif') != ''" && reflect.DeepEqual(s.With, want)
				}
			}
			if writes := (*j.Permissions)[right] == "write"; uploads != scans || writes != scans {
				t.Errorf("%s: job %s scans a release: %t; uploads dist/scans after that: %t; may write %s: %t", path, name, scans, uploads, right, writes)
			}
			if scans {
				scanning++
			}
		}
	}
	if scanning != 4 {
		t.Errorf("%d jobs that scan a release were found", scanning)
	}
}

// TestIdentities: what the product pins to sign a channel is there, may show who
// it is, and runs on that channel's refs; no other job may show anything.
func TestIdentities(t *testing.T) {
	p := product.RustShare()
	signing := map[string]bool{}
	for _, i := range p.Trust.Keyless.Identities {
		text := read(t, filepath.Join(sample, filepath.FromSlash(i.Workflow)))
		if strings.Contains(text, "COSIGN") {
			t.Errorf("%s has a key, which would sign instead of it", i.Workflow)
		}
		for name, j := range parse(t, text).Jobs {
			released := false
			for _, s := range j.Steps {
				for _, c := range mageCalls(s.Run) {
					released = released || strings.HasPrefix(c.target, "release:")
				}
			}
			if j.Permissions == nil || released != ((*j.Permissions)["id-token"] == "write") {
				t.Errorf("%s: job %s releases: %t; its permissions are %v", i.Workflow, name, released, j.Permissions)
			}
			if released {
				signing[filepath.Base(i.Workflow)] = true
			}
		}
	}
	found, _ := files(t, sample)
	for _, path := range found {
		for name, j := range parse(t, read(t, path)).Jobs {
			if _, shows := (*j.Permissions)["id-token"]; shows && !signing[filepath.Base(path)] {
				t.Errorf("%s: job %s may show who it is, and signs nothing that counts", path, name)
			}
		}
	}
	if len(signing) != 4 {
		t.Errorf("these sign: %v", signing)
	}
}
