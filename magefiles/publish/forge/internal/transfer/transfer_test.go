package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

var place = Place{What: "forge", Example: "https://example.org/owner/name", Token: "FORGE_TOKEN"}

func TestAddress(t *testing.T) {
	for _, good := range []string{"https://example.org/a", "http://127.0.0.1:1/a", "http://[::1]/", "http://localhost"} {
		if u, err := place.Address(good); err != nil || u.String() != good {
			t.Errorf("%s: %v, %v", good, u, err)
		}
	}
	const want = "want one such as https://example.org/owner/name"
	for bad, says := range map[string]string{
		"":                          `"" is no forge's address: ` + want,
		"example.org/a":             `"example.org/a" is no forge's address: ` + want,
		"ssh://example.org/a":       `"ssh://example.org/a" is no forge's address: ` + want,
		"https://example.org/a?x=y": `"https://example.org/a?x=y" is no forge's address: ` + want,
		"https://example.org/a#x":   `"https://example.org/a#x" is no forge's address: ` + want,
		"https://u:hunter2@h/%zz":   "the forge has no valid address: " + want,
		"https://u:hunter2@h/a":     "the forge's address has a user or password in it (https://u:xxxxx@h/a): leave them out, the token goes into FORGE_TOKEN",
		"http://10.0.0.1/a":         `the forge has the address "http://10.0.0.1/a": plain HTTP would show the token to others, use https`,
	} {
		if _, err := place.Address(bad); err == nil || err.Error() != says {
			t.Errorf("%s: got %v, expected %s", bad, err, says)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"", "https://u:hunter2@h/a", "http://127.0.0.1", "//h", "https://[::1]:x/", "https://hunter2@/%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := place.Address(address)
		if err == nil && (u.Host == "" || u.User != nil || u.Scheme != "https" && !retry.Loopback(u.Hostname())) {
			t.Errorf("%q is taken as %v", address, u)
		}
		if u, parsed := url.Parse(address); err != nil && parsed == nil && u.User != nil {
			if password, _ := u.User.Password(); len(password) > 5 && strings.Contains(err.Error(), password) {
				t.Errorf("%q: %v", address, err)
			}
		}
	})
}

// The token goes to no other host, and nothing is sent in the clear or as
// another request.
func TestCheckRedirect(t *testing.T) {
	request := func(method, url string) *http.Request {
		r := httptest.NewRequest(method, url, nil)
		r.Header.Set("Authorization", "x")
		return r
	}
	many := make([]*http.Request, 10)
	for i := range many {
		many[i] = request("GET", "https://a/")
	}
	for _, tt := range []struct {
		to    *http.Request
		via   []*http.Request
		says  string
		token bool
	}{
		{request("GET", "https://a/b"), many[:9], "", true},
		{request("GET", "https://b/b"), many[:1], "", false},
		{request("GET", "https://a/b"), many, "stopped after 10 redirects", true},
		{request("GET", "http://a/b"), many[:1], "redirect from https://a to plain HTTP at a is refused", true},
		{request("GET", "https://a/b"), []*http.Request{request("PATCH", "https://a/")}, "PATCH was redirected and would become GET: has the repository been renamed?", true},
	} {
		err := CheckRedirect(tt.to, tt.via)
		if got := err; tt.says == "" && got != nil || tt.says != "" && (got == nil || got.Error() != tt.says) {
			t.Errorf("to %s: %v, expected %q", tt.to.URL, err, tt.says)
		}
		if err == nil && (tt.to.Header.Get("Authorization") != "") != tt.token {
			t.Errorf("to %s: the token goes there: %v", tt.to.URL, !tt.token)
		}
	}
}

func TestContent(t *testing.T) {
	sum := sha256.Sum256([]byte("first"))
	want := hex.EncodeToString(sum[:])
	hashed := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
	anew := ", expected 5 with " + want + ": the bundle has been changed, make it anew"
	readers := map[string]func(io.Reader) io.Reader{
		"as it comes": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
	}
	for text, says := range map[string]string{
		"first":   "",
		"firsT":   "read 5 bytes with sha256 " + hashed("firsT") + anew,
		"fir":     "read 3 bytes with sha256 " + hashed("fir") + anew,
		"":        "read 0 bytes with sha256 " + hashed("") + anew,
		"first\n": "read more than 5 bytes" + anew,
	} {
		for how, read := range readers {
			c := NewContent(io.NopCloser(read(strings.NewReader(text))), 5, want)
			var got bytes.Buffer
			_, err := got.ReadFrom(c)
			if says == "" {
				if err != nil || got.String() != text || c.Fault() != nil {
					t.Errorf("%q %s: %q, %v, %v", text, how, got.String(), err, c.Fault())
				}
				continue
			}
			var final *retry.Permanent
			if err == nil || err.Error() != says || !errors.As(err, &final) || !errors.Is(c.Fault(), err) {
				t.Errorf("%q %s: got %v (%v), expected %s", text, how, err, c.Fault(), says)
			}
			if n, again := c.Read(make([]byte, 9)); n != 0 || !errors.Is(again, err) {
				t.Errorf("%q %s: after the fault %d bytes and %v", text, how, n, again)
			}
			if len(text) == 5 && got.Len() == 5 {
				t.Errorf("%q %s: all of it went out", text, how)
			}
		}
	}
	c := NewContent(io.NopCloser(iotest.ErrReader(errors.New("disk on fire"))), 5, want)
	if _, err := io.ReadAll(c); err == nil || err.Error() != "reading the content: disk on fire" {
		t.Errorf("got %v", err)
	}
	closed := &closing{Reader: strings.NewReader("")}
	if err := NewContent(closed, 0, "").Close(); err != nil || !closed.done {
		t.Errorf("closed %v, %v", closed.done, err)
	}
}

type closing struct {
	io.Reader
	done bool
}

func (c *closing) Close() error { c.done = true; return nil }

// TestFinish has a network that reads what it was promised and no more.
func TestFinish(t *testing.T) {
	const sum = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73" // of "content"
	for text, says := range map[string]string{
		"content": "", "content and more": "read more than 7 bytes, expected 7 with " + sum + ": the bundle has been changed, make it anew",
	} {
		c := NewContent(io.NopCloser(strings.NewReader(text)), 7, sum)
		if _, err := io.ReadFull(c, make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		if err := c.Finish(); (err == nil) != (says == "") || err != nil && err.Error() != says {
			t.Errorf("%q: got %v, expected %q", text, err, says)
		}
	}
	closed := NewContent(io.NopCloser(strings.NewReader("content and more")), 7, sum)
	if _, err := io.ReadFull(closed, make([]byte, 7)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(closed.Close(), closed.Finish()); err != nil {
		t.Errorf("what is closed was read to its end: %v", err)
	}
}
