package converge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

func golden(t *testing.T, name string, got []string) {
	t.Helper()
	testkit.Golden(t, "testdata/"+name+".golden", strings.Join(got, "\n")+"\n")
}

// nothing wants a finished release to be finished: no difference, and no
// request that writes.
func (w *world) nothing(m made) {
	w.t.Helper()
	done, stats := w.publish(m.want)
	if len(done) > 0 || stats.Writes() > 0 || stats.Blobs > 0 {
		w.t.Errorf("%s is finished and yet:\n%s\n%v", m.Plan.Ref.Name, strings.Join(done, "\n"), stats)
	}
}

// TestStory lives through releases on every kind of registry.
func TestStory(t *testing.T) {
	for name, open := range registries.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t))
			first := build(t, source{ref: "v0.1.0", commit: commit("a")})
			w.publish(first.want)
			w.want(map[string]made{"0.1.0": first, "sha-" + commit("a"): first, "0.1": first, "0": first, "latest": first})
			w.nothing(first)

			edge := build(t, source{ref: "main", commit: commit("b")})
			w.publish(edge.want)
			w.want(map[string]made{"edge": edge, "nightly-2026-02-03": edge, "sha-" + commit("b"): edge, "latest": first})
			w.nothing(edge)

			// The candidate of that commit is the same image: what goes out is
			// the proofs that differ, one provenance here.
			candidate := build(t, source{ref: "v0.2.0-rc.1", commit: commit("b")})
			if candidate.want.Image != edge.want.Image {
				t.Fatal("the builds of one commit differ: the test is wrong")
			}
			done, stats := w.publish(candidate.want)
			if stats.Blobs != 1 || stats.Manifests > 3 {
				t.Errorf("the candidate sent %v:\n%s", stats, strings.Join(done, "\n"))
			}
			w.want(map[string]made{"0.2.0-rc.1": candidate, "edge": edge, "latest": first, "0": first})
			w.nothing(candidate)
			w.nothing(edge)

			second := build(t, source{ref: "v0.2.0", commit: commit("b")})
			w.publish(second.want)
			w.want(map[string]made{"0.2.0": second, "0.2": second, "0": second, "latest": second, "0.1": first})

			// A patch of the old line moves its own line alone.
			patch := build(t, source{ref: "v0.1.1", commit: commit("c")})
			w.publish(patch.want)
			w.want(map[string]made{"0.1.1": patch, "0.1": patch, "0.1.0": first, "0.2": second, "0": second, "latest": second})
			if latest, err := forge.Directory(w.releases).Latest(t.Context()); latest != "v0.2.0" || err != nil {
				t.Errorf("the forge's latest is %s, %v", latest, err)
			}
			for _, m := range []made{first, edge, candidate, second, patch} {
				w.nothing(m)
			}
			w.invariants(nil)

			// Edge never goes back.
			back := build(t, source{ref: "main", commit: commit("a")})
			done, _ = w.publish(back.want)
			skips := slices.DeleteFunc(slices.Clone(done), func(l string) bool { return !strings.Contains(l, "stays") })
			if len(skips) != 2 || !strings.Contains(skips[1], "tag edge stays at "+short(edge.want.Image)) ||
				!strings.Contains(skips[1], "newer: it is built from commit "+commit("b")) {
				t.Errorf("done: %q", done)
			}
			w.want(map[string]made{"edge": edge, "nightly-2026-02-03": edge})
			forward := build(t, source{ref: "main", commit: commit("d")})
			w.publish(forward.want)
			w.want(map[string]made{"edge": forward, "nightly-2026-02-03": forward})

			// What is there can be pulled.
			p := w.publisher()
			options, err := p.Registry.Remote(t.Context())
			ok(t, err)
			if name == "distribution" || strings.HasPrefix(name, "embedded") {
				for _, m := range []made{first, second, patch, forward} {
					index, err := remote.Index(p.Registry.Digest(m.want.Image), options...)
					ok(t, err)
					_, err = index.IndexManifest()
					ok(t, err)
				}
			}
		})
	}
}

// TestDryRun shows the very lines of a first release, of a candidate of a
// published commit, and of a patch.
func TestDryRun(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	for _, step := range []struct{ name, ref, commit string }{
		{"first", "v0.1.0", "a"}, {"edge", "main", "b"}, {"candidate", "v0.2.0-rc.1", "b"}, {"stable", "v0.2.0", "b"}, {"patch", "v0.1.1", "c"}, {"late", "main", "a"},
	} {
		m := build(t, source{ref: step.ref, commit: commit(step.commit)})
		planned, err := w.diff(m.want)
		ok(t, err)
		golden(t, step.name, planned)
		before := w.everything(m.want)
		if again, err := w.diff(m.want); err != nil || !slices.Equal(again, planned) {
			t.Errorf("%s: a second look gives %q, %v", step.name, again, err)
		}
		same(t, w.everything(m.want), before)
		done, _ := w.publish(m.want)
		if !slices.Equal(done, planned) {
			t.Errorf("%s: done is not what was planned:\n%s", step.name, strings.Join(done, "\n"))
		}
	}
}

// TestDrift repairs every alias that is wrong, also those of other lines, and
// verifies what they are moved to.
func TestDrift(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	two := build(t, source{ref: "v0.2.0", commit: commit("b")})
	for _, m := range []made{one, two} {
		w.publish(m.want)
	}
	r, ctx := w.publisher().Registry, t.Context()
	image := one.want.image()
	for _, tag := range []string{"0.2", "latest"} { // moved by hand
		ok(t, r.PutManifest(ctx, tag, image.MediaType, image.Raw))
	}
	ok(t, forge.Directory(w.releases).SetLatest(ctx, "v0.1.0"))
	res, err := http.DefaultClient.Do(request(t, "DELETE", w.server.URL+"/v2/"+repository+"/manifests/0"))
	ok(t, err)
	ok(t, res.Body.Close())

	var mu sync.Mutex
	verified := map[v1.Hash]int{}
	w.proven = func(h v1.Hash) { mu.Lock(); defer mu.Unlock(); verified[h]++ }
	patch := build(t, source{ref: "v0.1.1", commit: commit("c")})
	w.publish(patch.want)
	w.want(map[string]made{"0.1": patch, "0.2": two, "0": two, "latest": two})
	if verified[two.want.Image] != 1 || verified[patch.want.Image] != 1 || len(verified) != 2 {
		t.Errorf("verified: %v", verified)
	}
	if latest, err := forge.Directory(w.releases).Latest(ctx); latest != "v0.2.0" || err != nil {
		t.Errorf("the forge's latest is %s, %v", latest, err)
	}
	w.nothing(patch)
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	ok(t, err)
	return r
}

// TestConflicts: what must not be changed is not changed.
func TestConflicts(t *testing.T) {
	w := newWorld(t, registries.All()["ggcr"](t))
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	w.publish(one.want)
	before := w.everything(one.want)

	t.Run("version tag", func(t *testing.T) {
		other := build(t, source{ref: "v0.1.0", commit: commit("b")})
		_, err := w.publisher().Converge(t.Context(), other.want)
		var conflict *TagError
		if !errors.As(err, &conflict) || conflict.Tag != "0.1.0" || conflict.Found != one.want.Image || conflict.Want != other.want.Image {
			t.Errorf("got %v", err)
		}
		says(t, err, one.want.Image.String(), other.want.Image.String(), "release the change under a new version")
		same(t, w.everything(one.want), before)
	})
	rebuilt := build(t, source{ref: "v0.1.1", commit: commit("a"), image: "another compiler"})
	t.Run("commit tag", func(t *testing.T) {
		p := w.publisher()
		p.Differs = func(_ context.Context, mine, theirs v1.Hash) string {
			if mine != rebuilt.want.Image || theirs != one.want.Image {
				t.Errorf("compared %s and %s", mine, theirs)
			}
			return "layer 2 of linux/amd64"
		}
		_, err := p.Converge(t.Context(), rebuilt.want)
		var conflict *CommitTagError
		if !errors.As(err, &conflict) || conflict.Differs != "layer 2 of linux/amd64" {
			t.Errorf("got %v", err)
		}
		says(t, err, one.want.Image.String(), rebuilt.want.Image.String(), "layer 2 of linux/amd64", `-why="`)
		_, err = w.diff(rebuilt.want)
		says(t, err, "what differs is not known")
		same(t, w.everything(one.want), before)
	})
	t.Run("commit tag with a reason", func(t *testing.T) {
		want := rebuilt.want
		want.Why = "the toolchain had a hole"
		done, _ := w.publish(want)
		if !slices.Contains(done, "tag sha-"+commit("a")+" stays at "+short(one.want.Image)+": the toolchain had a hole") {
			t.Errorf("done: %q", done)
		}
		w.want(map[string]made{"sha-" + commit("a"): one, "0.1.1": rebuilt, "latest": rebuilt})
		have, err := w.publisher().Observe(t.Context(), want)
		ok(t, err)
		actions, err := Diff(want, have)
		if err != nil || Pending(actions) || len(actions) != 1 {
			t.Errorf("left: %v, %v", actions, err)
		}
	})
	t.Run("public release", func(t *testing.T) {
		want := one.want
		r := *want.Release
		r.Assets = slices.Clone(r.Assets)
		r.Assets[0].SHA256 = strings.Repeat("0", 64)
		want.Release = &r
		_, err := w.diff(want)
		var conflict *forge.ConflictError
		if !errors.As(err, &conflict) || conflict.Asset != r.Assets[0].Name || conflict.Found != one.want.Release.Assets[0].SHA256 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("made meanwhile", func(t *testing.T) {
		w := newWorld(t, registries.All()["ggcr"](t))
		mine, theirs := build(t, source{ref: "v0.1.0", commit: commit("a")}), build(t, source{ref: "v0.1.0", commit: commit("b")})
		p := w.publisher()
		have, err := p.Observe(t.Context(), mine.want)
		ok(t, err)
		actions, err := Diff(mine.want, have)
		ok(t, err)
		w.publish(theirs.want)
		_, err = p.Apply(t.Context(), actions)
		var conflict *TagError
		if !errors.As(err, &conflict) || conflict.Found != theirs.want.Image {
			t.Errorf("got %v", err)
		}
		w.want(map[string]made{"0.1.0": theirs, "latest": theirs})
	})
}

// TestUnverified: what does not pass gets no name and no page.
func TestUnverified(t *testing.T) {
	m := build(t, source{ref: "v0.1.0", commit: commit("a")})
	for name, verifier := range map[string]Verifier{
		"refused": func(context.Context, v1.Hash, decide.Version) (verify.Result, error) {
			return verify.Result{}, errors.New("wrong key")
		},
		"the zero value": func(context.Context, v1.Hash, decide.Version) (verify.Result, error) { return verify.Result{}, nil },
		"another digest": func(context.Context, v1.Hash, decide.Version) (verify.Result, error) {
			return proof(m.want.Manifests[0].Digest), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registries.All()["ggcr"](t))
			p := w.publisher()
			p.Verify = verifier
			if _, err := p.Converge(t.Context(), m.want); err == nil || !strings.Contains(err.Error(), "verify "+short(m.want.Image)) {
				t.Errorf("got %v", err)
			}
			if tags, files := w.tags(), tree(t, w.releases); len(tags)+len(files) > 0 {
				t.Errorf("tags %v, files %v", tags, files)
			}
			// A tag is not moved by leaving the verification out either.
			_, err := p.Apply(t.Context(), []Action{MoveTag{Tag: "latest", To: m.want.Image}})
			var unproven *UnprovenError
			if !errors.As(err, &unproven) || unproven.Tag != "latest" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestMovedMeanwhile: a newer edge that arrives while this one is at work is
// not taken back.
func TestMovedMeanwhile(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	old := build(t, source{ref: "main", commit: commit("a")})
	slow := build(t, source{ref: "main", commit: commit("b")})
	fast := build(t, source{ref: "main", commit: commit("c")})
	w.publish(old.want)
	p := w.publisher()
	verifier, once := p.Verify, sync.Once{}
	p.Verify = func(ctx context.Context, h v1.Hash, v decide.Version) (verify.Result, error) {
		once.Do(func() { w.publish(fast.want) })
		return verifier(ctx, h, v)
	}
	out, err := p.Converge(t.Context(), slow.want)
	ok(t, err)
	w.want(map[string]made{"edge": fast, "sha-" + commit("b"): slow})
	if done := strings.Join(lines(out.Done), "\n"); !strings.Contains(done, "tag edge stays at "+short(fast.want.Image)) {
		t.Errorf("done:\n%s", done)
	}

	// Apply alone says so.
	w = newWorld(t, registries.All()["embedded"](t))
	p = w.publisher()
	have, err := p.Observe(t.Context(), slow.want)
	ok(t, err)
	actions, err := Diff(slow.want, have)
	ok(t, err)
	w.publish(fast.want)
	_, err = p.Apply(t.Context(), actions)
	var moved *MovedError
	if !errors.As(err, &moved) || moved.Found != fast.want.Image {
		t.Errorf("got %v", err)
	}
	says(t, err, "from nothing to "+fast.want.Image.String(), "run it again")
}

// TestHistoryUnknown: where the history cannot be asked, edge is not moved.
func TestHistoryUnknown(t *testing.T) {
	w := newWorld(t, registries.All()["ggcr"](t))
	w.publish(build(t, source{ref: "main", commit: commit("a")}).want)
	next := build(t, source{ref: "main", commit: commit("b")})
	p := w.publisher()
	p.Ancestor = func(context.Context, string, string) (bool, error) { return false, errors.New("no such commit") }
	_, err := p.Converge(t.Context(), next.want)
	says(t, err, "whether tag ", "is behind "+commit("b"), "no such commit")
	p.Ancestor = nil
	_, err = p.Converge(t.Context(), next.want)
	says(t, err, "no history to look at")
}

// writes records what a registry is sent.
type writes struct {
	next http.Handler
	mu   sync.Mutex
	seen map[string]int
}

func (s *writes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.Method == http.MethodPut {
		key := "manifest " + filepath.Base(r.URL.Path)
		if d := r.URL.Query().Get("digest"); d != "" {
			key = "blob " + d
		}
		s.seen[key]++
	}
	s.mu.Unlock()
	s.next.ServeHTTP(w, r)
}

// TestOnce: no blob is sent twice, and a fallback tag is written once a
// subject.
func TestOnce(t *testing.T) {
	for _, name := range []string{"embedded", "embedded without referrers", "distribution"} {
		s := &writes{next: registries.All()[name](t), seen: map[string]int{}}
		w := newWorld(t, s)
		m := build(t, source{ref: "v0.1.0", commit: commit("a")})
		w.publish(m.want)
		fallbacks := 0
		for key, n := range s.seen {
			if n != 1 {
				t.Errorf("%s: %s was sent %d times", name, key, n)
			}
			if strings.HasPrefix(key, "manifest sha256-") {
				fallbacks++
			}
		}
		if want := map[bool]int{true: 0, false: 3}[name == "embedded"]; fallbacks != want {
			t.Errorf("%s: %d fallback tags, expected %d", name, fallbacks, want)
		}
	}
}

// TestForgetful is a registry that answers the referrers API with an empty
// list: the fallback tag is kept there too.
func TestForgetful(t *testing.T) {
	next := registries.All()["embedded"](t)
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/referrers/") {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, `{"schemaVersion":2,"manifests":[]}`)
			return
		}
		next.ServeHTTP(w, r)
	}))
	m := build(t, source{ref: "v0.1.0", commit: commit("a")})
	p := w.publisher()
	p.Verify = func(_ context.Context, h v1.Hash, _ decide.Version) (verify.Result, error) { return proof(h), nil }
	_, err := p.Converge(t.Context(), m.want)
	ok(t, err)
	tags := w.tags()
	for _, d := range m.want.Manifests[:3] {
		if tags[fallbackTag(d.Digest)] == "" {
			t.Errorf("%s (%s) has no fallback tag", d.Digest, d.What)
		}
	}
	w.nothing(m)
}

// TestTagged keeps proofs under tags, and those of an earlier build of the
// commit beside them.
func TestTagged(t *testing.T) {
	for _, name := range []string{"embedded", "distribution"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registries.All()[name](t))
			edge := build(t, source{ref: "main", commit: commit("a"), tagged: true})
			candidate := build(t, source{ref: "v0.1.0-rc.1", commit: commit("a"), tagged: true})
			w.publish(edge.want)
			w.nothing(edge)
			w.publish(candidate.want)
			w.nothing(candidate)
			w.nothing(edge)
			p := w.publisher()
			options, err := p.Registry.Remote(t.Context())
			ok(t, err)
			img, err := remote.Image(p.Registry.Tag(fallbackTag(edge.want.Image)+".provenance"), options...)
			ok(t, err)
			m, err := img.Manifest()
			ok(t, err)
			var got []string
			for _, l := range m.Layers {
				got = append(got, l.Annotations["signature"])
			}
			if len(got) != 2 || !strings.HasSuffix(got[0], "from main") || !strings.HasSuffix(got[1], "from v0.1.0-rc.1") {
				t.Errorf("proofs: %q", got)
			}
			config, err := img.ConfigFile()
			if err != nil || len(config.RootFS.DiffIDs) != 2 {
				t.Errorf("config: %+v, %v", config, err)
			}
			for i, l := range m.Layers {
				if l.Digest != config.RootFS.DiffIDs[i] {
					t.Errorf("layer %d is %s, its diff ID %s", i, l.Digest, config.RootFS.DiffIDs[i])
				}
			}
		})
	}
}

// TestDraftLeftovers: what does not belong to a draft goes, what is wrong in it
// is replaced.
func TestDraftLeftovers(t *testing.T) {
	w := newWorld(t, registries.All()["ggcr"](t))
	m := build(t, source{ref: "v0.1.0", commit: commit("a")})
	d, ctx := forge.Directory(w.releases), t.Context()
	ok(t, d.Draft(ctx, forge.Release{Tag: "v0.1.0", Name: "old"}))
	draft := filepath.Join(w.releases, ".drafts", "v0.1.0")
	ok(t, os.WriteFile(filepath.Join(draft, "stray"), []byte("x"), 0o600))
	ok(t, os.WriteFile(filepath.Join(draft, "binary-x86_64"), []byte("wrong"), 0o600))
	good, err := os.ReadFile(m.want.paths["binary-aarch64"])
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(draft, "binary-aarch64"), good, 0o600))
	done, _ := w.publish(m.want)
	all := strings.Join(done, "\n")
	for line, want := range map[string]bool{
		"drop stray from draft v0.1.0": true, "draft release v0.1.0": true, "upload binary-x86_64": true, "upload binary-aarch64": false,
	} {
		if strings.Contains(all, line) != want {
			t.Errorf("%q is %v in:\n%s", line, !want, all)
		}
	}
	w.invariants(nil)
	// The notes of a public release are the maintainer's.
	ok(t, os.WriteFile(filepath.Join(w.releases, "v0.1.0", "notes.md"), []byte("## Deprecated\n"), 0o600))
	w.nothing(m)
	// A file that somebody removed comes back.
	ok(t, os.Remove(filepath.Join(w.releases, "v0.1.0", "SHA256SUMS")))
	w.publish(m.want)
	w.invariants(nil)
}

// TestBroken: a bundle that is not whole is refused before anything is sent.
func TestBroken(t *testing.T) {
	m := build(t, source{ref: "v0.1.0", commit: commit("a")})
	image := m.want.image()
	path := m.Path(image.Digest)
	ok(t, os.WriteFile(path, []byte("{}"), 0o600))
	_, err := wanted(m.Bundle)
	says(t, err, "holds other bytes than its name says", path)
	ok(t, os.WriteFile(path, image.Raw, 0o600))
	layer := m.want.Manifests[0].Blobs[1]
	ok(t, os.Remove(m.Path(layer.Digest)))
	_, err = wanted(m.Bundle)
	says(t, err, "blob "+layer.Digest.String(), "is missing")
}

// TestParallelReleases publishes two builds of one commit at once, as two
// machines may: both end with all their proofs.
func TestParallelReleases(t *testing.T) {
	for _, name := range []string{"embedded", "embedded without referrers"} {
		w := newWorld(t, registries.All()[name](t))
		a := build(t, source{ref: "v0.1.0-rc.1", commit: commit("a")})
		b := build(t, source{ref: "v0.1.0", commit: commit("a")})
		var g sync.WaitGroup
		for _, m := range []made{a, b} {
			g.Go(func() {
				if _, err := w.publisher().Converge(context.Background(), m.want); err != nil {
					t.Errorf("%s: %s: %v", name, m.Plan.Ref.Name, err)
				}
			})
		}
		g.Wait()
		w.publish(a.want) // where the fallback tag was lost to the other one
		w.publish(b.want)
		w.nothing(a)
		w.nothing(b)
		w.invariants(nil)
	}
}

// TestWatch hears of every action and of the bytes of the blobs and assets.
func TestWatch(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	m := build(t, source{ref: "v0.1.0", commit: commit("a"), big: 1 << 20})
	p := w.publisher()
	have, err := p.Observe(t.Context(), m.want)
	ok(t, err)
	actions, err := Diff(m.want, have)
	ok(t, err)
	var mu sync.Mutex
	begun, done, sent := 0, 0, int64(0)
	locked := func(f func()) { mu.Lock(); defer mu.Unlock(); f() }
	p.Watch = Watch{
		Begun: func(Action) { locked(func() { begun++ }) },
		Done:  func(_ Action, err error) { locked(func() { done++ }); ok(t, err) },
		Sent:  func(n int64) { locked(func() { sent += n }) },
	}
	_, err = p.Apply(t.Context(), actions)
	ok(t, err)
	if begun != len(actions) || done != len(actions) || sent != Bytes(actions) {
		t.Errorf("heard of %d begun, %d done and %d bytes; expected %d and %d bytes", begun, done, sent, len(actions), Bytes(actions))
	}
}

// TestImage validates a published image whose layers are layers.
func TestImage(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	m := build(t, source{ref: "v0.1.0", commit: commit("a"), big: 1 << 20})
	w.publish(m.want)
	p := w.publisher()
	options, err := p.Registry.Remote(t.Context())
	ok(t, err)
	index, err := remote.Index(p.Registry.Tag("0.1.0"), options...)
	ok(t, err)
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(len(w.tags())); got != "5" {
		t.Errorf("%s tags", got)
	}
}
