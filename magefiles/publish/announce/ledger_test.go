package announce

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

var subject = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}

// serve gives a registry; each call of open is another process.
func serve(t *testing.T) (open func() *registry.Registry) {
	t.Helper()
	s, err := embedded.Serve(t.Context(), t.TempDir(), "", embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return func() *registry.Registry {
		r, err := registry.Open(s.Repository("owner/name"), registry.Options{Retry: retry.Policy{Tries: 1}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// holds wants exactly these states.
func holds(t *testing.T, l Ledger, want map[string]State) {
	t.Helper()
	if got, err := l.States(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("the states are %v, %v, expected %v", got, err, want)
	}
}

// States survive, the last one of a key counts, and a release's, its
// withdrawal's and another release's do not mix.
func TestRegistry(t *testing.T) {
	open := serve(t)
	l := NewLedger(open(), subject, false)
	holds(t, l, map[string]State{})
	for _, m := range []struct {
		key   string
		state State
	}{{"a", StateSending}, {"b", StateSending}, {"a", StateSent}, {"c", StateFailed}, {"c", StateSending}} {
		if err := l.Mark(t.Context(), m.key, m.state); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]State{"a": StateSent, "b": StateSending, "c": StateSending}
	holds(t, l, want)
	holds(t, NewLedger(open(), subject, false), want)
	withdrawal, other := NewLedger(open(), subject, true), NewLedger(open(), v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("cd", 32)}, false)
	holds(t, other, map[string]State{})
	holds(t, withdrawal, map[string]State{})
	if err := withdrawal.Mark(t.Context(), "a", StateFailed); err != nil {
		t.Fatal(err)
	}
	holds(t, withdrawal, map[string]State{"a": StateFailed})
	holds(t, l, want)
	tags, err := open().Tags(t.Context())
	slices.Sort(tags)
	if name := "sha256-" + subject.Hex; err != nil || !slices.Equal(tags, []string{name + ".announced", name + ".withdrawal-announced"}) {
		t.Errorf("tags: %q, %v", tags, err)
	}
}

// Two addresses at once: what one marks the other keeps.
func TestSendWithRegistry(t *testing.T) {
	open := serve(t)
	world.begin(t, map[string]http.HandlerFunc{"discord.com": answer(http.StatusNotFound)})
	addresses := []string{discordURL, genericURL}
	l := NewLedger(open(), subject, false)
	results, err := Send(t.Context(), message, addresses, l, Options{})
	outcomes(t, l, results, err, "discord (address 1): failed, the service answered 404 Not Found", "generic (address 2): sent")

	world.begin(t, nil)
	l = NewLedger(open(), subject, false)
	results, err = Send(t.Context(), message, addresses, l, Options{})
	outcomes(t, l, results, err, "discord (address 1): sent", "generic (address 2): sent before")
	if err != nil || len(world.got) != 1 {
		t.Errorf("the second run gave %v and sent %v", err, world.got)
	}
}

func TestMarksAtOnce(t *testing.T) {
	open := serve(t)
	l, want := NewLedger(open(), subject, false), map[string]State{}
	var g errgroup.Group
	for i := range 20 {
		key := fmt.Sprint("k", i)
		want[key] = StateSent
		g.Go(func() error {
			return errors.Join(l.Mark(t.Context(), key, StateSending), l.Mark(t.Context(), key, StateSent))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	holds(t, l, want)
	holds(t, NewLedger(open(), subject, false), want)
}

// Where the ledger cannot be read nothing is sent, and it is not written over.
func TestBrokenRegistry(t *testing.T) {
	tag := "sha256-" + subject.Hex + ".announced"
	for text, says := range map[string]string{
		`{"schemaVersion":"two"}`:                                  "it is no ledger of announcements",
		`{"annotations":{"io.kubedo.release.announced.x":"lost"}}`: `x is marked as "lost", expected "sending", "sent" or "failed"`,
	} {
		open := serve(t)
		if err := open().PutManifest(t.Context(), tag, types.OCIManifestSchema1, []byte(text)); err != nil {
			t.Fatal(err)
		}
		world.begin(t, nil)
		l := NewLedger(open(), subject, false)
		_, sent := Send(t.Context(), message, []string{genericURL}, l, Options{})
		for _, err := range []error{sent, l.Mark(t.Context(), "a", StateSent)} {
			if err == nil || !strings.HasPrefix(err.Error(), "reading where it was announced (tag "+tag+"): ") || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", text, err)
			}
		}
		raw, _, _, err := open().Manifest(t.Context(), tag)
		if err != nil || string(raw) != text || len(world.got) > 0 {
			t.Errorf("%s is %s now (%v), and sent was %v", text, raw, err, world.got)
		}
	}

	gone := httptest.NewServer(nil)
	r, err := registry.Open(strings.TrimPrefix(gone.URL, "http://")+"/owner/name", registry.Options{Retry: retry.Policy{Tries: 1}})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	if _, err := NewLedger(r, subject, false).States(t.Context()); err == nil || !strings.Contains(err.Error(), tag) {
		t.Errorf("a registry that is not there: %v", err)
	}
}

// What others noted beside the marks is not one.
func TestForeignAnnotations(t *testing.T) {
	open := serve(t)
	err := open().PutManifest(t.Context(), "sha256-"+subject.Hex+".announced", types.OCIManifestSchema1,
		[]byte(`{"annotations":{"org.example":"x","io.kubedo.release.announced.a":"sent"}}`))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, NewLedger(open(), subject, false), map[string]State{"a": StateSent})
}
