package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-github/v75/github"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// The permissions as GitHub calls them.
const (
	contents     = "contents: write"
	contentsRead = "contents: read"
	actions      = "actions: read"
	pulls        = "pull-requests: write"
	discussions  = "discussions: write"
)

// again does op until no request of it is cut off. An op looks at what is there
// before it acts, so that a further round does what the last one left undone.
func again[T any](ctx context.Context, g *GitHub, op func() (T, error)) (T, error) {
	return retry.Do(ctx, g.retry, op)
}

// unsure makes the error of a changing request one that passes, where nobody
// knows whether it was carried out.
func unsure(err error) error {
	switch status(err) {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return &retry.Passing{Err: err}
	}
	if retry.Broken(err) {
		return &retry.Passing{Err: err}
	}
	return err
}

// refusal is an answer of GitHub that is an error. Its status is 0 where the
// error is none.
type refusal struct {
	status  int
	header  http.Header
	message string
}

func answered(err error) refusal {
	var (
		answer *github.ErrorResponse
		limit  *github.RateLimitError
		abuse  *github.AbuseRateLimitError
	)
	switch {
	case errors.As(err, &limit):
		return refusal{limit.Response.StatusCode, limit.Response.Header, limit.Message}
	case errors.As(err, &abuse):
		return refusal{abuse.Response.StatusCode, abuse.Response.Header, abuse.Message}
	case errors.As(err, &answer):
		return refusal{answer.Response.StatusCode, answer.Response.Header, answer.Message}
	}
	return refusal{}
}

// limited tells whether the rate of requests alone was the reason.
func (r refusal) limited(now time.Time) (time.Duration, bool) {
	said, _ := json.Marshal(map[string]string{"message": r.message}) // of strings alone: cannot fail
	return retry.GitHubLimit(&http.Response{StatusCode: r.status, Header: r.header}, said, now)
}

func status(err error) int { return answered(err).status }

// refused tells whether GitHub said no with this code for this field, such as
// "already_exists" for "tag_name".
func refused(err error, field, code string) bool {
	var answer *github.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	for _, e := range answer.Errors {
		if e.Field == field && e.Code == code {
			return true
		}
	}
	return false
}

// explain turns an answer into an error for the person who reads it: doing is
// what was tried, with a gerund, needs the permission for it.
func (g *GitHub) explain(doing, needs string, err error) error {
	var done *forge.PermissionError
	if err == nil || errors.As(err, &done) {
		return err
	}
	repo := g.owner + "/" + g.name
	said := answered(err)
	if after, limited := said.limited(g.retry.Now()); limited {
		return fmt.Errorf("%s: GitHub limits the rate of requests (%d: %s): run this again in %v, it goes on where it stopped",
			doing, said.status, said.message, after.Round(time.Second))
	}
	switch said.status {
	case http.StatusUnauthorized:
		err = fmt.Errorf("GitHub does not accept the token in GITHUB_TOKEN, it is wrong, has expired or was revoked: %w", err)
	case http.StatusForbidden:
		if accepted := said.header.Get("X-Accepted-Github-Permissions"); accepted != "" {
			err = fmt.Errorf("GitHub asks for %s: %w", accepted, err)
		}
	case http.StatusNotFound:
		err = fmt.Errorf("GitHub answers 404 where there is no %s as well as where the token may not see or change it: %w", repo, err)
	default:
		return fmt.Errorf("%s in %s: %w", doing, repo, err)
	}
	return &forge.PermissionError{Doing: doing, Needs: needs, Err: err}
}
