package pipeline

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/publish/announce"
)

// hooks takes what is announced.
type hooks struct {
	mu    sync.Mutex
	got   []string
	state int
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, _ := io.ReadAll(r.Body)
	if h.state != 0 {
		w.WriteHeader(h.state)
		return
	}
	h.got = append(h.got, string(text))
}

// announces makes the releases of the stand-in known.
func (w *hub) announces(t *testing.T) {
	const secret = "hunter2secret"
	hook := &hooks{}
	server := httptest.NewServer(hook)
	defer server.Close()
	address := "generic://" + strings.TrimPrefix(server.URL, "http://") + "/" + secret + "?disabletls=yes&template=json"
	notify := ""
	s := w.Suite
	s.Getenv = func(name string) string { return map[string]string{envNotify: notify}[name] }
	announced := func(o AnnounceOrder) (string, error) {
		w.out.Reset()
		w.log.Reset()
		err := s.Announce(t.Context(), o)
		text := w.log.String() + w.out.String()
		if strings.Contains(text, secret) || err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the secret is shown: %v\n%s", err, text)
		}
		return text, err
	}
	sent := func(posts, discussions int) {
		t.Helper()
		if n := len(w.server.Discussions()); n != discussions || len(hook.got) != posts {
			t.Errorf("there are %d discussions and %d posts, want %d and %d", n, len(hook.got), discussions, posts)
		}
	}

	w.sub(t, "announce nowhere", func(t *testing.T) {
		s.Product.Announce.Discussions = ""
		_, err := announced(AnnounceOrder{Ref: "v0.3.0"})
		s.Product.Announce.Discussions = "Announcements"
		says(t, err, "there is nowhere to announce it", envNotify, "Announce.Discussions")
	})
	w.sub(t, "announce nothing", func(t *testing.T) {
		_, err := announced(AnnounceOrder{Ref: "v0.9.0"})
		says(t, err, "v0.9.0 has no public release yet", "go run . release:status")
		_, err = announced(AnnounceOrder{Ref: "main"})
		says(t, err, "main is no version: name one with -tag")
	})
	notify = address
	w.sub(t, "announce dry", func(t *testing.T) {
		said, err := announced(AnnounceOrder{Ref: "v0.3.0", DryRun: true})
		ok(t, err)
		contains(t, "the dry run", said, "generic (address 1)", "discussions (Announcements)", "would be sent",
			"Tiny v0.3.0 is released.", "Release notes: https://git.example.org/tiny/tiny/releases/tag/v0.3.0", w.at("0.3.0"))
		sent(0, 0)
	})
	w.sub(t, "announce", func(t *testing.T) {
		said, err := announced(AnnounceOrder{Ref: "v0.3.0"})
		ok(t, err)
		sent(1, 1)
		var post struct{ Message string }
		ok(t, json.Unmarshal([]byte(hook.got[0]), &post))
		d := w.server.Discussions()[0]
		if d.Category != "Announcements" || d.Title != "Tiny v0.3.0" || strings.TrimSpace(d.Body) != strings.TrimSpace(post.Message) {
			t.Errorf("the discussion is %+v, the post %q", d, post.Message)
		}
		contains(t, "the announcement", said, "sent", d.URL)
	})
	w.sub(t, "announce twice", func(t *testing.T) {
		s.Dist = t.TempDir() // on another machine
		said, err := announced(AnnounceOrder{Ref: "v0.3.0", JSON: true})
		ok(t, err)
		sent(1, 1)
		var results []announce.Result
		ok(t, json.Unmarshal(w.out.Bytes(), &results))
		for _, r := range results {
			if r.Outcome != announce.Before {
				t.Errorf("%s: %s", r.Address, r.Outcome)
			}
		}
		contains(t, "the second announcement", said, `"sent before"`)
	})
	w.sub(t, "announce in vain", func(t *testing.T) {
		hook.state = http.StatusNotFound
		s.Product.Announce.Discussions = "News"
		said, err := announced(AnnounceOrder{Ref: "v0.2.1"})
		says(t, err, "2 of 2 addresses did not get the message", "generic (address 1): the service answered 404 Not Found", "discussions (News): ", "what was sent is not sent twice")
		contains(t, "the announcement", said, "failed")
		sent(1, 1)
		hook.state, s.Product.Announce.Discussions = 0, "Announcements"
		_, err = announced(AnnounceOrder{Ref: "v0.2.1"})
		ok(t, err)
		sent(2, 2)
		notify = "nonsense " + address
		_, err = announced(AnnounceOrder{Ref: "v0.2.0"})
		says(t, err, "address 1 is no URL")
		sent(2, 2) // not even the discussion
		notify = address
	})
	w.sub(t, "announce the withdrawal", func(t *testing.T) {
		w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses})
		_, err := announced(AnnounceOrder{Ref: "v0.3.0"})
		ok(t, err)
		sent(3, 3)
		d := w.server.Discussions()[2]
		contains(t, "the discussion", d.Title+"\n"+d.Body, "Tiny v0.3.0 is withdrawn", loses, "Use v0.2.1 instead", w.at("0.2.1"))
		_, err = announced(AnnounceOrder{Ref: "v0.3.0"})
		ok(t, err)
		sent(3, 3)
		w.said(func(ctx context.Context) error {
			return w.Rollback(ctx, RollbackOrder{Version: "0.3.0", Restore: true})
		})
	})
}
