package journey

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

// product is the product's HTTP surface in memory. It is strict: what is not
// agreed is a refusal. Faults make it misbehave.
type product struct {
	*httptest.Server
	t   *testing.T
	dir string
	// fault may change what happens to the n-th request, counted from 0.
	fault func(s seen) fault
	// lag is how many searches pass before the index has a note.
	lag int
	// bent are answers by route that are changed on the way out.
	bent map[string]func(who string, status int, body any) (int, any)
	// login is called with the answer to every login that succeeds.
	onLogin func(http.ResponseWriter)
	// keepSessions: a logout ends nothing.
	keepSessions bool

	mu       sync.Mutex
	requests []seen
	accounts map[string]string // e-mail to password
	sessions map[string]session
	folders  map[string]map[string]any
	files    map[string]file
	notes    map[string]map[string]any
	shares   map[string]string // id to file id
	links    map[string]*publicShare
	visits   map[string]*publicShare // by session token
	audit    []any
	secrets  []string
	lists    bool // GET /shares is there
}

// seen is a request that came.
type seen struct {
	n            int
	route, email string
	path, query  string
	cookies      int
}

type session struct{ email, csrf string }

type file struct {
	id, name, folder, owner string
}

type publicShare struct {
	id, token, password string
	file, folder        string
	uploadOnly          bool
}

// fault is a way to misbehave.
type fault string

const (
	none fault = ""
	// refuse answers 500 and does nothing.
	refuse fault = "refuse"
	// lose does it, and cuts the connection before an answer.
	lose fault = "lose"
	// half does it, and cuts the connection within the answer's body.
	half fault = "half"
	// garble does it, and answers HTML that repeats the request's secrets.
	garble fault = "garble"
	// blank does it, and answers an empty object.
	blank fault = "blank"
)

var (
	admin  = Account{"admin@localhost", "admin-password-1"}
	viewer = Account{"viewer@localhost", "viewer \"password\" 2"}
)

func newProduct(t *testing.T) *product {
	t.Helper()
	p := &product{
		t: t, dir: t.TempDir(),
		accounts: map[string]string{admin.Email: admin.Password, viewer.Email: viewer.Password},
		sessions: map[string]session{}, folders: map[string]map[string]any{}, files: map[string]file{},
		notes: map[string]map[string]any{}, shares: map[string]string{},
		links: map[string]*publicShare{}, visits: map[string]*publicShare{},
		bent: map[string]func(string, int, any) (int, any){}, secrets: []string{admin.Password, viewer.Password},
	}
	// Somebody else's things.
	p.folders["foreign-folder"] = map[string]any{"id": "foreign-folder", "name": "Holiday", "parent_folder_id": nil}
	p.files["foreign-file"] = file{id: "foreign-file", name: "beach.jpg", folder: "foreign-folder", owner: admin.Email}
	p.notes["foreign-note"] = map[string]any{"id": "foreign-note", "title": "Shopping", "content": "milk"}
	p.Server = httptest.NewServer(p.routes())
	t.Cleanup(p.Close)
	return p
}

// target is for a journey of one test.
func (p *product) target() Target {
	transport := &http.Transport{}
	p.t.Cleanup(transport.CloseIdleConnections)
	return Target{URL: p.URL, Admin: admin, Viewer: viewer, FileSize: 20_000, Transport: transport}
}

// settle waits for a handler that has answered and not returned yet: what the
// product holds may be looked at after it.
func (p *product) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
}

// left are the things in the product that are not somebody else's.
func (p *product) left() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out = slices.Concat(slices.Collect(maps.Keys(p.folders)), slices.Collect(maps.Keys(p.files)), slices.Collect(maps.Keys(p.notes)),
		slices.Collect(maps.Keys(p.shares)), slices.Collect(maps.Keys(p.links)))
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
func (p *product) secret(kind string) string {
	s := kind + rand.Text()
	p.secrets = append(p.secrets, s)
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

func (p *product) routes() http.Handler {
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

// stored is a body that is a file's bytes.
type stored struct{ id string }

func (p *product) serve(w http.ResponseWriter, r *http.Request, route, may string, do func(*in) (int, any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	request := &in{Request: r, w: w}
	if c, err := r.Cookie(sessionCookie); err == nil {
		request.email = p.sessions[c.Value].email
	}
	s := seen{n: len(p.requests), route: route, email: request.email, path: r.URL.Path, query: r.URL.RawQuery, cookies: len(r.Cookies())}
	p.requests = append(p.requests, s)
	f := none
	if p.fault != nil {
		f = p.fault(s)
	}
	recorder := httptest.NewRecorder()
	status, body := 500, any(map[string]any{"error": "cannot do that now", "you_sent": echo(r)})
	if f != refuse {
		request.w = recorder
		status, body = p.try(request, may, do)
	}
	if bend := p.bent[route]; bend != nil {
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
	case stored:
		if f == none {
			w.WriteHeader(status)
			p.stream(w, b.id)
			return
		}
		text, _ = os.ReadFile(filepath.Join(p.dir, b.id))
	default:
		text, _ = json.Marshal(body)
	}
	switch f {
	case none, refuse:
	case lose:
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	case half:
		if len(text) < 2 {
			text = []byte("{}")
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.WriteHeader(200)
		_, _ = w.Write(text[:len(text)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case garble:
		text = []byte("<html>\x1b[31m" + echo(r) + string(text))
	case blank:
		text = []byte("{}")
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = w.Write(text)
	}
}

func (p *product) stream(w io.Writer, id string) {
	f, err := os.Open(filepath.Join(p.dir, id))
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

func (p *product) try(r *in, may string, do func(*in) (int, any)) (status int, body any) {
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
		if r.Method != "GET" && r.Header.Get(csrfHeader) != p.sessions[c.Value].csrf {
			refusal(403, "the header %s is missing or wrong", csrfHeader)
		}
	case "visitor":
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if l := p.visits[token]; l == nil || l.token != r.PathValue("token") || len(r.Cookies()) > 0 {
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
