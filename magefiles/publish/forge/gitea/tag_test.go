package gitea

import (
	"net/http"
	"strings"
	"testing"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// A release never makes a tag.
func TestTagNotPushed(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0")
	g := r.open(t)
	says(t, g.Draft(ctx, forge.Release{Tag: "v2.0.0", Name: "n", Notes: "n"}), "has no tag v2.0.0", "git push REMOTE refs/tags/v2.0.0")
	if got := r.releases(t); len(got) != 0 {
		t.Errorf("it made %+v", got)
	}
	// The tag vanishes after the draft.
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n"}
	ok(t, g.Draft(ctx, want))
	ok(t, server.Push(ctx, r.dir, r.url, ":refs/tags/v1.0.0"))
	says(t, g.Publish(ctx, want), "publishing release v1.0.0", "has no tag v1.0.0")
	if got := r.tags(t); got != "" || !r.releases(t)["v1.0.0"].Draft {
		t.Errorf("tags %q, %+v", got, r.releases(t))
	}
}

// A tag that vanishes between the last look and publication is not made anew
// by the server.
func TestTagVanishes(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0", "v2.0.0")
	vanishing := ""
	g := open(t, Options{URL: r.url, Token: server.Token(), Retry: impatient, API: between(t, func(_ int, _ http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPatch {
			if err := server.Push(ctx, r.dir, r.url, ":refs/tags/"+vanishing); err != nil {
				t.Error(err)
			}
		}
		return false
	})})
	for _, tag := range []string{"v1.0.0", "v2.0.0"} {
		vanishing = tag
		want := forge.Release{Tag: tag, Name: "n", Notes: "n"}
		if tag == "v2.0.0" { // one that somebody else began
			ok(t, r.api(t, "POST", "/releases", map[string]any{"tag_name": tag, "name": "n", "body": "n", "draft": true, "target_commitish": "main"}, nil))
		}
		ok(t, g.Draft(ctx, want))
		if err := g.Publish(ctx, want); err == nil {
			t.Error("it was published without its tag")
		}
		if got := r.releases(t)[tag]; !got.Draft || strings.Contains(r.tags(t), tag) {
			t.Errorf("tags %q, %+v", r.tags(t), got)
		}
	}
}

// A tag that the server's database does not know yet: here git alone has it.
func TestTagUnnoted(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil)
	git(t, r.dir, "-c", "safe.directory=*", "--git-dir", server.GitDir(r.name), "tag", "v1.0.0", r.commit)
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n"}
	says(t, r.open(t).Draft(ctx, want), "has not taken note of the pushed tag yet")
	if got := r.releases(t); len(got) != 0 {
		t.Errorf("left behind: %+v", got)
	}
	git(t, r.dir, "-c", "safe.directory=*", "--git-dir", server.GitDir(r.name), "tag", "v2.0.0", r.commit)
	want.Tag = "v2.0.0"
	ok(t, open(t, Options{URL: r.url, Token: server.Token(), Retry: quick}).Draft(ctx, want))
	if got := r.releases(t)["v2.0.0"]; !got.Draft || got.Target != "" {
		t.Errorf("made %+v", got)
	}
}

// The server holds tags that differ in case alone for one.
func TestTagCase(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "V1.0.0")
	g := r.open(t)
	ok(t, g.Draft(ctx, forge.Release{Tag: "V1.0.0", Name: "n", Notes: "n"}))
	_, err := g.Find(ctx, "v1.0.0")
	says(t, err, "has a release of the tag V1.0.0, which differs in case alone")
}

func TestPullRequest(t *testing.T) {
	ctx := t.Context()
	r := project(t, true, nil)
	for _, branch := range []string{"hotfix/v1.0.1", "other"} {
		git(t, r.dir, "checkout", "-q", "-b", branch, "main")
		git(t, r.dir, "commit", "-q", "--allow-empty", "-m", "fix")
		ok(t, server.Push(ctx, r.dir, r.url, branch))
	}
	g := r.open(t)
	p := forge.PullRequest{Head: "hotfix/v1.0.1", Base: "main", Title: "Merge v1.0.1", Body: "Text\n"}
	url, err := g.OpenPullRequest(ctx, p)
	ok(t, err)
	if !strings.HasPrefix(url, r.url+"/pulls/") {
		t.Errorf("its page is %q", url)
	}
	again, err := g.OpenPullRequest(ctx, forge.PullRequest{Head: p.Head, Base: p.Base, Title: "other"})
	if err != nil || again != url {
		t.Errorf("opened again: %q, %v", again, err)
	}
	p.Head = "other"
	second, err := g.OpenPullRequest(ctx, p)
	if err != nil || second == url {
		t.Errorf("another head: %q, %v", second, err)
	}
	var got struct{ Title, Body string }
	ok(t, server.Call(ctx, "GET", "/repos/"+kit.Admin+"/"+r.name+"/pulls/1", nil, &got))
	if got.Title != "Merge v1.0.1" || got.Body != "Text\n" {
		t.Errorf("the server shows %+v", got)
	}
	ok(t, r.api(t, "PATCH", "/pulls/1", map[string]string{"state": "closed"}, nil))
	p.Head = "hotfix/v1.0.1"
	if third, err := g.OpenPullRequest(ctx, p); err != nil || third == url || third == second {
		t.Errorf("after it was closed: %q, %v", third, err)
	}
	p.Head = "nowhere"
	_, err = g.OpenPullRequest(ctx, p)
	says(t, err, "opening a pull request of nowhere into main", "push nowhere first")
}
