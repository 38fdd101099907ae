package journey

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
)

// set changes a field of an answer; nil takes it out.
func set(name string, value any) func(string, int, any) (int, any) {
	return func(_ string, status int, body any) (int, any) {
		if b, ok := body.(map[string]any); ok {
			changed := map[string]any{}
			for k, v := range b {
				changed[k] = v
			}
			if changed[name] = value; value == nil {
				delete(changed, name)
			}
			body = changed
		}
		return status, body
	}
}

// instead gives other bytes of the same length as a download.
func (p *product) instead(change func([]byte) []byte) func(string, int, any) (int, any) {
	return func(_ string, status int, body any) (int, any) {
		b, err := os.ReadFile(filepath.Join(p.Dir, body.(inmemory.Stored).ID))
		if err != nil {
			p.t.Error(err)
		}
		return status, change(b)
	}
}

func flip(b []byte) []byte { b[len(b)/2] ^= 1; return b }

func TestMisbehaviour(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(p *product, t *Target)
		run  func(context.Context, Target, Watch) (Report, error) // Beta where it is nil
		step string
		// says are parts of the error; "" step: the journey passes.
		says []string
		left int
	}{
		{name: "late index", do: func(p *product, t *Target) { p.Lag = 3; t.SearchPatience = 30 * time.Second }},
		{
			name: "no index", do: func(p *product, t *Target) { p.Lag = 1000; t.SearchPatience = 30 * time.Millisecond },
			step: "search", says: []string{"sent POST /api/v1/search as admin, expected the note id-", " within 30ms, found 200 OK: ", `"results":[]`},
		},
		{
			name: "index hangs", do: func(p *product, t *Target) {
				t.SearchPatience = 30 * time.Millisecond
				p.Misbehave = func(s inmemory.Seen) inmemory.Fault {
					if s.Route == "POST /search" {
						time.Sleep(100 * time.Millisecond)
					}
					return inmemory.None
				}
			},
			step: "search", says: []string{"within 30ms, found no answer: nothing within 30ms"},
		},
		{
			name: "search in words", do: func(p *product, _ *Target) {
				p.Bent["POST /search"] = func(who string, status int, body any) (int, any) {
					if who == viewer.Email {
						return status, map[string]any{"message": "nothing"}
					}
					return status, body
				}
			},
			step: "search of the viewer", says: []string{"expected a list of results, found 200 OK"},
		},
		{
			name: "viewer cannot search", do: func(p *product, _ *Target) {
				p.Bent["POST /search"] = func(who string, status int, body any) (int, any) {
					if who == viewer.Email {
						return 503, map[string]any{"error": "busy"}
					}
					return status, body
				}
			},
			step: "search of the viewer", says: []string{"expected a status 2xx, found 503 Service Unavailable"},
		},
		{
			name: "share not seen", do: func(p *product, _ *Target) {
				p.Bent["GET /shares/received"] = func(_ string, status int, _ any) (int, any) { return status, []any{} }
			},
			step: "internal share", says: []string{"sent GET /api/v1/shares/received as viewer, expected an item whose resource_id is the file id-", "found 200 OK: []"},
		},
		{
			name: "share stays", do: func(p *product, _ *Target) {
				var first any
				p.Bent["GET /shares/received"] = func(_ string, status int, body any) (int, any) {
					if first == nil {
						first = body
					}
					return status, first
				}
			},
			step: "revoke", says: []string{"expected the revoked share gone: the viewer can still see the file id-"},
		},
		{
			name: "a bit flipped", do: func(p *product, _ *Target) { p.Bent["GET /files/{id}/download"] = p.instead(flip) },
			step: "download", says: []string{"expected the 20000 bytes that were uploaded (sha256 ", "found 20000 bytes (sha256 "},
		},
		{
			name: "too short", do: func(p *product, _ *Target) {
				p.Bent["GET /files/{id}/download"] = p.instead(func(b []byte) []byte { return b[1:] })
			},
			step: "download", says: []string{"expected the 20000 bytes that were uploaded", "found 19999 bytes (sha256 "},
		},
		{
			name: "too long", do: func(p *product, _ *Target) {
				p.Bent["GET /files/{id}/download"] = p.instead(func(b []byte) []byte { return append(b, b...) })
			},
			step: "download", says: []string{"expected the 20000 bytes that were uploaded, found more than that"},
		},
		{
			name: "another file for visitors", do: func(p *product, _ *Target) { p.Bent["GET /public/share/{token}/file"] = p.instead(flip) },
			step: "public link", says: []string{"sent GET /api/v1/public/share/***/file as a visitor, expected the 20000 bytes"},
		},
		{
			name: "a link that takes uploads", do: func(p *product, _ *Target) { p.Bent["GET /public/share/{token}/info"] = set("upload_only", true) },
			step: "public link info", says: []string{"expected resource_type file, password_protected false and upload_only false"},
		},
		{
			name: "no upload_only", do: func(p *product, _ *Target) { p.Bent["GET /public/share/{token}/info"] = set("upload_only", nil) },
			step: "public link info", says: []string{"expected the field upload_only, found 200 OK: {"},
		},
		{
			name: "no share_token", do: func(p *product, _ *Target) { p.Bent["POST /files/{id}/shares"] = set("share_token", nil) },
			step: "public link", says: []string{"expected the field share_token, found 201 Created: {"},
		},
		{
			name: "no id of a link", do: func(p *product, _ *Target) { p.Bent["POST /files/{id}/shares"] = set("id", nil) },
			step: "public link", says: []string{`expected the field id, found 201 Created: {`, `"share_token":"***"`},
		},
		{
			name: "a token that is a path", do: func(p *product, _ *Target) { p.Bent["POST /files/{id}/shares"] = set("share_token", "..") },
			step: "public link", says: []string{`expected an id or a token, found "***", which no URL can hold`},
		},
		{
			name: "a session for no header", do: func(p *product, _ *Target) {
				p.Bent["POST /public/share/{token}/session"] = set("session_token", "a\r\nHost: b")
			},
			step: "public link", says: []string{"found no answer: net/http: invalid header field value"},
		},
		{
			name: "an id that is a path", do: func(p *product, _ *Target) { p.Bent["POST /files/upload"] = set("id", "../foreign-file") },
			step: "upload", says: []string{"expected letters, digits, dots and dashes in the field id"},
		},
		{
			name: "a number for an id", do: func(p *product, _ *Target) { p.Bent["POST /files/upload"] = set("id", 17) },
			step: "upload", says: []string{"expected JSON of the agreed form (json: cannot unmarshal number"},
		},
		{
			name: "the drop is lost", do: func(p *product, _ *Target) { p.Bent["GET /folders/{id}/contents"] = set("files", []any{}) },
			step: "upload-only link", says: []string{"sent GET /api/v1/folders/id-", "-drop.bin in the folder, found 200 OK"},
		},
		{
			name: "folders are null", do: func(p *product, _ *Target) {
				p.Bent["GET /folders/{id}/contents"] = func(_ string, status int, body any) (int, any) {
					return status, map[string]any{"files": []any{}, "folders": nil}
				}
			},
			step: "root", says: []string{"expected the field folders"},
		},
		{
			name: "the note is rewritten", do: func(p *product, _ *Target) {
				p.Bent["GET /notes/{id}"] = set("content", "The first draft of a smoke test.")
			},
			step: "notes", says: []string{"sent GET /api/v1/notes/id-", "expected the content that was written"},
		},
		{
			name: "the note is not listed", do: func(p *product, _ *Target) { p.Bent["GET /notes"] = set("notes", []any{}) },
			step: "notes", says: []string{"sent GET /api/v1/notes as admin, expected the note id-", " in the list"},
		},
		{
			name: "no target_states", do: func(p *product, _ *Target) { p.Bent["GET /admin/replication/summary"] = set("target_states", nil) },
			step: "replication", says: []string{"expected the field target_states"},
		},
		{
			name: "an empty audit", do: func(p *product, _ *Target) { p.Bent["GET /admin/audit"] = set("entries", []any{}) },
			step: "audit", says: []string{"expected entries, and not none", `found 200 OK: {"entries":[]}`},
		},
		{
			name: "chat wanted", do: func(_ *product, t *Target) { t.ChatRequired = true },
			step: "chat", says: []string{"expected chat_enabled true, since chat is required", `"chat_enabled":false`},
		},
		{
			name: "chat there", do: func(p *product, t *Target) {
				t.ChatRequired = true
				p.Bent["GET /applications/chat/status"] = set("chat_enabled", true)
			},
		},
		{
			name: "another user", do: func(p *product, _ *Target) {
				p.Bent["POST /auth/login"] = set("user", map[string]any{"email": "someone@localhost"})
			},
			step: "login", says: []string{"expected user.email admin@localhost, found 200 OK: ", "someone@localhost"},
		},
		{
			name: "sessions mixed up", do: func(p *product, _ *Target) { p.Bent["GET /me"] = set("email", admin.Email) },
			step: "session", says: []string{"sent GET /api/v1/me as viewer, expected email viewer@localhost"},
		},
		{
			name: "secure cookies without TLS", do: func(p *product, t *Target) {
				// The jar trusts loopback addresses as browsers do.
				t.URL = "http://product.test"
				t.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, p.Listener.Addr().String())
				}
				p.OnLogin = func(w http.ResponseWriter) {
					for i, c := range w.Header()["Set-Cookie"] {
						w.Header()["Set-Cookie"][i] = c + "; Secure"
					}
				}
			},
			step: "login", says: []string{"expected a cookie rustshare_session, found none that may be sent to http://product.test (a Secure cookie needs https: see", "SESSION_COOKIE_SECURE"},
		},
		{
			name: "no CSRF cookie", do: func(p *product, _ *Target) {
				p.OnLogin = func(w http.ResponseWriter) { w.Header()["Set-Cookie"] = w.Header()["Set-Cookie"][:1] }
			},
			step: "login", says: []string{"expected a cookie rustshare_csrf_token"},
		},
		{
			name: "bad login breaks", do: func(p *product, _ *Target) { p.Bent["POST /auth/login"] = badAnswer(500) },
			step: "bad login", says: []string{"expected 401 or 403, found 500 Internal Server Error"},
		},
		{
			name: "bad login succeeds", do: func(p *product, _ *Target) { p.Bent["POST /auth/login"] = badAnswer(200) },
			step: "bad login", says: []string{"expected 401 or 403, found 200 OK"},
		},
		{name: "bad login is forbidden", do: func(p *product, _ *Target) { p.Bent["POST /auth/login"] = badAnswer(403) }},
		{
			name: "wrong password", do: func(_ *product, t *Target) { t.Admin.Password = "another-password-7" },
			step: "login", says: []string{"sent POST /api/v1/auth/login as admin, expected a status 2xx, found 401 Unauthorized: ", "wrong password ***"},
		},
		{
			name: "sessions survive", do: func(p *product, _ *Target) { p.KeepSessions = true },
			step: "logout of the admin", says: []string{"sent GET /api/v1/me as a visitor, expected 401 after the logout, found 200 OK", "logout of the viewer: "},
		},
		{
			name: "pilot that cannot log out", run: Pilot, do: func(p *product, _ *Target) { p.KeepSessions = true },
			step: "logout of the admin", left: 6,
		},
		{
			name: "elsewhere", do: func(p *product, _ *Target) {
				p.Bent["GET /me"] = func(_ string, _ int, _ any) (int, any) { return 302, nil }
			},
			step: "session", says: []string{"expected a status 2xx, found 302 Found"},
		},
		{
			name: "slow", do: func(p *product, t *Target) {
				t.RequestPatience = time.Second
				p.Misbehave = func(s inmemory.Seen) inmemory.Fault {
					if s.Route == "GET /admin/audit" {
						time.Sleep(2 * time.Second)
					}
					return inmemory.None
				}
				t.CleanUpPatience = 30 * time.Second
			},
			step: "audit", says: []string{"found no answer: not complete within 1s"}, left: -1,
		},
		{
			name: "clean-up hangs", run: Launch, do: func(p *product, t *Target) {
				t.CleanUpPatience = 500 * time.Millisecond
				p.Misbehave = func(s inmemory.Seen) inmemory.Fault {
					if strings.HasPrefix(s.Route, "DELETE /shares") {
						time.Sleep(time.Second)
					}
					return inmemory.None
				}
			},
			step: "clean up the internal share", left: -1,
			says: []string{"the clean-up took longer than 500ms", "clean up the folder: sent nothing", "logout of the admin: sent nothing"},
		},
		{
			name: "not ready", do: func(p *product, t *Target) {
				t.ReadyPatience = 20 * time.Millisecond
				p.Bent["GET /health/ready"] = func(string, int, any) (int, any) { return 503, map[string]any{"checks": "database down"} }
			},
			step: "ready", says: []string{"expected a status 2xx within 20ms, found 503 Service Unavailable: ", "database down"},
		},
		{name: "ready late", do: func(p *product, t *Target) {
			p.Misbehave = func(s inmemory.Seen) inmemory.Fault {
				if s.N < 2 {
					return inmemory.Refuse
				}
				return inmemory.None
			}
		}},
		{
			name: "nobody there", do: func(p *product, t *Target) { p.Close(); t.ReadyPatience = 20 * time.Millisecond },
			step: "ready", says: []string{"expected a status 2xx within 20ms, found no answer: ", "refused"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProduct(t)
			target := p.target()
			c.do(p, &target)
			run := c.run
			if run == nil {
				run = Beta
			}
			var told []Step
			r, err := run(t.Context(), target, func(s Step) { told = append(told, s) })
			if left := p.Left(); c.left >= 0 && len(left) != c.left {
				t.Errorf("left in the product: %q", left)
			}
			p.quiet(t, r, err, told)
			if c.step == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var failed *StepError
			if !errors.As(err, &failed) || failed.Step != c.step {
				t.Fatalf("got %v, want a failure of %q", err, c.step)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the error lacks %q: %v", s, err)
				}
			}
		})
	}
}

// badAnswer is the status for the login that has no cookies after it: the third.
func badAnswer(status int) func(string, int, any) (int, any) {
	return func(_ string, was int, body any) (int, any) {
		if was == 401 {
			return status, body
		}
		return was, body
	}
}

func TestBadLoginWithSession(t *testing.T) {
	p := newProduct(t)
	p.Bent["POST /auth/login"] = func(_ string, status int, body any) (int, any) { return status, body }
	target := p.target()
	target.Transport = cookies{target.Transport}
	_, err := BadLogin(t.Context(), target, nil)
	want := "bad login: sent POST /api/v1/auth/login as a stranger, expected no cookie rustshare_session, found one, although the status is 401"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// cookies gives everybody a session.
type cookies struct{ http.RoundTripper }

func (c cookies) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Header.Add("Set-Cookie", sessionCookie+"=given; Path=/")
	}
	return res, err
}
