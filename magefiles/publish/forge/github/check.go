package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Check implements [forge.Checked]. It changes nothing, so it cannot see all: a
// fine-grained token may turn out later to lack what it does not tell.
func (g *GitHub) Check(ctx context.Context) error {
	doing := fmt.Sprintf("checking the access to %s/%s", g.owner, g.name)
	if g.token == "" {
		return &forge.PermissionError{Doing: doing, Needs: contents, Err: errors.New("there is no token: set GITHUB_TOKEN")}
	}
	repo, res, err := g.client.Repositories.Get(ctx, g.owner, g.name)
	if err != nil {
		return g.explain(doing, contents, err)
	}
	if repo.GetArchived() {
		return fmt.Errorf("%s: the repository is archived and takes no releases: unarchive it", doing)
	}
	// Classic tokens have scopes, and GitHub names them.
	if told := res.Header.Values("X-Oauth-Scopes"); len(told) > 0 {
		needs := []string{"repo", "public_repo"}
		if repo.GetPrivate() {
			needs = needs[:1]
		}
		scopes := strings.FieldsFunc(strings.Join(told, ","), func(r rune) bool { return r == ',' || r == ' ' })
		if !slices.ContainsFunc(needs, func(s string) bool { return slices.Contains(scopes, s) }) {
			return &forge.PermissionError{Doing: doing, Needs: contents, Err: fmt.Errorf(
				"the classic token in GITHUB_TOKEN has the scopes %q, expected %s", strings.Join(scopes, ", "), strings.Join(needs, " or "))}
		}
	}
	// Where all rights are false GitHub has not told them: it has just let the
	// token read.
	if rights := repo.GetPermissions(); rights["pull"] && !rights["push"] {
		return &forge.PermissionError{Doing: doing, Needs: contents, Err: errors.New("the token in GITHUB_TOKEN may read the repository and not write to it")}
	}
	// Draft releases are listed for those alone who may write; a list that is
	// refused says so early.
	var list []release
	if _, err := g.get(ctx, g.path("releases")+"?per_page=1", &list); err != nil {
		return g.explain("listing the releases", contents, err)
	}
	return nil
}
