package pipeline

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// TestEveryRegistry lives through the history on each kind of registry, in both
// formats of proofs.
func TestEveryRegistry(t *testing.T) {
	for _, proofs := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		p := tiny()
		p.Proofs = proofs
		w := newWorld(t, p)
		for _, kind := range slices.Sorted(maps.Keys(registries.All())) {
			t.Run(string(proofs)+" "+kind, func(t *testing.T) {
				w.t = t
				w.serve(registries.All()[kind](t))
				w.live(t.Context())
				var moved []string
				for _, o := range w.outcomes {
					moved = append(moved, o.Plan.Ref.Name+": "+strings.Join(o.Moved, " "))
				}
				sha := func(i int) string { return decide.CommitTag(w.history.Episodes[i].Commit) }
				want := []string{
					"v0.2.0: 0.2.0 " + sha(0) + " 0.2 0 latest",
					"main: " + sha(1) + " nightly-2026-01-16 edge",
					"v0.3.0-rc.1: 0.3.0-rc.1",
					"v0.3.0: 0.3.0 " + sha(3) + " 0.3 0 latest",
					"v0.2.1: 0.2.1 " + sha(4) + " 0.2",
				}
				if !slices.Equal(moved, want) {
					t.Errorf("what moved:\n%s\nwant:\n%s", strings.Join(moved, "\n"), strings.Join(want, "\n"))
				}
				var rolled []string
				for _, row := range w.rows[5:] {
					rolled = append(rolled, row.what+": "+row.changed)
				}
				if want := []string{"withdraw v0.3.0: latest 0", "restore v0.3.0: 0 latest"}; !slices.Equal(rolled, want) {
					t.Errorf("rolled back:\n%s\nwant:\n%s", strings.Join(rolled, "\n"), strings.Join(want, "\n"))
				}
				if a, b := w.outcomes[1].Digest, w.outcomes[2].Digest; a != b {
					t.Errorf("edge and candidate of one commit are %s and %s", a, b)
				}
				for _, o := range w.outcomes {
					if !o.Report.Passed {
						t.Errorf("%s is not verified", o.Plan.Ref.Name)
					}
				}
				index, err := remote.Index(mustRef(t, w.Image+":latest"))
				ok(t, err)
				ok(t, validate.Index(index))
			})
		}
	}
}

func mustRef(t testing.TB, s string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(s)
	ok(t, err)
	return ref
}

// TestAgain shows what is sent a second time: nothing for a finished release,
// no part of the image for a candidate of a commit that edge published.
func TestAgain(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	w.live(t.Context())
	for _, a := range w.outcomes[2].Actions {
		if send, is := a.(converge.SendBlob); is && !strings.Contains(send.Blob.What, "proof") {
			t.Errorf("the candidate sent a part of the image again: %s", a)
		}
	}
	stable := w.history.Episodes[3]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), stable.Commit))
	order := Order{Ref: stable.Ref, Channels: []decide.Channel{stable.Channel}}
	again, err := w.release(t.Context(), term.Discard(), order)
	ok(t, err)
	if again.Sent.Writes() != 0 || converge.Pending(again.Actions) {
		t.Errorf("a finished release sent %s and did %v", again.Sent, again.Actions)
	}
	if !again.Report.Passed {
		t.Error("a finished release is not verified again")
	}

	// A fresh machine has no bundle: it builds the same bytes at another time,
	// keeps the provenance that is published, signs the same statements to the
	// same signatures, and has nothing to send.
	ok(t, os.RemoveAll(w.dist(stable.Ref)))
	w.Clock = w.Clock.Add(time.Hour)
	fresh, err := w.release(t.Context(), term.Discard(), order)
	ok(t, err)
	if fresh.Sent.Writes() != 0 {
		t.Errorf("the same release from a fresh bundle sent %s: %v", fresh.Sent, fresh.Actions)
	}
}

// TestEdgeForward has a slower run of an older commit, which takes nothing back;
// the plan says so before.
func TestEdgeForward(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	newer, older := w.history.Episodes[1], w.history.Episodes[1]
	older.Commit = w.history.Episodes[0].Commit
	ok(t, w.play(t.Context(), newer))
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), older.Commit))
	s := w.Suite
	s.Clock = w.history.Nightly
	ok(t, s.ShowPlan(t.Context(), "main", true))
	var p decide.Plan
	ok(t, json.Unmarshal(w.out.Bytes(), &p))
	for _, c := range p.Tags {
		if c.Change != (c.Name == decide.CommitTag(older.Commit)) {
			t.Errorf("the plan says %+v", c)
		}
	}
	ok(t, w.play(t.Context(), older))
	if moved := w.outcomes[1].Moved; !slices.Equal(moved, []string{decide.CommitTag(older.Commit)}) {
		t.Errorf("the older commit moved %q", moved)
	}
}

// TestRecord reads the evidence of a release.
func TestRecord(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	ok(t, w.play(t.Context(), w.history.Episodes[0]))
	r, err := record.Read(w.dist("v0.2.0"))
	ok(t, err)
	if r.Digest != w.outcomes[0].Digest.String() || len(r.Actions) == 0 || len(r.Binaries) != 2 {
		t.Errorf("the record is %+v", r)
	}
	if b := r.Binaries[0]; b.Ran != "native" || b.Crates != 2 || !strings.HasPrefix(b.Toolchain, "rustc ") {
		t.Errorf("the record of the native binary is %+v", b)
	}
	// A rerun that does nothing leaves the record alone.
	before, err := os.ReadFile(filepath.Join(w.dist("v0.2.0"), record.Name))
	ok(t, err)
	ok(t, w.play(t.Context(), w.history.Episodes[0]))
	after, err := os.ReadFile(filepath.Join(w.dist("v0.2.0"), record.Name))
	ok(t, err)
	if string(before) != string(after) {
		t.Error("a rerun with nothing to do replaced the record")
	}
	for _, name := range []string{"notes.md", "release.json", "SHA256SUMS", "tinyd-x86_64-linux", "tinyd-aarch64-linux.cdx.json"} {
		if _, err := os.Stat(w.dist(releasesDir, "v0.2.0", name)); err != nil {
			t.Error(err)
		}
	}
}

// TestDryRun prints the very actions that the run then does.
func TestDryRun(t *testing.T) {
	w := newWorld(t, tiny())
	counted := &writes{next: registries.All()["embedded"](t)}
	w.serve(counted)
	e := w.history.Episodes[0]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	order := Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}, DryRun: true}
	dry, err := w.release(t.Context(), term.Discard(), order)
	ok(t, err)
	if counted.n != 0 {
		t.Errorf("a dry run wrote %d times to the registry", counted.n)
	}
	if _, err := os.Stat(w.dist(releasesDir)); err == nil {
		t.Error("a dry run made a release page")
	}
	order.DryRun = false
	wet, err := w.release(t.Context(), term.Discard(), order)
	ok(t, err)
	text := func(o outcome) (lines []string) {
		for _, a := range o.Actions {
			lines = append(lines, a.String())
		}
		return lines
	}
	if !slices.Equal(text(dry), text(wet)) {
		t.Errorf("the dry run said\n%s\nthe run did\n%s", strings.Join(text(dry), "\n"), strings.Join(text(wet), "\n"))
	}
}

type writes struct {
	next http.Handler
	n    int
}

func (c *writes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.n++
	}
	c.next.ServeHTTP(w, r)
}

// TestOtherDigest has another image stand under the commit's tag.
func TestOtherDigest(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	ok(t, w.play(t.Context(), w.history.Episodes[0]))
	candidate := w.history.Episodes[2]
	other, err := remote.Index(mustRef(t, w.Image+":latest"))
	ok(t, err)
	tag := decide.CommitTag(candidate.Commit)
	ok(t, remote.WriteIndex(mustRef(t, w.Image+":"+tag), other))

	err = w.play(t.Context(), candidate)
	says(t, err, tag, w.outcomes[0].Digest.String(), "binary", "-why")
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), candidate.Commit))
	order := Order{Ref: candidate.Ref, Channels: []decide.Channel{candidate.Channel}, Why: "the toolchain was replaced"}
	out, err := w.release(t.Context(), term.Discard(), order)
	ok(t, err)
	head, err := remote.Head(mustRef(t, w.Image+":"+tag))
	ok(t, err)
	if head.Digest != w.outcomes[0].Digest {
		t.Errorf("%s was moved to %s", tag, head.Digest)
	}
	r, err := record.Read(w.dist(candidate.Ref))
	ok(t, err)
	if r.Override != order.Why || len(r.Kept) != 1 || slices.Contains(out.Moved, tag) {
		t.Errorf("the record has override %q, kept %q; moved %q", r.Override, r.Kept, out.Moved)
	}
}

// TestRefused has releases that must not begin.
func TestRefused(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	stable := w.history.Episodes[0]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), stable.Commit))
	release := func(s Suite, ref string, channel decide.Channel) error {
		_, err := s.release(t.Context(), term.Discard(), Order{Ref: ref, Channels: []decide.Channel{channel}})
		return err
	}
	t.Run("channel", func(t *testing.T) {
		says(t, release(w.Suite, "v0.2.0", decide.Candidate), "v0.2.0", "stable", "release:stable")
	})
	t.Run("no key", func(t *testing.T) {
		s := w.Suite
		s.Key = nil
		says(t, release(s, "v0.2.0", decide.Stable), "COSIGN_PRIVATE_KEY", "cosign generate-key-pair")
	})
	t.Run("another key", func(t *testing.T) {
		other := newWorld(t, tiny())
		s := w.Suite
		s.Key = other.Key
		says(t, release(s, "v0.2.0", decide.Stable), other.Key.Fingerprint(), ".release/cosign.pub")
	})
	t.Run("no checkout", func(t *testing.T) {
		s := w.Suite
		s.Dir = t.TempDir()
		says(t, release(s, "v0.2.0", decide.Stable), "-w", s.Dir)
	})
	t.Run("version", func(t *testing.T) {
		repo := git.Repo{Dir: w.Dir}
		ok(t, repo.Detach(t.Context(), "main"))
		head, err := repo.Head(t.Context())
		ok(t, err)
		ok(t, repo.MakeTag(t.Context(), git.Identity{Name: "a", Email: "a@example.org"}, dawn, "v0.9.0", head, "x", false))
		says(t, release(w.Suite, "v0.9.0", decide.Stable), "signature", "the sources declare version 0.3.0, tag v0.9.0 wants 0.9.0")
	})
	t.Run("published", func(t *testing.T) {
		ok(t, w.play(t.Context(), w.history.Episodes[3]))
		index, err := remote.Index(mustRef(t, w.Image+":latest"))
		ok(t, err)
		ok(t, remote.WriteIndex(mustRef(t, w.Image+":0.2.0"), index))
		err = w.play(t.Context(), stable)
		says(t, err, "0.2.0 is published already", "never published again")
	})
}

// TestPlanWithoutRegistry has a registry that turns the reader away: the plan is
// shown all the same, and the release refused.
func TestPlanWithoutRegistry(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
	}))
	e := w.history.Episodes[0]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	ok(t, w.ShowPlan(t.Context(), "", true))
	var p decide.Plan
	ok(t, json.Unmarshal(w.out.Bytes(), &p))
	if refused := p.Refused(); len(refused) != 1 || refused[0].Name != "registry" || len(p.Tags) != 5 {
		t.Errorf("the plan refuses %+v and has the tags %+v", refused, p.Tags)
	}
	says(t, w.play(t.Context(), e), "v0.2.0 is refused", "registry", "403")
}

// TestPlan shows a plan before and after the release.
func TestPlan(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	plan := func() decide.Plan {
		w.out.Reset()
		ok(t, w.ShowPlan(t.Context(), "", true))
		var p decide.Plan
		ok(t, json.Unmarshal(w.out.Bytes(), &p))
		return p
	}
	// Looking makes nothing: not even the embedded registry's directory.
	embeddedSuite := w.Suite
	embeddedSuite.Image = embeddedImage
	ok(t, embeddedSuite.ShowPlan(t.Context(), "", true))
	if _, err := os.Stat(w.dist()); err == nil {
		t.Error("a plan made the directory dist")
	}
	before := plan()
	if before.Ref.Name != "v0.2.0" || before.Version != "0.2.0" || before.Commit != e.Commit || len(before.Refused()) != 0 {
		t.Errorf("the plan is %+v", before)
	}
	if c := before.Tags[0]; c.Name != "0.2.0" || c.Now != "" || c.Next != "0.2.0" || !c.Change {
		t.Errorf("the plan's first tag is %+v", c)
	}
	ok(t, w.play(t.Context(), e))
	after := plan()
	for _, c := range after.Tags {
		if c.Change || c.Now != w.outcomes[0].Digest.String() {
			t.Errorf("after the release a tag is %+v", c)
		}
	}
	w.out.Reset()
	ok(t, w.ShowPlan(t.Context(), "", false))
	for _, part := range []string{"v0.2.0 (stable)", "stays", "PASS", "signed by"} {
		if !strings.Contains(w.out.String(), part) {
			t.Errorf("the plan does not say %q:\n%s", part, w.out)
		}
	}
}
