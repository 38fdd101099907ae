// Package inmemory is the product's HTTP surface in memory, for tests of what
// speaks with it.
package inmemory

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Product is the product's HTTP surface in memory. It is strict: what is not
// agreed is a refusal. Faults make it misbehave.
type Product struct {
	*httptest.Server
	// Dir has the bytes of the files, by their ids.
	Dir string
	// Misbehave may change what happens to the n-th request, counted from 0.
	Misbehave func(s Seen) Fault
	// Lag is how many searches pass before the index has a note.
	Lag int
	// Bent are answers by route that are changed on the way out.
	Bent map[string]func(who string, status int, body any) (int, any)
	// OnLogin is called with the answer to every login that succeeds.
	OnLogin func(http.ResponseWriter)
	// KeepSessions: a logout ends nothing.
	KeepSessions bool
	// Lists: GET /shares is there.
	Lists bool

	Requests []Seen
	// Accounts are passwords by e-mail address.
	Accounts map[string]string
	Sessions map[string]Session
	Folders  map[string]map[string]any
	Files    map[string]File
	Notes    map[string]map[string]any
	// Shares are ids of files, by their own.
	Shares map[string]string
	Links  map[string]*Link
	Audit  []any
	// Secrets are all that was ever told in confidence.
	Secrets []string

	t      testing.TB
	mu     sync.Mutex
	visits map[string]*Link // by session token
}

// Seen is a request that came: its number, counted from 0, the route, and who
// sent it.
type Seen struct {
	N            int
	Route, Email string
	Path, Query  string
	Cookies      int
}

// Session is somebody who is logged in.
type Session struct{ Email, CSRF string }

// File is one that was uploaded; its bytes are in Dir.
type File struct {
	ID, Name, Folder, Owner string
}

// Link is a public link to a file or a folder.
type Link struct {
	ID, Token, Password string
	File, Folder        string
	UploadOnly          bool
}

// Fault is a way to misbehave.
type Fault string

const (
	None Fault = ""
	// Refuse answers 500 and does nothing.
	Refuse Fault = "refuse"
	// Lose does it, and cuts the connection before an answer.
	Lose Fault = "lose"
	// Half does it, and cuts the connection within the answer's body.
	Half Fault = "half"
	// Garble does it, and answers HTML that repeats the request's secrets.
	Garble Fault = "garble"
	// Blank does it, and answers an empty object.
	Blank Fault = "blank"
)

// The accounts that a new product has.
const (
	AdminEmail     = "admin@localhost"
	AdminPassword  = "admin-password-1"
	ViewerEmail    = "viewer@localhost"
	ViewerPassword = "viewer \"password\" 2"
)

// How the product names its cookies, and where it wants the CSRF token again.
const (
	sessionCookie = "rustshare_session"
	csrfCookie    = "rustshare_csrf_token"
	csrfHeader    = "X-Rustshare-Csrf"
)

// New starts a product that has nothing in it but somebody else's things. It
// ends with the test.
func New(t testing.TB) *Product {
	t.Helper()
	p := &Product{
		t: t, Dir: t.TempDir(),
		Accounts: map[string]string{AdminEmail: AdminPassword, ViewerEmail: ViewerPassword},
		Sessions: map[string]Session{}, Folders: map[string]map[string]any{}, Files: map[string]File{},
		Notes: map[string]map[string]any{}, Shares: map[string]string{},
		Links: map[string]*Link{}, visits: map[string]*Link{},
		Bent: map[string]func(string, int, any) (int, any){}, Secrets: []string{AdminPassword, ViewerPassword},
	}
	// Somebody else's things.
	p.Folders["foreign-folder"] = map[string]any{"id": "foreign-folder", "name": "Holiday", "parent_folder_id": nil}
	p.Files["foreign-file"] = File{ID: "foreign-file", Name: "beach.jpg", Folder: "foreign-folder", Owner: AdminEmail}
	p.Notes["foreign-note"] = map[string]any{"id": "foreign-note", "title": "Shopping", "content": "milk"}
	p.Server = httptest.NewServer(p.routes())
	t.Cleanup(p.Close)
	return p
}

// Settle waits for a handler that has answered and not returned yet: what the
// product holds may be looked at after it.
func (p *Product) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
}

// Left are the things in the product that are not somebody else's.
func (p *Product) Left() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out = slices.Concat(slices.Collect(maps.Keys(p.Folders)), slices.Collect(maps.Keys(p.Files)), slices.Collect(maps.Keys(p.Notes)),
		slices.Collect(maps.Keys(p.Shares)), slices.Collect(maps.Keys(p.Links)))
	foreign := 0
	out = slices.DeleteFunc(out, func(id string) bool {
		if strings.HasPrefix(id, "foreign-") {
			foreign++
			return true
		}
		return false
	})
	if foreign != 3 {
		out = append(out, "somebody else's things were touched")
	}
	return out
}

func newID() string { return "id-" + strings.ToLower(rand.Text()) }

// secret makes one that no report may tell.
func (p *Product) secret(kind string) string {
	s := kind + rand.Text()
	p.Secrets = append(p.Secrets, s)
	return s
}

// refused is an answer that ends a handler.
type refused struct {
	status int
	why    string
}

func refusal(status int, format string, args ...any) {
	panic(refused{status, fmt.Sprintf(format, args...)})
}

// in is a request as handlers see it.
type in struct {
	*http.Request
	w     http.ResponseWriter
	email string
}

func (p *Product) routes() http.Handler {
	mux := http.NewServeMux()
	// Who may: "" anybody, "user" with a session, "visitor" with a link's.
	on := func(route, may string, do func(*in) (int, any)) {
		method, path, _ := strings.Cut(route, " ")
		if path != "/health/ready" {
			path = "/api/v1" + path
		}
		mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, route, may, do) })
	}
	on("GET /health/ready", "", func(*in) (int, any) { return 200, map[string]any{"status": "ready"} })
	p.accountRoutes(on)
	p.fileRoutes(on)
	p.shareRoutes(on)
	p.noteRoutes(on)
	return mux
}

// Stored is a body that is a file's bytes.
type Stored struct{ ID string }

func (p *Product) serve(w http.ResponseWriter, r *http.Request, route, may string, do func(*in) (int, any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	request := &in{Request: r, w: w}
	if c, err := r.Cookie(sessionCookie); err == nil {
		request.email = p.Sessions[c.Value].Email
	}
	s := Seen{N: len(p.Requests), Route: route, Email: request.email, Path: r.URL.Path, Query: r.URL.RawQuery, Cookies: len(r.Cookies())}
	p.Requests = append(p.Requests, s)
	f := None
	if p.Misbehave != nil {
		f = p.Misbehave(s)
	}
	recorder := httptest.NewRecorder()
	status, body := 500, any(map[string]any{"error": "cannot do that now", "you_sent": echo(r)})
	if f != Refuse {
		request.w = recorder
		status, body = p.try(request, may, do)
	}
	if bend := p.Bent[route]; bend != nil {
		status, body = bend(request.email, status, body)
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	var text []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		text = b
	case Stored:
		if f == None {
			w.WriteHeader(status)
			p.stream(w, b.ID)
			return
		}
		text, _ = os.ReadFile(filepath.Join(p.Dir, b.ID))
	default:
		text, _ = json.Marshal(body)
	}
	switch f {
	case None, Refuse:
	case Lose:
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	case Half:
		if len(text) < 2 {
			text = []byte("{}")
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(text[:len(text)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Garble:
		text = []byte("<html>\x1b[31m" + echo(r) + string(text))
	case Blank:
		text = []byte("{}")
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = w.Write(text)
	}
}

func (p *Product) stream(w io.Writer, id string) {
	f, err := os.Open(filepath.Join(p.Dir, id))
	if err != nil {
		p.t.Errorf("a file without bytes: %v", err)
		return
	}
	defer func() { _ = f.Close() }()
	_, _ = io.Copy(w, f)
}

// echo repeats what is secret in a request, as careless servers do.
func echo(r *http.Request) string {
	return fmt.Sprintf("%s Cookie: %s Authorization: %s Csrf: %s", r.URL, r.Header.Get("Cookie"), r.Header.Get("Authorization"), r.Header.Get(csrfHeader))
}

func (p *Product) try(r *in, may string, do func(*in) (int, any)) (status int, body any) {
	defer func() {
		if thrown := recover(); thrown != nil {
			no, ok := thrown.(refused)
			if !ok {
				panic(thrown)
			}
			status, body = no.status, map[string]any{"error": no.why}
		}
	}()
	switch may {
	case "":
		if len(r.Cookies()) > 0 && strings.HasPrefix(r.URL.Path, "/api/v1/public/") {
			refusal(400, "a visitor has no cookies")
		}
	case "user":
		c, err := r.Cookie(sessionCookie)
		if err != nil || r.email == "" {
			refusal(401, "not logged in")
		}
		if r.Method != http.MethodGet && r.Header.Get(csrfHeader) != p.Sessions[c.Value].CSRF {
			refusal(403, "the header %s is missing or wrong", csrfHeader)
		}
	case "visitor":
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if l := p.visits[token]; l == nil || l.Token != r.PathValue("token") || len(r.Cookies()) > 0 {
			refusal(401, "no session of this link, or cookies besides")
		}
	}
	return do(r)
}

// read takes a JSON body with exactly these fields.
func (r *in) read(fields ...string) map[string]any {
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		refusal(415, "the content type is %q", got)
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refusal(400, "no JSON: %v", err)
	}
	for _, name := range fields {
		if _, ok := body[name]; !ok && name != "password?" {
			refusal(422, "the field %s is missing", name)
		}
	}
	for name := range body {
		if !slices.Contains(fields, name) && !slices.Contains(fields, name+"?") {
			refusal(422, "unknown field %s", name)
		}
	}
	return body
}
