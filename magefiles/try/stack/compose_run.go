package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// name is what the files call a service.
func (c *Compose) name(op string, s Service) (string, error) {
	k := c.o.Compose
	name := map[Service]string{Backend: k.Backend, Database: k.Database, ObjectStore: k.ObjectStore, Proxy: k.Proxy}[s]
	if name == "" {
		name = string(s)
	}
	if _, ok := c.config.Services[name]; !ok {
		return "", &UnsupportedError{Kind: kindCompose, Op: op, Service: s, Reason: "the compose files have no such service"}
	}
	return name, nil
}

// serviceOf is the other way round.
func (c *Compose) serviceOf(name string) Service {
	k := c.o.Compose
	if s, ok := map[string]Service{k.Backend: Backend, k.Database: Database, k.ObjectStore: ObjectStore, k.Proxy: Proxy}[name]; ok {
		return s
	}
	return Service(name)
}

// Start makes all containers and volumes at first. The backend and the proxy
// come after the others; with one of them, or where all runs then, Start waits
// until the product is ready, else until the services are healthy.
func (c *Compose) Start(ctx context.Context, services ...Service) error {
	var first, then []string
	for _, s := range services {
		name, err := c.name("start", s)
		if err != nil {
			return err
		}
		if s == Backend || s == Proxy {
			then = append(then, name)
		} else {
			first = append(first, name)
		}
	}
	if err := c.create(ctx); err != nil {
		return err
	}
	if len(services) == 0 {
		if err := c.upAnywhere(ctx, c.services()); err != nil {
			return err
		}
		return c.Ready(ctx)
	}
	if len(first) > 0 {
		if err := c.upAnywhere(ctx, first, append([]string{"--no-deps", "--wait"}, first...)...); err != nil {
			return err
		}
	}
	if len(then) > 0 {
		if err := c.upAnywhere(ctx, then, append([]string{"--no-deps"}, then...)...); err != nil {
			return err
		}
	}
	for _, s := range []Service{Backend, Database, ObjectStore, Proxy} {
		if name, err := c.name("start", s); err == nil && len(then) == 0 && !c.wanted[name] {
			return nil
		}
	}
	return c.Ready(ctx)
}

// create makes containers, networks and volumes, fetches images that are
// missing, and puts the snapshot into the volumes.
func (c *Compose) create(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("starting: %w", context.Cause(ctx))
	}
	if c.created {
		return nil
	}
	if err := c.docker.do(ctx, c.compose("up", "--no-start", "--no-build")...); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("making the containers: %w", err)
	}
	if err := c.checkImage(ctx); err != nil {
		return err
	}
	if err := c.restoreSnapshot(ctx); err != nil {
		return err
	}
	c.created = true
	return nil
}

// checkImage looks whether the backend is the image that is to be tried.
func (c *Compose) checkImage(ctx context.Context) error {
	if c.o.Image == nil {
		return nil
	}
	k, err := c.container(ctx, c.o.Compose.Backend)
	if err != nil {
		return err
	}
	found, err := c.docker.text(ctx, "container", "inspect", "--format", "{{.Image}}", k.id)
	if err != nil {
		return fmt.Errorf("looking at the backend's image: %w", err)
	}
	if found != c.o.Image.ID {
		return fmt.Errorf("the backend has the image %s, expected %s: something else took its name %s", found, c.o.Image.ID, c.o.Image.Ref)
	}
	return nil
}

// upAnywhere starts services, on other ports where one that was free is taken
// by now.
func (c *Compose) upAnywhere(ctx context.Context, services []string, args ...string) error {
	for try := 1; ; try++ {
		err := c.up(ctx, services, args...)
		var taken *PortError
		if c.o.FixedPorts || try == portTries || !errors.As(err, &taken) {
			return err
		}
		name, _ := c.name("start", taken.Service) // it is one of the files
		if err := c.move(ctx, name); err != nil {
			return fmt.Errorf("moving the %s to another port: %w", taken.Service, err)
		}
	}
}

// move gives a service another port. Its container will be made anew.
func (c *Compose) move(ctx context.Context, service string) error {
	k, err := c.container(ctx, service)
	if err == nil {
		err = c.keepLog(ctx, k.id, service)
	}
	if err == nil {
		c.ports[service], err = freeAddress(ctx)
	}
	if err == nil {
		err = c.writeOverlay()
	}
	return err
}

// watchEvery is how often the services are looked at while docker compose
// starts them.
const watchEvery = 300 * time.Millisecond

// up runs `docker compose up` and gives up as soon as a service ends.
func (c *Compose) up(ctx context.Context, services []string, args ...string) error {
	before, err := c.begun(ctx)
	if err != nil {
		return err
	}
	for _, s := range services {
		c.wanted[s] = true
	}
	starting, cancel := context.WithTimeout(ctx, c.o.Patience)
	defer cancel()
	begin, done := time.Now(), make(chan error, 1)
	go func() {
		done <- c.docker.do(starting, c.compose(append([]string{"up", "--detach", "--no-build"}, args...)...)...)
	}()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case err = <-done:
		case <-tick.C:
			if ended := c.ended(starting, before); ended != nil && starting.Err() == nil {
				cancel()
				<-done //nolint:errcheck // it was ended
				return ended
			}
			continue
		}
		break
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("starting: %w", context.Cause(ctx))
	}
	why := context.WithoutCancel(ctx)
	if cause := c.ended(why, before); cause != nil {
		return cause
	}
	if cause := c.refused(why); cause != nil {
		return cause
	}
	if starting.Err() == nil {
		return fmt.Errorf("starting: %w", err)
	}
	return c.unanswered(ctx, "ready", c.URL()+c.o.Run.Ready, c.waitingFor(why), begin)
}

// Stop ends a service's container and keeps it.
func (c *Compose) Stop(ctx context.Context, service Service) error {
	name, err := c.name("stop", service)
	if err != nil {
		return err
	}
	k, err := c.container(ctx, name)
	if err != nil {
		return err
	}
	was := c.wanted[name]
	c.wanted[name] = false
	if k.state != "running" {
		if was && (k.state == "exited" || k.state == "dead") {
			s, err := c.docker.state(ctx, k.id)
			if err != nil {
				return err
			}
			if s.ExitCode != 0 || !c.finishes(name) {
				return c.exit(ctx, k, s)
			}
		}
		return nil
	}
	if _, err := c.docker.text(ctx, "container", "stop", "--time", fmt.Sprint(int(max(1, c.o.Grace.Seconds()))), k.id); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("stopping the %s: %w", service, err)
	}
	s, err := c.docker.state(ctx, k.id)
	if err != nil {
		return err
	}
	// How other images end is not the product's to mend.
	if service == Backend && s.ExitCode == 128+9 {
		return &KilledError{Service: service, Waited: c.o.Grace, Tail: c.tail(ctx, k.id)}
	}
	return nil
}

// Restart restarts the backend where no service is named.
func (c *Compose) Restart(ctx context.Context, services ...Service) error {
	if len(services) == 0 {
		services = []Service{Backend}
	}
	for _, s := range services {
		if err := c.Stop(ctx, s); err != nil {
			return fmt.Errorf("restarting: %w", err)
		}
	}
	if err := c.Start(ctx, services...); err != nil {
		return fmt.Errorf("restarting: %w", err)
	}
	return nil
}

// Exec runs a command in a service's container. Where in or out is nil there is
// no input, or output is thrown away.
func (c *Compose) Exec(ctx context.Context, service Service, cmd []string, in io.Reader, out io.Writer) error {
	return c.exec(ctx, service, nil, cmd, in, out)
}

func (c *Compose) exec(ctx context.Context, service Service, env, cmd []string, in io.Reader, out io.Writer) error {
	name, err := c.name("run a command in", service)
	if err != nil {
		return err
	}
	k, err := c.container(ctx, name)
	if err != nil {
		return err
	}
	if k.state != "running" {
		return fmt.Errorf("the %s does not run (%s): start it before running %s in it", service, k.status, cmd[0])
	}
	args := []string{"container", "exec"}
	if in != nil {
		args = append(args, "--interactive")
	}
	d := c.docker
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		args = append(args, "--env", name) // its value is that of the client's environment
	}
	d.env = append(slices.Clone(d.env), env...)
	if err := d.stream(ctx, in, out, append(append(args, k.id), cmd...)...); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}
