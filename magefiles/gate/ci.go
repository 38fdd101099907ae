package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// CIGate is the name of the gate of [CI].
const CIGate = "ci"

// WorkflowRun is a run of a CI workflow for one commit.
type WorkflowRun struct {
	// Workflow is its display name.
	Workflow string
	// Status is "queued", "in_progress" or "completed"; Conclusion is
	// "success", "failure", "cancelled", … once it is completed.
	Status, Conclusion string
	URL                string
	Created            time.Time
}

// CI wants the latest run of every required workflow to have succeeded. The
// runs are those for exactly this commit; of several runs of a workflow the one
// that was created last counts, and the first of the list where two were
// created in one second: forges list the newest first.
func CI(required []string, commit string, runs []WorkflowRun) decide.Gate {
	g := decide.Gate{Name: CIGate, State: decide.Pass, Detail: "none required"}
	if len(required) == 0 {
		return g
	}
	latest := map[string]WorkflowRun{}
	var seen []string
	for _, r := range runs {
		last, ok := latest[r.Workflow]
		if !ok {
			seen = append(seen, r.Workflow)
		}
		if !ok || r.Created.After(last.Created) {
			latest[r.Workflow] = r
		}
	}
	slices.Sort(seen)

	var urls, faults []string
	missing := false
	for _, name := range required {
		r, ok := latest[name]
		if r.URL != "" {
			urls = append(urls, r.URL)
		}
		switch {
		case !ok:
			missing = true
			faults = append(faults, fmt.Sprintf("%q has no run", name))
		case r.Status != "completed":
			faults = append(faults, fmt.Sprintf("%q is %s%s", name, cmp.Or(r.Status, "in an unknown state"), linked(r.URL)))
		case r.Conclusion != "success":
			faults = append(faults, fmt.Sprintf("%q ended with %s%s", name, cmp.Or(r.Conclusion, "no conclusion"), linked(r.URL)))
		}
	}
	g.Evidence = strings.Join(urls, " ")
	if len(faults) == 0 {
		g.Detail = fmt.Sprintf("%s succeeded for commit %s", list(required, 10), short(commit))
		return g
	}
	g.State = decide.Fail
	g.Detail = fmt.Sprintf("%s must have succeeded for commit %s, but %s", list(required, 10), short(commit), strings.Join(faults, ", "))
	if missing {
		there := "none of any workflow"
		if len(seen) > 0 {
			there = "those of " + list(seen, 10)
		}
		g.Detail += fmt.Sprintf(" (the forge's runs for this commit are %s)", there)
	}
	g.Detail += "; push the commit where it is not pushed, wait for what runs, mend what failed, and try again"
	return g
}

func linked(url string) string {
	if url == "" {
		return ""
	}
	return " (" + url + ")"
}
