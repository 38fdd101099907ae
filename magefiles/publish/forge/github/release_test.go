package github

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// zeros is an asset of zeros; at is called with what was read so far.
func zeros(name string, size int64, at func(int64)) (forge.Asset, forge.Content) {
	h := sha256.New()
	_, _ = io.CopyN(h, zero{}, size)
	return forge.Asset{Name: name, Size: size, SHA256: hex.EncodeToString(h.Sum(nil))}, func() (io.ReadCloser, error) {
		return io.NopCloser(&counted{r: io.LimitReader(zero{}, size), at: at}), nil
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counted struct {
	r  io.Reader
	n  int64
	at func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.at(c.n)
	return n, err
}

func TestLife(t *testing.T) {
	ctx, b := t.Context(), serve(t, kit.Options{})
	g := b.client(t, kit.Token, 3)
	found, err := g.Find(ctx, tag)
	ok(t, err)
	if latest, err := g.Latest(ctx); found != nil || latest != "" || err != nil {
		t.Fatalf("an empty forge has %+v and shows %q, %v", found, latest, err)
	}
	r := wanted
	r.Prerelease = true
	ok(t, g.Draft(ctx, r))
	ok(t, g.Draft(ctx, r))
	r.Prerelease, r.Name = false, "Another"
	ok(t, g.Draft(ctx, r))
	ok(t, g.Draft(ctx, wanted))
	one := wanted.Assets[1]
	ok(t, g.Upload(ctx, tag, one, content(texts[one.Name])))
	found, err = g.Find(ctx, tag)
	ok(t, err)
	if !found.Draft || found.Latest || found.Prerelease || found.Name != wanted.Name || found.Notes != wanted.Notes || !slices.Equal(found.Assets, []forge.Asset{one}) {
		t.Errorf("draft: %+v", found)
	}

	// A draft that is not what it should be stays one.
	says(t, g.Publish(ctx, wanted), "publishing release v1.2.3", "stays a draft", "is missing")
	stray := asset("stray", "x")
	for _, a := range wanted.Assets {
		ok(t, g.Upload(ctx, tag, a, content(texts[a.Name])))
	}
	ok(t, g.Upload(ctx, tag, stray, content("x")))
	var incomplete *forge.IncompleteError
	if err := g.Publish(ctx, wanted); !errors.As(err, &incomplete) || incomplete.Asset != "stray" {
		t.Errorf("got %v", err)
	}
	ok(t, g.Drop(ctx, tag, "stray"))
	ok(t, g.Drop(ctx, tag, "stray"))
	for text, problem := range map[string]string{"a tarbalk": "has sha256 " + asset("", "a tarbalk").SHA256, "a tar": "has 5 bytes, expected 9"} {
		ok(t, g.Upload(ctx, tag, asset(one.Name, text), content(text)))
		says(t, g.Publish(ctx, wanted), "stays a draft", one.Name, problem)
	}
	ok(t, g.Upload(ctx, tag, one, content(texts[one.Name])))

	// The tag goes before the publication, which would make another.
	b.DeleteTag(tag)
	says(t, g.Publish(ctx, wanted), "no such tag on GitHub", "push the signed tag first")
	b.SetTag(tag, "c0ffee")
	says(t, g.SetLatest(ctx, tag), "it is not public")
	says(t, g.Amend(ctx, tag, "x"), "it is not public")
	ok(t, g.Publish(ctx, wanted))
	ok(t, g.Publish(ctx, wanted))
	found, err = g.Find(ctx, tag)
	ok(t, err)
	if found.Draft || !found.Latest || !slices.Equal(found.Assets, wanted.Assets) {
		t.Errorf("public: %+v", found)
	}

	// From now on it keeps its bytes.
	var public *forge.PublicError
	if err := g.Draft(ctx, wanted); !errors.As(err, &public) {
		t.Errorf("got %v", err)
	}
	if err := g.Drop(ctx, tag, one.Name); !errors.As(err, &public) {
		t.Errorf("got %v", err)
	}
	ok(t, g.Upload(ctx, tag, one, content(texts[one.Name])))
	var conflict *forge.ConflictError
	other := asset(one.Name, "other")
	if err := g.Upload(ctx, tag, other, content("other")); !errors.As(err, &conflict) || conflict.Found != one.SHA256 || conflict.Want != other.SHA256 {
		t.Errorf("got %v", err)
	}
	ok(t, g.Upload(ctx, tag, stray, content("x"))) // what is missing may be added
	ok(t, g.Amend(ctx, tag, amended))
	ok(t, g.Amend(ctx, tag, amended))

	// Another release is shown first when it says so, and a pre-release never.
	old, next := forge.Release{Tag: "v1.1.9", Name: "old"}, forge.Release{Tag: "v2.0.0-rc.1", Name: "next", Prerelease: true, Latest: true}
	for _, r := range []forge.Release{old, next} {
		says(t, g.Draft(ctx, r), "drafting release "+r.Tag, "no such tag")
		b.SetTag(r.Tag, "c0ffee")
		ok(t, g.Draft(ctx, r))
		ok(t, g.Publish(ctx, r))
		if latest, err := g.Latest(ctx); latest != tag || err != nil {
			t.Errorf("after %s the latest is %s, %v", r.Tag, latest, err)
		}
	}
	says(t, g.SetLatest(ctx, next.Tag), "pre-release")
	ok(t, g.SetLatest(ctx, old.Tag))
	if latest, err := g.Latest(ctx); latest != old.Tag || err != nil {
		t.Errorf("the latest is %s, %v", latest, err)
	}
	ok(t, g.Publish(ctx, wanted)) // is to be shown first
	if latest, err := g.Latest(ctx); latest != tag || err != nil {
		t.Errorf("the latest is %s, %v", latest, err)
	}
	says(t, g.SetLatest(ctx, "v9.9.9"), "it is not public")
	says(t, g.Publish(ctx, forge.Release{Tag: "v9.9.9"}), "there is no such draft")
	says(t, g.Upload(ctx, "v9.9.9", one, content("")), "there is no release v9.9.9")
	ok(t, g.Drop(ctx, "v9.9.9", "a"))
	if sins := b.Sins(); len(sins) > 0 {
		t.Errorf("never: %q", sins)
	}
	for _, r := range b.Releases() {
		for _, a := range r.Assets {
			if a.Name == one.Name && a.Type != "application/gzip" {
				t.Errorf("%s has the type %q", a.Name, a.Type)
			}
		}
	}
}

// What interrupted runs and others left behind is put in order.
func TestLeftovers(t *testing.T) {
	good := wanted.Assets[0]
	assets := func(a ...kit.Asset) []kit.Asset { return a }
	for name, releases := range map[string][]kit.Release{
		"an upload that was cut": {{Draft: true, Assets: assets(kit.Asset{Name: good.Name, State: "starter"})}},
		"one that is still open": {{Draft: true, Assets: assets(kit.Asset{Name: good.Name, State: "open", Size: good.Size, SHA256: good.SHA256})}},
		"another file":           {{Draft: true, Assets: assets(kit.Asset{Name: good.Name, State: "uploaded", Size: 1, SHA256: "00"})}},
		"a file too many":        {{Draft: true, Assets: assets(kit.Asset{Name: "old.txt", State: "uploaded", Size: 1, SHA256: "00"})}},
		"several drafts":         {{Draft: true}, {Draft: true, Assets: assets(kit.Asset{Name: "a", State: "starter"})}, {Draft: true}},
		"several good drafts": {
			{Draft: true, Name: wanted.Name, Body: wanted.Notes}, {Draft: true, Name: wanted.Name, Body: wanted.Notes, Assets: assets(kit.Asset{Name: "a", State: "uploaded", Size: 1})},
		},
		"a good file":              {{Draft: true, Assets: assets(kit.Asset{Name: good.Name, State: "uploaded", Size: good.Size, SHA256: good.SHA256})}},
		"another release's latest": {{Tag: "v1.2.2", Latest: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, kit.Options{})
			var first int64
			for _, r := range releases {
				if r.Tag == "" {
					r.Tag = tag
				}
				if id := b.AddRelease(r); first == 0 && r.Tag == tag {
					first = id
				}
			}
			ok(t, converge(t.Context(), b.client(t, kit.Token, 3), wanted, true))
			b.settled(t)
			for _, r := range b.Releases() {
				if r.Tag == tag && first != 0 && r.ID != first {
					t.Errorf("release %d was published, expected the oldest draft %d", r.ID, first)
				}
			}
		})
	}
	t.Run("an interrupted upload to a public release", func(t *testing.T) {
		b := serve(t, kit.Options{})
		g := b.client(t, kit.Token, 3)
		b.AddRelease(kit.Release{Tag: tag, Assets: assets(kit.Asset{Name: good.Name, State: "starter"})})
		found, err := g.Find(t.Context(), tag)
		ok(t, err)
		if a, _ := found.Find(good.Name); a == good || a.Size != -1 || a.SHA256 != "" {
			t.Errorf("found %+v", a)
		}
		ok(t, g.Upload(t.Context(), tag, good, content(texts[good.Name])))
		if sins := b.Sins(); len(sins) > 0 {
			t.Errorf("never: %q", sins)
		}
	})
	t.Run("a public release and drafts", func(t *testing.T) {
		b := serve(t, kit.Options{})
		b.AddRelease(kit.Release{Tag: tag, Draft: true})
		b.AddRelease(kit.Release{Tag: tag, Name: "public"})
		b.AddRelease(kit.Release{Tag: tag, Draft: true})
		found, err := b.client(t, kit.Token, 3).Find(t.Context(), tag)
		ok(t, err)
		if found.Draft || found.Name != "public" {
			t.Errorf("found %+v", found)
		}
		// A spare draft that somebody has published meanwhile is none.
		g := b.client(t, kit.Token, 3)
		for _, r := range b.Releases() {
			ok(t, g.dropDraft(t.Context(), r.ID))
			ok(t, g.dropDraft(t.Context(), r.ID))
		}
		if list := b.Releases(); len(list) != 1 || list[0].Draft || len(b.Sins()) > 0 {
			t.Errorf("left %+v, %q", list, b.Sins())
		}
	})
	t.Run("a draft on the second page", func(t *testing.T) {
		b := serve(t, kit.Options{})
		id := b.AddRelease(kit.Release{Tag: tag, Draft: true})
		for range 120 {
			b.AddRelease(kit.Release{Tag: "v0.0.1", Draft: true})
		}
		g := b.client(t, kit.Token, 3)
		found, err := g.Find(t.Context(), tag)
		ok(t, err)
		if found == nil || !found.Draft {
			t.Errorf("found %+v", found)
		}
		many := kit.Release{Tag: "v3.0.0", Draft: true}
		for i := range 250 {
			many.Assets = append(many.Assets, kit.Asset{Name: string(rune('a'+i%26)) + strings.Repeat("x", i), State: "uploaded", Size: 1, SHA256: "00"})
		}
		b.AddRelease(many)
		if found, err = g.Find(t.Context(), many.Tag); err != nil || len(found.Assets) != 250 {
			t.Errorf("found %d assets, %v", len(found.Assets), err)
		}
		for _, r := range b.Releases() {
			if r.Tag == tag && r.ID != id {
				t.Errorf("a second draft: %+v", r)
			}
		}
	})
}

// A release's page is read without its assets.
func TestPage(t *testing.T) {
	ctx, b := t.Context(), serve(t, kit.Options{NoDigests: true})
	g := b.client(t, kit.Token, 3)
	if page, err := g.Page(ctx, tag); page != nil || err != nil {
		t.Errorf("page of nothing: %+v, %v", page, err)
	}
	ok(t, g.Draft(ctx, wanted))
	for _, draft := range []bool{true, false} {
		if !draft {
			ok(t, converge(ctx, g, wanted, false))
		}
		before := len(b.Requests())
		page, err := b.client(t, kit.Token, 3).Page(ctx, tag)
		ok(t, err)
		if page.Tag != tag || page.Draft != draft || page.Name != wanted.Name || page.Prerelease || page.Latest || page.Assets != nil || draft && page.Notes != wanted.Notes {
			t.Errorf("page: %+v", page)
		}
		for _, r := range b.Requests()[before:] {
			if !strings.HasPrefix(r, "GET ") || strings.Contains(r, "assets") || strings.Contains(r, "latest") {
				t.Errorf("asking for the page sent %s", r)
			}
		}
	}
	_, err := g.Page(ctx, "../v1")
	says(t, err, `looking for release ../v1: "../v1" names no release`)
}

// What differs in white space alone is not sent again.
func TestSameNotes(t *testing.T) {
	ctx, b := t.Context(), serve(t, kit.Options{})
	g := b.client(t, kit.Token, 3)
	ok(t, converge(ctx, g, wanted, false))
	next := forge.Release{Tag: "v1.3.0", Name: "next", Notes: "# Notes\n\n- two\n"}
	b.SetTag(next.Tag, "c0ffee")
	ok(t, g.Draft(ctx, next))
	before := len(b.Requests())
	ok(t, g.Amend(ctx, tag, "\n"+strings.ReplaceAll(amended, "\n", "\r\n")))
	next.Notes = "# Notes\r\n\r\n- two"
	ok(t, g.Draft(ctx, next))
	for _, r := range b.Requests()[before:] {
		if !strings.HasPrefix(r, "GET ") {
			t.Errorf("it sent %s", r)
		}
	}
}

func TestImmutable(t *testing.T) {
	ctx, b := t.Context(), serve(t, kit.Options{Immutable: true})
	g := b.client(t, kit.Token, 3)
	ok(t, converge(ctx, g, wanted, false))
	b.settled(t)
	if r := b.Releases()[0]; !r.Immutable {
		t.Fatalf("%+v", r)
	}
	says(t, g.Draft(ctx, forge.Release{Tag: "../v1"}), `drafting release ../v1: "../v1" names no release`)
	one := wanted.Assets[0]
	ok(t, g.Upload(ctx, tag, one, content(texts[one.Name])))
	more := asset("more", "more")
	says(t, g.Upload(ctx, tag, more, content("more")), "uploading more to release v1.2.3", "immutable", "new version")
	var conflict *forge.ConflictError
	if err := g.Upload(ctx, tag, asset(one.Name, "x"), content("x")); !errors.As(err, &conflict) {
		t.Errorf("got %v", err)
	}
	ok(t, g.Amend(ctx, tag, "again"))
	ok(t, g.SetLatest(ctx, tag))
}

// What is sent and what is stored is held against the checksum.
func TestUploadCompared(t *testing.T) {
	for name, o := range map[string]kit.Options{"digests": {}, "no digests": {NoDigests: true}} {
		t.Run(name, func(t *testing.T) {
			ctx, b := t.Context(), serve(t, o)
			g := b.client(t, kit.Token, 3)
			ok(t, g.Draft(ctx, wanted))
			a := asset("a.txt", "content")
			for _, text := range []string{"contenT", "conten", "content and more", ""} {
				says(t, g.Upload(ctx, tag, a, content(text)), "uploading a.txt", "the bundle has been changed, make it anew")
				found, err := g.Find(ctx, tag)
				ok(t, err)
				// What goes on after its end has arrived as it should be.
				if there, is := found.Find("a.txt"); is && there.SHA256 != "" && there != a {
					t.Errorf("%q is there as a whole asset: %+v", text, there)
				}
				ok(t, g.Drop(ctx, tag, "a.txt"))
			}
			says(t, g.Upload(ctx, tag, a, func() (io.ReadCloser, error) { return nil, errors.New("gone") }), "opening the content: gone")
			says(t, g.Upload(ctx, tag, asset("empty", ""), content("")), "no empty files")
			says(t, g.Upload(ctx, tag, asset("a/b", "x"), content("x")), "no asset name")
			if !o.NoDigests {
				b.Corrupt("a.txt", true)
				says(t, g.Upload(ctx, tag, a, content("content")), "GitHub stored 7 bytes with sha256 \"0000", a.SHA256, "deleted again")
				b.Corrupt("a.txt", false)
			}
			if r := b.Releases()[0]; !o.NoDigests && len(r.Assets) != 0 {
				t.Errorf("left: %+v", r.Assets)
			}
			ok(t, g.Upload(ctx, tag, a, content("content")))
		})
	}
}

// GitHub's limits are waited for, within the patience that was granted.
func TestLimits(t *testing.T) {
	t.Run("secondary", func(t *testing.T) {
		b := serve(t, kit.Options{})
		b.LimitEvery(2, time.Minute)
		ok(t, converge(t.Context(), b.client(t, kit.Token, 6), wanted, true))
		b.settled(t)
		if len(b.clock.slept) < 5 || b.clock.slept[0] < time.Minute {
			t.Errorf("slept %v", b.clock.slept)
		}
	})
	t.Run("secondary, all the time", func(t *testing.T) {
		b := serve(t, kit.Options{})
		b.LimitEvery(1, time.Minute)
		err := b.client(t, kit.Token, 6).Draft(t.Context(), wanted)
		says(t, err, "drafting release v1.2.3", "limits the rate of requests", "secondary rate limit", "run this again in 1m0s")
		if len(b.clock.slept) > 6 || len(b.Releases()) > 0 {
			t.Errorf("slept %v, made %v", b.clock.slept, b.Releases())
		}
	})
	t.Run("primary", func(t *testing.T) {
		b := serve(t, kit.Options{})
		b.LimitPrimary(3, b.clock.Now().Add(4*time.Minute))
		ok(t, converge(t.Context(), b.client(t, kit.Token, 6), wanted, true))
		b.settled(t)
		if len(b.clock.slept) != 1 || b.clock.slept[0] < 4*time.Minute {
			t.Errorf("slept %v", b.clock.slept)
		}
	})
	t.Run("primary, too long", func(t *testing.T) {
		b := serve(t, kit.Options{})
		b.LimitPrimary(3, b.clock.Now().Add(time.Hour))
		err := converge(t.Context(), b.client(t, kit.Token, 6), wanted, true)
		says(t, err, "limits the rate of requests", "API rate limit exceeded", "run this again in 1h0m0s")
		if len(b.clock.slept) > 0 {
			t.Errorf("slept %v", b.clock.slept)
		}
	})
	for name, every := range map[string]int{"side by side": 0, "secondary, side by side": 5} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, kit.Options{})
			g := b.client(t, kit.Token, 6)
			ok(t, g.Draft(t.Context(), wanted))
			b.LimitEvery(every, 2*time.Second)
			var many errgroup.Group
			many.SetLimit(8)
			for i := range 24 {
				a, from := zeros(strings.Repeat("a", i+1), 1<<16, func(int64) {})
				many.Go(func() error { return g.Upload(t.Context(), tag, a, from) })
			}
			ok(t, many.Wait())
			if b.Peak() > atOnce {
				t.Errorf("%d changing requests at once, expected at most %d", b.Peak(), atOnce)
			}
			assets := b.Releases()[0].Assets
			if len(assets) != 24 || slices.ContainsFunc(assets, func(a kit.Asset) bool { return a.State != "uploaded" || a.Size != 1<<16 }) {
				t.Errorf("%d assets: %+v", len(assets), assets)
			}
		})
	}
}

// Uploads are streamed: memory does not grow with the content.
func TestMemory(t *testing.T) {
	const size, allowed = 256 << 20, 32 << 20
	b := serve(t, kit.Options{Discard: true})
	g := b.client(t, kit.Token, 3)
	ok(t, g.Draft(t.Context(), wanted))
	var before, now runtime.MemStats
	var most, looked, reads int64
	a, from := zeros("big.tar.gz", size, func(n int64) {
		reads++
		if n-looked >= 16<<20 {
			looked = n
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, int64(now.HeapAlloc))
		}
	})
	runtime.GC()
	runtime.ReadMemStats(&before)
	ok(t, g.Upload(t.Context(), tag, a, from))
	if grown := most - int64(before.HeapAlloc); most == 0 || grown > allowed {
		t.Errorf("the heap grew by %d bytes while %d were sent", grown, int64(size))
	}
	if reads < size/(1<<20) {
		t.Errorf("read in %d pieces: more than a MiB at once", reads)
	}
}
