package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Transport sends a request again where that may help and cannot do a thing
// twice: after a broken connection or a 5xx only what may be repeated, after an
// answer that says that nothing was done, and where no connection could be
// made, every request whose body can be read again (GetBody). The last answer
// comes back as it is, its body readable. It must not be copied after first
// use; its methods may be called side by side.
type Transport struct {
	Next   http.RoundTripper
	Policy Policy
	// Once names requests that are sent once, whatever comes; nil for none.
	Once func(*http.Request) bool
	// Repeat names requests that may be repeated when nobody knows whether
	// the first one was carried out; nil stands for all but POST and PATCH.
	Repeat func(*http.Request) bool
	// Limit reads a rate limit out of an answer, such as [GitHubLimit]. All
	// requests then wait until it is over. Nil for servers that have none
	// but 429.
	Limit func(res *http.Response, text []byte, now time.Time) (time.Duration, bool)
	// Whole names answers that are read to their end before they are given
	// on, so that one that is cut short counts as lost; nil for none. One of
	// more than 16 MiB is an error.
	Whole func(*http.Response) bool
	// Retried, which may be nil, hears of each try beyond a request's first.
	Retried func()

	mu    sync.Mutex
	quiet time.Time
}

const (
	maxWhole = 16 << 20
	maxError = 64 << 10
)

var errBusy = errors.New("the server is busy")

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Once != nil && t.Once(req) {
		return t.send(req)
	}
	again := req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	first := true
	res, err := Do(req.Context(), t.Policy, func() (*http.Response, error) {
		if !first && t.Retried != nil {
			t.Retried()
		}
		first = false
		res, err := t.try(req)
		var pass *Passing
		if !again && errors.As(err, &pass) {
			err = pass.Err
		}
		return res, err
	})
	if errors.Is(err, errBusy) {
		return res, nil
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

func (t *Transport) try(req *http.Request) (*http.Response, error) {
	if err := t.wait(req.Context()); err != nil {
		return nil, err
	}
	repeat := req.Method != http.MethodPost && req.Method != http.MethodPatch
	if t.Repeat != nil {
		repeat = t.Repeat(req)
	}
	res, err := t.send(req)
	if err != nil {
		if Broken(err) && (repeat || unsent(err)) {
			return nil, &Passing{Err: err}
		}
		return nil, err
	}
	limits := t.Limit != nil && (res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusTooManyRequests)
	busy := Status(res.StatusCode)
	if !busy && !limits {
		return t.whole(res, repeat)
	}
	// The connection is given back; the answer stays readable.
	text, err := io.ReadAll(io.LimitReader(res.Body, maxError))
	_ = res.Body.Close()
	if err != nil {
		text = nil
		if !busy && repeat && Broken(err) {
			return nil, &Passing{Err: err}
		}
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	now := t.Policy.Now()
	if limits {
		if after, limited := t.Limit(res, text, now); limited {
			t.hush(now.Add(after))
			return res, &Passing{errBusy, after}
		}
	}
	if busy && (repeat || refused(res.StatusCode)) {
		return res, &Passing{errBusy, After(res.Header, now)}
	}
	return res, nil
}

// whole reads an answer to its end where it should be.
func (t *Transport) whole(res *http.Response, repeat bool) (*http.Response, error) {
	if t.Whole == nil || !t.Whole(res) {
		return res, nil
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxWhole+1))
	_ = res.Body.Close()
	if err == nil && len(text) > maxWhole {
		err = fmt.Errorf("the answer is longer than %d bytes", maxWhole)
	}
	if err != nil {
		if repeat && Broken(err) {
			return nil, &Passing{Err: err}
		}
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	return res, nil
}

// hush has all requests wait.
func (t *Transport) hush(until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until.After(t.quiet) {
		t.quiet = until
	}
}

// wait until a limit that another request has met is over. What is longer than
// patience is not waited for: the server says itself then what is wrong.
func (t *Transport) wait(ctx context.Context) error {
	p := t.Policy.withDefaults()
	t.mu.Lock()
	d := t.quiet.Sub(p.Clock.Now())
	t.mu.Unlock()
	if d <= 0 || d > p.Total {
		return nil
	}
	return p.Clock.Sleep(ctx, d)
}

// send gives the request a fresh body: what came before may have read the last
// one.
func (t *Transport) send(req *http.Request) (*http.Response, error) {
	if req.GetBody == nil {
		return t.Next.RoundTrip(req)
	}
	body, err := req.GetBody()
	if req.Body != nil {
		_ = req.Body.Close()
	}
	if err != nil {
		return nil, &Permanent{fmt.Errorf("reading the request's body again: %w", err)}
	}
	out := req.Clone(req.Context())
	out.Body = body
	return t.Next.RoundTrip(out)
}
