package pipeline

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

const loses = "It forgets files that were uploaded during a restart."

// TestRollback withdraws and restores in every way that there is.
func TestRollback(t *testing.T) {
	w := newWorld(t, tiny())
	counted := &writes{next: registries.All()["embedded"](t)}
	w.serve(counted)
	ctx, h := t.Context(), w.history.Episodes
	repo := git.Repo{Dir: w.Dir}
	ok(t, w.play(ctx, h[0]))
	refused := func(o RollbackOrder, parts ...string) {
		t.Helper()
		before := counted.n
		says(t, w.Rollback(ctx, o), parts...)
		if counted.n != before {
			t.Error("what was refused wrote to the registry")
		}
	}
	ok(t, repo.Switch(ctx, "main", ""))
	refused(RollbackOrder{Version: "0.2.0", Reason: "x"}, "0.2.0 is the only stable version that is not withdrawn", "publish a fixed version first")
	ok(t, w.play(ctx, h[2]))
	ok(t, w.play(ctx, h[3]))
	w.sub(t, "the next release", func(t *testing.T) {
		ok(t, repo.Detach(ctx, h[3].Commit))
		w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses})
		ok(t, w.play(ctx, h[4]))
		out := w.outcomes[len(w.outcomes)-1]
		if got, want := out.Moved, []string{"0.2.1", decide.CommitTag(h[4].Commit), "0.2", "0", "latest"}; !slices.Equal(got, want) {
			t.Errorf("the release after the withdrawal moved %q, want %q", got, want)
		}
		w.rolls(RollbackOrder{Version: "0.3.0", Restore: true})
		ok(t, os.RemoveAll(w.dist(withdrawnDir)))
	})
	page := func() string {
		p, err := w.Forge.Find(ctx, "v0.3.0")
		ok(t, err)
		return p.Notes
	}
	ok(t, repo.Switch(ctx, "main", ""))
	start, notes := w.head(), page()
	at := map[string]string{}
	for _, tag := range []string{"0.2.0", "0.2.1", "0.3.0", "latest", "0", "0.3", "0.2"} {
		at[tag] = w.at(tag)
	}
	changelog := func() string {
		text, err := os.ReadFile(filepath.Join(w.Dir, "CHANGELOG.md"))
		ok(t, err)
		return string(text)
	}
	clean := changelog()

	w.sub(t, "refused", func(t *testing.T) {
		refused(RollbackOrder{Version: "0.3.0"}, `-reason="…" is missing`, "users are told why")
		refused(RollbackOrder{Version: "v0.3.0-rc.1", Reason: "x"}, "0.3.0-rc.1 is a candidate", "fix it in the next candidate")
		refused(RollbackOrder{Version: "0.9.0", Reason: "x"}, "0.9.0 is not published in "+w.Image, "nothing to withdraw or restore")
		refused(RollbackOrder{Version: "latest", Reason: "x"}, "latest")
		refused(RollbackOrder{Version: "0.3.0", Reason: "x", Use: "0.3.0"}, "-use=0.3.0 is no published stable version that is not withdrawn", "want one of 0.2.1, 0.2.0")
		refused(RollbackOrder{Version: "0.3.0", Reason: "x", Use: "0.1.0"}, "-use=0.1.0 is no published stable version")
		f := w.Forge
		defer func() { w.Forge = f }()
		w.Forge = hidden{f, "v0.3.0"}
		refused(RollbackOrder{Version: "0.3.0", Reason: "x"}, "release v0.3.0 is not public on the forge", "release:stable -tag=v0.3.0")
	})

	w.sub(t, "dry run", func(t *testing.T) {
		before := counted.n
		said := w.rolls(RollbackOrder{Version: "v0.3.0", Reason: loses, DryRun: true})
		contains(t, "the dry run", said, "withdrawal of 0.3.0", "move tag latest from ", "(0.3.0) to ", "(0.2.1)", "move tag 0 from ",
			"commit CHANGELOG.md to main: docs: withdraw v0.3.0")
		if counted.n != before || w.head() != start || page() != notes || changelog() != clean || w.at("latest") != at["latest"] {
			t.Error("a dry run changed something")
		}
		if _, err := os.Stat(w.dist(withdrawnDir)); err == nil {
			t.Error("a dry run left a record")
		}
		if strings.Index(said, "withdrawal of 0.3.0") > strings.Index(said, "move tag latest") || strings.Index(said, "move tag latest") > strings.Index(said, "move tag 0 from") {
			t.Errorf("the statement comes first, then latest:\n%s", said)
		}
	})

	w.sub(t, "elsewhere", func(t *testing.T) {
		ok(t, repo.Detach(ctx, h[4].Commit))
		said := w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses, DryRun: true})
		patch := w.dist(withdrawnDir, "v0.3.0", "changelog.patch")
		contains(t, "the dry run", said, "write "+patch+" for main, which is not checked out here, or not clean")
		said = w.rolls(RollbackOrder{Version: "0.3.0", Reason: "It forgets files\nthat were uploaded   during a restart."})
		contains(t, "the roll-back", said, "withdrawn", at["0.3.0"], loses, "latest, 0", "latest was at", at["0.3.0"]+" 0.3.0",
			"on main: git apply "+patch, "go run . release:announce -tag=v0.3.0")
		if w.at("latest") != at["0.2.1"] || w.at("0") != at["0.2.1"] || w.at("0.3") != at["0.3.0"] || w.at("0.3.0") != at["0.3.0"] || w.at("0.2") != at["0.2.1"] {
			t.Error("the tags are not where they belong")
		}
		contains(t, "the page", page(), "## ⚠️ Deprecated", "during a restart.", "Use **0.2.1** instead.", notes)
		r := w.records("v0.3.0")
		if len(r) != 1 || !slices.Equal(r[0].Moved, []string{"latest", "0"}) || r[0].Before["latest"] != at["0.3.0"]+" 0.3.0" || r[0].Use.String() != "0.2.1" || r[0].Reason != loses {
			t.Errorf("the records are %+v", r)
		}
		// The changelog of the main branch follows with git apply.
		ok(t, repo.Switch(ctx, "main", ""))
		if changelog() != clean {
			t.Error("the changelog was touched")
		}
		out, err := exec.CommandContext(ctx, "git", "-C", w.Dir, "apply", patch).CombinedOutput()
		if err != nil {
			t.Fatalf("git apply: %v\n%s", err, out)
		}
		contains(t, "the changelog", changelog(), "## [0.3.0] - 2026-01-15 [YANKED]", "\n> **Withdrawn:** "+loses+" Use 0.2.1 instead.\n")
		ok(t, os.WriteFile(filepath.Join(w.Dir, "CHANGELOG.md"), []byte(clean), 0o600))
	})

	w.sub(t, "commit", func(t *testing.T) {
		before := counted.n
		said := w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses})
		head := w.head()
		contains(t, "the roll-back", said, "tags moved", "none", "commit "+short(head)+" on main, to be pushed")
		if counted.n != before {
			t.Error("what was said before was said again")
		}
		if _, err := os.Stat(w.dist(withdrawnDir, "v0.3.0", "changelog.patch")); err == nil {
			t.Error("the patch is committed and still lies there")
		}
		if head == start {
			t.Fatal("nothing was committed")
		}
		log, err := exec.CommandContext(ctx, "git", "-C", w.Dir, "show", "--format=%s", "--stat", "HEAD").Output()
		ok(t, err)
		contains(t, "the commit", string(log), "docs: withdraw v0.3.0", "CHANGELOG.md", "1 file changed")
		contains(t, "the changelog", changelog(), "## [0.3.0] - 2026-01-15 [YANKED]", "\n> **Withdrawn:** "+loses+" Use 0.2.1 instead.\n")

		said = w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses})
		contains(t, "the second roll-back", said, "Nothing to do: v0.3.0 is withdrawn, and tags, release page and changelog say so.")
		said = w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses, DryRun: true})
		contains(t, "the dry run", said, "Nothing to do: v0.3.0 is withdrawn")
		if counted.n != before || w.head() != head || len(w.records("v0.3.0")) != 2 {
			t.Errorf("a second roll-back wrote or committed something, or there are %d records", len(w.records("v0.3.0")))
		}
		notice, err := os.ReadFile(w.dist(withdrawnDir, "v0.3.0", "notice.md"))
		ok(t, err)
		contains(t, "the notice", string(notice), "# Tiny v0.3.0 is withdrawn", "These tags point at v0.2.1 now: `latest`, `0`.", at["0.2.1"], "Going back to v0.2.1")
	})

	w.sub(t, "another reason", func(t *testing.T) {
		said := w.rolls(RollbackOrder{Version: "0.3.0", Reason: "It loses files", Use: "v0.2.0"})
		contains(t, "the roll-back", said, "It loses files", "use instead  0.2.0", "none")
		contains(t, "the changelog", changelog(), "\n> **Withdrawn:** It loses files. Use 0.2.0 instead.\n")
		if strings.Contains(changelog(), loses) || strings.Count(changelog(), "[YANKED]") != 1 || strings.Contains(page(), "restart") {
			t.Errorf("the first reason still stands:\n%s\n%s", changelog(), page())
		}
		if w.at("latest") != at["0.2.1"] {
			t.Error("-use moved a tag")
		}
		notice, err := os.ReadFile(w.dist(withdrawnDir, "v0.3.0", "notice.md"))
		ok(t, err)
		if strings.Contains(string(notice), "These tags point at") {
			t.Errorf("no tag points at 0.2.0:\n%s", notice)
		}
		w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses})
		if n := len(w.records("v0.3.0")); n != 4 {
			t.Errorf("there are %d records, want one for each change", n)
		}
	})

	w.sub(t, "told", func(t *testing.T) {
		q := VerifyQuery{Image: w.Image + ":0.3.0", Tag: "v0.3.0"}
		contains(t, "release:verify", w.said(func(ctx context.Context) error { return w.Verify(ctx, q) }), "verified", "WITHDRAWN: 0.3.0: "+loses+" Use 0.2.1 instead.")
		q.JSON = true
		contains(t, "release:verify -json", w.said(func(ctx context.Context) error { return w.Verify(ctx, q) }), `"withdrawn": {`, `"reason": "`+loses+`"`, `"use": "0.2.1"`)
		q = VerifyQuery{Image: w.Image + ":latest"}
		if said := w.said(func(ctx context.Context) error { return w.Verify(ctx, q) }); strings.Contains(said, "WITHDRAWN") {
			t.Errorf("latest is said to be withdrawn:\n%s", said)
		}
	})

	w.sub(t, "plan", func(t *testing.T) {
		p, said := w.planned("v0.2.1")
		if got, want := tagsOf(p), []string{"0.2", "0", "latest"}; !slices.Equal(got, want) {
			t.Errorf("the older line's plan has the tags %q, want %q", got, want)
		}
		contains(t, "the plan", said, "run `git switch --detach v0.2.1`", "the sources that are checked out declare version 0.3.0, tag v0.2.1 wants 0.2.1: they are not those of its commit")
		if strings.Contains(said, "withdrawn") {
			t.Errorf("0.2.1 is not withdrawn:\n%s", said)
		}
		ok(t, repo.Detach(ctx, h[3].Commit))
		p, said = w.planned("v0.3.0")
		if got := tagsOf(p); len(got) != 0 || len(p.Refused()) != 0 {
			t.Errorf("the withdrawn version's plan has the tags %q and refuses %v", got, p.Refused())
		}
		contains(t, "the plan", said, "withdrawn", "WARNING", "0.3.0 is withdrawn: "+loses, "No rolling tag moves to it", "go run . release:restore 0.3.0")
		// What the release then does.
		out, err := w.release(ctx, term.Discard(), Order{Ref: "v0.3.0", Channels: []decide.Channel{decide.Stable}})
		ok(t, err)
		if len(out.Moved) != 0 || w.at("latest") != at["0.2.1"] {
			t.Errorf("the rerun of what is withdrawn moved %q", out.Moved)
		}
		ok(t, repo.Switch(ctx, "main", ""))
	})

	w.sub(t, "the last one", func(t *testing.T) {
		w.rolls(RollbackOrder{Version: "0.2.1", Reason: "x"})
		refused(RollbackOrder{Version: "0.2.0", Reason: "x"}, "0.2.0 is the only stable version that is not withdrawn")
		refused(RollbackOrder{Version: "0.2.0", Reason: "x", Use: "0.3.0"}, "0.2.0 is the only stable version")
		if w.at("latest") != at["0.2.0"] || w.at("0.2") != at["0.2.0"] {
			t.Error("latest and 0.2 belong at 0.2.0")
		}
		w.rolls(RollbackOrder{Version: "0.2.1", Restore: true})
	})

	w.sub(t, "restore", func(t *testing.T) {
		before := w.head()
		said := w.rolls(RollbackOrder{Version: "0.3.0", Restore: true, DryRun: true})
		contains(t, "the dry run", said, "return of 0.3.0", "move tag latest from ", "commit CHANGELOG.md to main: docs: restore v0.3.0")
		said = w.rolls(RollbackOrder{Version: "0.3.0", Restore: true})
		contains(t, "the return", said, "not withdrawn", "0, latest", "latest was at", at["0.2.1"]+" 0.2.1", "commit "+short(w.head()))
		if w.head() == before || w.at("latest") != at["0.3.0"] || page() != notes || changelog() != clean {
			t.Errorf("the return left\n%s\n%s", page(), changelog())
		}
		before = w.head()
		writes := counted.n
		said = w.rolls(RollbackOrder{Version: "0.3.0", Restore: true})
		contains(t, "the second return", said, "Nothing to do: v0.3.0 is not withdrawn, and tags, release page and changelog say so.")
		w.rolls(RollbackOrder{Version: "0.2.0", Restore: true})
		if counted.n != writes || w.head() != before {
			t.Error("restoring what is not withdrawn changed something")
		}
	})

	w.sub(t, "json", func(t *testing.T) {
		w.out.Reset()
		ok(t, w.Rollback(ctx, RollbackOrder{Version: "0.3.0", Reason: loses, JSON: true}))
		var out map[string]any
		ok(t, json.Unmarshal(w.out.Bytes(), &out))
		if out["version"] != "0.3.0" || out["withdrawn"] != true || out["use"] != "0.2.1" || out["changelog"] != w.head() {
			t.Errorf("-json says %s", w.out)
		}
	})

	w.sub(t, "interrupted", func(t *testing.T) {
		direct := w.Image
		cut := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/latest") {
				rw.WriteHeader(http.StatusForbidden)
				return
			}
			counted.ServeHTTP(rw, r)
		}))
		defer cut.Close()
		w.Image = strings.TrimPrefix(cut.URL, "http://") + "/tiny/tinyd"
		ok(t, os.RemoveAll(w.dist(withdrawnDir)))
		err := w.Rollback(ctx, RollbackOrder{Version: "0.3.0", Restore: true})
		w.Image = direct
		says(t, err, "403")
		r := w.records("v0.3.0")
		if len(r) != 1 || w.at("latest") != at["0.2.1"] || !slices.Equal(r[0].Moved, []string{"0"}) || r[0].Before["0"] != at["0.2.1"]+" 0.2.1" {
			t.Errorf("the records of what was done are %+v", r)
		}
		said := w.rolls(RollbackOrder{Version: "0.3.0", Restore: true})
		contains(t, "the second run", said, "tags moved     latest", "commit ")
		if w.at("latest") != at["0.3.0"] {
			t.Error("the second run did not move latest")
		}
	})
}

// hidden is a forge on which a release is still a draft.
type hidden struct {
	forge.Forge
	tag string
}

func (h hidden) Page(ctx context.Context, tag string) (*forge.Release, error) {
	r, err := h.Forge.Page(ctx, tag)
	if r != nil && tag == h.tag {
		r.Draft = true
	}
	return r, err
}

func (h hidden) Find(ctx context.Context, tag string) (*forge.Release, error) {
	r, err := h.Forge.Find(ctx, tag)
	if r != nil && tag == h.tag {
		r.Draft = true
	}
	return r, err
}
