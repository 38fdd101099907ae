// Package manual reads and writes the file in which people say what they
// checked before a release, such as docs/releases/gates/v0.4.0.yaml. It does no
// I/O.
package manual

import (
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The statuses that a gate may have.
const (
	// Pass: it was shown. Nothing else lets a release go on unnoticed.
	Pass = "PASS"
	// Fail: it was checked, and it does not hold.
	Fail = "FAIL"
	// Pending: nobody has finished checking it.
	Pending = "PENDING"
	// NotRun: it was decided not to check it.
	NotRun = "NOT_RUN"
	// NotApplicable: it means nothing for this release.
	NotApplicable = "NOT_APPLICABLE"
)

// File is what people say about one version. The zero value stands for a file
// that is not there.
type File struct {
	Version decide.Version
	// Gates in the order of the file, each name once.
	Gates []Gate
}

// Gate is what people say about one gate. All texts are on one line, and ""
// where nothing is said.
type Gate struct {
	Name string
	// Status is one of the constants.
	Status string
	// Evidence says where the proof lies: a URL, a digest or a path.
	Evidence string
	// Who checked it, and When: YYYY-MM-DD or RFC 3339.
	Who  string
	When string
	// Reason says why a gate is not applicable, was not run or failed.
	Reason string
	// Line is where the gate begins in the file, counted from 1.
	Line int
}

// Error is a fault in the file.
type Error struct {
	File    string
	Line    int
	Problem string
}

// Error gives "v0.4.0.yaml:12: problem".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// Place is where the fault stands, for annotations.
func (e *Error) Place() (file string, line int) { return e.File, e.Line }

const header = `# Manual gates of %s: what people check before it is released.
#
# For each gate write a status, and with PASS where the evidence lies (a URL, a
# digest or a path), who checked it, and when (YYYY-MM-DD or RFC 3339).
#
#   PASS            it was shown; the only status that passes
#   FAIL            it was checked, and it does not hold
#   PENDING         nobody has finished checking it
#   NOT_RUN         it was decided not to check it
#   NOT_APPLICABLE  it means nothing for this release: say why (reason) and who
#                   decided it; shown as a warning
version: %s
gates:`

// New gives the file of a version, for people to fill in: every gate is
// pending, below a comment with what has to be shown.
func New(v decide.Version, gates []product.ManualGate) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, header, v.Tag(), v)
	if len(gates) == 0 {
		b.WriteString(" []\n")
		return []byte(b.String())
	}
	b.WriteString("\n")
	for i, g := range gates {
		if i > 0 {
			b.WriteString("\n")
		}
		for line := range strings.Lines(g.Ask) {
			fmt.Fprintf(&b, "  # %s\n", strings.TrimSpace(line))
		}
		fmt.Fprintf(&b, "  - name: %q\n    status: %s\n", g.Name, Pending)
		for _, field := range []string{"evidence", "who", "when", "reason"} {
			fmt.Fprintf(&b, "    %s: \"\"\n", field)
		}
	}
	return []byte(b.String())
}

// Evaluate gives one gate for each that is wanted, in that order, and then for
// each that the file has besides: those have to hold as well. Only PASS with
// evidence, who and when passes; NOT_APPLICABLE with a reason and who is a
// warning; everything else fails, and so does a gate that the file lacks.
func (f File) Evaluate(file string, want []product.ManualGate) []decide.Gate {
	said := map[string]Gate{}
	for _, g := range f.Gates {
		said[g.Name] = g
	}
	var out []decide.Gate
	for _, w := range want {
		g, ok := said[w.Name]
		if ok {
			out = append(out, g.evaluate(file, w.Ask))
			delete(said, w.Name)
			continue
		}
		missing := fmt.Sprintf("%s says nothing about %q: add it with its status", file, w.Name)
		if f.Version.IsZero() {
			missing = fmt.Sprintf("%s is not there: commit it, with the status of %q", file, w.Name)
		}
		out = append(out, decide.Gate{Name: gateName(w.Name), State: decide.Fail, File: file, Detail: missing + asked(w.Ask)})
	}
	for _, g := range f.Gates {
		if _, left := said[g.Name]; left {
			out = append(out, g.evaluate(file, ""))
		}
	}
	return out
}

func gateName(name string) string { return "manual: " + name }

// asked reminds of what has to be shown.
func asked(ask string) string {
	if ask == "" {
		return ""
	}
	return " (" + strings.TrimSuffix(ask, ".") + ")"
}

func (g Gate) evaluate(file, ask string) decide.Gate {
	out := decide.Gate{Name: gateName(g.Name), State: decide.Fail, File: file, Line: g.Line, Evidence: g.Evidence}
	because := ""
	if g.Reason != "" {
		because = ": " + strings.TrimSuffix(g.Reason, ".")
	}
	switch g.Status {
	case Pass:
		if lacks := g.lacks("evidence", "who", "when"); lacks != "" {
			out.Detail = fmt.Sprintf("the status is PASS, but %s: fill it in, or set the status back to PENDING", lacks)
			return out
		}
		out.State = decide.Pass
		out.Detail = fmt.Sprintf("checked by %s on %s", g.Who, g.When)
	case NotApplicable:
		if lacks := g.lacks("reason", "who"); lacks != "" {
			out.Detail = fmt.Sprintf("the status is NOT_APPLICABLE, but %s: fill it in", lacks)
			return out
		}
		out.State = decide.Warning
		out.Detail = fmt.Sprintf("not applicable, says %s%s", g.Who, because)
	case Fail:
		out.Detail = fmt.Sprintf("it does not hold%s: repair the cause and check it again%s", because, asked(ask))
	case NotRun:
		out.Detail = fmt.Sprintf("it was not run%s: check it and write PASS with evidence, who and when%s", because, asked(ask))
	default:
		out.Detail = fmt.Sprintf("it is pending%s: check it and write PASS with evidence, who and when%s", because, asked(ask))
	}
	return out
}

// lacks says which of the fields are empty, or "".
func (g Gate) lacks(fields ...string) string {
	var empty []string
	for _, name := range fields {
		if *g.field(name) == "" {
			empty = append(empty, name)
		}
	}
	switch len(empty) {
	case 0:
		return ""
	case 1:
		return empty[0] + " is empty"
	}
	last := len(empty) - 1
	return strings.Join(empty[:last], ", ") + " and " + empty[last] + " are empty"
}

// field gives the place of a field by its name in the file, or nil.
func (g *Gate) field(name string) *string {
	switch name {
	case "name":
		return &g.Name
	case "status":
		return &g.Status
	case "evidence":
		return &g.Evidence
	case "who":
		return &g.Who
	case "when":
		return &g.When
	case "reason":
		return &g.Reason
	}
	return nil
}
