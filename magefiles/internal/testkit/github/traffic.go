package github

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"
)

// Cut is where a connection is cut.
type Cut string

const (
	// BeforeRequest is before anything of the request was read.
	BeforeRequest Cut = "before the request"
	// InRequest is in the middle of its body, where it has one.
	InRequest Cut = "in the middle of the request"
	// BeforeAnswer is after it was carried out.
	BeforeAnswer Cut = "before the answer"
	// InAnswer is in the middle of the answer's body, where it has one.
	InAnswer Cut = "in the middle of the answer"
	// BadGateway is in the middle of its body as well; a proxy answers 502
	// then. An upload leaves a starter behind.
	BadGateway Cut = "by a 502"
)

// Cuts are all of them.
var Cuts = []Cut{BeforeRequest, InRequest, BeforeAnswer, InAnswer, BadGateway}

// traffic is what came in, and what happens to it.
type traffic struct {
	log        []string
	cutAt      int
	cut        Cut
	every      int
	after      time.Duration
	creating   int
	quiet      time.Time
	remaining  int
	primary    bool
	reset      time.Time
	busy, peak int
	corrupt    string
	corrupting bool
}

// Cut cuts the connection of the n-th request from now, the first being 1.
func (s *Server) Cut(n int, where Cut) {
	s.do(func() { s.traffic.cutAt, s.traffic.cut = len(s.traffic.log)+n, where })
}

// LimitEvery refuses every n-th request that creates content with the secondary
// limit, asking for a pause; 0 for none. A request within the pause is a sin.
func (s *Server) LimitEvery(n int, pause time.Duration) {
	s.do(func() { s.traffic.every, s.traffic.after = n, pause })
}

// LimitPrimary lets that many requests through until a time.
func (s *Server) LimitPrimary(remaining int, reset time.Time) {
	s.do(func() { s.traffic.primary, s.traffic.remaining, s.traffic.reset = true, remaining, reset })
}

// Requests gives all requests so far, each as "METHOD /path".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.traffic.log)
}

// Peak is the largest number of changing requests side by side.
func (s *Server) Peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.traffic.peak
}

// limit counts a request against the limits. The lock is held.
func (s *Server) limit(c *call) bool {
	t, now, h := &s.traffic, s.o.Now(), c.w.Header()
	if now.Before(t.quiet) {
		s.sin("%s %s came within the pause that the secondary limit had asked for", c.r.Method, c.r.URL.Path)
	}
	if t.primary && !now.Before(t.reset) {
		t.primary = false
	}
	h.Set("X-Ratelimit-Limit", "5000")
	if !t.primary {
		h.Set("X-Ratelimit-Remaining", "4999")
	} else {
		h.Set("X-Ratelimit-Remaining", strconv.Itoa(max(0, t.remaining-1)))
		h.Set("X-Ratelimit-Reset", strconv.FormatInt(t.reset.Unix(), 10))
		if t.remaining <= 0 {
			c.refuse(http.StatusForbidden, "API rate limit exceeded for installation.")
			return false
		}
		t.remaining--
	}
	if c.r.Method == http.MethodPost || c.r.Method == http.MethodPatch {
		t.creating++
		if t.every > 0 && t.creating%t.every == 0 {
			h.Set("Retry-After", strconv.Itoa(int(t.after.Seconds())))
			t.quiet = now.Add(t.after)
			_, _ = io.Copy(io.Discard, c.r.Body)
			c.answer(http.StatusForbidden, object{
				"message":           "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
				"documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
			})
			return false
		}
	}
	return true
}

// faulty counts requests and cuts the one that is to be cut.
func (s *Server) faulty(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var cut Cut
		changes := r.Method != http.MethodGet && r.Method != http.MethodHead
		s.do(func() {
			t := &s.traffic
			t.log = append(t.log, r.Method+" "+r.URL.Path)
			if len(t.log) == t.cutAt {
				cut = t.cut
			}
			if changes {
				t.busy++
				t.peak = max(t.peak, t.busy)
			}
		})
		if changes {
			defer s.do(func() { s.traffic.busy-- })
		}
		switch cut {
		case BeforeRequest:
			panic(http.ErrAbortHandler)
		case InRequest:
			if r.ContentLength <= 0 {
				panic(http.ErrAbortHandler)
			}
			r.Body = &torn{r.Body, r.ContentLength / 2}
			next(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case BadGateway:
			whole := r.Body
			if r.ContentLength > 0 {
				r.Body = &torn{r.Body, r.ContentLength / 2}
				next(httptest.NewRecorder(), r)
			}
			_, _ = io.Copy(io.Discard, whole)
			w.WriteHeader(http.StatusBadGateway)
			return
		case BeforeAnswer, InAnswer:
			rec := httptest.NewRecorder()
			next(rec, r)
			if cut == InAnswer && rec.Body.Len() > 1 {
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
				w.WriteHeader(rec.Code)
				_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}
		next(w, r)
	})
}

// torn is a body that breaks off.
type torn struct {
	io.ReadCloser
	left int64
}

var errTorn = fmt.Errorf("cut: %w", io.ErrUnexpectedEOF)

func (t *torn) Read(p []byte) (int, error) {
	if t.left <= 0 {
		return 0, errTorn
	}
	n, err := t.ReadCloser.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = errTorn
	}
	return n, err
}
