package upgrading

import (
	"strings"
	"testing"
)

// guide writes one with rows of a table, the same in both.
func guide(end string, rows ...string) string {
	body := strings.Join(rows, "\n") + "\n"
	text := "# Upgrading\n\n## Breaking Changes\n\n| Version | Change |\n|---|---|\n" + body +
		"\nText between.\n\n## Environment Variable Changes\n\n| Version | Change |\n|---|---|\n" + body
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n")+"\n", "\n", end)
}

// A hotfix's rows get into the main branch's guide, and nothing else does.
func TestSplitInsert(t *testing.T) {
	for name, c := range map[string]struct {
		theirs, ours, rest, merged []string
	}{
		"ascending":       {[]string{"| 0.1.0 | a |", "| 0.1.1 | fix |", "| | and more |"}, []string{"| 0.1.0 | a |", "| 0.2.0 | b |"}, []string{"| 0.1.0 | a |"}, []string{"| 0.1.0 | a |", "| 0.1.1 | fix |", "| | and more |", "| 0.2.0 | b |"}},
		"descending":      {[]string{"| 0.1.1 | fix |", "| 0.1.0 | a |", "| 0.0.9 | z |"}, []string{"| 0.2.0 | b |", "| 0.1.0 | a |", "| 0.0.9 | z |"}, []string{"| 0.1.0 | a |", "| 0.0.9 | z |"}, []string{"| 0.2.0 | b |", "| 0.1.1 | fix |", "| 0.1.0 | a |", "| 0.0.9 | z |"}},
		"there already":   {[]string{"| 0.1.0 | a |", "| 0.1.1 | fix |"}, []string{"| 0.1.0 | a |", "| 0.1.1 | mine |"}, []string{"| 0.1.0 | a |", "| 0.1.1 | fix |"}, []string{"| 0.1.0 | a |", "| 0.1.1 | mine |"}},
		"at the very end": {[]string{"| 0.1.0 | a |", "| 0.1.1 | fix |"}, []string{"| 0.1.0 | a |"}, []string{"| 0.1.0 | a |"}, []string{"| 0.1.0 | a |", "| 0.1.1 | fix |"}},
	} {
		for _, end := range []string{"\n", "\r\n"} {
			theirs, err := Parse("theirs", []byte(guide("\n", c.theirs...)))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := Parse("ours", []byte(guide(end, c.ours...)))
			if err != nil {
				t.Fatal(err)
			}
			rest, rows := theirs.Split(ours)
			if want := guide("\n", c.rest...); string(rest) != want {
				t.Errorf("%s: what is left is\n%s\nwant\n%s", name, rest, want)
			}
			got, err := ours.Insert(rows)
			if want := guide(end, c.merged...); err != nil || string(got) != want {
				t.Errorf("%s: the guide is\n%q\n%v, want\n%q", name, got, err, want)
			}
			again, err := Parse("", got)
			if err != nil {
				t.Fatal(err)
			}
			if twice, err := again.Insert(rows); err != nil || string(twice) != string(got) {
				t.Errorf("%s: a second time changes it: %v\n%s", name, err, twice)
			}
		}
	}
}
