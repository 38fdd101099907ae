package registry

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Stats counts what went over the wire.
type Stats struct {
	// Requests by method; each try counts.
	Requests map[string]int `json:"requests"`
	// Bytes is the size of all request bodies as far as they were read.
	Bytes int64 `json:"bytes"`
	// Blobs that the registry took, and the bytes that were sent for blobs,
	// those of failed tries included.
	Blobs     int   `json:"blobs"`
	BlobBytes int64 `json:"blobBytes"`
	// Manifests that the registry took, under a tag or by digest.
	Manifests int `json:"manifests"`
	// Retries are the tries beyond the first.
	Retries int `json:"retries"`
}

// Total is the number of requests of all methods.
func (s Stats) Total() int {
	n := 0
	for _, v := range s.Requests {
		n += v
	}
	return n
}

// Writes is the number of requests that could change something.
func (s Stats) Writes() int {
	return s.Total() - s.Requests[http.MethodGet] - s.Requests[http.MethodHead]
}

// String gives it in one line.
func (s Stats) String() string {
	var by []string
	for _, m := range slices.Sorted(maps.Keys(s.Requests)) {
		by = append(by, fmt.Sprintf("%s %d", m, s.Requests[m]))
	}
	return fmt.Sprintf("%d requests (%s), %d blobs of %d bytes and %d manifests sent, %d retries",
		s.Total(), strings.Join(by, ", "), s.Blobs, s.BlobBytes, s.Manifests, s.Retries)
}

// counting is the innermost transport: what passes here goes out.
type counting struct {
	next http.RoundTripper
	mu   sync.Mutex
	s    Stats
}

func (t *counting) stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.Requests = maps.Clone(t.s.Requests)
	return s
}

func (t *counting) change(f func(*Stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.s.Requests == nil {
		t.s.Requests = map[string]int{}
	}
	f(&t.s)
}

func (t *counting) retried() { t.change(func(s *Stats) { s.Retries++ }) }

func (t *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	blob := strings.Contains(req.URL.Path, uploads)
	t.change(func(s *Stats) { s.Requests[req.Method]++ })
	if req.Body != nil && req.Body != http.NoBody {
		out := req.Clone(req.Context())
		out.Body = &countedBody{req.Body, func(n int) {
			t.change(func(s *Stats) {
				s.Bytes += int64(n)
				if blob {
					s.BlobBytes += int64(n)
				}
			})
		}}
		req = out
	}
	res, err := t.next.RoundTrip(req)
	if err == nil && req.Method == http.MethodPut && res.StatusCode/100 == 2 {
		t.change(func(s *Stats) {
			switch {
			case blob:
				s.Blobs++
			case strings.Contains(req.URL.Path, "/manifests/"):
				s.Manifests++
			}
		})
	}
	return res, err
}

type countedBody struct {
	io.ReadCloser
	add func(int)
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.add(n)
	}
	return n, err
}
