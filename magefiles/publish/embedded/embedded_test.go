package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sync/errgroup"
)

func serve(t testing.TB, dir string, o Options) *Server {
	t.Helper()
	s, err := Serve(t.Context(), dir, "", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func ref(t testing.TB, s *Server, repo, tag string) name.Tag {
	t.Helper()
	r, err := name.NewTag(s.Repository(repo)+":"+tag, name.StrictValidation)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An index with its images goes in and comes out whole, also after the server
// was started anew, in any number of repositories.
func TestPersists(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, Options{})
	index, err := random.Index(1<<10, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	repos := []string{"a", "a/b", "a/b/c-d_e.f"}
	for _, repo := range repos {
		if err := remote.WriteIndex(ref(t, s, repo, "v1"), index); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = serve(t, dir, Options{})
	for _, repo := range repos {
		got, err := remote.Index(ref(t, s, repo, "v1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(got); err != nil {
			t.Error(err)
		}
		want, _ := index.Digest()
		if h, err := got.Digest(); h != want || err != nil {
			t.Errorf("%s: digest %s, expected %s (%v)", repo, h, want, err)
		}
	}
	reg, err := name.NewRegistry(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Catalog(context.Background(), reg); err != nil || !slices.Equal(got, repos) {
		t.Errorf("catalog: %q, %v", got, err)
	}
}

// artifact is a referrer of a subject.
func artifact(t *testing.T, subject v1.Descriptor, kind string, n int) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(kind))
	noted, ok := mutate.Annotations(img, map[string]string{"n": fmt.Sprint(n)}).(v1.Image)
	if !ok {
		t.Fatal("no image")
	}
	img, ok = mutate.Subject(noted, subject).(v1.Image)
	if !ok {
		t.Fatal("no image")
	}
	return img
}

func TestReferrers(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("off=%v", off), func(t *testing.T) {
			dir := t.TempDir()
			s := serve(t, dir, Options{NoReferrers: off})
			img, err := random.Image(100, 1)
			if err != nil {
				t.Fatal(err)
			}
			tag := ref(t, s, "a/b", "v1")
			if err := remote.Write(tag, img); err != nil {
				t.Fatal(err)
			}
			subject, err := partial.Descriptor(img)
			if err != nil {
				t.Fatal(err)
			}
			for n, kind := range []string{"application/one", "application/two"} {
				a := artifact(t, *subject, kind, n)
				h, err := a.Digest()
				if err != nil {
					t.Fatal(err)
				}
				if err := remote.Write(tag.Context().Digest(h.String()), a); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = serve(t, dir, Options{NoReferrers: off})
			digest := ref(t, s, "a/b", "v1").Context().Digest(subject.Digest.String())
			all, err := remote.Referrers(digest)
			if err != nil {
				t.Fatal(err)
			}
			m, err := all.IndexManifest()
			if err != nil || len(m.Manifests) != 2 {
				t.Fatalf("%d referrers, %v", len(m.Manifests), err)
			}
			for _, d := range m.Manifests {
				if !strings.HasPrefix(d.ArtifactType, "application/") || d.Annotations["n"] == "" {
					t.Errorf("referrer without type or annotations: %+v", d)
				}
			}
			one, err := remote.Referrers(digest, remote.WithFilter("artifactType", "application/two"))
			if err != nil {
				t.Fatal(err)
			}
			if m, err := one.IndexManifest(); err != nil || len(m.Manifests) != 1 {
				t.Errorf("filtered: %d referrers, %v", len(m.Manifests), err)
			}
			tags, err := remote.List(digest.Context())
			if err != nil {
				t.Fatal(err)
			}
			fallback := slices.Contains(tags, "sha256-"+subject.Digest.Hex)
			if fallback != off {
				t.Errorf("tags %q: the fallback tag is there: %v", tags, fallback)
			}
		})
	}
}

// client speaks the protocol by hand.
type client struct {
	t    *testing.T
	base string
}

func (c client) do(method, path, body string, header ...string) *http.Response {
	c.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = c.base + path
	}
	req, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(text))
	return res
}

func (c client) want(status int, code, method, path, body string, header ...string) *http.Response {
	c.t.Helper()
	res := c.do(method, path, body, header...)
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != status || (code != "" && !strings.Contains(string(text), `"`+code+`"`)) {
		c.t.Errorf("%s %s: %d %s, expected %d %s", method, path, res.StatusCode, text, status, code)
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	return res
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

const indexType = string(types.OCIImageIndex)

func TestProtocol(t *testing.T) {
	s := serve(t, t.TempDir(), Options{})
	c := client{t, "http://" + s.Addr}
	empty := `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[]}`
	c.want(200, "", "GET", "/v2/", "")
	c.want(404, "UNSUPPORTED", "GET", "/", "")
	c.want(404, "UNSUPPORTED", "GET", "/v2/nothing", "")
	c.want(404, "UNSUPPORTED", "GET", "/v2/a/unknown/b", "")
	c.want(404, "NAME_UNKNOWN", "GET", "/v2/a/tags/list", "")

	// Names that could leave the directory, or are none.
	for _, bad := range []string{"/v2/A/manifests/x", "/v2/_a/manifests/x", "/v2/..%2f..%2fetc/manifests/x", "/v2/a%20b/manifests/x", "/v2/" + strings.Repeat("a", 256) + "/tags/list"} {
		c.want(400, "NAME_INVALID", "GET", bad, "")
	}
	c.want(400, "TAG_INVALID", "PUT", "/v2/a/manifests/.x", empty, "Content-Type", indexType)
	c.want(400, "TAG_INVALID", "PUT", "/v2/a/manifests/"+strings.Repeat("a", 129), empty, "Content-Type", indexType)
	c.want(400, "TAG_INVALID", "PUT", "/v2/a/manifests/sha256:12", empty, "Content-Type", indexType)
	c.want(400, "DIGEST_INVALID", "GET", "/v2/a/blobs/sha512:12", "")

	// Blobs: in one request, in two, in chunks, mounted.
	c.want(201, "", "POST", "/v2/a/blobs/uploads/?digest="+digest("one"), "one")
	begin := func() string {
		res := c.want(202, "", "POST", "/v2/a/blobs/uploads/", "")
		return c.base + res.Header.Get("Location")
	}
	c.want(201, "", "PUT", begin()+"?digest="+digest("two"), "two")
	at := begin()
	res := c.want(202, "", "PATCH", at, "thr", "Content-Range", "0-2")
	if res.Header.Get("Range") != "0-2" {
		t.Errorf("Range: %q", res.Header.Get("Range"))
	}
	c.want(416, "BLOB_UPLOAD_INVALID", "PATCH", at, "thr", "Content-Range", "0-2")
	if res := c.want(204, "", "GET", at, ""); res.Header.Get("Range") != "0-2" {
		t.Errorf("Range: %q", res.Header.Get("Range"))
	}
	c.want(202, "", "PATCH", at, "e")
	c.want(400, "DIGEST_INVALID", "PUT", at+"?digest="+digest("other"), "e")
	c.want(400, "DIGEST_INVALID", "PUT", at+"?digest=nonsense", "e")
	c.want(201, "", "PUT", at+"?digest="+digest("three"), "e")
	c.want(404, "BLOB_UPLOAD_UNKNOWN", "PUT", at+"?digest="+digest("three"), "e")
	c.want(404, "BLOB_UPLOAD_UNKNOWN", "PUT", "/v2/a/blobs/uploads/..?digest="+digest("three"), "e")
	c.want(400, "NAME_INVALID", "PUT", "/v2/a/blobs/uploads/..%2f..%2flock?digest="+digest("three"), "e")
	c.want(201, "", "POST", "/v2/b/blobs/uploads/?from=a&mount="+digest("three"), "")
	c.want(202, "", "POST", "/v2/b/blobs/uploads/?from=a&mount="+digest("four"), "")
	at = begin()
	c.want(204, "", "DELETE", at, "")
	c.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", at, "")
	for _, text := range []string{"one", "two", "three"} {
		res := c.want(200, "", "GET", "/v2/a/blobs/"+digest(text), "")
		if got, _ := io.ReadAll(res.Body); string(got) != text {
			t.Errorf("blob %q holds %q", text, got)
		}
	}
	if got, _ := io.ReadAll(c.want(206, "", "GET", "/v2/a/blobs/"+digest("three"), "", "Range", "bytes=1-2").Body); string(got) != "hr" {
		t.Errorf("range: %q", got)
	}
	if res := c.want(200, "", "HEAD", "/v2/a/blobs/"+digest("three"), ""); res.ContentLength != 5 {
		t.Errorf("HEAD says %d bytes", res.ContentLength)
	}
	c.want(404, "BLOB_UNKNOWN", "GET", "/v2/a/blobs/"+digest("four"), "")
	c.want(405, "UNSUPPORTED", "DELETE", "/v2/a/blobs/"+digest("three"), "")

	// Manifests are held against their digest, type, and what they refer to.
	c.want(400, "DIGEST_INVALID", "PUT", "/v2/a/manifests/"+digest("x"), empty, "Content-Type", indexType)
	c.want(400, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", "nonsense", "Content-Type", indexType)
	c.want(400, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", empty, "Content-Type", "application/json")
	c.want(400, "MANIFEST_BLOB_UNKNOWN", "PUT", "/v2/a/manifests/x", `{"manifests":[{"digest":"`+digest("four")+`"}]}`, "Content-Type", indexType)
	c.want(400, "MANIFEST_BLOB_UNKNOWN", "PUT", "/v2/a/manifests/x", `{"layers":[{"digest":"`+digest("four")+`"}]}`, "Content-Type", "x/y")
	c.want(400, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", `{"layers":[{"digest":"sha256:../../../../etc/passwd"}]}`, "Content-Type", "x/y")
	c.want(400, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", `{"subject":{"digest":"sha512:../x"}}`, "Content-Type", "x/y")
	c.want(413, "SIZE_INVALID", "PUT", "/v2/a/manifests/x", strings.Repeat(" ", maxManifest+1), "Content-Type", "x/y")
	for _, tag := range []string{"v1", "v2", "v3"} {
		res := c.want(201, "", "PUT", "/v2/a/manifests/"+tag, empty, "Content-Type", indexType)
		if res.Header.Get("Docker-Content-Digest") != digest(empty) {
			t.Errorf("digest %s", res.Header.Get("Docker-Content-Digest"))
		}
	}
	res = c.want(201, "", "PUT", "/v2/a/manifests/v4", `{"subject":{"digest":"`+digest("five")+`"}}`, "Content-Type", "x/y")
	if res.Header.Get("OCI-Subject") != digest("five") {
		t.Errorf("OCI-Subject: %q", res.Header.Get("OCI-Subject"))
	}
	c.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/b/manifests/v1", "")

	// Tags come in pages.
	var page struct{ Tags []string }
	read := func(res *http.Response) []string {
		page.Tags = nil
		if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
			t.Error(err)
		}
		return page.Tags
	}
	res = c.want(200, "", "GET", "/v2/a/tags/list?n=3", "")
	if got := read(res); !slices.Equal(got, []string{"v1", "v2", "v3"}) || !strings.Contains(res.Header.Get("Link"), "last=v3") {
		t.Errorf("%q, %q", got, res.Header.Get("Link"))
	}
	res = c.want(200, "", "GET", "/v2/a/tags/list?n=3&last=v3", "")
	if got := read(res); !slices.Equal(got, []string{"v4"}) || res.Header.Get("Link") != "" {
		t.Errorf("%q, %q", got, res.Header.Get("Link"))
	}
	c.want(202, "", "DELETE", "/v2/a/manifests/v4", "")
	c.want(404, "MANIFEST_UNKNOWN", "DELETE", "/v2/a/manifests/v4", "")
	c.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/a/manifests/v4", "")
	c.want(202, "", "DELETE", "/v2/a/manifests/"+digest(empty), "")
	c.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/a/manifests/v1", "")
}

// A body that ends early leaves nothing behind, and the upload can go on.
func TestBrokenUpload(t *testing.T) {
	store, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // a test
	post := httptest.NewRecorder()
	store.ServeHTTP(post, httptest.NewRequest("POST", "/v2/a/blobs/uploads/", nil))
	at := post.Header().Get("Location")
	send := func(method, path string, body io.Reader) int {
		w := httptest.NewRecorder()
		store.ServeHTTP(w, httptest.NewRequest(method, path, body))
		return w.Code
	}
	broken := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), errReader{io.ErrUnexpectedEOF})
	}
	if got := send("PATCH", at, strings.NewReader("whole")); got != 202 {
		t.Fatal(got)
	}
	for range 2 {
		if got := send("PATCH", at, broken("half")); got != 400 {
			t.Errorf("broken chunk: %d", got)
		}
		if got := send("PUT", at+"?digest="+digest("whole content"), broken(" con")); got != 400 {
			t.Errorf("broken end: %d", got)
		}
	}
	if got := send("GET", "/v2/a/blobs/"+digest("whole content"), nil); got != 404 {
		t.Errorf("a broken blob is there: %d", got)
	}
	if got := send("PUT", at+"?digest="+digest("whole content"), strings.NewReader(" content")); got != 201 {
		t.Errorf("the upload did not go on: %d", got)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, Options{})
	if _, err := Serve(t.Context(), dir, "", Options{}); err == nil || !strings.Contains(err.Error(), "served by another process") {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A cancelled context ends it too.
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Serve(ctx, dir, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if s, err = Serve(t.Context(), dir, "", Options{}); err != nil {
		t.Error(err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestLoopbackAlone(t *testing.T) {
	for _, addr := range []string{":5000", "0.0.0.0:5000", "10.0.0.1:5000", "example.com:5000", "5000", "[::]:1"} {
		if _, err := Serve(t.Context(), t.TempDir(), addr, Options{}); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// Parallel pushes of the same and of other content do not disturb each other.
func TestParallel(t *testing.T) {
	s := serve(t, t.TempDir(), Options{})
	shared, err := random.Image(64<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			own, err := random.Image(64<<10, 2)
			if err != nil {
				return err
			}
			for n, img := range []v1.Image{shared, own} {
				if err := remote.Write(ref(t, s, fmt.Sprint("r", i%3), fmt.Sprintf("t%d-%d", i, n)), img); err != nil {
					return err
				}
			}
			got, err := remote.Image(ref(t, s, fmt.Sprint("r", i%3), fmt.Sprintf("t%d-0", i)))
			if err != nil {
				return err
			}
			return validate.Image(got)
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

const childKey = "EMBEDDED_TEST_DIR"

// TestKilled kills a process that serves, while content comes in, and looks at
// what is left: whatever has a name is whole.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(childKey); dir != "" {
		s, err := Serve(context.Background(), dir, "", Options{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("listening on", s.Addr)
		if err := s.Wait(); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir, self := t.TempDir(), os.Args[0]
	for round := range 8 {
		cmd := exec.Command(self, "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), childKey+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var addr string
		if _, err := fmt.Fscanf(out, "listening on %s\n", &addr); err != nil {
			t.Fatal(err)
		}
		var pushed sync.WaitGroup
		once := make(chan bool, 3000)
		for i := range 3 {
			pushed.Go(func() {
				for n := range 1000 {
					index, err := random.Index(8<<10, 2, 2)
					if err != nil {
						return
					}
					tag, err := name.NewTag(fmt.Sprintf("%s/repo%d:t%d-%d", addr, i, round, n))
					if err != nil {
						return
					}
					if err := remote.WriteIndex(tag, index, remote.WithRetryBackoff(remote.Backoff{Steps: 1})); err != nil {
						return
					}
					once <- true
				}
			})
		}
		<-once // others are on their way
		time.Sleep(time.Duration(3*round) * time.Millisecond)
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		pushed.Wait()
	}
	s := serve(t, dir, Options{})
	if left, err := os.ReadDir(filepath.Join(dir, "uploads")); err != nil || len(left) > 0 {
		t.Errorf("%d uploads left, %v", len(left), err)
	}
	seen := 0
	for i := range 3 {
		repo, err := name.NewRepository(s.Repository(fmt.Sprint("repo", i)))
		if err != nil {
			t.Fatal(err)
		}
		tags, err := remote.List(repo)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			index, err := remote.Index(repo.Tag(tag))
			if err != nil {
				t.Errorf("tag %s: %v", tag, err)
				continue
			}
			if err := validate.Index(index); err != nil {
				t.Errorf("tag %s: %v", tag, err)
			}
			seen++
		}
	}
	if seen == 0 {
		t.Error("nothing was pushed before the kills: the test saw nothing")
	}
	t.Logf("%d indexes are whole after 8 kills", seen)
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"sha256:00"},"layers":[{}],"manifests":[{"digest":"x"}],"subject":{}}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"subject":{"digest":"` + digest("x") + `"}}`))
	store, err := Open(f.TempDir(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, path := range []string{"/v2/a/manifests/x", "/v2/a/manifests/" + digest(string(raw))} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("PUT", path, bytes.NewReader(raw))
			r.Header.Set("Content-Type", "application/x")
			store.ServeHTTP(w, r)
			if w.Code != 201 && w.Code != 400 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

// BenchmarkUpload sends 17 MB blobs, as one of the product's binaries has.
func BenchmarkUpload(b *testing.B) {
	s := serve(b, b.TempDir(), Options{})
	text := make([]byte, 17<<20)
	b.SetBytes(int64(len(text)))
	for i := 0; b.Loop(); i++ {
		copy(text, fmt.Sprint(i, "."))
		res, err := http.Post("http://"+s.Addr+"/v2/a/blobs/uploads/?digest="+digest(string(text)), "application/octet-stream", bytes.NewReader(text))
		if err != nil || res.StatusCode != 201 {
			b.Fatal(err, res)
		}
		_ = res.Body.Close()
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestMemory receives a large blob and looks at what was allocated for it.
func TestMemory(t *testing.T) {
	const size = 256 << 20
	sum := sha256.New()
	if _, err := io.CopyN(sum, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	store, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // a test
	h := hex.EncodeToString(sum.Sum(nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := httptest.NewRecorder()
	store.ServeHTTP(w, httptest.NewRequest("POST", "/v2/a/blobs/uploads/?digest=sha256:"+h, io.LimitReader(zeros{}, size)))
	if w.Code != http.StatusCreated {
		t.Fatal(w.Code, w.Body)
	}
	res := &counting{header: http.Header{}}
	store.ServeHTTP(res, httptest.NewRequest("GET", "/v2/a/blobs/sha256:"+h, nil))
	if n := res.n; n != size {
		t.Errorf("got %d bytes back", n)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("a blob of %d bytes allocated %d", size, grown)
	}
}

// counting counts an answer's bytes.
type counting struct {
	header http.Header
	n      int
}

func (c *counting) Header() http.Header { return c.header }
func (c *counting) WriteHeader(int)     {}
func (c *counting) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}
