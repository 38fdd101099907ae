package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// FinishHotfix merges a released hotfix back into the main branch. With
// pullRequest the merge lies on a branch of its own, which is pushed and
// offered through the forge.
func (s *Suite) FinishHotfix(ctx context.Context, version string, pullRequest bool) error {
	done, err := s.finishHotfix(ctx, version, pullRequest)
	if err != nil {
		return err
	}
	if done.nothing {
		s.UI.Println("%s is in %s already: there is nothing to merge.", done.from, done.into)
		return nil
	}
	rows := [][]string{{"merged", done.from}, {"into", done.into}, {"commit", done.commit}}
	for _, name := range done.joined {
		rows = append(rows, []string{"joined", name})
	}
	next := "git push " + or(done.remote, "REMOTE") + " " + done.into
	if done.page != "" {
		next = "review and merge " + done.page
	}
	return s.UI.Table(s.Out, []string{"hotfix", "finished"}, append(rows, []string{"next", next}))
}

// finished is a hotfix that was merged back.
type finished struct {
	from, into, commit, remote, page string
	// joined are the files that both sides changed.
	joined []string
	// nothing tells that it was merged before.
	nothing bool
}

func (s *Suite) finishHotfix(ctx context.Context, version string, pullRequest bool) (finished, error) {
	w, err := s.workplace(ctx)
	if err != nil {
		return finished{}, err
	}
	who, err := w.identity()
	if err != nil {
		return finished{}, err
	}
	v, err := s.hotfixToFinish(ctx, w, version)
	if err != nil {
		return finished{}, err
	}
	main := s.Product.Branches.Main
	done := finished{from: s.Product.Branches.Hotfix + v.Tag(), into: main}
	if done.remote, err = s.home(ctx, w.Repo); err != nil {
		return done, err
	}
	m := merging{Suite: s, repo: w.Repo, version: v}
	if m.theirs, err = s.hotfixTip(ctx, w.Repo, v); err != nil {
		return done, err
	}
	var requests forge.PullRequests
	if pullRequest {
		if requests, err = s.pullRequests(done); err != nil {
			return done, err
		}
	}
	if err := w.Switch(ctx, main, ""); err != nil {
		return done, err
	}
	if done.nothing, err = w.IsAncestor(ctx, m.theirs, "HEAD"); err != nil || done.nothing {
		return done, err
	}
	if !pullRequest {
		done.commit, err = m.merge(ctx, who, done.from, done.into)
		done.joined = m.joined
		return done, err
	}
	done.into = "merge-back/" + v.Tag()
	if err := s.mergeBeside(ctx, w.Repo, &m, who, &done); err != nil {
		return done, err
	}
	done.page, err = s.offer(ctx, w.Repo, requests, done, v)
	return done, err
}

// hotfixTip gives the commit to merge back: the end of the branch, here or at
// the home remote, or else the tag's commit.
func (s *Suite) hotfixTip(ctx context.Context, repo git.Repo, v decide.Version) (string, error) {
	branch, err := s.findBranch(ctx, repo, s.Product.Branches.Hotfix+v.Tag())
	if err != nil {
		return "", err
	}
	return repo.Resolve(ctx, or(branch, "refs/tags/"+v.Tag()))
}

// mergeBeside merges on a branch of its own, which is made from the main branch
// where it is not there from an earlier call, and taken away again where the
// merge fails.
func (s *Suite) mergeBeside(ctx context.Context, repo git.Repo, m *merging, who git.Identity, done *finished) error {
	main := s.Product.Branches.Main
	there, err := repo.Refs(ctx, "refs/heads/"+done.into)
	if err != nil {
		return err
	}
	from := "refs/heads/" + main
	if len(there) > 0 {
		from = ""
	}
	if err := repo.Switch(ctx, done.into, from); err != nil {
		return err
	}
	done.commit, err = m.merge(ctx, who, done.from, main)
	done.joined = m.joined
	if err == nil {
		return nil
	}
	after := context.WithoutCancel(ctx)
	err = errors.Join(err, repo.Switch(after, main, ""))
	if from != "" {
		err = errors.Join(err, repo.DeleteBranch(after, done.into))
	}
	return err
}

// hotfixToFinish finds the version whose branch is to be merged back: the one
// that was asked for, the one that HEAD is on, or the only one that the main
// branch lacks.
func (s *Suite) hotfixToFinish(ctx context.Context, w workplace, asked string) (decide.Version, error) {
	prefix := s.Product.Branches.Hotfix
	if name, ok := strings.CutPrefix(w.branch, prefix); ok && asked == "" {
		asked = name
	}
	if asked != "" {
		v, err := parseVersion(asked)
		if err == nil && !slices.ContainsFunc(w.stable, func(o decide.Version) bool { return o.Compare(v) == 0 }) {
			err = fmt.Errorf("tag %s does not exist: a hotfix is merged back once it is released (`git fetch --tags` where it is)", v.Tag())
		}
		return v, err
	}
	refs, err := w.Refs(ctx, "refs/heads/"+strings.TrimSuffix(prefix, "/"))
	if err != nil {
		return decide.Version{}, err
	}
	main, err := s.findBranch(ctx, w.Repo, s.Product.Branches.Main)
	if err != nil {
		return decide.Version{}, err
	}
	var open []string
	for _, ref := range refs {
		v, err := parseVersion(strings.TrimPrefix(ref.Name, "refs/heads/"+prefix))
		if err != nil {
			continue
		}
		if merged, err := w.IsAncestor(ctx, ref.Commit, or(main, "HEAD")); err != nil {
			return v, err
		} else if !merged {
			open = append(open, v.Tag())
		}
	}
	switch len(open) {
	case 0:
		return decide.Version{}, fmt.Errorf("every %s* branch here is in %s: name the version to merge back where its branch is not here", prefix, s.Product.Branches.Main)
	case 1:
		return s.hotfixToFinish(ctx, w, open[0])
	}
	return decide.Version{}, fmt.Errorf("%d hotfix branches are not in %s yet (%s): name the version to merge back", len(open), s.Product.Branches.Main, strings.Join(open, ", "))
}

// pullRequests gives the forge that takes the pull request, before anything is
// merged for it.
func (s *Suite) pullRequests(done finished) (forge.PullRequests, error) {
	f, err := s.forge()
	if err != nil {
		return nil, err
	}
	requests, ok := f.(forge.PullRequests)
	switch {
	case !ok:
		return nil, fmt.Errorf("opening a pull request: %w: run this without -pr, which merges %s into %s here", errNoForge, done.from, done.into)
	case done.remote == "":
		return nil, fmt.Errorf("there is no remote to push the merge of %s to: `git remote add origin %s`", done.from, s.Product.Source)
	}
	return requests, nil
}

// offer pushes the branch of a merge and opens a pull request for it.
func (s *Suite) offer(ctx context.Context, repo git.Repo, requests forge.PullRequests, done finished, v decide.Version) (string, error) {
	if err := repo.Push(ctx, done.remote, "refs/heads/"+done.into); err != nil {
		return "", fmt.Errorf("%s is merged on %s, and that could not be pushed; run this again: %w", done.from, done.into, err)
	}
	page, err := requests.OpenPullRequest(ctx, forge.PullRequest{
		Head: done.into, Base: s.Product.Branches.Main,
		Title: "Merge hotfix " + v.Tag() + " back",
		Body:  fmt.Sprintf("%s is released. This brings its fix and its paperwork to %s.", v.Tag(), s.Product.Branches.Main),
	})
	if err != nil {
		return "", fmt.Errorf("%s is pushed, and the pull request could not be opened; run this again: %w", done.into, err)
	}
	return page, nil
}
