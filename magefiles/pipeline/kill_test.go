package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// child is a release that runs in a process of its own, to be killed.
type child struct {
	Dir, Dist, Image, Keys string
	// Env is the environment; without a forge in it, pages are a directory.
	Env   map[string]string
	Order Order
}

const childEnv = "RELEASE_TEST_CHILD"

func TestMain(m *testing.M) {
	// The test binary is its own child: a process that can be killed or
	// measured.
	var err error
	switch order, size := os.Getenv(childEnv), os.Getenv(memoryEnv); {
	case order != "":
		err = runChild([]byte(order))
	case size != "":
		err = memoryChild(size)
	case os.Getenv(triedEnv) != "":
		err = triedChild(os.Getenv(triedEnv))
	case os.Getenv(verifyEnv) != "":
		err = verifyChild(os.Getenv(verifyEnv), os.Args[1:])
	case os.Getenv(rebuiltEnv) != "":
		err = rebuiltChild(os.Getenv(rebuiltEnv), os.Args[1:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(text []byte) error {
	var c child
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	sealed, err := os.ReadFile(filepath.Join(c.Keys, "cosign.key"))
	if err != nil {
		return err
	}
	key, err := attest.ParseKey(sealed, func() ([]byte, error) { return nil, nil })
	if err != nil {
		return err
	}
	s, err := New(Suite{
		Product: tiny(), Dir: c.Dir, Dist: c.Dist, Image: c.Image, Key: key,
		Getenv: func(name string) string { return c.Env[name] }, UI: term.Discard(), Out: os.Stdout,
	})
	if err != nil {
		return err
	}
	if c.Env[envForge] == "" {
		s.Forge = forge.Directory(filepath.Join(c.Dist, releasesDir))
	}
	_, err = s.release(context.Background(), s.UI, c.Order)
	return err
}

// TestKilled kills release:stable at every write to the registry, once before
// the write gets there and once after it, looks at what is left, and runs it
// again: the end is always the same.
func TestKilled(t *testing.T) {
	w := newWorld(t, tiny())
	before := t.TempDir()
	w.on(before, nil, func() {
		ok(t, w.play(t.Context(), w.history.Episodes[0]))
	})
	stable := w.history.Episodes[3]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), stable.Commit))
	order := Order{Ref: stable.Ref, Channels: []decide.Channel{stable.Channel}}
	first := w.outcomes[0].Digest

	// Undisturbed, to know where it has to end and how many writes it makes.
	var want map[string]string
	counter := &killer{}
	world := filepath.Join(t.TempDir(), "undisturbed")
	ok(t, copyAll(before, world, nil))
	w.on(world, counter, func() {
		ok(t, w.child(order, nil))
		want = w.state(t, world)
	})
	if counter.n < 20 {
		t.Fatalf("a release makes %d writes: the test does not see them", counter.n)
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for n := 1; n <= counter.n; n += step {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d of %d, after it %t", n, counter.n, after), func(t *testing.T) {
				world := filepath.Join(t.TempDir(), "world")
				ok(t, copyAll(before, world, nil))
				kill := &killer{at: n, after: after}
				w.on(world, kill, func() {
					if err := w.child(order, kill); err == nil {
						t.Error("the release was not killed")
					}
				})
				w.on(world, nil, func() { w.invariants(t, world, first) })
				w.on(world, nil, func() {
					ok(t, w.child(order, nil))
					if got := w.state(t, world); !maps.Equal(got, want) {
						t.Errorf("after a second run the state is\n%s\nwant\n%s", lines(got), lines(want))
					}
				})
			})
		}
	}
}

// on serves the registry of a directory and has the forge lie beside it.
func (w *world) on(dir string, k *killer, f func()) {
	w.t.Helper()
	store, err := embedded.Open(filepath.Join(dir, "registry"), embedded.Options{})
	ok(w.t, err)
	var h http.Handler = store
	if k != nil {
		k.next = store
		h = k
	}
	server := httptest.NewServer(h)
	w.Image = strings.TrimPrefix(server.URL, "http://") + "/tiny/tinyd"
	releases := w.dist(releasesDir)
	ok(w.t, os.RemoveAll(releases))
	ok(w.t, os.MkdirAll(w.dist(), 0o755))
	ok(w.t, os.MkdirAll(filepath.Join(dir, releasesDir), 0o755))
	ok(w.t, os.Symlink(filepath.Join(dir, releasesDir), releases))
	f()
	server.Close()
	ok(w.t, store.Close())
}

// child runs a release in a process of its own; the killer, where there is one,
// ends it.
func (w *world) child(o Order, k *killer) error {
	text, err := json.Marshal(child{Dir: w.Dir, Dist: w.Suite.Dist, Image: w.Image, Keys: filepath.Join(w.dir, rehearsedKeys), Env: w.env, Order: o})
	ok(w.t, err)
	cmd := exec.CommandContext(w.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	said := &strings.Builder{}
	cmd.Stderr = said
	ok(w.t, cmd.Start())
	if k != nil {
		k.begin(cmd.Process)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// killer counts the writes of a registry's client and kills it at one of them.
type killer struct {
	next  http.Handler
	at    int
	after bool

	mu     sync.Mutex
	n      int
	victim *os.Process
}

func (k *killer) begin(p *os.Process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.victim = p
}

func (k *killer) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.victim != nil {
		_ = k.victim.Kill()
	}
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		k.next.ServeHTTP(w, r)
		return
	}
	k.mu.Lock()
	k.n++
	n := k.n
	k.mu.Unlock()
	switch {
	case k.at == 0 || n < k.at:
		k.next.ServeHTTP(w, r)
	case n == k.at && k.after:
		k.next.ServeHTTP(httptest.NewRecorder(), r)
		k.kill()
		panic(http.ErrAbortHandler)
	default: // what else was under way dies with it
		k.kill()
		panic(http.ErrAbortHandler)
	}
}

// invariants hold at every moment: no rolling tag points at a digest without
// verified proofs, no immutable tag has changed, no release page is public
// with files missing.
func (w *world) invariants(t *testing.T, dir string, first v1.Hash) {
	t.Helper()
	repo, err := name.NewRepository(w.Image)
	ok(t, err)
	tags, err := remote.List(repo)
	ok(t, err)
	for _, tag := range tags {
		if strings.HasPrefix(tag, "sha256-") {
			continue
		}
		d, err := remote.Head(repo.Tag(tag))
		ok(t, err)
		if tag == "0.2.0" && d.Digest != first {
			t.Errorf("the immutable tag %s was moved to %s", tag, d.Digest)
		}
		result, err := verify.Image(t.Context(), repo.Digest(d.Digest.String()), verify.Trust{Key: w.Key.PublicPEM()}, verify.Expect{Source: tiny().Source})
		if err != nil || !result.Proves(d.Digest) {
			t.Errorf("tag %s points at %s, which is not proven: %v", tag, d.Digest, err)
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, releasesDir, "v*"))
	ok(t, err)
	for _, page := range pages {
		if err := run.Do(t.Context(), run.Cmd{Name: "sha256sum", Args: []string{"--check", "--strict", "--quiet", "SHA256SUMS"}, Dir: page}); err != nil {
			t.Errorf("the public page %s is not whole: %v", page, err)
		}
	}
}

// state is all that a release leaves: tags with their digests, files with their
// checksums.
func (w *world) state(t *testing.T, dir string) map[string]string {
	t.Helper()
	repo, err := name.NewRepository(w.Image)
	ok(t, err)
	tags, err := remote.List(repo)
	ok(t, err)
	out := map[string]string{}
	for _, tag := range tags {
		d, err := remote.Head(repo.Tag(tag))
		ok(t, err)
		out["tag "+tag] = d.Digest.String()
		list, err := remote.Referrers(repo.Digest(d.Digest.String()))
		ok(t, err)
		m, err := list.IndexManifest()
		ok(t, err)
		for _, r := range m.Manifests {
			out["referrer of "+d.Digest.String()+" "+r.Digest.String()] = "there"
		}
	}
	files, err := run.Text(t.Context(), run.Cmd{Name: "sh", Args: []string{"-c", "find . -type f | LC_ALL=C sort | xargs sha256sum"}, Dir: filepath.Join(dir, releasesDir)})
	ok(t, err)
	for line := range strings.Lines(files) {
		sum, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		out["file "+file] = sum
	}
	return out
}

func lines(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+": "+m[k])
	}
	return strings.Join(out, "\n")
}
