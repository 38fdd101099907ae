package retry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Status tells whether a status may be another one the next time: the server
// is busy, limits the rate, or is broken.
func Status(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// refused tells whether a status says that nothing was done.
func refused(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// Broken tells whether a request failed on its way: the connection was cut,
// reset or timed out. Names that do not exist, certificates and plain answers
// to TLS do not pass by waiting.
func Broken(err error) bool {
	var (
		perm   *Permanent
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
		signer x509.UnknownAuthorityError
		dns    *net.DNSError
		op     *net.OpError
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
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
		strings.Contains(text, "http2: ") || strings.Contains(text, "stream error: stream ID ") // HTTP/2
}

// unsent tells of a broken request whether no byte of it has left: there was
// no connection to send it over.
func unsent(err error) bool {
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// Loopback tells whether a host is this machine.
func Loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func loopbackAddr(a net.Addr) bool {
	host, _, err := net.SplitHostPort(a.String())
	return err == nil && Loopback(host)
}

// After reads the seconds or the date of the header Retry-After (RFC 9110,
// 10.2.3); 0 where there is none.
func After(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// GitHubLimit tells of an answer whether GitHub refused it for the rate of
// requests alone, and how long it wants to be left in peace ("Rate limits for
// the REST API": Retry-After goes first, then X-RateLimit-Reset, else at least
// a minute). Any other 403 is none.
func GitHubLimit(res *http.Response, text []byte, now time.Time) (time.Duration, bool) {
	if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if res.Header.Get("Retry-After") != "" {
		return max(time.Second, After(res.Header, now)), true
	}
	if res.Header.Get("X-RateLimit-Remaining") == "0" {
		at, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64)
		if err != nil {
			return time.Minute, true
		}
		return max(time.Second, time.Unix(at, 0).Sub(now)), true
	}
	var said struct{ Message string }
	if err := json.Unmarshal(text, &said); err == nil && strings.Contains(strings.ToLower(said.Message), "secondary rate limit") {
		return time.Minute, true
	}
	return time.Minute, res.StatusCode == http.StatusTooManyRequests
}
