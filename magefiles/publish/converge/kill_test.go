package converge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// moment is when, in the course of a write, a run dies.
type moment string

const (
	before moment = "before" // the write arrives nowhere
	during moment = "during" // half of it arrives
	after  moment = "after"  // it is done, and nobody learns of it
)

// reaper counts writes and kills the run at one of them. From then on nothing
// arrives any more, save what was on its way.
type reaper struct {
	next http.Handler
	kill func()

	mu    sync.Mutex
	at    int // 0 kills nobody
	when  moment
	count int
	dead  bool
	busy  sync.WaitGroup
}

// arm sets the next death and starts counting anew.
func (k *reaper) arm(at int, when moment, kill func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.when, k.kill, k.count, k.dead = at, when, kill, 0, false
}

// write tells whether this write is the fatal one, and whether the run is dead
// already.
func (k *reaper) write() (fatal, dead bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.count++
	return k.count == k.at && !k.dead, k.dead
}

func (k *reaper) die() {
	k.mu.Lock()
	k.dead = true
	kill := k.kill
	k.mu.Unlock()
	kill()
}

func (k *reaper) writes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count
}

func (k *reaper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.busy.Add(1)
	defer k.busy.Done()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		k.next.ServeHTTP(w, r)
		return
	}
	fatal, dead := k.write()
	switch {
	case dead:
		panic(http.ErrAbortHandler)
	case !fatal:
		k.next.ServeHTTP(w, r)
		return
	}
	switch k.when {
	case during:
		whole, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), cutReader{}))
		func() {
			defer func() { _ = recover() }() // what a registry does when a client goes away
			k.next.ServeHTTP(httptest.NewRecorder(), r)
		}()
	case after:
		k.next.ServeHTTP(httptest.NewRecorder(), r)
	}
	k.die()
	panic(http.ErrAbortHandler)
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// reapedForge counts a forge's writes as well.
type reapedForge struct {
	forge.Forge
	k *reaper
}

var errDead = errors.New("dead")

func (f reapedForge) do(op func(half bool) error) error {
	fatal, dead := f.k.write()
	switch {
	case dead:
		return errDead
	case !fatal:
		return op(false)
	}
	var err error
	if f.k.when != before {
		err = op(f.k.when == during)
	}
	f.k.die()
	return errors.Join(errDead, err)
}

func (f reapedForge) Draft(ctx context.Context, r forge.Release) error {
	return f.do(func(bool) error { return f.Forge.Draft(ctx, r) })
}

func (f reapedForge) Drop(ctx context.Context, tag, name string) error {
	return f.do(func(bool) error { return f.Forge.Drop(ctx, tag, name) })
}

func (f reapedForge) Publish(ctx context.Context, r forge.Release) error {
	return f.do(func(half bool) error {
		if half { // public, and not yet the latest
			r.Latest = false
		}
		return f.Forge.Publish(ctx, r)
	})
}

func (f reapedForge) SetLatest(ctx context.Context, tag string) error {
	return f.do(func(bool) error { return f.Forge.SetLatest(ctx, tag) })
}

func (f reapedForge) Amend(ctx context.Context, tag, notes string) error {
	return f.do(func(bool) error { return f.Forge.Amend(ctx, tag, notes) })
}

func (f reapedForge) Upload(ctx context.Context, tag string, a forge.Asset, c forge.Content) error {
	return f.do(func(half bool) error {
		if half {
			whole := c
			c = func() (io.ReadCloser, error) {
				r, err := whole()
				if err != nil {
					return nil, err
				}
				return struct {
					io.Reader
					io.Closer
				}{io.MultiReader(io.LimitReader(r, a.Size/2), cutReader{}), r}, nil
			}
		}
		return f.Forge.Upload(ctx, tag, a, c)
	})
}

// story is what is published before the run that dies, and the run itself: a
// stable release whose commit was published by edge.
type story struct{ old, edge, next made }

func newStory(t testing.TB) story {
	return story{
		old:  build(t, source{ref: "v0.1.0", commit: commit("a")}),
		edge: build(t, source{ref: "main", commit: commit("b")}),
		next: build(t, source{ref: "v0.2.0", commit: commit("b")}),
	}
}

func (s story) wants() []Desired { return []Desired{s.old.want, s.edge.want, s.next.want} }

// begin gives a world in which the story has begun, with a reaper before its
// registry.
func (s story) begin(t testing.TB, h http.Handler, withEdge bool) (*world, *reaper) {
	k := &reaper{next: h}
	w := newWorld(t, k)
	w.publish(s.old.want)
	if withEdge {
		w.publish(s.edge.want)
	}
	return w, k
}

// TestKilledAnywhere kills a run at every write, in three ways, and runs it
// again; on other registries than the embedded one at every fifth.
func TestKilledAnywhere(t *testing.T) {
	s := newStory(t)
	for name, open := range registries.All() {
		stride := 5
		if name == "embedded" {
			stride = 1 // all of them
		} else if testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, withEdge := range []bool{false, true} {
				w, k := s.begin(t, open(t), withEdge)
				k.arm(0, before, nil)
				p := w.publisher()
				p.Forge = reapedForge{p.Forge, k}
				_, err := p.Converge(t.Context(), s.next.want)
				ok(t, err)
				total, undisturbed := k.writes(), w.everything(s.wants()...)
				if total < 12 {
					t.Fatalf("an undisturbed run makes %d writes: the test counts too few", total)
				}
				kills := 0
				for i, when := range []moment{before, during, after} {
					for n := 1 + i%stride; n <= total; n += stride {
						if testing.Short() && n%3 != i { // each write once
							continue
						}
						killed(t, s, open(t), withEdge, n, when, undisturbed)
						kills++
					}
				}
				t.Logf("edge before: %v; %d writes, %d kills", withEdge, total, kills)
			}
		})
	}
}

func killed(t *testing.T, s story, h http.Handler, withEdge bool, n int, when moment, undisturbed map[string]string) {
	t.Helper()
	w, k := s.begin(t, h, withEdge)
	defer w.server.Close()
	tags := w.tags()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.arm(n, when, cancel)
	p := w.publisher()
	p.Forge = reapedForge{p.Forge, k}
	if _, err := p.Converge(ctx, s.next.want); err == nil {
		t.Errorf("killed %s write %d and it did not notice", when, n)
	}
	k.busy.Wait()
	k.arm(0, before, nil)
	w.invariants(tags)
	tags = w.tags()
	w.publish(s.next.want)
	w.invariants(tags)
	same(t, w.everything(s.wants()...), undisturbed)
	if t.Failed() {
		t.Fatalf("after a kill %s write %d", when, n)
	}
}

// childKey holds the task of a child process.
const childKey = "CONVERGE_TEST_CHILD"

// task is what a child process publishes.
type task struct {
	Repository, Releases, Bundle string
	// ForgeAt is the write of the forge at which it kills itself.
	ForgeAt int
	When    moment
	// Jobs is the publisher's.
	Jobs int
}

// child is the process that is killed.
func child(text string) int {
	var c task
	t := &testing.B{} // newPublisher wants one to complain to
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		var b *bundle.Bundle
		if b, err = bundle.Open(c.Bundle); err == nil {
			var want Desired
			if want, err = wanted(b); err == nil {
				p := newPublisher(t, c.Repository, c.Releases)
				p.Jobs = c.Jobs
				k := &reaper{}
				k.arm(c.ForgeAt, c.When, func() {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
					select {}
				})
				p.Forge = reapedForge{p.Forge, k}
				_, err = p.Converge(context.Background(), want)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// wanted is the Desired of a test's bundle.
func wanted(b *bundle.Bundle) (Desired, error) {
	tags, err := decide.Tags(b.Plan.Ref, b.Plan.Commit, b.Plan.CommitTime, nil, nil)
	if err != nil {
		return Desired{}, err
	}
	return Want(b, tags, Extras{Name: "Test " + b.Plan.Ref.Name, Notes: "# " + b.Plan.Ref.Name + "\n"})
}

func start(t testing.TB, c task) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(c)
	ok(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childKey+"="+string(text))
	return cmd
}

// TestKilledForReal sends SIGKILL to a process that publishes.
func TestKilledForReal(t *testing.T) {
	s := newStory(t)
	open := registries.All()["embedded"]
	w, k := s.begin(t, open(t), false)
	k.arm(0, before, nil)
	p := w.publisher()
	p.Forge = reapedForge{p.Forge, k}
	_, err := p.Converge(t.Context(), s.next.want)
	ok(t, err)
	total, undisturbed := k.writes(), w.everything(s.wants()...)

	const inForge = 5 // draft, three uploads, publish
	type death struct {
		registryAt, forgeAt int
		when                moment
	}
	var deaths []death
	for n := 1; n <= total-inForge; n += 4 {
		deaths = append(deaths, death{n, 0, []moment{before, during, after}[n%3]})
	}
	deaths = append(deaths, death{total - inForge, 0, before}, death{total - inForge, 0, after})
	for n := 1; n <= inForge; n++ {
		deaths = append(deaths, death{0, n, []moment{before, during, after}[n%3]})
	}
	for _, d := range deaths {
		w, k := s.begin(t, open(t), false)
		tags := w.tags()
		cmd := start(t, task{
			Repository: strings.TrimPrefix(w.server.URL, "http://") + "/" + repository, Releases: w.releases,
			Bundle: s.next.Dir, ForgeAt: d.forgeAt, When: d.when,
		})
		var said bytes.Buffer
		cmd.Stderr = &said
		begun, gone := make(chan struct{}), make(chan struct{})
		k.arm(d.registryAt, d.when, func() {
			<-begun
			_ = cmd.Process.Signal(syscall.SIGKILL)
			<-gone
		})
		ok(t, cmd.Start())
		close(begun)
		err := cmd.Wait()
		close(gone)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%+v: the process was not killed: %v\n%s", d, err, &said)
		}
		k.busy.Wait()
		k.arm(0, before, nil)
		w.invariants(tags)
		tags = w.tags()
		w.publish(s.next.want)
		w.invariants(tags)
		same(t, w.everything(s.wants()...), undisturbed)
		w.server.Close()
		if t.Failed() {
			t.Fatalf("after %+v", d)
		}
	}
	t.Logf("%d processes killed", len(deaths))
}
