package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/github"
)

// releasesDir is where the forge that is a directory lies, below dist.
const releasesDir = "releases"

// forgeAt says where the release pages are: RELEASE_FORGE, or the product.
func (s *Suite) forgeAt() (product.Forge, error) {
	at := s.Product.Forge
	at.Kind = product.ForgeKind(or(string(at.Kind), string(product.ForgeGitHub)))
	at.URL = or(at.URL, s.Product.Source)
	named := s.Getenv(envForge)
	if named == "" {
		return at, nil
	}
	kind, url, _ := strings.Cut(named, "+")
	switch at.Kind = product.ForgeKind(kind); at.Kind {
	case product.ForgeDirectory:
		return at, nil
	case product.ForgeGitHub, product.ForgeGitea:
		at.URL = url
		if url != "" {
			return at, nil
		}
	}
	return at, fmt.Errorf("%s=%q names no forge: want %q, or KIND+URL such as %s+https://git.example.org/owner/name (kinds: %s, %s)",
		envForge, named, product.ForgeDirectory, product.ForgeGitea, product.ForgeGitHub, product.ForgeGitea)
}

// forge gives the forge of the release pages.
func (s *Suite) forge() (forge.Forge, error) {
	if s.Forge != nil {
		return s.Forge, nil
	}
	at, err := s.forgeAt()
	if err != nil {
		return nil, err
	}
	switch at.Kind {
	case product.ForgeGitHub:
		return github.Open(github.Options{URL: at.URL, Token: s.forgeToken()})
	case product.ForgeGitea:
		return gitea.Open(gitea.Options{URL: at.URL, Token: s.forgeToken()})
	}
	return forge.Directory(s.dist(releasesDir)), nil
}

// forgeToken is the token for the forge and its registry.
func (s *Suite) forgeToken() string {
	token := or(s.Getenv(envForgeToken), s.Getenv(envToken))
	s.UI.Mask(token)
	return token
}

// page gives the address of a release's page.
func (s *Suite) page(tag string) string {
	at, err := s.forgeAt()
	if err != nil || at.Kind == product.ForgeDirectory {
		at.URL = s.Product.Source
	}
	return at.URL + "/releases/tag/" + tag
}

// fileAt gives the address of a file of the repository at a branch or tag.
func (s *Suite) fileAt(ref, name string) string { return s.filesAt(ref) + "/" + name }

// filesAt gives the address below which the forge shows files at a branch or
// tag.
func (s *Suite) filesAt(ref string) string {
	at, err := s.forgeAt()
	if err != nil || at.Kind != product.ForgeGitea {
		return s.Product.Source + "/blob/" + ref
	}
	kind := "branch"
	if _, err := decide.ParseTag(ref); err == nil {
		kind = "tag"
	}
	return at.URL + "/src/" + kind + "/" + ref
}

// forgeGate asks the forge, before anything slow, whether it would let this
// release be made.
func forgeGate(ctx context.Context, f forge.Forge) decide.Gate {
	g := decide.Gate{Name: "forge", State: decide.Pass, Detail: "its release pages are a directory"}
	checked, ok := f.(forge.Checked)
	if !ok {
		return g
	}
	g.Detail = "the forge lets this token make releases"
	if err := checked.Check(ctx); err != nil {
		g.State, g.Detail = decide.Fail, err.Error()
	}
	return g
}

// ciGate asks the forge which workflows ran for the commit.
func (s *Suite) ciGate(ctx context.Context, f forge.Forge, commit string) decide.Gate {
	if len(s.Product.Workflows) == 0 {
		return gate.CI(nil, commit, nil)
	}
	ci, ok := f.(forge.CI)
	if !ok {
		return decide.Gate{Name: "ci", State: decide.Fail, Detail: fmt.Sprintf(
			"the forge runs no workflows, and %s are required: use the product's own forge (%s)", strings.Join(s.Product.Workflows, ", "), envForge)}
	}
	found, err := ci.Runs(ctx, commit)
	if err != nil {
		return decide.Gate{Name: "ci", State: decide.Fail, Detail: fmt.Sprintf("which workflows ran for %s is not known: %v", short(commit), err)}
	}
	runs := make([]gate.WorkflowRun, 0, len(found))
	for _, r := range found {
		runs = append(runs, gate.WorkflowRun(r))
	}
	return gate.CI(s.Product.Workflows, commit, runs)
}

// errNoForge is wrapped where something is asked of a forge that cannot do it.
var errNoForge = errors.New("this forge cannot do that")
