package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
)

// incident is what the changelog is to say of a withdrawal.
type incident struct {
	repo git.Repo
	// old and new are the changelog as the main branch has it, and as it should
	// be.
	old, new []byte
	// here is true where the main branch is checked out and clean, so that a
	// commit can be made.
	here bool
	who  git.Identity
}

// incident works out the changelog's change, and whether it can be committed.
func (s *Suite) incident(ctx context.Context, v decide.Version, out rolledBack) (incident, error) {
	name := s.Product.Paperwork.Changelog
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return incident{}, err
	}
	in := incident{repo: repo}
	w, err := s.workplace(ctx)
	if err == nil {
		in.who, err = w.identity()
	}
	in.here = err == nil && w.branch == s.Product.Branches.Main
	tip := "HEAD"
	if !in.here {
		if tip, err = s.mainTip(ctx, repo); err != nil {
			return in, err
		}
	}
	if in.old, err = repo.ReadFile(ctx, tip, name); err != nil {
		return in, err
	}
	log, err := changelog.Parse(name, in.old)
	if err != nil {
		return in, err
	}
	if out.Withdrawn {
		in.new, err = log.Withdraw(v, incidentText(out))
	} else {
		in.new, err = log.Restore(v)
	}
	return in, err
}

func incidentText(out rolledBack) string {
	return fmt.Sprintf("%s Use %s instead.", markdown.Sentence(out.Reason), out.Use)
}

// mainTip names the tip of the main branch: the home remote's, else the local
// one.
func (s *Suite) mainTip(ctx context.Context, repo git.Repo) (string, error) {
	home, err := s.home(ctx, repo)
	if err != nil {
		return "", err
	}
	main := s.Product.Branches.Main
	if home != "" {
		if tip, err := repo.Resolve(ctx, "refs/remotes/"+home+"/"+main); err == nil || !errors.Is(err, git.ErrNoCommit) {
			return tip, err
		}
	}
	return repo.Resolve(ctx, "refs/heads/"+main)
}

// subject is the commit's.
func subject(out rolledBack) string {
	if out.Withdrawn {
		return "docs: withdraw " + out.Version.Tag()
	}
	return "docs: restore " + out.Version.Tag()
}

// patchPath is where the changelog's change lies that cannot be committed here.
func (s *Suite) patchPath(v decide.Version) string {
	return s.dist(withdrawnDir, v.Tag(), "changelog.patch")
}

// would says in a dry run what [Suite.tell] would do, "" for nothing.
func (s *Suite) would(in incident, out rolledBack) string {
	name, main := s.Product.Paperwork.Changelog, s.Product.Branches.Main
	switch {
	case string(in.old) == string(in.new):
		return ""
	case in.here:
		return fmt.Sprintf("commit %s to %s: %s", name, main, subject(out))
	}
	return fmt.Sprintf("write %s for %s, which is not checked out here, or not clean: %s", s.patchPath(out.Version), main, subject(out))
}

// tell commits the incident to the changelog, or leaves a patch where the main
// branch is not what is checked out. It gives the commit or the patch's path.
func (s *Suite) tell(ctx context.Context, in incident, out rolledBack) (string, error) {
	path := s.patchPath(out.Version)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // an earlier one is not to be applied any more
		return "", err
	}
	if string(in.old) == string(in.new) {
		return "", nil
	}
	name := s.Product.Paperwork.Changelog
	if in.here {
		if err := os.WriteFile(filepath.Join(s.Dir, filepath.FromSlash(name)), in.new, 0o644); err != nil {
			return "", err
		}
		return in.repo.Commit(ctx, in.who, s.clock(), subject(out), name)
	}
	patch, err := git.Patch(ctx, name, in.old, in.new)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, atomicfile.Write(path, patch, 0o644)
}
