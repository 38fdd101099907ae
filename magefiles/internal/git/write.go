package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Identity is who commits and tags. Nothing of the user's own configuration is
// used beside it.
type Identity struct {
	Name, Email string
	// Config are git settings of the form "key=value" that make git sign, and
	// Env what the signing program needs; empty for an identity without a key.
	Config, Env []string
	// SignCommits has commits signed like tags.
	SignCommits bool
}

// Init makes an empty repository in dir, which is made where it is missing,
// with HEAD on the branch.
func Init(ctx context.Context, dir, branch string) (Repo, error) {
	if err := CheckName(branch); err != nil {
		return Repo{}, fmt.Errorf("making a repository: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Repo{}, fmt.Errorf("making a repository: %w", err)
	}
	if err := run.Do(ctx, Repo{dir}.cmd("init", "--quiet", "--template=", "--initial-branch="+branch)); err != nil {
		return Repo{}, fmt.Errorf("making a repository: %w", err)
	}
	return Open(ctx, dir)
}

func (r Repo) as(who Identity, at time.Time, args ...string) run.Cmd {
	c := r.cmd(args...)
	c.Env = environment(who.Config...)
	date := fmt.Sprintf("@%d +0000", at.Unix())
	c.Env = append(c.Env,
		"GIT_AUTHOR_NAME="+who.Name, "GIT_AUTHOR_EMAIL="+who.Email, "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME="+who.Name, "GIT_COMMITTER_EMAIL="+who.Email, "GIT_COMMITTER_DATE="+date)
	c.Env = append(c.Env, who.Env...)
	return c
}

// Commit commits the paths, or everything in the working tree where none is
// given, also where nothing changed, and gives the commit's hash. The same
// content, history, identity, message and time give the same hash, unless the
// identity signs commits.
func (r Repo) Commit(ctx context.Context, who Identity, at time.Time, message string, paths ...string) (string, error) {
	for _, path := range paths {
		if err := CheckPath(path); err != nil {
			return "", fmt.Errorf("committing: %w", err)
		}
	}
	if who.Name == "" || who.Email == "" {
		return "", fmt.Errorf("committing: %w", ErrNoIdentity)
	}
	if err := run.Do(ctx, r.cmd(append([]string{"--literal-pathspecs", "add", "--all", "--"}, paths...)...)); err != nil {
		return "", fmt.Errorf("committing: %w", err)
	}
	sign := "--no-gpg-sign"
	if who.SignCommits {
		sign = "--gpg-sign"
	}
	c := r.as(who, at, "commit", "--quiet", "--allow-empty", sign, "--file=-")
	c.Stdin = strings.NewReader(message + "\n")
	if err := run.Do(ctx, c); err != nil {
		return "", fmt.Errorf("committing: %w", err)
	}
	return r.Head(ctx)
}

// MakeTag makes an annotated tag at a commit, signed where sign is set and the
// identity has a key.
func (r Repo) MakeTag(ctx context.Context, who Identity, at time.Time, name, commit, message string, sign bool) error {
	for _, n := range []string{name, commit} {
		if err := CheckName(n); err != nil {
			return fmt.Errorf("tagging: %w", err)
		}
	}
	if who.Name == "" || who.Email == "" {
		return fmt.Errorf("tagging %s: %w", name, ErrNoIdentity)
	}
	mode := []string{"--annotate", "--no-sign"}
	if sign {
		mode = []string{"--sign"}
	}
	c := r.as(who, at, append(append([]string{"tag"}, mode...), "--file=-", "--", name, commit)...)
	c.Stdin = strings.NewReader(message + "\n")
	if err := run.Do(ctx, c); err != nil {
		return fmt.Errorf("tagging %s: %w", name, err)
	}
	return nil
}

// Switch puts HEAD and the working tree on a branch. Where from is not empty,
// the branch is made there first.
func (r Repo) Switch(ctx context.Context, branch, from string) error {
	if err := CheckName(branch); err != nil {
		return fmt.Errorf("switching: %w", err)
	}
	args := []string{"switch", "--quiet", branch}
	if from != "" {
		if err := CheckName(from); err != nil {
			return fmt.Errorf("switching: %w", err)
		}
		args = []string{"switch", "--quiet", "--create", branch, from}
	}
	if err := run.Do(ctx, r.cmd(args...)); err != nil {
		return fmt.Errorf("switching to %s: %w", branch, err)
	}
	return nil
}

// Detach puts HEAD and the working tree on a commit or tag, on no branch.
func (r Repo) Detach(ctx context.Context, rev string) error {
	if err := CheckName(rev); err != nil {
		return fmt.Errorf("switching: %w", err)
	}
	if err := run.Do(ctx, r.cmd("switch", "--quiet", "--detach", rev)); err != nil {
		return fmt.Errorf("switching to %s: %w", rev, err)
	}
	return nil
}

// Clone makes a full clone of a repository on this machine. Its branches are
// remote-tracking ones of "origin", its HEAD is detached where the original's
// is.
func Clone(ctx context.Context, from, dir string) (Repo, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return Repo{}, fmt.Errorf("cloning: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return Repo{}, fmt.Errorf("cloning: %w", err)
	}
	if err := run.Do(ctx, Repo{filepath.Dir(dir)}.cmd("clone", "--quiet", "--no-hardlinks", "--template=", "--", from, dir)); err != nil {
		return Repo{}, fmt.Errorf("cloning %s: %w", from, err)
	}
	return Open(ctx, dir)
}
