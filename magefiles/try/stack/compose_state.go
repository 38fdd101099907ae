package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// container is one of the stack's, as docker container ls shows it.
type container struct {
	id, service string
	// state is "created", "running", "exited" and so on; status says more.
	state, status string
}

// containers lists those of the services; probes are not among them.
func (c *Compose) containers(ctx context.Context) ([]container, error) {
	const format = `{{.ID}}	{{.Label "com.docker.compose.service"}}	{{.State}}	{{.Status}}	{{.Label "com.docker.compose.oneoff"}}`
	found, err := c.docker.lines(ctx, "container", "ls", "--all", "--no-trunc", "--format", format,
		"--filter", "label="+projectLabel+"="+c.project, "--filter", "label="+ownerLabel+"="+c.label)
	if err != nil {
		return nil, fmt.Errorf("asking Docker for the stack's containers: %w", err)
	}
	var out []container
	for _, line := range found {
		if f := strings.Split(line, "\t"); len(f) == 5 && f[4] != "True" {
			out = append(out, container{f[0], f[1], f[2], f[3]})
		}
	}
	return out, nil
}

// container gives that of a service; its id is empty where there is none.
func (c *Compose) container(ctx context.Context, service string) (container, error) {
	all, err := c.containers(ctx)
	if i := slices.IndexFunc(all, func(k container) bool { return k.service == service }); i >= 0 {
		return all[i], err
	}
	return container{}, err
}

// state is how a container is, as docker inspect shows it.
type state struct {
	Status    string
	ExitCode  int
	Error     string
	OOMKilled bool
	StartedAt string
}

func (d docker) state(ctx context.Context, id string) (s state, err error) {
	text, err := d.text(ctx, "container", "inspect", "--format", "{{json .State}}", id)
	if err != nil {
		return s, fmt.Errorf("asking Docker how a container is: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("reading how a container is: %w", err)
	}
	return s, nil
}

// begun tells when containers that have ended were started last. It tells those
// that end from then on from those that were stopped before.
func (c *Compose) begun(ctx context.Context) (map[string]string, error) {
	all, err := c.containers(ctx)
	out := map[string]string{}
	for _, k := range all {
		if k.state == "exited" || k.state == "dead" {
			s, err := c.docker.state(ctx, k.id)
			if err != nil {
				return nil, err
			}
			out[k.id] = s.StartedAt
		}
	}
	return out, err
}

// ended gives an [*ExitError] for a service that has to run and has ended, or
// is gone, and nil where there is none.
func (c *Compose) ended(ctx context.Context, before map[string]string) error {
	all, err := c.containers(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, k := range all {
		there[k.service] = true
		if !c.wanted[k.service] || k.state != "exited" && k.state != "dead" {
			continue
		}
		s, err := c.docker.state(ctx, k.id)
		if err != nil {
			return err
		}
		runs := s.Status != "exited" && s.Status != "dead" // again, by now
		if runs || s.StartedAt == before[k.id] || s.ExitCode == 0 && c.finishes(k.service) {
			continue
		}
		return c.exit(ctx, k, s)
	}
	for _, name := range c.services() {
		if before == nil && c.wanted[name] && !there[name] {
			return &ExitError{Service: c.serviceOf(name), Code: -1, Status: "its container was removed"}
		}
	}
	return nil
}

// exit tells how a container ended, or why it did not start.
func (c *Compose) exit(ctx context.Context, k container, s state) *ExitError {
	e := &ExitError{Service: c.serviceOf(k.service), Code: s.ExitCode, Status: "exit status " + strconv.Itoa(s.ExitCode), Tail: c.tail(ctx, k.id)}
	switch {
	case s.Error != "":
		e.Status += ", Docker could not start it: " + c.secrets.Mask(s.Error)
	case s.OOMKilled:
		e.Status += ", it had no more memory"
	case s.ExitCode > 128 && s.ExitCode < 128+64:
		e.Code, e.Status = -1, "signal: "+syscall.Signal(s.ExitCode-128).String()
	}
	return e
}

// refused looks why docker compose could not start the services: a port that is
// taken, or an image that cannot be run.
func (c *Compose) refused(ctx context.Context) error {
	all, err := c.containers(ctx)
	if err != nil {
		return err
	}
	for _, k := range all {
		s, err := c.docker.state(ctx, k.id)
		if err != nil {
			return err
		}
		if k.state == "running" || s.Error == "" || !c.wanted[k.service] {
			continue
		}
		if taken := c.taken(ctx, k, s.Error); taken != nil {
			return taken
		}
		return c.exit(ctx, k, s)
	}
	return nil
}

var portTaken = regexp.MustCompile(`(?:address already in use|port is already allocated)`)

// taken gives a [*PortError] where that is what Docker says.
func (c *Compose) taken(ctx context.Context, k container, said string) error {
	if !portTaken.MatchString(said) {
		return nil
	}
	e := &PortError{Service: c.serviceOf(k.service), Address: c.ports[k.service], Err: fmt.Errorf("%s", said)}
	for _, p := range c.config.Services[k.service].Ports { // it may be another than that of the URL
		if c.o.FixedPorts && regexp.MustCompile(`:`+p.Published+`\b`).MatchString(said) {
			e.Address = c.config.Services[k.service].published(p.Target)
		}
	}
	_, port, _ := strings.Cut(e.Address, ":")
	holders, err := c.docker.lines(ctx, "container", "ls", "--filter", "publish="+port, "--format", "{{.Names}}")
	if err == nil && len(holders) > 0 {
		e.Holder = holders[0]
	}
	return e
}

// log is where what a removed container logged is kept.
func (c *Compose) log(service string) string { return filepath.Join(c.dir, service+".log") }

// keepLog keeps the log of a container that is about to be removed.
func (c *Compose) keepLog(ctx context.Context, id, service string) error {
	f, err := os.OpenFile(c.log(service), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the log of the %s: %w", c.serviceOf(service), err)
	}
	if err := c.docker.logs(ctx, f, id); err != nil {
		_ = f.Close() // the error before is the cause
		return err
	}
	return f.Close()
}

// logs writes all that a container has logged, as it is.
func (d docker) logs(ctx context.Context, to io.Writer, args ...string) error {
	cmd := d.cmd(append([]string{"container", "logs"}, args...)...)
	cmd.Secrets, cmd.Log = nil, to // both streams in their order
	if err := run.Do(ctx, cmd); err != nil {
		return fmt.Errorf("reading a log: %s", d.secrets.Mask(err.Error()))
	}
	return nil
}

// tail is the end of what a container logged, masked. It goes into errors, so
// where the log cannot be read it says that instead.
func (c *Compose) tail(ctx context.Context, id string) string {
	var b strings.Builder
	if err := c.docker.logs(context.WithoutCancel(ctx), &b, "--tail", strconv.Itoa(tailLines), id); err != nil {
		return err.Error()
	}
	return lastLines(c.secrets.Mask(b.String()), false)
}

// rawLog writes all that a service has logged, also in containers that are gone.
func (c *Compose) rawLog(ctx context.Context, service string, to io.Writer) error {
	if _, err := os.Stat(c.dir); err != nil {
		return fmt.Errorf("reading the log of the %s: %w", c.serviceOf(service), err)
	}
	if f, err := os.Open(c.log(service)); err == nil {
		_, err = io.Copy(to, f)
		_ = f.Close() // only read
		if err != nil {
			return fmt.Errorf("reading the log of the %s: %w", c.serviceOf(service), err)
		}
	}
	k, err := c.container(ctx, service)
	if err != nil || k.id == "" {
		return err
	}
	return c.docker.logs(ctx, to, k.id)
}

// piped gives what is written to a reader, and returns when both are done.
func piped(write func(io.Writer) error, read func(io.Reader) error) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.CloseWithError(write(w)) // the reader has it
	}()
	err := read(r)
	_ = r.Close() // ends the writing
	<-done
	return err
}

// Logs supports every service of the files. Its log has the output of all its
// containers, those of probes included.
func (c *Compose) Logs(ctx context.Context, service Service, to io.Writer) error {
	name, err := c.name("show logs of", service)
	if err != nil {
		return err
	}
	return piped(func(w io.Writer) error { return c.rawLog(ctx, name, w) },
		func(r io.Reader) error { return c.secrets.Copy(ctx, to, r) })
}

// Leaks looks through the logs of all services of the files.
func (c *Compose) Leaks(ctx context.Context) ([]Leak, error) {
	var leaks []Leak
	for _, name := range c.services() {
		err := piped(func(w io.Writer) error { return c.rawLog(ctx, name, w) }, func(r io.Reader) error {
			secrets, err := c.secrets.Leaks(ctx, r)
			for _, s := range secrets {
				leaks = append(leaks, Leak{Service: c.serviceOf(name), Secret: s})
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("searching the log of the %s for secrets: %w", c.serviceOf(name), err)
		}
	}
	return sortLeaks(leaks), nil
}
