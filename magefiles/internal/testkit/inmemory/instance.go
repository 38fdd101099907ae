package inmemory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// Kind is the kind of stack that an [Instance] says it is.
const Kind = "in memory"

// Instance is a stack with a product in memory: it has a backend, a database,
// an object store and a proxy, which can be taken away. It is strict: what a
// stack must not be asked fails the test, and so does one that is not
// destroyed at its end.
type Instance struct {
	*Product
	// Page is what GET / gives.
	Page string
	// Fail has errors by what is asked, as in "start", "stop database",
	// "restart backend", "ready", "probe JWT_SECRET", "dump" or "destroy". What
	// fails is not done.
	Fail map[string]error
	// Blind: readiness says nothing of services that are away.
	Blind bool
	// Asked is what was asked, in order, in the same words.
	Asked []string

	t       testing.TB
	front   *httptest.Server
	secrets stack.Secrets
	mu      sync.Mutex
	up      map[stack.Service]bool
	logs    map[stack.Service]*bytes.Buffer
	gone    bool
}

// NewInstance gives one that is not started yet. Missing secrets are made.
func NewInstance(t testing.TB, secrets stack.Secrets) *Instance {
	t.Helper()
	i := &Instance{
		Product: New(t), Page: "<!doctype html><html></html>", Fail: map[string]error{}, t: t,
		secrets: stack.NewSecrets("JWT_SECRET", "RUSTSHARE_SECRET_ENCRYPTION_KEY", "POSTGRES_PASSWORD", "RUSTSHARE_ADMIN_PASSWORD", "RUSTSHARE_DEMO_VIEWER_PASSWORD"),
		up:      map[stack.Service]bool{}, logs: map[stack.Service]*bytes.Buffer{},
	}
	maps.Copy(i.secrets, secrets)
	i.Accounts = map[string]string{AdminEmail: i.secrets["RUSTSHARE_ADMIN_PASSWORD"], ViewerEmail: i.secrets["RUSTSHARE_DEMO_VIEWER_PASSWORD"]}
	for _, s := range all() {
		i.logs[s] = &bytes.Buffer{}
	}
	i.front = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(func() {
		i.front.Close()
		if !i.gone {
			t.Errorf("an instance was not destroyed; it was asked %q", i.Asked)
		}
	})
	return i
}

func all() []stack.Service {
	return []stack.Service{stack.Backend, stack.Database, stack.ObjectStore, stack.Proxy}
}

func (i *Instance) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	running := i.up[stack.Backend] && i.up[stack.Proxy]
	able := i.Blind || i.up[stack.Database] && i.up[stack.ObjectStore]
	i.mu.Unlock()
	switch {
	case !running:
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, i.Page)
	case r.URL.Path == "/health":
		w.WriteHeader(http.StatusOK)
	case !able:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		i.Config.Handler.ServeHTTP(w, r)
	}
}

// Say has a service log a line.
func (i *Instance) Say(service stack.Service, line string) {
	i.logs[service].WriteString(line + "\n")
}

// ask notes what is asked, and gives the error that it is to have.
func (i *Instance) ask(ctx context.Context, what string) error {
	i.Asked = append(i.Asked, what)
	if i.gone && what != "destroy" {
		i.t.Errorf("%s was asked of an instance that was destroyed", what)
	}
	if err := i.Fail[what]; err != nil {
		return err
	}
	return ctx.Err()
}

func (i *Instance) set(up bool, services ...stack.Service) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range services {
		i.up[s] = up
		fmt.Fprintf(i.logs[s], "running: %v\n", up)
	}
}

// Kind is [Kind].
func (i *Instance) Kind() string { return Kind }

// URL is where the proxy answers.
func (i *Instance) URL() string { return i.front.URL }

// Secrets are those that were given or made.
func (i *Instance) Secrets() stack.Secrets { return i.secrets }

// Start starts services and waits for readiness.
func (i *Instance) Start(ctx context.Context, services ...stack.Service) error {
	if len(services) == 0 {
		services = all()
	}
	if err := i.ask(ctx, "start"); err != nil {
		return err
	}
	i.set(true, services...)
	return nil
}

// Stop takes a service away.
func (i *Instance) Stop(ctx context.Context, service stack.Service) error {
	if err := i.ask(ctx, "stop "+string(service)); err != nil {
		return err
	}
	i.set(false, service)
	return nil
}

// Restart restarts services.
func (i *Instance) Restart(ctx context.Context, services ...stack.Service) error {
	for _, s := range services {
		if err := i.ask(ctx, "restart "+string(s)); err != nil {
			return err
		}
		i.set(true, s)
	}
	return nil
}

// Ready asks once.
func (i *Instance) Ready(ctx context.Context) error { return i.await(ctx, "ready", http.StatusOK) }

// Unready asks once.
func (i *Instance) Unready(ctx context.Context) error {
	return i.await(ctx, "unready", http.StatusServiceUnavailable)
}

func (i *Instance) await(ctx context.Context, want string, status int) error {
	if err := i.ask(ctx, want); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL()+"/health/ready", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return &stack.ReadinessError{Want: want, URL: i.URL(), Last: err.Error()}
	}
	_ = res.Body.Close()
	if res.StatusCode != status {
		return &stack.ReadinessError{Want: want, URL: i.URL(), Last: res.Status}
	}
	return nil
}

// Probe refuses what is short or known, as the product does.
func (i *Instance) Probe(ctx context.Context, env map[string]string) error {
	for name, value := range env {
		if err := i.ask(ctx, "probe "+name); err != nil {
			return err
		}
		if len(value) < 12 || strings.Contains(value, "changeme") {
			return &stack.ExitError{Service: stack.Backend, Code: 1, Status: "exit status 1", Tail: name + " is too weak."}
		}
	}
	return nil
}

// Logs writes what a service has logged.
func (i *Instance) Logs(ctx context.Context, service stack.Service, to io.Writer) error {
	if err := i.ask(ctx, "logs "+string(service)); err != nil {
		return err
	}
	return i.secrets.Copy(ctx, to, bytes.NewReader(i.logs[service].Bytes()))
}

// Leaks searches what the services have logged.
func (i *Instance) Leaks(ctx context.Context) (out []stack.Leak, err error) {
	if err := i.ask(ctx, "leaks"); err != nil {
		return nil, err
	}
	for _, s := range all() {
		names, err := i.secrets.Leaks(ctx, bytes.NewReader(i.logs[s].Bytes()))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			out = append(out, stack.Leak{Service: s, Secret: name})
		}
	}
	return out, nil
}

// Destroy ends it.
func (i *Instance) Destroy(ctx context.Context) error {
	err := i.ask(context.WithoutCancel(ctx), "destroy")
	i.set(false, all()...)
	i.gone = true
	return err
}

// Destroyed says whether it was.
func (i *Instance) Destroyed() bool { return i.gone }

// Was says whether something was asked of it.
func (i *Instance) Was(asked string) bool { return slices.Contains(i.Asked, asked) }

var (
	_ stack.Stack = (*Instance)(nil)
	_ stack.Data  = (*Instance)(nil)
)
