package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fast is patience for tests.
var fast = Retry{Tries: 4, First: time.Millisecond, Longest: 4 * time.Millisecond}

type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

func memory() http.Handler { return ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))) }

// serve gives a repository on a server.
func serve(t testing.TB, h http.Handler, o Options) *Registry {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	if o.Keychain == nil {
		o.Keychain = anonymous{}
	}
	if o.Retry == (Retry{}) {
		o.Retry = fast
	}
	r, err := Open(strings.TrimPrefix(s.URL, "http://")+"/some/name", o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func blob(text string) Blob {
	h, n, err := v1.SHA256(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	return Blob{Digest: h, Size: n, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// failing answers the first requests that match itself.
type failing struct {
	next  http.Handler
	match func(*http.Request) bool
	times int32
	fail  func(http.ResponseWriter, *http.Request)
	met   atomic.Int32
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.match(r) && f.met.Add(1) <= f.times {
		f.fail(w, r)
		return
	}
	f.next.ServeHTTP(w, r)
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"code":"TEST","message":"as the test wants"}]}`)
	}
}

// cut closes the connection, after having read some of the body.
func cut(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 3)
	panic(http.ErrAbortHandler)
}

func method(m, part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m && strings.Contains(r.URL.Path, part) }
}

// put sends a blob and a manifest and reads them back.
func put(ctx context.Context, r *Registry) error {
	b := blob(strings.Repeat("content ", 1000))
	if err := r.PutBlob(ctx, b, nil); err != nil {
		return err
	}
	raw := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	if err := r.PutManifest(ctx, "tag", types.OCIImageIndex, raw); err != nil {
		return err
	}
	if ok, err := r.HasBlob(ctx, b.Digest); !ok || err != nil {
		return fmt.Errorf("blob: %v, %w", ok, err)
	}
	got, d, ok, err := r.Manifest(ctx, "tag")
	if err != nil || !ok || !bytes.Equal(got, raw) {
		return fmt.Errorf("manifest: %q, %v, %w", got, ok, err)
	}
	head, ok, err := r.Head(ctx, d.Digest.String())
	if err != nil || !ok || head.Digest != d.Digest || head.Size != d.Size || head.MediaType != types.OCIImageIndex {
		return fmt.Errorf("head: %v, %v, %w", head, ok, err)
	}
	tags, err := r.Tags(ctx)
	if err != nil || !slices.Equal(tags, []string{"tag"}) {
		return fmt.Errorf("tags: %q, %w", tags, err)
	}
	return nil
}

func TestAbsent(t *testing.T) {
	r, ctx := serve(t, memory(), Options{}), t.Context()
	if ok, err := r.HasBlob(ctx, blob("x").Digest); ok || err != nil {
		t.Errorf("blob: %v, %v", ok, err)
	}
	if _, ok, err := r.Head(ctx, "tag"); ok || err != nil {
		t.Errorf("head: %v, %v", ok, err)
	}
	if _, _, ok, err := r.Manifest(ctx, "tag"); ok || err != nil {
		t.Errorf("manifest: %v, %v", ok, err)
	}
	if tags, err := r.Tags(ctx); len(tags) > 0 || err != nil {
		t.Errorf("tags: %v, %v", tags, err)
	}
	if list, api, err := r.Referrers(ctx, blob("x").Digest); len(list) > 0 || api || err != nil {
		t.Errorf("referrers: %v, %v, %v", list, api, err)
	}
}

// What passes is tried again, and the content arrives whole.
func TestRetried(t *testing.T) {
	for name, tt := range map[string]struct {
		match func(*http.Request) bool
		fail  func(http.ResponseWriter, *http.Request)
	}{
		"429 on a manifest":                {method("PUT", "/manifests/"), status(429)},
		"503 on a manifest":                {method("PUT", "/manifests/"), status(503)},
		"500 on a look-up":                 {method("HEAD", "/manifests/"), status(500)},
		"502 on a list of tags":            {method("GET", "/tags/"), status(502)},
		"503 at the greeting":              {func(r *http.Request) bool { return r.URL.Path == "/v2/" }, status(503)},
		"429 at the start of an upload":    {method("POST", "/uploads/"), status(429)},
		"503 at the end of an upload":      {method("PUT", "/uploads/"), status(503)},
		"cut while a blob is sent":         {method("PUT", "/uploads/"), cut},
		"cut at the start of an upload":    {method("POST", "/uploads/"), cut},
		"cut while a manifest is sent":     {method("PUT", "/manifests/"), cut},
		"cut while a manifest is fetched":  {method("GET", "/manifests/"), cut},
		"cut while a blob is looked up":    {method("HEAD", "/blobs/"), cut},
		"408 while a blob is looked up":    {method("HEAD", "/blobs/"), status(408)},
		"Retry-After of no time":           {method("PUT", "/manifests/"), status(429, "Retry-After", "0")},
		"Retry-After that makes no sense":  {method("PUT", "/manifests/"), status(429, "Retry-After", "soon")},
		"Retry-After that lies behind now": {method("PUT", "/manifests/"), status(503, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &failing{next: memory(), match: tt.match, fail: tt.fail, times: 3}
			r := serve(t, f, Options{})
			if err := put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if f.met.Load() < 4 {
				t.Errorf("the failing request was made %d times, expected 3 failures and a success", f.met.Load())
			}
			// net/http itself makes up for one look-up on a connection that
			// was in use before.
			if s := r.Stats(); s.Retries < 2 || s.Retries > 3 || s.Blobs != 1 || s.Manifests != 1 {
				t.Errorf("counted: %v", s)
			}
		})
	}
}

// What stays broken is an error after the tries that were granted.
func TestPatienceEnds(t *testing.T) {
	for name, match := range map[string]func(*http.Request) bool{
		"manifest": method("PUT", "/manifests/"), "blob": method("PUT", "/uploads/"), "upload": method("POST", "/uploads/"),
	} {
		t.Run(name, func(t *testing.T) {
			f := &failing{next: memory(), match: match, fail: status(503), times: 1000}
			err := put(t.Context(), serve(t, f, Options{}))
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Status != 503 || !strings.Contains(err.Error(), "run this again later") {
				t.Errorf("got %v", err)
			}
			if f.met.Load() != 4 {
				t.Errorf("tried %d times, expected 4", f.met.Load())
			}
		})
	}
	t.Run("cut", func(t *testing.T) {
		f := &failing{next: memory(), match: method("PUT", "/uploads/"), fail: cut, times: 1000}
		err := put(t.Context(), serve(t, f, Options{}))
		if err == nil || !strings.Contains(err.Error(), "sending blob sha256:") || !strings.Contains(err.Error(), "/some/name") {
			t.Errorf("got %v", err)
		}
	})
}

// Retry-After is waited for, as seconds and as a date, and never beyond the
// patience that was granted.
func TestRetryAfter(t *testing.T) {
	for name, header := range map[string]func() string{
		"seconds": func() string { return "1" },
		"date":    func() string { return time.Now().Add(2100 * time.Millisecond).UTC().Format(http.TimeFormat) },
	} {
		for where, match := range map[string]func(*http.Request) bool{"manifest": method("PUT", "/manifests/"), "blob": method("PUT", "/uploads/")} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				f := &failing{next: memory(), match: match, times: 1, fail: func(w http.ResponseWriter, r *http.Request) {
					status(429, "Retry-After", header())(w, r)
				}}
				begin := time.Now()
				if err := put(t.Context(), serve(t, f, Options{})); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took < 990*time.Millisecond || took > 5*time.Second {
					t.Errorf("waited %v, expected a second or two", took)
				}
			})
		}
	}
	t.Run("too long", func(t *testing.T) {
		f := &failing{next: memory(), match: method("PUT", "/manifests/"), times: 1, fail: status(429, "Retry-After", "3600")}
		begin := time.Now()
		err := put(t.Context(), serve(t, f, Options{}))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Status != 429 || time.Since(begin) > time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// A refusal is an error at once that says what is wrong.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		status int
		hint   string
	}{
		{400, "check the name some/name"},
		{401, "run `docker login 127.0.0.1:"},
		{403, "give it the right to push to some/name"},
		{404, "knows no repository some/name"},
		{405, "takes no pushes"},
		{413, "larger than the registry"},
		{422, "will not change by trying again"},
		{501, "will not change by trying again"},
	} {
		for where, match := range map[string]func(*http.Request) bool{
			"manifest": method("PUT", "/manifests/"), "upload": method("POST", "/uploads/"), "blob": method("PUT", "/uploads/"),
		} {
			t.Run(fmt.Sprintf("%d %s", tt.status, where), func(t *testing.T) {
				t.Parallel()
				f := &failing{next: memory(), match: match, fail: status(tt.status), times: 1000}
				err := put(t.Context(), serve(t, f, Options{}))
				var refused *RefusedError
				var answer *transport.Error
				if !errors.As(err, &refused) || refused.Status != tt.status || !errors.As(err, &answer) {
					t.Fatalf("got %v", err)
				}
				for _, want := range []string{tt.hint, "/some/name", "as the test wants"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not say %q", err, want)
					}
				}
				if f.met.Load() != 1 {
					t.Errorf("tried %d times, expected once", f.met.Load())
				}
			})
		}
	}
}

// ghcr answers in the name of ghcr.io.
type ghcrServer struct {
	http.Handler
	mu   sync.Mutex
	auth []string
}

func (g *ghcrServer) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.auth = append(g.auth, r.URL.Path+" "+r.Header.Get("Authorization"))
	g.mu.Unlock()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}

func TestGitHubToken(t *testing.T) {
	const secret = "ghs_verysecret"
	refuse := 0
	server := &ghcrServer{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "exchanged"})
		case r.Header.Get("Authorization") != "Bearer exchanged":
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token",service="ghcr.io"`)
			w.WriteHeader(http.StatusUnauthorized)
		case refuse > 0:
			status(refuse)(w, r)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})}
	open := func(repo string) *Registry {
		server.auth = nil
		r, err := Open(repo, Options{Keychain: anonymous{}, Token: secret, TokenHost: "git.example.org", Transport: server, Retry: fast})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open("ghcr.io/kubedoio/rustshare-backend")
	if _, ok, err := r.Head(t.Context(), "tag"); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	basic := "Basic dG9rZW46Z2hzX3ZlcnlzZWNyZXQ=" // token:ghs_verysecret
	if !slices.Contains(server.auth, "/token "+basic) {
		t.Errorf("the token was not exchanged: %q", server.auth)
	}
	for repo, sees := range map[string]bool{"git.example.org/owner/name": true, "registry.example.org/owner/name": false} {
		if _, _, err := open(repo).Head(t.Context(), "tag"); err != nil && sees {
			t.Errorf("%s: %v", repo, err)
		}
		if slices.Contains(server.auth, "/token "+basic) != sees {
			t.Errorf("%s sees the token: want %v, %q", repo, sees, server.auth)
		}
	}
	r = open("ghcr.io/kubedoio/rustshare-backend")
	refuse = 403
	err := r.PutManifest(t.Context(), "tag", types.OCIImageIndex, []byte(`{}`))
	if err == nil || !strings.Contains(err.Error(), "packages: write") || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
	refuse = 401
	err = r.PutManifest(t.Context(), "tag", types.OCIImageIndex, []byte(`{}`))
	if err == nil || !strings.Contains(err.Error(), "GITHUB_TOKEN") || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
	if err := open("registry.example.com/a/b").Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range server.auth {
		if strings.Contains(a, "Basic") {
			t.Errorf("another registry saw the token: %s", a)
		}
	}
}

// Credentials go with every request, and a body with the second one too when
// the first met a challenge.
func TestBasic(t *testing.T) {
	inner, bodies := memory(), atomic.Int32{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "user" || p != "password" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		bodies.Add(1)
		inner.ServeHTTP(w, r)
	})
	r := serve(t, h, Options{Keychain: fixed{&authn.Basic{Username: "user", Password: "password"}}})
	if err := put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r = serve(t, h, Options{})
	err := put(t.Context(), r)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != 401 || !strings.Contains(err.Error(), "docker login") {
		t.Errorf("got %v", err)
	}
}

// Where the forge's token was offered, the hint speaks of that and of the scope
// that it needs; where Docker's credentials were, of those.
func TestTokenRefused(t *testing.T) {
	const secret = "ghs_verysecret"
	const token = "the token in RELEASE_FORGE_TOKEN or GITHUB_TOKEN "
	login := fixed{&authn.Basic{Username: "user", Password: "password"}}
	for _, tt := range []struct {
		repo     string
		status   int
		readOnly bool
		keychain authn.Keychain
		hint     string
	}{
		{"git.example.org/a/b", 401, false, anonymous{}, token + "was refused: it is wrong, has expired or lacks the scope `write:package`"},
		{"git.example.org/a/b", 401, true, anonymous{}, token + "was refused: it is wrong, has expired or lacks the scope `read:package`"},
		{"git.example.org/a/b", 403, false, anonymous{}, token + "may not do this: it needs the scope `write:package`, and its user the right to push to a/b"},
		{"git.example.org/a/b", 401, false, login, "no valid credentials: run `docker login git.example.org`"},
		{"git.example.org/a/b", 403, false, login, "the account that `docker login git.example.org` stored may not do this"},
		{"ghcr.io/a/b", 401, false, anonymous{}, token + "was refused: it is wrong, has expired or lacks the scope `packages: write`"},
		{"ghcr.io/a/b", 401, true, anonymous{}, token + "was refused: it is wrong, has expired or lacks the scope `packages: read`"},
		{"ghcr.io/a/b", 401, false, login, "no valid credentials: run `docker login ghcr.io`, or set GITHUB_TOKEN to a token with `packages: write`"},
		{"ghcr.io/a/b", 403, false, anonymous{}, "it needs `packages: write`, and the package a/b must give this repository the role Write"},
		{"registry.example.com/a/b", 401, false, anonymous{}, "no valid credentials: run `docker login registry.example.com`"},
	} {
		// A registry says no at the handshake, or afterwards; Gitea does the latter.
		for _, late := range []bool{false, true} {
			server := &ghcrServer{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/token" && (late || tt.status == 403):
					_ = json.NewEncoder(w).Encode(map[string]string{"token": "exchanged"})
				case r.URL.Path == "/v2/":
					w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token",service="x"`)
					w.WriteHeader(http.StatusUnauthorized)
				default:
					w.WriteHeader(tt.status)
				}
			})}
			r, err := Open(tt.repo, Options{Keychain: tt.keychain, Token: secret, TokenHost: "git.example.org", ReadOnly: tt.readOnly, Transport: server, Retry: fast})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = r.Head(t.Context(), "tag")
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Status != tt.status || !strings.Contains(refused.Hint, tt.hint) || strings.Contains(err.Error(), secret) {
				t.Errorf("%+v, late %v: %v", tt, late, err)
			}
		}
	}
}

type fixed struct{ authn.Authenticator }

func (f fixed) Resolve(authn.Resource) (authn.Authenticator, error) { return f.Authenticator, nil }

// A bearer token that has expired is renewed in the middle of an upload, and
// the body is sent again from its beginning.
func TestExpiredToken(t *testing.T) {
	inner, valid := memory(), atomic.Int32{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_ = json.NewEncoder(w).Encode(map[string]string{"token": fmt.Sprint("token", valid.Load())})
			return
		}
		if r.Method == http.MethodPut {
			valid.CompareAndSwap(0, 1)
		}
		if r.Header.Get("Authorization") != fmt.Sprint("Bearer token", valid.Load()) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
	if err := put(t.Context(), serve(t, h, Options{})); err != nil {
		t.Fatal(err)
	}
	if valid.Load() != 1 {
		t.Error("the token never expired")
	}
}

func TestCancelled(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request){
		"waiting to try again": status(503, "Retry-After", "60"),
		"waiting for an answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		},
	} {
		for where, match := range map[string]func(*http.Request) bool{"manifest": method("PUT", "/manifests/"), "blob": method("PUT", "/uploads/")} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(t.Context())
				f := &failing{next: memory(), match: match, times: 1000, fail: func(w http.ResponseWriter, r *http.Request) {
					time.AfterFunc(20*time.Millisecond, cancel)
					fail(w, r)
				}}
				begin := time.Now()
				err := put(ctx, serve(t, f, Options{}))
				if !errors.Is(err, context.Canceled) || time.Since(begin) > 2*time.Second {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		}
	}
}

func TestProgress(t *testing.T) {
	f := &failing{next: memory(), match: method("PUT", "/uploads/"), fail: cut, times: 2}
	r := serve(t, f, Options{})
	var total, least atomic.Int64
	b := blob(strings.Repeat("x", 3<<20))
	err := r.PutBlob(t.Context(), b, func(n int64) {
		if now := total.Add(n); n < 0 {
			least.Add(n)
			_ = now
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if total.Load() != b.Size || least.Load() == 0 {
		t.Errorf("heard of %d bytes in all, %d taken back; expected %d in all and some taken back", total.Load(), least.Load(), b.Size)
	}
	s := r.Stats()
	if s.BlobBytes < b.Size || s.Retries != 2 || s.Blobs != 1 {
		t.Errorf("counted %v", s)
	}
	missing := Blob{Digest: b.Digest, Size: 1, Open: func() (io.ReadCloser, error) { return nil, errors.New("no such file") }}
	if err := r.PutBlob(t.Context(), missing, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	if got := r.Stats().Retries; got != 2 {
		t.Errorf("a file that cannot be opened was tried %d times again", got-2)
	}
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", "name", "ghcr.io", "ghcr.io/Upper/Case", "ghcr.io/a/b:tag", "ghcr.io/a b", "https://ghcr.io/a/b", "ghcr.io/a@sha256:0"} {
		if _, err := Open(bad, Options{}); err == nil || !strings.Contains(err.Error(), "is no repository") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	r, err := Open("ghcr.io/a/b", Options{})
	if err != nil || r.Repository().String() != "ghcr.io/a/b" || r.Tag("x").String() != "ghcr.io/a/b:x" {
		t.Errorf("%v, %v", r, err)
	}
}

// refuseTLS answers like a host that speaks no TLS.
type refuseTLS struct{ plain atomic.Int32 }

func (r *refuseTLS) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" {
		r.plain.Add(1)
	}
	return nil, &net.OpError{Op: "dial", Err: errors.New("test")}
}

func TestPlainHTTP(t *testing.T) {
	for _, host := range []string{"10.0.0.1:5000", "192.168.1.1", "registry.local", "ghcr.io"} {
		tr := &refuseTLS{}
		r, err := Open(host+"/a/b", Options{Keychain: anonymous{}, Transport: tr, Retry: fast})
		if err != nil {
			t.Fatal(err)
		}
		err = r.Connect(t.Context())
		if err == nil || tr.plain.Load() > 0 {
			t.Errorf("%s: %v, %d plain requests", host, err, tr.plain.Load())
		}
		if r.Repository().Scheme() == "http" && !strings.Contains(err.Error(), "needs HTTPS") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// Nobody listens: that is said at once.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	r, err := Open(addr+"/a/b", Options{Keychain: anonymous{}})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := r.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") || time.Since(begin) > time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}

func TestReferrers(t *testing.T) {
	subject := blob("subject").Digest
	list := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"` + blob("one").Digest.String() + `"}]}`
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		api    bool
		n      int
		fails  string
	}{
		"list": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, list)
		}, true, 1, ""},
		"two pages": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			if r.URL.RawQuery == "" {
				w.Header().Set("Link", `<`+r.URL.Path+`?next=2>; rel="next"`)
			}
			_, _ = io.WriteString(w, list)
		}, true, 2, ""},
		"404": {status(404), false, 0, ""},
		"redirect to a page": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" {
				w.Header().Set("Content-Type", "text/html")
				return
			}
			http.Redirect(w, r, "/page", http.StatusSeeOther)
		}, false, 0, ""},
		"empty list": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, `{"schemaVersion":2,"manifests":[]}`)
		}, true, 0, ""},
		"403": {status(403), false, 0, "listing the referrers"},
		"503": {status(503), false, 0, "run this again later"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, `nonsense`)
		}, false, 0, "listing the referrers"},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/v2/" {
					tt.answer(w, req)
				}
			}), Options{})
			got, api, err := r.Referrers(t.Context(), subject)
			if len(got) != tt.n || api != tt.api || (err == nil) != (tt.fails == "") || (err != nil && !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("%d referrers, API %v, %v", len(got), api, err)
			}
		})
	}
}

// A registry that gives other bytes than were asked for is not believed.
func TestWrongBytes(t *testing.T) {
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }), Options{})
	want := blob("other").Digest.String()
	if _, _, _, err := r.Manifest(t.Context(), want); err == nil || !strings.Contains(err.Error(), "expected "+want) {
		t.Errorf("got %v", err)
	}
	if _, _, err := r.Head(t.Context(), want); err == nil || !strings.Contains(err.Error(), "expected "+want) {
		t.Errorf("got %v", err)
	}
	r = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(digestHeader, blob("{}").Digest.String())
	}), Options{})
	if _, ok, err := r.Head(t.Context(), want); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

// The remote package goes through the same transport and does not retry by
// itself.
func TestRemote(t *testing.T) {
	f := &failing{next: memory(), match: method("PUT", "/manifests/"), fail: status(503), times: 1000}
	r := serve(t, f, Options{})
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	options, err := r.Remote(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r.Tag("x"), img, options...); err == nil {
		t.Fatal("written")
	}
	if f.met.Load() != 4 {
		t.Errorf("tried %d times, expected 4", f.met.Load())
	}
	f.times = 0
	if err := remote.Write(r.Tag("x"), img, options...); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.Manifests != 1 || s.Blobs != 2 || s.Writes() == 0 || !strings.Contains(s.String(), "2 blobs") {
		t.Errorf("counted %v", s)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestMemory sends a large blob and looks at what was allocated for it.
func TestMemory(t *testing.T) {
	const size = 256 << 20
	got := int64(0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "/up")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut:
			got, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer s.Close()
	r, err := Open(strings.TrimPrefix(s.URL, "http://")+"/a", Options{Keychain: anonymous{}, Retry: fast})
	if err != nil {
		t.Fatal(err)
	}
	b := Blob{Digest: blob("x").Digest, Size: size, Open: func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeros{}, size)), nil }}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := r.PutBlob(t.Context(), b, nil); err != nil || got != size {
		t.Fatal(err, got)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("sending %d bytes allocated %d", size, grown)
	}
}

func TestReadOnly(t *testing.T) {
	f := &failing{next: memory(), match: method("GET", "/manifests/"), fail: status(403), times: 1000}
	_, _, _, err := serve(t, f, Options{ReadOnly: true}).Manifest(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "the right to pull from some/name") {
		t.Errorf("got %v", err)
	}
}
