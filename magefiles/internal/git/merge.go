package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// StartMerge merges a branch or commit into the branch that HEAD is on and stops
// before the commit, which [Repo.Commit] makes. It gives the files that both
// sides changed in ways that git cannot join; they hold conflict markers.
func (r Repo) StartMerge(ctx context.Context, who Identity, at time.Time, rev string) (conflicts []string, err error) {
	if err := CheckName(rev); err != nil {
		return nil, fmt.Errorf("merging: %w", err)
	}
	failed := run.Do(ctx, r.as(who, at, "merge", "--quiet", "--no-ff", "--no-commit", "--no-edit", "--no-rerere-autoupdate", rev))
	if failed != nil && run.ExitCode(failed) != 1 {
		return nil, fmt.Errorf("merging %s: %w", rev, failed)
	}
	out, err := r.output(ctx, "diff", "--name-only", "--diff-filter=U", "-z")
	if err != nil {
		return nil, fmt.Errorf("looking for conflicts: %w", err)
	}
	for path := range strings.SplitSeq(string(out), "\x00") {
		if path != "" {
			conflicts = append(conflicts, path)
		}
	}
	if failed != nil && len(conflicts) == 0 {
		return nil, fmt.Errorf("merging %s: %w", rev, failed)
	}
	return conflicts, nil
}

// AbortMerge takes a merge that was started back, with all that was written
// since: the working tree has to have been clean before.
func (r Repo) AbortMerge(ctx context.Context) error {
	if err := run.Do(ctx, r.cmd("reset", "--quiet", "--hard", "HEAD")); err != nil {
		return fmt.Errorf("taking the merge back: %w", err)
	}
	return nil
}

// MergeFile joins what ours and theirs changed in the text that base is. Clean
// is false where both changed the same lines; the text then holds conflict
// markers.
func MergeFile(ctx context.Context, base, ours, theirs []byte) (text []byte, clean bool, err error) {
	names, remove, err := temporaries(ours, base, theirs)
	defer remove()
	if err != nil {
		return nil, false, fmt.Errorf("merging texts: %w", err)
	}
	text, err = run.Output(ctx, run.Cmd{Name: "git", Args: append([]string{"merge-file", "--stdout", "--quiet"}, names...), Env: environment(), BareEnv: true})
	if code := run.ExitCode(err); err != nil && (code < 1 || code > 127) { // 1 to 127 count conflicts
		return nil, false, fmt.Errorf("merging texts: %w", err)
	}
	return text, err == nil, nil
}

// temporaries writes each text to a file of its own.
func temporaries(texts ...[]byte) (names []string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "merge-*")
	remove = func() { _ = os.RemoveAll(dir) } // nothing refers to it any more
	for i, text := range texts {
		name := filepath.Join(dir, strconv.Itoa(i))
		if err == nil {
			err = os.WriteFile(name, text, 0o600)
		}
		names = append(names, name)
	}
	return names, remove, err
}

// Patch gives the difference of two texts of one file as `git apply` takes it.
func Patch(ctx context.Context, name string, before, after []byte) ([]byte, error) {
	if err := CheckPath(name); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "patch-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	for side, text := range map[string][]byte{"a": before, "b": after} {
		path := filepath.Join(dir, side, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	out, err := run.Output(ctx, run.Cmd{
		Name: "git", Args: []string{"diff", "--no-index", "--no-color", "--no-prefix", "--", "a/" + name, "b/" + name},
		Dir: dir, Env: environment(), BareEnv: true,
	})
	if run.ExitCode(err) == 1 { // they differ
		err = nil
	}
	return out, err
}

// MergeBase gives the commit at which two histories parted.
func (r Repo) MergeBase(ctx context.Context, a, b string) (string, error) {
	for _, name := range []string{a, b} {
		if err := CheckName(name); err != nil {
			return "", fmt.Errorf("comparing histories: %w", err)
		}
	}
	hash, err := r.text(ctx, "merge-base", a, b)
	if err != nil {
		return "", fmt.Errorf("comparing the histories of %s and %s: %w", a, b, err)
	}
	return hash, nil
}
