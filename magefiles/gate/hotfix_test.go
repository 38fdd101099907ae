package gate

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// newHotfix makes a repository with v0.4.0 on main, a commit after it, and a
// fix on hotfix/v0.4.1.
func newHotfix(t *testing.T) repository {
	t.Helper()
	r := newRepository(t)
	r.write("backend/core/src/lib.rs", "one\ntwo\n")
	r.commit("a feature")
	r.tag("v0.4.0", nil)
	r.write("backend/core/src/next.rs", "next\n")
	r.commit("for the next release")
	r.git("switch", "-q", "-c", "hotfix/v0.4.1", "v0.4.0")
	r.write("backend/core/src/lib.rs", "one\n2\n")
	r.write("CHANGELOG.md", "# Changelog\n")
	r.commit("a fix")
	return r
}

// hotfix gives the report, and its gates as "NAME STATE: DETAIL" lines.
func (r repository) hotfix() (HotfixReport, []string) {
	r.t.Helper()
	report, err := Hotfix(r.t.Context(), r.Repo, theProduct())
	if err != nil {
		r.t.Fatal(err)
	}
	var lines []string
	for _, g := range report.Gates {
		lines = append(lines, fmt.Sprintf("%s %s: %s", g.Name, g.State, g.Detail))
	}
	return report, lines
}

func (r repository) short(rev string) string {
	r.t.Helper()
	return r.git("rev-parse", "--short=12", rev+"^{commit}")
}

func TestHotfixPasses(t *testing.T) {
	r := newHotfix(t)
	want := []string{
		"branch pass: hotfix/v0.4.1 is to release 0.4.1",
		"base pass: it starts from v0.4.0 at commit " + r.short("v0.4.0"),
		"change pass: 1 commit since v0.4.0 in CHANGELOG.md, backend/: 2 lines of 1 file, paperwork apart",
	}
	report, lines := r.hotfix()
	if !slices.Equal(lines, want) {
		t.Errorf("gates are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	files := []git.FileStat{{Path: "CHANGELOG.md", Added: 1}, {Path: "backend/core/src/lib.rs", Added: 1, Deleted: 1}}
	if report.Branch != "hotfix/v0.4.1" || report.Commit != r.git("rev-parse", "HEAD") || report.Version.String() != "0.4.1" || report.Base.String() != "0.4.0" || report.Tagged ||
		report.Commits != 1 || !slices.Equal(report.Files, files) || !slices.Equal(report.Areas, []string{"CHANGELOG.md", "backend/"}) || len(report.Critical) != 0 {
		t.Errorf("the report is %+v", report)
	}

	r.write("backend/migrations/0007_fix.sql", "select 1;\n")
	r.write("docker-compose.prod.yml", "a\n\x00")
	r.write("backend/core/src/storage/s3/mod.rs", "x\n")
	r.write("backend/core/src/storage.rs", "x\n")
	r.commit("more of it")
	report, lines = r.hotfix()
	if critical := []string{"backend/core/src/storage/s3/mod.rs", "backend/migrations/0007_fix.sql", "docker-compose.prod.yml"}; !slices.Equal(report.Critical, critical) {
		t.Errorf("critical are %q, want %q", report.Critical, critical)
	}
	if want := "change pass: 2 commits since v0.4.0 in CHANGELOG.md, backend/, docker-compose.prod.yml: 5 lines of 5 files, paperwork apart"; lines[2] != want {
		t.Errorf("the gate is\n%s\nwant\n%s", lines[2], want)
	}

	t.Run("at its tag", func(t *testing.T) {
		r.tag("v0.4.1", ada)
		r.tag("v0.4.1-rc.1", nil)
		report, lines := r.hotfix()
		if !report.Tagged || report.Branch != "hotfix/v0.4.1" || lines[0] != "branch pass: HEAD is at v0.4.1, the tag of hotfix/v0.4.1" || !strings.HasPrefix(lines[2], "change pass: ") {
			t.Errorf("the report is %+v", report)
		}
	})
	t.Run("at its tag, merged back", func(t *testing.T) {
		r.git("switch", "-q", "main")
		r.git("merge", "-q", "--no-ff", "-m", "merge", "v0.4.1")
		r.git("switch", "-q", "--detach", "v0.4.1")
		if _, lines := r.hotfix(); !strings.HasPrefix(lines[2], "change pass: 2 commits") {
			t.Errorf("gates are %q", lines)
		}
	})
	t.Run("the next one on top, also with build metadata", func(t *testing.T) {
		r.git("switch", "-q", "-c", "hotfix/v0.4.2", "v0.4.1")
		r.write("backend/core/src/lib.rs", "one\n3\n")
		r.commit("another fix")
		report, lines := r.hotfix()
		if report.Base.String() != "0.4.1" || lines[1] != "base pass: it starts from v0.4.1 at commit "+r.short("v0.4.1") || !strings.HasPrefix(lines[2], "change pass: 1 commit since v0.4.1 in backend/: ") {
			t.Errorf("gates are %q", lines)
		}
		r.git("tag", "v0.4.1+b.7", "v0.4.1^{}")
		r.git("tag", "-d", "v0.4.1")
		if report, lines := r.hotfix(); report.Base.Tag() != "v0.4.1+b.7" || !strings.HasPrefix(lines[1], "base pass: it starts from v0.4.1+b.7 ") {
			t.Errorf("gates are %q", lines)
		}
	})
}

func TestHotfixMainMovedOntoItsTag(t *testing.T) {
	r := newRepository(t)
	r.tag("v0.4.0", nil)
	r.git("switch", "-q", "-c", "hotfix/v0.4.1")
	r.write("backend/fix.rs", "x\n")
	r.commit("a fix")
	r.tag("v0.4.1", nil)
	r.git("switch", "-q", "main")
	r.git("merge", "-q", "--ff-only", "v0.4.1")
	r.git("switch", "-q", "hotfix/v0.4.1")
	if _, lines := r.hotfix(); !strings.HasPrefix(lines[2], "change pass: 1 commit since v0.4.0 in backend/") {
		t.Errorf("gates are %q", lines)
	}
	r.git("tag", "-d", "v0.4.1") // now these are commits on main
	if _, lines := r.hotfix(); !strings.HasPrefix(lines[2], "change fail: hotfix/v0.4.1 holds 1 commit of main since v0.4.0, ") {
		t.Errorf("gates are %q", lines)
	}
}

func TestHotfixRefuses(t *testing.T) {
	const start = "start one with `go run . hotfix:start`, or run `git switch hotfix/vX.Y.Z`"
	const again = "start again with `go run . hotfix:start 0.4.1`, and take the fix over with `git cherry-pick`"
	tests := map[string]struct {
		spoil func(r repository)
		// want are the gates; HEAD and BASE stand for the commits of HEAD and
		// v0.4.0.
		want []string
	}{
		"main": {func(r repository) { r.git("switch", "-q", "main") }, []string{"branch fail: main is no hotfix branch: " + start}},
		"no branch and no tag": {func(r repository) { r.git("switch", "-q", "--detach") },
			[]string{"branch fail: HEAD is on no branch, and 0 tags of patches are at its commit HEAD: " + start}},
		"two tags": {func(r repository) {
			r.git("switch", "-q", "--detach")
			r.tag("v0.4.1", nil)
			r.tag("v0.4.2", nil)
			r.tag("v0.5.0", nil)
		}, []string{"branch fail: HEAD is on no branch, and 2 tags of patches are at its commit HEAD: " + start}},
		"a minor": {func(r repository) { r.git("branch", "-m", "hotfix/v0.5.0") },
			[]string{"branch fail: hotfix/v0.5.0 does not name a patch, want hotfix/vX.Y.Z with Z above 0: rename it with `git branch -m`, or " + start}},
		"a candidate": {func(r repository) { r.git("branch", "-m", "hotfix/v0.4.1-rc.1") },
			[]string{"branch fail: hotfix/v0.4.1-rc.1 does not name a patch, want hotfix/vX.Y.Z with Z above 0: rename it with `git branch -m`, or " + start}},
		"words": {func(r repository) { r.git("branch", "-m", "hotfix/the-leak") },
			[]string{"branch fail: hotfix/the-leak does not name a patch, want hotfix/vX.Y.Z with Z above 0: rename it with `git branch -m`, or " + start}},
		"released": {func(r repository) {
			r.tag("v0.4.1", nil)
			r.write("more", "x")
			r.commit("after the release")
		}, []string{"branch fail: 0.4.1 is released already, from commit TAG, and HEAD is commit HEAD: run `git switch --detach v0.4.1` for that release, or start the next patch with `go run . hotfix:start`"}},
		"of no line": {func(r repository) { r.git("branch", "-m", "hotfix/v0.3.1") }, []string{"branch pass: hotfix/v0.3.1 is to release 0.3.1",
			"base fail: there is no tag of a release of 0.3 below 0.3.1: run `git fetch --tags`, or start from a line that was released (`go run . hotfix:start`)"}},
		"of a line that is not released yet": {func(r repository) { r.git("branch", "-m", "hotfix/v0.5.1") }, []string{"branch pass: hotfix/v0.5.1 is to release 0.5.1",
			"base fail: there is no tag of a release of 0.5 below 0.5.1: run `git fetch --tags`, or start from a line that was released (`go run . hotfix:start`)"}},
		"of a candidate": {func(r repository) { r.git("tag", "-d", "v0.4.0"); r.tag("v0.4.0-rc.1", nil) }, []string{"branch pass: hotfix/v0.4.1 is to release 0.4.1",
			"base fail: there is no tag of a release of 0.4 below 0.4.1: run `git fetch --tags`, or start from a line that was released (`go run . hotfix:start`)"}},
		"one too far": {func(r repository) { r.git("branch", "-m", "hotfix/v0.4.2") }, []string{"branch pass: hotfix/v0.4.2 is to release 0.4.2",
			"base fail: the release before 0.4.2 is v0.4.0, so the next patch is 0.4.1: run `git fetch --tags`, and where that does not bring what is missing, `git branch -m hotfix/v0.4.1`"}},
		"not from its base": {func(r repository) { r.git("reset", "-q", "--hard", "v0.4.0^") }, []string{"branch pass: hotfix/v0.4.1 is to release 0.4.1",
			"base fail: hotfix/v0.4.1 does not start from v0.4.0, the release before 0.4.1: " + again}},
		"made from main": {func(r repository) { r.git("reset", "-q", "--hard", "main") }, []string{"branch pass: hotfix/v0.4.1 is to release 0.4.1",
			"base pass: it starts from v0.4.0 at commit BASE",
			"change fail: hotfix/v0.4.1 holds 1 commit of main since v0.4.0, and a hotfix bundles nothing with its fix: " + again}},
		"main merged into it": {func(r repository) {
			r.git("switch", "-q", "main")
			r.write("later", "x")
			r.commit("later")
			r.git("switch", "-q", "hotfix/v0.4.1")
			r.git("merge", "-q", "-m", "merge", "main")
		}, []string{"branch pass: hotfix/v0.4.1 is to release 0.4.1",
			"base pass: it starts from v0.4.0 at commit BASE",
			"change fail: hotfix/v0.4.1 holds 2 commits of main since v0.4.0, and a hotfix bundles nothing with its fix: " + again}},
		"no main": {func(r repository) { r.git("branch", "-D", "main") }, []string{"branch pass: hotfix/v0.4.1 is to release 0.4.1",
			"base pass: it starts from v0.4.0 at commit BASE",
			"change fail: the main branch is not here: looked for refs/heads/main; run `git fetch origin '+refs/heads/*:refs/remotes/origin/*'`"}},
		"nothing yet": {func(r repository) { r.git("reset", "-q", "--hard", "v0.4.0") }, []string{"branch pass: hotfix/v0.4.1 is to release 0.4.1",
			"base pass: it starts from v0.4.0 at commit BASE",
			"change warning: hotfix/v0.4.1 changes nothing but paperwork since v0.4.0: commit the fix"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHotfix(t)
			base, tag := r.short("v0.4.0"), r.short("HEAD")
			tt.spoil(r)
			want := strings.NewReplacer("HEAD is", "HEAD is", "HEAD", r.short("HEAD"), "BASE", base, "TAG", tag).Replace(strings.Join(tt.want, "\n"))
			if _, lines := r.hotfix(); strings.Join(lines, "\n") != want {
				t.Errorf("gates are\n%s\nwant\n%s", strings.Join(lines, "\n"), want)
			}
		})
	}
}

func TestHotfixSize(t *testing.T) {
	r := newHotfix(t) // one file and two lines until here
	const much = "; that is much for a hotfix (more than 20 files or 400 lines): leave out what can wait for the next release"
	want := func(says string) {
		t.Helper()
		if _, lines := r.hotfix(); lines[2] != says {
			t.Errorf("the gate is\n%s\nwant\n%s", lines[2], says)
		}
	}
	r.write("docs/long.md", strings.Repeat("x\n", 1000))
	r.write("backend/long.rs", strings.Repeat("x\n", 398))
	r.commit("at the edge")
	want("change pass: 2 commits since v0.4.0 in CHANGELOG.md, backend/, docs/: 400 lines of 2 files, paperwork apart")
	r.write("backend/long.rs", strings.Repeat("x\n", 399))
	r.commit("over it")
	want("change warning: 3 commits since v0.4.0 in CHANGELOG.md, backend/, docs/: 401 lines of 2 files, paperwork apart" + much)
	r.git("reset", "-q", "--hard", "HEAD~2")
	for i := range 19 {
		r.write(fmt.Sprintf("backend/%d.rs", i), "x\n")
	}
	r.commit("twenty files")
	want("change pass: 2 commits since v0.4.0 in CHANGELOG.md, backend/: 21 lines of 20 files, paperwork apart")
	r.write("backend/more.rs", "x\n")
	r.commit("one more")
	want("change warning: 3 commits since v0.4.0 in CHANGELOG.md, backend/: 22 lines of 21 files, paperwork apart" + much)
}

func TestHotfixShallow(t *testing.T) {
	r := newHotfix(t)
	c := r.clone("--depth=1", "--branch=hotfix/v0.4.1", "--no-tags")
	_, lines := c.hotfix()
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "base fail: this clone is shallow and lacks the tag of the release before 0.4.1: run `git fetch --unshallow --tags ") {
		t.Errorf("gates are %q", lines)
	}
	c.git("fetch", "-q", "--depth=1", "origin", "+refs/tags/*:refs/tags/*")
	_, lines = c.hotfix()
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "base fail: this clone is shallow and lacks the history between v0.4.0 and HEAD: run `git fetch --unshallow --tags ") {
		t.Errorf("gates are %q", lines)
	}
	c.git("fetch", "-q", "--unshallow", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
	if _, lines = c.hotfix(); len(lines) != 3 || !strings.HasPrefix(lines[2], "change pass: ") {
		t.Errorf("after what the gate says, gates are %q", lines)
	}
}

func TestHotfixWithoutACommit(t *testing.T) {
	repo, err := git.Init(t.Context(), filepath.Join(t.TempDir(), "r"), "hotfix/v0.4.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hotfix(t.Context(), repo, theProduct()); err == nil || err.Error() != "checking the hotfix: HEAD leads to no commit in this repository" {
		t.Errorf("got %v", err)
	}
}
