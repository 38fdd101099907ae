package git

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Mirror makes a repository in dir with all branches, remote-tracking branches
// and tags of another one on this machine, under their own names. Nothing is
// checked out, and nothing is shared with the original.
func Mirror(ctx context.Context, from, dir string) (Repo, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return Repo{}, fmt.Errorf("copying the repository: %w", err)
	}
	repo, err := Init(ctx, dir, "nothing-checked-out")
	if err != nil {
		return Repo{}, err
	}
	// HEAD may stand where no branch does.
	args := []string{"fetch", "--quiet", "--no-tags", "--update-shallow", "--", from, "+HEAD:refs/copied/head"}
	for _, kind := range []string{"heads", "remotes", "tags"} {
		args = append(args, "+refs/"+kind+"/*:refs/"+kind+"/*")
	}
	if err := run.Do(ctx, repo.cmd(args...)); err != nil {
		return Repo{}, fmt.Errorf("copying the repository %s: %w", from, err)
	}
	return repo, nil
}

// SetBranch has a branch, which must not be checked out, stand at a commit.
func (r Repo) SetBranch(ctx context.Context, branch, commit string) error {
	for _, name := range []string{branch, commit} {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("setting a branch: %w", err)
		}
	}
	if err := run.Do(ctx, r.cmd("update-ref", "refs/heads/"+branch, commit)); err != nil {
		return fmt.Errorf("setting the branch %s: %w", branch, err)
	}
	return nil
}
