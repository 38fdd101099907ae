package journey

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// A leak is told as what it is, whatever its shape.
func TestLeak(t *testing.T) {
	var p *product
	noteID := func() string {
		for id := range p.Notes {
			if id != "foreign-note" {
				return id
			}
		}
		return ""
	}
	for name, leak := range map[string]func(query string) any{
		"by id": func(string) any { return map[string]any{"results": []any{map[string]any{"resource_id": noteID()}}} },
		"by title": func(q string) any {
			return map[string]any{"items": []any{map[string]any{"title": "Note " + strings.ToUpper(q)}}}
		},
		"as text": func(q string) any { return []any{"…" + q + "…"} },
		"deep within": func(q string) any {
			return map[string]any{"a": map[string]any{"hits": []any{map[string]any{"x": []any{q}}}}}
		},
		"beside": func(string) any { return map[string]any{"best": noteID(), "results": []any{}} },
	} {
		t.Run(name, func(t *testing.T) {
			p = newProduct(t)
			p.Bent["POST /search"] = func(who string, status int, body any) (int, any) {
				if who == viewer.Email {
					return status, leak(body.(map[string]any)["query"].(string))
				}
				return status, body
			}
			r, err := Beta(t.Context(), p.target(), nil)
			var found *LeakError
			var step *StepError
			if !errors.As(err, &found) || !errors.As(err, &step) || step.Step != "search of the viewer" {
				t.Fatalf("got %v", err)
			}
			if found.Viewer != viewer.Email || found.NoteID != r.Kept.NoteID || found.Needle != r.Kept.SearchNeedle {
				t.Errorf("the leak is %+v, kept is %+v", found, r.Kept)
			}
			want := "LEAK (Sev-1): viewer@localhost, who has no right to it, finds the admin's note " + found.NoteID + " by searching for " + found.Needle
			if !strings.Contains(err.Error(), want) || !strings.Contains(r.Details, want) {
				t.Errorf("got %v, want in it %s", err, want)
			}
			if left := p.Left(); len(left) > 0 {
				t.Errorf("left in the product: %q", left)
			}
		})
	}
}

// What the viewer does not find counts only after the admin has found it.
func TestViewerSearchesLast(t *testing.T) {
	p := newProduct(t)
	p.Lag = 1000
	target := p.target()
	target.SearchPatience = 20 * time.Millisecond
	r, err := Beta(t.Context(), target, nil)
	if err == nil {
		t.Fatal("passed without an index")
	}
	p.Settle()
	if got := names(r, NotRun); !slices.Contains(got, "search of the viewer") {
		t.Errorf("not run: %q", got)
	}
	for _, s := range p.Requests {
		if s.Route == "POST /search" && s.Email == viewer.Email {
			t.Error("the viewer searched")
		}
	}
}

// Files pass through: no journey holds one in memory.
func TestMemory(t *testing.T) {
	p := newProduct(t)
	target := p.target()
	target.FileSize = 48 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Launch(t.Context(), target, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Five transfers of 48 MiB, with the server's part in it.
	if used := after.TotalAlloc - before.TotalAlloc; used > 24<<20 {
		t.Errorf("%d MiB were allocated", used>>20)
	}
}

func TestTarget(t *testing.T) {
	good := Target{URL: "http://localhost:8080/", Admin: admin, Viewer: viewer}
	for name, c := range map[string]struct {
		change func(*Target)
		want   string
	}{
		"no URL":      {func(t *Target) { t.URL = "" }, `the product's URL is "/": give one such as http://localhost:8080`},
		"no scheme":   {func(t *Target) { t.URL = "localhost:8080" }, "give one such as http://localhost:8080"},
		"unreadable":  {func(t *Target) { t.URL = "http://a:geheim@b\x7f" }, "the product's URL cannot be read: give one such as http://localhost:8080"},
		"user":        {func(t *Target) { t.URL = "http://a:geheim@b" }, `the product's URL "http://a:xxxxx@b/" has a user, a query or a fragment: give scheme, host and port alone`},
		"query":       {func(t *Target) { t.URL = "http://b?x=1" }, "has a user, a query or a fragment"},
		"no password": {func(t *Target) { t.Admin.Password = "" }, "no password of the admin is given: set ADMIN_PASSWORD or RUSTSHARE_ADMIN_PASSWORD"},
		"no viewer":   {func(t *Target) { t.Viewer = Account{} }, "no e-mail address of the viewer is given: set VIEWER_EMAIL"},
		"one account": {func(t *Target) { t.Viewer.Email = "ADMIN@localhost" }, "admin and viewer are both admin@localhost: what a viewer must not see shows only with two accounts"},
	} {
		t.Run(name, func(t *testing.T) {
			target := good
			c.change(&target)
			r, err := Launch(t.Context(), target, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if r.Status == Passed || len(r.Steps) > 0 {
				t.Errorf("something ran: %+v", r)
			}
		})
	}
}
