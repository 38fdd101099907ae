package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/github"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// ruled is the second product with all the rules.
func ruled() product.Product {
	p := tiny()
	p.Paperwork.Paths = []string{"CHANGELOG.md", "docs/**"}
	p.Promotion = product.Promotion{
		Bumps:  []string{"major", "minor"},
		Manual: []product.ManualGate{{Name: "staging", Ask: "The candidate ran on staging for a day."}},
	}
	p.Announce.Discussions = "Announcements"
	return p
}

var workflows = []string{"CI", "Acceptance"}

// hub is a world on the stand-in for GitHub.
type hub struct {
	*world
	server *kit.Server
	breaks *breaker
}

// TestGitHub lives through the history of a product with all the rules on the
// stand-in for GitHub, where releases are immutable and limits are met on the
// way: each stable release needs workflows, a tried candidate and what people
// checked.
func TestGitHub(t *testing.T) {
	server, err := kit.New(kit.Options{Immutable: true})
	ok(t, err)
	t.Cleanup(server.Close)
	w := &hub{emptyWorld(t, ruled()), server, &breaker{}}
	w.Forge, err = github.Open(github.Options{URL: server.URL(), API: server.API(), Uploads: server.Uploads(), Token: kit.Token, Transport: w.breaks})
	ok(t, err)
	w.serve(registries.All()["embedded"](t))
	server.SetCategories("General", "Announcements")
	server.LimitEvery(9, time.Second)

	latest := map[string]string{}
	ok(t, w.fresh(t.Context(), filepath.Join(root(t), "testdata", "tiny"), func(ctx context.Context, e episode) error {
		w.push(ctx)
		// The maintainer tags before any workflow could have run; from then on
		// they are required.
		w.Product.Workflows = workflows
		defer func() { w.Product.Workflows = nil }()
		if e.Ref == "v0.3.0" {
			w.beforeStable(t, e)
			w.succeed(e.Commit)
			w.interrupted(t, e)
		}
		w.t = t
		w.succeed(e.Commit)
		err := w.play(ctx, e)
		for _, r := range server.Releases() {
			if r.Latest {
				latest[or(e.Ref, e.Withdraw+e.Restore)] = r.Tag
			}
			if !r.Draft && (!r.Immutable || r.Published != len(r.Assets) || len(r.Assets) < 5) {
				t.Errorf("release %s is immutable: %t, and became public with %d of %d assets", r.Tag, r.Immutable, r.Published, len(r.Assets))
			}
			if strings.HasPrefix(r.Body, "## ⚠️ Deprecated") != (e.Withdraw == strings.TrimPrefix(r.Tag, "v")) {
				t.Errorf("after %+v the page of %s begins with %.100q", e, r.Tag, r.Body)
			}
			if r.Prerelease != strings.Contains(r.Tag, "-rc.") {
				t.Errorf("%s is a pre-release: %t", r.Tag, r.Prerelease)
			}
		}
		return err
	}))
	if len(w.history.Episodes) != 7 {
		t.Fatalf("the history ended after %+v\n%s", w.history.Episodes, w.log)
	}
	for after, want := range map[string]string{
		"v0.2.0": "v0.2.0", "main": "v0.2.0", "v0.3.0-rc.1": "v0.2.0", "v0.3.0": "v0.3.0", "v0.2.1": "v0.3.0",
	} {
		if latest[after] != want {
			t.Errorf("after %s the latest release is %q, want %q", after, latest[after], want)
		}
	}
	w.overrides(t)
	w.announces(t)
	for _, sin := range server.Sins() {
		if !strings.Contains(sin, "within the pause") { // those were on their way when another one met the limit
			t.Errorf("never: %s", sin)
		}
	}
}

// push brings the tags to the forge.
func (w *hub) push(ctx context.Context) {
	w.t.Helper()
	refs, err := (git.Repo{Dir: w.Dir}).Refs(ctx, "refs/tags")
	ok(w.t, err)
	for _, r := range refs {
		w.server.SetTag(strings.TrimPrefix(r.Name, "refs/tags/"), r.Commit)
	}
}

// succeed has every required workflow succeed for a commit.
func (w *hub) succeed(commit string) {
	var runs []kit.Run
	for i, name := range workflows {
		runs = append(runs, kit.Run{ID: int64(i), Name: name, HeadSHA: commit, Status: "completed", Conclusion: "success", URL: "https://github.com/run", Created: dawn})
	}
	w.server.SetRuns(runs...)
}

// beforeStable has everything that keeps a stable release from being made.
func (w *hub) beforeStable(t *testing.T, e episode) {
	ctx := t.Context()
	repo := git.Repo{Dir: w.Dir}
	ok(t, repo.Detach(ctx, e.Commit))
	order := Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}}
	run := func(name, status, conclusion string, minute int) kit.Run {
		return kit.Run{ID: int64(minute), Name: name, HeadSHA: e.Commit, Status: status, Conclusion: conclusion,
			URL: "https://github.com/run/" + name, Created: dawn.Add(time.Duration(minute) * time.Minute)}
	}
	good := run("Acceptance", "completed", "success", 0)
	other := run("CI", "completed", "success", 0)
	other.HeadSHA = strings.Repeat("a", 40)
	for _, tt := range []struct {
		name string
		runs []kit.Run
		says []string
	}{
		{"no runs", nil, []string{`"CI" has no run`, `"Acceptance" has no run`, "none of any workflow"}},
		{"another commit's", []kit.Run{good, other}, []string{`"CI" has no run`, "those of Acceptance"}},
		{"running", []kit.Run{good, run("CI", "in_progress", "", 0)}, []string{`"CI" is in_progress (https://github.com/run/CI)`}},
		{"failed", []kit.Run{good, run("CI", "completed", "failure", 0)}, []string{`"CI" ended with failure`}},
		{"failed at last", []kit.Run{good, run("CI", "completed", "success", 1), run("CI", "completed", "failure", 2)}, []string{`"CI" ended with failure`}},
		{"run again", []kit.Run{good, run("CI", "completed", "failure", 1), run("CI", "completed", "success", 2)}, nil},
	} {
		w.sub(t, "workflows: "+tt.name, func(t *testing.T) {
			w.t = t
			w.server.SetRuns(tt.runs...)
			if tt.says == nil {
				p, _ := w.planned(e.Ref)
				if refused := p.Refused(); len(refused) != 0 {
					t.Errorf("the plan refuses %+v", refused)
				}
				return
			}
			_, err := w.release(ctx, term.Discard(), order)
			says(t, err, append(tt.says, "v0.3.0 is refused:\nci: ", "must have succeeded for commit "+short(e.Commit))...)
		})
	}
	w.succeed(e.Commit)

	w.sub(t, "forge without workflows", func(t *testing.T) {
		s := w.Suite
		s.Forge, s.Getenv = nil, func(name string) string { return map[string]string{envForge: "directory"}[name] }
		_, err := s.release(ctx, term.Discard(), order)
		says(t, err, "v0.3.0 is refused:\nci: the forge runs no workflows, and CI, Acceptance are required", envForge)
	})
	w.sub(t, "candidate not published", func(t *testing.T) {
		s := w.Suite
		s.Image += "-empty"
		_, err := s.release(ctx, term.Discard(), order)
		says(t, err, "v0.3.0 is refused:\ncandidate: v0.3.0-rc.1, the last candidate of 0.3.0, cannot be promoted: it is not published (`go run . release:rc -tag=v0.3.0-rc.1`)",
			"`go run . release:tag 0.3.0-rc.2`", `-why="…"`)
	})
	w.sub(t, "other source", func(t *testing.T) {
		s := w.Suite
		s.Product.Workflows = nil
		s.Dir = filepath.Join(t.TempDir(), "clone")
		clone, err := git.Clone(ctx, w.Dir, s.Dir)
		ok(t, err)
		ok(t, clone.DeleteTag(ctx, e.Ref))
		ok(t, exec.CommandContext(ctx, "git", "-C", s.Dir, "remote", "remove", "origin").Run())
		ok(t, clone.Switch(ctx, "main", ""))
		source := filepath.Join(s.Dir, "src", "main.rs")
		text, err := os.ReadFile(source)
		ok(t, err)
		ok(t, os.WriteFile(source, append(text, "// changed\n"...), 0o600))
		_, err = clone.Commit(ctx, *w.Who, dawn, "fix: something at the last minute")
		ok(t, err)
		_, err = s.tag(ctx, TagOrder{Version: "0.3.0"})
		says(t, err, "v0.3.0 is refused:\ncandidate: ", "since its commit", "src/main.rs changed, which is not paperwork (CHANGELOG.md, docs/**)")
		made, err := s.tag(ctx, TagOrder{Version: "0.3.0", Why: "only a comment"})
		ok(t, err)
		i := slices.IndexFunc(made.Gates, func(g decide.Gate) bool { return g.Name == "candidate" })
		if g := made.Gates[i]; g.State != decide.Warning || g.Override != "only a comment" {
			t.Errorf("the gate is %+v", g)
		}

		version, err := decide.ParseTag(e.Ref)
		ok(t, err)
		// What people have not checked yet; Actions shows where that stands.
		ok(t, clone.DeleteTag(ctx, e.Ref))
		const name = "docs/releases/gates/v0.3.0.yaml"
		ok(t, os.WriteFile(filepath.Join(s.Dir, name), manual.New(version, s.Product.Promotion.Manual), 0o600))
		_, err = clone.Commit(ctx, *w.Who, dawn, "docs: to be checked")
		ok(t, err)
		_, err = s.tag(ctx, TagOrder{Version: "0.3.0", Why: "only a comment"})
		says(t, err, "v0.3.0 is refused:\nmanual: staging: "+name+":", "it is pending: check it", "The candidate ran on staging for a day")
		log := &bytes.Buffer{}
		ui := term.New(log, func(name string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[name] })
		says(t, ui.Fail(err), "v0.3.0 is refused")
		if strings.Count(log.String(), "::error file="+name+",line=") != 1 || strings.Count(log.String(), "::error") != 1 {
			t.Errorf("Actions is told\n%s", log)
		}
	})
	w.sub(t, "other binaries", func(t *testing.T) {
		s := w.Suite
		s.Dist = t.TempDir() // another machine
		s.Product.Image.User.UID = 10002
		_, err := s.release(ctx, term.Discard(), order)
		says(t, err, "binaries and layers are not those of 0.3.0-rc.1, which was tried (", "layer", "try a new one", `-why="…", which is recorded`)
		why := order
		why.Why, why.DryRun = "the candidate's toolchain is gone", true
		out, err := s.release(ctx, term.Discard(), why)
		ok(t, err)
		g := out.Plan.Gates[len(out.Plan.Gates)-1]
		if g.Name != "identity" || g.State != decide.Warning || g.Override != why.Why {
			t.Errorf("the last gate is %+v", g)
		}
	})
}

// interrupted ends a release at several of its writes to the forge, and runs it
// again each time.
func (w *hub) interrupted(t *testing.T, e episode) {
	w.sub(t, "interrupted", func(t *testing.T) {
		order := Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}}
		ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
		for _, n := range []int{1, 2, 4, 0} {
			ctx, cancel := context.WithCancel(t.Context())
			w.breaks.at(n, cancel)
			_, err := w.release(ctx, term.Discard(), order)
			cancel()
			if err == nil {
				t.Fatalf("write %d: the release was not interrupted", n)
			}
			says(t, err, "context canceled")
			for _, r := range w.server.Releases() {
				if r.Tag == e.Ref && !r.Draft && len(r.Assets) < 5 || r.Latest && r.Tag != "v0.2.0" && r.Draft {
					t.Errorf("interrupted at write %d, the release is %+v", n, r)
				}
			}
			if w.at("latest") != w.at("0.2.0") {
				t.Errorf("interrupted at write %d, latest is at %s", n, w.at("latest"))
			}
		}
		w.breaks.at(-1, nil)
		w.server.Cut(12, kit.BeforeAnswer)
	})
}

// breaker cancels a run at its n-th write, the publication for 0.
type breaker struct {
	mu     sync.Mutex
	left   int
	cancel context.CancelFunc
}

func (b *breaker) at(n int, cancel context.CancelFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.cancel = n, cancel
}

func (b *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	last := false
	if r.Method != http.MethodGet && b.cancel != nil {
		b.left--
		last = b.left == 0 || b.left < 0 && r.Method == http.MethodPatch
	}
	b.mu.Unlock()
	if !last {
		return http.DefaultTransport.RoundTrip(r)
	}
	b.cancel()
	return nil, errors.New("the machine is gone")
}

// overrides reads what was written down of a rule that a maintainer overrode.
func (w *hub) overrides(t *testing.T) {
	w.sub(t, "overrides", func(t *testing.T) {
		const why = "the first release: there is nothing to try it against"
		r, err := record.Read(w.dist("v0.2.0"))
		ok(t, err)
		i := slices.IndexFunc(r.Plan.Gates, func(g decide.Gate) bool { return g.Name == "candidate" })
		if g := r.Plan.Gates[i]; g.State != decide.Warning || g.Override != why {
			t.Errorf("the record has the gate %+v", g)
		}
		page, err := w.Forge.Find(t.Context(), "v0.2.0")
		ok(t, err)
		contains(t, "the page", page.Notes, "<summary>Maintainers</summary>", "**candidate**: there is no annotated tag of a candidate of 0.2.0", "Overridden, because: "+why)
		said := w.said(func(ctx context.Context) error { return w.Notes(ctx, "v0.2.0") })
		if said != page.Notes {
			t.Errorf("release:notes says\n%s\nthe page\n%s", said, page.Notes)
		}
		other, err := w.Forge.Find(t.Context(), "v0.3.0")
		ok(t, err)
		if strings.Contains(other.Notes, "Maintainers") {
			t.Errorf("nothing was overridden:\n%s", other.Notes)
		}
		r, err = record.Read(w.dist("v0.3.0"))
		ok(t, err)
		for name, part := range map[string]string{
			"identity": "bit-identical with those of 0.3.0-rc.1", "manual: staging": "", "ci": "CI, Acceptance succeeded",
			"candidate": "v0.3.0-rc.1", "forge": "lets this token make releases",
		} {
			i := slices.IndexFunc(r.Plan.Gates, func(g decide.Gate) bool { return g.Name == name })
			if i < 0 || r.Plan.Gates[i].State != decide.Pass || !strings.Contains(r.Plan.Gates[i].Detail, part) {
				text, _ := json.MarshalIndent(r.Plan.Gates, "", " ")
				t.Errorf("the record's gate %s does not pass with %q:\n%s", name, part, text)
			}
		}
	})
}
