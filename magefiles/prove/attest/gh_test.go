package attest_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/certified"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/github"
)

// gh runs GitHub's command line, offline or against the stand-in.
type gh struct {
	t         *testing.T
	tool, dir string
	env       []string
}

func (g gh) verify(args ...string) (string, error) {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), g.tool, append([]string{"attestation", "verify"}, args...)...)
	cmd.Dir = g.dir
	cmd.Env = append([]string{
		"HOME=" + g.dir, "PATH=" + os.Getenv("PATH"), "GH_NO_UPDATE_NOTIFIER=1", "GH_TELEMETRY=false", "NO_COLOR=1",
	}, g.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// TestGH has GitHub's own command line judge a provenance that a certificate of
// a workflow signs: from a file, and as it finds it in the store of attestations.
// Our build type is enough for it.
func TestGH(t *testing.T) {
	authority := certified.New(t)
	id := certified.Identity{
		Repository: "https://github.com/" + kit.Owner + "/" + kit.Name, Workflow: ".github/workflows/release.yml",
		Ref: "refs/tags/v0.4.0", Commit: fixture.Commit,
	}
	r := release(t, fixture.Options{})
	_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: authority.Signer(id), Builder: builder})
	testkit.OK(t, err)

	g := gh{t: t, tool: testkit.GH(t), dir: t.TempDir()}
	binary := r.Bundle.Entries(bundle.Binary)[0]
	file := filepath.Join(g.dir, binary.Annotations[bundle.TitleKey])
	testkit.OK(t, os.WriteFile(file, content(t, r.Bundle, binary), 0o600))
	changed := filepath.Join(g.dir, "changed")
	testkit.OK(t, os.WriteFile(changed, append(content(t, r.Bundle, binary), 0), 0o600))
	d, ok := r.Bundle.Find(bundle.File, attest.ProvenanceName(r.Bundle.Plan, r.Product))
	if !ok {
		t.Fatal("the bundle has no provenance among its files")
	}
	proof := filepath.Join(g.dir, "provenance.sigstore.json")
	testkit.OK(t, os.WriteFile(proof, content(t, r.Bundle, d), 0o600))
	trusted := filepath.Join(g.dir, "trusted_root.jsonl")
	testkit.OK(t, os.WriteFile(trusted, authority.TrustedRoot(), 0o600))
	other := filepath.Join(g.dir, "other_root.jsonl")
	testkit.OK(t, os.WriteFile(other, certified.New(t).TrustedRoot(), 0o600))

	const repo = kit.Owner + "/" + kit.Name
	offline := []string{"--bundle", proof, "--custom-trusted-root", trusted}
	workflow := "github.com/" + repo + "/.github/workflows/release.yml"
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"the binary", append([]string{file, "--repo", repo}, offline...), ""},
		{"its workflow, ref and commit", append([]string{file, "--repo", repo, "--signer-workflow", workflow, "--source-ref", id.Ref, "--source-digest", fixture.Commit}, offline...), ""},
		{"an SBOM file", append([]string{sbomFile(t, g.dir, r), "--repo", repo}, offline...), ""},
		{"a changed binary", append([]string{changed, "--repo", repo}, offline...), "verifying with issuer"},
		{"another repository", append([]string{file, "--repo", "somebody/fork"}, offline...), "verifying with issuer"},
		{"another workflow", append([]string{file, "--repo", repo, "--signer-workflow", strings.Replace(workflow, "release", "other", 1)}, offline...), "verifying with issuer"},
		{"another ref", append([]string{file, "--repo", repo, "--source-ref", "refs/heads/main"}, offline...), "expected SourceRepositoryRef to be refs/heads/main"},
		{"another predicate type", append([]string{file, "--repo", repo, "--predicate-type", intoto.SPDX}, offline...), intoto.SPDX},
		{"an authority that nobody trusts", []string{file, "--repo", repo, "--bundle", proof, "--custom-trusted-root", other}, "verifying with issuer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := g.verify(c.args...)
			if (err == nil) != (c.says == "") || !strings.Contains(out, c.says) {
				t.Errorf("gh ends with %v, want one that says %q:\n%s", err, c.says, out)
			}
		})
	}

	// A bundle that a key signs is not for it, so it is not posted either.
	t.Run("a key", func(t *testing.T) {
		keyed := release(t, fixture.Options{})
		write(t, keyed, newKey(t))
		d, _ := keyed.Bundle.Find(bundle.File, attest.ProvenanceName(keyed.Bundle.Plan, keyed.Product))
		path := filepath.Join(g.dir, "keyed.sigstore.json")
		testkit.OK(t, os.WriteFile(path, content(t, keyed.Bundle, d), 0o600))
		out, err := g.verify(file, "--repo", repo, "--bundle", path, "--custom-trusted-root", trusted)
		if err == nil || !strings.Contains(out, "leaf cert not found") {
			t.Errorf("gh ends with %v on a bundle without certificate:\n%s", err, out)
		}
		want, err := converge.Want(keyed.Bundle, nil, converge.Extras{Statements: true})
		testkit.OK(t, err)
		if len(want.Statements) != 0 || len(want.Keyed) != 9 {
			t.Errorf("%d statements are for the forge and %d are not, want 0 and 9", len(want.Statements), len(want.Keyed))
		}
	})

	for _, apart := range []bool{false, true} {
		name := "posted"
		if apart {
			name = "posted, and given by its address"
		}
		t.Run(name, func(t *testing.T) { ghFinds(t, g, r, kit.Options{BundlesApart: apart}, file, changed, trusted) })
	}
}

// sbomFile writes an SBOM of the release page.
func sbomFile(t *testing.T, dir string, r fixture.Release) string {
	t.Helper()
	const name = "rustshare-image-linux-amd64.spdx.json"
	d, ok := r.Bundle.Find(bundle.File, name)
	if !ok {
		t.Fatalf("the bundle has no %s", name)
	}
	path := filepath.Join(dir, name)
	testkit.OK(t, os.WriteFile(path, content(t, r.Bundle, d), 0o600))
	return path
}

// ghFinds posts the statements and has gh ask for them. It speaks plain HTTP
// with github.localhost alone, which a proxy brings to the stand-in.
func ghFinds(t *testing.T, g gh, r fixture.Release, o kit.Options, file, changed, trusted string) {
	server, err := kit.New(o)
	testkit.OK(t, err)
	t.Cleanup(server.Close)
	client, err := github.Open(github.Options{URL: server.URL(), API: server.API(), Uploads: server.Uploads(), Token: kit.Token})
	testkit.OK(t, err)
	want, err := converge.Want(r.Bundle, nil, converge.Extras{Statements: true})
	testkit.OK(t, err)
	if len(want.Statements) != 9 { // one provenance, two SBOMs for each of four
		t.Fatalf("%d statements are for the forge, want 9", len(want.Statements))
	}
	for _, s := range want.Statements {
		testkit.OK(t, client.Attest(t.Context(), s.Attestation))
	}
	api, err := url.Parse(server.API())
	testkit.OK(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		if p.In.URL.Host == "api.github.localhost" {
			p.SetURL(api)
			p.Out.URL.Path = p.In.URL.Path
			p.Out.Header.Set("X-GitHub-Api-Version", "2022-11-28") // GitHub does with none
		}
	}, Transport: &http.Transport{}})
	t.Cleanup(proxy.Close)
	g.t, g.env = t, []string{"GH_HOST=github.localhost", "GH_TOKEN=" + kit.Token, "HTTP_PROXY=" + proxy.URL}
	const repo = kit.Owner + "/" + kit.Name
	for _, args := range [][]string{nil, {"--predicate-type", intoto.SPDX}} {
		out, err := g.verify(append([]string{file, "--repo", repo, "--hostname", "github.localhost", "--custom-trusted-root", trusted}, args...)...)
		if err != nil {
			t.Errorf("gh refuses what it finds in the store (%q): %v\n%s\n%s", args, err, out, strings.Join(server.Requests(), "\n"))
		}
	}
	out, err := g.verify(changed, "--repo", repo, "--hostname", "github.localhost", "--custom-trusted-root", trusted)
	if err == nil || !strings.Contains(out, "404") {
		t.Errorf("gh ends with %v about a file that nothing is posted about:\n%s", err, out)
	}
	for _, sin := range server.Sins() {
		t.Errorf("never: %s", sin)
	}
}
