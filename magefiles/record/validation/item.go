package validation

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// The results of an item, and of a whole release.
const (
	pass          = record.Pass
	fail          = record.Fail
	notRun        = record.NotRun
	pending       = record.Pending
	notApplicable = record.NotApplicable
)

// item is one row of the matrix.
type item struct {
	// ID is the row's anchor in the page.
	ID     string
	Name   string
	Result record.Result
	// Seen is what was found, Note what is to be said besides: that the policy
	// did not ask for it, or why a maintainer went on.
	Seen, Note string
	// Evidence is where the proof lies: a URL, a path, or the digest of the
	// record in the bundle; "" where there is none.
	Evidence string
	// Who checked a manual gate, When, and the Reason of a status.
	Who, When, Reason string
	Took              time.Duration
	// Counts is false for what is shown and decides nothing.
	Counts bool
	// tried is the evidence that the row was made of; nil for gates.
	tried *record.Evidence
}

// group is a part of the matrix.
type group struct {
	ID, Title string
	Items     []item
}

// matrix gives everything that was asked for or tried, in groups. The groups
// are never empty.
func (r Release) matrix() []group {
	groups := []group{
		{ID: "gates", Title: "Gates", Items: r.gates()},
		{ID: "manual", Title: "Manual gates", Items: r.manualGates()},
	}
	for _, it := range r.tries() {
		groups = add(groups, it)
	}
	groups = append(groups, group{ID: "published", Title: "Publication", Items: r.published()})
	groups = slices.DeleteFunc(groups, func(g group) bool { return len(g.Items) == 0 })
	n := 0
	for i := range groups {
		for j := range groups[i].Items {
			n++
			groups[i].Items[j].ID = fmt.Sprintf("item-%d", n)
		}
	}
	return groups
}

// titles are those of the groups, by the kind of evidence.
var titles = map[record.Kind]string{
	record.Gate: "Gates", record.Test: "Tests", record.Smoke: "Smoke journeys", record.Drill: "Drills", record.Scan: "Scans",
}

// add puts an item into the group of its kind; of one that has no evidence, the
// name tells the kind.
func add(groups []group, it item) []group {
	kind, _, _ := strings.Cut(it.Name, ":")
	if it.tried != nil {
		kind = string(it.tried.Kind)
	}
	title := cmp.Or(titles[record.Kind(kind)], "Other")
	for i := range groups {
		if groups[i].Title == title {
			groups[i].Items = append(groups[i].Items, it)
			return groups
		}
	}
	return append(groups, group{ID: strings.ToLower(strings.Fields(title)[0]), Title: title, Items: []item{it}})
}

// gates are the plan's, less those that repeat what people say.
func (r Release) gates() []item {
	var out []item
	for _, g := range r.Plan.Gates {
		if strings.HasPrefix(g.Name, manualPrefix) {
			continue
		}
		it := item{Name: g.Name, Seen: g.Detail, Evidence: g.Evidence, Counts: true}
		switch {
		case g.State == decide.Pass:
			it.Result = pass
		case g.Override != "":
			it.Result = fail
			it.Note = "A maintainer went on all the same, because: " + g.Override
		case g.State == decide.Warning: // it would refuse on another channel
			it.Result = notApplicable
		default:
			it.Result = fail
		}
		out = append(out, it)
	}
	return out
}

const manualPrefix = "manual: "

// manualGates are those that are asked for, and all others that the file has.
func (r Release) manualGates() []item {
	var out []item
	evaluated := r.Manual.Evaluate(r.ManualPath, r.ManualAsked)
	for _, e := range evaluated {
		name := strings.TrimPrefix(e.Name, manualPrefix)
		it := item{Name: name, Seen: e.Detail, Counts: true, Result: notRun}
		i := slices.IndexFunc(r.Manual.Gates, func(g manual.Gate) bool { return g.Name == name })
		if i >= 0 {
			g := r.Manual.Gates[i]
			it.Result, it.Evidence, it.Who, it.When, it.Reason = known(record.Result(g.Status)), g.Evidence, g.Who, g.When, g.Reason
			// What is claimed without what belongs to it was not finished.
			if e.State == decide.Fail && (g.Status == manual.Pass || g.Status == manual.NotApplicable) {
				it.Result = pending
			}
		}
		out = append(out, it)
	}
	return out
}

// tries are the evidence of the release, what is missing of it, and the
// candidate's.
func (r Release) tries() []item {
	var out []item
	for _, e := range r.Evidence {
		asked := slices.ContainsFunc(r.Asked, func(name string) bool { return answers(e, name) })
		it := tried(e)
		it.Counts = asked || it.Result == fail
		switch {
		case e.Digest != "" && e.Digest != r.Digest:
			it.Note = fmt.Sprintf("This is about %s and shows nothing of %s.", short(e.Digest), cmp.Or(short(r.Digest), "an image that is not built"))
			it.Result = notRun
		case e.Commit != "" && e.Commit != r.Plan.Commit:
			it.Note = fmt.Sprintf("This is about commit %s and shows nothing of %s.", short(e.Commit), short(r.Plan.Commit))
			it.Result = notRun
		case it.Result == notApplicable && strings.TrimSpace(e.Summary) == "":
			it.Note = "Nobody says why it does not apply."
			it.Result = notRun
		}
		if !asked {
			it.Note = strings.TrimSpace(it.Note + " Not asked for.")
		}
		out = append(out, it)
	}
	for _, name := range r.Asked {
		if !slices.ContainsFunc(r.Evidence, func(e record.Evidence) bool { return answers(e, name) }) {
			out = append(out, item{Name: name, Result: notRun, Counts: true, Seen: "The policy asks for it, and there is no evidence of it."})
		}
	}
	if c := r.Candidate; c != nil {
		for _, e := range c.Evidence {
			it := tried(e)
			it.Name = fmt.Sprintf("%s of %s", it.Name, c.Tag)
			it.Note = "The candidate's."
			out = append(out, it)
		}
	}
	return out
}

// label names evidence as release:verify does: "drill:restore@compose".
func label(e record.Evidence) string {
	if e.Stack == "" {
		return e.Name
	}
	return e.Name + "@" + e.Stack
}

// answers is true for evidence of what was asked for: "drill:restore" on any
// kind of stack, "drill:restore@compose" on that one.
func answers(e record.Evidence, asked string) bool {
	name, stack, on := strings.Cut(asked, "@")
	return e.Name == name && (!on || e.Stack == stack)
}

// known gives a result that is none of ours as NOT_RUN: it shows nothing.
func known(r record.Result) record.Result {
	if _, ok := words[r]; !ok {
		return notRun
	}
	return r
}

// tried makes the item of a piece of evidence. Its digest is that of its record
// in the bundle.
func tried(e record.Evidence) item {
	it := item{Name: label(e), Result: e.Result, Seen: e.Summary, tried: &e}
	if e.Finished.After(e.Started) && !e.Started.IsZero() {
		it.Took = e.Finished.Sub(e.Started)
	}
	it.Result = known(e.Result)
	if it.Result != e.Result {
		it.Note = fmt.Sprintf("Its result %q is none that is known.", e.Result)
	}
	if text, err := e.Encode(); err == nil {
		it.Evidence = fmt.Sprintf("sha256:%x", sha256.Sum256(text))
	}
	e.Steps = slices.Clone(e.Steps)
	for i := range e.Steps {
		e.Steps[i].Result = known(e.Steps[i].Result)
	}
	return it
}

// published is whether what was published was verified; nothing where nothing is.
func (r Release) published() []item {
	if r.Record.Finished.IsZero() {
		return nil
	}
	it := item{Name: "release:verify", Result: notRun, Counts: true}
	v := r.verified()
	switch {
	case r.Record.Digest != r.Digest:
		it.Seen = fmt.Sprintf("The record is about %s, this is %s.", cmp.Or(r.Record.Digest, "no image"), cmp.Or(r.Digest, "not built"))
	case v == nil || len(v.Checks) == 0:
		it.Seen = "Nothing was read back and verified."
	case !v.Passed:
		it.Result = fail
		for _, c := range v.Checks {
			if !c.Pass {
				it.Seen = strings.TrimSpace(it.Seen + fmt.Sprintf(" %s, %s: %s.", c.Subject, c.Name, strings.TrimSuffix(c.Detail, ".")))
			}
		}
	default:
		it.Result = pass
		it.Seen = fmt.Sprintf("%d checks passed on what the registry gives out.", len(v.Checks))
	}
	return []item{it}
}

// Tried is true for what has steps and a place on the timeline.
func (it item) Tried() bool { return it.tried != nil }

// Facts are what the evidence names besides, in alphabetical order.
func (it item) Facts() []fact {
	if it.tried == nil {
		return nil
	}
	var out []fact
	for _, f := range []fact{{What: "stack", Text: it.tried.Stack}, {What: "platform", Text: it.tried.Platform}} {
		if f.Text != "" {
			out = append(out, f)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(it.tried.Facts)) {
		out = append(out, fact{What: key, Text: it.tried.Facts[key]})
	}
	return out
}

// Logs are those that lie beside the evidence.
func (it item) Logs() []record.LogFile {
	if it.tried == nil {
		return nil
	}
	return it.tried.Logs
}
