package pilot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// witness is an instance whose logs are kept for the logs phase before it is
// destroyed.
type witness struct {
	drill.Instance
	p *pilot
	// name tells the stacks of a run apart.
	name string
	done bool
}

// gathered is a log that waits to be packed.
type gathered struct {
	path, stack string
	service     stack.Service
}

// openStack is the opener that all of a run uses, its drills included.
func (p *pilot) openStack(ctx context.Context, o drill.Opening) (drill.Instance, error) {
	s, err := p.o.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	p.opened++
	p.secrets = append(p.secrets, s.Secrets())
	for _, value := range s.Secrets().Values() {
		p.o.Mask(value)
	}
	return &witness{Instance: s, p: p, name: fmt.Sprintf("%d-%s", p.opened, o.Name)}, nil
}

// Destroy gathers the logs first, unless time is over.
func (w *witness) Destroy(ctx context.Context) error {
	if ctx.Err() == nil {
		if err := w.gather(ctx); err != nil {
			w.p.unread = append(w.p.unread, err)
		}
	}
	return w.Instance.Destroy(ctx)
}

// execer is a stack that runs commands in its services.
type execer interface {
	Exec(ctx context.Context, service stack.Service, cmd []string, in io.Reader, out io.Writer) error
}

// Exec runs a command in a service, where the stack can.
func (w *witness) Exec(ctx context.Context, service stack.Service, cmd []string, in io.Reader, out io.Writer) error {
	e, ok := w.Instance.(execer)
	if !ok {
		return &stack.UnsupportedError{Kind: w.Kind(), Op: "run a command in", Service: service, Reason: "its services are not containers"}
	}
	return e.Exec(ctx, service, cmd, in, out)
}

func services() []stack.Service {
	return []stack.Service{stack.Backend, stack.Database, stack.ObjectStore, stack.Proxy}
}

// gather writes the logs of each service, masked, into the scratch directory,
// and notes the secrets that were in them.
func (w *witness) gather(ctx context.Context) error {
	if w.done {
		return nil
	}
	w.done = true
	if err := w.p.leaks(ctx, w); err != nil {
		return err
	}
	if w.p.scratch == "" {
		dir, err := os.MkdirTemp(w.p.path(), atomicfile.Prefix+"logs-")
		if err != nil {
			return fmt.Errorf("gathering the logs: %w", err)
		}
		w.p.scratch = dir
	}
	for _, service := range services() {
		name := w.name + "-" + strings.ReplaceAll(string(service), " ", "-") + ".log"
		if err := w.keepLog(ctx, service, filepath.Join(w.p.scratch, name)); err != nil {
			return fmt.Errorf("gathering the log of the %s of the stack %s: %w", service, w.name, err)
		}
	}
	return nil
}

func (w *witness) keepLog(ctx context.Context, service stack.Service, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(w.Logs(ctx, service, f), f.Close())
	var unsupported *stack.UnsupportedError
	if errors.As(err, &unsupported) || errors.Is(err, fs.ErrNotExist) { // not there, or never started
		return os.Remove(path)
	}
	if err == nil {
		w.p.gathered = append(w.p.gathered, gathered{path, w.name, service})
	}
	return err
}

// leaks notes the secrets of a stack that are in its logs.
func (p *pilot) leaks(ctx context.Context, w *witness) error {
	found, err := w.Leaks(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // never started
		return fmt.Errorf("searching the logs of the stack %s: %w", w.name, err)
	}
	for _, l := range found {
		p.leaked(w.name, l.Service, l.Secret)
	}
	return nil
}

// search looks through the logs of the main stack after a phase.
func (p *pilot) search(ctx context.Context) error {
	if p.main == nil || p.main.done {
		return nil
	}
	return p.leaks(ctx, p.main)
}
