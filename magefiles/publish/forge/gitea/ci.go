package gitea

import (
	"context"
	"net/http"
	"slices"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// page is what the server gives at once at most, as it is configured by
// default.
const page = 50

// Runs implements [forge.CI]. Gitea from 1.26 on lists runs by commit, with
// their workflow's file but not its display name: that is the one which the
// file has on the default branch, and the file's own name where it is not there.
// Older ones and Forgejo are asked for the commit's statuses instead, one for
// each job: a workflow is as good as its worst job.
func (g *Gitea) Runs(ctx context.Context, commit string) ([]forge.Run, error) {
	const doing = "asking for the workflows' runs"
	var all []*sdk.ActionWorkflowRun
	for n := 1; ; n++ {
		got, err := call(ctx, g, doing, func(c *sdk.Client) (*sdk.ActionWorkflowRunsResponse, *sdk.Response, error) {
			return c.ListRepoActionRuns(g.owner, g.name, sdk.ListRepoActionRunsOptions{
				ListOptions: sdk.ListOptions{Page: n, PageSize: page}, HeadSHA: commit})
		})
		if is(err, http.StatusNotFound) {
			return g.statuses(ctx, commit)
		}
		if err != nil {
			return nil, err
		}
		// Forgejo's list has this address and another form.
		if slices.ContainsFunc(got.WorkflowRuns, func(r *sdk.ActionWorkflowRun) bool { return r.HeadSha == "" }) {
			return g.statuses(ctx, commit)
		}
		all = append(all, got.WorkflowRuns...)
		if len(got.WorkflowRuns) == 0 || int64(len(all)) >= got.TotalCount {
			break
		}
	}
	names, err := g.workflows(ctx)
	if err != nil {
		return nil, err
	}
	latest := map[string]*sdk.ActionWorkflowRun{}
	for _, r := range all {
		file, _, _ := strings.Cut(r.Path, "@")
		if have := latest[file]; r.HeadSha == commit && (have == nil || r.ID > have.ID) {
			latest[file] = r
		}
	}
	var out []forge.Run
	for file, r := range latest {
		name := names[file]
		if name == "" {
			name = file
		}
		run := forge.Run{Workflow: name, Status: r.Status, Conclusion: r.Conclusion, URL: r.HTMLURL, Created: r.StartedAt.UTC()}
		if r.Status == "waiting" { // for another run or an approval
			run.Status = "queued"
		}
		out = append(out, run)
	}
	return sorted(out), nil
}

func sorted(runs []forge.Run) []forge.Run {
	slices.SortFunc(runs, func(a, b forge.Run) int { return strings.Compare(a.Workflow, b.Workflow) })
	return runs
}

// workflows are the display names on the default branch, by file name.
func (g *Gitea) workflows(ctx context.Context) (map[string]string, error) {
	got, err := call(ctx, g, "asking for the workflows' names", func(c *sdk.Client) (*sdk.ActionWorkflowResponse, *sdk.Response, error) {
		return c.ListRepoActionWorkflows(g.owner, g.name)
	})
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, w := range got.Workflows {
		names[w.ID] = w.Name
	}
	return names, nil
}

// statuses reads runs out of the statuses that the server's Actions set on a
// commit. Their contexts are "Workflow / job (event)".
func (g *Gitea) statuses(ctx context.Context, commit string) ([]forge.Run, error) {
	var all []*sdk.Status
	for n := 1; ; n++ {
		got, err := call(ctx, g, "asking for the commit's statuses", func(c *sdk.Client) ([]*sdk.Status, *sdk.Response, error) {
			return c.ListStatuses(g.owner, g.name, commit, sdk.ListStatusesOption{ListOptions: sdk.ListOptions{Page: n, PageSize: page}})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
		if len(got) == 0 {
			break
		}
	}
	last := map[string]*sdk.Status{} // a job's statuses follow each other
	for _, s := range all {
		if have := last[s.Context]; have == nil || s.ID > have.ID {
			last[s.Context] = s
		}
	}
	runs := map[string]forge.Run{}
	for _, s := range last {
		name, _, ok := strings.Cut(s.Context, " / ")
		if !ok {
			continue // set by something else
		}
		run := forge.Run{Workflow: name, Status: "completed", Conclusion: "success", URL: s.TargetURL, Created: s.Created.UTC()}
		switch s.State {
		case sdk.StatusPending:
			run.Status, run.Conclusion = "in_progress", ""
		case sdk.StatusFailure, sdk.StatusError:
			run.Conclusion = "failure"
		default: // success, warning and skipped
		}
		if have, ok := runs[name]; !ok || worse(run, have) {
			runs[name] = run
		}
	}
	out := make([]forge.Run, 0, len(runs))
	for _, r := range runs {
		out = append(out, r)
	}
	return sorted(out), nil
}

// worse puts a failure before what still runs, and that before a success.
func worse(a, b forge.Run) bool {
	rank := func(r forge.Run) int {
		switch {
		case r.Conclusion == "failure":
			return 2
		case r.Status != "completed":
			return 1
		}
		return 0
	}
	return rank(a) > rank(b)
}
