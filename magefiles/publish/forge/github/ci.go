package github

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v75/github"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Runs implements [forge.CI]. They come ordered by the workflows' names.
func (g *GitHub) Runs(ctx context.Context, commit string) ([]forge.Run, error) {
	latest := map[string]*github.WorkflowRun{}
	for page := 1; page != 0; {
		list, res, err := g.client.Actions.ListRepositoryWorkflowRuns(ctx, g.owner, g.name, &github.ListWorkflowRunsOptions{
			HeadSHA: commit, ListOptions: github.ListOptions{Page: page, PerPage: perPage},
		})
		if err != nil {
			return nil, g.explain("listing the workflow runs of commit "+commit, actions, err)
		}
		for _, r := range list.WorkflowRuns {
			if r.GetHeadSHA() != commit {
				continue
			}
			if old := latest[r.GetName()]; old == nil || newer(r, old) {
				latest[r.GetName()] = r
			}
		}
		page = res.NextPage
	}
	var out []forge.Run
	for _, name := range slices.Sorted(maps.Keys(latest)) {
		r := latest[name]
		out = append(out, forge.Run{
			Workflow: name, Status: r.GetStatus(), Conclusion: r.GetConclusion(), URL: r.GetHTMLURL(), Created: r.GetCreatedAt().UTC(),
		})
	}
	return out, nil
}

func newer(a, b *github.WorkflowRun) bool {
	if c := a.GetCreatedAt().Compare(b.GetCreatedAt().Time); c != 0 {
		return c > 0
	}
	return a.GetID() > b.GetID()
}

// OpenPullRequest implements [forge.PullRequests].
func (g *GitHub) OpenPullRequest(ctx context.Context, p forge.PullRequest) (string, error) {
	doing := fmt.Sprintf("opening a pull request from %s to %s", p.Head, p.Base)
	link, err := again(ctx, g, func() (string, error) {
		open, _, err := g.client.PullRequests.List(ctx, g.owner, g.name, &github.PullRequestListOptions{
			State: "open", Head: g.owner + ":" + p.Head, Base: p.Base, ListOptions: github.ListOptions{PerPage: perPage},
		})
		if err != nil {
			return "", err
		}
		for _, found := range open {
			// An unknown head is ignored by the filter.
			if found.GetHead().GetRef() == p.Head && found.GetBase().GetRef() == p.Base {
				return found.GetHTMLURL(), nil
			}
		}
		made, _, err := g.client.PullRequests.Create(ctx, g.owner, g.name, &github.NewPullRequest{
			Title: &p.Title, Head: &p.Head, Base: &p.Base, Body: &p.Body,
		})
		return made.GetHTMLURL(), unsure(err)
	})
	var answer *github.ErrorResponse
	if errors.As(err, &answer) && status(err) == http.StatusUnprocessableEntity {
		for _, e := range answer.Errors {
			if strings.HasPrefix(e.Message, "No commits between") {
				return "", fmt.Errorf("%s: %s holds nothing that %s lacks: push the commits first, or there is nothing to merge", doing, p.Head, p.Base)
			}
			if e.Field == "head" || e.Field == "base" {
				return "", fmt.Errorf("%s: GitHub knows no branch %s: push it first (%w)", doing, map[string]string{"head": p.Head, "base": p.Base}[e.Field], err)
			}
		}
	}
	return link, g.explain(doing, pulls, err)
}
