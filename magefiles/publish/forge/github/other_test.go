package github

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

func TestOpen(t *testing.T) {
	for _, tt := range []struct{ o, api, uploads, graphql string }{
		{"https://github.com/owner/name", "https://api.github.com/", "https://uploads.github.com/", "https://api.github.com/graphql"},
		{"https://github.com/owner/name.git", "https://api.github.com/", "https://uploads.github.com/", "https://api.github.com/graphql"},
		{"https://github.com/owner/name/", "https://api.github.com/", "https://uploads.github.com/", "https://api.github.com/graphql"},
		{"https://acme.ghe.com/owner/name", "https://api.acme.ghe.com/", "https://uploads.acme.ghe.com/", "https://api.acme.ghe.com/graphql"},
		{"https://git.example.com:8443/owner/name", "https://git.example.com:8443/api/v3/", "https://git.example.com:8443/api/uploads/", "https://git.example.com:8443/api/graphql"},
	} {
		g, err := Open(Options{URL: tt.o})
		if err != nil {
			t.Errorf("%s: %v", tt.o, err)
			continue
		}
		if g.owner != "owner" || g.name != "name" || g.client.BaseURL.String() != tt.api || g.client.UploadURL.String() != tt.uploads || g.graphql != tt.graphql {
			t.Errorf("%s: %s/%s, %s, %s, %s", tt.o, g.owner, g.name, g.client.BaseURL, g.client.UploadURL, g.graphql)
		}
	}
	for _, tt := range []struct {
		o    Options
		says string
	}{
		{Options{}, "https://github.com/owner/name"},
		{Options{URL: "github.com/owner/name"}, "want one such as https://github.com/owner/name"},
		{Options{URL: "https://github.com/owner"}, "no repository's page"},
		{Options{URL: "https://github.com/owner/name/tree/main"}, "no repository's page"},
		{Options{URL: "https://github.com/owner/name?x=y"}, "is no repository's address"},
		{Options{URL: "https://github.com/owner/../name"}, "no repository's page"},
		{Options{URL: "ssh://git@github.com/owner/name"}, "leave them out"},
		{Options{URL: "http://github.com/owner/name"}, "plain HTTP would show the token"},
		{Options{URL: "https://user:hunter2@github.com/owner/name"}, "the token goes into GITHUB_TOKEN"},
		{Options{URL: "https://user:hunter2@github.com/%zz"}, "has no valid address"},
		{Options{URL: "https://github.com/owner/name", API: "http://10.0.0.1"}, "plain HTTP would show the token"},
		{Options{URL: "https://github.com/owner/name", API: "http://127.0.0.1:1"}, "set Uploads beside API"},
		{Options{URL: "https://github.com/owner/name", Uploads: "https://x:hunter2@h"}, "leave them out"},
	} {
		_, err := Open(tt.o)
		says(t, err, tt.says)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a password is in %v", err)
		}
	}
}

func TestMediaType(t *testing.T) {
	for name, want := range map[string]string{
		"sample_1.2.3_amd64.deb": "application/vnd.debian.binary-package", "sample-1.2.3.x86_64.rpm": "application/x-rpm",
		"sample-1.2.3.apk": "application/octet-stream", "sample-1.2.3-linux-amd64.tar.gz": "application/gzip",
		"sample-linux-amd64": "application/octet-stream", "SHA256SUMS": "text/plain; charset=utf-8",
		"sample.spdx.json": "application/spdx+json", "sample.cdx.json": "application/vnd.cyclonedx+json",
		"SHA256SUMS.sigstore.json": "application/vnd.dev.sigstore.bundle.v0.3+json", "record.json": "application/json",
		"release.pub": "application/x-pem-file", "notes.md": "text/markdown; charset=utf-8",
	} {
		if got := mediaType(name); got != want {
			t.Errorf("%s is %q, expected %q", name, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		o     kit.Options
		token string
		a     *kit.Access
		says  []string // nothing: all is well
	}{
		"a workflow's":             {token: kit.Token},
		"none":                     {says: []string{"contents: write", "set GITHUB_TOKEN"}},
		"unknown":                  {token: "ghp_wrong", says: []string{"contents: write", "does not accept the token in GITHUB_TOKEN"}},
		"classic":                  {token: "t", a: &kit.Access{Scopes: []string{"gist", "repo"}}},
		"classic, public":          {token: "t", a: &kit.Access{Scopes: []string{"public_repo"}}},
		"classic, public, private": {o: kit.Options{Private: true}, token: "t", a: &kit.Access{Scopes: []string{"public_repo"}}, says: []string{"kubedoio/sample", "404"}},
		"classic, no scopes":       {token: "t", a: &kit.Access{Scopes: []string{}}, says: []string{`has the scopes ""`, "expected repo or public_repo"}},
		"classic, other scopes":    {token: "t", a: &kit.Access{Scopes: []string{"gist", "read:org"}}, says: []string{`"gist, read:org"`}},
		"fine-grained, read":       {token: "t", a: &kit.Access{Permissions: map[string]string{"contents": "read"}}, says: []string{"contents: write", "may read the repository and not write to it"}},
		"fine-grained, none":       {o: kit.Options{Private: true}, token: "t", a: &kit.Access{Permissions: map[string]string{"issues": "write"}}, says: []string{"contents: write", "404", "may not see"}},
		"rights that are not told": {token: "t", a: &kit.Access{Untold: true, Permissions: map[string]string{"contents": "write"}}},
		"a workflow's, private":    {o: kit.Options{Private: true}, token: kit.Token},
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, tt.o)
			if tt.a != nil {
				b.SetToken(tt.token, *tt.a)
			}
			err := b.client(t, tt.token, 2).Check(t.Context())
			if len(tt.says) == 0 {
				ok(t, err)
				return
			}
			says(t, err, tt.says...)
			var lacks *forge.PermissionError
			if !errors.As(err, &lacks) || lacks.Needs != "contents: write" || tt.token != "" && strings.Contains(err.Error(), "ghp_wrong") {
				t.Errorf("got %v", err)
			}
			for _, r := range b.Requests() {
				if !strings.HasPrefix(r, "GET ") {
					t.Errorf("checking sent %s", r)
				}
			}
		})
	}
}

// Every refusal names the permission that is missing.
func TestPermissions(t *testing.T) {
	one := wanted.Assets[0]
	calls := map[string]struct {
		do    func(*GitHub) error
		needs string
		// reads is true for what a public repository lets everybody do.
		reads bool
	}{
		"Find":      {func(g *GitHub) error { _, err := g.Find(t.Context(), tag); return err }, "contents: read", true},
		"Page":      {func(g *GitHub) error { _, err := g.Page(t.Context(), tag); return err }, "contents: read", true},
		"Latest":    {func(g *GitHub) error { _, err := g.Latest(t.Context()); return err }, "contents: read", true},
		"Draft":     {func(g *GitHub) error { return g.Draft(t.Context(), wanted) }, "contents: write", false},
		"Upload":    {func(g *GitHub) error { return g.Upload(t.Context(), "v1.0.0", one, content(texts[one.Name])) }, "contents: write", false},
		"SetLatest": {func(g *GitHub) error { return g.SetLatest(t.Context(), "v1.0.0") }, "contents: write", false},
		"Amend":     {func(g *GitHub) error { return g.Amend(t.Context(), "v1.0.0", "x") }, "contents: write", false},
		"Runs":      {func(g *GitHub) error { _, err := g.Runs(t.Context(), "c0ffee"); return err }, "actions: read", false},
		"OpenPullRequest": {func(g *GitHub) error {
			_, err := g.OpenPullRequest(t.Context(), forge.PullRequest{Head: "hotfix", Base: "main", Title: "x"})
			return err
		}, "pull-requests: write", false},
		"Discuss": {func(g *GitHub) error { _, _, err := g.Discuss(t.Context(), "News", "x", "y"); return err }, "discussions: write", false},
	}
	for name, call := range calls {
		for who, private := range map[string]bool{"reader": false, "stranger": true, "nobody": true, "wrong": false} {
			t.Run(name+" by "+who, func(t *testing.T) {
				b := serve(t, kit.Options{Private: private})
				b.AddRelease(kit.Release{Tag: "v1.0.0"})
				b.SetCategories("News")
				b.SetBranch("hotfix", "fix")
				b.SetToken("reader", kit.Access{Permissions: map[string]string{"contents": "read", "pull_requests": "read"}})
				b.SetToken("stranger", kit.Access{Permissions: map[string]string{}})
				token := who
				if who == "nobody" {
					token = ""
				}
				err := call.do(b.client(t, token, 2))
				if who == "reader" && call.reads {
					ok(t, err)
					return
				}
				var lacks *forge.PermissionError
				if !errors.As(err, &lacks) || lacks.Needs != call.needs {
					t.Fatalf("got %v, expected a lack of %q", err, call.needs)
				}
				says(t, err, fmt.Sprintf("the token lacks the permission %q", call.needs))
				if who == "reader" && name != "Discuss" {
					says(t, err, "GitHub asks for "+strings.NewReplacer(": ", "=", "-", "_").Replace(call.needs))
				}
			})
		}
	}
}

func TestRuns(t *testing.T) {
	b := serve(t, kit.Options{})
	g := b.client(t, kit.Token, 3)
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	run := func(id int64, name, commit, status, conclusion string, created time.Time) kit.Run {
		return kit.Run{ID: id, Name: name, HeadSHA: commit, Status: status, Conclusion: conclusion, URL: fmt.Sprintf("https://x/%d", id), Created: created}
	}
	runs := []kit.Run{
		run(1, "CI", "c0ffee", "completed", "failure", at(1)),
		run(2, "CI", "c0ffee", "completed", "success", at(3)),
		run(3, "CI", "c0ffee", "completed", "cancelled", at(2)),
		run(4, "CI", "c0ffee0", "completed", "failure", at(9)),
		run(6, "Audit", "c0ffee", "in_progress", "", at(1)),
		run(5, "Audit", "c0ffee", "completed", "success", at(1)),
	}
	for i := range 130 { // so that there are pages
		runs = append(runs, kit.Run{ID: int64(100 + i), Name: "Many", HeadSHA: "c0ffee", Status: "queued", URL: fmt.Sprint(i), Created: at(0).Add(time.Duration(i) * time.Second)})
	}
	b.SetRuns(runs...)
	got, err := g.Runs(t.Context(), "c0ffee")
	ok(t, err)
	want := []forge.Run{
		{Workflow: "Audit", Status: "in_progress", URL: "https://x/6", Created: at(1)},
		{Workflow: "CI", Status: "completed", Conclusion: "success", URL: "https://x/2", Created: at(3)},
		{Workflow: "Many", Status: "queued", URL: "129", Created: at(0).Add(129 * time.Second)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, expected %+v", got, want)
	}
	if got, err = g.Runs(t.Context(), "c0ffe"); len(got) > 0 || err != nil {
		t.Errorf("of another commit: %v, %v", got, err)
	}
}

func TestPullRequest(t *testing.T) {
	p := forge.PullRequest{Head: "hotfix/v1.2.4", Base: "main", Title: "Merge v1.2.4", Body: "fixed"}
	prepare := func(t *testing.T) *bench {
		b := serve(t, kit.Options{})
		b.SetBranch(p.Head, "fix")
		b.SetBranch("other", "fix")
		return b
	}
	b := prepare(t)
	g := b.client(t, kit.Token, 3)
	_, err := g.OpenPullRequest(t.Context(), forge.PullRequest{Head: "other", Base: "main", Title: "x"})
	ok(t, err)
	first, err := g.OpenPullRequest(t.Context(), p)
	ok(t, err)
	again, err := g.OpenPullRequest(t.Context(), p)
	ok(t, err)
	if list := b.Pulls(); first != again || !strings.HasSuffix(first, "/pull/2") || len(list) != 2 || list[1].Title != p.Title || list[1].Body != p.Body {
		t.Errorf("%s, %s, %+v", first, again, list)
	}
	_, err = g.OpenPullRequest(t.Context(), forge.PullRequest{Head: "nowhere", Base: "main", Title: "x"})
	says(t, err, "from nowhere to main", "no branch nowhere", "push it first")
	_, err = g.OpenPullRequest(t.Context(), forge.PullRequest{Head: "other", Base: "gone", Title: "x"})
	says(t, err, "no branch gone")
	b.SetBranch("same", "main")
	_, err = g.OpenPullRequest(t.Context(), forge.PullRequest{Head: "same", Base: "main", Title: "x"})
	says(t, err, "same holds nothing that main lacks")

	cutEach(t, prepare, func(g *GitHub) error { _, err := g.OpenPullRequest(t.Context(), p); return err }, func(t *testing.T, b *bench) {
		if list := b.Pulls(); len(list) != 1 {
			t.Errorf("%d pull requests", len(list))
		}
	})
}

func TestDiscuss(t *testing.T) {
	prepare := func(t *testing.T) *bench {
		b := serve(t, kit.Options{})
		b.SetCategories("General", "News")
		for i := range 150 {
			b.AddDiscussion(kit.Discussion{Category: "News", Title: fmt.Sprintf("Sample 1.0.%d", i), URL: fmt.Sprint(i)})
		}
		b.AddDiscussion(kit.Discussion{Category: "General", Title: "Sample 1.2.3", URL: "elsewhere"})
		return b
	}
	b := prepare(t)
	g := b.client(t, kit.Token, 3)
	page, made, err := g.Discuss(t.Context(), "news", "Sample 1.2.3", "It is out.")
	ok(t, err)
	if d := b.Discussions(); !made || len(d) != 152 || d[151] != (kit.Discussion{Category: "News", Title: "Sample 1.2.3", Body: "It is out.", URL: page}) {
		t.Errorf("%s, %v, %+v", page, made, d[len(d)-1])
	}
	again, made, err := g.Discuss(t.Context(), "News", "Sample 1.2.3", "It is out.")
	if again != page || made || err != nil {
		t.Errorf("%s, %v, %v", again, made, err)
	}
	if old, made, err := g.Discuss(t.Context(), "News", "Sample 1.0.0", "x"); old != "0" || made || err != nil {
		t.Errorf("%s, %v, %v", old, made, err)
	}
	_, _, err = g.Discuss(t.Context(), "Announcements", "x", "y")
	says(t, err, `no category "Announcements" among ["General" "News"]`)
	_, _, err = g.Discuss(t.Context(), "News", "x", "")
	says(t, err, "can't be blank")
	b.SetCategories()
	_, _, err = g.Discuss(t.Context(), "News", "x", "y")
	says(t, err, "no discussions: turn them on")

	cutEach(t, prepare, func(g *GitHub) error { _, _, err := g.Discuss(t.Context(), "News", "Sample 1.2.3", "x"); return err },
		func(t *testing.T, b *bench) {
			if n := len(b.Discussions()); n != 152 {
				t.Errorf("%d discussions, expected 152", n)
			}
		})
}

// Reading is cut as well, and gives the same.
func TestReadingCut(t *testing.T) {
	prepare := func(t *testing.T) *bench {
		b := serve(t, kit.Options{})
		b.SetRuns(kit.Run{ID: 1, Name: "CI", HeadSHA: "c0ffee"})
		return b
	}
	cutEach(t, prepare, func(g *GitHub) error {
		if err := g.Check(t.Context()); err != nil {
			return err
		}
		runs, err := g.Runs(t.Context(), "c0ffee")
		if err == nil && len(runs) != 1 {
			err = fmt.Errorf("runs: %v", runs)
		}
		return err
	}, func(*testing.T, *bench) {})
}

// cutEach cuts each request of a call at every place: it goes on by itself, and
// a second call after a failed one ends the same.
func cutEach(t *testing.T, prepare func(*testing.T) *bench, do func(*GitHub) error, settled func(*testing.T, *bench)) {
	t.Helper()
	b := prepare(t)
	ok(t, do(b.client(t, kit.Token, 1)))
	settled(t, b)
	for i, request := range b.Requests() {
		for _, cut := range kit.Cuts {
			t.Run(fmt.Sprintf("%d %s %s", i+1, request, cut), func(t *testing.T) {
				b := prepare(t)
				b.Cut(i+1, cut)
				ok(t, do(b.client(t, kit.Token, 3)))
				settled(t, b)
				b = prepare(t)
				b.Cut(i+1, cut)
				if err := do(b.client(t, kit.Token, 1)); err == nil {
					t.Error("it was not cut")
				}
				ok(t, do(b.client(t, kit.Token, 1)))
				settled(t, b)
			})
		}
	}
}

// The token goes to GitHub's hosts alone, and into no error.
func TestToken(t *testing.T) {
	b := serve(t, kit.Options{NoDigests: true})
	g := b.client(t, kit.Token, 3)
	ok(t, converge(t.Context(), g, wanted, false)) // reads assets from the storage
	b.settled(t)
	b.Close()
	_, err := g.Find(t.Context(), tag)
	says(t, err, "looking for release v1.2.3 in kubedoio/sample")
	var broken *url.Error
	if !errors.As(err, &broken) {
		t.Errorf("got %v", err)
	}
}

// Whatever is given as an address: a result can be sent to, and an error shows
// no password.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{
		"https://github.com/owner/name", "https://github.com/owner/name.git", "http://127.0.0.1:1/owner/name", "https://user:hunter2@github.com/a/b",
		"https://[::1]/a/b", "//github.com/a/b", "https://github.com/a/..", "https://a.ghe.com/a/b?x#y", "https://hunter2@/%zz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, page string) {
		g, err := Open(Options{URL: page})
		if err == nil && (g.owner == "" || g.name == "" || g.client.BaseURL.Host == "" || !strings.HasSuffix(g.client.UploadURL.Path, "/") || g.graphql == "") {
			t.Errorf("%q: %+v", page, g.client.BaseURL)
		}
		if u, parsed := url.Parse(page); err != nil && parsed == nil && u.User != nil {
			if password, _ := u.User.Password(); len(password) > 5 && strings.Contains(err.Error(), password) {
				t.Errorf("%q: %v", page, err)
			}
		}
	})
}
