package validation

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// words say a result in a sentence; the results that are not among them are not
// known.
var words = map[record.Result]string{pass: "passed", fail: "failed", notRun: "not run", pending: "pending", notApplicable: "not applicable"}

// Verdict is the outcome of the whole release. It is PASS only where everything
// that was asked for passed, or is not applicable and says why; evidence that is
// missing or about something else was not run. What failed counts whether it was
// asked for or not, and so does what a maintainer overrode.
func Verdict(r Release) record.Result { return verdict(r.matrix()) }

func verdict(groups []group) record.Result {
	found := map[record.Result]bool{}
	for _, g := range groups {
		for _, it := range g.Items {
			if it.Counts {
				found[it.Result] = true
			}
		}
	}
	for _, r := range []record.Result{fail, notRun, pending} {
		if found[r] {
			return r
		}
	}
	if !found[pass] {
		return notRun // nothing was asked for, so nothing was shown
	}
	return pass
}

// tally says the verdict with its counts.
func tally(groups []group) string {
	counts, beside := map[record.Result]int{}, 0
	for _, g := range groups {
		for _, it := range g.Items {
			if it.Counts {
				counts[it.Result]++
			} else {
				beside++
			}
		}
	}
	var parts []string
	for _, r := range []record.Result{pass, fail, notRun, pending, notApplicable} {
		if n := counts[r]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words[r]))
		}
	}
	out := strings.Join(parts, ", ")
	if out == "" {
		out = "nothing was asked for"
	}
	if beside > 0 {
		out += fmt.Sprintf("; %d more not asked for", beside)
	}
	return out
}

// IndexHeader begins the table of all releases' records; [IndexRow] gives its
// rows.
const IndexHeader = "| release | result | date | commit | image |\n|---|---|---|---|---|\n"

// IndexRow is the release's row in the index of records, with its line end. The
// record lies beside the index.
func IndexRow(r Release) string {
	day := ""
	if !r.Record.Finished.IsZero() {
		day = r.Record.Finished.UTC().Format("2006-01-02")
	}
	file := strings.NewReplacer("(", "%28", ")", "%29").Replace(url.PathEscape(Name(r.Plan) + ".md"))
	return fmt.Sprintf("| [%s](%s) | %s | %s | %s | %s |\n", markdown.Literal(r.name()), file, Verdict(r), day, code(short(r.Plan.Commit)), code(r.Digest))
}

// Name is the record's file name without its extension: "v0.4.0-validation".
func Name(p decide.Plan) string { return p.ID() + "-validation" }

// name is what the release is called: its tag, or its channel and commit.
func (r Release) name() string {
	if r.Plan.Ref.Version.IsZero() {
		return string(r.Plan.Ref.Channel) + " " + short(r.Plan.Commit)
	}
	return r.Plan.Ref.Name
}
