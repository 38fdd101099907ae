package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// remote gives the desk a bare repository to push to, with main in it.
func (d *desk) remote() string {
	d.t.Helper()
	dir := filepath.Join(filepath.Dir(d.Dir), "home.git")
	d.git("init", "--quiet", "--bare", "--initial-branch=main", dir)
	d.git("remote", "add", "origin", dir)
	d.git("push", "--quiet", "origin", "main", "v0.1.0", "v0.2.0")
	return dir
}

// has tells what a ref of a bare repository holds, "" where it is not there.
func has(t testing.TB, dir, ref string) string {
	t.Helper()
	out, err := run.Text(t.Context(), run.Cmd{Name: "git", Args: []string{"rev-parse", "--quiet", "--verify", ref}, Dir: dir})
	if run.ExitCode(err) == 1 {
		return ""
	}
	ok(t, err)
	return out
}

func TestTag(t *testing.T) {
	d := newDesk(t, maintained())
	d.prepared("0.3.0")
	ok(t, d.Tag(t.Context(), TagOrder{Version: "v0.3.0"}))
	d.prints(t, "changelog", "tagged", "v0.3.0", d.head(), "Release v0.3.0", "Ada <ada@example.org> (", "git push REMOTE refs/tags/v0.3.0")
	if got := d.git("cat-file", "tag", "v0.3.0"); !strings.Contains(got, "object "+d.head()+"\n") || !strings.Contains(got, "\n\nRelease v0.3.0\n-----BEGIN PGP SIGNATURE-----") {
		t.Errorf("the tag is\n%s", got)
	}
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "v0.3.0 is refused:", "name: there is a tag v0.3.0 already, at commit", "run `git tag -d v0.3.0`")
	})
}

func TestTagJSON(t *testing.T) {
	d := newDesk(t, maintained())
	d.prepared("0.2.1")
	ok(t, d.Tag(t.Context(), TagOrder{Version: "0.2.1", JSON: true}))
	var got tagged
	ok(t, json.Unmarshal(d.out.Bytes(), &got))
	if got.Tag != "v0.2.1" || got.Commit != d.head() || got.Pushed || got.Signer == "" || len(got.Gates) < 8 {
		t.Errorf("got %+v", got)
	}
}

func TestTagInCI(t *testing.T) {
	d := newDesk(t, maintained())
	for _, name := range []string{"CI", "GITHUB_ACTIONS"} {
		clear(d.env)
		d.env[name] = "true"
		d.same(t, func() {
			says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Push: true}), "this is CI, which never makes or pushes tags: maintainers sign them on their own machines")
		})
	}
}

// Candidates are counted on; the message of each tag is what the policy says.
func TestTagCandidates(t *testing.T) {
	d := newDesk(t, maintained())
	d.prepared("0.3.0-rc.1")
	for _, tt := range []struct{ version, tag, message string }{
		{"0.3.0-rc", "v0.3.0-rc.1", "Release candidate 0.3.0-rc.1"},
		{"v0.3.0-rc", "v0.3.0-rc.2", "Release candidate 0.3.0-rc.2"},
		{"0.3.0-rc.7", "v0.3.0-rc.7", "Release candidate 0.3.0-rc.7"},
		{"0.3.0-rc", "v0.3.0-rc.8", "Release candidate 0.3.0-rc.8"},
	} {
		d.change("src/main.rs", "// fixed", "// fixed again")
		d.commit("fix: again")
		ok(t, d.Tag(t.Context(), TagOrder{Version: tt.version}))
		d.prints(t, "tagged", tt.tag, tt.message)
		if got := d.git("for-each-ref", "--format=%(subject) %(*objectname)", "refs/tags/"+tt.tag); got != tt.message+" "+d.head() {
			t.Errorf("%s: the tag says %q", tt.version, got)
		}
	}
	ok(t, d.StartHotfix(t.Context(), ""))
	d.change("src/main.rs", "use std", "// a fix\nuse std")
	d.change(changelogName, "## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- A fix.\n")
	d.commit("fix: a fix")
	d.prepared("0.2.1")
	d.out.Reset()
	ok(t, d.Tag(t.Context(), TagOrder{Version: "0.2.1"}))
	d.prints(t, "Hotfix v0.2.1")
}

// Every gate that refuses is named, and no tag is left.
func TestTagRefuses(t *testing.T) {
	d := newDesk(t, promoted())
	d.remote()
	d.write("src/main.rs", d.read("src/main.rs")+"// more\n")
	d.commit("fix: more")
	d.same(t, func() {
		err := d.Tag(t.Context(), TagOrder{Version: "0.4.0"})
		says(t, err, "v0.4.0 is refused:",
			"version: ", "0.2.0", // Cargo.toml
			"pushed: commit", "push the branch first (`git push origin main`)",
			"changelog: CHANGELOG.md:8: there is no section \"## [0.4.0] - YYYY-MM-DD\": run `go run . release:prepare 0.4.0`",
			"upgrading: docs/upgrading.md:", "has no row of version 0.4.0",
			"manual: docs/releases/gates/v0.4.0.yaml: it is not in commit",
			"candidate: there is no annotated tag of a candidate of 0.4.0")
		var refused *Refused
		if !errors.As(err, &refused) || len(refused.Gates) != 6 {
			t.Errorf("got %v", err)
		}
	})
	d.prints(t, "order", "0.4.0 skips versions", "clock", "tree")

	d.same(t, func() { says(t, d.Tag(t.Context(), TagOrder{Version: "0.3"}), `"0.3"`) })
	d.write("new.txt", "x")
	d.same(t, func() { says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "new.txt") })
}

// A reason goes on without a tried candidate, and without nothing else.
func TestTagWhy(t *testing.T) {
	d := newDesk(t, promoted())
	d.prepared("0.3.0")
	gates := "docs/releases/gates/v0.3.0.yaml"
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Why: "nothing but a word"}), "manual: staging: "+gates+":", "it is pending: check it and write PASS with evidence, who and when")
	})
	d.prints(t, "nothing but a word")
	d.write(gates, "version: 0.3.0\ngates:\n  - name: staging\n    status: PASS\n    evidence: https://ci.example.org/1\n    who: Ada\n    when: 2026-02-28\n")
	d.commit("docs: tried")
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "candidate: there is no annotated tag of a candidate of 0.3.0, and a minor release promotes one", "`go run . release:tag 0.3.0-rc.1`", `-why="…"`)
	})
	ok(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Why: "nothing but a word"}))
	d.prints(t, "tagged", "v0.3.0", "(overridden: nothing but a word)", "publishing asks for -why again: a tag does not carry the reason")
}

// A key that nobody has pinned makes no tag.
func TestTagNotPinned(t *testing.T) {
	d := newDesk(t, maintained())
	d.prepared("0.3.0")
	eve, err := keys.NewOpenPGP(t.Context(), filepath.Join(t.TempDir(), "keys"), "Eve", "eve@example.org")
	ok(t, err)
	t.Cleanup(func() { _ = eve.Close(context.WithoutCancel(t.Context())) })
	identity := eve.Git()
	d.Who = &identity
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "the tag was made, does not pass, and was taken away again", eve.Fingerprint[len(eve.Fingerprint)-16:])
	})
	d.Who = &git.Identity{}
	d.same(t, func() { says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "git does not know who you are") })
	d.Who = &git.Identity{Name: "Nobody", Email: "nobody@example.org", Env: []string{"GNUPGHOME=" + t.TempDir()}}
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "tagging v0.3.0", "git signs with user.signingKey, and main pins whose keys count")
	})
}

func TestTagPush(t *testing.T) {
	d := newDesk(t, maintained())
	d.prepared("0.3.0")
	ok(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0-rc"}))
	d.out.Reset()
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0-rc", Push: true}),
			"there is no remote to push v0.3.0-rc.1 to: `git remote add origin https://git.example.org/tiny/tiny`, then `git push origin refs/tags/v0.3.0-rc.1`")
	})
	home := d.remote()
	d.git("push", "--quiet", "origin", "main")
	ok(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0-rc", Push: true}))
	d.prints(t, "v0.3.0-rc.1", "pushed; CI publishes it now")
	if got := has(t, home, "refs/tags/v0.3.0-rc.1"); got == "" || got != d.git("rev-parse", "refs/tags/v0.3.0-rc.1") {
		t.Errorf("the remote has %q", got)
	}

	// A push that fails leaves the tag, and the same order goes on with it.
	hook := filepath.Join(home, "hooks", "pre-receive")
	d.write(filepath.Join("dist", "hook"), "#!/bin/sh\necho closed for the night >&2\nexit 1\n")
	ok(t, copyAll(d.path("dist/hook"), hook, nil))
	ok(t, run.Do(t.Context(), run.Cmd{Name: "chmod", Args: []string{"+x", hook}}))
	says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Push: true}),
		"v0.3.0 was made and verified, and could not be pushed; push it by hand (`git push origin refs/tags/v0.3.0`) or run this again", "closed for the night")
	if has(t, d.Dir, "refs/tags/v0.3.0") == "" || has(t, home, "refs/tags/v0.3.0") != "" {
		t.Error("the tag is not here alone")
	}
	ok(t, run.Do(t.Context(), run.Cmd{Name: "rm", Args: []string{hook}}))
	d.out.Reset()
	for range 2 { // and once more where it is there
		d.same(t, func() { ok(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Push: true})) })
		d.prints(t, "pushed; CI publishes it now", "Ada <ada@example.org>")
		if got := has(t, home, "refs/tags/v0.3.0"); got != d.git("rev-parse", "refs/tags/v0.3.0") {
			t.Errorf("the remote has %q", got)
		}
	}
}

// A tag that is there and does not pass is not pushed, and stays what it is.
func TestTagPushRefuses(t *testing.T) {
	d := newDesk(t, maintained())
	d.prepared("0.3.0")
	home := d.remote()
	d.git("push", "--quiet", "origin", "main")
	ok(t, d.repo.MakeTag(t.Context(), *d.Who, dawn, "v0.3.0", d.head(), "Release v0.3.0", false))
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Push: true}), "tag v0.3.0 is at HEAD already and does not pass, so it was not pushed", "not signed")
	})
	// At another commit it is no tag of this release.
	d.write("src/main.rs", d.read("src/main.rs")+"// more\n")
	d.commit("fix: more")
	d.git("push", "--quiet", "origin", "main")
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0", Push: true}), "name: there is a tag v0.3.0 already, at commit")
	})
	if has(t, home, "refs/tags/v0.3.0") != "" {
		t.Error("it was pushed")
	}
}

// closedForge is one that lets nobody in.
type closedForge struct{ forge.Forge }

func (closedForge) Check(context.Context) error { return errors.New("the token has run out") }

// CI's word and the forge's consent are asked for before the tag is made.
func TestTagAsksTheForge(t *testing.T) {
	p := maintained()
	p.Workflows = []string{"Test"}
	d := newDesk(t, p)
	d.prepared("0.3.0")
	d.Forge = closedForge{d.Forge}
	d.same(t, func() {
		says(t, d.Tag(t.Context(), TagOrder{Version: "0.3.0"}), "forge: the token has run out", "ci: the forge runs no workflows, and Test are required")
	})
}
