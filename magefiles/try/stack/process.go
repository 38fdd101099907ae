package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// ProcessOptions say what to run as a process, and with what.
type ProcessOptions struct {
	// Run says how the product is run; its Process must be there.
	Run product.Run
	// Binary is the path of the product's server. A copy of it is run.
	Binary string
	// Digest is what the binary must have, as "sha256:<hex>"; empty: any.
	Digest string
	// Frontend is the directory of the built frontend; empty: none.
	Frontend string
	// Parent is the directory below which the stack makes its own; empty: that
	// of temporary files.
	Parent string
	// Env is handed to the program besides what the stack sets, and wins over
	// it. The program gets nothing of this process's environment.
	Env map[string]string
	// Secrets are those to run with; empty: new ones. To take over another
	// stack's data, take over its secrets.
	Secrets Secrets
	// Snapshot is a directory that Snapshot filled, to begin with its data;
	// empty: no data. It is only read.
	Snapshot string
	// Patience is how long readiness is waited for, 60 seconds by default, and
	// Grace what a program gets to end in, 10 seconds by default.
	Patience, Grace time.Duration
}

// Process is a stack for machines without Docker: the product's server as a
// child process on a free port of the loopback interface, with its embedded
// database and a local object store in a temporary directory of its own.
//
// The object store is stopped by putting a file in the place of its directory,
// so that every access fails. The database has no stop of its own: it is a
// part of the server. Stopped means for the server: ended.
type Process struct {
	o       ProcessOptions
	dir     string
	secrets Secrets
	child   *child
	address string
	// probed are the leaks of the probes.
	probed []Leak
}

var (
	_ Stack = (*Process)(nil)
	_ Data  = (*Process)(nil)
)

const kindProcess = "process"

// portTries is how often another port is taken when one is in use.
const portTries = 5

// OpenProcess prepares a stack and starts nothing yet. The caller defers
// [Process.Destroy].
func OpenProcess(ctx context.Context, o ProcessOptions) (_ *Process, err error) {
	if o.Run.Process == nil {
		return nil, errors.New("the product cannot be run as a single process: its definition says nothing of how (Product.Run.Process)")
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if len(o.Secrets) == 0 {
		o.Secrets = NewSecrets(o.Run.Secrets...)
	}
	dir, err := os.MkdirTemp(o.Parent, "rustshare-stack-")
	if err != nil {
		return nil, fmt.Errorf("making the stack's directory: %w", err)
	}
	// The program runs elsewhere than we do.
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the stack's directory: %w", err)
	}
	p := &Process{o: o, dir: dir, secrets: o.Secrets}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Destroy(ctx))
		}
	}()
	for _, d := range []string{"data", "frontend", "tmp", "work"} {
		if err := os.Mkdir(p.path(d), 0o700); err != nil {
			return nil, fmt.Errorf("preparing the stack: %w", err)
		}
	}
	if err := copyBinary(o.Binary, p.path("server"), o.Digest); err != nil {
		return nil, fmt.Errorf("taking the binary: %w", err)
	}
	if o.Frontend != "" {
		if p.o.Frontend, err = filepath.Abs(o.Frontend); err != nil {
			return nil, fmt.Errorf("finding the frontend: %w", err)
		}
	}
	if o.Snapshot == "" {
		return p, nil
	}
	if _, err := os.Lstat(filepath.Join(o.Snapshot, databaseFile)); err != nil {
		return nil, fmt.Errorf("%s is not a snapshot of a stack: %w", o.Snapshot, err)
	}
	if err := copyTree(ctx, o.Snapshot, p.path("data")); err != nil {
		return nil, fmt.Errorf("restoring the snapshot: %w", err)
	}
	return p, nil
}

func (p *Process) path(elem ...string) string {
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

// Dir is the stack's directory.
func (p *Process) Dir() string { return p.dir }

// Kind is "process".
func (p *Process) Kind() string { return kindProcess }

// URL is empty before the first start.
func (p *Process) URL() string {
	if p.address == "" {
		return ""
	}
	return "http://" + p.address
}

// Secrets are those that the server was given.
func (p *Process) Secrets() Secrets { return p.secrets }

func (p *Process) unsupported(op string, s Service) error {
	reason := "there is no such service"
	if s == Database {
		reason = "it is a part of the backend's process, which keeps its file open"
	}
	return &UnsupportedError{Kind: kindProcess, Op: op, Service: s, Reason: reason}
}

// Start starts the object store before the server. An address in use makes it
// take another port.
func (p *Process) Start(ctx context.Context, services ...Service) error {
	if len(services) == 0 {
		services = []Service{ObjectStore, Backend}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("starting: %w", context.Cause(ctx))
	}
	backend := false
	for _, s := range services {
		switch s {
		case Backend:
			backend = true
		case ObjectStore:
			if err := p.returnObjects(); err != nil {
				return fmt.Errorf("starting the object store: %w", err)
			}
		default:
			return p.unsupported("start", s)
		}
	}
	if p.running() {
		return p.Ready(ctx)
	}
	if !backend {
		return nil
	}
	for try := 1; ; try++ {
		if err := p.launch(ctx); err != nil {
			return fmt.Errorf("starting the backend: %w", err)
		}
		err := p.Ready(ctx)
		var exit *ExitError
		if try < portTries && errors.As(err, &exit) && strings.Contains(strings.ToLower(exit.Tail), "address already in use") {
			p.address = ""
			continue
		}
		return err
	}
}

func (p *Process) running() bool { return p.child != nil && !p.child.ended() }

// launch starts the server, on the port it had before where it had one.
func (p *Process) launch(ctx context.Context) error {
	if p.address == "" {
		address, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		p.address = address
	}
	log, err := os.OpenFile(p.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	at, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	c, err := start(ctx, func() *exec.Cmd {
		// Not bound to ctx, which is that of starting alone.
		cmd := exec.CommandContext(context.WithoutCancel(ctx), p.path("server"))
		cmd.Dir, cmd.Env = p.path("work"), p.environment()
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = ownGroup()
		return cmd
	})
	if err != nil {
		return err
	}
	c.logged = at
	p.child = c
	return nil
}

// Stop supports the backend and the object store.
func (p *Process) Stop(ctx context.Context, service Service) error {
	switch service {
	case Backend:
		return p.stopBackend(ctx)
	case ObjectStore:
		if err := p.takeObjects(); err != nil {
			return fmt.Errorf("stopping the object store: %w", err)
		}
		return nil
	default:
		return p.unsupported("stop", service)
	}
}

func (p *Process) stopBackend(ctx context.Context) error {
	c := p.child
	if c == nil {
		return nil
	}
	if c.ended() {
		p.child = nil
		return c.exit(p.tail(c))
	}
	killed, err := c.stop(ctx, p.o.Grace)
	if err != nil {
		return err
	}
	p.child = nil
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if killed {
		return &KilledError{Service: Backend, Waited: p.o.Grace, Tail: p.tail(c)}
	}
	return nil
}

// Restart restarts the backend where no service is named.
func (p *Process) Restart(ctx context.Context, services ...Service) error {
	if len(services) == 0 {
		services = []Service{Backend}
	}
	for _, s := range services {
		if err := p.Stop(ctx, s); err != nil {
			return fmt.Errorf("restarting: %w", err)
		}
	}
	if err := p.Start(ctx, services...); err != nil {
		return fmt.Errorf("restarting: %w", err)
	}
	return nil
}

// Probe runs a second server in a directory of its own, without data.
func (p *Process) Probe(ctx context.Context, env map[string]string) (err error) {
	o := p.o
	o.Snapshot, o.Env = "", maps.Clone(p.o.Env)
	if o.Env == nil {
		o.Env = map[string]string{}
	}
	maps.Copy(o.Env, env)
	other, err := OpenProcess(ctx, o)
	if err != nil {
		return fmt.Errorf("preparing a second server: %w", err)
	}
	defer func() { err = errors.Join(err, other.Destroy(ctx)) }()
	err = other.Start(ctx)
	leaks, lerr := other.Leaks(context.WithoutCancel(ctx))
	p.probed = append(p.probed, leaks...)
	if errors.Is(lerr, fs.ErrNotExist) { // it was never started
		lerr = nil
	}
	return errors.Join(err, lerr)
}

// Destroy ends the server and removes the stack's directory.
func (p *Process) Destroy(ctx context.Context) error {
	var stuck error
	if p.child != nil {
		_, stuck = p.child.stop(ctx, p.o.Grace)
	}
	if stuck == nil {
		p.child = nil
	}
	return errors.Join(stuck, removeAll(p.dir))
}
