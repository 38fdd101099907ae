package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// clock goes on only by sleeping.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return context.Cause(ctx)
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func TestDo(t *testing.T) {
	gone, for3 := errors.New("gone"), errors.New("three")
	for name, tt := range map[string]struct {
		policy Policy
		errs   []error // one a try; then success
		want   error
		tries  int
		// shortest and longest of each pause, in seconds
		pauses [][2]float64
	}{
		"at once":           {Policy{}, nil, nil, 1, nil},
		"for good":          {Policy{}, []error{gone}, gone, 1, nil},
		"passes":            {Policy{}, []error{&Passing{Err: for3}, &Passing{Err: for3}}, nil, 3, [][2]float64{{.25, .75}, {.5, 1.5}}},
		"passes, then gone": {Policy{}, []error{&Passing{Err: for3}, gone}, gone, 2, [][2]float64{{.25, .75}}},
		"asked": {Policy{}, []error{&Passing{for3, time.Minute}, &Passing{for3, 2 * time.Minute}}, nil, 3,
			[][2]float64{{60, 66.01}, {120, 132.01}}},
		"asked too much": {Policy{}, []error{&Passing{for3, 301 * time.Second}}, for3, 1, nil},
		"asked too much in all": {Policy{}, []error{&Passing{for3, 200 * time.Second}, &Passing{for3, 200 * time.Second}}, for3, 2,
			[][2]float64{{200, 220.01}}},
		"tries end": {Policy{Tries: 2}, []error{&Passing{Err: gone}, &Passing{Err: for3}}, for3, 2, [][2]float64{{.25, .75}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			tt.policy.Clock = c
			tries := 0
			got, err := Do(t.Context(), tt.policy, func() (int, error) {
				if tries++; tries <= len(tt.errs) {
					return tries, tt.errs[tries-1]
				}
				return tries, nil
			})
			if !errors.Is(err, tt.want) || got != tt.tries || tries != tt.tries {
				t.Errorf("after %d tries %d, %v, expected %v", tries, got, err, tt.want)
			}
			if len(c.slept) != len(tt.pauses) {
				t.Fatalf("slept %v, expected %v", c.slept, tt.pauses)
			}
			for i, p := range tt.pauses {
				if s := c.slept[i].Seconds(); s < p[0] || s > p[1] {
					t.Errorf("pause %d was %v, expected %v to %v s", i, c.slept[i], p[0], p[1])
				}
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why, tries := errors.New("why"), 0
		_, err := Do(ctx, Policy{}, func() (int, error) {
			tries++
			time.AfterFunc(time.Millisecond, func() { cancel(why) })
			return 0, &Passing{gone, time.Minute}
		})
		if !errors.Is(err, why) || tries != 1 {
			t.Errorf("after %d tries: %v", tries, err)
		}
	})
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "7.5": 0, "99999999999999": 0,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second, "Fri, 02 Jan 2026 03:04:05 GMT": 0, "Thu, 01 Jan 2026 03:04:05 GMT": 0,
	} {
		if got := After(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("Retry-After: %s is %v, expected %v", text, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "a.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"localhost.example.com": false, "10.0.0.1": false, "127.0.0.1.example.com": false, "": false,
	} {
		if Loopback(host) != want {
			t.Errorf("Loopback(%q) is %v", host, !want)
		}
	}
}

func TestBroken(t *testing.T) {
	there := &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, Err: syscall.ECONNREFUSED}
	here := &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		err            error
		broken, unsent bool
	}{
		{nil, false, false},
		{errors.New("anything"), false, false},
		{context.Canceled, false, false},
		{fmt.Errorf("x: %w", io.EOF), true, false},
		{io.ErrUnexpectedEOF, true, false},
		{&Permanent{io.EOF}, false, false},
		{syscall.ECONNRESET, true, false},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true, false},
		{there, true, true},
		{here, false, true},
		{&net.DNSError{IsNotFound: true}, false, true},
		{&net.DNSError{IsTemporary: true}, true, true},
		{errors.New("http: server closed idle connection"), true, false},
		{errors.New("stream error: stream ID 3; INTERNAL_ERROR; received from peer"), true, false},
		{errors.New("http2: server sent GOAWAY and closed the connection"), true, false},
		{errors.New("http: server gave HTTP response to HTTPS client"), false, false},
	} {
		if Broken(tt.err) != tt.broken || unsent(tt.err) != tt.unsent {
			t.Errorf("%v: broken is %v, unsent %v", tt.err, Broken(tt.err), unsent(tt.err))
		}
	}
}

func TestGitHubLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, tt := range map[string]struct {
		status int
		header string // "name: value", comma separated
		text   string
		want   time.Duration
		limit  bool
	}{
		"no limit":                   {200, "Retry-After: 1", "", 0, false},
		"missing scope":              {403, "X-RateLimit-Remaining: 4999", `{"message":"Resource not accessible by integration"}`, 0, false},
		"no JSON":                    {403, "", `secondary rate limit`, 0, false},
		"secondary":                  {403, "Retry-After: 7", `{"message":"You have exceeded a secondary rate limit"}`, 7 * time.Second, true},
		"secondary, 429":             {429, "Retry-After: 7", ``, 7 * time.Second, true},
		"secondary, no hint":         {403, "X-RateLimit-Remaining: 3", `{"message":"You have exceeded a secondary rate limit. Wait."}`, time.Minute, true},
		"nothing but 429":            {429, "", ``, time.Minute, true},
		"primary":                    {403, "X-RateLimit-Remaining: 0, X-RateLimit-Reset: 1090", ``, 90 * time.Second, true},
		"primary, 429":               {429, "X-RateLimit-Remaining: 0, X-RateLimit-Reset: 1090", ``, 90 * time.Second, true},
		"primary, over already":      {403, "X-RateLimit-Remaining: 0, X-RateLimit-Reset: 900", ``, time.Second, true},
		"primary, no time":           {403, "X-RateLimit-Remaining: 0", ``, time.Minute, true},
		"Retry-After goes first":     {403, "X-RateLimit-Remaining: 0, X-RateLimit-Reset: 1090, Retry-After: 3", ``, 3 * time.Second, true},
		"Retry-After makes no sense": {403, "Retry-After: soon", ``, time.Second, true},
	} {
		h := http.Header{}
		for _, line := range strings.Split(tt.header, ", ") {
			if k, v, ok := strings.Cut(line, ": "); ok {
				h.Set(k, v)
			}
		}
		got, limit := GitHubLimit(&http.Response{StatusCode: tt.status, Header: h}, []byte(tt.text), now)
		if limit != tt.limit || limit && got != tt.want {
			t.Errorf("%s: %v, %v", name, got, limit)
		}
	}
}

// What is sent twice, and what is not.
func TestTransport(t *testing.T) {
	type answer = func(http.ResponseWriter, *http.Request)
	status := func(code int, header ...string) answer {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "the answer")
		}
	}
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	limit := status(403, "Retry-After", "20")
	for name, tt := range map[string]struct {
		method string
		first  answer
		tries  int32
		status int // 0: an error
	}{
		"GET, cut":          {"GET", cut, 2, 200},
		"PUT, cut":          {"PUT", cut, 2, 200},
		"DELETE, cut":       {"DELETE", cut, 2, 200},
		"POST, cut":         {"POST", cut, 1, 0},
		"PATCH, cut":        {"PATCH", cut, 1, 0},
		"GET, half":         {"GET", half, 2, 200},
		"POST, half":        {"POST", half, 1, 0},
		"GET, 502":          {"GET", status(502), 2, 200},
		"POST, 502":         {"POST", status(502), 1, 502},
		"PATCH, 500":        {"PATCH", status(500), 1, 500},
		"POST, 503":         {"POST", status(503), 2, 200},
		"POST, 429":         {"POST", status(429), 2, 200},
		"POST, limit":       {"POST", limit, 2, 200},
		"GET, limit":        {"GET", limit, 2, 200},
		"GET, 403":          {"GET", status(403), 1, 403},
		"POST, 403":         {"POST", status(403), 1, 403},
		"POST, 422":         {"POST", status(422), 1, 422},
		"GET, 404":          {"GET", status(404), 1, 404},
		"POST, long limit":  {"POST", status(403, "Retry-After", "3600"), 1, 403},
		"POST, 200 at once": {"POST", status(200), 1, 200},
	} {
		t.Run(name, func(t *testing.T) {
			var tries, retried atomic.Int32
			var mu sync.Mutex
			var bodies []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := tries.Add(1)
				text, _ := io.ReadAll(r.Body)
				mu.Lock()
				bodies = append(bodies, string(text))
				mu.Unlock()
				if n == 1 {
					tt.first(w, r)
					return
				}
				status(200)(w, r)
			}))
			defer s.Close()
			c := newClock()
			client := http.Client{Transport: &Transport{
				Next: s.Client().Transport, Policy: Policy{Clock: c}, Limit: GitHubLimit,
				Whole: func(*http.Response) bool { return true }, Retried: func() { retried.Add(1) },
			}}
			defer client.CloseIdleConnections()
			var body io.Reader
			want := ""
			if tt.method != "GET" && tt.method != "DELETE" {
				want = "what is sent"
				body = strings.NewReader(want)
			}
			req, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if tt.status == 0 {
				if err == nil || !Broken(err) {
					t.Errorf("got %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				text, err := io.ReadAll(res.Body)
				if res.StatusCode != tt.status || string(text) != "the answer" || err != nil {
					t.Errorf("%d %q, %v", res.StatusCode, text, err)
				}
			}
			if tries.Load() != tt.tries {
				t.Errorf("sent %d times, expected %d", tries.Load(), tt.tries)
			}
			if int(retried.Load()) != len(c.slept) {
				t.Errorf("counted %d retries, slept %v", retried.Load(), c.slept)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, b := range bodies {
				if b != want {
					t.Errorf("sent %q, expected %q", bodies, want)
				}
			}
			if strings.HasSuffix(name, ", limit") && c.slept[0] < 20*time.Second {
				t.Errorf("slept %v", c.slept)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Where no connection can be made nothing was sent, and every request is tried
// again.
func TestUnsent(t *testing.T) {
	n := 0
	tr := &Transport{Policy: Policy{Clock: newClock()}, Next: roundTrip(func(*http.Request) (*http.Response, error) {
		n++
		return nil, &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}
	})}
	req := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	if res, err := tr.RoundTrip(req); !errors.Is(err, syscall.ETIMEDOUT) || res != nil || n != 6 {
		t.Errorf("after %d tries: %v", n, err)
	}
	// What cannot be read again is not sent again.
	n = 0
	req = httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader("x")))
	if _, err := tr.RoundTrip(req); !errors.Is(err, syscall.ETIMEDOUT) || n != 1 {
		t.Errorf("after %d tries: %v", n, err)
	}
}

// A limit that one request meets is kept to by those after it.
func TestQuiet(t *testing.T) {
	c, limited := newClock(), true
	var at []time.Duration
	begin := c.Now()
	tr := &Transport{Policy: Policy{Clock: c, Tries: 1}, Limit: GitHubLimit, Next: roundTrip(func(*http.Request) (*http.Response, error) {
		at = append(at, c.Now().Sub(begin))
		res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}
		if limited {
			limited = false
			res.StatusCode, res.Header = 403, http.Header{"Retry-After": {"60"}}
		}
		return res, nil
	})}
	for range 3 {
		res, err := tr.RoundTrip(httptest.NewRequest(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if !slices.Equal(at, []time.Duration{0, time.Minute, time.Minute}) {
		t.Errorf("requests went out at %v", at)
	}
}

// No header is a reason to wait for less than nothing.
func FuzzAfter(f *testing.F) {
	for _, s := range []string{"", "7", "-7", "Fri, 02 Jan 2026 03:04:35 GMT", "99999999999999", "Fri, 02 Jan 9999 03:04:35 GMT"} {
		f.Add(s, s)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, after, reset string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {reset}}
		if d := After(h, now); d < 0 {
			t.Errorf("%q: %v", after, d)
		}
		if d, limit := GitHubLimit(&http.Response{StatusCode: 403, Header: h}, []byte(after), now); !limit || d < time.Second {
			t.Errorf("%q, %q: %v, %v", after, reset, d, limit)
		}
	})
}
