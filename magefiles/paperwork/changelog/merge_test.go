package changelog_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
)

// under writes text below the heading of Unreleased, in the file's line ending.
func under(t testing.TB, file []byte, text string) []byte {
	t.Helper()
	u, ok := parse(t, file).Unreleased()
	if !ok {
		t.Fatal("there is no Unreleased")
	}
	if bytes.Contains(file, []byte("\r\n")) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	lines[u.Line-1] = append(bytes.Clone(lines[u.Line-1]), text...)
	return bytes.Join(lines, nil)
}

func release(t testing.TB, file []byte, version, previous string) []byte {
	t.Helper()
	out, err := parse(t, file).Release(changelog.Release{Version: v(t, version), Previous: v(t, previous), Date: day, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMergeHotfix brings 0.2.1, made from the commit of 0.2.0, back to a main
// that has gone on.
func TestMergeHotfix(t *testing.T) {
	for name, text := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			base := release(t, text, "0.2.0", releases[name].previous)
			theirs := release(t, under(t, base, "\n### Fixed\n\n- A crash at the first upload.\n"), "0.2.1", "0.2.0")
			ours := under(t, base, "\n### Added\n\n- Something that main has.\n")
			got, err := changelog.Merge(base, ours, theirs)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, "testdata/merge/"+name+".md", got)
			f := parse(t, got)
			s, ok := f.Section(v(t, "0.2.1"))
			if !ok || len(s.Groups) != 1 || s.Groups[0].Entries[0].Text != "A crash at the first upload." {
				t.Errorf("0.2.1 is %+v", s)
			}
			u, _ := f.Unreleased()
			if len(u.Groups) != 1 || u.Groups[0].Entries[0].Text != "Something that main has." {
				t.Errorf("Unreleased is %+v", u)
			}
			if u.Link != "" && !strings.Contains(u.Link, "/compare/v0.2.1...") {
				t.Errorf("the link of Unreleased is %s", u.Link)
			}
			// Without the new section, its definition and the new address of
			// Unreleased it is ours.
			at := bytes.Index(got, []byte(s.Heading))
			at = bytes.LastIndexByte(got[:at], '\n') + 1
			next, _ := f.Section(v(t, "0.2.0"))
			lines := bytes.SplitAfter(got, []byte("\n"))
			end := len(bytes.Join(lines[:next.Line-1], nil))
			back := append(bytes.Clone(got[:at]), got[end:]...)
			back = bytes.ReplaceAll(back, []byte("/compare/v0.2.1..."), []byte("/compare/v0.2.0..."))
			var kept [][]byte
			for _, line := range bytes.SplitAfter(back, []byte("\n")) {
				if !bytes.HasPrefix(line, []byte("[0.2.1]:")) && !bytes.HasPrefix(line, []byte("[v0.2.1]:")) {
					kept = append(kept, line)
				}
			}
			back = bytes.Join(kept, nil)
			if !bytes.HasSuffix(ours, []byte("\n")) {
				back = bytes.TrimRight(back, "\n")
			}
			same(t, back, ours)

			again, err := changelog.Merge(base, got, theirs)
			if err != nil {
				t.Fatal(err)
			}
			same(t, again, got)
		})
	}
}

const (
	top  = "# Changelog\n\nAbout.\n\n"
	one  = "## [0.1.0] - 2026-01-01\n\n### Added\n\n- A.\n- B.\n"
	fix  = "## [0.1.1] - 2026-02-01\n\n### Fixed\n\n- F.\n\n"
	two  = "## [0.2.0] - 2026-02-02\n\n### Added\n\n- N.\n\n"
	none = "## [Unreleased]\n\n"
)

func TestMerge(t *testing.T) {
	refs := func(list ...string) string { return "\n" + strings.Join(list, "\n") + "\n" }
	for _, tt := range []struct{ name, base, ours, theirs, want string }{
		{"nothing", top + none + one, top + none + one, top + none + one, top + none + one},
		{"only ours", top + none + one, top + none + two + one, top + none + one, top + none + two + one},
		{"only theirs", top + none + one, top + none + one, top + none + fix + one, top + none + fix + one},
		{"in order", top + none + one, top + none + two + one, top + none + fix + one, top + none + two + fix + one},
		{"two versions", top + none + one, top + none + two + one, top + none + strings.ReplaceAll(fix, "0.1.1", "0.1.2") + fix + one, top + none + two + strings.ReplaceAll(fix, "0.1.1", "0.1.2") + fix + one},
		{"the same on both sides", top + none + one, top + none + fix + one, top + none + fix + one, top + none + fix + one},
		{"the preamble in theirs", top + none + one, top + none + two + one, "# Changes\n\nMore.\n\n" + none + one, "# Changes\n\nMore.\n\n" + none + two + one},
		{"an old section in theirs", top + none + one, top + none + two + one, top + none + strings.Replace(one, "- B.", "- B, better.", 1), top + none + two + strings.Replace(one, "- B.", "- B, better.", 1)},
		{"an old section in both", top + none + one, top + none + strings.Replace(one, "- A.", "- A of ours.", 1), top + none + strings.Replace(one, "- B.", "- B of theirs.", 1), top + none + "## [0.1.0] - 2026-01-01\n\n### Added\n\n- A of ours.\n- B of theirs.\n"},
		{"entries added by both", none + one, none + one + "- C of ours.\n", none + one + "- C of theirs.\n", none + one + "- C of ours.\n- C of theirs.\n"},
		{"an entry between", none + one, none + one + "- C.\n", none + strings.Replace(one, "- B.", "- A2.\n- B.", 1), none + strings.Replace(one, "- B.", "- A2.\n- B.", 1) + "- C.\n"},
		{"a group added by theirs", none + one, none + one + "- C.\n", none + one + "\n### Fixed\n\n- F.\n- G.\n", none + one + "- C.\n\n### Fixed\n\n- F.\n- G.\n"},
		{"an empty group in ours", none + one, none + one + "- C.\n\n### Fixed\n", none + one + "\n### Fixed\n\n- F.\n", none + one + "- C.\n\n### Fixed\n\n- F.\n"},
		{
			"released by theirs, in base",
			none + "### Fixed\n\n- F.\n\n" + one, none + "### Added\n\n- N.\n\n### Fixed\n\n- F.\n\n" + one, none + fix + one,
			none + "### Added\n\n- N.\n\n" + fix + one,
		},
		{
			"released by theirs, not in base",
			none + one, none + "### Fixed\n\n- E.\n- F.\n- G.\n\n" + one, none + fix + one,
			none + "### Fixed\n\n- E.\n- G.\n\n" + fix + one,
		},
		{
			"the first of its group released",
			none + one, none + "### Fixed\n\n- F.\n- G.\n\n" + one, none + fix + one,
			none + "### Fixed\n\n- G.\n\n" + fix + one,
		},
		{
			"the same words under another heading",
			none + one, none + "### Changed\n\n- F.\n\n" + one, none + fix + one,
			none + "### Changed\n\n- F.\n\n" + fix + one,
		},
		{
			"released by both",
			none + "### Fixed\n\n- F.\n\n" + one,
			none + "### Added\n\n- New.\n\n## [0.2.0] - 2026-02-02\n\n### Fixed\n\n- F.\n\n" + one,
			none + fix + one,
			none + "### Added\n\n- New.\n\n## [0.2.0] - 2026-02-02\n\n### Fixed\n\n- F.\n\n" + fix + one,
		},
		{
			"unreleased on both sides",
			none + "### Added\n\n- A.\n\n" + one, none + "### Added\n\n- A.\n- O.\n\n" + one, none + "### Added\n\n- A.\n- T.\n\n### Fixed\n\n- F.\n\n" + one,
			none + "### Added\n\n- A.\n- O.\n- T.\n\n### Fixed\n\n- F.\n\n" + one,
		},
		{
			"unreleased in an empty section",
			none + one, none + one, none + "- T.\n\n" + one,
			none + "- T.\n\n" + one,
		},
		{
			"line endings of ours",
			none + one, strings.ReplaceAll(none+two+one, "\n", "\r\n"), none + fix + one,
			strings.ReplaceAll(none+two+fix+one, "\n", "\r\n"),
		},
		{
			"links with a newer main",
			none + one + refs("[Unreleased]: S/v0.1.0...HEAD", "[0.1.0]: S/v0.1.0"),
			none + two + one + refs("[Unreleased]: S/v0.2.0...HEAD", "[0.2.0]: S/v0.2.0", "[0.1.0]: S/v0.1.0"),
			none + fix + one + refs("[Unreleased]: S/v0.1.1...HEAD", "[0.1.1]: S/v0.1.1", "[0.1.0]: S/v0.1.0", "[more]: S/more"),
			none + two + fix + one + refs("[Unreleased]: S/v0.2.0...HEAD", "[0.2.0]: S/v0.2.0", "[0.1.1]: S/v0.1.1", "[0.1.0]: S/v0.1.0", "[more]: S/more"),
		},
		{
			"links with an older main",
			none + one + refs("[Unreleased]: S/v0.1.0...HEAD", "[0.1.0]: S/v0.1.0"),
			none + "- N.\n\n" + one + refs("[Unreleased]: S/v0.1.0...HEAD", "[0.1.0]: S/v0.1.0"),
			none + fix + one + refs("[Unreleased]: S/v0.1.1...HEAD", "[0.1.1]: S/v0.1.1", "[0.1.0]: S/better"),
			none + "- N.\n\n" + fix + one + refs("[Unreleased]: S/v0.1.1...HEAD", "[0.1.1]: S/v0.1.1", "[0.1.0]: S/better"),
		},
		{"withdrawn in theirs", none + one, none + two + one, none + strings.Replace(one, "01-01", "01-01 [YANKED]\n\n> **Withdrawn:** Bad.", 1), none + two + strings.Replace(one, "01-01", "01-01 [YANKED]\n\n> **Withdrawn:** Bad.", 1)},
		{"withdrawn in theirs, corrected in ours", none + one, none + one + "- C.\n", none + strings.Replace(one, "01-01", "01-01 [YANKED]\n\n> **Withdrawn:** Bad.", 1), none + strings.Replace(one, "01-01", "01-01 [YANKED]\n\n> **Withdrawn:** Bad.", 1) + "- C.\n"},
		{"removed by theirs", none + fix + one, none + two + fix + one, none + one, none + two + one},
		{"removed by ours", none + fix + one, none + one, none + fix + one, none + one},
		{"other sections", one + "\n## About\n\nX.\n", one + "- C.\n\n## About\n\nX.\n", one + "\n## About\n\nY.\n\n## More\n\nZ.\n", one + "- C.\n\n## About\n\nY.\n\n## More\n\nZ.\n"},
		{"unreleased in theirs alone", one, two + one, none + "- T.\n\n" + one, none + "- T.\n\n" + two + one},
		{"no base", "", none + two, none + fix, none + two + strings.TrimRight(fix, "\n") + "\n\n"},
		{"empty ours", "", "", one, one},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := func(text string) []byte {
				return []byte(strings.ReplaceAll(text, ": S/", ": "+source+"/compare/"))
			}
			got, err := changelog.Merge(s(tt.base), s(tt.ours), s(tt.theirs))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, s(tt.want)) {
				t.Errorf("want\n%s\ngot\n%s", s(tt.want), got)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, base, ours, theirs string
		line                     int
		want                     string
	}{
		{"an entry", none + one, none + strings.Replace(one, "- B.", "- B of ours.", 1), none + strings.Replace(one, "- B.", "- B of theirs.", 1), 8, `ours:8: the entry "B." was changed on both sides (line 3 there): make the two the same`},
		{"an entry that theirs removed", none + one, none + strings.Replace(one, "- B.", "- B of ours.", 1), none + strings.Replace(one, "- B.\n", "", 1), 8, `the entry "B."`},
		{"an entry that ours removed", none + one, none + strings.Replace(one, "- B.\n", "", 1), none + strings.Replace(one, "- B.", "- B of theirs.", 1), 3, `the entry "B."`},
		{"an entry reworded here, released there", none + "### Fixed\n\n- F.\n\n" + one, none + "### Fixed\n\n- F, said better.\n\n" + one, none + fix + one, 5, `ours:5: the entry "F." was changed on both sides`},
		{"the preamble", top + one, strings.Replace(top, "About", "Ours", 1) + one, strings.Replace(top, "About", "Theirs", 1) + one, 1, `the text under "Changelog" was changed on both sides`},
		{"the top", "<!-- a -->\n", "<!-- b -->\n", "<!-- c -->\n", 1, `the text under "the top of the file" was changed on both sides`},
		{"the title", top + one, strings.Replace(top, "Changelog", "Ours", 1) + one, strings.Replace(top, "Changelog", "Theirs", 1) + one, 1, `the heading "Ours" reads "Theirs" in theirs`},
		{"a date", none + one, none + fix + one, none + strings.Replace(fix, "02-01", "02-03", 1) + one, 3, `the heading "[0.1.1] - 2026-02-01" reads "[0.1.1] - 2026-02-03" in theirs`},
		{"a link", one + "\n[0.1.0]: https://example.com/a\n", one + "\n[0.1.0]: https://example.com/b\n", one + "\n[0.1.0]: https://example.com/c\n", 8, `the link "0.1.0" goes to https://example.com/b here and to https://example.com/c in theirs (line 8)`},
		{"removed and changed", none + fix + one, none + strings.Replace(fix, "F.", "G.", 1) + one, none + one, 3, `ours:3: "[0.1.1] - 2026-02-01" was changed here but theirs has removed it`},
		{"changed and removed", none + fix + one, none + one, none + strings.Replace(fix, "F.", "G.", 1) + one, 3, `theirs:3: "[0.1.1] - 2026-02-01" was changed here but ours has removed it`},
		{"a fence that stays open", one, one, one + "\n" + fix + "```\nopen\n", 1, "is not closed"},
		{"base", one + one, one, one, 7, "base:7: 0.1.0 has a second section"},
		{"theirs", one, one, one + one, 7, "theirs:7: 0.1.0 has a second section"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := changelog.Merge([]byte(tt.base), []byte(tt.ours), []byte(tt.theirs))
			refused(t, err, tt.line, tt.want)
			if got != nil {
				t.Errorf("a text came with the error:\n%s", got)
			}
		})
	}
}
