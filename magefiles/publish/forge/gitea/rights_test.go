package gitea

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

func TestOpen(t *testing.T) {
	for url, want := range map[string][3]string{
		"https://codeberg.org/owner/name":           {"https://codeberg.org", "owner", "name"},
		"https://codeberg.org/owner/name.git":       {"https://codeberg.org", "owner", "name"},
		"https://git.example.org/gitea/owner/na.me": {"https://git.example.org/gitea", "owner", "na.me"},
		"http://127.0.0.1:3000/a/b/":                {"http://127.0.0.1:3000", "a", "b"},
	} {
		g := open(t, Options{URL: url})
		if got := [3]string{g.server, g.owner, g.name}; got != want {
			t.Errorf("%s: %v, expected %v", url, got, want)
		}
	}
	for url, part := range map[string]string{
		"":                                "is no forge's address",
		"https://codeberg.org/owner":      "is no repository's page",
		"ssh://git@codeberg.org/a/b":      "leave them out",
		"https://u:secret@codeberg.org/a": "u:xxxxx@",
		"https://codeberg.org/a/b?x=y":    "is no forge's address",
		"http://codeberg.org/a/b":         "use https",
		"https://codeberg.org/%zz":        "no valid address",
	} {
		_, err := Open(Options{URL: url})
		says(t, err, part)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("it shows the password: %v", err)
		}
	}
	for _, api := range []string{"http://127.0.0.1:3000/git", "http://127.0.0.1:3000/git/", "http://127.0.0.1:3000/git/api/v1"} {
		if g := open(t, Options{URL: "https://codeberg.org/a/b", API: api}); g.server != "http://127.0.0.1:3000/git" {
			t.Errorf("%s: %s", api, g.server)
		}
	}
	_, err := Open(Options{URL: "https://codeberg.org/a/b", API: "http://codeberg.org"})
	says(t, err, "use https")
}

// What Gitea and Forgejo say where a scope is missing, and what a proxy says.
func TestRefused(t *testing.T) {
	g := open(t, Options{URL: "https://codeberg.org/owner/name", Token: "x"})
	for text, needs := range map[string]string{
		"token does not have at least one of required scope(s), required=[write:repository], token scope=read:repository": "write:repository",
		"token does not have at least one of required scope(s): [write:repository]":                                       "write:repository",
		"user should have a permission to write to a repo":                                                                "write access to owner/name",
	} {
		var p *forge.PermissionError
		err := g.refused("testing", &http.Response{StatusCode: http.StatusForbidden}, text)
		if !errors.As(err, &p) || p.Needs != needs || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	err := g.refused("testing", &http.Response{StatusCode: http.StatusBadGateway}, "<html>\n  Bad\n  gateway"+strings.Repeat("!", 1<<10))
	says(t, err, "testing: the server answered 502: <html> Bad gateway!!!")
	if len(err.Error()) > 400 {
		t.Errorf("it is long: %v", err)
	}
}

func TestCheck(t *testing.T) {
	ctx := t.Context()
	r := project(t, true, nil, "v1.0.0")
	with := func(token string) *Gitea { return open(t, Options{URL: r.url, Token: token, Retry: impatient}) }
	scoped := func(scopes ...string) *Gitea {
		token, err := server.NewToken(ctx, scopes...)
		ok(t, err)
		return with(token)
	}
	ok(t, scoped("write:repository").Check(ctx))
	var p *forge.PermissionError
	for _, scopes := range [][]string{{"read:repository"}, {"write:package", "read:user"}} {
		if err := scoped(scopes...).Check(ctx); !errors.As(err, &p) || p.Needs != "write:repository" {
			t.Errorf("%v: %v", scopes, err)
		}
	}
	says(t, with("").Check(ctx), "there is no token for "+server.URL(), "write:repository")
	says(t, with("0123456789012345678901234567890123456789").Check(ctx), "does not accept the token")
	guest, err := server.NewUser(ctx, "guest")
	ok(t, err)
	says(t, with(guest).Check(ctx), "has no repository maintainer/testcheck, or does not show it to the token's user")
	ok(t, r.api(t, "PATCH", "", map[string]any{"private": false}, nil))
	if err := with(guest).Check(ctx); !errors.As(err, &p) || p.Needs != "write access to maintainer/testcheck" {
		t.Errorf("one who may read only: %v", err)
	}
	ok(t, r.api(t, "PATCH", "", map[string]any{"has_releases": false}, nil))
	says(t, r.open(t).Check(ctx), "releases are switched off")
	ok(t, r.api(t, "PATCH", "", map[string]any{"has_releases": true, "archived": true}, nil))
	says(t, r.open(t).Check(ctx), "it is archived")
	_, err = server.NewRepository(ctx, "empty", false)
	ok(t, err)
	says(t, open(t, Options{URL: server.URL() + "/" + kit.Admin + "/empty", Token: server.Token()}).Check(ctx), "push the branch and the tag first")
}

// Each method names the scope that the token lacks.
func TestScopes(t *testing.T) {
	ctx := t.Context()
	r := project(t, true, nil, "v1.0.0", "v2.0.0")
	admin := r.open(t)
	one, text := asset("one", "first")
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n", Assets: []forge.Asset{one}}
	ok(t, admin.Draft(ctx, want))
	ok(t, admin.Upload(ctx, want.Tag, one, text))
	reading, err := server.NewToken(ctx, "read:repository")
	ok(t, err)
	reader := open(t, Options{URL: r.url, Token: reading, Retry: impatient})
	other, otherText := asset("one", "other")
	renamed := want
	renamed.Name = "other"
	for name, err := range map[string]error{
		"drafting release v2.0.0":             reader.Draft(ctx, forge.Release{Tag: "v2.0.0", Name: "n", Notes: "n"}),
		"drafting release v1.0.0":             reader.Draft(ctx, renamed),
		"deleting one of release v1.0.0":      reader.Upload(ctx, want.Tag, other, otherText),
		"uploading two to release v1.0.0":     reader.Upload(ctx, want.Tag, forge.Asset{Name: "two", Size: one.Size, SHA256: one.SHA256}, text),
		"publishing release v1.0.0":           reader.Publish(ctx, want),
		"opening a pull request of a into ma": second(reader.OpenPullRequest(ctx, forge.PullRequest{Head: "a", Base: "ma", Title: "t"})),
	} {
		var p *forge.PermissionError
		if !errors.As(err, &p) || p.Needs != "write:repository" || !strings.Contains(p.Doing, name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), reading) {
			t.Errorf("%s shows the token: %v", name, err)
		}
	}
	if got := r.releases(t); len(got) != 1 || !got[want.Tag].Draft || len(got[want.Tag].Assets) != 1 {
		t.Errorf("something was changed: %+v", got)
	}
	packages, err := server.NewToken(ctx, "write:package")
	ok(t, err)
	stranger := open(t, Options{URL: r.url, Token: packages, Retry: impatient})
	for name, err := range map[string]error{
		"looking for release v1.0.0":     second(stranger.Find(ctx, want.Tag)),
		"asking for the latest release":  second(stranger.Latest(ctx)),
		"asking for the workflows' runs": second(stranger.Runs(ctx, r.commit)),
	} {
		var p *forge.PermissionError
		if !errors.As(err, &p) || p.Needs != "read:repository" || p.Doing != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without a token the draft is not there, and neither is the repository.
	_, err = open(t, Options{URL: r.url, Retry: impatient}).Find(ctx, want.Tag)
	says(t, err, "does not show it to anyone without a token")
}

func second[T any](_ T, err error) error { return err }

// The server's settings decide which files it takes.
func TestSettings(t *testing.T) {
	ctx := t.Context()
	strict := kit.New(t, kit.Options{Settings: "[repository.release]\nFILE_MAX_SIZE = 1\nALLOWED_TYPES = .txt,application/octet-stream\n"})
	shared := server
	server = strict
	t.Cleanup(func() { server = shared })
	r := project(t, false, nil, "v1.0.0")
	g := r.open(t)
	ok(t, g.Draft(ctx, forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n"}))
	large, largeText := asset("large.txt", strings.Repeat("x", 1<<20+1))
	says(t, g.Upload(ctx, "v1.0.0", large, largeText), "uploading large.txt to release v1.0.0", "does not take 1048577 bytes", "FILE_MAX_SIZE under [repository.release]")
	pdf, pdfText := asset("guide.pdf", "%PDF-1.7 and so on")
	says(t, g.Upload(ctx, "v1.0.0", pdf, pdfText), "takes no files of this type", "ALLOWED_TYPES under [repository.release]")
	small, smallText := asset("small.txt", "x")
	ok(t, g.Upload(ctx, "v1.0.0", small, smallText))
	if got := r.releases(t)["v1.0.0"].names(); len(got) != 1 || got[0] != "small.txt:1" {
		t.Errorf("the server keeps %v", got)
	}
}

// The token goes to the forge's host alone, and nothing follows a redirect that
// would change what is asked.
func TestRedirect(t *testing.T) {
	r := project(t, false, nil, "v1.0.0")
	var got []string
	elsewhere := between(t, func(_ int, w http.ResponseWriter, req *http.Request) bool {
		got = append(got, req.Header.Get("Authorization"))
		_, _ = w.Write([]byte("first"))
		return true
	})
	url := between(t, func(_ int, w http.ResponseWriter, req *http.Request) bool {
		switch {
		case strings.HasPrefix(req.URL.Path, "/attachments/"):
			http.Redirect(w, req, elsewhere, http.StatusSeeOther)
		case req.Method == http.MethodPatch:
			http.Redirect(w, req, server.URL(), http.StatusMovedPermanently)
		default:
			return false
		}
		return true
	})
	g := open(t, Options{URL: r.url, API: url, Token: server.Token(), Retry: impatient})
	want, contents := wanted("v1.0.0")
	want.Assets = want.Assets[:1]
	err := converge(context.WithoutCancel(t.Context()), g, want, contents)
	says(t, err, "publishing release v1.0.0", "PATCH was redirected and would become GET")
	if len(got) != 1 || got[0] != "" {
		t.Errorf("the other host was sent %q", got)
	}
}
