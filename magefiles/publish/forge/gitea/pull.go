package gitea

import (
	"context"
	"fmt"
	"net/http"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// OpenPullRequest implements [forge.PullRequests].
func (g *Gitea) OpenPullRequest(ctx context.Context, p forge.PullRequest) (string, error) {
	doing := fmt.Sprintf("opening a pull request of %s into %s", p.Head, p.Base)
	// As with drafts: after a broken connection it is looked for first.
	return retry.Do(ctx, g.retry, func() (string, error) {
		open, err := g.open(ctx, doing, p)
		if err != nil || open != "" {
			return open, err
		}
		made, err := call(ctx, g, doing, func(c *sdk.Client) (*sdk.PullRequest, *sdk.Response, error) {
			return c.CreatePullRequest(g.owner, g.name, sdk.CreatePullRequestOption{Head: p.Head, Base: p.Base, Title: p.Title, Body: p.Body})
		})
		switch {
		case is(err, http.StatusConflict): // somebody else opened it just now
			return "", &retry.Passing{Err: err}
		case is(err, http.StatusNotFound):
			return "", fmt.Errorf("%s: one of them is no branch of %s/%s: push %s first (%w)", doing, g.server, g.repo(), p.Head, err)
		case err != nil:
			return "", lost(err)
		}
		return made.HTMLURL, nil
	})
}

// open gives the page of the open pull request with the same branches, "" where
// there is none. Branches of forks may have the same names.
func (g *Gitea) open(ctx context.Context, doing string, p forge.PullRequest) (string, error) {
	for n := 1; ; n++ {
		got, err := call(ctx, g, doing, func(c *sdk.Client) ([]*sdk.PullRequest, *sdk.Response, error) {
			return c.ListRepoPullRequests(g.owner, g.name, sdk.ListPullRequestsOptions{
				ListOptions: sdk.ListOptions{Page: n, PageSize: page}, State: sdk.StateOpen})
		})
		if err != nil || len(got) == 0 {
			return "", err
		}
		for _, r := range got {
			if r.Head != nil && r.Base != nil && r.Head.RepoID == r.Base.RepoID && r.Head.Ref == p.Head && r.Base.Ref == p.Base {
				return r.HTMLURL, nil
			}
		}
	}
}
