package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Probe runs one more container of the backend on the stack's networks, with
// the same database and object store.
func (c *Compose) Probe(ctx context.Context, env map[string]string) (err error) {
	if err := c.create(ctx); err != nil {
		return err
	}
	c.probes++
	k := c.o.Compose
	name := fmt.Sprintf("%s-probe-%d", c.project, c.probes)
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	args := []string{"run", "--detach", "--no-deps", "--name", name, "--publish", address + ":" + strconv.Itoa(k.BackendPort)}
	d := c.docker
	d.env = slices.Clone(d.env)
	for _, v := range slices.Sorted(maps.Keys(env)) {
		args = append(args, "--env", v) // its value is that of the environment
		d.env = append(d.env, v+"="+env[v])
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroying)
		defer cancel()
		if _, ierr := c.docker.state(ctx, name); ierr != nil { // it was not made
			return
		}
		err = errors.Join(err, c.keepLog(ctx, name, k.Backend))
		if _, rerr := c.docker.text(ctx, "container", "rm", "--force", "--volumes", name); rerr != nil {
			err = errors.Join(err, &LeftoverError{Paths: []string{"container " + name}, Err: rerr})
		}
	}()
	begin := time.Now()
	_, runErr := d.text(ctx, c.compose(append(args, k.Backend)...)...)
	probe := container{id: name, service: k.Backend}
	check := func(ctx context.Context) error {
		s, err := c.docker.state(ctx, name)
		if err == nil && (s.Status == "exited" || s.Status == "dead" || s.Error != "") {
			return c.exit(ctx, probe, s)
		}
		return err
	}
	if runErr != nil {
		var exit *ExitError
		if ctx.Err() == nil && errors.As(check(ctx), &exit) {
			return exit
		}
		return fmt.Errorf("starting a second backend: %w", runErr)
	}
	url := "http://" + address + c.o.Run.Ready
	ok, last, err := answer(ctx, c.o.Patience, url, func(status int) bool { return status/100 == 2 }, check)
	switch {
	case ok:
		return nil
	case err != nil:
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("waiting until a second backend is ready: %w", context.Cause(ctx))
	}
	return &ReadinessError{Want: "ready", URL: url, Waited: time.Since(begin), Last: c.secrets.Mask(last), Tail: c.tail(ctx, name)}
}
