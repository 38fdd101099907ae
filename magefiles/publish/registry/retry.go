package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

func (r Retry) withDefaults() Retry {
	if r.Tries == 0 {
		r.Tries = 6
	}
	if r.First == 0 {
		r.First = 500 * time.Millisecond
	}
	if r.Longest == 0 {
		r.Longest = 30 * time.Second
	}
	if r.Total == 0 {
		r.Total = 5 * time.Minute
	}
	return r
}

// again runs op until it succeeds, fails for good or patience ends. Only a
// *passing error is tried again. The last result comes back with the last
// error.
func again[T any](ctx context.Context, r Retry, op func() (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier = r.First, r.Longest, 2
	out, err := backoff.Retry(ctx, func() (T, error) {
		out, err := op()
		var pass *passing
		switch {
		case err == nil:
			return out, nil
		case !errors.As(err, &pass):
			return out, backoff.Permanent(err)
		case pass.after > 0:
			// A little more than asked, so that parallel requests part.
			return out, errors.Join(&backoff.RetryAfterError{Duration: pass.after + rand.N(pass.after/10+1)}, err)
		}
		return out, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(r.Tries), backoff.WithMaxElapsedTime(r.Total))
	var perm *backoff.PermanentError
	if errors.As(err, &perm) { // the last try ended in one
		err = perm.Unwrap()
	}
	var pass *passing
	if errors.As(err, &pass) {
		err = pass.err
	}
	return out, err
}

// passing is a failure that may be gone the next time.
type passing struct {
	err error
	// after is the pause that the registry asked for, 0 where it did not.
	after time.Duration
}

func (e *passing) Error() string { return e.err.Error() }
func (e *passing) Unwrap() error { return e.err }

// permanent is a failure that is not tried again although it comes from the
// network's side.
type permanent struct{ err error }

func (e *permanent) Error() string { return e.err.Error() }
func (e *permanent) Unwrap() error { return e.err }

// passes tells whether a status may be another one the next time: the server
// is busy, limits the rate, or is broken.
func passes(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// broken tells whether a request failed on its way: the connection was cut,
// reset or timed out. Names that do not exist, certificates and plain answers
// to TLS do not pass by waiting.
func broken(err error) bool {
	var (
		perm   *permanent
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
		signer x509.UnknownAuthorityError
		dns    *net.DNSError
		op     *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &perm), errors.As(err, &record), errors.As(err, &verify), errors.As(err, &signer):
		return false
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return false // net/http has no type for it
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		// Nobody listens: on this machine that stays so.
		return !errors.As(err, &op) || op.Addr == nil || !loopbackAddr(op.Addr)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return true
	case errors.As(err, &op):
		return true
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return true
	}
	text := err.Error() // net/http keeps these to itself
	return strings.Contains(text, "server closed idle connection") || strings.Contains(text, "connection broken") ||
		strings.Contains(text, "http2: ")
}

func loopbackAddr(a net.Addr) bool {
	host, _, err := net.SplitHostPort(a.String())
	return err == nil && loopback(host)
}

// retryAfter reads the header's seconds or date; 0 where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// retrying sends a request again where that may help. Requests of a blob's
// upload are left alone: what a broken one left behind would come before the
// bytes of the next, so an upload is tried again as a whole.
type retrying struct {
	next  http.RoundTripper
	retry Retry
	count *counting
}

const uploads = "/blobs/uploads/"

func (t *retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, uploads) || (req.Body != nil && req.Body != http.NoBody && req.GetBody == nil) {
		return t.next.RoundTrip(rewound(req))
	}
	first := true
	res, err := again(req.Context(), t.retry, func() (*http.Response, error) {
		if !first {
			t.count.retried()
		}
		first = false
		res, err := t.next.RoundTrip(rewound(req))
		if err != nil {
			if broken(err) {
				return nil, &passing{err: err}
			}
			return nil, err
		}
		if !passes(res.StatusCode) {
			return res, nil
		}
		// The connection is given back; the answer stays readable.
		text, readErr := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		_ = res.Body.Close()
		if readErr != nil {
			text = nil
		}
		res.Body = io.NopCloser(bytes.NewReader(text))
		return res, &passing{errBusy, retryAfter(res.Header, time.Now())}
	})
	if errors.Is(err, errBusy) {
		return res, nil
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

var errBusy = errors.New("the registry is busy")

// rewound gives the request a fresh body: an authenticating transport may send
// the same request twice.
func rewound(req *http.Request) *http.Request {
	if req.GetBody == nil {
		return req
	}
	body, err := req.GetBody()
	if err != nil {
		return req
	}
	if req.Body != nil {
		_ = req.Body.Close()
	}
	out := req.Clone(req.Context())
	out.Body = body
	return out
}
