package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

var nobody = Identity{Name: "Nobody", Email: "nobody@example.com"}

var then = time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 2*60*60))

// repo gives a repository with two commits on main and an annotated tag at the
// first.
func repo(t *testing.T) (r Repo, first, second string) {
	t.Helper()
	r, err := Init(t.Context(), t.TempDir(), "main")
	if err != nil {
		t.Fatal(err)
	}
	write(t, r, "a.txt", "one\n")
	write(t, r, "dir/ü b.txt", "two\n")
	first = commit(t, r, "first")
	if err := r.MakeTag(t.Context(), nobody, then, "v0.1.0", first, "Release v0.1.0\n\nwith a body", false); err != nil {
		t.Fatal(err)
	}
	write(t, r, "a.txt", "three\n")
	return r, first, commit(t, r, "second")
}

func write(t *testing.T, r Repo, name, content string) {
	t.Helper()
	file := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, r Repo, message string) string {
	t.Helper()
	hash, err := r.Commit(t.Context(), nobody, then, message)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func git(t *testing.T, r Repo, args ...string) string {
	t.Helper()
	out, err := r.text(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOpenRefuses(t *testing.T) {
	r, _, _ := repo(t)
	bare := t.TempDir()
	git(t, Repo{bare}, "init", "-q", "--bare")
	tests := map[string]struct{ dir, top, says string }{
		"no repository":               {t.TempDir(), "", "is not a git repository with a working tree: run in the product's checkout, or name it with -w (git says: fatal: not a git repository"},
		"nothing there":               {filepath.Join(r.Dir, "none"), "", "no such file or directory"},
		"a file":                      {filepath.Join(r.Dir, "a.txt"), "", "is not a git repository"},
		"a directory in a repository": {filepath.Join(r.Dir, "dir"), r.Dir, "is not the top of a git working tree: it lies inside " + r.Dir},
		"a bare repository":           {bare, "", "must be run in a work tree"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.dir)
			var not *NotRepositoryError
			if !errors.As(err, &not) || not.Top != tt.top || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want a *NotRepositoryError that says %q", err, tt.says)
			}
		})
	}
	t.Run("no git", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := Open(t.Context(), r.Dir); !errors.Is(err, ErrNoGit) || !strings.Contains(err.Error(), "apt-get install git") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, r.Dir); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOpenThroughALink(t *testing.T) {
	r, _, second := repo(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(r.Dir, link); err != nil {
		t.Fatal(err)
	}
	got, err := Open(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if head, err := got.Head(t.Context()); err != nil || head != second {
		t.Errorf("HEAD is %s, %v, want %s", head, err, second)
	}
}

func TestCommits(t *testing.T) {
	ctx := t.Context()
	r, first, second := repo(t)
	for rev, want := range map[string]string{"HEAD": second, "main": second, "refs/tags/v0.1.0": first, first: first, first[:10]: first} {
		if got, err := r.Resolve(ctx, rev); err != nil || got != want {
			t.Errorf("Resolve(%s) = %s, %v, want %s", rev, got, err, want)
		}
	}
	if _, err := r.Resolve(ctx, "none"); !errors.Is(err, ErrNoCommit) || err.Error() != "none leads to no commit in this repository" {
		t.Errorf("a name that is not there: %v", err)
	}
	if at, err := r.CommitTime(ctx, "refs/tags/v0.1.0"); err != nil || at != then.UTC() {
		t.Errorf("CommitTime = %v, %v, want %v", at, err, then.UTC())
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{{first, second, true}, {second, first, false}, {first, first, true}} {
		if got, err := r.IsAncestor(ctx, tt.a, tt.b); err != nil || got != tt.want {
			t.Errorf("IsAncestor(%.7s, %.7s) = %v, %v", tt.a, tt.b, got, err)
		}
	}
	if _, err := r.IsAncestor(ctx, strings.Repeat("0", 40), second); err == nil {
		t.Error("a commit that is not there has descendants")
	}
	if shallow, err := r.Shallow(ctx); err != nil || shallow {
		t.Errorf("Shallow = %v, %v", shallow, err)
	}
	if got, err := r.Changed(ctx, first, "HEAD"); err != nil || !slices.Equal(got, []string{"a.txt"}) {
		t.Errorf("Changed = %q, %v", got, err)
	}
}

func TestCommitIsReproducible(t *testing.T) {
	_, first, second := repo(t)
	_, otherFirst, otherSecond := repo(t)
	if first != otherFirst || second != otherSecond {
		t.Errorf("%s, %s and %s, %s differ", first, second, otherFirst, otherSecond)
	}
}

func TestFiles(t *testing.T) {
	ctx := t.Context()
	r, first, _ := repo(t)
	files, err := r.Files(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if !f.Regular() {
			t.Errorf("%+v is not regular", f)
		}
	}
	if !slices.Equal(paths, []string{"a.txt", "dir/ü b.txt"}) {
		t.Errorf("files are %q", paths)
	}
	if data, err := r.Blob(ctx, files[1].Hash); err != nil || string(data) != "two\n" {
		t.Errorf("Blob = %q, %v", data, err)
	}
	if data, err := r.ReadFile(ctx, first, "a.txt"); err != nil || string(data) != "one\n" {
		t.Errorf("ReadFile = %q, %v", data, err)
	}
	if _, err := r.ReadFile(ctx, first, "b.txt"); !errors.Is(err, ErrNoFile) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := r.ReadFile(ctx, first, "dir"); err == nil || !strings.Contains(err.Error(), "is no regular file (git mode 040000)") {
		t.Errorf("a directory: %v", err)
	}
	for _, path := range []string{"", ".", "../a.txt", "/a.txt", "dir/../a.txt", "dir/", "a\x00b"} {
		if _, err := r.ReadFile(ctx, first, path); err == nil || !strings.Contains(err.Error(), "is no clean path") {
			t.Errorf("ReadFile(%q): %v", path, err)
		}
	}
}

func TestDirty(t *testing.T) {
	ctx := t.Context()
	r, _, _ := repo(t)
	dirty := func(want ...string) {
		t.Helper()
		if got, err := r.Dirty(ctx, "dist"); err != nil || !slices.Equal(got, want) {
			t.Errorf("Dirty = %q, %v, want %q", got, err, want)
		}
	}
	dirty()
	write(t, r, "dist/v0.1.0/index.json", "{}")
	dirty()
	write(t, r, "dist.txt", "x")
	write(t, r, "dir/ü b.txt", "changed")
	dirty("dir/ü b.txt", "dist.txt")
	git(t, r, "update-index", "--skip-worktree", "a.txt")
	dirty("dir/ü b.txt", "dist.txt", "a.txt (hidden by git update-index)")
}

func TestRemotes(t *testing.T) {
	ctx := t.Context()
	r, _, _ := repo(t)
	if got, err := r.Remotes(ctx); err != nil || len(got) != 0 {
		t.Errorf("Remotes = %v, %v", got, err)
	}
	git(t, r, "remote", "add", "origin", "https://example.com/a.git")
	git(t, r, "remote", "set-url", "--add", "origin", "https://example.com/b.git")
	git(t, r, "remote", "add", "up.stream", "git@example.com:c")
	want := []Remote{{"origin", "https://example.com/a.git"}, {"up.stream", "git@example.com:c"}}
	if got, err := r.Remotes(ctx); err != nil || !slices.Equal(got, want) {
		t.Errorf("Remotes = %v, %v, want %v", got, err, want)
	}
}

func TestTags(t *testing.T) {
	ctx := t.Context()
	r, first, second := repo(t)
	git(t, r, "tag", "light")
	git(t, r, "-c", "user.name=N", "-c", "user.email=n@example.com", "tag", "-a", "-m", "x", "tree", "HEAD^{tree}")
	for at, want := range map[string][]string{"": {"light", "tree", "v0.1.0"}, first: {"v0.1.0"}, second: {"light"}} {
		if got, err := r.Tags(ctx, at); err != nil || !slices.Equal(got, want) {
			t.Errorf("Tags(%s) = %q, %v, want %q", at, got, err, want)
		}
	}
	ref, err := r.Tag(ctx, "v0.1.0")
	if err != nil || ref.Type != "tag" || ref.Commit != first {
		t.Fatalf("Tag = %+v, %v", ref, err)
	}
	tag, err := r.ReadTag(ctx, ref.Object)
	if err != nil {
		t.Fatal(err)
	}
	if tag.Hash != ref.Object || tag.Object != first || tag.Type != "commit" || tag.Name != "v0.1.0" || tag.Format() != Unsigned ||
		tag.Tagger != (Person{"Nobody", "nobody@example.com", then.UTC()}) {
		t.Errorf("tag object is %+v", tag)
	}
	if _, err := r.ReadTag(ctx, first); err == nil || !strings.Contains(err.Error(), "reading tag object "+first) {
		t.Errorf("a commit read as a tag: %v", err)
	}
	if _, err := r.Tag(ctx, "v0.2.0"); !errors.Is(err, ErrNoTag) {
		t.Errorf("a tag that is not there: %v", err)
	}
}

// TestSurroundings sees that neither the environment nor replace objects nor
// the user's settings change an answer.
func TestSurroundings(t *testing.T) {
	r, first, second := repo(t)
	other, _, _ := repo(t)
	home := t.TempDir()
	write(t, Repo{home}, ".gitconfig", "[core]\n\texcludesFile = "+home+"/ignore\n[status]\n\tshowUntrackedFiles = no\n")
	write(t, Repo{home}, "ignore", "*\n")
	git(t, r, "replace", "--force", second, first)
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_DIR", filepath.Join(other.Dir, ".git"))
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "status.showUntrackedFiles")
	t.Setenv("GIT_CONFIG_VALUE_0", "no")
	t.Setenv("LANG", "de_DE.UTF-8")
	again, err := Open(t.Context(), r.Dir)
	if err != nil || again != r {
		t.Fatalf("Open = %v, %v", again, err)
	}
	if got, err := r.ReadFile(t.Context(), second, "a.txt"); err != nil || string(got) != "three\n" {
		t.Errorf("a replaced commit has %q, %v", got, err)
	}
	write(t, r, "untracked", "x")
	if got, err := r.Dirty(t.Context()); err != nil || !slices.Equal(got, []string{"untracked"}) {
		t.Errorf("Dirty = %q, %v", got, err)
	}
}

// TestAnotherOwner is a CI container, whose checkout belongs to another user.
func TestAnotherOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("not root: nothing can be given to another user, so only the own files are tried")
	}
	r, _, second := repo(t)
	if os.Getuid() == 0 {
		if err := filepath.Walk(r.Dir, func(p string, _ os.FileInfo, err error) error { return errors.Join(err, os.Lchown(p, 12345, 12345)) }); err != nil {
			t.Fatal(err)
		}
		if err := run.Do(t.Context(), run.Cmd{Name: "git", Args: []string{"-C", r.Dir, "status"}, Env: []string{"GIT_CONFIG_GLOBAL=/dev/null"}}); err == nil {
			t.Fatal("plain git accepts it: this test shows nothing")
		}
	}
	if head, err := r.Head(t.Context()); err != nil || head != second {
		t.Errorf("HEAD = %s, %v", head, err)
	}
}

func TestNamesNeverReachGit(t *testing.T) {
	ctx := t.Context()
	r, first, _ := repo(t)
	for _, name := range []string{"", "-x", "--help", "a..b", "a b", "a\nb", "a\x00b", "a\x7fb", "v1^{}", "a~1", ":a", "a*", "a[", `a\b`, "a@{0}", "@", "a/", "/a", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", strings.Repeat("a", 300)} {
		for what, err := range map[string]error{
			"CheckName":  CheckName(name),
			"Resolve":    second(r.Resolve(ctx, name)),
			"CommitTime": second(r.CommitTime(ctx, name)),
			"IsAncestor": second(r.IsAncestor(ctx, name, first)),
			"Refs":       second(r.Refs(ctx, name)),
			"Tag":        second(r.Tag(ctx, name)),
			"ReadTag":    second(r.ReadTag(ctx, name)),
			"Files":      second(r.Files(ctx, name)),
			"Blob":       second(r.Blob(ctx, name)),
			"Changed":    second(r.Changed(ctx, first, name)),
			"MakeTag":    r.MakeTag(ctx, nobody, then, name, first, "x", false),
			"Switch":     r.Switch(ctx, name, ""),
			"Detach":     r.Detach(ctx, name),
		} {
			if !errors.Is(err, ErrBadName) {
				t.Errorf("%s(%q): %v, want ErrBadName", what, name, err)
			}
		}
	}
	for _, name := range []string{"v1.2.3", "v1.2.3-rc.1+build.5", "refs/heads/hotfix/v0.3.1", "feature/ü", "a-b", "a@b"} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSwitchAndDetach(t *testing.T) {
	ctx := t.Context()
	r, first, last := repo(t)
	if err := r.Switch(ctx, "hotfix/v0.1.1", "refs/tags/v0.1.0"); err != nil {
		t.Fatal(err)
	}
	if head, _ := r.Head(ctx); head != first {
		t.Errorf("HEAD is %s, want %s", head, first)
	}
	if err := r.Switch(ctx, "main", ""); err != nil {
		t.Fatal(err)
	}
	if head, _ := r.Head(ctx); head != last {
		t.Errorf("HEAD is %s, want %s", head, last)
	}
	if err := r.Detach(ctx, "refs/tags/v0.1.0"); err != nil {
		t.Fatal(err)
	}
	if name := git(t, r, "rev-parse", "--abbrev-ref", "HEAD"); name != "HEAD" {
		t.Errorf("HEAD is on %s", name)
	}
	if err := r.Switch(ctx, "none", ""); err == nil || !strings.Contains(err.Error(), "switching to none: ") {
		t.Errorf("a branch that is not there: %v", err)
	}
}

// What lies in the history of a commit is there, and what was tagged beside it
// is not.
func TestTagsInAndAuthors(t *testing.T) {
	ctx := t.Context()
	repo, err := Init(ctx, t.TempDir(), "main")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	make := func(who, tag string) string {
		t.Helper()
		hash, err := repo.Commit(ctx, Identity{Name: who, Email: "who@example.org"}, at, "feat: "+tag)
		if err == nil {
			err = repo.MakeTag(ctx, Identity{Name: who, Email: "who@example.org"}, at, tag, hash, tag, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	first := make("Ada", "v0.1.0")
	make("Grace", "v0.2.0")
	head := make("renovate[bot]", "v0.3.0")
	if err := repo.Switch(ctx, "hotfix/v0.1.1", "v0.1.0"); err != nil {
		t.Fatal(err)
	}
	side := make("Ada", "v0.1.1")
	for commit, want := range map[string][]string{first: {"v0.1.0"}, head: {"v0.1.0", "v0.2.0", "v0.3.0"}, side: {"v0.1.0", "v0.1.1"}} {
		if got, err := repo.TagsIn(ctx, commit); err != nil || !slices.Equal(got, want) {
			t.Errorf("the tags in %s are %q, %v, want %q", commit, got, err, want)
		}
	}
	if got, err := repo.Authors(ctx, "v0.1.0", head); err != nil || !slices.Equal(got, []string{"Grace"}) {
		t.Errorf("the authors since v0.1.0 are %q, %v", got, err)
	}
	if got, err := repo.Authors(ctx, "", side); err != nil || !slices.Equal(got, []string{"Ada"}) {
		t.Errorf("the authors of the branch are %q, %v", got, err)
	}
	if base, err := repo.MergeBase(ctx, head, side); err != nil || base != first {
		t.Errorf("the histories parted at %q, %v", base, err)
	}
}
