package pipeline

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
)

// keylessTiny is the tiny product on GitHub, signed keyless alone.
func keylessTiny() product.Product {
	p := tiny()
	p.Source = "https://github.com/example/tiny"
	p.Trust.ReleaseKey = ""
	p.Trust.Keyless = &product.Keyless{Issuer: sigstorekit.GitHub, Identities: []product.Identity{
		{For: []string{"edge", "nightly"}, Workflow: ".github/workflows/edge.yml"},
		{For: []string{"candidate", "stable"}, Workflow: ".github/workflows/release.yml"},
		{For: []string{product.Withdrawal}, Person: "maintainer@example.org", Issuer: sigstorekit.People},
	}}
	return p
}

// keylessWorld has a Sigstore instance; there is one timestamp authority on a
// machine.
func keylessWorld(t testing.TB) *world {
	t.Helper()
	return keylessWorldOf(t, keylessTiny())
}

func keylessWorldOf(t testing.TB, p product.Product) *world {
	t.Helper()
	o := sigstorekit.Options{Log: true, Wait: 5 * time.Minute}
	if missing := sigstorekit.Missing(o); len(missing) > 0 && testing.Short() {
		t.Skipf("%s is not there: %s builds it", strings.Join(missing, ", "), sigstorekit.Install)
	}
	w := emptyWorld(t, p)
	o.Dir = filepath.Join(w.dir, filepath.FromSlash(rehearsedSigstore))
	var err error
	w.sigstore, err = sigstorekit.Start(t.Context(), o)
	ok(t, err)
	t.Cleanup(func() { ok(t, w.closeSigstore()) })
	w.Product.Trust.Keyless.TrustedRoot = rehearsedRoot
	ok(t, w.fresh(t.Context(), onGitHub(t, p.Source), nil))
	return w
}

// onGitHub is the tiny product with addresses on GitHub in its paperwork.
func onGitHub(t testing.TB, source string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	ok(t, copyAll(filepath.Join(root(t), "testdata", "tiny"), dir, func(path string) bool { return path == "target" }))
	file := filepath.Join(dir, "CHANGELOG.md")
	text, err := os.ReadFile(file)
	ok(t, err)
	ok(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte(tiny().Source), []byte(source)), 0o644))
	return dir
}

// judge runs cosign's command line with what the trusted root says, away from
// any network but loopback.
func judge(t testing.TB, w *world, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), testkit.Cosign(t), append(args, "--trusted-root", filepath.Join(w.Dir, rehearsedRoot))...)
	cmd.Env = []string{"HOME=" + home, "TUF_ROOT=" + filepath.Join(home, "tuf"), "HTTPS_PROXY=http://127.0.0.1:9", "PATH=" + os.Getenv("PATH")}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// TestKeylessHistory lives through the history signed keyless, and has cosign's
// command line judge it.
func TestKeylessHistory(t *testing.T) {
	w := keylessWorld(t)
	w.serve(registries.All()["embedded"](t))
	w.live(t.Context())
	var signers []string
	for _, row := range w.rows {
		signers = append(signers, row.what+": "+row.signer)
	}
	want := []string{
		"release v0.2.0: release.yml @ v0.2.0", "release main: edge.yml @ main", "release v0.3.0-rc.1: release.yml @ v0.3.0-rc.1",
		"release v0.3.0: release.yml @ v0.3.0", "release v0.2.1: release.yml @ v0.2.1",
		"withdraw v0.3.0: keyless", "restore v0.3.0: keyless",
	}
	if got := strings.Join(signers, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("signed by:\n%s", got)
	}
	if a, b := w.outcomes[1].Digest, w.outcomes[2].Digest; a != b {
		t.Errorf("edge and candidate of one commit are %s and %s", a, b)
	}
	stable := w.outcomes[3]
	image := w.Image + "@" + stable.Digest.String()
	const workflow = "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/"
	// A user without a checkout, and without a network but for the registry.
	s := w.Suite
	s.Dir = t.TempDir()
	ok(t, s.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.3.0", Identity: workflow + "v0.3.0", Issuer: sigstorekit.GitHub, TrustedRoot: filepath.Join(w.Dir, rehearsedRoot)}))
	says(t, s.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.3.0", Identity: workflow + "v0.2.0", Issuer: sigstorekit.GitHub, TrustedRoot: filepath.Join(w.Dir, rehearsedRoot)}),
		"which is nobody whose signatures count: want "+workflow+"v0.2.0")
	says(t, s.Verify(t.Context(), VerifyQuery{Image: image, Identity: workflow + "v0.3.0"}), "-identity needs -issuer")
	// In the checkout: what edge signed does not make a candidate.
	ok(t, w.Verify(t.Context(), VerifyQuery{Image: w.Image + ":latest"}))
	edge := w.Image + "@" + w.outcomes[1].Digest.String()
	says(t, w.Verify(t.Context(), VerifyQuery{Image: edge, Tag: "v0.3.0"}), "a release of refs/tags/v0.3.0 has to be signed by a run on that very ref")

	flags := []string{"--new-bundle-format", "--use-signed-timestamps", "--insecure-ignore-sct", "--certificate-oidc-issuer", sigstorekit.GitHub, "--certificate-identity"}
	verifyImage := append([]string{"verify"}, flags...)
	attested := append([]string{"verify-attestation", "--type", "https://slsa.dev/provenance/v1"}, flags...)
	page := w.dist(releasesDir, "v0.3.0")
	proof := filepath.Join(page, "tiny-0.3.0.provenance.sigstore.json")
	blob := append([]string{"verify-blob-attestation", "--bundle", proof, "--type", "https://slsa.dev/provenance/v1"}, flags...)
	binary := filepath.Join(page, "tinyd-x86_64-linux")
	for _, c := range []struct {
		what string
		args []string
		fine bool
	}{
		{"image", append(verifyImage, workflow+"v0.3.0", image), true},
		{"provenance", append(attested, workflow+"v0.3.0", image), true},
		{"binary", append(blob, workflow+"v0.3.0", binary), true},
		{"image, another tag's run", append(verifyImage, workflow+"v0.2.0", image), false},
		{"image, a fork", append(verifyImage, strings.Replace(workflow, "example", "evil", 1)+"v0.3.0", image), false},
		{"provenance, another workflow", append(attested, strings.Replace(workflow, "release.yml", "edge.yml", 1)+"v0.3.0", image), false},
		{"another binary", append(blob, workflow+"v0.3.0", filepath.Join(page, "tinyd-aarch64-linux.missing")), false},
		{"edge's image as a candidate of another tag", append(verifyImage, workflow+"v0.3.0", edge), false},
	} {
		if out, err := judge(t, w, c.args...); (err == nil) != c.fine {
			t.Errorf("%s: cosign %s: %v\n%s", c.what, strings.Join(c.args, " "), err, out)
		}
	}
}

// TestKeylessAgain: on a fresh machine a release takes over the signatures that
// are published, though none could be made a second time.
func TestKeylessAgain(t *testing.T) {
	w := keylessWorld(t)
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	ok(t, w.play(t.Context(), e))
	ok(t, os.RemoveAll(w.dist(e.Ref)))
	s, err := w.as(e)
	ok(t, err)
	again, err := s.release(t.Context(), term.Discard(), Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}, Why: e.Why})
	ok(t, err)
	if again.Sent.Writes() != 0 || converge.Pending(again.Actions) {
		t.Errorf("sent %s and did %v", again.Sent, again.Actions)
	}

	// Who cannot show who he is publishes nothing.
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	release := func(s Suite, env map[string]string, dry bool) error {
		s.Key = nil
		s.Getenv = func(name string) string { return env[name] }
		_, err := s.release(t.Context(), term.Discard(), Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}, Why: e.Why, DryRun: dry})
		return err
	}
	says(t, release(w.Suite, nil, false), "nothing is published unsigned", "`id-token: write`", envIDToken)
	says(t, release(w.Suite, map[string]string{"GITHUB_ACTIONS": "true"}, false), "give it the permission `id-token: write`")
	ok(t, release(w.Suite, nil, true))
	job := func(run sigstorekit.Run) map[string]string {
		env, err := w.sigstore.Job(run)
		ok(t, err)
		return env
	}
	mine := w.Suite
	mine.Sigstore = w.sigstore.Services
	run := sigstorekit.Run{Repository: "example/tiny", Workflow: ".github/workflows/release.yml", Ref: "refs/tags/" + e.Ref, Commit: e.Commit, Event: "push"}
	fork := run
	fork.Repository = "evil/tiny"
	says(t, release(mine, job(fork), false), "this run's identity is none that the product pins", "a workflow of another repository")
	branch := run
	branch.Workflow, branch.Ref = ".github/workflows/edge.yml", "refs/heads/main"
	says(t, release(mine, job(branch), false), "a release of refs/tags/"+e.Ref+" has to be signed by a run on that very ref")
	env := job(run)
	env[envRequestToken] = "s3cret-of-another-job"
	err = release(mine, env, false)
	says(t, err, "getting an OIDC token from "+envRequestURL, "401")
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret is shown: %v", err)
	}
	keyed := w.Suite
	keyed.Key, err = attest.NewKey()
	ok(t, err)
	_, err = keyed.release(t.Context(), term.Discard(), Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}, Why: e.Why})
	says(t, err, "the product pins none (Trust.ReleaseKey)")
}

// TestKeylessSecrets: tokens are masked in the log, and in no file of a bundle.
func TestKeylessSecrets(t *testing.T) {
	w := keylessWorld(t)
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	s, err := w.as(e)
	ok(t, err)
	token, err := s.idToken(t.Context())
	ok(t, err)
	s.UI.Println("token %s of %s", token, s.Getenv(envRequestToken))
	if log := w.log.String(); strings.Contains(log, token) || strings.Contains(log, s.Getenv(envRequestToken)) || !strings.Contains(log, "token ") {
		t.Errorf("the log shows a token:\n%s", log)
	}
	var claims map[string]any
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	ok(t, err)
	ok(t, json.Unmarshal(body, &claims))
	if claims["aud"] != sigstorekit.Audience {
		t.Errorf("the token is for %v", claims["aud"])
	}
}

// TestKeylessRehearsal: a rehearsal signs as CI would, and one that is like it
// makes the same images with the same authorities.
func TestKeylessRehearsal(t *testing.T) {
	o := sigstorekit.Options{Log: true}
	if missing := sigstorekit.Missing(o); len(missing) > 0 && testing.Short() {
		t.Skipf("%s is not there: %s builds it", strings.Join(missing, ", "), sigstorekit.Install)
	}
	p := keylessTiny()
	p.Trust.ReleaseKey = ".release/cosign.pub"
	var out, log bytes.Buffer
	none := func(string) string { return "" }
	s, err := New(Suite{Product: p, Dir: onGitHub(t, p.Source), Getenv: none, UI: term.New(&log, none), Out: &out})
	ok(t, err)
	kept, again := filepath.Join(t.TempDir(), "kept"), filepath.Join(t.TempDir(), "again")
	ok(t, s.Rehearse(t.Context(), kept, ""))
	if strings.Contains(log.String(), "not keyless") {
		t.Fatalf("the rehearsal was signed with a key; does another timestamp authority run on this machine?\n%s", &log)
	}
	ok(t, s.Rehearse(t.Context(), again, kept))
	for _, part := range []string{"signed by", "release.yml @ v0.3.0-rc.1", "edge.yml @ main", "release.yml @ v0.2.1"} {
		if strings.Count(out.String(), part) != 2 {
			t.Errorf("the tables do not say %q:\n%s", part, &out)
		}
	}
	definition := func(dir string) string {
		var plan decide.Plan
		text, err := os.ReadFile(filepath.Join(dir, "dist", "v0.3.0", "plan.json"))
		ok(t, err)
		ok(t, json.Unmarshal(text, &plan))
		return plan.Definition
	}
	if a, b := definition(kept), definition(again); a != b || a == "" {
		t.Errorf("the product is %q and %q", a, b)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "release ") {
			rows = append(rows, strings.Join(strings.Fields(line), " "))
		}
	}
	if n := len(rows) / 2; n != 10 || !slices.Equal(rows[:n], rows[n:]) {
		t.Errorf("the rehearsals differ:\n%s", strings.Join(rows, "\n"))
	}
	t.Log(out.String())
}
