// Package retry knows which failures of a network pass, how long to wait for
// that, and which requests may be sent twice. Registry and forges share it.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy is the patience with a server that is busy or broken. Zero fields
// stand for the defaults.
type Policy struct {
	// Tries is the number of attempts for one request, 6 by default.
	Tries uint
	// First is the pause after the first failure, half a second by default.
	// Each following one doubles, with jitter, up to Longest (30 s).
	First, Longest time.Duration
	// Total bounds all pauses of one request, 5 minutes by default. A pause
	// that the server asks for and that goes beyond it is not waited for.
	Total time.Duration
	// Clock is the machine's own where it is nil.
	Clock Clock
}

// Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// Sleep waits for d. It ends early with the context, and then gives its
	// cause.
	Sleep(ctx context.Context, d time.Duration) error
}

func (p Policy) withDefaults() Policy {
	if p.Tries == 0 {
		p.Tries = 6
	}
	if p.First == 0 {
		p.First = 500 * time.Millisecond
	}
	if p.Longest == 0 {
		p.Longest = 30 * time.Second
	}
	if p.Total == 0 {
		p.Total = 5 * time.Minute
	}
	if p.Clock == nil {
		p.Clock = machine{}
	}
	return p
}

// Now is the time by the policy's clock.
func (p Policy) Now() time.Time { return p.withDefaults().Clock.Now() }

type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func (machine) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Passing is a failure that may be gone the next time.
type Passing struct {
	Err error
	// After is the pause that the server asked for, 0 where it did not.
	After time.Duration
}

func (e *Passing) Error() string { return e.Err.Error() }
func (e *Passing) Unwrap() error { return e.Err }

// Permanent is a failure that is not tried again although it comes from the
// network's side: [Broken] denies it.
type Permanent struct{ Err error }

func (e *Permanent) Error() string { return e.Err.Error() }
func (e *Permanent) Unwrap() error { return e.Err }

// Do runs op until it succeeds, fails for good or patience ends. Only an error
// that is a [*Passing] is tried again. The last result comes back with the last
// error, taken out of its Passing. When the context ends while waiting, its
// cause is the error.
func Do[T any](ctx context.Context, p Policy, op func() (T, error)) (T, error) {
	p = p.withDefaults()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier = p.First, p.Longest, 2
	begin := p.Clock.Now()
	for try := uint(1); ; try++ {
		out, err := op()
		var pass *Passing
		if !errors.As(err, &pass) {
			return out, err
		}
		if try >= p.Tries {
			return out, pass.Err
		}
		if err := context.Cause(ctx); err != nil {
			return out, err
		}
		next := pause.NextBackOff()
		if pass.After > 0 {
			// A little more than asked, so that parallel requests part.
			next = pass.After + rand.N(pass.After/10+1)
			pause.Reset()
		}
		if p.Clock.Now().Sub(begin)+next > p.Total {
			return out, pass.Err
		}
		if err := p.Clock.Sleep(ctx, next); err != nil {
			return out, err
		}
	}
}
