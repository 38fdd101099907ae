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
)

// merging joins the files that a hotfix and the main branch both changed.
type merging struct {
	*Suite
	repo    git.Repo
	version decide.Version
	// base, ours and theirs are commits; theirs is that of the hotfix.
	base, ours, theirs string
	// core is the version that the result declares: the main branch's own, or
	// that of the hotfix where it is higher.
	core   string
	joined []string
}

func (m *merging) merge(ctx context.Context, who git.Identity, branch, into string) (commit string, err error) {
	if m.ours, err = m.repo.Head(ctx); err != nil {
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
	if own, err := decide.ParseVersion(m.core); err != nil || own.Compare(m.version) < 0 {
		m.core = m.version.Core()
	}
	conflicts, err := m.repo.StartMerge(ctx, who, m.clock(), m.theirs)
	if err == nil {
		err = m.join(ctx, conflicts)
	}
	if err == nil {
		commit, err = m.repo.Commit(ctx, who, m.clock(), fmt.Sprintf("Merge %s back into %s", branch, into), m.joined...)
	}
	if err != nil {
		return "", errors.Join(err, m.repo.AbortMerge(context.WithoutCancel(ctx)))
	}
	return commit, nil
}

// join writes changelog and guide by their sections, whatever git made of them,
// and resolves what it can of the conflicts. One that is left is an error.
func (m *merging) join(ctx context.Context, conflicts []string) error {
	paper := m.Product.Paperwork
	for _, name := range []string{paper.Changelog, paper.Upgrading} {
		if !slices.Contains(conflicts, name) {
			conflicts = append(conflicts, name)
		}
	}
	var left []string
	for _, name := range conflicts {
		how := m.numbers
		switch name {
		case paper.Changelog:
			how = m.changelog
		case paper.Upgrading:
			how = m.guide
		}
		text, clean, err := how(ctx, name)
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
		return fmt.Errorf("both branches changed the same lines of %s: merge by hand (`git merge %s%s` on %s); nothing was changed here",
			strings.Join(left, ", "), m.Product.Branches.Hotfix, m.version.Tag(), m.Product.Branches.Main)
	}
	return nil
}

// changelog joins the changelog by its sections.
func (m *merging) changelog(ctx context.Context, name string) (text []byte, clean bool, err error) {
	base, ours, theirs, err := m.three(ctx, name)
	if err != nil {
		return nil, false, err
	}
	text, err = changelog.Merge(base, ours, theirs)
	return text, true, err
}

// guide joins the upgrading guide: the rows of the hotfix stand where their
// version belongs, and the rest is joined line by line.
func (m *merging) guide(ctx context.Context, name string) (text []byte, clean bool, err error) {
	base, ours, theirs, err := m.three(ctx, name)
	if err != nil {
		return nil, false, err
	}
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

// numbers joins a file that holds the product's version: with the same version
// on all three sides, only real changes are left to join.
func (m *merging) numbers(ctx context.Context, name string) (text []byte, clean bool, err error) {
	var sides [3][]byte
	for i, commit := range []string{m.base, m.ours, m.theirs} {
		if sides[i], err = m.withVersion(ctx, m.repo, commit, m.core, name); err != nil || sides[i] == nil {
			return nil, false, err // without the file it is a conflict of another kind
		}
	}
	return git.MergeFile(ctx, sides[0], sides[1], sides[2])
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
