package converge

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

func version(t testing.TB, text string) decide.Version {
	t.Helper()
	v, err := decide.ParseVersion(text)
	ok(t, err)
	return v
}

const mark = "## ⚠️ Deprecated\n\n"

func marked(notes string) string   { return mark + unmarked(notes) }
func unmarked(notes string) string { return strings.TrimPrefix(notes, mark) }

// withdraw is what a roll-back wants, as a run of its own makes it: the
// statement alone where nothing of the kind stands.
func (w *world) withdraw(text string) Desired {
	w.t.Helper()
	return w.say(w.key, intoto.Withdrawal{Version: text, Withdrawn: true, Reason: "it loses files"})
}

func (w *world) restore(text string) Desired {
	w.t.Helper()
	return w.say(w.key, intoto.Withdrawal{Version: text})
}

func (w *world) say(key *attest.Key, s intoto.Withdrawal) Desired {
	w.t.Helper()
	ctx, p, v := context.Background(), w.publisher(), version(w.t, s.Version)
	subject, there, err := p.Registry.Head(ctx, v.Image())
	if err != nil || !there {
		w.t.Fatalf("version %s: %v", v, err)
	}
	last, err := p.Withdrawn(ctx, subject.Digest)
	ok(w.t, err)
	want := Desired{Channel: decide.Stable}
	if s.Withdrawn {
		want.Withdrawn, want.Amend = []decide.Version{v}, map[string]func(string) string{v.Tag(): marked}
	} else {
		want.Restored, want.Amend = []decide.Version{v}, map[string]func(string) string{v.Tag(): unmarked}
	}
	s.When = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if s, news := s.After(last); news {
		made, err := attest.Withdrawal(ctx, key, w.format, subject, s)
		ok(w.t, err)
		m, err := Proof("withdrawal of "+s.Version, made.Manifest, made.Tag, made.Blobs...)
		ok(w.t, err)
		want.Manifests = []Manifest{m}
	}
	return want
}

// latest wants the forge to show a release first.
func (w *world) latest(tag string) {
	w.t.Helper()
	if got, err := forge.Directory(w.releases).Latest(context.Background()); got != tag || err != nil {
		w.t.Errorf("the forge's latest is %s (%v), expected %s", got, err, tag)
	}
}

func (w *world) notes(tag string) string {
	w.t.Helper()
	r, err := forge.Directory(w.releases).Find(context.Background(), tag)
	ok(w.t, err)
	return r.Notes
}

// TestRollBack withdraws a version, restores it, and releases after it, on
// every kind of registry and in both formats of proofs.
func TestRollBack(t *testing.T) {
	for name, open := range registries.All() {
		for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
			t.Run(name+", "+string(format), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, open(t))
				w.format = format
				tagged := format == product.ProofTags
				one := build(t, source{ref: "v0.1.0", commit: commit("a"), tagged: tagged})
				two := build(t, source{ref: "v0.2.0", commit: commit("b"), tagged: tagged})
				w.publish(one.want)
				w.publish(two.want)
				before := w.tags()

				done, stats := w.publish(w.withdraw("0.2.0"))
				w.want(map[string]made{"0.2.0": two, "0.2": two, "0.1.0": one, "0.1": one, "0": one, "latest": one})
				w.latest("v0.1.0")
				if got := w.notes("v0.2.0"); got != mark+"# v0.2.0\n" {
					t.Errorf("notes: %q", got)
				}
				// The empty config may be there already; of the image nothing is sent.
				if all := strings.Join(done, "\n"); stats.BlobBytes > 4096 || stats.Blobs > 2 || stats.Blobs == 0 ||
					!strings.Contains(all, "tag 0.2 stays: every version that it could name is withdrawn") {
					t.Errorf("%+v:\n%s", stats, all)
				}
				w.invariants(before)
				w.finished(w.withdraw("0.2.0"))

				// An old line's patch moves what it moved before, and no more.
				patch := build(t, source{ref: "v0.1.1", commit: commit("c"), tagged: tagged})
				w.publish(patch.want)
				w.want(map[string]made{"0.2": two, "0.1": patch, "0": patch, "latest": patch})
				w.latest("v0.1.1")
				// Nor does the withdrawn release take them when it is run again.
				w.finished(two.want)
				if left, err := w.diff(two.want); err != nil || !slices.Contains(left, "no rolling tag moves to version 0.2.0: it is withdrawn") {
					t.Errorf("left: %q, %v", left, err)
				}

				w.publish(w.restore("0.2.0"))
				w.want(map[string]made{"0.2": two, "0.1": patch, "0": two, "latest": two})
				w.latest("v0.2.0")
				if got := w.notes("v0.2.0"); got != "# v0.2.0\n" {
					t.Errorf("notes: %q", got)
				}
				w.finished(w.restore("0.2.0"))

				w.publish(w.withdraw("0.2.0"))
				w.want(map[string]made{"0.2": two, "0": patch, "latest": patch})
				next := build(t, source{ref: "v0.2.1", commit: commit("d"), tagged: tagged})
				w.publish(next.want)
				w.want(map[string]made{"0.2.0": two, "0.2": next, "0": next, "latest": next, "0.1": patch})
				w.latest("v0.2.1")

				// Of one that no alias names only the statement and the notes change.
				done, _ = w.publish(w.withdraw("0.1.0"))
				for _, l := range done {
					if strings.HasPrefix(l, "move") || strings.HasPrefix(l, "verify") || strings.HasPrefix(l, "show") {
						t.Errorf("done for a version that no alias names: %s", l)
					}
				}
				if got := w.notes("v0.1.0"); got != mark+"# v0.1.0\n" {
					t.Errorf("notes: %q", got)
				}
				w.invariants(before)
				w.nothing(patch)
				w.nothing(next)
				w.finished(one.want)
				w.finished(two.want)
			})
		}
	}
}

// finished wants nothing to be done, not even a write that changes nothing.
func (w *world) finished(want Desired) {
	w.t.Helper()
	if len(want.Manifests) > 0 && want.Image == (v1.Hash{}) {
		w.t.Error("there is a new statement")
	}
	p := w.publisher()
	out, err := p.Converge(w.t.Context(), want)
	ok(w.t, err)
	if stats := p.Registry.Stats(); Pending(out.Done) || stats.Writes() > 0 {
		w.t.Errorf("finished, and yet: %q, %v", lines(out.Done), stats)
	}
}

// TestRollBackLines are the very lines of a roll-back and of its end.
func TestRollBackLines(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	for _, s := range []source{{ref: "v0.1.0", commit: commit("a")}, {ref: "v0.2.0", commit: commit("b")}} {
		w.publish(build(t, s).want)
	}
	planned, err := w.diff(w.withdraw("0.2.0"))
	ok(t, err)
	golden(t, "withdraw", scrubbed(planned))
	w.publish(w.withdraw("0.2.0"))
	planned, err = w.diff(w.restore("0.2.0"))
	ok(t, err)
	golden(t, "restore", scrubbed(planned))
}

// scrubbed leaves the digests of what a new key signed out.
func scrubbed(all []string) []string {
	out := slices.Clone(all)
	for i, l := range out {
		for _, head := range []string{"put manifest ", "send blob "} {
			if strings.HasPrefix(l, head) {
				out[i] = head + "…" + l[strings.Index(l, ":")+13:]
			}
		}
	}
	return out
}

// TestRollBackTarget: where what the aliases would move to does not pass,
// nothing at all is changed.
func TestRollBackTarget(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	two := build(t, source{ref: "v0.2.0", commit: commit("b")})
	w.publish(one.want)
	w.publish(two.want)
	before := w.everything(one.want, two.want)
	p := w.publisher()
	p.Verify = func(_ context.Context, h v1.Hash, v decide.Version) (verify.Result, error) {
		if h != one.want.Image || v.Compare(version(t, "0.1.0")) != 0 {
			t.Errorf("verified %s as %s", h, v)
		}
		return verify.Result{}, errors.New("it has no signature")
	}
	_, err := p.Converge(t.Context(), w.withdraw("0.2.0"))
	says(t, err, "verify "+short(one.want.Image)+" (0.1.0): it has no signature")
	same(t, w.everything(one.want, two.want), before)
	if n := p.Registry.Stats().Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// TestForeignStatement: where the registry does not show the withdrawal to
// those who trust the product's key, no tag follows it.
func TestForeignStatement(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	two := build(t, source{ref: "v0.2.0", commit: commit("b")})
	w.publish(one.want)
	w.publish(two.want)
	tags := w.tags()
	other, err := attest.NewKey()
	ok(t, err)
	_, err = w.publisher().Converge(t.Context(), w.say(other, intoto.Withdrawal{Version: "0.2.0", Withdrawn: true, Reason: "no friend"}))
	says(t, err, "see that the registry shows "+short(two.want.Image)+" (0.2.0) as withdrawn: it does not", "no tag was moved", "signed by the key")
	if got := w.tags(); !maps.Equal(got, tags) {
		t.Errorf("tags %v, before %v", got, tags)
	}
	w.nothing(two) // and nobody else follows it either
}

// TestAsked: a release asks of few versions whether they are withdrawn.
func TestAsked(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	for i, ref := range []string{"v0.1.0", "v0.2.0", "v0.2.1", "v0.3.0", "v0.3.1", "v1.0.0"} {
		w.publish(build(t, source{ref: ref, commit: commit(string(rune('a' + i)))}).want)
	}
	var mu sync.Mutex
	ask := func(want Desired) (n int, s State) {
		p := w.publisher()
		real := p.Withdrawn
		seen := map[v1.Hash]bool{}
		p.Withdrawn = func(ctx context.Context, h v1.Hash) (*intoto.Withdrawal, error) {
			mu.Lock()
			defer mu.Unlock()
			if seen[h] {
				t.Errorf("asked twice of %s", h)
			}
			seen[h] = true
			return real(ctx, h)
		}
		s, err := p.Observe(t.Context(), want)
		ok(t, err)
		return len(seen), s
	}
	next := build(t, source{ref: "v1.0.1", commit: commit("9")})
	// 0.1.0, 0.2.1 and 0.3.1 are what the lines of older majors name; the new
	// one itself is not there yet.
	if n, _ := ask(next.want); n != 3 {
		t.Errorf("asked of %d versions", n)
	}
	w.publish(w.withdraw("0.3.1"))
	w.publish(w.withdraw("0.3.0"))
	n, s := ask(next.want)
	if n != 4 || len(s.Withdrawn) != 2 {
		t.Errorf("asked of %d versions, withdrawn are %v", n, s.Withdrawn)
	}
	if _, there := s.Tags["0.3"]; there {
		t.Error("a tag was looked at that nothing moves")
	}
	p := w.publisher()
	p.Withdrawn = func(context.Context, v1.Hash) (*intoto.Withdrawal, error) { return nil, errors.New("no answer") }
	_, err := p.Converge(t.Context(), next.want)
	says(t, err, "looking at what is published: no answer")
}

// TestWithdrawnMeanwhile: a release that was interrupted before its aliases
// moved is run again, and withdrawn while it is at work.
func TestWithdrawnMeanwhile(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	two := build(t, source{ref: "v0.2.0", commit: commit("b")})
	w.publish(one.want)
	interrupted := func(p *Publisher) []Action {
		have, err := p.Observe(t.Context(), two.want)
		ok(t, err)
		actions, err := Diff(two.want, have)
		ok(t, err)
		return actions
	}
	p := w.publisher()
	_, err := p.Apply(t.Context(), slices.DeleteFunc(interrupted(p), func(a Action) bool { return a.rank() >= rankRolling }))
	ok(t, err)
	left := interrupted(p)
	w.publish(w.withdraw("0.2.0"))
	_, err = p.Apply(t.Context(), left)
	var withdrawn *WithdrawnError
	if !errors.As(err, &withdrawn) || withdrawn.Tag != "0.2" || withdrawn.Reason != "it loses files" {
		t.Errorf("got %v", err)
	}
	says(t, err, "tag 0.2 is not moved to version 0.2.0: it was withdrawn while this run was at work (it loses files): run it again")
	w.finished(two.want)
	w.want(map[string]made{"latest": one, "0": one})

	// Converge looks again by itself.
	p = w.publisher()
	w.publish(w.restore("0.2.0"))
	w.publish(w.withdraw("0.2.0"))
	real, first := p.Withdrawn, true
	p.Withdrawn = func(ctx context.Context, h v1.Hash) (*intoto.Withdrawal, error) {
		if h == two.want.Image && first { // what stood when it looked
			first = false
			return nil, nil
		}
		return real(ctx, h)
	}
	out, err := p.Converge(t.Context(), two.want)
	ok(t, err)
	if w.want(map[string]made{"latest": one, "0": one}); first {
		t.Errorf("nobody asked: %q", lines(out.Done))
	}
}

// TestKilledRollBack kills a roll-back, and its end, at every write, in three
// ways; on other registries than the embedded one at some. Tags never run ahead
// of the statement, another release that comes in between takes nothing back,
// and running it again finishes it.
func TestKilledRollBack(t *testing.T) {
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	two := build(t, source{ref: "v0.2.0", commit: commit("b")})
	patch := build(t, source{ref: "v0.1.1", commit: commit("c")})
	aliases := map[string]map[string]made{
		"withdraw": {"0.2.0": two, "0.2": two, "0.1": one, "0": one, "latest": one},
		"restore":  {"0.2.0": two, "0.2": two, "0.1": one, "0": two, "latest": two},
	}
	for name, open := range registries.All() {
		if testing.Short() && name != "embedded" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, what := range []string{"withdraw", "restore"} {
				// begin publishes both versions and gives what is wanted now; each
				// run makes its own statement, as different runs do.
				begin := func(h http.Handler) (*world, *reaper, func() Desired) {
					k := &reaper{next: h}
					w := newWorld(t, k)
					if name == "ggcr" { // one kind is enough for the older format
						w.format = product.ProofTags
					}
					w.publish(one.want)
					w.publish(two.want)
					if what == "withdraw" {
						return w, k, func() Desired { return w.withdraw("0.2.0") }
					}
					w.publish(w.withdraw("0.2.0"))
					return w, k, func() Desired { return w.restore("0.2.0") }
				}
				w, k, want := begin(open(t))
				k.arm(0, before, nil)
				p := w.publisher()
				p.Forge = reapedForge{p.Forge, k}
				_, err := p.Converge(t.Context(), want())
				ok(t, err)
				w.want(aliases[what])
				total := k.writes()
				if total < 6 {
					t.Fatalf("an undisturbed %s makes %d writes: the test counts too few", what, total)
				}
				for n := 1; n <= total; n++ {
					for i, when := range []moment{before, during, after} {
						if name != "embedded" && (n+i)%6 != 0 {
							continue
						}
						w, k, want := begin(open(t))
						tags := w.tags()
						ctx, cancel := context.WithCancel(t.Context())
						k.arm(n, when, cancel)
						p := w.publisher()
						p.Forge = reapedForge{p.Forge, k}
						if _, err := p.Converge(ctx, want()); err == nil {
							t.Errorf("killed %s write %d and it did not notice", when, n)
						}
						cancel()
						k.busy.Wait()
						k.arm(0, before, nil)
						w.invariants(tags)
						now := w.tags()
						said, err := w.publisher().Withdrawn(t.Context(), two.want.Image)
						ok(t, err)
						moved := now["latest"] != tags["latest"] || now["0"] != tags["0"]
						if moved && said.Stands() != (what == "withdraw") {
							t.Errorf("tags moved, and the registry says %+v", said)
						}
						// Another release comes in between, or does not.
						rolling := maps.Clone(aliases[what])
						if n%2 == 0 {
							w.publish(patch.want)
							rolling["0.1"] = patch
							if what == "withdraw" {
								rolling["0"], rolling["latest"] = patch, patch
							}
							if latest := w.tags()["latest"]; said.Stands() && latest == two.want.Image.String() {
								t.Error("the release in between moved latest back to what is withdrawn")
							}
						}
						w.publish(want())
						w.want(rolling)
						w.invariants(tags)
						w.finished(want())
						if marked := strings.HasPrefix(w.notes("v0.2.0"), mark); marked != (what == "withdraw") {
							t.Errorf("notes: %q", w.notes("v0.2.0"))
						}
						w.server.Close()
						if t.Failed() {
							t.Fatalf("%s: after a kill %s write %d", what, when, n)
						}
					}
				}
				t.Logf("%s: %d writes", what, total)
			}
		})
	}
}

// TestProof: what cannot be published as a proof is refused.
func TestProof(t *testing.T) {
	key, err := attest.NewKey()
	ok(t, err)
	h, _, err := v1.SHA256(strings.NewReader("an index"))
	ok(t, err)
	made, err := attest.Withdrawal(t.Context(), key, product.ProofBundles, v1.Descriptor{MediaType: "application/vnd.oci.image.index.v1+json", Digest: h, Size: 8},
		intoto.Withdrawal{Version: "0.1.0", Withdrawn: true, Serial: 1, Reason: "r", When: time.Unix(0, 0)})
	ok(t, err)
	m, err := Proof("withdrawal", made.Manifest, "", made.Blobs...)
	if err != nil || m.Subject == nil || *m.Subject != h || len(m.Blobs) != 2 || m.Blobs[0].What != "config of withdrawal" || m.Blobs[1].What != "layer of withdrawal" {
		t.Errorf("got %+v, %v", m, err)
	}
	_, err = Proof("withdrawal", made.Manifest, "", made.Blobs[0])
	says(t, err, "reading the withdrawal: its blob sha256:", "is missing")
	_, err = Proof("withdrawal", made.Manifest[:20], "")
	says(t, err, "reading the withdrawal: ")
	_, err = Proof("withdrawal", []byte(`{"layers":[]}`), "")
	says(t, err, "neither a subject nor a tag")
}
