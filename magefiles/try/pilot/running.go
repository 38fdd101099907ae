package pilot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// open prepares the stack that the phases share, with secrets of its own.
func (p *pilot) open(ctx context.Context, r *record) error {
	s, err := p.openStack(ctx, drill.Opening{Name: "pilot"})
	if err != nil {
		return err
	}
	p.main = s.(*witness)
	if kind := s.Kind(); kind != p.o.Stack {
		return fmt.Errorf("the stack is of kind %q, and the run is one on %q", kind, p.o.Stack)
	}
	names := s.Secrets().Names()
	if len(names) == 0 {
		return errors.New("the stack has no secrets of its own: there is nothing that a log could be searched for")
	}
	for _, name := range names {
		if len(s.Secrets()[name]) < stack.Shortest {
			return fmt.Errorf("%s has fewer than %d characters: it could not be told from anything else in a log", name, stack.Shortest)
		}
	}
	r.Detail = fmt.Sprintf("%d for this run alone: %s", len(names), strings.Join(names, ", "))
	return nil
}

func (p *pilot) boot(ctx context.Context, r *record) error {
	r.Detail = "all services are up"
	return p.main.Start(ctx)
}

func (p *pilot) readiness(ctx context.Context, r *record) error {
	if err := p.main.Ready(ctx); err != nil {
		return err
	}
	for _, path := range []string{p.o.Run.Alive, p.o.Run.Ready} {
		if _, _, err := get(ctx, p.main.URL()+path); err != nil {
			return err
		}
		r.Detail += "GET " + path + ": 200; "
	}
	r.Detail = strings.TrimSuffix(r.Detail, "; ")
	return nil
}

// journey is the pilot journey: what it makes stays for the phases after it.
func (p *pilot) journey(ctx context.Context, r *record) error {
	report, err := journey.Pilot(ctx, drill.Target(p.main, p.o.Admin, p.o.Viewer), nil)
	r.Detail = report.Details
	if report.Started.IsZero() { // it did not set out
		return err
	}
	err = drill.Cause(ctx, p.main, err)
	r.Journey, p.kept = &report, report.Kept
	path, written := report.Write(p.path())
	if written == nil {
		r.leave(path)
		r.leave(strings.TrimSuffix(path, ".env") + ".json")
	}
	return errors.Join(err, written)
}

// ui is the page that a browser gets first.
func (p *pilot) ui(ctx context.Context, r *record) error {
	if !p.o.Page {
		return &drill.NotApplicableError{Reason: "the stack serves no page"}
	}
	kind, page, err := get(ctx, p.main.URL()+"/")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(kind, "text/html") || !strings.Contains(strings.ToLower(string(page)), "<html") {
		return fmt.Errorf("GET /: expected HTML, found %d bytes of the type %q: is the frontend in the image, and does the proxy lead to it?", len(page), kind)
	}
	path := p.path("page.html")
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("keeping the page: %w", err)
	}
	r.leave(path)
	r.Detail = fmt.Sprintf("GET / gives %d bytes of HTML", len(page))
	return nil
}

// get wants the status 200, and gives the content type and the beginning of the
// body.
func get(ctx context.Context, url string) (kind string, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return "", nil, fmt.Errorf("GET %s: %w", req.URL.Path, err)
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it matters
	body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", nil, fmt.Errorf("GET %s: %w", req.URL.Path, err)
	}
	if res.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("GET %s: expected the status 200, found %s", req.URL.Path, res.Status)
	}
	return res.Header.Get("Content-Type"), body, nil
}

func (p *pilot) failure() drill.FailureOptions {
	return drill.FailureOptions{Admin: p.o.Admin, Viewer: p.o.Viewer, Kept: p.kept, Checked: p.o.Run.Secrets}
}

func (p *pilot) restart(ctx context.Context, r *record) (err error) {
	r.Detail, err = drill.Restart(ctx, p.main, p.failure())
	return err
}

func (p *pilot) badLogin(ctx context.Context, r *record) (err error) {
	r.Detail, err = drill.BadLogin(ctx, p.main, p.failure())
	return err
}

func (p *pilot) weak(ctx context.Context, r *record) (err error) {
	r.Detail, err = drill.Weak(ctx, p.main, p.failure())
	return err
}
