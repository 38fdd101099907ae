package stack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

var given = flag.String("server", "", "a rustshare-server to try instead of building the sample product's")

// sample builds the sample product's server. Its crates are kept in the user's
// cache, since compiling them takes minutes.
func sample(t *testing.T) string {
	t.Helper()
	if *given != "" {
		return *given
	}
	if testing.Short() {
		t.Skip("building the sample product takes minutes: -short leaves it out, -args -server PATH takes one that is built")
	}
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Fatal("cargo is not installed, and this test builds the sample product: see https://rustup.rs, or install your distribution's cargo; -short leaves such tests out")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(cache, "rustshare-release", "test", "rustshare", "target")
	cmd := exec.CommandContext(t.Context(), "cargo", "build", "--release", "--locked", "-p", "rustshare-server")
	cmd.Dir = filepath.Join("..", "..", "..", "testdata", "rustshare")
	cmd.Env = append(os.Environ(), "CARGO_TARGET_DIR="+target)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the sample product: %v\n%s", err, out)
	}
	return filepath.Join(target, "release", "rustshare-server")
}

// user is a person at a running sample product.
type user struct {
	t    *testing.T
	url  string
	http http.Client
}

func login(t *testing.T, s stack.Stack) *user {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, url: s.URL() + "/api/v1", http: http.Client{Jar: jar}}
	body, err := json.Marshal(map[string]string{"email": "admin@localhost", "password": s.Secrets()["RUSTSHARE_ADMIN_PASSWORD"]})
	if err != nil {
		t.Fatal(err)
	}
	u.do("POST", "/auth/login", "application/json", bytes.NewReader(body))
	return u
}

func (u *user) do(method, path, kind string, body io.Reader) []byte {
	u.t.Helper()
	req, err := http.NewRequest(method, u.url+path, body)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	for _, c := range u.http.Jar.Cookies(req.URL) {
		if c.Name == "rustshare_csrf_token" {
			req.Header.Set("X-Rustshare-Csrf", c.Value)
		}
	}
	res, err := u.http.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		u.t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, text, err)
	}
	return text
}

// upload gives the new file's id.
func (u *user) upload(name, content string) string {
	u.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("name", name)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		u.t.Fatal(err)
	}
	_, _ = io.WriteString(part, content)
	_ = form.Close()
	var file struct{ ID string }
	if err := json.Unmarshal(u.do("POST", "/files/upload", form.FormDataContentType(), &body), &file); err != nil {
		u.t.Fatal(err)
	}
	return file.ID
}

func (u *user) download(id string) string {
	u.t.Helper()
	return string(u.do("GET", "/files/"+id+"/download", "", nil))
}

// TestSample takes the sample product through what drills do to it, in a
// directory whose name needs care.
func TestSample(t *testing.T) {
	binary := sample(t)
	parent := filepath.Join(t.TempDir(), "a b%20c")
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	p := started(t, stack.ProcessOptions{Binary: binary, Parent: parent, Grace: 20 * time.Second})
	id := login(t, p).upload("hello.txt", "hello, release")
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := login(t, p).download(id); got != "hello, release" {
		t.Errorf("after a restart: %q", got)
	}

	if err := p.Stop(t.Context(), stack.ObjectStore); err != nil {
		t.Fatal(err)
	}
	if err := p.Unready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Start(t.Context(), stack.ObjectStore); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "snapshot")
	if err := p.Snapshot(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	candidate := started(t, stack.ProcessOptions{Binary: binary, Parent: parent, Snapshot: dir, Secrets: p.Secrets()})
	if got := login(t, candidate).download(id); got != "hello, release" {
		t.Errorf("taken over: %q", got)
	}
	login(t, candidate).upload("later.txt", "not in the other one")
	if got := string(login(t, p).do("GET", "/folders/root/contents", "", nil)); !strings.Contains(got, "hello.txt") || strings.Contains(got, "later.txt") {
		t.Errorf("the first stack has %s", got)
	}
	for _, s := range []*stack.Process{p, candidate} {
		if leaks, err := s.Leaks(t.Context()); err != nil || len(leaks) > 0 {
			t.Errorf("got %v, %v", leaks, err)
		}
	}
}

// TestSampleRefusesWeakSecrets: told at once, by the name of the variable.
func TestSampleRefusesWeakSecrets(t *testing.T) {
	p := open(t, stack.ProcessOptions{Binary: sample(t), Patience: time.Hour}, "JWT_SECRET", "changeme")
	err := p.Start(t.Context())
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Code != 1 {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "JWT_SECRET is a known placeholder")
}
