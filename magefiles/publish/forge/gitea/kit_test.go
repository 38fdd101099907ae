package gitea

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

var ok, says = testkit.OK, testkit.Says

// server is one for all tests: each has a repository of its own.
var server *kit.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		ctx := context.Background()
		var err error
		if server, err = kit.Start(ctx, kit.Options{}); err == nil {
			defer server.Stop() //nolint:errcheck // the tests are done
			err = server.StartRunner(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) && !testkit.NeedPeers() {
			log.Printf("all tests of this package are skipped: %v", err)
			return 0
		}
		if err != nil {
			log.Print(err)
			return 1
		}
		return m.Run()
	}())
}

// impatient tries once.
var impatient = retry.Policy{Tries: 1}

// quick does not wait.
var quick = retry.Policy{Clock: still{}}

type still struct{}

func (still) Now() time.Time                                   { return time.Now() }
func (still) Sleep(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

func asset(name, text string) (forge.Asset, forge.Content) {
	sum := sha256.Sum256([]byte(text))
	return forge.Asset{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])},
		func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// repo is a repository on the server and its clone.
type repo struct{ dir, name, url, commit string }

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.c",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// project makes a repository of one commit with some tags.
func project(t *testing.T, private bool, files map[string]string, tags ...string) repo {
	t.Helper()
	r := repo{dir: t.TempDir(), name: strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}
	git(t, r.dir, "init", "-q", "-b", "main")
	git(t, r.dir, "commit", "-q", "--allow-empty", "-m", "first")
	for name, text := range files {
		ok(t, os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o755))
		ok(t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600))
		git(t, r.dir, "add", name)
		git(t, r.dir, "commit", "-q", "-m", "add "+name)
	}
	r.commit = git(t, r.dir, "rev-parse", "HEAD")
	refs := []string{"main"}
	for _, tag := range tags {
		git(t, r.dir, "tag", "-a", "-m", tag, tag)
		refs = append(refs, tag)
	}
	var err error
	r.url, err = server.NewRepository(t.Context(), r.name, private)
	ok(t, err)
	ok(t, server.Push(t.Context(), r.dir, r.url, refs...))
	return r
}

func open(t *testing.T, o Options) *Gitea {
	t.Helper()
	g, err := Open(o)
	ok(t, err)
	return g
}

func (r repo) open(t *testing.T) *Gitea {
	t.Helper()
	return open(t, Options{URL: r.url, Token: server.Token(), Retry: impatient})
}

// api asks the server itself.
func (r repo) api(t *testing.T, method, path string, in, out any) error {
	t.Helper()
	return server.Call(t.Context(), method, "/repos/"+kit.Admin+"/"+r.name+path, in, out)
}

// seen is a release as the server's own API shows it.
type seen struct {
	ID         int64
	TagName    string `json:"tag_name"`
	Target     string `json:"target_commitish"`
	Draft      bool
	Prerelease bool
	Body       string
	Assets     []struct {
		ID   int64
		Name string
		Size int64
	}
}

func (s seen) names() []string {
	var out []string
	for _, a := range s.Assets {
		out = append(out, fmt.Sprintf("%s:%d", a.Name, a.Size))
	}
	slices.Sort(out)
	return out
}

// releases are those of the repository, drafts included.
func (r repo) releases(t *testing.T) map[string]seen {
	t.Helper()
	out := map[string]seen{}
	for page := 1; ; page++ {
		var got []seen
		ok(t, r.api(t, "GET", fmt.Sprintf("/releases?limit=50&page=%d", page), nil, &got))
		for _, s := range got {
			if _, twice := out[s.TagName]; twice {
				t.Errorf("%s has two releases", s.TagName)
			}
			out[s.TagName] = s
		}
		if len(got) == 0 {
			return out
		}
	}
}

// tags are those that git has on the server.
func (r repo) tags(t *testing.T) string {
	t.Helper()
	return git(t, r.dir, "-c", "safe.directory=*", "--git-dir", server.GitDir(r.name), "tag", "--list")
}

// between is a proxy before the server that shows each request to see first,
// one at a time and counted from 1. see tells whether it has dealt with it.
func between(t *testing.T, see func(n int, w http.ResponseWriter, req *http.Request) bool) string {
	t.Helper()
	var mu sync.Mutex
	n := 0
	shown := func(w http.ResponseWriter, req *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		n++
		return see(n, w, req)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if shown(w, req) {
			return
		}
		res, text := forward(req, req.Body)
		if res == nil {
			panic(http.ErrAbortHandler)
		}
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		_, _ = w.Write(text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// forward sends a request on to the server, with its own length and this body.
func forward(req *http.Request, body io.Reader) (*http.Response, []byte) {
	out, err := http.NewRequestWithContext(req.Context(), req.Method, server.URL()+req.URL.RequestURI(), body)
	if err != nil {
		return nil, nil
	}
	out.Header, out.ContentLength = req.Header.Clone(), req.ContentLength
	if req.ContentLength == 0 {
		out.Body = http.NoBody
	}
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		return nil, nil
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil
	}
	return res, text
}
