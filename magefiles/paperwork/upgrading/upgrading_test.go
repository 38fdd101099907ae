package upgrading

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

const sample = "../../../testdata/rustshare/docs/upgrading.md"

func version(t testing.TB, s string) decide.Version {
	t.Helper()
	v, err := decide.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func parse(t testing.TB, text []byte) *Guide {
	t.Helper()
	g, err := Parse("docs/upgrading.md", text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if !bytes.Equal(g.Bytes(), text) {
		t.Fatal("Bytes gives something else than what was parsed")
	}
	return g
}

// shapes are the guides in testdata, and the sample's.
func shapes(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.md")
	if err != nil || len(files) < 6 {
		t.Fatalf("only %v, %v", files, err)
	}
	return append(files, sample)
}

// show writes a guide as it was understood.
func show(g *Guide, v decide.Version) string {
	var b strings.Builder
	for _, t := range g.Tables() {
		fmt.Fprintf(&b, "%d: %s %q\n", t.Line, t.Title, t.Header)
		for _, r := range t.Rows {
			of := "-"
			if !r.Version.IsZero() {
				of = r.Version.String()
			}
			fmt.Fprintf(&b, "  %d: %s %q", r.Line, of, r.Cells)
			if r.Placeholder {
				b.WriteString(" placeholder")
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&b, "%s:\n", v)
	for _, p := range g.Check(v) {
		fmt.Fprintf(&b, "  %d: %s\n", p.Line, p.Text)
	}
	return b.String()
}

// Each shape before and after 0.2.0 came to it.
func TestShapes(t *testing.T) {
	v := version(t, "0.2.0")
	for _, file := range shapes(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			g := parse(t, text)
			after := add(t, g, v)
			golden := filepath.Join("testdata", name+".golden")
			got := []byte(show(g, v) + "\n==== after ====\n" + show(parse(t, after), v) + "\n==== file ====\n" + string(after))
			testkit.Golden(t, golden, got)
		})
	}
}

// add adds the rows of a version and holds that nothing else happened.
func add(t testing.TB, g *Guide, v decide.Version) []byte {
	t.Helper()
	out, err := g.AddRows(v)
	if err != nil {
		t.Fatal(err)
	}
	if !within(g.Bytes(), out) {
		t.Fatalf("bytes of the file went away:\n%q\nbecame\n%q", g.Bytes(), out)
	}
	after := parse(t, out)
	for _, rows := range [][2][]Row{{g.Breaking(v), after.Breaking(v)}, {g.Environment(v), after.Environment(v)}} {
		switch before, now := rows[0], rows[1]; {
		case len(before) > 0 && len(now) != len(before):
			t.Fatalf("there were rows of %s already, and now there are %d:\n%s", v, len(now), out)
		case len(before) == 0 && (len(now) != 1 || !now[0].Placeholder):
			t.Fatalf("the row of %s was not added as it should:\n%q\nbecame\n%q", v, g.Bytes(), out)
		}
	}
	for i, t2 := range after.Tables() {
		had := slices.DeleteFunc(slices.Clone(t2.Rows), func(r Row) bool { return r.Version.Compare(v.Stable()) == 0 })
		was := slices.DeleteFunc(slices.Clone(g.Tables()[i].Rows), func(r Row) bool { return r.Version.Compare(v.Stable()) == 0 })
		if !slices.EqualFunc(had, was, func(a, b Row) bool { return a.Version == b.Version && slices.Equal(a.Cells, b.Cells) }) {
			t.Fatalf("another row changed its meaning:\n%q\nbecame\n%q", g.Bytes(), out)
		}
	}
	again, err := after.AddRows(v)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("a second time it changed:\n%q\n%v", again, err)
	}
	return out
}

// within tells whether part is a subsequence of whole.
func within(part, whole []byte) bool {
	for _, c := range whole {
		if len(part) > 0 && part[0] == c {
			part = part[1:]
		}
	}
	return len(part) == 0
}

func TestRows(t *testing.T) {
	text, err := os.ReadFile("testdata/rowspan.md")
	if err != nil {
		t.Fatal(err)
	}
	g := parse(t, text)
	lines := func(rows []Row) (out []int) {
		for _, r := range rows {
			out = append(out, r.Line)
		}
		return out
	}
	for v, want := range map[string][]int{"0.1.0": {6, 7}, "0.3.0": {8, 9}, "0.3.0-rc.2": {8, 9}, "0.3.1": {10}, "0.3.2": nil} {
		if got := lines(g.Environment(version(t, v))); !slices.Equal(got, want) {
			t.Errorf("rows of %s are in lines %v, want %v", v, got, want)
		}
	}
	if got := lines(g.Breaking(version(t, "0.4.0"))); !slices.Equal(got, []int{15}) {
		t.Errorf("breaking changes of 0.4.0 are in lines %v", got)
	}
	if _, err := g.AddRows(decide.Version{}); err == nil || !strings.Contains(err.Error(), "no version") {
		t.Errorf("adding rows of no version: %v", err)
	}
	candidate, err := g.AddRows(version(t, "0.5.0-rc.1"))
	if err != nil || !bytes.Contains(candidate, []byte("\n| 0.5.0 | "+Placeholder)) {
		t.Errorf("a candidate: %v\n%s", err, candidate)
	}
}

// The order of the rows for versions of all kinds, in tables of both orders.
func TestOrder(t *testing.T) {
	for _, tt := range []struct{ rows, add, want string }{
		{"", "0.2.0", "0.2.0"},
		{"0.1.0", "0.2.0", "0.1.0 0.2.0"},
		{"0.3.0", "0.2.0", "0.2.0 0.3.0"},
		{"0.1.0 0.9.0 0.10.0", "0.9.1", "0.1.0 0.9.0 0.9.1 0.10.0"},
		{"0.10.0 0.9.0 0.1.0", "0.9.1", "0.10.0 0.9.1 0.9.0 0.1.0"},
		{"0.2.0 0.1.0", "0.3.0", "0.3.0 0.2.0 0.1.0"},
		{"0.3.0 0.2.0", "0.1.0", "0.3.0 0.2.0 0.1.0"},
		{"next 0.2.0 0.1.0", "0.3.0", "next 0.3.0 0.2.0 0.1.0"},
		{"0.1.0 0.1.0 0.2.0 0.2.0 next", "0.1.1", "0.1.0 0.1.0 0.1.1 0.2.0 0.2.0 next"},
		{"old 0.2.0 0.3.0", "0.1.0", "old 0.1.0 0.2.0 0.3.0"},
		{"old older", "0.1.0", "old older 0.1.0"},
		{"1.0.0-rc.1 1.0.0-rc.2", "1.0.0", "1.0.0-rc.1 1.0.0-rc.2 1.0.0"},
	} {
		text := "# Breaking Changes\n\n| Version | x |\n|---|---|\n"
		for _, r := range strings.Fields(tt.rows) {
			text += "| " + r + " | x |\n"
		}
		g := parse(t, []byte(text+"\n# Environment variable changes\n\n| Version | x |\n|---|---|\n"))
		var got []string
		for _, r := range parse(t, add(t, g, version(t, tt.add))).Tables()[0].Rows {
			got = append(got, r.Cells[0])
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s and %s gave %v, want %s", tt.rows, tt.add, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	const fine = "\n| Version | Change |\n|---|---|\n"
	for text, want := range map[string]string{
		"":                            `docs/upgrading.md:1: there is no heading "Breaking Changes"`,
		"# Breaking Changes\n" + fine: `docs/upgrading.md:1: there is no heading "Environment Variable Changes"`,
		"# Environment Variable Changes\n" + fine + "\n\n# Breaking Changes\n\nNone.\n\n# More\n" + fine: `docs/upgrading.md:7: there is no table under "Breaking Changes" before the next heading`,
		"# Breaking Changes\n" + fine + "\n" + fine:                                                      `docs/upgrading.md:7: this is the second table under "Breaking Changes", after the one in line 3`,
		"# Breaking Changes\n" + fine + "\n# Breaking Changes\n" + fine:                                  `docs/upgrading.md:8: this is the second table`,
		"# Breaking Changes\n\n| Version |\n|---|\n":                                                     `docs/upgrading.md:3: table "Breaking Changes" has the version's column alone`,
		"# Breaking Changes\n\n| Version | Change |\n|---|\n":                                            `docs/upgrading.md:1: there is no table under "Breaking Changes" before the next heading: add one (| Version |`,
	} {
		_, err := Parse("docs/upgrading.md", []byte(text))
		var at *Error
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &at) || at.File != "docs/upgrading.md" || at.Line < 1 {
			t.Errorf("%q gave %v, want %s", text, err, want)
		}
	}
}

func FuzzAddRows(f *testing.F) {
	for _, file := range shapes(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "0.2.0")
	}
	f.Add([]byte("# Breaking Changes\n\n\t| Version | a\n|-|-|\n|a|\\\n# Environment variable changes\na|b\n-|-"), "1.0.0-rc.1+x")
	f.Add([]byte("# Breaking Changes\n|\n--|-\n# Environment Variable Changes\n|\n--|-"), "0.2.0")
	f.Fuzz(func(t *testing.T, text []byte, v string) {
		g, err := Parse("x.md", text)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Line < 1 || at.Line > bytes.Count(text, []byte("\n"))+1 {
				t.Errorf("the error is %#v", err)
			}
			return
		}
		if v, err := decide.ParseVersion(v); err == nil {
			g.Check(v)
			add(t, g, v)
		}
	})
}
