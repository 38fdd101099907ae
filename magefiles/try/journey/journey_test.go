package journey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
)

// names are the names of steps with an outcome.
func names(r Report, o Outcome) (out []string) {
	for _, s := range r.Steps {
		if s.Outcome == o {
			out = append(out, s.Name)
		}
	}
	return out
}

// quiet holds everything that a run said against the secrets of the product.
func (p *product) quiet(t *testing.T, r Report, err error, told []Step) {
	t.Helper()
	p.Settle()
	text, jsonErr := json.Marshal([]any{r, told})
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	all := fmt.Sprintf("%s\n%s\n%v\n%+v\n%#v", text, r.Env(), err, err, told)
	for _, s := range p.Secrets {
		// Half of one is one too many.
		if strings.Contains(all, s) || strings.Contains(all, s[:len(s)*2/3]) {
			t.Errorf("the secret %q is told:\n%s", s, all)
		}
	}
}

func TestJourneys(t *testing.T) {
	launch := []string{
		"login", "login of the viewer", "session", "root", "folder", "upload", "download", "internal share",
		"public link", "public link info", "upload-only link", "replication",
		"clean up the internal share", "clean up the folder", "logout of the admin", "logout of the viewer",
	}
	beta := []string{
		"ready", "login", "login of the viewer", "session", "root", "folder", "upload", "download", "internal share", "revoke",
		"public link", "public link info", "upload-only link", "notes", "search", "search of the viewer", "replication", "chat", "audit", "bad login",
	}
	out := []string{"logout of the admin", "logout of the viewer"}
	for _, c := range []struct {
		name  string
		run   func(context.Context, Target, Watch) (Report, error)
		steps []string
		keeps int
	}{
		{"launch", Launch, launch, 0},
		{"beta", Beta, slices.Concat(beta, []string{"clean up the note", "clean up the folder"}, out), 0},
		{"pilot", Pilot, slices.Concat(beta, out), 6}, // folder, two files, note, two links
		{"bad-login", BadLogin, []string{"bad login"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProduct(t)
			var told []Step
			r, err := c.run(t.Context(), p.target(), func(s Step) { told = append(told, s) })
			if err != nil {
				t.Fatal(err)
			}
			p.quiet(t, r, err, told)
			if r.Journey != c.name || r.Status != Passed || r.BaseURL != p.URL || r.Kept.Preserved != (c.keeps > 0) {
				t.Errorf("the report says %+v", r)
			}
			if want := fmt.Sprintf("%d steps passed", len(c.steps)); r.Details != want {
				t.Errorf("the details are %q, want %q", r.Details, want)
			}
			if got := names(r, Passed); !slices.Equal(got, c.steps) {
				t.Errorf("passed\n%q, want\n%q", got, c.steps)
			}
			if len(told) != 2*len(c.steps) || told[0].Outcome != Running || told[1].Outcome != Passed || told[1].Took <= 0 {
				t.Errorf("the watch was told %+v", told)
			}
			if left := p.Left(); len(left) != c.keeps {
				t.Errorf("left in the product: %q", left)
			}
			if len(p.Sessions) != 0 {
				t.Errorf("sessions are left: %d", len(p.Sessions))
			}
			// Each request stands in the report, in order, without tokens.
			n := 0
			for _, s := range r.Steps {
				for _, q := range s.Requests {
					if want := asShown(p.Requests[n], p); q.Method+" "+q.Path != want {
						t.Errorf("request %d is %s %s in the report, want %s", n, q.Method, q.Path, want)
					}
					n++
				}
			}
			if n != len(p.Requests) {
				t.Errorf("the report has %d requests, the product saw %d", n, len(p.Requests))
			}
		})
	}
}

// asShown is how a report shows a request.
func asShown(s inmemory.Seen, p *product) string {
	method, _, _ := strings.Cut(s.Route, " ")
	path := s.Path
	for _, secret := range p.Secrets {
		path = strings.ReplaceAll(path, secret, "***")
	}
	if s.Query != "" {
		path += "?" + s.Query
	}
	return method + " " + path
}

// ignored are answers whose body no step looks at.
func ignored(s inmemory.Seen, status int) bool {
	return slices.Contains([]string{
		"GET /health/ready", "PUT /notes/{id}", "POST /public/share/{token}/folder/upload", "GET /applications/chat/status", "POST /auth/logout",
	}, s.Route) || strings.HasPrefix(s.Route, "DELETE ") || status == http.StatusUnauthorized
}

// Every request of a journey goes wrong in every way; the step that sent it
// fails and says so, nothing is left behind and no secret told.
func TestEveryRequestFails(t *testing.T) {
	p := newProduct(t)
	good, err := Beta(t.Context(), p.target(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Settle()
	n := 0
	for _, step := range good.Steps {
		for _, q := range step.Requests {
			for _, f := range []inmemory.Fault{inmemory.Refuse, inmemory.Lose, inmemory.Half, inmemory.Garble, inmemory.Blank} {
				at, status := p.Requests[n], q.Status
				t.Run(fmt.Sprintf("%02d %s %s", n, strings.ReplaceAll(at.Route, "/", "|"), f), func(t *testing.T) {
					t.Parallel()
					breakOne(t, step.Name, at, status, f)
				})
			}
			n++
		}
	}
}

func breakOne(t *testing.T, step string, at inmemory.Seen, status int, f inmemory.Fault) {
	p := newProduct(t)
	target := p.target()
	// The transport itself tries again where a connection that was used before
	// is cut.
	target.Transport.(*http.Transport).DisableKeepAlives = f == inmemory.Lose
	// What is tried again goes on failing.
	retried := step == "ready" || step == "search"
	if retried {
		target.ReadyPatience, target.SearchPatience = 200*time.Millisecond, 200*time.Millisecond
	}
	p.Misbehave = func(s inmemory.Seen) inmemory.Fault {
		if s.N == at.N || retried && s.N > at.N && s.Route == at.Route && s.Email == at.Email {
			return f
		}
		return inmemory.None
	}
	var told []Step
	r, err := Beta(t.Context(), target, func(s Step) { told = append(told, s) })
	p.quiet(t, r, err, told)
	if (f == inmemory.Garble || f == inmemory.Blank) && ignored(at, status) {
		if err != nil {
			t.Errorf("failed for a body that means nothing: %v", err)
		}
		return
	}
	var failed *StepError
	if !errors.As(err, &failed) || r.Status != Failed || r.Details != err.Error() {
		t.Fatalf("got %v, and a report %s: %s", err, r.Status, r.Details)
	}
	if failed.Step != step {
		t.Errorf("the step %q failed first, want %q: %v", failed.Step, step, err)
	}
	method, _, _ := strings.Cut(at.Route, " ")
	said := []string{step + ": sent " + method + " /", ", expected ", ", found "}
	switch f {
	case inmemory.Refuse:
		said = append(said, "found 500 Internal Server Error: ", "cannot do that now")
	case inmemory.Lose:
		said = append(said, "found no answer: ", "EOF")
	case inmemory.Half:
		said = append(said, "and then the answer broke off: unexpected EOF")
	case inmemory.Garble, inmemory.Blank:
		said = append(said, "found ")
	}
	for _, s := range said {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error lacks %q: %v", s, err)
		}
	}
	for _, s := range r.Steps {
		if s.Name == step && (s.Outcome != Failed || s.Found != failed.Found) {
			t.Errorf("the report has %+v", s)
		}
		if strings.Contains(s.Name, "clean up") && s.Outcome == NotRun {
			t.Errorf("no clean-up: %+v", s)
		}
	}
	left := p.Left()
	switch {
	case step == "clean up the note" && f == inmemory.Refuse:
		if len(left) != 1 || p.Notes[left[0]] == nil {
			t.Errorf("left in the product: %q", left)
		}
	case step == "clean up the folder" && f == inmemory.Refuse:
		// What could not be removed is told; all else is gone.
		if len(left) != len(p.Folders)-1+len(p.Files)-1+len(p.Links) {
			t.Errorf("left in the product: %q", left)
		}
	case len(left) > 0 || r.Kept.Preserved:
		t.Errorf("left in the product: %q, preserved %v\n%v", left, r.Kept.Preserved, err)
	}
}

// An interrupted journey cleans up, too, wherever it was.
func TestInterrupted(t *testing.T) {
	p := newProduct(t)
	if _, err := Beta(t.Context(), p.target(), nil); err != nil {
		t.Fatal(err)
	}
	p.Settle()
	reason := errors.New("the release was stopped")
	for n := range p.Requests {
		if strings.HasPrefix(p.Requests[n].Route, "DELETE /") && n > 20 {
			break // from here on it cleans up anyway
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			p := newProduct(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			p.Misbehave = func(s inmemory.Seen) inmemory.Fault {
				if s.N == n {
					cancel(reason)
				}
				return inmemory.None
			}
			r, err := Beta(ctx, p.target(), nil)
			if !errors.Is(err, reason) || !strings.Contains(err.Error(), "the release was stopped") {
				t.Errorf("got %v", err)
			}
			if r.Status != Failed {
				t.Errorf("the report says %s", r.Status)
			}
			if left := p.Left(); len(left) > 0 {
				t.Errorf("left in the product: %q\n%v", left, err)
			}
		})
	}
}
