package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestStat(t *testing.T) {
	ctx := t.Context()
	r, first, _ := repo(t)
	write(t, r, "dir/ü\tb\n.txt", "one\ntwo\n")
	write(t, r, "bin", "\x00\x01")
	write(t, r, "moved.txt", "two\n")
	if err := os.Remove(filepath.Join(r.Dir, "dir/ü b.txt")); err != nil {
		t.Fatal(err)
	}
	third := commit(t, r, "third")
	want := []FileStat{{"a.txt", 1, 1}, {"bin", 0, 0}, {"dir/ü\tb\n.txt", 2, 0}, {"dir/ü b.txt", 0, 1}, {"moved.txt", 1, 0}}
	got, err := r.Stat(ctx, first, "HEAD")
	slices.SortFunc(got, func(a, b FileStat) int { return strings.Compare(a.Path, b.Path) })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Stat = %+v, %v, want %+v", got, err, want)
	}
	if got, err := r.Stat(ctx, third, third); err != nil || len(got) != 0 {
		t.Errorf("Stat of one commit = %+v, %v", got, err)
	}
}

func TestCommitsBetween(t *testing.T) {
	ctx := t.Context()
	r, first, last := repo(t)
	if err := r.Switch(ctx, "side", "refs/tags/v0.1.0"); err != nil {
		t.Fatal(err)
	}
	write(t, r, "side.txt", "x")
	side := commit(t, r, "aside")
	if err := r.Switch(ctx, "main", ""); err != nil {
		t.Fatal(err)
	}
	git(t, r, "-c", "user.name=N", "-c", "user.email=n@example.com", "merge", "-q", "--no-ff", "-m", "merge", "side")
	merge := git(t, r, "rev-parse", "HEAD")
	for _, tt := range []struct {
		a, b      string
		all, main []string
	}{
		{"refs/tags/v0.1.0", "HEAD", []string{merge, last, side}, []string{merge, last}},
		{side, "main", []string{merge, last}, []string{merge, last}},
		{last, "main", []string{merge, side}, []string{merge}},
		{"main", first, nil, nil},
	} {
		all, err := r.Commits(ctx, tt.a, tt.b)
		slices.Sort(all)
		slices.Sort(tt.all)
		if err != nil || !slices.Equal(all, tt.all) {
			t.Errorf("Commits(%s, %s) = %q, %v, want %q", tt.a, tt.b, all, err, tt.all)
		}
		if main, err := r.MainLine(ctx, tt.a, tt.b); err != nil || !slices.Equal(main, tt.main) {
			t.Errorf("MainLine(%s, %s) = %q, %v, want %q", tt.a, tt.b, main, err, tt.main)
		}
	}
	if _, err := r.Commits(ctx, strings.Repeat("0", 40), "main"); !errors.Is(err, ErrNoCommit) {
		t.Errorf("a commit that is not there: %v", err)
	}
}

func TestRemoteRefs(t *testing.T) {
	ctx := t.Context()
	home, first, last := repo(t)
	tag, err := home.Tag(ctx, "v0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	git(t, home, "update-ref", "refs/pull/1/head", first)
	r, err := Clone(ctx, home.Dir, filepath.Join(t.TempDir(), "c"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.RemoteRefs(ctx, "origin")
	if err != nil || len(got) != 2 || got["refs/heads/main"] != last || got["refs/tags/v0.1.0"] != tag.Object {
		t.Errorf("RemoteRefs = %v, %v", got, err)
	}
	git(t, r, "remote", "set-url", "origin", filepath.Join(t.TempDir(), "gone"))
	if _, err := r.RemoteRefs(ctx, "origin"); err == nil || !strings.Contains(err.Error(), "asking origin for its refs: ") {
		t.Errorf("a remote that is gone: %v", err)
	}
	for _, name := range []string{"--upload-pack=x", "", "a..b"} {
		for what, err := range map[string]error{
			"RemoteRefs": second(r.RemoteRefs(ctx, name)),
			"Stat":       second(r.Stat(ctx, first, name)),
			"Commits":    second(r.Commits(ctx, name, first)),
			"MainLine":   second(r.MainLine(ctx, first, name)),
		} {
			if !errors.Is(err, ErrBadName) {
				t.Errorf("%s(%q): %v, want ErrBadName", what, name, err)
			}
		}
	}
}
