package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

const (
	goodLog = `# Changelog

## [Unreleased]

### Added

- Not for this release.

## [0.4.0] - 2026-02-03

### Added

- One thing.
- Another.

### Removed

- Something, which a MINOR below 1.0 may.

## [0.3.1] - 2026-01-15

- The first.

[Unreleased]: https://github.com/kubedoio/rustshare/compare/v0.4.0...HEAD
[0.4.0]: https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0
[0.3.1]: https://github.com/kubedoio/rustshare/releases/tag/v0.3.1
`
	goodGuide = `# Upgrading

## Breaking Changes

| Version | Change |
|---|---|
| 0.3.1 | None |
| 0.4.0 | Something went. |

## Environment Variable Changes

| Version | Variable | Change |
|---|---|---|
| 0.4.0 | ` + "`A`" + ` | New |
| 0.4.0 | ` + "`B`" + ` | New |
`
	goodGates = `version: 0.4.0
gates:
  - name: staging deployment
    status: PASS
    evidence: https://staging.example.com/runs/7
    who: Ada
    when: 2026-02-02
  - name: migration on production data
    status: NOT_APPLICABLE
    reason: nothing migrates
    who: Ada
`
	gatesFile = "docs/releases/gates/v0.4.0.yaml"
)

// newPaperwork makes a repository with good paperwork of 0.4.0; swaps replace
// what stands in a file: FILE, OLD, NEW. An empty OLD replaces it whole, and by
// an empty NEW then takes it away.
func newPaperwork(t *testing.T, swaps ...string) repository {
	t.Helper()
	r := newRepository(t)
	files := map[string]string{"CHANGELOG.md": goodLog, "docs/upgrading.md": goodGuide, gatesFile: goodGates}
	for i := 0; i < len(swaps); i += 3 {
		file, old, text := swaps[i], swaps[i+1], swaps[i+2]
		if old != "" && strings.Count(files[file], old) != 1 {
			t.Fatalf("%q stands %d times in %s", old, strings.Count(files[file], old), file)
		}
		if old != "" {
			text = strings.Replace(files[file], old, text, 1)
		}
		files[file] = text
	}
	for name, text := range files {
		if text != "" {
			r.write(name, text)
		}
	}
	r.commit("docs: prepare")
	// What counts is the commit.
	for name := range files {
		if err := os.RemoveAll(filepath.Join(r.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r repository) paperwork(tag, previous string) []decide.Gate {
	r.t.Helper()
	before := decide.Version{}
	if previous != "" {
		before = version(r.t, previous)
	}
	gates, err := Paperwork(r.t.Context(), r.Repo, theProduct(), parse(r.t, tag), r.git("rev-parse", "HEAD"), before)
	if err != nil {
		r.t.Fatal(err)
	}
	return gates
}

// show writes a gate as "NAME STATE FILE:LINE DETAIL".
func show(gates ...decide.Gate) string {
	var lines []string
	for _, g := range gates {
		at := ""
		if g.File != "" {
			at = fmt.Sprintf(" %s:%d", g.File, g.Line)
		}
		lines = append(lines, fmt.Sprintf("%s %s%s %s", g.Name, g.State, at, g.Detail))
	}
	return strings.Join(lines, "\n")
}

func TestPaperworkPasses(t *testing.T) {
	r := newPaperwork(t)
	const people = "manual: staging deployment pass docs/releases/gates/v0.4.0.yaml:3 checked by Ada on 2026-02-02\n" +
		"manual: migration on production data warning docs/releases/gates/v0.4.0.yaml:8 not applicable, says Ada: nothing migrates"
	const guide = "upgrading pass 1 row on breaking changes and 2 rows on environment variables\n"
	gates := r.paperwork("v0.4.0", "0.3.1")
	if got, want := show(gates...), "changelog pass \"[0.4.0] - 2026-02-03\" has 3 entries\n"+guide+people; got != want {
		t.Errorf("gates are\n%s\nwant\n%s", got, want)
	}
	if got, want := gates[2].Evidence, "https://staging.example.com/runs/7"; got != want {
		t.Errorf("the evidence is %q, want %q", got, want)
	}
	// The candidate finds the section of its core; nobody asks for manual gates.
	if got, want := show(r.paperwork("v0.4.0-rc.1", "0.3.1")...), "changelog pass \"[0.4.0] - 2026-02-03\" has 3 entries\n"+strings.TrimSpace(guide); got != want {
		t.Errorf("a candidate's gates are\n%s\nwant\n%s", got, want)
	}
	if gates := r.paperwork("main", ""); gates != nil {
		t.Errorf("edge's gates are\n%s", show(gates...))
	}
}

func TestPaperworkChangelog(t *testing.T) {
	const log = "CHANGELOG.md"
	const reference = "[0.4.0]: https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0\n"
	const heading = "## [0.4.0] - 2026-02-03\n"
	tests := map[string]struct {
		swaps         []string
		tag, previous string
		want          string
	}{
		"an inline link":         {[]string{log, heading, "## [0.4.0](https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0) - 2026-02-03\n", log, reference, ""}, "v0.4.0", "0.3.1", `pass "[0.4.0](https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0) - 2026-02-03" has 3 entries`},
		"a link in the text":     {[]string{log, heading, heading + "\nDiff: https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0\n", log, reference, ""}, "v0.4.0", "0.3.1", `pass "[0.4.0] - 2026-02-03" has 3 entries`},
		"the first release":      {[]string{log, "compare/v0.3.1...v0.4.0", "releases/tag/v0.4.0"}, "v0.4.0", "", `pass "[0.4.0] - 2026-02-03" has 3 entries`},
		"build metadata":         {[]string{log, "compare/v0.3.1...v0.4.0", "compare/v0.3.1...v0.4.0+b.7"}, "v0.4.0+b.7", "0.3.1", `pass "[0.4.0] - 2026-02-03" has 3 entries`},
		"a lower version's own":  {nil, "v0.3.1", "", `fail CHANGELOG.md:9 CHANGELOG.md:9: the later version 0.4.0 stands above 0.3.1 (line 20): release a version after it, or move its section below`},
		"a later version below":  {[]string{log, "## [0.3.1]", "## [0.5.0]"}, "v0.4.0", "0.3.1", `pass "[0.4.0] - 2026-02-03" has 3 entries`},
		"no file":                {[]string{log, "", ""}, "v0.4.0", "0.3.1", "fail CHANGELOG.md:0 CHANGELOG.md: it is not in commit HEAD: write it and commit it"},
		"no section":             {[]string{log, "[0.4.0] - ", "[0.4.1] - "}, "v0.4.0", "0.3.1", "fail CHANGELOG.md:3 CHANGELOG.md:3: there is no section \"## [0.4.0] - YYYY-MM-DD\": run `go run . release:prepare 0.4.0`"},
		"nothing at all":         {[]string{log, "", "# Changelog\n"}, "v0.4.0+b.7", "0.3.1", "fail CHANGELOG.md:0 CHANGELOG.md: there is no section \"## [0.4.0] - YYYY-MM-DD\": run `go run . release:prepare 0.4.0`"},
		"two sections":           {[]string{log, "## [0.3.1]", "## [0.4.0]"}, "v0.4.0", "0.3.1", "fail CHANGELOG.md:20 CHANGELOG.md:20: 0.4.0 has a second section here, the first is in line 9: merge the two"},
		"no entries":             {[]string{log, "- One thing.\n- Another.\n\n### Removed\n\n- Something, which a MINOR below 1.0 may.\n", "<!-- - none -->\n"}, "v0.4.0", "0.3.1", `fail CHANGELOG.md:9 CHANGELOG.md:9: "[0.4.0] - 2026-02-03" has no entries: write down what changed`},
		"no date":                {[]string{log, " - 2026-02-03", ""}, "v0.4.0", "0.3.1", `fail CHANGELOG.md:9 CHANGELOG.md:9: the heading "[0.4.0]" has no date: want a day of the calendar as YYYY-MM-DD behind the version`},
		"no day of the calendar": {[]string{log, "2026-02-03", "2026-02-30"}, "v0.4.0", "0.3.1", `fail CHANGELOG.md:9 CHANGELOG.md:9: the heading "[0.4.0] - 2026-02-30" has no date: want a day of the calendar as YYYY-MM-DD behind the version`},
		"yanked":                 {[]string{log, "2026-02-03", "2026-02-03 [YANKED]"}, "v0.4.0", "0.3.1", "fail CHANGELOG.md:9 CHANGELOG.md:9: 0.4.0 is marked as [YANKED], so it was released and withdrawn: release the next version"},
		"no link":                {[]string{log, reference, ""}, "v0.4.0", "0.3.1", "fail CHANGELOG.md:9 CHANGELOG.md:9: 0.4.0 has no link to its changes: add https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0"},
		"a link of the versions before": {nil, "v0.4.0", "0.3.2",
			"fail CHANGELOG.md:25 CHANGELOG.md:25: the link of 0.4.0 is https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0: make it https://github.com/kubedoio/rustshare/compare/v0.3.2...v0.4.0"},
		"a link of another repository": {[]string{log, "[0.4.0]: https://github.com/kubedoio/", "[0.4.0]: https://github.com/mallory/"}, "v0.4.0", "0.3.1",
			"fail CHANGELOG.md:25 CHANGELOG.md:25: the link of 0.4.0 is https://github.com/mallory/rustshare/compare/v0.3.1...v0.4.0: make it https://github.com/kubedoio/rustshare/compare/v0.3.1...v0.4.0"},
		"a break in a patch": {[]string{log, "[0.4.0] - ", "[0.4.1] - ", log, reference, "[0.4.1]: https://github.com/kubedoio/rustshare/compare/v0.4.0...v0.4.1\n"}, "v0.4.1", "0.4.0",
			`fail CHANGELOG.md:18 CHANGELOG.md:18: an entry stands under "Removed", but 0.4.1 is a PATCH: release it as a MINOR or reword the entry`},
		"everything at once": {[]string{log, "", "## [0.5.0] - 2026-03-04\n## [0.4.1] [YANKED]\n[0.4.1]: https://example.com\n"}, "v0.4.1", "0.4.0",
			`fail CHANGELOG.md:2 CHANGELOG.md:2: "[0.4.1] [YANKED]" has no entries: write down what changed; ` +
				`CHANGELOG.md:2: the heading "[0.4.1] [YANKED]" has no date: want a day of the calendar as YYYY-MM-DD behind the version; ` +
				`CHANGELOG.md:2: 0.4.1 is marked as [YANKED], so it was released and withdrawn: release the next version; ` +
				`CHANGELOG.md:3: the link of 0.4.1 is https://example.com: make it https://github.com/kubedoio/rustshare/compare/v0.4.0...v0.4.1; ` +
				`CHANGELOG.md:1: the later version 0.5.0 stands above 0.4.1 (line 2): release a version after it, or move its section below`},

		"a candidate of what is unreleased":    {nil, "v0.5.0-rc.1", "0.4.0", `pass "[Unreleased]" has 1 entry`},
		"a candidate's own section":            {[]string{log, "[0.4.0] - 2026-02-03", "[0.5.0-rc.1]"}, "v0.5.0-rc.1", "0.4.0", `pass "[0.5.0-rc.1]" has 3 entries`},
		"a candidate of an empty section":      {[]string{log, heading, heading + "\n## [0.3.9]\n"}, "v0.4.0-rc.1", "0.3.1", `pass "[Unreleased]" has 1 entry`},
		"a candidate that breaks in a patch":   {[]string{log, "### Added\n\n- Not", "### Removed\n\n- Not"}, "v0.4.1-rc.1", "0.4.0", `fail CHANGELOG.md:7 CHANGELOG.md:7: an entry stands under "Removed", but 0.4.1 is a PATCH: release it as a MINOR or reword the entry`},
		"a candidate of nothing":               {[]string{log, "- Not for this release.\n", ""}, "v0.5.0-rc.1", "0.4.0", `fail CHANGELOG.md:3 CHANGELOG.md:3: there are no entries under "Unreleased", and none for 0.5.0: write down what changed`},
		"a candidate of nothing, not even one": {[]string{log, "", "# Changelog\n"}, "v0.5.0-rc.1", "0.4.0", `fail CHANGELOG.md:0 CHANGELOG.md: there are no entries under "Unreleased", and none for 0.5.0: write down what changed`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPaperwork(t, tt.swaps...)
			want := "changelog " + strings.ReplaceAll(tt.want, "HEAD", r.short("HEAD"))
			if got := show(r.paperwork(tt.tag, tt.previous)[0]); got != want {
				t.Errorf("the gate is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestPaperworkUpgrading(t *testing.T) {
	const file = "docs/upgrading.md"
	const adds = "(`go run . release:prepare 0.4.0` adds a row where one is missing)"
	tests := map[string]struct {
		swaps []string
		want  string
	}{
		"no file": {[]string{file, "", ""}, "fail docs/upgrading.md:0 docs/upgrading.md: it is not in commit HEAD: write it and commit it"},
		"no table": {[]string{file, "| Version | Change |\n|---|---|\n| 0.3.1 | None |\n| 0.4.0 | Something went. |\n", ""},
			`fail docs/upgrading.md:3 docs/upgrading.md:3: there is no table under "Breaking Changes" before the next heading: add one (| Version | Change | … |, then |---|---|…)`},
		"no rows": {[]string{file, "| 0.4.0 | Something went. |\n", "", file, "| 0.4.0 | `A` | New |\n| 0.4.0 | `B` | New |\n", ""},
			`fail docs/upgrading.md:5 docs/upgrading.md:5: table "Breaking Changes" has no row of version 0.4.0: add one that says what changed and what to do, or "None"; ` +
				`docs/upgrading.md:11: table "Environment Variable Changes" has no row of version 0.4.0: add one that says what changed and what to do, or "None" ` + adds},
		"one row": {[]string{file, "| 0.4.0 | Something went. |\n", ""},
			`fail docs/upgrading.md:5 docs/upgrading.md:5: table "Breaking Changes" has no row of version 0.4.0: add one that says what changed and what to do, or "None" ` + adds},
		"a placeholder and an empty cell": {[]string{file, "Something went.", `**FILL ME IN:** what changed`, file, "`B` | New", "`B` | "},
			`fail docs/upgrading.md:8 docs/upgrading.md:8: the row of version 0.4.0 in table "Breaking Changes" is not filled in: replace "FILL ME IN" by what changed and what to do, or by "None"; ` +
				`docs/upgrading.md:15: the row of version 0.4.0 in table "Environment Variable Changes" says nothing under "Change": fill it in, or write "None"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPaperwork(t, tt.swaps...)
			want := strings.ReplaceAll(tt.want, "HEAD", r.short("HEAD"))
			if got := show(r.paperwork("v0.4.0", "0.3.1")[1]); got != "upgrading "+want {
				t.Errorf("the gate is\n%s\nwant\n%s", got, want)
			}
			want = strings.Replace(strings.Replace(want, "fail", "warning", 1), "prepare 0.4.0", "prepare 0.4.0-rc.1", 1)
			if got := show(r.paperwork("v0.4.0-rc.1", "0.3.1")[1]); got != "upgrading "+want {
				t.Errorf("a candidate's gate is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestPaperworkManual(t *testing.T) {
	tests := map[string]struct {
		swaps []string
		tag   string
		want  string
	}{
		"no file": {[]string{gatesFile, "", ""}, "v0.4.0",
			"manual fail docs/releases/gates/v0.4.0.yaml:0 docs/releases/gates/v0.4.0.yaml: it is not in commit HEAD: make it with `go run . release:prepare 0.4.0`, and write down who checked what (staging deployment, migration on production data)"},
		"a file that cannot be read": {[]string{gatesFile, "status: PASS", "status: GOOD"}, "v0.4.0",
			`manual fail docs/releases/gates/v0.4.0.yaml:4 docs/releases/gates/v0.4.0.yaml:4: status "GOOD" of gate "staging deployment" is none of PASS, FAIL, PENDING, NOT_RUN and NOT_APPLICABLE`},
		"one is missing": {[]string{gatesFile, "migration on production data", "load test"}, "v0.4.0+b.7",
			"manual: staging deployment pass docs/releases/gates/v0.4.0.yaml:3 checked by Ada on 2026-02-02\n" +
				`manual: migration on production data fail docs/releases/gates/v0.4.0.yaml:0 docs/releases/gates/v0.4.0.yaml says nothing about "migration on production data": add it with its status (The candidate migrated a copy of production data and serves it)` + "\n" +
				"manual: load test warning docs/releases/gates/v0.4.0.yaml:8 not applicable, says Ada: nothing migrates"},
		"pending": {[]string{gatesFile, "status: PASS", "status: PENDING"}, "v0.4.0",
			"manual: staging deployment fail docs/releases/gates/v0.4.0.yaml:3 it is pending: check it and write PASS with evidence, who and when (The candidate runs on staging, and the integration tests passed there)\n" +
				"manual: migration on production data warning docs/releases/gates/v0.4.0.yaml:8 not applicable, says Ada: nothing migrates"},
		"a patch without a file": {nil, "v0.4.1", ""},
		"a patch with a file": {[]string{"docs/releases/gates/v0.4.1.yaml", "", "version: 0.4.1\ngates:\n  - name: staging deployment\n    status: NOT_RUN\n"}, "v0.4.1",
			"manual: staging deployment fail docs/releases/gates/v0.4.1.yaml:3 it was not run: check it and write PASS with evidence, who and when (The candidate runs on staging, and the integration tests passed there)"},
		"a patch with a file that cannot be read": {[]string{"docs/releases/gates/v0.4.1.yaml", "", "version: 0.4.0\ngates: []\n"}, "v0.4.1",
			"manual fail docs/releases/gates/v0.4.1.yaml:1 docs/releases/gates/v0.4.1.yaml:1: the file is about version 0.4.0, so its name should be v0.4.0.yaml: correct one of the two"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPaperwork(t, tt.swaps...)
			want := strings.ReplaceAll(tt.want, "HEAD", r.short("HEAD"))
			if got := show(r.paperwork(tt.tag, "0.3.1")[2:]...); got != want {
				t.Errorf("the gates are\n%s\nwant\n%s", got, want)
			}
		})
	}
	t.Run("no gates wanted", func(t *testing.T) {
		r := newPaperwork(t, gatesFile, "", "")
		p := theProduct()
		p.Promotion.Manual = nil
		gates, err := Paperwork(t.Context(), r.Repo, p, parse(t, "v0.4.0"), "HEAD", version(t, "0.3.1"))
		if err != nil || len(gates) != 2 {
			t.Errorf("gates are\n%s\n%v", show(gates...), err)
		}
	})
}

func TestPaperworkCannotTell(t *testing.T) {
	for file, says := range map[string]string{
		"CHANGELOG.md":      "checking the changelog: CHANGELOG.md in ",
		"docs/upgrading.md": "checking the upgrading guide: docs/upgrading.md in ",
		gatesFile:           "checking the manual gates: docs/releases/gates/v0.4.0.yaml in ",
	} {
		r := newPaperwork(t, file, "", "")
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.Dir, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("README.md", filepath.Join(r.Dir, file)); err != nil {
			t.Fatal(err)
		}
		r.git("add", file)
		r.git("commit", "-q", "-m", "a link")
		_, err := Paperwork(t.Context(), r.Repo, theProduct(), parse(t, "v0.4.0"), "HEAD", version(t, "0.3.1"))
		if err == nil || !strings.HasPrefix(err.Error(), says) || !strings.HasSuffix(err.Error(), " is no regular file (git mode 120000)") {
			t.Errorf("%s is a link: %v", file, err)
		}
	}
}
