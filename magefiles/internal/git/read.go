package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// ErrNoCommit is wrapped where a name leads to no commit.
var ErrNoCommit = errors.New("leads to no commit in this repository")

// Head gives the commit of HEAD. A repository without a commit is an error that
// wraps [ErrNoCommit].
func (r Repo) Head(ctx context.Context) (string, error) { return r.Resolve(ctx, "HEAD") }

// Resolve gives the full hash of the commit that a ref, a full or unique
// shortened hash, or HEAD leads to; annotated tags are followed.
func (r Repo) Resolve(ctx context.Context, rev string) (string, error) {
	if err := CheckName(rev); err != nil {
		return "", fmt.Errorf("resolving a revision: %w", err)
	}
	hash, err := r.text(ctx, "rev-parse", "--quiet", "--verify", rev+"^{commit}")
	if run.ExitCode(err) == 1 || run.ExitCode(err) == 128 {
		return "", fmt.Errorf("%s %w", rev, ErrNoCommit)
	}
	if err != nil {
		return "", fmt.Errorf("resolving %s: %w", rev, err)
	}
	return hash, nil
}

// CommitTime gives the committer's time of a commit, in UTC, to the second.
func (r Repo) CommitTime(ctx context.Context, rev string) (time.Time, error) {
	hash, err := r.Resolve(ctx, rev)
	if err != nil {
		return time.Time{}, err
	}
	raw, err := r.output(ctx, "cat-file", "commit", hash)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading commit %s: %w", hash, err)
	}
	header, _, _ := bytes.Cut(raw, []byte("\n\n"))
	for line := range bytes.SplitSeq(header, []byte("\n")) {
		if who, ok := strings.CutPrefix(string(line), "committer "); ok {
			p, err := parsePerson(who)
			if err != nil {
				return time.Time{}, fmt.Errorf("reading commit %s: %w", hash, err)
			}
			return p.When.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("reading commit %s: it names no committer", hash)
}

// IsAncestor tells whether commit b is a or has a in its history.
func (r Repo) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	for _, name := range []string{a, b} {
		if err := CheckName(name); err != nil {
			return false, fmt.Errorf("comparing commits: %w", err)
		}
	}
	err := run.Do(ctx, r.cmd("merge-base", "--is-ancestor", a, b))
	if run.ExitCode(err) == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("comparing %s with %s: %w", a, b, err)
	}
	return true, nil
}

// Shallow tells whether history was cut off when the repository was cloned.
func (r Repo) Shallow(ctx context.Context) (bool, error) {
	out, err := r.text(ctx, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return false, fmt.Errorf("asking whether the clone is shallow: %w", err)
	}
	return out == "true", nil
}

// Ref is a ref with what it holds.
type Ref struct {
	// Name is the full name, such as refs/tags/v0.4.0.
	Name string
	// Object is the hash that the ref holds, Type its type: commit, tag, tree
	// or blob.
	Object, Type string
	// Commit is the commit that it leads to, "" where it leads to none.
	Commit string
}

// Refs lists the refs below the prefixes ("refs/tags", "refs/heads/main"), in
// the order of their names.
func (r Repo) Refs(ctx context.Context, prefixes ...string) ([]Ref, error) {
	args := []string{"for-each-ref", "--format=%(refname) %(objectname) %(objecttype) %(*objectname) %(*objecttype)"}
	for _, p := range prefixes {
		if err := CheckName(p); err != nil {
			return nil, fmt.Errorf("listing refs: %w", err)
		}
		args = append(args, p)
	}
	out, err := r.text(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("listing refs: %w", err)
	}
	var refs []Ref
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 3 {
			return nil, fmt.Errorf("listing refs: cannot read git's line %q", line)
		}
		ref := Ref{Name: f[0], Object: f[1], Type: f[2]}
		switch {
		case ref.Type == "commit":
			ref.Commit = ref.Object
		case len(f) == 5 && f[4] == "commit":
			ref.Commit = f[3]
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// Tags lists the short names of all tags; with a commit hash, of those that
// lead to it.
func (r Repo) Tags(ctx context.Context, commit string) ([]string, error) {
	refs, err := r.Refs(ctx, "refs/tags")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, ref := range refs {
		if commit == "" || ref.Commit == commit {
			names = append(names, strings.TrimPrefix(ref.Name, "refs/tags/"))
		}
	}
	return names, nil
}

// TagsIn lists the short names of the tags in the history of a commit, its own
// included.
func (r Repo) TagsIn(ctx context.Context, commit string) ([]string, error) {
	hash, err := r.Resolve(ctx, commit)
	if err != nil {
		return nil, err
	}
	out, err := r.text(ctx, "for-each-ref", "--format=%(refname:lstrip=2)", "--merged="+hash, "refs/tags")
	if err != nil {
		return nil, fmt.Errorf("listing the tags in the history of %s: %w", hash, err)
	}
	return strings.Fields(out), nil
}

// Entry is a file of a commit's tree.
type Entry struct {
	// Mode is git's: 100644, 100755, 120000 for a symbolic link, 160000 for a
	// submodule.
	Mode, Hash string
	// Path is slash-separated and relative to the top.
	Path string
}

// Regular tells whether the entry is a file with content of its own.
func (e Entry) Regular() bool { return strings.HasPrefix(e.Mode, "100") }

// Files lists the files of a commit's tree, all directories, in git's order.
func (r Repo) Files(ctx context.Context, commit string) ([]Entry, error) {
	hash, err := r.Resolve(ctx, commit)
	if err != nil {
		return nil, err
	}
	out, err := r.output(ctx, "ls-tree", "-r", "-z", "--full-tree", hash)
	if err != nil {
		return nil, fmt.Errorf("listing the files of %s: %w", hash, err)
	}
	var files []Entry
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		meta, path, ok := strings.Cut(line, "\t")
		f := strings.Fields(meta)
		if line == "" {
			continue
		}
		if !ok || len(f) != 3 {
			return nil, fmt.Errorf("listing the files of %s: cannot read git's line %q", hash, line)
		}
		files = append(files, Entry{Mode: f[0], Hash: f[2], Path: path})
	}
	return files, nil
}

// ErrNoFile is wrapped where a commit has no such file.
var ErrNoFile = errors.New("is not in the commit")

// ReadFile gives the content of a file as a commit has it.
func (r Repo) ReadFile(ctx context.Context, commit, path string) ([]byte, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	hash, err := r.Resolve(ctx, commit)
	if err != nil {
		return nil, err
	}
	out, err := r.output(ctx, "--literal-pathspecs", "ls-tree", "-z", "--full-tree", hash, "--", path)
	if err != nil {
		return nil, fmt.Errorf("looking for %s in %s: %w", path, hash, err)
	}
	f := strings.Fields(string(out))
	if len(f) < 3 {
		return nil, fmt.Errorf("%s %w %s", path, ErrNoFile, hash)
	}
	if !(Entry{Mode: f[0]}).Regular() {
		return nil, fmt.Errorf("%s in %s is no regular file (git mode %s)", path, hash, f[0])
	}
	return r.Blob(ctx, f[2])
}

// Blob gives a file's content by its hash, as [Entry] has it.
func (r Repo) Blob(ctx context.Context, hash string) ([]byte, error) {
	if err := CheckName(hash); err != nil {
		return nil, err
	}
	out, err := r.output(ctx, "cat-file", "blob", hash)
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", hash, err)
	}
	return out, nil
}

// Changed lists the paths that differ between the trees of two commits.
// A renamed file is listed under both names.
func (r Repo) Changed(ctx context.Context, a, b string) ([]string, error) {
	out, err := r.diffTree(ctx, "--name-only", a, b)
	if err != nil {
		return nil, err
	}
	var paths []string
	for p := range strings.SplitSeq(string(out), "\x00") {
		if p != "" {
			paths = append(paths, p)
		}
	}
	return paths, nil
}

// Dirty lists the files of the working tree that differ from HEAD, are not
// tracked, or that git was told not to look at; files below the directories in
// except are left out, and so is what .gitignore names.
func (r Repo) Dirty(ctx context.Context, except ...string) ([]string, error) {
	paths := []string{"--", ":(top)"}
	for _, dir := range except {
		if err := CheckPath(dir); err != nil {
			return nil, err
		}
		paths = append(paths, ":(top,exclude,literal)"+dir)
	}
	status := append([]string{"status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=none"}, paths...)
	out, err := r.output(ctx, status...)
	if err != nil {
		return nil, fmt.Errorf("looking for changes: %w", err)
	}
	var files []string
	for line := range strings.SplitSeq(string(out), "\x00") {
		if len(line) > 3 {
			files = append(files, line[3:])
		}
	}
	// "h" is assume-unchanged, "S" skip-worktree: git status is blind to both.
	out, err = r.output(ctx, append([]string{"ls-files", "-v", "-z"}, paths...)...)
	if err != nil {
		return nil, fmt.Errorf("looking for hidden files: %w", err)
	}
	for line := range strings.SplitSeq(string(out), "\x00") {
		if len(line) > 2 && (line[0] == 'S' || line[0] >= 'a' && line[0] <= 'z') {
			files = append(files, line[2:]+" (hidden by git update-index)")
		}
	}
	return files, nil
}

// Remote is a remote repository by its name in this one.
type Remote struct{ Name, URL string }

// Remotes lists the remotes in the order of the repository's configuration, with
// the URL that is fetched from.
func (r Repo) Remotes(ctx context.Context) ([]Remote, error) {
	out, err := r.output(ctx, "config", "--local", "-z", "--get-regexp", `^remote\..*\.url$`)
	if run.ExitCode(err) == 1 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing remotes: %w", err)
	}
	var remotes []Remote
	for kv := range strings.SplitSeq(string(out), "\x00") {
		key, url, ok := strings.Cut(kv, "\n")
		if !ok {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".url")
		if n := len(remotes); n > 0 && remotes[n-1].Name == name {
			continue // several URLs: git fetches from the first
		}
		remotes = append(remotes, Remote{name, url})
	}
	return remotes, nil
}

// parsePerson reads "Name <mail> 1700000000 +0100" of a commit or tag object.
func parsePerson(s string) (Person, error) {
	open, end := strings.Index(s, "<"), strings.LastIndex(s, ">")
	if open < 0 || end < open {
		return Person{}, fmt.Errorf("%q is not NAME <MAIL> SECONDS ZONE", s)
	}
	f := strings.Fields(s[end+1:])
	if len(f) != 2 {
		return Person{}, fmt.Errorf("%q is not NAME <MAIL> SECONDS ZONE", s)
	}
	sec, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil || sec < 0 || sec > 1<<40 {
		return Person{}, fmt.Errorf("%q has no time in seconds since 1970", s)
	}
	return Person{Name: strings.TrimSpace(s[:open]), Email: s[open+1 : end], When: time.Unix(sec, 0).UTC()}, nil
}
