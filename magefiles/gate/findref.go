package gate

import (
	"context"
	"fmt"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// FindRef says what is to be released: what tagFlag names; else the ref that CI
// runs for (GitHub, Gitea and Forgejo: GITHUB_REF_TYPE and GITHUB_REF_NAME;
// GitLab: CI_COMMIT_TAG and CI_COMMIT_BRANCH); else the release tag at HEAD.
// The errors are [*BadRefError], [*NoTagAtHeadError] and [*SeveralTagsError].
// Whether the tag exists is not looked at: that is for [Check].
func FindRef(ctx context.Context, repo git.Repo, p product.Product, tagFlag string, getenv func(string) string) (decide.Ref, error) {
	name, where := tagFlag, "-tag"
	if name == "" {
		name, where = ciRef(getenv)
	}
	if name != "" {
		ref, err := decide.ParseRef(name, p.Branches.Main)
		if err != nil {
			return decide.Ref{}, &BadRefError{Where: where, Err: err}
		}
		return ref, nil
	}
	head, err := repo.Head(ctx)
	if err != nil {
		return decide.Ref{}, fmt.Errorf("looking for the release tag at HEAD: %w", err)
	}
	tags, err := repo.Tags(ctx, head)
	if err != nil {
		return decide.Ref{}, fmt.Errorf("looking for the release tag at HEAD: %w", err)
	}
	var releases []decide.Ref
	var names, others []string
	for _, tag := range tags {
		ref, err := decide.ParseRef("refs/tags/"+tag, p.Branches.Main)
		if err != nil {
			others = append(others, tag)
			continue
		}
		releases, names = append(releases, ref), append(names, tag)
	}
	switch len(releases) {
	case 0:
		return decide.Ref{}, &NoTagAtHeadError{Head: head, Others: others}
	case 1:
		return releases[0], nil
	}
	return decide.Ref{}, &SeveralTagsError{Head: head, Tags: names}
}

// ciRef gives the full ref that CI runs for and the variable that names it.
func ciRef(getenv func(string) string) (ref, where string) {
	if name := getenv("GITHUB_REF_NAME"); name != "" {
		switch getenv("GITHUB_REF_TYPE") {
		case "tag":
			return "refs/tags/" + name, "GITHUB_REF_NAME"
		case "branch":
			return "refs/heads/" + name, "GITHUB_REF_NAME"
		}
	}
	if name := getenv("CI_COMMIT_TAG"); name != "" {
		return "refs/tags/" + name, "CI_COMMIT_TAG"
	}
	if name := getenv("CI_COMMIT_BRANCH"); name != "" {
		return "refs/heads/" + name, "CI_COMMIT_BRANCH"
	}
	return "", ""
}
