package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// requestPatience bounds one question for readiness. The product itself takes
// two seconds to find out that a service does not answer.
const requestPatience = 5 * time.Second

// Ready asks the server's readiness until it answers 2xx.
func (p *Process) Ready(ctx context.Context) error {
	return p.await(ctx, "ready", func(status int) bool { return status/100 == 2 })
}

// Unready asks the server's readiness until it answers 5xx.
func (p *Process) Unready(ctx context.Context) error {
	return p.await(ctx, "unready", func(status int) bool { return status/100 == 5 })
}

func (p *Process) await(ctx context.Context, want string, good func(status int) bool) error {
	c, url, begin := p.child, p.URL()+p.o.Run.Ready, time.Now()
	if c == nil {
		return fmt.Errorf("the backend was not started: it cannot become %s", want)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.done: // nothing more to wait for
			cancel()
		case <-waiting.Done():
		}
	}()
	ok, last, _ := answer(waiting, p.o.Patience, url, good, nil)
	switch {
	case c.ended():
		return c.exit(p.tail(c))
	case ok:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("waiting until the product is %s: %w", want, context.Cause(ctx))
	}
	return &ReadinessError{Want: want, URL: url, Waited: time.Since(begin), Last: p.secrets.Mask(last), Tail: p.tail(c)}
}

// answer asks a URL until the status of its answer is good, and says what the
// last attempt found. An error of check, which may be nil and is asked before
// each attempt, ends the waiting and is given back.
func answer(ctx context.Context, patience time.Duration, url string, good func(status int) bool, check func(context.Context) error) (ok bool, last string, failed error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last = "it was never asked"
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if check != nil {
			if err := check(ctx); err != nil && ctx.Err() == nil {
				failed = err
				return struct{}{}, backoff.Permanent(err)
			}
		}
		status, body, err := ask(ctx, url)
		if err == nil && good(status) {
			return struct{}{}, nil
		}
		if err == nil {
			err = fmt.Errorf("answered %d %s", status, body)
		}
		if ctx.Err() == nil { // else it says no more than that
			last = err.Error()
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(patience))
	return err == nil, last, failed
}

// ask sends one request, over no proxy and on a connection of its own: the
// server may be another one than a moment ago.
func ask(ctx context.Context, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it matters
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return res.StatusCode, strings.TrimSpace(string(text)), err
}
