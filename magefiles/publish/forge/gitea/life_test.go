package gitea

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

func TestLife(t *testing.T) {
	ctx := t.Context()
	r := project(t, true, nil, "v1.0.0", "v1.1.0-rc.1", "v0.9.1")
	downloads, edits := 0, 0
	g := open(t, Options{URL: r.url, Token: server.Token(), Retry: impatient, API: between(t, func(_ int, _ http.ResponseWriter, req *http.Request) bool {
		if strings.HasPrefix(req.URL.Path, "/attachments/") {
			downloads++
		}
		if req.Method == http.MethodPatch && req.ContentLength > 2 { // not that of Check
			edits++
		}
		return false
	})})
	ok(t, g.Check(ctx))
	one, oneText := asset("one", "first")
	two, twoText := asset("two_1.0+b-1.txt", strings.Repeat("second ", 1<<18)) // more than one buffer
	stray, strayText := asset("stray", "x")
	want := forge.Release{Tag: "v1.0.0", Name: "Name 1.0.0", Notes: "# Notes\r\n\n* ünïcode 🎉  \n", Assets: []forge.Asset{one, two}, Latest: true}

	found, err := g.Find(ctx, want.Tag)
	ok(t, err)
	if found != nil {
		t.Fatalf("found %+v for a tag alone", found)
	}
	says(t, g.Upload(ctx, want.Tag, one, oneText), "there is no such release")
	says(t, g.Publish(ctx, want), "there is no such draft")
	ok(t, g.Drop(ctx, want.Tag, "one"))

	first := want
	first.Name, first.Notes, first.Prerelease = "Other", "other", true
	ok(t, g.Draft(ctx, first))
	ok(t, g.Upload(ctx, want.Tag, one, oneText))
	ok(t, g.Draft(ctx, want))
	found, err = g.Find(ctx, want.Tag)
	ok(t, err)
	if !found.Draft || found.Latest || found.Prerelease || found.Name != want.Name || found.Notes != want.Notes || !slices.Equal(found.Assets, []forge.Asset{one}) {
		t.Errorf("draft: %+v", found)
	}

	// A draft that is not what it should be stays one.
	var incomplete *forge.IncompleteError
	says(t, g.Publish(ctx, want), "stays a draft", two.Name+" is missing")
	ok(t, g.Upload(ctx, want.Tag, two, twoText))
	ok(t, g.Upload(ctx, want.Tag, stray, strayText))
	says(t, g.Publish(ctx, want), "stray does not belong to it")
	ok(t, g.Drop(ctx, want.Tag, "stray"))
	ok(t, g.Drop(ctx, want.Tag, "stray"))
	short, shortText := asset("one", "fi")
	ok(t, g.Upload(ctx, want.Tag, short, shortText))
	if err := g.Publish(ctx, want); !errors.As(err, &incomplete) || incomplete.Asset != "one" || incomplete.Problem != "has 2 bytes, expected 5" {
		t.Errorf("got %v", err)
	}
	wrong, wrongText := asset("one", "FIRST")
	ok(t, g.Upload(ctx, want.Tag, wrong, wrongText))
	says(t, g.Publish(ctx, want), "has sha256 "+wrong.SHA256+", expected "+one.SHA256)
	if r.releases(t)[want.Tag].Draft != true {
		t.Error("it became public")
	}
	ok(t, g.Upload(ctx, want.Tag, one, oneText))
	ok(t, g.Publish(ctx, want))
	found, err = g.Find(ctx, want.Tag)
	ok(t, err)
	if found.Draft || !found.Latest || found.Prerelease || found.Notes != want.Notes || !slices.Equal(found.Assets, []forge.Asset{one, two}) {
		t.Errorf("public: %+v", found)
	}
	if got := r.releases(t)[want.Tag]; !slices.Equal(got.names(), []string{"one:5", "two_1.0+b-1.txt:1835008"}) {
		t.Errorf("the server shows %+v", got)
	}

	// A rerun is no change, and nothing is read again.
	before := downloads
	ok(t, g.Publish(ctx, want))
	ok(t, g.Upload(ctx, want.Tag, one, oneText))
	if _, err := g.Find(ctx, want.Tag); err != nil || downloads != before {
		t.Errorf("%d files were read again, %v", downloads-before, err)
	}

	// Pre-releases and those released earlier are not shown first. Gitea
	// decides that: a draft that is made later goes first, whatever its version.
	candidate := forge.Release{Tag: "v1.1.0-rc.1", Name: "Candidate", Notes: "n", Prerelease: true}
	ok(t, g.Draft(ctx, candidate))
	ok(t, g.Publish(ctx, candidate))
	latest, err := g.Latest(ctx)
	if latest != "v1.0.0" || !errors.Is(err, forge.ErrOwnLatest) {
		t.Errorf("latest: %q, %v", latest, err)
	}
	if found, err = g.Find(ctx, candidate.Tag); err != nil || !found.Prerelease || found.Latest || len(found.Assets) != 0 {
		t.Errorf("candidate: %+v, %v", found, err)
	}
	if err := g.SetLatest(ctx, "v1.0.0"); !errors.Is(err, forge.ErrOwnLatest) {
		t.Errorf("got %v", err)
	}

	ok(t, g.Amend(ctx, want.Tag, "## ⚠️ Deprecated\n"))
	amends := edits
	ok(t, g.Amend(ctx, want.Tag, "## ⚠️ Deprecated\n"))
	ok(t, g.Amend(ctx, want.Tag, "\r\n## ⚠️ Deprecated"))
	if edits != amends || amends == 0 {
		t.Errorf("the same notes were sent: %d edits, before %d", edits, amends)
	}
	found, err = g.Find(ctx, want.Tag)
	ok(t, err)
	if found.Notes != "## ⚠️ Deprecated\n" || found.Name != want.Name || found.Draft || len(found.Assets) != 2 {
		t.Errorf("amended: %+v", found)
	}
	says(t, g.Amend(ctx, want.Tag, ""), "takes no empty notes")
	says(t, g.Amend(ctx, "v0.9.1", "x"), "v0.9.1: it is not public")
	if got := r.tags(t); got != "v0.9.1\nv1.0.0\nv1.1.0-rc.1" {
		t.Errorf("tags: %q", got)
	}
}

// A release's page is read without its files.
func TestPage(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0")
	var paths []string
	g := open(t, Options{URL: r.url, Token: server.Token(), Retry: impatient, API: between(t, func(_ int, _ http.ResponseWriter, req *http.Request) bool {
		paths = append(paths, req.Method+" "+req.URL.Path)
		return false
	})})
	if page, err := g.Page(ctx, "v1.0.0"); page != nil || err != nil {
		t.Errorf("page of nothing: %+v, %v", page, err)
	}
	one, text := asset("one", "first")
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "# Notes\n", Assets: []forge.Asset{one}}
	ok(t, r.open(t).Draft(ctx, want))
	ok(t, r.open(t).Upload(ctx, want.Tag, one, text))
	for _, draft := range []bool{true, false} {
		if !draft {
			ok(t, r.open(t).Publish(ctx, want))
		}
		paths = nil
		page, err := g.Page(ctx, want.Tag)
		ok(t, err)
		if page.Tag != want.Tag || page.Draft != draft || page.Name != "n" || page.Notes != want.Notes || page.Prerelease || page.Latest || page.Assets != nil {
			t.Errorf("page: %+v", page)
		}
		if len(paths) != 1 || !strings.HasSuffix(paths[0], "/releases/tags/v1.0.0") {
			t.Errorf("asking for the page sent %q", paths)
		}
	}
}

// A public release keeps its bytes.
func TestPublic(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0")
	g := r.open(t)
	one, text := asset("one", "first")
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n", Assets: []forge.Asset{one}}
	ok(t, g.Draft(ctx, want))
	ok(t, g.Upload(ctx, want.Tag, one, text))
	ok(t, g.Publish(ctx, want))

	var public *forge.PublicError
	if err := g.Draft(ctx, want); !errors.As(err, &public) {
		t.Errorf("got %v", err)
	}
	if err := g.Drop(ctx, want.Tag, "one"); !errors.As(err, &public) {
		t.Errorf("got %v", err)
	}
	var conflict *forge.ConflictError
	for _, other := range []string{"fi", "FIRST"} {
		a, otherText := asset("one", other)
		if err := g.Upload(ctx, want.Tag, a, otherText); !errors.As(err, &conflict) || conflict.Found != one.SHA256 || conflict.Want != a.SHA256 {
			t.Errorf("got %v", err)
		}
	}
	two, twoText := asset("two", "second") // was never there: it is added
	ok(t, g.Upload(ctx, want.Tag, two, twoText))
	if got := r.releases(t)[want.Tag].names(); !slices.Equal(got, []string{"one:5", "two:6"}) {
		t.Errorf("the server shows %v", got)
	}
	// Anyone may read it.
	found, err := open(t, Options{URL: r.url, Retry: impatient}).Find(ctx, want.Tag)
	if err != nil || !slices.Equal(found.Assets, []forge.Asset{one, two}) {
		t.Errorf("without a token: %+v, %v", found, err)
	}
}

// What uploads leave under one name is settled.
func TestSameName(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0")
	g := r.open(t)
	one, text := asset("one", "first")
	second, other := asset("one", "other")
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n", Assets: []forge.Asset{one}}
	ok(t, g.Draft(ctx, want))
	id := r.releases(t)[want.Tag].ID
	ok(t, g.post(ctx, "testing", id, second, other))
	ok(t, g.post(ctx, "testing", id, one, text))
	ok(t, g.post(ctx, "testing", id, second, other))
	ok(t, g.post(ctx, "testing", id, one, text))
	if got := r.releases(t)[want.Tag].names(); len(got) != 4 {
		t.Fatalf("this server does not take several files of one name: %v", got)
	}
	ok(t, g.Publish(ctx, want))
	found, err := g.Find(ctx, want.Tag)
	if err != nil || found.Draft || !slices.Equal(found.Assets, []forge.Asset{one}) {
		t.Errorf("found %+v, %v", found, err)
	}
}

// Content is held against its checksum on its way, and what fails leaves
// nothing behind.
func TestBrokenUpload(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0")
	g := r.open(t)
	ok(t, g.Draft(ctx, forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n"}))
	one, text := asset("one", "first")
	for _, other := range []string{"other", "fir", "first and more", ""} {
		_, otherText := asset("one", other)
		says(t, g.Upload(ctx, "v1.0.0", one, otherText), "uploading one to release v1.0.0", "expected 5 with "+one.SHA256, "make it anew")
	}
	says(t, g.Upload(ctx, "v1.0.0", one, func() (io.ReadCloser, error) { return nil, errors.New("no file") }), "no file")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := g.Upload(cancelled, "v1.0.0", one, text); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "../x", "a b", ".hidden"} {
		a, badText := asset(bad, "x")
		says(t, g.Upload(ctx, "v1.0.0", a, badText), "is no asset name")
		says(t, g.Drop(ctx, "v1.0.0", bad), "is no asset name")
	}
	if got := r.releases(t)["v1.0.0"]; len(got.Assets) != 0 {
		t.Errorf("left behind: %v", got.names())
	}
	empty, emptyText := asset("empty", "")
	ok(t, g.Upload(ctx, "v1.0.0", empty, emptyText))
	found, err := g.Find(ctx, "v1.0.0")
	if err != nil || !slices.Equal(found.Assets, []forge.Asset{empty}) {
		t.Errorf("found %+v, %v", found, err)
	}
}

// Uploads run side by side.
func TestSideBySide(t *testing.T) {
	ctx := t.Context()
	r := project(t, false, nil, "v1.0.0")
	g := open(t, Options{URL: r.url, Token: server.Token(), Retry: quick})
	want := forge.Release{Tag: "v1.0.0", Name: "n", Notes: "n"}
	ok(t, g.Draft(ctx, want))
	group, ctx := errgroup.WithContext(ctx)
	for i := range 12 {
		a, text := asset(fmt.Sprintf("asset-%02d", i), strings.Repeat(strconv.Itoa(i), 1<<16))
		want.Assets = append(want.Assets, a)
		group.Go(func() error { return g.Upload(ctx, want.Tag, a, text) })
	}
	ok(t, group.Wait())
	ok(t, g.Publish(t.Context(), want))
	found, err := r.open(t).Find(t.Context(), want.Tag)
	if err != nil || found.Draft || !slices.Equal(found.Assets, want.Assets) {
		t.Errorf("found %+v, %v", found, err)
	}
}
