// Package stack runs a product to try things on, and takes it away again
// without a trace. It knows how the product is started, not what it is asked.
package stack

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Service is a part of a running product that can fail on its own.
type Service string

const (
	Backend     Service = "backend"
	Database    Service = "database"
	ObjectStore Service = "object store"
)

// Stack is a running product. One goroutine at a time uses it. Whoever opened
// it defers Destroy at once, so that nothing stays behind after success,
// failure, cancellation or a panic:
//
//	defer func() { err = errors.Join(err, s.Destroy(ctx)) }()
//
// A kind that cannot do what a method asks says so with [*UnsupportedError].
type Stack interface {
	// Start starts services, all of them where none is named, and returns when
	// the product is ready. What runs already is left alone. The URL may be
	// another one afterwards.
	Start(ctx context.Context, services ...Service) error
	// Stop takes a service away: it ends, or does not answer.
	Stop(ctx context.Context, service Service) error
	// Restart stops services and starts them again with the data they had.
	Restart(ctx context.Context, services ...Service) error
	// Ready waits until the product says that it can work. Errors:
	// [*ExitError] at once when it ends, [*ReadinessError] when patience does.
	Ready(ctx context.Context) error
	// Unready waits until the product, still running, says that it cannot
	// work. Errors as those of Ready.
	Unready(ctx context.Context) error
	// URL is where the product answers, without a slash at its end.
	URL() string
	// Secrets are those that this run was given.
	Secrets() Secrets
	// Logs writes all that a service has logged so far, secrets masked.
	Logs(ctx context.Context, service Service, to io.Writer) error
	// Leaks finds the secrets of this run in the logs, see [Secrets.Leaks].
	Leaks(ctx context.Context) ([]Leak, error)
	// Snapshot copies database and objects into dir, which must be empty or
	// not there. Writers are stopped meanwhile. A new stack can begin with it;
	// it holds no secrets, and with other ones the data may not be readable.
	Snapshot(ctx context.Context, dir string) error
	// Destroy ends everything and removes it. It may be called at any time and
	// more than once. A context that has ended makes it impatient, no less
	// thorough. What stays is named by a [*LeftoverError].
	Destroy(ctx context.Context) error
}

// Leak is a secret that a service has logged.
type Leak struct {
	Service Service
	// Secret is its name.
	Secret string
}

// UnsupportedError is something that a kind of stack cannot do. A check that
// needs it is not applicable there, which is neither passed nor failed.
type UnsupportedError struct {
	// Kind is the kind of stack, Op what was asked, as in "stop".
	Kind, Op string
	Service  Service
	// Reason says why not, as the end of a sentence.
	Reason string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("a stack of kind %q cannot %s the %s: %s", e.Kind, e.Op, e.Service, e.Reason)
}

// ExitError is a service that ended and was not asked to.
type ExitError struct {
	Service Service
	// Code is its exit code, -1 where a signal ended it.
	Code int
	// Status is the same in words, as in "exit status 3".
	Status string
	// Tail is the last of what it logged, secrets masked.
	Tail string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("the %s ended by itself (%s)%s", e.Service, e.Status, said(e.Tail))
}

// ReadinessError is a product whose readiness did not become what was waited
// for.
type ReadinessError struct {
	// Want is "ready" or "unready", URL the address that was asked.
	Want, URL string
	Waited    time.Duration
	// Last is what the last attempt found.
	Last string
	// Tail is the last of what the backend logged, secrets masked.
	Tail string
}

func (e *ReadinessError) Error() string {
	return fmt.Sprintf("the product was not %s within %s: GET %s: %s%s",
		e.Want, e.Waited.Round(time.Millisecond), e.URL, e.Last, said(e.Tail))
}

// KilledError is a service that did not end when asked to.
type KilledError struct {
	Service Service
	Waited  time.Duration
	Tail    string
}

func (e *KilledError) Error() string {
	return fmt.Sprintf("the %s did not end within %s of SIGTERM and was killed; it has to handle that signal%s",
		e.Service, e.Waited, said(e.Tail))
}

// LeftoverError names what could not be removed.
type LeftoverError struct {
	Paths []string
	Err   error
}

func (e *LeftoverError) Error() string {
	return fmt.Sprintf("the stack could not be removed (%v); remove by hand: %s", e.Err, strings.Join(e.Paths, ", "))
}

func (e *LeftoverError) Unwrap() error { return e.Err }

func said(tail string) string {
	if tail == "" {
		return "; it logged nothing"
	}
	return "; the last it logged:\n" + tail
}
