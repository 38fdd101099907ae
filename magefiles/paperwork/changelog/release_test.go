package changelog_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
)

// releases are what each shape is meant to become: 0.2.0 after 0.1.x.
var releases = map[string]struct {
	previous string
	change
}{
	"sample": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0\n"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"crlf": {"0.1.0", change{
		[]string{"\r\n\r\n## [0.2.0] - 2026-03-09", "[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0\r\n"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"no-final-newline": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "\n[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"comments": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0\n"},
		[][2]string{{"compare/v0.2.0...develop", "compare/v0.1.0...develop"}},
	}},
	"duplicates": {"0.1.0", change{
		[]string{"\n\n## [0.2.0]   -   2026-03-09", "[0.2.0]:        " + source + "/compare/v0.1.0...v0.2.0\n"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"fences": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0\n"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"inline": {"0.1.0", change{
		[]string{"\n\n## [0.2.0](" + source + "/compare/v0.1.0...v0.2.0) (2026-03-09)"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"no-links": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] – 2026-03-09", "\n\n[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0"}, nil,
	}},
	"body-lines": {"0.1.1", change{
		[]string{"[Everything since v0.1.1](" + source + "/compare/v0.2.0...main)\n\n## 0.2.0 — 2026-03-09\n\n"},
		[][2]string{{"[Full diff of v0.2.0](" + source + "/compare/v0.1.1...v0.2.0)", "[Everything since v0.1.1](" + source + "/compare/v0.1.1...main)"}},
	}},
	"body-lines-above": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09\n\n" + source + "/compare/v0.1.0...v0.2.0"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"v-prefix": {"0.1.0", change{
		[]string{"\n\n## [v0.2.0] — 2026-03-09", "\n\n[v0.2.0]: " + source + "/compare/v0.1.0...v0.2.0"}, nil,
	}},
	"long": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0\n"},
		[][2]string{{"compare/v0.2.0...HEAD", "compare/v0.1.0...HEAD"}},
	}},
	"first": {"", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "\n\n[0.2.0]: " + source + "/releases/tag/v0.2.0"}, nil,
	}},
	"ascending-definitions": {"0.1.0", change{
		[]string{"\n\n## [0.2.0] - 2026-03-09", "\n[0.2.0]: " + source + "/compare/v0.1.0...v0.2.0"}, nil,
	}},
}

func TestRelease(t *testing.T) {
	for name, text := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			want, ok := releases[name]
			if !ok {
				t.Fatal("what this shape becomes is not written down")
			}
			r := changelog.Release{Version: v(t, "0.2.0"), Previous: v(t, want.previous), Date: day, Source: source + "/"}
			f := parse(t, text)
			before, _ := f.Unreleased()
			got, err := f.Release(r)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, "testdata/release/"+name+".md", got)
			same(t, want.undone(t, got), text)

			g := parse(t, got)
			after, ok := g.Section(r.Version)
			if !ok || len(after.Groups) != len(before.Groups) || after.Date != "2026-03-09" {
				t.Errorf("the section is %+v", after)
			}
			if err := g.CheckOrder(r.Version); err != nil {
				t.Error(err)
			}
			if u, ok := g.Unreleased(); !ok || u.CheckEntries() == nil || u.Heading != before.Heading && name != "inline" {
				t.Errorf("Unreleased is now %+v", u)
			}
			again, err := g.Release(r)
			if err != nil {
				t.Fatal(err)
			}
			same(t, again, got)
		})
	}
}

// TestReleaseOfAnOldLine puts a patch where it belongs among later versions.
func TestReleaseOfAnOldLine(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"references": {
			"## [Unreleased]\n\n- C.\n\n## [0.2.0] - 2026-02-01\n\n- B.\n\n## [0.1.0] - 2026-01-01\n\n- A.\n\n[Unreleased]: S/compare/v0.2.0...HEAD\n[0.2.0]: S/compare/v0.1.0...v0.2.0\n[0.1.0]: S/releases/tag/v0.1.0\n",
			"## [Unreleased]\n\n## [0.2.0] - 2026-02-01\n\n- B.\n\n## [0.1.1] - 2026-03-09\n\n- C.\n\n## [0.1.0] - 2026-01-01\n\n- A.\n\n[Unreleased]: S/compare/v0.2.0...HEAD\n[0.2.0]: S/compare/v0.1.0...v0.2.0\n[0.1.1]: S/compare/v0.1.0...v0.1.1\n[0.1.0]: S/releases/tag/v0.1.0\n",
		},
		"no lower version": {
			"## [Unreleased]\n\n- C.\n## [0.2.0](S/releases/tag/v0.2.0) - 2026-02-01\n- B.",
			"## [Unreleased]\n## [0.2.0](S/releases/tag/v0.2.0) - 2026-02-01\n- B.\n\n## [0.1.1](S/compare/v0.1.0...v0.1.1) - 2026-03-09\n\n- C.",
		},
		"no blank lines": {
			"## [Unreleased]\n- C.\n## [0.2.0] - 2026-02-01\n- B.\n## [0.1.0] - 2026-01-01\n- A.\n\n[0.2.0]: S/compare/v0.1.0...v0.2.0\n",
			"## [Unreleased]\n## [0.2.0] - 2026-02-01\n- B.\n\n## [0.1.1] - 2026-03-09\n- C.\n\n## [0.1.0] - 2026-01-01\n- A.\n\n[0.2.0]: S/compare/v0.1.0...v0.2.0\n[0.1.1]: S/compare/v0.1.0...v0.1.1\n",
		},
		"lines in the text": {
			"## Unreleased\n\n- C.\n\nS/compare/v0.2.0...HEAD\n\n## 0.2.0 - 2026-02-01\n\n- B.\n\nS/compare/v0.1.0...v0.2.0\n\n## 0.1.0 - 2026-01-01\n\n- A.\n\nS/releases/tag/v0.1.0\n",
			"## Unreleased\n\nS/compare/v0.2.0...HEAD\n\n## 0.2.0 - 2026-02-01\n\n- B.\n\nS/compare/v0.1.0...v0.2.0\n\n## 0.1.1 - 2026-03-09\n\n- C.\n\nS/compare/v0.1.0...v0.1.1\n\n## 0.1.0 - 2026-01-01\n\n- A.\n\nS/releases/tag/v0.1.0\n",
		},
		"a line above in the text": {
			"## Unreleased\n\nS/compare/v0.2.0...HEAD\n- C.\n\n## 0.2.0 - 2026-02-01\n\n- B.\n\nS/compare/v0.1.0...v0.2.0\n",
			"## Unreleased\n\nS/compare/v0.2.0...HEAD\n\n## 0.2.0 - 2026-02-01\n\n- B.\n\nS/compare/v0.1.0...v0.2.0\n\n## 0.1.1 - 2026-03-09\n- C.\n\nS/compare/v0.1.0...v0.1.1\n",
		},
		"a line between in the text": {
			"## Unreleased\n\n- C.\n\nS/compare/v0.2.0...HEAD\n\n- D.\n\n## 0.2.0 - 2026-02-01\n\n[0.2.0]: S/compare/v0.1.0...v0.2.0\n",
			"## Unreleased\n\nS/compare/v0.2.0...HEAD\n\n## 0.2.0 - 2026-02-01\n\n## 0.1.1 - 2026-03-09\n\n- C.\n\n- D.\n\n[0.2.0]: S/compare/v0.1.0...v0.2.0\n[0.1.1]: S/compare/v0.1.0...v0.1.1\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, want := strings.ReplaceAll(tt.text, "S/", source+"/"), strings.ReplaceAll(tt.want, "S/", source+"/")
			got, err := parse(t, []byte(text)).Release(changelog.Release{Version: v(t, "0.1.1"), Previous: v(t, "0.1.0"), Date: day, Source: source})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, []byte(want))
		})
	}
}

func TestReleaseRefuses(t *testing.T) {
	const entry = "## [Unreleased]\n\n- A.\n\n"
	good := changelog.Release{Version: v(t, "0.2.0"), Previous: v(t, "0.1.0"), Date: day, Source: source}
	with := func(change func(r *changelog.Release)) changelog.Release {
		r := good
		change(&r)
		return r
	}
	for _, tt := range []struct {
		name, text string
		r          changelog.Release
		line       int
		want       string
	}{
		{"no Unreleased", "# Changelog\n\n## [0.1.0] - 2026-01-01\n\n- A.\n", good, 0, `CHANGELOG.md: there is no section "## [Unreleased]": write one, with the changes of 0.2.0 under it`},
		{"empty file", "", good, 0, "there is no section"},
		{"no entries", "# Changelog\n\n## [Unreleased]\n\n### Added\n\n<!-- none -->\n\n## [0.1.0] - 2026-01-01\n\n- A.\n", good, 3, "nothing stands under Unreleased: write down what changes with 0.2.0"},
		{"a later version", entry + "## [0.3.0] - 2026-01-01\n\n- B.\n", good, 5, "the later version 0.3.0 stands here already"},
		{"a later patch", entry + "## [0.1.2] - 2026-01-01\n\n- B.\n", with(func(r *changelog.Release) { r.Version = v(t, "0.1.1") }), 5, "the later version 0.1.2"},
		{"no date yet", entry + "## [0.2.0]\n\n- B.\n", good, 5, `write " - 2026-03-09" behind its heading`},
		{"another date", entry + "## [0.2.0] - 2026-03-08\n\n- B.\n", good, 5, "has the date 2026-03-08, not 2026-03-09: say -date=2026-03-08"},
		{"an empty section", entry + "## [0.2.0] - 2026-03-09\n", good, 5, "the section of 0.2.0 is empty"},
		{"an open comment", entry + "## [0.1.0] - 2026-01-01\n\n- B.\n\n<!-- never closed\n", good, 1, "is not closed"},
		{"an open fence", entry + "## [0.1.0] - 2026-01-01\n\n```\nnever closed\n", good, 1, "is not closed"},
		{"no version", entry, with(func(r *changelog.Release) { r.Version = v(t, "") }), 0, "a release needs a version"},
		{"a candidate", entry, with(func(r *changelog.Release) { r.Version = v(t, "0.2.0-rc.1") }), 0, "0.2.0-rc.1 is a candidate: its entries stay under Unreleased until 0.2.0"},
		{"previous above", entry, with(func(r *changelog.Release) { r.Previous = v(t, "0.2.0") }), 0, "the previous version 0.2.0 is not below 0.2.0"},
		{"no date", entry, with(func(r *changelog.Release) { r.Date = time.Time{} }), 0, "no date that can be written as YYYY-MM-DD"},
		{"a date after 9999", entry, with(func(r *changelog.Release) { r.Date = day.AddDate(8000, 0, 0) }), 0, "no date that can be written as YYYY-MM-DD"},
		{"no source", entry, with(func(r *changelog.Release) { r.Source = "" }), 0, `repository "" is no https address`},
		{"a source with more", entry, with(func(r *changelog.Release) { r.Source += ") x" }), 0, "is no https address"},
		{"an ssh source", entry, with(func(r *changelog.Release) { r.Source = "git@github.com:kubedoio/rustshare.git" }), 0, "is no https address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, []byte(tt.text)).Release(tt.r)
			refused(t, err, tt.line, tt.want)
			if got != nil {
				t.Errorf("a text came with the error: %s", got)
			}
		})
	}
}

// withdrawn is what withdrawing adds to a shape's 0.1.0.
func withdrawn(name string) change {
	const line = "> **Withdrawn:** Uploads above 2 GiB are cut short. Use 0.1.1 instead."
	switch name {
	case "crlf":
		return change{[]string{" [YANKED]", "\r\n\r\n" + line}, nil}
	case "no-final-newline":
		return change{[]string{" [YANKED]", "\n" + line + "\n"}, nil}
	case "v-prefix":
		return change{[]string{"\n\n" + line}, [][2]string{{"2026-01-15 [YANKED] ##", "2026-01-15 ##"}}}
	}
	return change{[]string{" [YANKED]", "\n\n" + line}, nil}
}

func TestWithdraw(t *testing.T) {
	for name, text := range shapes(t) {
		if name == "first" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := parse(t, text)
			got, err := f.Withdraw(v(t, "0.1.0"), "Uploads above 2 GiB\r\n  are cut short.\n\nUse 0.1.1 instead.\n")
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, "testdata/withdraw/"+name+".md", got)
			same(t, withdrawn(name).undone(t, got), text)

			g := parse(t, got)
			s, _ := g.Section(v(t, "0.1.0"))
			if !s.Yanked || s.Incident != "Uploads above 2 GiB are cut short. Use 0.1.1 instead." || s.Date != "2026-01-15" {
				t.Errorf("the section is %+v", s)
			}
			if before, _ := f.Section(v(t, "0.1.0")); len(before.Groups) != len(s.Groups) || before.Link != s.Link {
				t.Errorf("entries or link have changed from %+v to %+v", before, s)
			}
			again, err := g.Withdraw(v(t, "0.1.0"), "Uploads above 2 GiB are cut short. Use 0.1.1 instead.")
			if err != nil {
				t.Fatal(err)
			}
			same(t, again, got)
			other, err := g.Withdraw(v(t, "0.1.0"), "Worse.")
			if err != nil {
				t.Fatal(err)
			}
			same(t, other, bytes.Replace(got, []byte(s.Incident), []byte("Worse."), 1))
			for _, w := range [][]byte{got, other} {
				back, err := parse(t, w).Restore(v(t, "0.1.0"))
				if err != nil {
					t.Fatal(err)
				}
				same(t, back, text)
			}
			back, err := f.Restore(v(t, "0.1.0"))
			if err != nil {
				t.Fatal(err)
			}
			same(t, back, text)
		})
	}
}

// TestWithdrawByHand takes up what a person has done.
func TestWithdrawByHand(t *testing.T) {
	const line = "\n\n> **Withdrawn:** Bad."
	for _, text := range []string{
		"## [0.1.0] - 2026-01-01 [YANKED]\n\n- A.\n",
		"## [0.1.0] - 2026-01-01" + line + "\n\n- A.\n",
		"## [0.1.0] - 2026-01-01" + strings.Replace(line, "Bad", "Worse", 1) + "\n\n- A.\n",
	} {
		got, err := parse(t, []byte(text)).Withdraw(v(t, "0.1.0"), "Bad.")
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, []byte("## [0.1.0] - 2026-01-01 [YANKED]"+line+"\n\n- A.\n"))
		if got, err = parse(t, got).Restore(v(t, "0.1.0")); err != nil {
			t.Fatal(err)
		}
		same(t, got, []byte("## [0.1.0] - 2026-01-01\n\n- A.\n"))
	}
	// What was moved about by hand is taken out as well.
	for text, want := range map[string]string{
		"## [0.1.0] [YANKED]\n\n\n> **Withdrawn:** Bad.\n\n- A.\n": "## [0.1.0]\n\n\n\n- A.\n",
		"## [0.1.0] [YANKED]\n> **Withdrawn:** Bad.\n- A.\n":       "## [0.1.0]\n- A.\n",
		"## [0.1.0] [YANKED]\n> **Withdrawn:** Bad.":               "## [0.1.0]",
	} {
		got, err := parse(t, []byte(text)).Restore(v(t, "0.1.0"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, []byte(want))
	}
	f := parse(t, []byte("## [0.1.0]\n"))
	for _, version := range []string{"0.2.0", ""} {
		_, err := f.Withdraw(v(t, version), "Bad.")
		_, again := f.Restore(v(t, version))
		want := "there is no section for 0.2.0"
		if version == "" {
			want = "no version was given"
		}
		refused(t, err, 0, want)
		refused(t, again, 0, want)
	}
	_, err := f.Withdraw(v(t, "0.1.0"), " \n")
	refused(t, err, 1, "no incident was given: say why 0.1.0 is withdrawn")
}
