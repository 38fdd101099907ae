package converge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// Verifier proves an index by what the registry holds. Version is zero for
// edge and nightly builds, and another release's where a rolling tag is to be
// moved there.
type Verifier func(ctx context.Context, digest v1.Hash, version decide.Version) (verify.Result, error)

// Publisher brings registry and forge where they should be.
type Publisher struct {
	Registry *registry.Registry
	Forge    forge.Forge
	// Verify is asked before anything gets a name.
	Verify Verifier
	// Withdrawn tells what may no longer get a rolling tag. Nil stands for a
	// registry in which nothing was ever withdrawn.
	Withdrawn Withdrawn
	// Ancestor tells whether one commit is an ancestor of another; edge and
	// nightly builds need it.
	Ancestor func(ctx context.Context, ancestor, descendant string) (bool, error)
	// Differs says in a few words what differs between this build and the one
	// that stands under the commit's tag. It may be nil.
	Differs func(ctx context.Context, mine, theirs v1.Hash) string
	// Jobs is how many requests or uploads run side by side, 8 by default.
	Jobs int
	// Watch hears of what is done.
	Watch Watch
}

func (p *Publisher) jobs() int {
	if p.Jobs > 0 {
		return p.Jobs
	}
	return 8
}

// Watch is told what happens. Its functions may be nil, and are called from
// several goroutines.
type Watch struct {
	Begun func(Action)
	// Done hears the error of an action that failed.
	Done func(Action, error)
	// Sent hears of bytes that went out; a negative number takes back those of
	// a failed try.
	Sent func(int64)
}

func (w Watch) begun(a Action) {
	if w.Begun != nil {
		w.Begun(a)
	}
}

func (w Watch) done(a Action, err error) {
	if w.Done != nil {
		w.Done(a, err)
	}
}

func (w Watch) sent(n int64) {
	if w.Sent != nil && n != 0 {
		w.Sent(n)
	}
}

// Outcome is what a run did.
type Outcome struct {
	// Done are the actions that were done, Skips included.
	Done []Action
	// Proofs are the verifications that were made on the way.
	Proofs map[v1.Hash]verify.Result
}

// Converge observes, compares and applies until nothing is left to do. Where a
// tag is moved or a version withdrawn by another run meanwhile, it looks again.
func (p *Publisher) Converge(ctx context.Context, want Desired) (Outcome, error) {
	out := Outcome{Proofs: map[v1.Hash]verify.Result{}}
	const rounds = 4
	for round := 1; ; round++ {
		have, err := p.Observe(ctx, want)
		if err != nil {
			return out, err
		}
		actions, err := Diff(want, have)
		if err != nil {
			return out, err
		}
		err = p.apply(ctx, actions, &out)
		var moved *MovedError
		var withdrawn *WithdrawnError
		if err == nil || round == rounds || (!errors.As(err, &moved) && !errors.As(err, &withdrawn)) {
			return out, err
		}
	}
}

// Apply does the actions of a [Diff]. It stops at the first that fails; doing
// it all again then goes on where it stopped.
func (p *Publisher) Apply(ctx context.Context, actions []Action) (Outcome, error) {
	out := Outcome{Proofs: map[v1.Hash]verify.Result{}}
	err := p.apply(ctx, actions, &out)
	return out, err
}

// run is one application.
type run struct {
	*Publisher
	mu  sync.Mutex
	out *Outcome
	// asked are the digests that are known not to be withdrawn.
	asked map[v1.Hash]bool
}

func (r *run) hold(h v1.Hash, proof verify.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Proofs[h] = proof
}

func (r *run) held(h v1.Hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Proofs[h].Proves(h)
}

func (p *Publisher) apply(ctx context.Context, actions []Action, out *Outcome) error {
	r := &run{Publisher: p, out: out, asked: map[v1.Hash]bool{}}
	for len(actions) > 0 {
		n := 1
		for n < len(actions) && actions[n].rank() == actions[0].rank() {
			n++
		}
		if err := r.step(ctx, actions[:n]); err != nil {
			return err
		}
		out.Done = append(out.Done, actions[:n]...)
		actions = actions[n:]
	}
	return nil
}

// step does actions of one rank side by side.
func (r *run) step(ctx context.Context, actions []Action) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.jobs())
	for _, a := range actions {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.Watch.begun(a)
			err := a.do(ctx, r)
			r.Watch.done(a, err)
			if err != nil {
				return fmt.Errorf("%s: %w", a, err)
			}
			return nil
		})
	}
	return g.Wait()
}
