package announce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// services stands in for the services' hosts, with TLS: shoutrrr connects to
// them as ever, the names only lead to this server.
type services struct {
	mu      sync.Mutex
	got     []request
	answers map[string]http.HandlerFunc // by host
}

type request struct {
	host, path, auth, kind, body string
	idempotency                  string
}

var world = &services{}

func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(world)
	transport := server.Client().Transport.(*http.Transport)
	transport.TLSClientConfig.ServerName = "example.com" // whom the test certificate is for
	var dialer net.Dialer
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasSuffix(addr, ":443") {
			addr = server.Listener.Addr().String()
		}
		return dialer.DialContext(ctx, network, addr)
	}
	http.DefaultTransport = transport
	code := m.Run()
	server.Close()
	os.Exit(code)
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got = append(s.got, request{r.Host, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body), r.Header.Get("Idempotency-Key")})
	say := s.answers[r.Host]
	s.mu.Unlock()
	if say != nil {
		say(w, r)
	}
}

// begin forgets what the services got and sets how they answer; the others say
// 200.
func (s *services) begin(t *testing.T, answers map[string]http.HandlerFunc) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.answers = nil, answers
}

// take gives what a host got.
func (s *services) take(host string) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []request
	for _, r := range s.got {
		if r.host == host {
			out = append(out, r)
		}
	}
	return out
}

func answer(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// secret is in every address of the tests, and must be nowhere else.
const secret = "hunter2secret"

const (
	discordURL  = "discord://" + secret + "@123456"
	genericURL  = "generic://hooks.example.org/" + secret + "?template=json"
	mastodonURL = "mastodon://" + secret + "@social.example.org"
)

var message = Message{
	Subject: "Server v0.4.0",
	Text:    "Server v0.4.0 is released.\n\n- one\n- two\n\nRelease notes: https://example.org/v0.4.0\nImage: i@sha256:00\n",
}

// memory is a ledger.
type memory struct {
	mu     sync.Mutex
	states map[string]State
}

func ledger() *memory { return &memory{states: map[string]State{}} }

func (m *memory) States(context.Context) (map[string]State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.states), nil
}

func (m *memory) Mark(_ context.Context, key string, s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[key] = s
	return nil
}

// outcomes checks what became of the addresses, and that nothing tells a secret.
func outcomes(t *testing.T, l Ledger, results []Result, err error, want ...string) {
	t.Helper()
	var got []string
	for _, r := range results {
		got = append(got, strings.TrimSuffix(fmt.Sprintf("%s: %s, %s", r.Address, r.Outcome, r.Detail), ", "))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the results are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	states, _ := l.States(t.Context())
	shown, _ := json.Marshal(results)
	for _, s := range []string{fmt.Sprint(states), string(shown), fmt.Sprint(err), fmt.Sprintf("%#v", err)} {
		if strings.Contains(s, secret) || strings.Contains(s, "123456") || strings.Contains(s, "social.example") {
			t.Errorf("an address is shown: %s", s)
		}
	}
}

func TestSend(t *testing.T) {
	world.begin(t, map[string]http.HandlerFunc{"discord.com": answer(http.StatusNoContent)})
	l, addresses := ledger(), []string{discordURL, "", genericURL, mastodonURL}

	results, err := Send(t.Context(), message, addresses, l, Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	outcomes(t, l, results, err, "discord (address 1): would be sent", "generic (address 3): would be sent", "mastodon (address 4): would be sent")
	if states, err := l.States(t.Context()); err != nil || len(states) != 0 || len(world.got) != 0 {
		t.Errorf("a dry run sent %v and marked %v, %v", world.got, states, err)
	}

	results, err = Send(t.Context(), message, addresses, l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	outcomes(t, l, results, err, "discord (address 1): sent", "generic (address 3): sent", "mastodon (address 4): sent")
	text := strings.TrimSpace(message.Text)
	for host, want := range map[string]struct {
		path, auth string
		body       map[string]string
	}{
		"discord.com":        {"/api/webhooks/123456/" + secret, "", map[string]string{"content": text}},
		"hooks.example.org":  {"/" + secret, "", map[string]string{"message": text}},
		"social.example.org": {"/api/v1/statuses", "Bearer " + secret, map[string]string{"status": text}},
	} {
		got := world.take(host)
		if len(got) != 1 {
			t.Errorf("%s got %d messages: %v", host, len(got), got)
			continue
		}
		var body map[string]string
		if err := json.Unmarshal([]byte(got[0].body), &body); err != nil || fmt.Sprint(body) != fmt.Sprint(want.body) {
			t.Errorf("%s got %q (%v), want %v", host, got[0].body, err, want.body)
		}
		if got[0].path != want.path || got[0].auth != want.auth || !strings.HasPrefix(got[0].kind, "application/json") {
			t.Errorf("%s was called at %+v, want %+v", host, got[0], want)
		}
	}
	if key := world.take("social.example.org")[0].idempotency; len(key) != 64 {
		t.Errorf("the idempotency key is %q", key)
	}

	world.begin(t, nil)
	results, err = Send(t.Context(), message, addresses, l, Options{Again: true})
	if err != nil {
		t.Fatal(err)
	}
	outcomes(t, l, results, err, "discord (address 1): sent before", "generic (address 3): sent before", "mastodon (address 4): sent before")
	if len(world.got) != 0 {
		t.Errorf("the second run sent %v", world.got)
	}
}

// What failed for certain is tried again by the next run, beside what was sent.
func TestFailures(t *testing.T) {
	world.begin(t, map[string]http.HandlerFunc{"discord.com": answer(http.StatusNotFound), "social.example.org": answer(http.StatusUnauthorized)})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	l := ledger()
	addresses := []string{discordURL, genericURL, mastodonURL, "generic://" + nobody + "/" + secret + "?disabletls=yes", "telegram://" + secret + "@telegram", "generic+nothing%zz" + secret + "://x"}
	if _, err := Send(t.Context(), message, addresses, l, Options{}); err == nil || len(world.got) != 0 || !strings.Contains(err.Error(), "address 6 is no URL") {
		t.Errorf("an address that cannot be read: %v, and sent %v", err, world.got)
	}
	results, err := Send(t.Context(), message, addresses[:5], l, Options{})
	outcomes(t, l, results, err,
		"discord (address 1): failed, the service answered 404 Not Found",
		"generic (address 2): sent",
		"mastodon (address 3): failed, the service answered 401 Unauthorized",
		"generic (address 4): failed, the connection was refused",
		"telegram (address 5): failed, the address cannot be used: a part is missing or wrong",
	)
	var e *Error
	if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "4 of 5 addresses did not get the message, or not for certain: discord (address 1): the service answered 404 Not Found; mastodon") || !strings.HasSuffix(err.Error(), "is not sent twice") {
		t.Errorf("the error is %v", err)
	}

	results, err = Send(t.Context(), message, []string{"matrix://" + secret + "@matrix.example.org", addresses[4], "generic+https://x/?disabletls=" + secret, discordURL + "/x"}, l, Options{DryRun: true})
	outcomes(t, l, results, err,
		"matrix (address 1): would be sent",
		"telegram (address 2): failed, the address cannot be used: a part is missing or wrong",
		"generic (address 3): failed, the address cannot be used: a setting in it is not understood",
		"discord (address 4): failed, the address cannot be used: a part is missing or wrong",
	)

	world.begin(t, nil)
	results, err = Send(t.Context(), message, addresses[:3], l, Options{})
	outcomes(t, l, results, err, "discord (address 1): sent", "generic (address 2): sent before", "mastodon (address 3): sent")
	if err != nil || len(world.got) != 2 {
		t.Errorf("the second run gave %v and sent %v", err, world.got)
	}
}

// Where nobody knows whether a message arrived, it is not sent again by itself.
func TestUnresolved(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	world.begin(t, map[string]http.HandlerFunc{
		"discord.com": func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-done
		},
		"hooks.example.org": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		},
		"social.example.org": answer(http.StatusBadGateway),
	})
	l := ledger()
	if _, err := Send(t.Context(), message, []string{genericURL, mastodonURL}, l, Options{}); err == nil {
		t.Error("a broken connection is no error")
	}
	results, err := Send(ctx, message, []string{discordURL}, l, Options{})
	close(done)
	const look = "; it may have arrived all the same: look there, and send it with -again if it is missing"
	outcomes(t, l, results, err, "discord (address 1): unresolved, interrupted"+look)

	world.begin(t, nil)
	addresses := []string{discordURL, genericURL, mastodonURL}
	const earlier = ": unresolved, an earlier attempt was begun and never ended: look there, and send it with -again if it is missing"
	for _, o := range []Options{{}, {DryRun: true}} {
		results, err = Send(t.Context(), message, addresses, l, o)
		outcomes(t, l, results, err, "discord (address 1)"+earlier, "generic (address 2)"+earlier, "mastodon (address 3)"+earlier)
		if err == nil || len(world.got) != 0 {
			t.Errorf("the next run gave %v and sent %v", err, world.got)
		}
	}
	results, err = Send(t.Context(), message, addresses, l, Options{Again: true})
	outcomes(t, l, results, err, "discord (address 1): sent", "generic (address 2): sent", "mastodon (address 3): sent")
	if err != nil {
		t.Error(err)
	}
}

func TestTimeout(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	world.begin(t, map[string]http.HandlerFunc{"hooks.example.org": func(http.ResponseWriter, *http.Request) { <-done }})
	results, err := Send(t.Context(), message, []string{genericURL}, ledger(), Options{Timeout: 100 * time.Millisecond})
	if err == nil || !strings.HasPrefix(results[0].Detail, "no answer in time") {
		t.Errorf("a service that never answers: %+v, %v", results, err)
	}
}

// broken is a ledger that cannot be written at some mark.
type broken struct {
	Ledger
	state State
}

func (b broken) Mark(ctx context.Context, key string, s State) error {
	if s == b.state {
		return errors.New("disk full")
	}
	return b.Ledger.Mark(ctx, key, s)
}

func TestBrokenLedger(t *testing.T) {
	for state, want := range map[State]struct {
		outcome Outcome
		detail  string
		sent    int
	}{
		StateSending: {Failed, "it was not sent, for the ledger could not be written: disk full", 0},
		StateSent:    {Unresolved, "it was sent, but that could not be written down: do not send it again (disk full)", 1},
	} {
		world.begin(t, nil)
		results, err := Send(t.Context(), message, []string{genericURL}, broken{ledger(), state}, Options{})
		if err == nil || results[0].Outcome != want.outcome || results[0].Detail != want.detail || len(world.got) != want.sent {
			t.Errorf("%s: %+v, %v, sent %d times", state, results, err, len(world.got))
		}
	}
	world.begin(t, map[string]http.HandlerFunc{"hooks.example.org": answer(http.StatusForbidden)})
	results, err := Send(t.Context(), message, []string{genericURL}, broken{ledger(), StateFailed}, Options{})
	if err == nil || results[0].Outcome != Unresolved || !strings.Contains(results[0].Detail, "403 Forbidden, which could not be written down (disk full)") {
		t.Errorf("%+v, %v", results, err)
	}
}
