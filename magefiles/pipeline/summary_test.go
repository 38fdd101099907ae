package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// verified is the JSON of release:verify.
func (w *world) verified(ctx context.Context, q VerifyQuery) (verify.Report, error) {
	w.t.Helper()
	w.out.Reset()
	q.Image, q.JSON = w.Image+":0.2.0", true
	err := w.Verify(ctx, q)
	var r verify.Report
	if w.out.Len() > 0 {
		ok(w.t, json.Unmarshal(w.out.Bytes(), &r))
	}
	return r, err
}

// TestSummary reads what a real release says of its build, and has what a
// verification found attested beside it.
func TestSummary(t *testing.T) {
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			p := tiny()
			p.Proofs = format
			w := newWorld(t, p)
			w.serve(registries.All()["embedded"](t))
			w.env = map[string]string{
				"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "tiny/tiny", "GITHUB_RUN_ID": "7",
				"GITHUB_WORKFLOW_REF": "tiny/tiny/.github/workflows/release.yml@refs/tags/v0.2.0",
			}
			before := time.Now().UTC().Truncate(time.Second)
			e := w.history.Episodes[0]
			w.Clock = time.Time{}
			ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
			_, err := w.release(t.Context(), term.Discard(), Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}})
			ok(t, err)
			r, err := w.verified(t.Context(), VerifyQuery{})
			ok(t, err)
			w.saysHow(t, *r.Provenance, before)
			if len(r.Summaries) != 0 {
				t.Errorf("nobody attested anything, and the report has %+v", r.Summaries)
			}

			// A failure, and a requirement that is not met, make none.
			_, err = w.verified(t.Context(), VerifyQuery{Attest: true, Commit: strings.Repeat("0", 40)})
			says(t, err, "it names the commit")
			_, err = w.verified(t.Context(), VerifyQuery{Attest: true, Require: []string{"smoke:pilot"}})
			says(t, err, "smoke:pilot was asked for")
			if r, err = w.verified(t.Context(), VerifyQuery{}); err != nil || len(r.Summaries) != 0 {
				t.Fatalf("after failures the report has %+v, %v", r.Summaries, err)
			}

			w.Clock = time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)
			_, err = w.verified(t.Context(), VerifyQuery{Attest: true})
			ok(t, err)
			r, err = w.verified(t.Context(), VerifyQuery{})
			ok(t, err)
			if len(r.Summaries) != 1 {
				t.Fatalf("the report has the summaries %+v, want one", r.Summaries)
			}
			s := r.Summaries[0]
			if s.Result != intoto.SummaryPassed || s.Resource != "oci://"+w.Image+"@"+r.Digest || !s.Verified.Equal(w.Clock.Truncate(time.Second)) ||
				s.Policy.URI != policyURI || len(s.Policy.Digest["sha256"]) != 64 || len(s.Inputs) < 9 || s.Levels[0] != level {
				t.Errorf("got the summary %+v", s)
			}
			for _, in := range s.Inputs {
				if in.Annotations["predicateType"] == intoto.SummaryType {
					t.Errorf("the summary is proved with a summary: %+v", in)
				}
			}

			// The same again says nothing new, whenever; another policy does.
			w.Clock = w.Clock.Add(time.Hour)
			w.log.Reset()
			r, err = w.verified(t.Context(), VerifyQuery{Attest: true})
			ok(t, err)
			if len(r.Summaries) != 1 || !strings.Contains(w.log.String(), "The same was attested at 2027-01-02 03:04:05 already") {
				t.Errorf("again: %+v\n%s", r.Summaries, w.log)
			}
			_, err = w.verified(t.Context(), VerifyQuery{Attest: true, Commit: r.Provenance.Commit})
			ok(t, err)
			r, err = w.verified(t.Context(), VerifyQuery{})
			ok(t, err)
			if len(r.Summaries) != 2 || r.Summaries[0].Policy.Digest["sha256"] == s.Policy.Digest["sha256"] {
				t.Errorf("verified against another policy: %+v", r.Summaries)
			}
			w.foreignSummary(t)
			w.cosignSummary(t, r)

			// For people it is one line each.
			w.out.Reset()
			ok(t, w.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.2.0"}))
			for _, want := range []string{"PASSED SLSA_BUILD_LEVEL_1, by " + verifierID, "rustc ", "Cargo.lock sha256:"} {
				if !strings.Contains(w.out.String(), want) {
					t.Errorf("the report does not say %q:\n%s", want, w.out)
				}
			}
		})
	}
}

// saysHow wants the provenance of a release to say how it was really built.
func (w *world) saysHow(t *testing.T, p verify.Provenance, before time.Time) {
	t.Helper()
	if p.Target != "release:stable" || p.Builder != "https://github.com/tiny/tiny/.github/workflows/release.yml@refs/tags/v0.2.0" ||
		p.Invocation != "https://github.com/tiny/tiny/actions/runs/7/attempts/1" {
		t.Errorf("got the provenance %+v", p)
	}
	if p.Started == nil || p.Finished == nil || p.Started.Before(before) || p.Finished.Before(*p.Started) || p.Finished.After(time.Now()) {
		t.Errorf("the build took from %v to %v", p.Started, p.Finished)
	}
	found := map[string]intoto.Resource{}
	for _, d := range p.Dependencies {
		found[d.Name] = d
	}
	lock, err := os.ReadFile(filepath.Join(w.Dir, "Cargo.lock"))
	ok(t, err)
	if got := found["Cargo.lock"]; got.Digest["sha256"] != fmt.Sprintf("%x", sha256.Sum256(lock)) || got.URI != "git+https://git.example.org/tiny/tiny@refs/tags/v0.2.0#Cargo.lock" {
		t.Errorf("the lock file is %+v", got)
	}
	for _, name := range []string{"rustc", "cargo"} {
		if got := found[name]; !strings.HasPrefix(got.URI, "pkg:generic/"+name+"@1.") || !strings.HasPrefix(got.Annotations["version"], name+" 1.") {
			t.Errorf("%s is %+v", name, got)
		}
	}
}

// foreignSummary has somebody else say it, who does not count.
func (w *world) foreignSummary(t *testing.T) {
	t.Helper()
	key, err := attest.NewKey()
	ok(t, err)
	other := w.withKey(key)
	r, err := other.verified(t.Context(), VerifyQuery{Attest: true})
	ok(t, err)
	if len(r.Summaries) != 3 {
		t.Errorf("the one who attests sees %d summaries, want its own beside two", len(r.Summaries))
	}
	r, err = w.verified(t.Context(), VerifyQuery{})
	ok(t, err)
	if len(r.Summaries) != 2 {
		t.Errorf("a summary of another key counts: %+v", r.Summaries)
	}
}

// withKey is the world of somebody else.
func (w *world) withKey(key *attest.Key) *world {
	re := *w.rehearsal
	re.Key = key
	return &world{rehearsal: &re, t: w.t, out: w.out, log: w.log, env: w.env}
}

// cosignSummary has cosign's command line judge the summary on the index and on
// an image.
func (w *world) cosignSummary(t *testing.T, r verify.Report) {
	t.Helper()
	tool := testkit.Cosign(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "cosign.pub")
	ok(t, os.WriteFile(key, w.Key.PublicPEM(), 0o600))
	trusted := filepath.Join(dir, "trusted-root.json")
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+dir, "TUF_ROOT="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		return out.String(), err
	}
	args := []string{"verify-attestation", "--key", key, "--insecure-ignore-tlog", "--allow-insecure-registry", "--allow-http-registry"}
	if r.Format == product.ProofBundles {
		out, err := run("trusted-root", "create", "--out", trusted)
		if err != nil {
			t.Fatalf("making a trusted root: %v\n%s", err, out)
		}
		args = append(args, "--new-bundle-format", "--trusted-root", trusted)
	}
	for _, digest := range []string{r.Digest, r.Platforms[1].Digest} {
		out, err := run(append(args, "--type", intoto.SummaryType, w.Image+"@"+digest)...)
		if err != nil {
			t.Errorf("cosign refuses the summary of %s: %v\n%s", digest, err, out)
		}
		if out, err = run(append(args, "--type", "https://example.org/other", w.Image+"@"+digest)...); err == nil {
			t.Errorf("cosign finds another type:\n%s", out)
		}
	}
}
