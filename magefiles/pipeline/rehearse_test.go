package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// TestRehearsal lives through the releases of the sample product and looks at
// what is left as others would: with cosign's command line, with file(1), with
// cargo tree. It compiles the sample for two platforms where no cache has it,
// which takes minutes.
func TestRehearsal(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the rehearsal compiles the sample product")
	}
	p := product.RustShare()
	var out bytes.Buffer
	none := func(string) string { return "" }
	s, err := New(Suite{Product: p, Dir: root(t), Stack: onProcess, Getenv: none, UI: term.New(testLog{t}, none), Out: &out})
	ok(t, err)
	kept := filepath.Join(t.TempDir(), "kept")
	ok(t, s.Rehearse(t.Context(), kept, ""))
	for _, part := range []string{"v0.1.0", "v0.2.0-rc.1", "v0.2.0", "v0.1.1", "v0.1.1 @ ", "passed (process)", "smoke:launch smoke:pilot", "scan (made-up database)", "grype: nothing found"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the tables do not say %q:\n%s", part, &out)
		}
	}
	t.Log(out.String())

	server, err := embedded.Serve(t.Context(), filepath.Join(kept, rehearsedRegistry), "", embedded.Options{})
	ok(t, err)
	defer server.Close() //nolint:errcheck // the test ends
	image := server.Repository("kubedoio/rustshare-backend")
	b, err := bundle.Open(filepath.Join(kept, "dist", "v0.2.0"))
	ok(t, err)

	t.Run("index is valid", func(t *testing.T) {
		index, err := remote.Index(mustRef(t, image+":latest"))
		ok(t, err)
		ok(t, validate.Index(index))
	})
	t.Run("old line", func(t *testing.T) {
		digest := func(tag string) string {
			d, err := remote.Head(mustRef(t, image+":"+tag))
			ok(t, err)
			return d.Digest.String()
		}
		for _, tag := range []string{"0", "0.2", "latest"} {
			if digest(tag) != digest("0.2.0") {
				t.Errorf("%s does not point at 0.2.0", tag)
			}
		}
		if digest("0.1") != digest("0.1.1") {
			t.Error("0.1 does not point at 0.1.1")
		}
		if digest("edge") != digest("0.2.0-rc.1") {
			t.Error("edge and the candidate of its commit are two digests")
		}
	})
	t.Run("stable is the candidate, bit by bit", func(t *testing.T) {
		candidate, err := bundle.Open(filepath.Join(kept, "dist", "v0.2.0-rc.1"))
		ok(t, err)
		for i, d := range b.Entries(bundle.Binary) {
			if other := candidate.Entries(bundle.Binary)[i]; d.Digest != other.Digest {
				t.Errorf("%s is %s in the candidate and %s in the release", d.Annotations[bundle.TitleKey], other.Digest, d.Digest)
			}
		}
	})
	t.Run("binaries are static", func(t *testing.T) {
		for _, d := range b.Entries(bundle.Binary) {
			said, err := run.Text(t.Context(), run.Cmd{Name: "file", Args: []string{"--brief", b.Path(d.Digest)}})
			ok(t, err)
			if !strings.Contains(said, "static-pie linked") && !strings.Contains(said, "statically linked") {
				t.Errorf("%s: %s", d.Annotations[bundle.TitleKey], said)
			}
		}
	})
	t.Run("the binary works", func(t *testing.T) { binaryWorks(t, b, p) })
	t.Run("hotfix at its tag", func(t *testing.T) { hotfixAtItsTag(t, s, kept, image) })
	t.Run("SBOM is cargo tree", func(t *testing.T) { sbomIsCargoTree(t, kept, b, p) })
	t.Run("cosign", func(t *testing.T) { cosignIsContent(t, kept, image, b) })
	t.Run("validation record", func(t *testing.T) { validates(t, s, kept, image) })
	t.Run("verify in an empty directory", func(t *testing.T) {
		s := *s
		s.Dir = t.TempDir()
		q := VerifyQuery{Image: image + ":latest", Key: filepath.Join(kept, rehearsedKeys, "cosign.pub"), Tag: "v0.2.0"}
		if keptKeyless(kept) { // what edge tried is signed by another run than what the tag released
			s.Dir, q.Key = filepath.Join(kept, rehearsedCheckout), ""
		}
		ok(t, s.Verify(t.Context(), q))
		q.Require = []string{"smoke:launch", "smoke:launch@process", "gates"}
		ok(t, s.Verify(t.Context(), q))
		q.Require = []string{"smoke:launch@compose"}
		says(t, s.Verify(t.Context(), q), "smoke:launch@compose was asked for", "smoke:launch@process (PASSED)")
		q.Require = []string{"smoke:pilot"} // the candidate has passed that
		says(t, s.Verify(t.Context(), q), "smoke:pilot was asked for")
		q.Image, q.Tag = image+":0.2.0-rc.1", "v0.2.0-rc.1"
		ok(t, s.Verify(t.Context(), q))
		q.Image, q.Tag, q.Require = image+":latest", "v0.1.0", nil
		says(t, s.Verify(t.Context(), q), "refs/tags/v0.1.0", "refs/tags/v0.2.0")
	})
	t.Run("same commits, same digests", func(t *testing.T) {
		again := filepath.Join(t.TempDir(), "elsewhere")
		ok(t, s.Rehearse(t.Context(), again, kept))
		for _, id := range []string{"v0.1.0", "v0.2.0-rc.1", "v0.2.0", "v0.1.1"} {
			first, err := bundle.Open(filepath.Join(kept, "dist", id))
			ok(t, err)
			second, err := bundle.Open(filepath.Join(again, "dist", id))
			ok(t, err)
			for _, role := range []bundle.Role{bundle.Binary, bundle.Image} {
				for i, d := range first.Entries(role) {
					if other := second.Entries(role)[i]; d.Digest != other.Digest {
						t.Errorf("%s: %s %s is %s in one place and %s in another", id, role, d.Annotations[bundle.TitleKey], d.Digest, other.Digest)
					}
				}
			}
		}
	})
}

// binaryWorks runs the released binary and does to it what smoke and drills do.
func binaryWorks(t *testing.T, b *bundle.Bundle, p product.Product) {
	ctx := t.Context()
	at := slices.IndexFunc(p.Cargo.Targets, func(t product.Target) bool { return t.Arch == runtime.GOARCH })
	if at < 0 {
		t.Fatalf("nothing is built for %s", runtime.GOARCH)
	}
	d, _ := b.Find(bundle.Binary, p.Cargo.Targets[at].Asset)
	parent := filepath.Join(t.TempDir(), "a b%20c") // a name that needs care
	ok(t, os.Mkdir(parent, 0o700))
	open := func(o stack.ProcessOptions) *stack.Process {
		o.Run, o.Binary, o.Digest, o.Parent = *p.Run, b.Path(d.Digest), d.Digest.String(), parent
		s, err := stack.OpenProcess(ctx, o)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Destroy(context.WithoutCancel(ctx))) })
		return s
	}
	target := func(s *stack.Process) journey.Target {
		secrets := s.Secrets()
		return journey.Target{
			URL: s.URL(), ChatRequired: true,
			Admin:  journey.Account{Email: "admin@localhost", Password: secrets["RUSTSHARE_ADMIN_PASSWORD"]},
			Viewer: journey.Account{Email: "viewer@localhost", Password: secrets["RUSTSHARE_DEMO_VIEWER_PASSWORD"]},
		}
	}
	went := func(r journey.Report, err error) journey.Report {
		t.Helper()
		if err != nil || r.Status != journey.Passed {
			t.Fatalf("%s %s: %v", r.Journey, r.Status, err)
		}
		return r
	}
	first := open(stack.ProcessOptions{})
	ok(t, first.Start(ctx))
	went(journey.Launch(ctx, target(first), nil))
	went(journey.BadLogin(ctx, target(first), nil))
	kept := went(journey.Pilot(ctx, target(first), nil)).Kept
	ok(t, first.Restart(ctx))
	went(journey.Verify(ctx, target(first), kept, nil))
	ok(t, first.Stop(ctx, stack.ObjectStore))
	ok(t, first.Unready(ctx))
	ok(t, first.Start(ctx, stack.ObjectStore))
	went(journey.Verify(ctx, target(first), kept, nil))

	// Another one takes the data over.
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	ok(t, first.Snapshot(ctx, snapshot))
	second := open(stack.ProcessOptions{Snapshot: snapshot, Secrets: first.Secrets()})
	ok(t, second.Start(ctx))
	went(journey.Verify(ctx, target(second), kept, nil))
	went(journey.PostRestore(ctx, target(second), kept, nil))
	for _, s := range []*stack.Process{first, second} {
		if leaks, err := s.Leaks(ctx); err != nil || len(leaks) > 0 {
			t.Errorf("secrets in the logs: %v, %v", leaks, err)
		}
	}

	weak := open(stack.ProcessOptions{Env: map[string]string{"JWT_SECRET": "changeme"}})
	err := weak.Start(ctx)
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Code != 1 {
		t.Errorf("weak secrets: %v", err)
	}
	says(t, err, "JWT_SECRET is a known placeholder")
}

// hotfixAtItsTag has the hotfix's own target do all that it asks for, and find
// that the release is out and its image was tried.
func hotfixAtItsTag(t *testing.T, s *Suite, kept, image string) {
	h := *s
	var out bytes.Buffer
	h.Out, h.Dir, h.Dist = &out, filepath.Join(kept, rehearsedCheckout), filepath.Join(kept, "dist")
	h.Product, h.Database = rehearsed(s.Product), filepath.Join(kept, rehearsedDatabase, "v6", scan.DatabaseFile)
	h.Image, h.Forge = image, forge.Directory(h.dist(releasesDir))
	sealed, err := os.ReadFile(filepath.Join(kept, rehearsedKeys, "cosign.key"))
	ok(t, err)
	h.Key, err = attest.ParseKey(sealed, func() ([]byte, error) { return nil, nil })
	ok(t, err)
	if keptKeyless(kept) {
		r := rehearsal{Suite: h, dir: kept}
		ok(t, r.openSigstore(t.Context()))
		defer func() { ok(t, r.closeSigstore()) }()
		commit, err := (git.Repo{Dir: h.Dir}).Resolve(t.Context(), "refs/tags/v0.1.1")
		ok(t, err)
		h, err = r.as(episode{Ref: "v0.1.1", Channel: decide.Stable, Commit: commit})
		ok(t, err)
	}
	h.CargoTarget, err = cacheDir("rehearse", h.Product.Name, "target")
	ok(t, err)
	repo := git.Repo{Dir: h.Dir}
	ok(t, repo.Switch(t.Context(), h.Product.Branches.Hotfix+"v0.1.1", ""))
	defer func() { ok(t, repo.Switch(t.Context(), h.Product.Branches.Main, "")) }()
	ok(t, h.Hotfix(t.Context(), Order{}))
	for _, part := range []string{"CHANGELOG.md", "no crate is touched", "v0.1.1 (stable)", "tags moved  none"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("hotfix does not say %q:\n%s", part, &out)
		}
	}
	if strings.Contains(out.String(), "FAIL") {
		t.Errorf("hotfix says\n%s", &out)
	}
}

// validates writes the record of a promoted release.
func validates(t *testing.T, s *Suite, kept, image string) {
	v := *s
	var out bytes.Buffer
	v.Out, v.Dir, v.Dist, v.Image = &out, filepath.Join(kept, rehearsedCheckout), filepath.Join(kept, "dist"), image
	ok(t, v.Validation(t.Context(), "v0.2.0", true))
	var said validated
	ok(t, json.Unmarshal(out.Bytes(), &said))
	if said.Verdict != record.Pass {
		t.Errorf("the verdict is %s", said.Verdict)
	}
	text, err := os.ReadFile(said.Markdown)
	ok(t, err)
	ok(t, os.Remove(said.Markdown)) // the checkout is clean again
	for _, part := range []string{
		"# RustShare v0.2.0: validation record", "| PASS | identity |", "| PASS | staging deployment |",
		"| PASS | smoke:launch@process |", "| PASS | smoke:pilot@process of v0.2.0-rc.1 |", "| upgrade drill |",
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the record does not say %q:\n%s", part, text)
		}
	}
	page, err := os.ReadFile(said.HTML)
	ok(t, err)
	if !bytes.Contains(page, []byte("smoke:pilot@process")) {
		t.Error("the page has no pilot run")
	}
}

// sbomIsCargoTree holds the crates of each binary's SBOM against what cargo
// itself says about the target.
func sbomIsCargoTree(t *testing.T, kept string, b *bundle.Bundle, p product.Product) {
	ok(t, (git.Repo{Dir: filepath.Join(kept, rehearsedCheckout)}).Detach(t.Context(), b.Plan.Commit))
	for _, target := range p.Cargo.Targets {
		found, err := cargo.Find(t.Context(), filepath.Join(kept, rehearsedCheckout), []string{target.Triple})
		ok(t, err)
		tree, err := run.Text(t.Context(), run.Cmd{
			Name: found.For(target.Triple).Cargo, Dir: filepath.Join(kept, rehearsedCheckout),
			Args: []string{"tree", "--locked", "--package", p.Cargo.Package, "--edges", "normal", "--target", target.Triple, "--prefix", "none", "--no-dedupe", "--format", "{p}"},
		})
		ok(t, err)
		var want []string
		for line := range strings.Lines(tree) {
			f := strings.Fields(line) // "serde v1.0.229 (proc-macro)"
			want = append(want, f[0]+" "+strings.TrimPrefix(f[1], "v"))
		}
		slices.Sort(want)
		want = slices.Compact(want)

		d, found2 := b.Find(bundle.File, target.Asset+".spdx.json")
		if !found2 {
			t.Fatalf("no SBOM of %s", target.Asset)
		}
		var doc struct {
			Packages []struct {
				Name         string `json:"name"`
				Version      string `json:"versionInfo"`
				ExternalRefs []struct {
					Locator string `json:"referenceLocator"`
				} `json:"externalRefs"`
			} `json:"packages"`
		}
		ok(t, b.ReadJSON(d.Digest, &doc))
		var got []string
		for _, pkg := range doc.Packages {
			for _, r := range pkg.ExternalRefs {
				if strings.HasPrefix(r.Locator, "pkg:cargo/") {
					got = append(got, pkg.Name+" "+pkg.Version)
					break
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the SBOM lists %d crates\n%s\ncargo tree %d\n%s", target.Asset, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
		}
	}
}

// cosignIsContent runs the commands that the README gives to consumers.
func cosignIsContent(t *testing.T, kept, image string, b *bundle.Bundle) {
	dir := t.TempDir()
	cosign := func(args ...string) error {
		cmd := exec.CommandContext(t.Context(), testkit.Cosign(t), args...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir, "TUF_ROOT=" + dir, "HTTPS_PROXY=http://127.0.0.1:9", "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("cosign %s:\n%s", strings.Join(args, " "), out)
		}
		return err
	}
	ok(t, cosign("trusted-root", "create", "--out", "trusted-root.json"))
	flags := []string{
		"--new-bundle-format", "--trusted-root", "trusted-root.json", "--insecure-ignore-tlog",
		"--key", filepath.Join(kept, rehearsedKeys, "cosign.pub"),
	}
	if keptKeyless(kept) {
		flags = []string{
			"--new-bundle-format", "--use-signed-timestamps", "--insecure-ignore-sct", "--trusted-root", filepath.Join(kept, rehearsedCheckout, rehearsedRoot),
			"--certificate-oidc-issuer", sigstorekit.GitHub,
			"--certificate-identity", "https://github.com/kubedoio/rustshare/.github/workflows/release.yml@refs/tags/v0.2.0",
		}
	}
	d, index, _, err := b.ImageIndex()
	ok(t, err)
	subjects := []string{image + "@" + d.Digest.String()}
	for _, m := range index.Manifests {
		subjects = append(subjects, image+"@"+m.Digest.String())
	}
	for _, subject := range subjects {
		ok(t, cosign(slices.Concat([]string{"verify"}, flags, []string{subject})...))
		kinds := []string{"slsaprovenance1", "spdxjson", "cyclonedx"}
		if subject == subjects[0] {
			kinds = append(kinds, intoto.TestResult)
		}
		for _, kind := range kinds {
			ok(t, cosign(slices.Concat([]string{"verify-attestation", "--type", kind}, flags, []string{subject})...))
		}
	}
	page := filepath.Join(kept, "dist", releasesDir, "v0.2.0")
	blob := slices.Concat([]string{"verify-blob-attestation", "--type", "slsaprovenance1"}, flags,
		[]string{"--bundle", filepath.Join(page, "rustshare-0.2.0.provenance.sigstore.json")})
	for _, asset := range []string{"rustshare-backend-x86_64-linux", "rustshare-backend-aarch64-linux"} {
		ok(t, cosign(append(blob, filepath.Join(page, asset))...))
	}
	if cosign(append(blob, filepath.Join(page, "SHA256SUMS"))...) == nil {
		t.Error("cosign is content with a file that the provenance does not name")
	}
}

// keptKeyless tells whether a rehearsal was signed keyless: where the programs
// were there.
func keptKeyless(kept string) bool {
	_, err := os.Stat(filepath.Join(kept, rehearsedSigstore))
	return err == nil
}

// testLog is the log of a test.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// TestTags has the targets' own form of the tag table.
func TestTags(t *testing.T) {
	var out bytes.Buffer
	s := Suite{Product: tiny(), UI: term.Discard(), Out: &out}
	sha := strings.Repeat("a", 40)
	for _, c := range []struct {
		q    TagsQuery
		want string
	}{
		{TagsQuery{Ref: "v0.4.0", Commit: sha}, "0.4.0\nsha-" + sha + "\n0.4\n0\nlatest\n"},
		{TagsQuery{Ref: "v0.3.2", Published: "0.3.1,0.4.0"}, "0.3.2\n0.3\n"},
		{TagsQuery{Ref: "v0.3.2", Published: "v0.3.1, 0.4.0", Withdrawn: "0.4.0"}, "0.3.2\n0.3\n0\nlatest\n"},
		{TagsQuery{Ref: "v0.4.0-rc.1+build.7"}, "0.4.0-rc.1\n"},
		{TagsQuery{Ref: "refs/heads/main", Date: "2026-02-28"}, "nightly-2026-02-28\nedge\n"},
		{TagsQuery{Ref: "nightly", Date: "2026-02-28"}, "nightly-2026-02-28\n"},
	} {
		out.Reset()
		ok(t, s.Tags(c.q))
		if out.String() != c.want {
			t.Errorf("%+v gives\n%swant\n%s", c.q, &out, c.want)
		}
	}
	out.Reset()
	ok(t, s.Tags(TagsQuery{Ref: "v1.0.0-beta.2", JSON: true}))
	var got struct {
		Channel string
		Tags    []struct {
			Name    string
			Rolling bool
		}
	}
	ok(t, json.Unmarshal(out.Bytes(), &got))
	if got.Channel != "candidate" || len(got.Tags) != 1 || got.Tags[0].Name != "1.0.0-beta.2" || got.Tags[0].Rolling {
		t.Errorf("the JSON is %s", &out)
	}
	says(t, s.Tags(TagsQuery{Ref: "v1.0.0", Commit: "abc"}), "abc", "git rev-parse HEAD")
	says(t, s.Tags(TagsQuery{Ref: "v1.0.0", Date: "28.2.2026"}), "28.2.2026", "YYYY-MM-DD")
	says(t, s.Tags(TagsQuery{Ref: "v01.2.3"}), "v01.2.3", "SemVer")
}
