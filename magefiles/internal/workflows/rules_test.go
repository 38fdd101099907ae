package workflows

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// workflow is what the rules look at in a workflow file.
type workflow struct {
	Name        string             `yaml:"name"`
	On          map[string]trigger `yaml:"on"`
	Permissions map[string]string  `yaml:"permissions"`
	Concurrency struct {
		Group  string `yaml:"group"`
		Cancel *bool  `yaml:"cancel-in-progress"`
	} `yaml:"concurrency"`
	Jobs map[string]job `yaml:"jobs"`
}

type trigger struct {
	Branches []string `yaml:"branches"`
	Tags     []string `yaml:"tags"`
	Paths    []string `yaml:"paths"`
	Ignored  []string `yaml:"paths-ignore"`
}

// UnmarshalYAML lets the list of a schedule pass, which has no branches.
func (tr *trigger) UnmarshalYAML(unmarshal func(any) error) error {
	type plain trigger
	var list []any
	if unmarshal(&list) == nil {
		return nil
	}
	return unmarshal((*plain)(tr))
}

func equal(a, b trigger) bool { return reflect.DeepEqual(a, b) }

type job struct {
	RunsOn      string             `yaml:"runs-on"`
	Timeout     int                `yaml:"timeout-minutes"`
	Permissions *map[string]string `yaml:"permissions"`
	Strategy    struct {
		Matrix map[string][]string `yaml:"matrix"`
	} `yaml:"strategy"`
	Steps []step `yaml:"steps"`
}

type step struct {
	If    string            `yaml:"if"`
	Uses  string            `yaml:"uses"`
	With  map[string]any    `yaml:"with"`
	Run   string            `yaml:"run"`
	Shell string            `yaml:"shell"`
	Env   map[string]string `yaml:"env"`
}

func parse(t *testing.T, text string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// pinForm is an action of somebody else by commit, with its version for people.
var pinForm = regexp.MustCompile(`(?m)^ +(?:- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$`)

// workflowFaults says in what a workflow breaks the rules.
func workflowFaults(text string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var w workflow
	var all any
	for _, v := range []any{&w, &all} {
		if err := yaml.Unmarshal([]byte(text), v); err != nil {
			return []string{err.Error()}
		}
	}
	if w.Name == "" || len(w.Jobs) == 0 {
		fault("no name or no jobs")
	}
	for _, event := range []string{"pull_request_target", "workflow_run", "issue_comment"} {
		if _, ok := w.On[event]; ok {
			fault("runs on %s, with rights that strangers could use", event)
		}
	}
	if w.Permissions == nil || len(w.Permissions) > 0 {
		fault("permissions at the top are not {}")
	}
	if w.Concurrency.Group == "" || w.Concurrency.Cancel == nil {
		fault("concurrency has no group, or does not say cancel-in-progress")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Jobs)) {
		j := w.Jobs[name]
		if j.Timeout <= 0 {
			fault("job %s has no timeout-minutes", name)
		}
		if strings.HasSuffix(j.RunsOn, "-latest") || j.RunsOn == "" {
			fault("job %s runs on %q, which is another machine tomorrow", name, j.RunsOn)
		}
		if j.Permissions == nil {
			fault("job %s has no permissions of its own", name)
			continue
		}
		for _, right := range slices.Sorted(maps.Keys(*j.Permissions)) {
			switch (*j.Permissions)[right] {
			case "read":
			case "write":
				if w.Concurrency.Cancel != nil && *w.Concurrency.Cancel {
					fault("job %s may write %s, and is cancelled in progress", name, right)
				}
			default:
				fault("job %s has %s: %q", name, right, (*j.Permissions)[right])
			}
		}
		for _, f := range stepFaults(j.Steps) {
			fault("job %s: %s", name, f)
		}
	}
	for _, f := range secretFaults(all, "") {
		fault("%s", f)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "uses: ") && !strings.Contains(line, "uses: ./") && !pinForm.MatchString(line) {
			fault("%q is not pinned by a full commit with its version behind it", strings.TrimSpace(line))
		}
	}
	return faults
}

// actionFaults says in what a composite action breaks the rules.
func actionFaults(text string) []string {
	var action struct {
		Runs struct {
			Using string `yaml:"using"`
			Steps []step `yaml:"steps"`
		} `yaml:"runs"`
	}
	var all any
	for _, v := range []any{&action, &all} {
		if err := yaml.Unmarshal([]byte(text), v); err != nil {
			return []string{err.Error()}
		}
	}
	faults := append(stepFaults(action.Runs.Steps), secretFaults(all, "")...)
	if action.Runs.Using != "composite" || len(action.Runs.Steps) == 0 {
		faults = append(faults, "is no composite action")
	}
	for _, s := range action.Runs.Steps {
		if s.Run != "" && s.Shell != "bash" {
			faults = append(faults, fmt.Sprintf("runs in the shell %q", s.Shell))
		}
		if strings.Contains(s.Run, "git fetch") && !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(s.Env["COMMIT"]) {
			faults = append(faults, fmt.Sprintf("fetches the commit %q: want a full one", s.Env["COMMIT"]))
		}
	}
	return faults
}

func stepFaults(steps []step) (faults []string) {
	var calls []call
	for _, s := range steps {
		if strings.Contains(s.Run, "${{") {
			faults = append(faults, fmt.Sprintf("%q has an expression in a script: hand it over in env", s.Run))
		}
		calls = append(calls, mageCalls(s.Run)...)
	}
	for _, s := range steps {
		if !strings.HasPrefix(s.Uses, "actions/checkout@") {
			continue
		}
		if s.With["persist-credentials"] != false {
			faults = append(faults, "checkout leaves its token behind: persist-credentials: false")
		}
		if len(calls) > 0 && fmt.Sprint(s.With["fetch-depth"]) != "0" {
			faults = append(faults, "checkout brings no branches and tags, which the gates want: fetch-depth: 0")
		}
	}
	return faults
}

var (
	secretForm = regexp.MustCompile(`(?i)\bsecrets\b|\bgithub\.token\b`)
	secretHome = regexp.MustCompile(`^\.jobs\.[\w-]+\.steps\[\d+\]\.env\.\w+$`)
	secretOnly = regexp.MustCompile(`^\$\{\{ (secrets\.\w+|github\.token) \}\}$`)
)

// secretFaults finds secrets elsewhere than, alone, in the environment of a
// step.
func secretFaults(v any, at string) (faults []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			faults = append(faults, secretFaults(v[k], at+"."+k)...)
		}
	case []any:
		for i, e := range v {
			faults = append(faults, secretFaults(e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case string:
		if !strings.Contains(v, "${{") && !strings.HasSuffix(at, ".if") && v != "inherit" {
			return nil
		}
		if v == "inherit" || secretForm.MatchString(v) && (!secretHome.MatchString(at) || !secretOnly.MatchString(v)) {
			faults = append(faults, fmt.Sprintf("%s is %q: a secret stands alone in the env of the one step that needs it", at, v))
		}
	}
	return faults
}

// good is a workflow without fault.
const good = `name: Good
on:
  push:
    tags: ["v*"]
  schedule:
    - cron: "1 2 * * *"
permissions: {}
concurrency:
  group: x
  cancel-in-progress: false
jobs:
  a:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: write
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789 # v1.2.3
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: ./.github/actions/suite
      - env:
          TOKEN: ${{ secrets.TOKEN }}
          TARGET: ${{ matrix.target }}
        run: go tool mage -w .. release:rc -tag="$TAG" -dryRun
`

// TestFaults shows that the rules can fail.
func TestFaults(t *testing.T) {
	if faults := workflowFaults(good); len(faults) > 0 {
		t.Fatalf("the good workflow has faults: %q", faults)
	}
	for _, tt := range []struct{ old, with, want string }{
		{"name: Good", "", "no name"},
		{"push:", "pull_request_target:", "strangers"},
		{"permissions: {}\n", "", "at the top"},
		{"permissions: {}", "permissions:\n  contents: read", "at the top"},
		{"permissions: {}", "permissions: write-all", "string"},
		{"  group: x\n", "", "no group"},
		{"  cancel-in-progress: false\n", "", "cancel-in-progress"},
		{"cancel-in-progress: false", "cancel-in-progress: true", "may write contents, and is cancelled"},
		{"    timeout-minutes: 5\n", "", "timeout-minutes"},
		{"ubuntu-24.04", "ubuntu-latest", "another machine tomorrow"},
		{"    permissions:\n      contents: write\n", "", "no permissions of its own"},
		{"contents: write", "contents: all", `contents: "all"`},
		{"0123456789012345678901234567890123456789 # v1.2.3", "v1.2.3", "not pinned"},
		{"0123456789 # v1.2.3", " # v1.2.3", "not pinned"},
		{" # v1.2.3", " # v1", "not pinned"},
		{" # v1.2.3", "", "not pinned"},
		{"persist-credentials: false", "persist-credentials: true", "leaves its token"},
		{"          persist-credentials: false\n", "", "leaves its token"},
		{"fetch-depth: 0", "fetch-depth: 1", "branches and tags"},
		{`-tag="$TAG"`, "-tag=${{ github.ref_name }}", "expression in a script"},
		{"          TARGET: ${{ matrix.target }}", "          URL: https://x:${{ secrets.X }}@y", "stands alone"},
		{"    steps:", "    env:\n      T: ${{ secrets.X }}\n    steps:", "stands alone"},
		{"fetch-depth: 0", "fetch-depth: 0\n          token: ${{ github.token }}", "stands alone"},
		{"    steps:", "    secrets: inherit\n    steps:", "stands alone"},
		{"    steps:", "    if: secrets.X != ''\n    steps:", "stands alone"},
	} {
		if !strings.Contains(good, tt.old) {
			t.Fatalf("the good workflow has no %q", tt.old)
		}
		faults := workflowFaults(strings.Replace(good, tt.old, tt.with, 1))
		if !strings.Contains(strings.Join(faults, "\n"), tt.want) {
			t.Errorf("%q for %q: want %q, got %q", tt.with, tt.old, tt.want, faults)
		}
	}
	const composite = `runs:
  using: composite
  steps:
    - shell: bash
      env:
        COMMIT: "0123456789012345678901234567890123456789"
      run: git fetch
`
	if faults := actionFaults(composite); len(faults) > 0 {
		t.Fatalf("the good action has faults: %q", faults)
	}
	for _, tt := range []struct{ old, with, want string }{
		{"composite", "node24", "no composite"},
		{"0123456789\"", "\"", "want a full one"},
		{"shell: bash", "shell: sh", `shell "sh"`},
		{"git fetch", "git fetch ${{ inputs.x }}", "expression in a script"},
	} {
		if faults := actionFaults(strings.Replace(composite, tt.old, tt.with, 1)); !strings.Contains(strings.Join(faults, "\n"), tt.want) {
			t.Errorf("%q for %q: want %q, got %q", tt.with, tt.old, tt.want, faults)
		}
	}
}
