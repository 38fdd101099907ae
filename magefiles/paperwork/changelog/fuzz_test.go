package changelog_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
)

// rounds is how many files TestRandomFiles makes.
const rounds = 300

// odd are files that a parser may stumble over.
var odd = []string{
	"", "\n", "\r\n", "\ufeff", "\ufeff## 1.0.0", "## ", "##", "## []", "## [1.0.0", "## [1.0.0]()", "## 1.0.0 #", "## 1.0.0\r- A", "## 1.0.0\r- \r", "## 1.0.0\r\r\n- A", "[a]:", "[a]: b\n\"c\n", "-", "- \n\n  ", "> ## 1.0.0", "\t## 1.0.0",
	"## Unreleased\n- A", "## [Unreleased]\n\n- A\n\n[1.0.0]: <x", "## Unreleased\n- A\n```", "## Unreleased\n- A\n<!--", "## 1.0.0\n> **Withdrawn:** \n", "## 1.0.0 [YANKED][YANKED]\n> **Withdrawn:** x\nlazy",
	"## Unreleased\nhttps://x/compare/a...b\n- A\n## 1.0.0\n- B\n\nhttps://x/compare/a...b\n", "\f\n## 1.0.0\n\v\n", "## 1.0.0\n    code\n", "# A\n# A\n## B\n## B\n", "## \x00\n- \xff\n",
	"## [Unreleased]\n\n- A\n\nhttps://x/compare/a...b\n\n- B\n\n## 9.0.0\n\n- C\n\n## 1.0.0\n\nhttps://x/compare/a...b",
}

func seeds(t testing.TB) []string {
	out := append([]string{}, odd...)
	for _, text := range shapes(t) {
		out = append(out, string(text))
	}
	return out
}

// read parses what may be refused.
func read(t *testing.T, text string) (*changelog.File, bool) {
	f, err := changelog.Parse("CHANGELOG.md", []byte(text))
	if err != nil {
		faulty(t, err)
		return nil, false
	}
	if !bytes.Equal(f.Bytes(), []byte(text)) {
		t.Fatalf("%q came back as %q", text, f.Bytes())
	}
	return f, true
}

// faulty wants an error that is a sentence about a place.
func faulty(t *testing.T, err error) {
	var e *changelog.Error
	if !errors.As(err, &e) || e.Problem == "" || e.Line < 0 {
		t.Fatalf("the error names no place: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		file, ok := read(t, s)
		if !ok {
			return
		}
		lines := strings.Count(s, "\n") + 1
		for _, s := range file.Sections() {
			if s.Line < 1 || s.Line > lines || s.LinkLine > lines || (s.Link == "") != (s.LinkLine == 0) {
				t.Fatalf("a line is out of the file: %+v", s)
			}
			if err := s.CheckBump(v(t, "1.0.1")); err != nil {
				faulty(t, err)
			}
		}
	})
}

func FuzzRelease(f *testing.F) {
	for _, s := range seeds(f) {
		for _, version := range []string{"0.1.2", "0.2.0", "3.0.0"} {
			f.Add(s, version)
		}
	}
	f.Fuzz(releaseKeeps)
}

// releaseKeeps wants every entry of before to be there after, and no other.
func releaseKeeps(t *testing.T, s, version string) {
	next, err := decide.ParseVersion(version)
	if err != nil {
		return
	}
	file, ok := read(t, s)
	if !ok {
		return
	}
	r := changelog.Release{Version: next, Date: day, Source: source}
	if previous := v(t, "0.1.0"); previous.Compare(next) < 0 {
		r.Previous = previous
	}
	got, err := file.Release(r)
	if err != nil {
		return
	}
	after, ok := read(t, string(got))
	if !ok {
		t.Fatalf("%q became %q, which can't be read", s, got)
	}
	count := func(f *changelog.File) map[string]int {
		n := map[string]int{}
		for _, s := range f.Sections() {
			for _, g := range s.Groups {
				for _, e := range g.Entries {
					n[g.Kind+"\x00"+e.Text]++
				}
			}
		}
		return n
	}
	was, is := count(file), count(after)
	for text, n := range was {
		if is[text] != n {
			t.Fatalf("the entry %q is there %d times, not %d, in\n%q\nwhich was\n%q", text, is[text], n, got, s)
		}
	}
	if len(is) != len(was) {
		t.Fatalf("entries were made up in\n%q\nwhich was\n%q", got, s)
	}
	again, err := after.Release(r)
	if err != nil || !bytes.Equal(again, got) {
		t.Fatalf("the second call gave %q, %v, the first %q", again, err, got)
	}
}

func FuzzWithdraw(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, "Bad. Use 0.1.1 instead.")
	}
	f.Add("## 1.0.0", "<!-- ``` \n## 2.0.0")
	f.Fuzz(backAndForth)
}

// backAndForth withdraws and restores every version.
func backAndForth(t *testing.T, s, incident string) {
	file, ok := read(t, s)
	if !ok {
		return
	}
	for _, section := range file.Sections() {
		if section.Version.IsZero() || section.Yanked || section.Incident != "" {
			continue
		}
		got, err := file.Withdraw(section.Version, incident)
		if err != nil {
			faulty(t, err)
			continue
		}
		after, ok := read(t, string(got))
		if !ok {
			t.Fatalf("%q became %q, which can't be read", s, got)
		}
		if w, ok := after.Section(section.Version); !ok || !w.Yanked || w.Incident == "" || len(after.Sections()) != len(file.Sections()) {
			t.Fatalf("%q is not withdrawn in %q", section.Heading, got)
		}
		if again, err := after.Withdraw(section.Version, incident); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("the second call gave %q, %v, the first %q", again, err, got)
		}
		if back, err := after.Restore(section.Version); err != nil || string(back) != s {
			t.Fatalf("%q came back as %q, %v, by %q", s, back, err, got)
		}
	}
}

func FuzzMerge(f *testing.F) {
	all := seeds(f)
	for i, s := range all {
		f.Add(s, all[(i+1)%len(all)], all[(i+2)%len(all)])
		f.Add(s, s, all[(i+1)%len(all)])
	}
	for _, text := range shapes(f) {
		base := release(f, text, "0.2.0", "0.1.1")
		f.Add(string(base), string(under(f, base, "\n- New.\n")), string(release(f, under(f, base, "\n- Fix.\n"), "0.2.1", "0.2.0")))
	}
	f.Fuzz(mergeKeeps)
}

// mergeKeeps wants a text that can be read or an error with a place, and ours
// as it is where theirs has changed nothing.
func mergeKeeps(t *testing.T, base, ours, theirs string) {
	got, err := changelog.Merge([]byte(base), []byte(ours), []byte(theirs))
	if err != nil {
		faulty(t, err)
		return
	}
	if _, ok := read(t, string(got)); !ok {
		t.Fatalf("the result can't be read: %q", got)
	}
	if still, err := changelog.Merge([]byte(theirs), []byte(ours), []byte(theirs)); err == nil && string(still) != ours {
		t.Fatalf("theirs changed nothing, but ours\n%q\nbecame\n%q", ours, still)
	}
}

// pieces are what TestRandomFiles makes files of.
var pieces = strings.Split(`## [Unreleased]|## Unreleased|## [unreleased](S/compare/v0.1.0...HEAD)|## [0.1.0] - 2026-01-01|## v0.1.0|## [0.2.0](S/compare/v0.1.0...v0.2.0) (2026-01-01)|## 0.3.0 [YANKED]|## [0.0.9]  |## About|# Title|### Added|### Added|### Fixed|###|#### Deep|- Alpha|- Bravo|- Charlie|* Delta|1. Echo|  more of it|text|> quote|> **Withdrawn:** Bad.|<!-- ## [0.5.0] -->|<!--|-->|~~~|---|S/compare/v0.1.0...HEAD|S/compare/v0.0.9...v0.1.0|[Diff](S/releases/tag/v0.1.0)|[unreleased]: S/compare/v0.1.0...HEAD|[0.1.0]: S/compare/v0.0.9...v0.1.0|[0.0.9]: S/x "title"|[v0.3.0]: <S/y>|[more]: S/z|  |<div>|	- tab|`, "|")

// TestRandomFiles holds the fuzz targets' properties on files made of pieces
// that mean something.
func TestRandomFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	lines := func(n int) (out []string) {
		for range random.IntN(n) {
			out = append(out, strings.ReplaceAll(pieces[random.IntN(len(pieces))], "S/", source+"/"))
			if random.IntN(3) > 0 {
				out = append(out, "")
			}
		}
		return out
	}
	for range rounds {
		eol := []string{"\n", "\n", "\r\n"}[random.IntN(3)]
		base := lines(25)
		side := func() string {
			out := slices.Clone(base)
			for range random.IntN(4) {
				at := random.IntN(len(out) + 1)
				out = slices.Replace(out, at, min(at+random.IntN(3), len(out)), lines(4)...)
			}
			return strings.Join(out, eol)
		}
		s := strings.Join(base, eol)
		for _, version := range []string{"0.0.10", "0.1.1", "0.2.0", "0.4.0"} {
			releaseKeeps(t, s, version)
		}
		backAndForth(t, s, "Bad.")
		mergeKeeps(t, s, side(), side())
		hotfixKeeps(t, s, side())
	}
}

// hotfixKeeps releases base with a fix, merges that into ours, and wants every
// entry of both in the result.
func hotfixKeeps(t *testing.T, base, ours string) {
	file, ok := read(t, base)
	if !ok {
		return
	}
	if _, ok := file.Unreleased(); !ok {
		return
	}
	theirs, ok := read(t, string(under(t, []byte(base), "\n- A fix.\n\n")))
	if !ok {
		return
	}
	text, err := theirs.Release(changelog.Release{Version: v(t, "0.4.0"), Date: day, Source: source})
	if err != nil {
		return
	}
	got, err := changelog.Merge([]byte(base), []byte(ours), text)
	if err != nil {
		faulty(t, err)
		return
	}
	fixed, _ := parse(t, text).Section(v(t, "0.4.0"))
	for _, s := range append(parse(t, []byte(ours)).Sections(), fixed) {
		for _, g := range s.Groups {
			for _, e := range g.Entries {
				for line := range strings.Lines(e.Text) {
					if !bytes.Contains(got, []byte(strings.TrimSpace(line))) {
						t.Fatalf("%q is missing in\n%q\nmade of\n%q\n%q\n%q", line, got, base, ours, text)
					}
				}
			}
		}
	}
}
