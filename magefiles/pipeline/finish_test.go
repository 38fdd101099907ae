package pipeline

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// fixed releases the hotfix 0.2.1 and goes back to main.
func (d *desk) fixed() {
	d.t.Helper()
	d.hotfix()
	d.noted()
	d.tagged("0.2.1")
	d.on("main")
}

// isMerge wants HEAD on a branch at a merge of its former commit with v0.2.1.
func (d *desk) isMerge(t testing.TB, branch, before string) {
	t.Helper()
	if got := d.git("symbolic-ref", "--short", "HEAD"); got != branch {
		t.Errorf("HEAD is on %s", got)
	}
	want := "Merge hotfix/v0.2.1 back into main, Ada, " + before + " " + d.git("rev-parse", "v0.2.1^{commit}")
	if got := d.git("log", "-1", "--format=%s, %an, %P"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := d.git("status", "--porcelain"); got != "" {
		t.Errorf("the tree is not clean: %s", got)
	}
	for _, name := range []string{"src/main.rs", changelogName, guideName, "Cargo.toml", "Cargo.lock"} {
		if strings.Contains(d.read(name), "<<<<<<<") {
			t.Errorf("%s holds conflict markers", name)
		}
	}
}

// Main has gone on under the same version.
func TestFinish(t *testing.T) {
	d := newDesk(t, maintained())
	d.fixed()
	before := d.head()
	ok(t, d.FinishHotfix(t.Context(), "", false))
	d.prints(t, "merged", "hotfix/v0.2.1", "into", "main", d.head(), "joined", "CHANGELOG.md", "next", "git push REMOTE main")
	d.isMerge(t, "main", before)
	log := d.read(changelogName)
	if !strings.Contains(log, "## [Unreleased]\n\n### Fixed\n\n- A request is read") || !strings.Contains(log, "## [0.2.1] - 2026-03-01\n\n### Fixed\n\n- The fix.\n\n## [0.2.0]") {
		t.Errorf("the changelog is\n%s", log)
	}
	if !strings.Contains(d.read("Cargo.toml"), `version = "0.2.1"`) || !strings.Contains(d.read("Cargo.lock"), "name = \"tinyd\"\nversion = \"0.2.1\"") {
		t.Errorf("Cargo has\n%s\n%s", d.read("Cargo.toml"), d.read("Cargo.lock"))
	}
	if text := d.read("src/main.rs"); !strings.Contains(text, "// the fix\n") || !strings.Contains(text, "// fixed\n") {
		t.Errorf("the sources are\n%s", text)
	}

	// Again there is nothing to do.
	d.same(t, func() {
		ok(t, d.FinishHotfix(t.Context(), "0.2.1", false))
		ok(t, d.FinishHotfix(t.Context(), "v0.2.1", false))
		says(t, d.FinishHotfix(t.Context(), "", false), "every hotfix/* branch here is in main: name the version to merge back where its branch is not here")
	})
	if d.out.Len() > 0 {
		t.Errorf("it printed\n%s", d.out)
	}
}

// Main is at a higher version: it keeps that, and gets what is real.
func TestFinishBelowMain(t *testing.T) {
	d := newDesk(t, maintained())
	d.hotfix()
	d.change("Cargo.toml", "license = \"Apache-2.0\"\n", "license = \"Apache-2.0\"\nreadme = false\n")
	d.change("Cargo.toml", `itoa = "1"`, `itoa = "1.0.19"`)
	d.commit("fix: the dependency")
	d.noted()
	d.tagged("0.2.1")
	d.on("main")
	d.prepared("0.3.0")
	d.change(changelogName, "## [Unreleased]\n", "## [Unreleased]\n\n### Added\n\n- More.\n")
	before := d.commit("feat: more")
	d.on("hotfix/v0.2.1")
	ok(t, d.FinishHotfix(t.Context(), "", false))
	d.prints(t, "joined  CHANGELOG.md", "joined  docs/upgrading.md", "joined  Cargo.toml", "joined  Cargo.lock")
	d.isMerge(t, "main", before)
	if manifest := d.read("Cargo.toml"); !strings.Contains(manifest, "version = \"0.3.0\"") || !strings.Contains(manifest, "readme = false") || !strings.Contains(manifest, `itoa = "1.0.19"`) {
		t.Errorf("Cargo.toml is\n%s", manifest)
	}
	if lock := d.read("Cargo.lock"); !strings.Contains(lock, "name = \"tinyd\"\nversion = \"0.3.0\"") {
		t.Errorf("Cargo.lock is\n%s", lock)
	}
	inOrder(t, d.read(changelogName), "## [Unreleased]", "- More.", "## [0.3.0] - 2026-03-01", "- A request", "## [0.2.1] - 2026-03-01", "- The fix.", "## [0.2.0]",
		"[0.3.0]: https://git.example.org/tiny/tiny/compare/v0.2.0...v0.3.0", "[0.2.1]: https://git.example.org/tiny/tiny/compare/v0.2.0...v0.2.1", "[0.2.0]:")
	inOrder(t, d.read(guideName), "Breaking Changes", "| 0.3.0 |", "| 0.2.1 |", "| 0.2.0 |", "Environment Variable", "| 0.3.0 |", "| 0.2.1 |", "| 0.2.0 |")
}

func inOrder(t testing.TB, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, p := range parts {
		_, after, found := strings.Cut(rest, p)
		if !found {
			t.Errorf("%q is not in its place:\n%s", p, text)
			return
		}
		rest = after
	}
}

// Main changed what stands beside the version, and the version not.
func TestFinishBesideTheVersion(t *testing.T) {
	d := newDesk(t, maintained())
	d.change("Cargo.toml", "description = \"A server that is well, and says so\"", "description = \"A server\"")
	d.commit("docs: shorter")
	d.fixed()
	before := d.head()
	ok(t, d.FinishHotfix(t.Context(), "", false))
	d.isMerge(t, "main", before)
	if manifest := d.read("Cargo.toml"); !strings.Contains(manifest, "description = \"A server\"\nversion = \"0.2.1\"\n") {
		t.Errorf("Cargo.toml is\n%s", manifest)
	}
	if !strings.Contains(d.read("Cargo.lock"), "name = \"tinyd\"\nversion = \"0.2.1\"") {
		t.Errorf("Cargo.lock is\n%s", d.read("Cargo.lock"))
	}
}

// The frontend's version is joined like the crate's.
func TestFinishFrontend(t *testing.T) {
	p := maintained()
	p.Frontend = &product.Frontend{Dir: "web", Output: "web/dist", ImageDir: "/web"}
	d := newDeskOf(t, p, map[string]string{
		"web/package.json":      "{\n  \"name\": \"web\",\n  \"version\": \"0.2.0\",\n  \"dependencies\": {\n    \"a\": \"1.0.0\"\n  }\n}\n",
		"web/package-lock.json": "{\n  \"name\": \"web\",\n  \"version\": \"0.2.0\",\n  \"lockfileVersion\": 3,\n  \"packages\": {\n    \"\": {\n      \"name\": \"web\",\n      \"version\": \"0.2.0\"\n    }\n  }\n}\n",
	})
	d.hotfix()
	d.change("web/package.json", `"a": "1.0.0"`, `"a": "1.0.1"`)
	d.commit("fix: the dependency")
	d.noted()
	d.tagged("0.2.1")
	d.on("main")
	d.prepared("0.3.0")
	before := d.head()
	ok(t, d.FinishHotfix(t.Context(), "", false))
	d.isMerge(t, "main", before)
	if pack := d.read("web/package.json"); pack != "{\n  \"name\": \"web\",\n  \"version\": \"0.3.0\",\n  \"dependencies\": {\n    \"a\": \"1.0.1\"\n  }\n}\n" {
		t.Errorf("package.json is\n%s", pack)
	}
	if lock := d.read("web/package-lock.json"); strings.Count(lock, `"version": "0.3.0"`) != 2 || strings.Contains(lock, "0.2.") {
		t.Errorf("package-lock.json is\n%s", lock)
	}
}

// What nobody can join for people is named, and nothing is changed.
func TestFinishConflict(t *testing.T) {
	d := newDesk(t, maintained())
	d.fixed()
	d.change("src/main.rs", "use std::io", "// not the fix\nuse std::io")
	d.commit("fix: something else there")
	d.prepared("0.3.0")
	d.Forge = &pullForge{Forge: d.Forge}
	d.remote()
	refs := d.git("for-each-ref")
	for _, pullRequest := range []bool{false, true} {
		d.on("hotfix/v0.2.1")
		says(t, d.FinishHotfix(t.Context(), "", pullRequest),
			"both branches changed the same lines of src/main.rs: merge by hand (`git merge hotfix/v0.2.1` on main); nothing was changed here")
		if branch := d.git("symbolic-ref", "--short", "HEAD"); branch != "main" {
			t.Errorf("HEAD is on %s", branch)
		}
		if status := d.git("status", "--porcelain"); status != "" {
			t.Errorf("the tree is not clean: %s", status)
		}
		if got := d.git("for-each-ref"); got != refs {
			t.Errorf("the refs were\n%s\nand are\n%s", refs, got)
		}
		if _, err := run.Text(t.Context(), run.Cmd{Name: "git", Args: []string{"rev-parse", "--verify", "--quiet", "MERGE_HEAD"}, Dir: d.Dir}); run.ExitCode(err) != 1 {
			t.Error("the merge is not taken back")
		}
	}
}

// The same entry of the changelog, changed on both sides, is for people, too.
func TestFinishChangelogConflict(t *testing.T) {
	d := newDesk(t, maintained())
	d.hotfix()
	d.change(changelogName, "answers with its exit code", "answers with its exit code, at last")
	d.noted()
	d.tagged("0.2.1")
	d.on("main")
	d.change(changelogName, "answers with its exit code", "answers by its exit code")
	d.commit("docs: better")
	d.same(t, func() { says(t, d.FinishHotfix(t.Context(), "0.2.1", false), "joining CHANGELOG.md:", "both") })
}

// A commit that fails leaves no merge behind.
func TestFinishUndoes(t *testing.T) {
	d := newDesk(t, maintained())
	d.fixed()
	d.prepared("0.3.0")
	who := *d.Who
	who.SignCommits, who.Config = true, append(who.Config, "user.signingkey=0000000000000000")
	d.Who = &who
	d.same(t, func() { says(t, d.FinishHotfix(t.Context(), "0.2.1", false), "committing", "gpg") })
}

func TestFinishRefuses(t *testing.T) {
	d := newDesk(t, maintained())
	d.same(t, func() { says(t, d.FinishHotfix(t.Context(), "", false), "every hotfix/* branch here is in main") })
	d.hotfix()
	unreleased := "tag v0.2.1 does not exist: a hotfix is merged back once it is released (`git fetch --tags` where it is)"
	d.same(t, func() {
		says(t, d.FinishHotfix(t.Context(), "", false), unreleased) // on its branch
		says(t, d.FinishHotfix(t.Context(), "0.2.1", false), unreleased)
		says(t, d.FinishHotfix(t.Context(), "0.2", false), `"0.2"`)
	})
	d.on("main")
	d.same(t, func() { says(t, d.FinishHotfix(t.Context(), "", false), unreleased) }) // the only one
	_, _, err := d.startHotfix(t.Context(), "0.1")
	ok(t, err)
	d.change("src/main.rs", "use std::io", "// an older fix\nuse std::io")
	d.commit("fix: older")
	d.on("main")
	d.same(t, func() {
		says(t, d.FinishHotfix(t.Context(), "", false), "2 hotfix branches are not in main yet (v0.1.1, v0.2.1): name the version to merge back")
	})
	d.write("new.txt", "")
	d.same(t, func() { says(t, d.FinishHotfix(t.Context(), "0.2.1", false), "new.txt") })
	d.git("clean", "-qf")
	d.Who = &git.Identity{}
	d.same(t, func() { says(t, d.FinishHotfix(t.Context(), "0.2.1", false), "git does not know who you are") })
}

// A clone that has the tag alone merges that.
func TestFinishWithoutBranch(t *testing.T) {
	d := newDesk(t, maintained())
	d.fixed()
	d.git("branch", "-D", "hotfix/v0.2.1")
	before := d.head()
	ok(t, d.FinishHotfix(t.Context(), "0.2.1", false))
	d.isMerge(t, "main", before)
}

// pullForge is a forge that takes pull requests.
type pullForge struct {
	forge.Forge
	asked  []forge.PullRequest
	closed bool
}

func (h *pullForge) OpenPullRequest(_ context.Context, p forge.PullRequest) (string, error) {
	if h.closed {
		return "", errors.New("the forge is closed")
	}
	h.asked = append(h.asked, p)
	return "https://git.example.org/tiny/tiny/pulls/1", nil
}

func TestFinishPullRequest(t *testing.T) {
	d := newDesk(t, maintained())
	d.fixed()
	d.prepared("0.3.0")
	before := d.head()
	d.same(t, func() {
		says(t, d.FinishHotfix(t.Context(), "0.2.1", true), "opening a pull request: this forge cannot do that: run this without -pr, which merges hotfix/v0.2.1 into main here")
	})
	h := &pullForge{Forge: d.Forge, closed: true}
	d.Forge = h
	d.same(t, func() {
		says(t, d.FinishHotfix(t.Context(), "0.2.1", true), "there is no remote to push the merge of hotfix/v0.2.1 to: `git remote add origin https://git.example.org/tiny/tiny`")
	})
	home := d.remote()
	d.git("config", "remote.origin.pushurl", filepath.Join(home, "nowhere"))
	says(t, d.FinishHotfix(t.Context(), "0.2.1", true), "hotfix/v0.2.1 is merged on merge-back/v0.2.1, and that could not be pushed; run this again: pushing to origin", "nowhere")
	d.git("config", "--unset", "remote.origin.pushurl")
	says(t, d.FinishHotfix(t.Context(), "0.2.1", true), "merge-back/v0.2.1 is pushed, and the pull request could not be opened; run this again: the forge is closed")
	h.closed = false

	merged := d.git("rev-parse", "merge-back/v0.2.1")
	ok(t, d.FinishHotfix(t.Context(), "0.2.1", true))
	d.prints(t, "merged", "hotfix/v0.2.1", "into", "merge-back/v0.2.1", merged, "next", "review and merge https://git.example.org/tiny/tiny/pulls/1")
	d.isMerge(t, "merge-back/v0.2.1", before)
	if d.git("rev-parse", "main") != before || has(t, home, "refs/heads/merge-back/v0.2.1") != merged || has(t, home, "refs/heads/main") != before {
		t.Error("the merge is not on its own branch alone")
	}
	want := forge.PullRequest{
		Head: "merge-back/v0.2.1", Base: "main", Title: "Merge hotfix v0.2.1 back",
		Body: "v0.2.1 is released. This brings its fix and its paperwork to main.",
	}
	if len(h.asked) != 1 || h.asked[0] != want {
		t.Errorf("asked for %+v", h.asked)
	}
}
