package gitea

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Checkout stands in for actions/checkout: it fetches all branches and tags
// with the job's token and checks out what was pushed.
const Checkout = `name: Checkout
runs:
  using: composite
  steps:
    - shell: bash
      env:
        TOKEN: ${{ github.token }}
      run: |
        git init -q .
        export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader
        GIT_CONFIG_VALUE_0="Authorization: Basic $(printf 'x:%s' "$TOKEN" | base64 -w0)"
        export GIT_CONFIG_VALUE_0
        git fetch -q "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
        git remote add origin "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"
        git checkout -q "$GITHUB_SHA"
`

// NewAction puts an action on the server, under a name such as
// "actions/checkout", for `uses: actions/checkout@REF` with each of the refs.
// They become tags and may look like commits, so that a workflow that pins its
// actions runs as it is.
func (s *Server) NewAction(ctx context.Context, name, actionYML string, refs ...string) error {
	organisation, repo, _ := strings.Cut(name, "/")
	doing := fmt.Sprintf("making the action %s: ", name)
	if err := s.Call(ctx, http.MethodGet, "/orgs/"+organisation, nil, nil); err != nil {
		if err := s.Call(ctx, http.MethodPost, "/orgs", map[string]any{"username": organisation}, nil); err != nil {
			return fmt.Errorf("%s%w", doing, err)
		}
	}
	if err := s.Call(ctx, http.MethodPost, "/orgs/"+organisation+"/repos", map[string]any{"name": repo}, nil); err != nil {
		return fmt.Errorf("%s%w", doing, err)
	}
	dir, err := os.MkdirTemp(s.dir, "action-")
	if err != nil {
		return fmt.Errorf("%s%w", doing, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // goes with the server
	if err := os.WriteFile(filepath.Join(dir, "action.yml"), []byte(actionYML), 0o600); err != nil {
		return fmt.Errorf("%s%w", doing, err)
	}
	refspecs := []string{"HEAD:refs/heads/main"}
	for _, ref := range refs {
		refspecs = append(refspecs, "HEAD:refs/tags/"+ref)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=test", "-c", "user.email=test@localhost.invalid", "-c", "commit.gpgsign=false", "commit", "-q", "-m", name}} {
		if err := run.Do(ctx, run.Cmd{Name: "git", Args: args, Dir: dir}); err != nil {
			return fmt.Errorf("%s%w", doing, err)
		}
	}
	return s.Push(ctx, dir, s.url+"/"+name, refspecs...)
}

// SetSecret gives the workflows of a repository of [Admin]'s a secret. The token
// that a job has by itself cannot write packages: push images with one of
// [Server.NewToken].
func (s *Server) SetSecret(ctx context.Context, repo, name, value string) error {
	return s.Call(ctx, http.MethodPut, "/repos/"+Admin+"/"+repo+"/actions/secrets/"+name, map[string]string{"data": value}, nil)
}
