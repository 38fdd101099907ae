package git

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMirror(t *testing.T) {
	ctx := t.Context()
	r, first, last := repo(t)
	if err := r.Detach(ctx, first); err != nil {
		t.Fatal(err)
	}
	write(t, r, "aside.txt", "x")
	aside := commit(t, r, "on no branch")
	git(t, r, "update-ref", "refs/remotes/origin/main", last)
	dir := filepath.Join(t.TempDir(), "another", "place")
	m, err := Mirror(ctx, r.Dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	for rev, want := range map[string]string{"refs/heads/main": last, "refs/remotes/origin/main": last, "refs/tags/v0.1.0": first, aside: aside} {
		if got, err := m.Resolve(ctx, rev); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", rev, got, err, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d entries beside .git, %v: nothing was to be checked out", len(entries)-1, err)
	}
	if err := m.SetBranch(ctx, "main", first); err != nil {
		t.Error(err)
	}
	if got, err := m.Resolve(ctx, "refs/heads/main"); err != nil || got != first {
		t.Errorf("the branch is at %s, %v", got, err)
	}
	if got, err := r.Resolve(ctx, "refs/heads/main"); err != nil || got != last {
		t.Errorf("the original's branch is at %s, %v", got, err)
	}
	for _, err := range []error{m.SetBranch(ctx, "--force", first), m.SetBranch(ctx, "main", "-x")} {
		if err == nil {
			t.Error("a name that is an option was taken")
		}
	}
	if _, err := Mirror(ctx, t.TempDir(), filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("what is no repository was copied")
	}
}
