package gitea

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// want is the release of the tests below, with one asset that is sent in many
// pieces.
func wanted(tag string) (forge.Release, map[string]forge.Content) {
	one, oneText := asset("one", "first")
	two, twoText := asset("two.bin", strings.Repeat("0123456789abcdef", 1<<14))
	return forge.Release{Tag: tag, Name: "Release " + tag, Notes: "# " + tag + "\n", Assets: []forge.Asset{one, two}},
		map[string]forge.Content{one.Name: oneText, two.Name: twoText}
}

// converge does what publishing does: it looks, and does what differs.
func converge(ctx context.Context, g *Gitea, want forge.Release, contents map[string]forge.Content) error {
	found, err := g.Find(ctx, want.Tag)
	if err != nil {
		return err
	}
	if found != nil && !found.Draft {
		for _, a := range want.Assets {
			if there, _ := found.Find(a.Name); there != a {
				return fmt.Errorf("public without %s", a.Name)
			}
		}
		return nil
	}
	if found == nil || found.Name != want.Name || found.Notes != want.Notes || found.Prerelease != want.Prerelease {
		if err := g.Draft(ctx, want); err != nil {
			return err
		}
	}
	if found == nil {
		found = &forge.Release{}
	}
	for _, a := range found.Assets {
		if _, ok := want.Find(a.Name); !ok {
			if err := g.Drop(ctx, want.Tag, a.Name); err != nil {
				return err
			}
		}
	}
	for _, a := range want.Assets {
		if there, ok := found.Find(a.Name); !ok || there != a {
			if err := g.Upload(ctx, want.Tag, a, contents[a.Name]); err != nil {
				return err
			}
		}
	}
	return g.Publish(ctx, want)
}

// cuts are the ways in which a connection ends early.
var cuts = map[string]func(*http.Request){
	"before": func(req *http.Request) { // at most half of a body arrives
		if half, _ := io.ReadAll(io.LimitReader(req.Body, req.ContentLength/2)); len(half) > 0 {
			forward(req, io.MultiReader(bytes.NewReader(half), gone{}))
		}
	},
	"after": func(req *http.Request) { forward(req, req.Body) }, // the answer is lost
}

// gone is the rest of a body whose sender has gone.
type gone struct{}

func (gone) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestCuts cuts the connection at each request of a whole release, in each way,
// and runs the release again, or lets it try again by itself.
func TestCuts(t *testing.T) {
	const most = 30
	r := project(t, false, nil, "v1.0.0")
	for _, how := range []string{"before", "after"} {
		for name, policy := range map[string]retry.Policy{"run again": impatient, "tried again": quick} {
			t.Run(how+", "+name, func(t *testing.T) {
				at := 1
				for ; cutOnce(t, r, at, how, policy); at++ {
					if at > most {
						t.Fatalf("a release takes more than %d requests", most)
					}
				}
				if at < 10 {
					t.Errorf("a release takes %d requests only", at-1)
				}
			})
		}
	}
	if got := r.tags(t); got != "v1.0.0" {
		t.Errorf("there are other tags: %q", got)
	}
}

// cutOnce makes a release whose request at a number is cut, and tells whether
// there was such a request. It leaves nothing of it.
func cutOnce(t *testing.T, r repo, at int, how string, policy retry.Policy) (met bool) {
	t.Helper()
	hit := make(chan string, 1) // an answer that never comes orders nothing
	url := between(t, func(n int, _ http.ResponseWriter, req *http.Request) bool {
		if n != at {
			return false
		}
		hit <- req.Method + " " + req.URL.Path
		cuts[how](req)
		panic(http.ErrAbortHandler)
	})
	// On a connection that was used before, net/http tries again by itself.
	fresh := &http.Transport{DisableKeepAlives: true}
	g := open(t, Options{URL: r.url, API: url, Token: server.Token(), Retry: policy, Transport: fresh})
	want, contents := wanted("v1.0.0")
	err := converge(t.Context(), g, want, contents)
	what := ""
	select {
	case what = <-hit:
		met = true
	default:
	}
	if met && policy.Tries == 1 {
		if err == nil {
			t.Errorf("request %d (%s): the cut went unnoticed", at, what)
		}
		err = converge(t.Context(), g, want, contents)
	}
	if err != nil {
		t.Errorf("request %d (%s): %v", at, what, err)
	}
	found, err := r.open(t).Find(t.Context(), want.Tag) // with nothing remembered
	if err != nil || found == nil || found.Draft || found.Name != want.Name || found.Notes != want.Notes || !slices.Equal(found.Assets, want.Assets) {
		t.Errorf("request %d (%s): found %+v, %v", at, what, found, err)
	}
	all := r.releases(t)
	if len(all) != 1 {
		t.Errorf("request %d (%s): the server shows %+v", at, what, all)
	}
	for _, s := range all {
		ok(t, r.api(t, "DELETE", fmt.Sprintf("/releases/%d", s.ID), nil, nil))
	}
	return met
}

// Answers that say that the server is busy are waited for.
func TestBusy(t *testing.T) {
	r := project(t, false, nil, "v1.0.0", "v1.1.0")
	for _, tag := range []string{"v1.0.0", "v1.1.0"} {
		seen := map[string]bool{} // each is busy the first time
		url := between(t, func(_ int, w http.ResponseWriter, req *http.Request) bool {
			what := req.Method + " " + req.URL.RequestURI()
			if seen[what] {
				return false
			}
			seen[what] = true
			_, _ = io.Copy(io.Discard, req.Body)
			w.WriteHeader(map[string]int{"v1.0.0": http.StatusTooManyRequests, "v1.1.0": http.StatusBadGateway}[tag])
			return true
		})
		g := open(t, Options{URL: r.url, API: url, Token: server.Token(), Retry: quick})
		want, contents := wanted(tag)
		ok(t, converge(t.Context(), g, want, contents))
	}
	always := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message": "maintenance"}`, http.StatusServiceUnavailable)
	}))
	defer always.Close()
	g := open(t, Options{URL: r.url, API: always.URL, Token: server.Token(), Retry: quick})
	_, err := g.Find(t.Context(), "v1.0.0")
	says(t, err, "looking for release v1.0.0", "503", "maintenance")
}
