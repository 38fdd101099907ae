package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Ready asks for the product's readiness, through the proxy where there is one,
// until it answers 2xx.
func (c *Compose) Ready(ctx context.Context) error {
	return c.await(ctx, "ready", c.URL()+c.o.Run.Ready, func(status int) bool { return status/100 == 2 })
}

// Unready asks the backend itself until it answers 5xx: a proxy does so as well
// when there is none behind it.
func (c *Compose) Unready(ctx context.Context) error {
	return c.await(ctx, "unready", c.backendURL()+c.o.Run.Ready, func(status int) bool { return status/100 == 5 })
}

func (c *Compose) await(ctx context.Context, want, url string, good func(status int) bool) error {
	if !c.wanted[c.o.Compose.Backend] {
		return fmt.Errorf("the backend was not started: it cannot become %s", want)
	}
	begin := time.Now()
	ok, last, err := answer(ctx, c.o.Patience, url, good, func(ctx context.Context) error { return c.ended(ctx, nil) })
	switch {
	case ok:
		return nil
	case err != nil:
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("waiting until the product is %s: %w", want, context.Cause(ctx))
	}
	return c.unanswered(ctx, want, url, last, begin)
}

// unanswered is the error of a product that was waited for in vain.
func (c *Compose) unanswered(ctx context.Context, want, url, last string, begin time.Time) error {
	ctx = context.WithoutCancel(ctx)
	e := &ReadinessError{Want: want, URL: url, Waited: time.Since(begin), Last: c.secrets.Mask(last)}
	if k, err := c.container(ctx, c.o.Compose.Backend); err == nil && k.id != "" {
		e.Tail = c.tail(ctx, k.id)
	}
	return e
}

// waitingFor says how the services are.
func (c *Compose) waitingFor(ctx context.Context) string {
	all, err := c.containers(ctx)
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, k := range all {
		parts = append(parts, fmt.Sprintf("%s: %s", k.service, k.status))
	}
	slices.Sort(parts)
	return "not all services were started (" + strings.Join(parts, ", ") + ")"
}
