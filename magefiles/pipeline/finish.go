package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/versions"
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
	rows := [][]string{{"merged", done.from}, {"into", done.into}, {"commit", done.commit}}
	for _, name := range done.joined {
		rows = append(rows, []string{"joined", name})
	}
	next := "git push " + done.remote + " " + done.into
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
	if err := w.Switch(ctx, main, ""); err != nil {
		return done, err
	}
	if pullRequest {
		done.into = "merge-back/" + v.Tag()
		if err := w.Switch(ctx, done.into, main); err != nil {
			return done, err
		}
	}
	m := merging{Suite: s, repo: w.Repo, version: v}
	done.commit, err = m.merge(ctx, who, done.from, done.into)
	done.joined = m.joined
	if err != nil || !pullRequest {
		return done, err
	}
	done.page, err = s.offer(ctx, w.Repo, done, v)
	return done, err
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
	var open []decide.Version
	for _, ref := range refs {
		v, err := parseVersion(strings.TrimPrefix(ref.Name, "refs/heads/"+prefix))
		if err != nil {
			continue
		}
		if merged, err := w.IsAncestor(ctx, ref.Commit, "refs/heads/"+s.Product.Branches.Main); err != nil {
			return v, err
		} else if !merged {
			open = append(open, v)
		}
	}
	if len(open) != 1 {
		return decide.Version{}, fmt.Errorf("%d hotfix branches are not in %s yet: name the version to finish", len(open), s.Product.Branches.Main)
	}
	return open[0], nil
}

// merging joins the files that a hotfix and the main branch both changed.
type merging struct {
	*Suite
	repo    git.Repo
	version decide.Version
	// base, ours and theirs are commits.
	base, ours, theirs string
	// core is the main branch's own version.
	core   string
	joined []string
}

func (m *merging) merge(ctx context.Context, who git.Identity, branch, into string) (commit string, err error) {
	if m.ours, err = m.repo.Head(ctx); err != nil {
		return "", err
	}
	if m.theirs, err = m.repo.Resolve(ctx, "refs/heads/"+branch); err != nil {
		return "", err
	}
	if m.base, err = m.repo.MergeBase(ctx, m.ours, m.theirs); err != nil {
		return "", err
	}
	if merged, err := m.repo.IsAncestor(ctx, m.theirs, m.ours); err != nil || merged {
		return m.ours, err
	}
	if m.core, err = cargo.ProductVersion(m.Dir, m.Product.Cargo.Package); err != nil {
		return "", err
	}
	conflicts, err := m.repo.StartMerge(ctx, who, m.clock(), branch)
	if err == nil {
		err = m.join(ctx, conflicts)
	}
	if err != nil {
		return "", errors.Join(err, m.repo.AbortMerge(context.WithoutCancel(ctx)))
	}
	return m.repo.Commit(ctx, who, m.clock(), fmt.Sprintf("Merge %s back into %s", branch, into), m.joined...)
}

// join writes changelog and guide by their sections, whatever git made of them, and
// resolves what it can of the conflicts. One that is left is an error.
func (m *merging) join(ctx context.Context, conflicts []string) error {
	paper := m.Product.Paperwork
	for _, name := range []string{paper.Changelog, paper.Upgrading} {
		if !slices.Contains(conflicts, name) {
			conflicts = append(conflicts, name)
		}
	}
	var left []string
	for _, name := range conflicts {
		base, ours, theirs, err := m.three(ctx, name)
		if err != nil {
			return err
		}
		var text []byte
		clean := true
		switch name {
		case paper.Changelog:
			text, err = changelog.Merge(base, ours, theirs)
		case paper.Upgrading:
			text, clean, err = m.guide(ctx, base, ours, theirs)
		default:
			text, clean, err = m.numbers(ctx, name, ours)
		}
		if err != nil {
			return fmt.Errorf("joining %s: %w", name, err)
		}
		if !clean {
			left = append(left, name)
			continue
		}
		if err := os.WriteFile(filepath.Join(m.Dir, filepath.FromSlash(name)), text, 0o644); err != nil {
			return err
		}
		m.joined = append(m.joined, name)
	}
	if len(left) > 0 {
		return fmt.Errorf("both branches changed the same lines of %s: merge by hand (git merge %s%s), the rest will be the same; nothing was changed here",
			strings.Join(left, ", "), m.Product.Branches.Hotfix, m.version.Tag())
	}
	return nil
}

// guide joins the upgrading guide: the rows of the hotfix stand where their
// version belongs, and the rest is joined line by line.
func (m *merging) guide(ctx context.Context, base, ours, theirs []byte) (text []byte, clean bool, err error) {
	name := m.Product.Paperwork.Upgrading
	mine, err := upgrading.Parse(name, ours)
	if err != nil {
		return nil, false, err
	}
	other, err := upgrading.Parse(name, theirs)
	if err != nil {
		return nil, false, err
	}
	rest, rows := other.Split(mine)
	if text, clean, err = git.MergeFile(ctx, base, ours, rest); err != nil || !clean {
		return nil, false, err
	}
	joined, err := upgrading.Parse(name, text)
	if err != nil {
		return nil, false, err
	}
	text, err = joined.Insert(rows)
	return text, true, err
}

// three reads a file as base, ours and theirs have it; nil where one does not.
func (m *merging) three(ctx context.Context, name string) (base, ours, theirs []byte, err error) {
	var out [3][]byte
	for i, commit := range []string{m.base, m.ours, m.theirs} {
		if out[i], err = m.repo.ReadFile(ctx, commit, name); err != nil && !errors.Is(err, git.ErrNoFile) {
			return nil, nil, nil, err
		}
	}
	return out[0], out[1], out[2], nil
}

// numbers joins a file that holds the product's version: with the main branch's
// version on all three sides, only real changes are left to join.
func (m *merging) numbers(ctx context.Context, name string, ours []byte) (text []byte, clean bool, err error) {
	base, err := m.withVersion(ctx, m.repo, m.base, m.core, name)
	if err != nil {
		return nil, false, err
	}
	theirs, err := m.withVersion(ctx, m.repo, m.theirs, m.core, name)
	if err != nil || base == nil || theirs == nil {
		return nil, false, err // a conflict of another kind
	}
	return git.MergeFile(ctx, base, ours, theirs)
}

// withVersion reads a file of a commit as it would be with another version of
// the product; nil where the commit has none, or where it is no file that holds
// versions.
func (s *Suite) withVersion(ctx context.Context, repo git.Repo, commit, core, name string) ([]byte, error) {
	if !holdsVersions(name) {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "versions-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	files, err := repo.Files(ctx, commit)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !holdsVersions(f.Path) {
			continue
		}
		text, err := repo.Blob(ctx, f.Hash)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := versions.Set(dir, s.Product, core); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// holdsVersions tells whether a file may hold the product's version.
func holdsVersions(name string) bool {
	switch path.Base(name) {
	case "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json":
		return true
	}
	return false
}

// offer pushes the branch of a merge and opens a pull request for it.
func (s *Suite) offer(ctx context.Context, repo git.Repo, done finished, v decide.Version) (string, error) {
	f, err := s.forge()
	if err != nil {
		return "", err
	}
	requests, ok := f.(forge.PullRequests)
	if !ok {
		return "", fmt.Errorf("opening a pull request: %w: merge %s into %s by hand", errNoForge, done.into, s.Product.Branches.Main)
	}
	if done.remote == "" {
		return "", fmt.Errorf("there is no remote to push %s to: `git remote add origin %s`", done.into, s.Product.Source)
	}
	if err := repo.Push(ctx, done.remote, "refs/heads/"+done.into); err != nil {
		return "", err
	}
	return requests.OpenPullRequest(ctx, forge.PullRequest{
		Head: done.into, Base: s.Product.Branches.Main,
		Title: "Merge hotfix " + v.Tag() + " back",
		Body:  fmt.Sprintf("%s is released. This brings its fix and its paperwork to %s.", v.Tag(), s.Product.Branches.Main),
	})
}
