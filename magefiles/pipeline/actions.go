package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
)

// What Actions gets of a release: a page with the plan and with what came of
// it, annotations where a gate knows a place, and outputs. Elsewhere none of
// this does anything.

// planPage writes plan and gates to the page of the run.
func (s *Suite) planPage(p decide.Plan) error {
	var page strings.Builder
	fmt.Fprintf(&page, "## %s %s\n\n", markdown.Literal(s.Product.Title), markdown.Literal(p.Ref.Name))
	fmt.Fprintf(&page, "Channel %s, commit `%s`, version %s, image `%s`.\n\n", p.Ref.Channel, p.Commit, p.Version, p.Image)
	page.WriteString(markdown.Table(planTagsHeader, planTags(p)) + "\n")
	page.WriteString(markdown.Table(gatesHeader, gateRows(p.Gates)) + "\n")
	return s.UI.Page(page.String())
}

// outcomePage writes what was published, and hands it to the steps that follow.
func (s *Suite) outcomePage(out outcome) error {
	var page strings.Builder
	fmt.Fprintf(&page, "### Published\n\n`%s@%s`\n\n", out.Plan.Image, out.Digest)
	var rows [][]string
	for _, tag := range out.Moved {
		rows = append(rows, []string{tag, shortDigest(out.Digest.String())})
	}
	if len(rows) == 0 {
		page.WriteString("No tag was made or moved.\n\n")
	} else {
		page.WriteString(markdown.Table([]string{"tag made or moved", "points at"}, rows) + "\n")
	}
	version := out.Plan.Version
	if v := out.Plan.Ref.Version; !v.IsZero() {
		version = v.String()
	}
	return errors.Join(
		s.UI.Page(page.String()),
		s.UI.Output("version", version),
		s.UI.Output("digest", out.Digest.String()),
		s.UI.Output("channel", string(out.Plan.Ref.Channel)),
		s.UI.Output("image", out.Plan.Image+"@"+out.Digest.String()),
	)
}

// warn shows the gates that let a release pass with a warning.
func (s *Suite) warn(ui runner, gates []decide.Gate) {
	for _, g := range gates {
		switch {
		case g.State != decide.Warning:
		case g.File != "":
			s.UI.WarnAt(placeOf(g))
			ui.Println("warning: %s: %s", g.Name, detail(g))
		default:
			ui.Warn("%s: %s", g.Name, detail(g))
		}
	}
}

// placeOf is where the fault of a gate stands.
func placeOf(g decide.Gate) term.Place {
	return term.Place{File: g.File, Line: g.Line, Title: g.Name, Text: g.Detail}
}

// Places are where the faults stand, for annotations.
func (e *Refused) Places() []term.Place {
	out := make([]term.Place, 0, len(e.Gates))
	for _, g := range e.Gates {
		out = append(out, placeOf(g))
	}
	return out
}

// detail says what a gate found and where, and why it was overridden.
func detail(g decide.Gate) string {
	text := g.Detail
	if g.File != "" && !strings.Contains(text, g.File) {
		at := g.File
		if g.Line > 0 {
			at = fmt.Sprintf("%s:%d", g.File, g.Line)
		}
		text = at + ": " + text
	}
	if g.Override != "" {
		text += " (overridden: " + g.Override + ")"
	}
	return text
}

var gatesHeader = []string{"gate", "state", "detail"}

func gateRows(gates []decide.Gate) [][]string {
	rows := make([][]string, 0, len(gates))
	for _, g := range gates {
		rows = append(rows, []string{g.Name, strings.ToUpper(string(g.State)), detail(g)})
	}
	return rows
}

var planTagsHeader = []string{"tag", "kind", "now", "next"}

func planTags(p decide.Plan) [][]string {
	rows := make([][]string, 0, len(p.Tags))
	for _, t := range p.Tags {
		kind, now := "immutable", "-"
		if t.Rolling {
			kind = "rolling"
		}
		if t.Now != "" {
			now = fmt.Sprintf("%s (%s)", shortDigest(t.Now), t.NowIs)
		}
		next := "stays"
		if t.Change {
			next = t.Next
		}
		rows = append(rows, []string{t.Name, kind, now, next})
	}
	return rows
}
