package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// page is a release as Gitea's own API shows it.
type page struct {
	Tag        string `json:"tag_name"`
	Body       string `json:"body"`
	Draft      bool   `json:"draft"`
	Prerelease bool   `json:"prerelease"`
	Assets     []struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
	} `json:"assets"`
}

// TestGitea lives through the history with a real Gitea as forge and as
// registry: edge, candidate, stable, a stable release that is killed at several
// writes and run again, a patch of the old line, roll-back and return. What
// came of it is read with Gitea's own API.
func TestGitea(t *testing.T) {
	server := kit.New(t, kit.Options{})
	ctx := t.Context()
	home, err := server.NewRepository(ctx, "tiny", false)
	ok(t, err)
	w := newWorld(t, tiny())
	ok(t, server.Push(ctx, w.Dir, home, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"))
	token, err := server.NewToken(ctx, "write:repository", "write:package")
	ok(t, err)
	w.env = map[string]string{envForge: string(product.ForgeGitea) + "+" + home, envToken: token}
	w.Forge = nil // the one that the environment names
	w.Image = server.RegistryHost() + "/" + kit.Admin + "/tinyd"

	pages := func() map[string]page {
		t.Helper()
		var list []page
		ok(t, server.Call(ctx, http.MethodGet, "/repos/"+kit.Admin+"/tiny/releases?draft=false", nil, &list))
		out := map[string]page{}
		for _, p := range list {
			out[p.Tag] = p
		}
		return out
	}
	tags := func() map[string]string {
		t.Helper()
		out := map[string]string{}
		reg, err := w.dial(w.Image, true)
		ok(t, err)
		names, err := reg.Tags(ctx)
		ok(t, err)
		for _, name := range names {
			d, there, err := reg.Head(ctx, name)
			ok(t, err)
			if there && !strings.HasPrefix(name, "sha256-") {
				out[name] = d.Digest.String()
			}
		}
		return out
	}
	play := func(e episode) {
		t.Helper()
		if err := w.play(ctx, e); err != nil {
			t.Fatalf("%v\n%s", err, w.log)
		}
	}
	h := w.history.Episodes
	play(h[0])
	play(h[1])
	play(h[2])
	if p := pages()["v0.3.0-rc.1"]; p.Draft || !p.Prerelease || len(p.Assets) < 5 {
		t.Errorf("the candidate's page is %+v", p)
	}

	// The stable release dies at several of its writes to the registry.
	stable := h[3]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(ctx, stable.Commit))
	target, err := url.Parse(server.URL())
	ok(t, err)
	direct := w.Image
	for _, n := range []int{3, 17, 32} {
		kill := &killer{next: httputil.NewSingleHostReverseProxy(target), at: n, after: n%2 == 0}
		front := httptest.NewServer(kill)
		w.Image = strings.TrimPrefix(front.URL, "http://") + "/" + kit.Admin + "/tinyd"
		t.Setenv("DOCKER_CONFIG", dockerConfig(t, w.Image, token)) // another host, which the forge's token is not for
		if err := w.child(Order{Ref: stable.Ref, Channels: []decide.Channel{decide.Stable}}, kill); err == nil {
			t.Errorf("the release was not killed at write %d: it makes %d", n, kill.n)
		}
		front.Close()
		w.Image = direct
		if p, public := pages()[stable.Ref]; public && len(p.Assets) < 5 {
			t.Errorf("killed at write %d, the page is public with %d assets", n, len(p.Assets))
		}
	}
	play(stable)
	again, err := w.release(ctx, term.Discard(), Order{Ref: stable.Ref, Channels: []decide.Channel{decide.Stable}})
	ok(t, err)
	if again.Sent.Writes() != 0 {
		t.Errorf("a finished release sent %s: %v", again.Sent, again.Actions)
	}
	play(h[4])

	at, digest := tags(), func(v string) string { return tags()[v] }
	for tag, version := range map[string]string{"latest": "0.3.0", "0": "0.3.0", "0.3": "0.3.0", "0.2": "0.2.1", "edge": "0.3.0-rc.1"} {
		if at[tag] != at[version] || at[tag] == "" {
			t.Errorf("%s is at %q, %s at %q", tag, at[tag], version, at[version])
		}
	}
	whole := slices.Sorted(maps.Keys(pages()))
	if want := []string{"v0.2.0", "v0.2.1", "v0.3.0", "v0.3.0-rc.1"}; !slices.Equal(whole, want) {
		t.Errorf("the pages are %q, want %q", whole, want)
	}
	before := pages()["v0.3.0"].Body

	play(h[5]) // withdrawn
	if now := tags(); now["latest"] != now["0.2.1"] || now["0"] != now["0.2.1"] || now["0.3.0"] != at["0.3.0"] {
		t.Errorf("after the withdrawal the tags are %v", now)
	}
	if body := pages()["v0.3.0"].Body; !strings.HasPrefix(body, "## ⚠️ Deprecated") || strings.Count(body, "Deprecated") != 1 || !strings.Contains(body, "0.2.1") {
		t.Errorf("the notes of what was withdrawn begin with\n%.300s", body)
	}
	w.out.Reset()
	ok(t, w.Status(ctx, true))
	var status statusReport
	ok(t, json.Unmarshal(w.out.Bytes(), &status))
	if !status.Settled || len(status.Repairs) != 0 || status.Stable[0].Withdrawn == nil {
		t.Errorf("the status after the withdrawal is %s", w.out)
	}

	play(h[6]) // restored
	if digest("latest") != at["0.3.0"] || pages()["v0.3.0"].Body != before {
		t.Errorf("after its return latest is at %s and the notes are\n%.300s", digest("latest"), pages()["v0.3.0"].Body)
	}
}

// dockerConfig gives a directory with a login as Docker keeps it.
func dockerConfig(t *testing.T, image, token string) string {
	t.Helper()
	host, _, _ := strings.Cut(image, "/")
	dir := t.TempDir()
	text := fmt.Sprintf(`{"auths":{%q:{"username":"x","password":%q}}}`, host, token)
	ok(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600))
	return dir
}
