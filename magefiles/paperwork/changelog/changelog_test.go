package changelog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
)

const source = "https://github.com/kubedoio/rustshare"

var day = time.Date(2026, 3, 9, 23, 30, 0, 0, time.FixedZone("", -8*3600))

// v parses a version that is known to be one; "" gives the zero value.
func v(t testing.TB, s string) decide.Version {
	t.Helper()
	if s == "" {
		return decide.Version{}
	}
	got, err := decide.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func parse(t testing.TB, text []byte) *changelog.File {
	t.Helper()
	f, err := changelog.Parse("CHANGELOG.md", text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return f
}

// shapes are the sample files by their names.
func shapes(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/shapes/*.md")
	if err != nil || len(paths) < 13 {
		t.Fatalf("the shapes are not there: %v, %v", paths, err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(path), ".md")] = text
	}
	return out
}

// refused wants an error that says all of this. Where line is not 0 it is an
// *Error with that line.
func refused(t *testing.T, err error, line int, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
	var e *changelog.Error
	if line != 0 && (!errors.As(err, &e) || e.Line != line) {
		t.Errorf("the error is not of line %d: %v", line, err)
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("the error is no sentence: %q", err)
	}
}

// change is what an edit is meant to do: texts that it adds, and texts that it
// puts in the place of others (new, then old).
type change struct {
	added    []string
	replaced [][2]string
}

// undone takes a change back by plain search, apart from how it was made. Each
// text has to be there once.
func (c change) undone(t *testing.T, got []byte) []byte {
	t.Helper()
	s := string(got)
	for _, r := range c.replaced {
		if n := strings.Count(s, r[0]); n != 1 {
			t.Fatalf("%q is there %d times in\n%q", r[0], n, s)
		}
		s = strings.Replace(s, r[0], r[1], 1)
	}
	for _, a := range c.added {
		if n := strings.Count(s, a); n != 1 {
			t.Fatalf("%q is there %d times in\n%q", a, n, s)
		}
		s = strings.Replace(s, a, "", 1)
	}
	return []byte(s)
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("other bytes have changed; want\n%q\ngot\n%q", want, got)
	}
}

func TestSections(t *testing.T) {
	want := map[string]string{
		"sample":                "Unreleased:Added(2) Changed(1) Fixed(1) | 0.1.0 2026-01-15:Added(4) Security(1)",
		"crlf":                  "Unreleased:Added(1) | 0.1.0 2026-01-15:Added(1)",
		"no-final-newline":      "Unreleased:Fixed(1) | 0.1.0 2026-01-15:Added(1)",
		"comments":              "Unreleased:Changed(1) | 0.1.0 2026-01-15:(1)",
		"duplicates":            "Unreleased:Added(1) Fixed(1) Added(2) | 0.1.0 2026-01-15:Added(1) Added(1)",
		"fences":                "Unreleased:Fixed(4) | 0.1.0 2026-01-15:(1)",
		"inline":                "Unreleased:Security(1) | 0.1.0 2026-01-15:Added(1)",
		"no-links":              "Unreleased:Added(1) | 0.1.0 2026-01-15:(1)",
		"body-lines":            "Unreleased:Added(1) | 0.1.1 2026-02-01:Fixed(1) | 0.1.0 2026-01-15:(1)",
		"body-lines-above":      "Unreleased:Added(1) | 0.1.0 2026-01-15:Added(1)",
		"v-prefix":              "Unreleased:(1) | 0.1.0 2026-01-15:(1) | 0.0.9 2025-12-01 yanked:(1)",
		"long":                  "Unreleased:Changed(2) Removed(1) | 0.1.0 2026-01-15:Added(1)",
		"first":                 "Unreleased:Added(1)",
		"ascending-definitions": "Unreleased:(1) | 0.1.0 2026-01-15:(1) | 0.0.9 2026-01-14:(1)",
	}
	for name, text := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			f := parse(t, text)
			if !bytes.Equal(f.Bytes(), text) {
				t.Error("the bytes do not come back")
			}
			if got := outline(f); got != want[name] {
				t.Errorf("got  %s\nwant %s", got, want[name])
			}
			for _, s := range f.Sections() {
				line := strings.Split(string(text), "\n")[s.Line-1]
				if !strings.Contains(line, s.Heading) || !strings.Contains(line, "##") {
					t.Errorf("line %d is %q, not the heading %q", s.Line, line, s.Heading)
				}
				if s.Link != "" && !strings.Contains(strings.Split(string(text), "\n")[s.LinkLine-1], s.Link) {
					t.Errorf("line %d lacks %s", s.LinkLine, s.Link)
				}
				if name != "no-links" && name != "v-prefix" && name != "first" && !s.Version.IsZero() && s.Link == "" {
					t.Errorf("%s has no link", s.Heading)
				}
				for _, g := range s.Groups {
					for _, e := range g.Entries {
						first, _, _ := strings.Cut(e.Text, "\n")
						if line := strings.Split(string(text), "\n")[e.Line-1]; !strings.Contains(line, first) {
							t.Errorf("line %d is %q, not the entry %q", e.Line, line, first)
						}
					}
				}
			}
		})
	}
}

// outline is a file's sections in a line.
func outline(f *changelog.File) string {
	var out []string
	for _, s := range f.Sections() {
		name := "Unreleased"
		if !s.Version.IsZero() {
			name = strings.TrimSpace(s.Version.String() + " " + s.Date)
		}
		if s.Yanked {
			name += " yanked"
		}
		var groups []string
		for _, g := range s.Groups {
			groups = append(groups, g.Kind+"("+string(rune('0'+len(g.Entries)))+")")
		}
		out = append(out, name+":"+strings.Join(groups, " "))
	}
	return strings.Join(out, " | ")
}

func TestSection(t *testing.T) {
	f := parse(t, shapes(t)["crlf"])
	s, ok := f.Unreleased()
	if !ok || s.Line != 3 || s.LinkLine != 16 || s.Link != source+"/compare/v0.1.0...HEAD" {
		t.Errorf("got %+v, %v", s, ok)
	}
	if want := "### Added\n\n- A thing\n  that goes on in a second line."; s.Body != want {
		t.Errorf("the body is %q, want %q", s.Body, want)
	}
	if g := s.Groups[0]; g.Kind != "Added" || g.Line != 5 || g.Entries[0] != (changelog.Entry{Text: "A thing\nthat goes on in a second line.", Line: 7}) {
		t.Errorf("the group is %+v", g)
	}
	s, ok = f.Section(v(t, "0.1.0"))
	if want := "### Added\n\n- The first thing."; !ok || s.Body != want || s.Heading != "[0.1.0] - 2026-01-15" {
		t.Errorf("got %+v, %v", s, ok)
	}
	for _, none := range []string{"0.2.0", ""} {
		if s, ok := f.Section(v(t, none)); ok {
			t.Errorf("%q is there: %+v", none, s)
		}
	}
}

func TestHeadings(t *testing.T) {
	for _, tt := range []struct{ heading, want string }{
		{"## [1.2.3] - 2026-01-02", "1.2.3 2026-01-02"},
		{"##\t[1.2.3]\t2026-01-02", "1.2.3 2026-01-02"},
		{"   ## v1.2.3", "1.2.3"},
		{"## 1.2.3 2026-01-02", "1.2.3 2026-01-02"},
		{"## [1.2.3-rc.1] - 2026-01-02", "1.2.3-rc.1 2026-01-02"},
		{"## [1.2.3] The big one, 2026-01-02", "1.2.3 2026-01-02"},
		{"## [1.2.3](<https://example.com> \"title\") - 2026-01-02", "1.2.3 2026-01-02"},
		{"## [1.2.3] - 2026-01-02 [yanked]", "1.2.3 2026-01-02 yanked"},
		{"## [1.2.3] - 2026-02-30", "1.2.3"},
		{"## [1.2.3] - 02.01.2026", "1.2.3"},
		{"## [UnReleased]", "Unreleased"},
		{"## Unreleased - soon", "Unreleased"},
		{"## Unreleased ideas", ""},
		{"## 1.2.3 and what came before", ""},
		{"## [1.2.3 - 2026-01-02", ""},
		{"## [1.2] - 2026-01-02", ""},
		{"## [01.2.3] - 2026-01-02", ""},
		{"##[1.2.3]", ""},
		{"### [1.2.3]", ""},
		{"    ## [1.2.3]", ""},
		{"[1.2.3]\n-------", ""},
		{"- ## [1.2.3]", ""},
		{"<!--\n## [1.2.3]\n-->", ""},
		{"<div>\n## [1.2.3]\n</div>", ""},
	} {
		got := outline(parse(t, []byte(tt.heading+"\n")))
		if tt.want != "" {
			tt.want += ":"
		}
		if got != tt.want {
			t.Errorf("%q gave %q, want %q", tt.heading, got, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	_, err := changelog.Parse("docs/CHANGELOG.md", []byte("## [1.0.0] - 2026-01-01\n\n- A.\n\n## v1.0.0\n"))
	refused(t, err, 5, "docs/CHANGELOG.md:5: 1.0.0 has a second section here, the first is in line 1: merge the two")
	_, err = changelog.Parse("C.md", []byte("## Unreleased\n## [unreleased]\n"))
	refused(t, err, 2, "C.md:2: Unreleased has a second section")
}

func TestChecks(t *testing.T) {
	text := []byte("## [Unreleased]\n\n### Added\n\n<!-- nothing -->\n\n## [0.2.0] - 2026-13-01\n\n- A.\n\n## [0.1.0] - 2026-01-01\n\n- B.\n\n[0.2.0]: " + source + "/compare/v0.0.1...v0.2.0\n")
	f := parse(t, text)
	u, _ := f.Unreleased()
	two, _ := f.Section(v(t, "0.2.0"))
	one, _ := f.Section(v(t, "0.1.0"))
	refused(t, u.CheckEntries(), 1, `"[Unreleased]" has no entries`)
	refused(t, two.CheckDate(), 7, "2026-13-01", "YYYY-MM-DD")
	for _, err := range []error{two.CheckEntries(), one.CheckDate()} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, version := range []string{"0.1.1", "0.2.1", "0.2.0", "1.0.0", "0.1.1-rc.1", "0.0.2"} {
		if err := f.CheckOrder(v(t, version)); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	g := parse(t, []byte("## 2.0.0\n## 1.2.3\n## 0.3.0\n"))
	for _, version := range []string{"1.3.0", "1.2.4", "1.1.5", "0.4.0", "0.2.9"} {
		if err := g.CheckOrder(v(t, version)); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	refused(t, g.CheckOrder(v(t, "1.2.2")), 2, "the later version 1.2.3 stands here already, so 1.2.2 can't be released")
	refused(t, g.CheckOrder(v(t, "1.1.0")), 2, "1.2.3")
	refused(t, g.CheckOrder(v(t, "1.0.0")), 1, "2.0.0")
	refused(t, g.CheckOrder(v(t, "0.2.0")), 3, "0.3.0")
}

func TestBump(t *testing.T) {
	for _, tt := range []struct{ body, refusal string }{
		{"### Fixed\n\n- A.", ""},
		{"### Security\n\n- A.\n\n### Fixed\n\n- B.", ""},
		{"### Added\n\n- A.", ""},
		{"### Added\n\n### Fixed\n\n- A.", ""},
		{"- A.", ""},
		{"### Removed\n", ""},
		{"### Fixed\n\n- A.\n\n### Removed\n\n- B.", `CHANGELOG.md:9: an entry stands under "Removed"`},
		{"### ⚠ BREAKING CHANGES\n\n- A.", `CHANGELOG.md:5: an entry stands under "⚠ BREAKING CHANGES"`},
		{"### Fixed\n\n- A.\n- BREAKING: B.", "CHANGELOG.md:6: the entry is marked as breaking"},
		{"### Fixed\n\n- **Breaking:** B.", "marked as breaking"},
		{"### Fixed\n\n- **Breaking** B.", "marked as breaking"},
		{"### Fixed\n\n- [breaking] B.", "marked as breaking"},
		{"### Fixed\n\n- Breaking change: B.", "marked as breaking"},
		{"### Fixed\n\n- A, which is\n  BREAKING.", "marked as breaking"},
		{"BREAKING CHANGE: B.", "marked as breaking"},
		{"### Fixed\n\n- A NON-BREAKING thing, UNBREAKING too.", ""},
		{"### Fixed\n\n- Breaking news are shown.", ""},
		{"### Fixed\n\n- No breaking change: A.", ""},
		{"### Fixed\n\n- `BREAKING` is read.", ""},
		{"### Fixed\n\n- A:\n\n  ```\n  BREAKING\n  ```", ""},
		{"### Fixed\n\n- A.\n\n```\nBREAKING\n```", ""},
		{"### Fixed\n\n- A <!-- BREAKING -->.\n\n<!-- BREAKING -->", ""},
		{"### Fixed\n\n- See [it](https://example.com/BREAKING).", ""},
		{"### Removed\n\n<!-- nothing -->", ""},
	} {
		s, _ := parse(t, []byte("## [Unreleased]\n\n"+tt.body+"\n")).Unreleased()
		for version, fit := range map[string]string{"0.4.3": "a PATCH: release it as a MINOR", "1.4.3-rc.1": "a PATCH: release it as a MAJOR", "1.5.0": "a MINOR: release it as a MAJOR"} {
			err := s.CheckBump(v(t, version))
			if tt.refusal == "" {
				if err != nil {
					t.Errorf("%q in %s: %v", tt.body, version, err)
				}
				continue
			}
			refused(t, err, 0, tt.refusal, fit)
		}
		for _, version := range []string{"0.5.0", "0.5.0-rc.1", "1.0.0", "2.0.0"} {
			if err := s.CheckBump(v(t, version)); err != nil {
				t.Errorf("%q in %s: %v", tt.body, version, err)
			}
		}
	}
}
