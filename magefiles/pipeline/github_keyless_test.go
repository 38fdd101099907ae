package pipeline

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/github"
)

// atHub is the environment in which gh asks the stand-in. It speaks plain HTTP
// with github.localhost alone, which a proxy brings there.
func atHub(t *testing.T, server *kit.Server) []string {
	t.Helper()
	api, err := url.Parse(server.API())
	ok(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		if p.In.URL.Host == "api.github.localhost" {
			p.SetURL(api)
			p.Out.URL.Path = p.In.URL.Path
			p.Out.Header.Set("X-GitHub-Api-Version", "2022-11-28") // GitHub does with none
		}
	}, Transport: &http.Transport{}})
	t.Cleanup(proxy.Close)
	return []string{
		"GH_HOST=github.localhost", "GH_TOKEN=" + kit.Token, "HTTP_PROXY=" + proxy.URL, "HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1",
		"GH_NO_UPDATE_NOTIFIER=1", "GH_TELEMETRY=false", "NO_COLOR=1",
	}
}

// TestGitHubKeyless releases by runs of workflows, with GitHub's store of
// attestations: gh finds there what was published, by digest. Another attempt of
// the same run, on a fresh machine, adds nothing.
func TestGitHubKeyless(t *testing.T) {
	p := keylessTiny()
	p.Source = gitHub + kit.Owner + "/" + kit.Name
	p.Forge.Attestations = true
	server, err := kit.New(kit.Options{Immutable: true})
	ok(t, err)
	t.Cleanup(server.Close)
	w := keylessWorldOf(t, p)
	w.Forge, err = github.Open(github.Options{URL: server.URL(), API: server.API(), Uploads: server.Uploads(), Token: kit.Token})
	ok(t, err)
	w.serve(registries.All()["embedded"](t))
	(&hub{w, server, nil}).push(t.Context())
	attempt := func(n string) {
		w.env = map[string]string{
			"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": kit.Owner + "/" + kit.Name, "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": n,
			"GITHUB_WORKFLOW_REF": kit.Owner + "/" + kit.Name + "/.github/workflows/release.yml@refs/tags/v0.2.0",
		}
	}
	attempt("1")
	e := w.history.Episodes[0]
	ok(t, w.play(t.Context(), e))

	// Another attempt, without what the first one left on its machine.
	posted := server.Attestations()
	attempt("2")
	ok(t, os.RemoveAll(w.dist(e.Ref)))
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	s, err := w.as(e)
	ok(t, err)
	again, err := s.release(t.Context(), term.Discard(), Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}})
	ok(t, err)
	if again.Sent.Writes() != 0 || converge.Pending(again.Actions) {
		t.Errorf("a second attempt sent %s and did %v", again.Sent, again.Actions)
	}
	if n := len(server.Attestations()); n != len(posted) || n == 0 {
		t.Errorf("the store has %d attestations, and had %d after the first attempt", n, len(posted))
	}

	image := w.Image + "@" + again.Digest.String()
	var provenances []string
	for _, a := range posted {
		for _, subject := range a.Subjects {
			if a.Predicate == intoto.Provenance && subject == again.Digest.String() {
				provenances = append(provenances, string(a.Bundle))
			}
		}
	}
	if len(provenances) != 1 {
		t.Fatalf("%d provenances of %s were posted, want one", len(provenances), image)
	}
	build := func(text string) intoto.Build {
		var b struct {
			DSSE struct{ Payload []byte } `json:"dsseEnvelope"`
		}
		ok(t, json.Unmarshal([]byte(text), &b))
		statement, err := intoto.Decode(b.DSSE.Payload)
		ok(t, err)
		out, err := intoto.DecodeBuild(statement)
		ok(t, err)
		return out
	}(provenances[0])
	if m := build.Run.Metadata; m == nil || !strings.HasSuffix(m.InvocationID, "/actions/runs/42/attempts/1") {
		t.Errorf("the provenance is of %+v, want the first attempt", m)
	}

	dir := t.TempDir()
	var line bytes.Buffer
	ok(t, json.Compact(&line, w.sigstore.TrustedRoot))
	root := filepath.Join(dir, "trusted_root.jsonl")
	ok(t, os.WriteFile(root, append(line.Bytes(), '\n'), 0o644))
	environment := append(atHub(t, server), "HOME="+dir, "PATH="+os.Getenv("PATH"))
	repo := []string{"--repo", kit.Owner + "/" + kit.Name, "--hostname", "github.localhost", "--custom-trusted-root", root}
	for _, c := range []struct {
		what string
		args []string
		says string
	}{
		{"image", nil, ""},
		{"its workflow and ref", []string{"--signer-workflow", "github.com/" + kit.Owner + "/" + kit.Name + "/.github/workflows/release.yml", "--source-ref", "refs/tags/v0.2.0"}, ""},
		{"its commit", []string{"--source-digest", e.Commit}, ""},
		{"another ref", []string{"--source-ref", "refs/tags/v0.1.0"}, "refs/tags/v0.1.0"},
		{"another workflow", []string{"--signer-workflow", "github.com/" + kit.Owner + "/" + kit.Name + "/.github/workflows/edge.yml"}, "verifying with issuer"},
	} {
		cmd := exec.CommandContext(t.Context(), testkit.GH(t), append(append([]string{"attestation", "verify", "oci://" + image}, repo...), c.args...)...)
		cmd.Dir, cmd.Env = dir, environment
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.says == "") || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: gh ends with %v, want one that says %q:\n%s", c.what, err, c.says, out)
		}
	}
	for _, sin := range server.Sins() {
		t.Errorf("never: %s", sin)
	}
}
