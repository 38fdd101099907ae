// Package stack runs a product to try things on, and takes it away again
// without a trace. It knows how the product is started, not what it is asked.
package stack

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Service is a part of a running product that can fail on its own.
type Service string

const (
	Backend     Service = "backend"
	Database    Service = "database"
	ObjectStore Service = "object store"
	// Proxy is what answers at the stack's URL, where that is not the backend
	// itself.
	Proxy Service = "proxy"
)

// Stack is a running product. One goroutine at a time uses it. Whoever opened
// it defers Destroy at once, so that nothing stays behind after success,
// failure, cancellation or a panic:
//
//	defer func() { err = errors.Join(err, s.Destroy(ctx)) }()
//
// A kind that cannot do what a method asks says so with [*UnsupportedError].
type Stack interface {
	// Kind is "process" or "compose".
	Kind() string
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
	// Probe starts the product once more beside this stack, with these
	// variables over its own, and stops it again when it is ready. Errors:
	// [*ExitError] where it ended by itself, [*ReadinessError]. It leaves
	// nothing behind; what it logged is searched by Leaks.
	Probe(ctx context.Context, env map[string]string) error
	// Destroy ends everything and removes it. It may be called at any time and
	// more than once. A context that has ended makes it impatient, no less
	// thorough. What stays is named by a [*LeftoverError].
	Destroy(ctx context.Context) error
}

// Data is the data of a stack, for backups. Replay and ReplaceObjects stop what
// uses the data and leave it stopped: [Stack.Start] comes after them. Where
// they fail, the data is gone or not to be used.
type Data interface {
	// Database is "postgres" or "sqlite".
	Database() string
	// Dump writes what pg_dump does in its plain format; of SQLite the database
	// file, and the backend is stopped meanwhile.
	Dump(ctx context.Context, to io.Writer) error
	// Replay puts a dump in the place of the database, and stops at the first
	// error in it. An error of from is given back as it is.
	Replay(ctx context.Context, from io.Reader) error
	// PackObjects writes the object store's data as a tar stream, with names
	// relative to its directory.
	PackObjects(ctx context.Context, to io.Writer) error
	// ReplaceObjects puts the content of a tar stream in the place of the object
	// store's data. Owners and modes become such that the store can write; what
	// is neither a file nor a directory, or leads elsewhere, is refused.
	ReplaceObjects(ctx context.Context, from io.Reader) error
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

// CollisionError is a compose project that is in use.
type CollisionError struct {
	Project string
	// Found names all containers, networks and volumes with its label.
	Found []string
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("project %q is in use: %s carry its label; wait until whoever runs it is done, or look at them and remove them with `docker compose --project-name %s down` (with --volumes, their data too)",
		e.Project, strings.Join(e.Found, ", "), e.Project)
}

// PortError is a port of this machine that another program has.
type PortError struct {
	// Service is the one that wants it, Address host and port.
	Service Service
	Address string
	// Holder is the container that has it, empty where it is none.
	Holder string
	Err    error
}

func (e *PortError) Error() string {
	_, port, _ := net.SplitHostPort(e.Address)
	who := fmt.Sprintf("`ss -ltnp 'sport = :%s'` tells which program has it", port)
	if e.Holder != "" {
		who = "container " + e.Holder + " has it"
	}
	return fmt.Sprintf("the %s cannot listen on %s, which is taken: %s; stop that and start again", e.Service, e.Address, who)
}

func (e *PortError) Unwrap() error { return e.Err }

// LeftoverError names what could not be removed.
type LeftoverError struct {
	// Paths are files and directories, or things of Docker's with their kind
	// before their name.
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
