package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// ErrNoIdentity is wrapped where git does not know who commits here.
var ErrNoIdentity = errors.New("git does not know who you are: set user.name and user.email (git config --global user.name \"…\")")

// Own gives the identity of the person at this machine: what their own
// configuration says about name, mail and signing. It is the one place where
// that configuration matters.
func (r Repo) Own(ctx context.Context) (Identity, error) {
	var who Identity
	out, err := run.Output(ctx, run.Cmd{
		Name: "git", Args: []string{"config", "--null", "--get-regexp", `^(user\.(name|email|signingkey)|gpg\.(.*\.)?(format|program|allowedsignersfile|defaultkeycommand))$`}, Dir: r.Dir,
	})
	if err != nil && run.ExitCode(err) != 1 {
		return who, fmt.Errorf("reading git's configuration: %w", err)
	}
	for kv := range strings.SplitSeq(string(out), "\x00") {
		switch key, value, ok := strings.Cut(kv, "\n"); { // the last one counts, as for git
		case !ok:
		case key == "user.name":
			who.Name = value
		case key == "user.email":
			who.Email = value
		default:
			who.Config = append(who.Config, key+"="+value)
		}
	}
	if who.Name == "" || who.Email == "" {
		return who, ErrNoIdentity
	}
	sign, err := run.Text(ctx, run.Cmd{Name: "git", Args: []string{"config", "--type=bool", "--get", "commit.gpgSign"}, Dir: r.Dir})
	if err != nil && run.ExitCode(err) != 1 {
		return who, fmt.Errorf("reading git's configuration: %w", err)
	}
	who.SignCommits = sign == "true"
	if home := os.Getenv("GNUPGHOME"); home != "" {
		who.Env = append(who.Env, "GNUPGHOME="+home)
	}
	return who, nil
}

// Branch names the branch that HEAD is on, "" where it is on none.
func (r Repo) Branch(ctx context.Context) (string, error) {
	name, err := r.text(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	if run.ExitCode(err) == 1 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("asking for the current branch: %w", err)
	}
	return name, nil
}

// DeleteTag takes a tag away again, in this repository alone.
func (r Repo) DeleteTag(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := run.Do(ctx, r.cmd("tag", "--delete", "--", name)); err != nil {
		return fmt.Errorf("deleting tag %s: %w", name, err)
	}
	return nil
}

// DeleteBranch takes a branch away, in this repository alone, whether it is
// merged or not. HEAD must not be on it.
func (r Repo) DeleteBranch(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := run.Do(ctx, r.cmd("branch", "--quiet", "--delete", "--force", "--", name)); err != nil {
		return fmt.Errorf("deleting branch %s: %w", name, err)
	}
	return nil
}

// Push sends refs ("refs/tags/v0.4.0", "refs/heads/main") to a remote, with
// the user's own configuration and credentials, since they are what lets him.
func (r Repo) Push(ctx context.Context, remote string, refs ...string) error {
	for _, name := range append([]string{remote}, refs...) {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("pushing: %w", err)
		}
	}
	args := append([]string{"push", "--porcelain", remote}, refs...)
	if err := run.Do(ctx, run.Cmd{Name: "git", Args: args, Dir: r.Dir, Env: []string{"GIT_TERMINAL_PROMPT=0", "LC_ALL=C"}}); err != nil {
		return fmt.Errorf("pushing to %s: %w", remote, err)
	}
	return nil
}

// Authors names who wrote the commits that lead to b and not to a, each once,
// in the order of their first commit; with a empty, all that lead to b.
// Machine accounts ("name[bot]") are left out. Names go through .mailmap.
func (r Repo) Authors(ctx context.Context, a, b string) ([]string, error) {
	for _, name := range []string{a, b} {
		if err := CheckName(name); name != "" && err != nil {
			return nil, fmt.Errorf("listing authors: %w", err)
		}
	}
	span := b
	if a != "" {
		span = a + ".." + b
	}
	out, err := r.text(ctx, "log", "--reverse", "--use-mailmap", "--format=%aN", "--end-of-options", span)
	if err != nil {
		return nil, fmt.Errorf("listing authors: %w", err)
	}
	var names []string
	seen := map[string]bool{}
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		if name == "" || seen[name] || strings.HasSuffix(name, "[bot]") {
			continue
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, nil
}

// Restore takes every change to tracked files back, in index and working tree.
func (r Repo) Restore(ctx context.Context) error {
	if err := run.Do(ctx, r.cmd("restore", "--staged", "--worktree", "--source=HEAD", "--", ":(top)")); err != nil {
		return fmt.Errorf("taking changes back: %w", err)
	}
	return nil
}
