package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// tampering is a row of the table: what somebody does to a release, and what is
// said about it.
type tampering struct {
	what string
	// do changes a copy of what is published. Before makes what has to be there
	// beside it.
	do, before func(c *copied)
	// bare has the registry without a referrers API.
	bare bool
	// ask is what both judges are asked; the zero value asks about the page's
	// files. Scan asks the scan gate.
	ask  question
	scan bool
	// us is part of what we say, cosign of what cosign or sha256sum says: parts
	// with " … " between them.
	us, cosign string
	// blind says why cosign cannot see it, where it cannot.
	blind string
}

// TestTampering does each thing of the table to a copy of a release that was
// signed keyless: this suite refuses it with a sentence, and so does cosign's
// command line, asked as docs/verify.md has a user ask it. Of an untouched copy
// both accept the same commands. The table stands in docs/tampering.md.
func TestTampering(t *testing.T) {
	g := makeGenuine(t)
	sections := []struct {
		title string
		rows  []tampering
	}{
		{"The image and what is attached to it", imageRows(g)},
		{"Who signed, when, and what", proofRows(g)},
		{"The files of the release page", pageRows(g)},
		{"The scan gate", scanGateRows()},
	}
	n := 0
	for _, s := range sections {
		n += len(s.rows)
	}
	if n < 30 {
		t.Errorf("the table has %d rows", n)
	}
	untouched := map[string]tampering{}
	for _, s := range sections {
		for _, row := range s.rows {
			if key := fmt.Sprint(row.ask, row.ask.on, row.ask.image, row.ask.require, row.ask.key, row.bare, row.scan); row.before == nil {
				untouched[key] = row
			}
		}
	}
	t.Run("untouched", func(t *testing.T) {
		for _, row := range untouched {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				c := g.copy(t, row.bare)
				row.accepted(t, c)
			})
		}
	})
	t.Run("tampered", func(t *testing.T) {
		for _, s := range sections {
			for _, row := range s.rows {
				t.Run(row.what, func(t *testing.T) {
					t.Parallel()
					row.refused(t, g.copy(t, row.bare))
				})
			}
		}
	})
	var out strings.Builder
	short := strings.NewReplacer("|", "\\|", "https://github.com/example/tiny/.github/workflows/", "…/", "https://github.com/evil/tiny/.github/workflows/", "…/evil/…/")
	for _, s := range sections {
		fmt.Fprintf(&out, "## %s\n| what is changed | we say | cosign |\n|---|---|---|\n", s.title)
		for _, row := range s.rows {
			theirs := fmt.Sprintf("`%s`: %s", row.question(), row.cosign)
			if row.blind != "" {
				theirs = "cannot see it: " + row.blind
			}
			fmt.Fprintf(&out, "| %s | %s | %s |\n", row.what, short.Replace(row.us), short.Replace(theirs))
		}
		out.WriteString("\n")
	}
	doc := filepath.Join(root(t), "docs", "tampering.md")
	text, err := os.ReadFile(doc)
	ok(t, err)
	head, _, found := strings.Cut(string(text), tableMark)
	if !found {
		t.Fatalf("%s has no line %q", doc, tableMark)
	}
	testkit.Golden(t, doc, head+tableMark+"\n"+strings.TrimRight(out.String(), "\n")+"\n")
}

// tableMark stands above the table, which the test writes.
const tableMark = "<!-- what follows is written by TestTampering -update -->"

// question words what cosign is asked.
func (row tampering) question() string {
	if row.ask.image != "" {
		return row.ask.String()
	}
	switch {
	case strings.HasSuffix(row.cosign, ": FAILED"):
		return "sha256sum --check"
	case len(row.ask.more) > 0:
		return "cosign verify-blob " + row.ask.more[0]
	}
	return "cosign verify-blob"
}

// accepted wants both judges to accept a copy.
func (row tampering) accepted(t *testing.T, c *copied) {
	t.Helper()
	if row.scan {
		c.scanned()
		ok(t, c.gate())
		return
	}
	ok(t, c.us(row.ask))
	if out, err := c.cosign(row.ask); err != nil {
		t.Fatalf("cosign refuses what is genuine: %v\n%s", err, out)
	}
}

// refused wants both judges to refuse a copy that was tampered with.
func (row tampering) refused(t *testing.T, c *copied) {
	t.Helper()
	if row.scan {
		c.scanned()
		row.do(c)
		err := c.gate()
		t.Logf("we say: %v", err)
		says(t, err, pieces(row.us)...)
		return
	}
	if row.before != nil {
		row.before(c)
		row.accepted(t, c)
	}
	row.do(c)
	err := c.us(row.ask)
	out, theirs := c.cosign(row.ask)
	t.Logf("we say: %v\ncosign says: %s", err, out[:min(len(out), 900)])
	if err == nil {
		t.Error("we accept it")
	}
	says(t, err, pieces(row.us)...)
	switch {
	case row.blind != "" && theirs != nil:
		t.Errorf("cosign sees it, against what the row says: %v", theirs)
	case row.blind == "" && theirs == nil:
		t.Error("cosign accepts it")
	case row.blind == "":
		says(t, errors.New(out), pieces(row.cosign)...)
	}
}

func pieces(text string) []string { return strings.Split(text, " … ") }
