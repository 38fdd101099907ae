// Package transfer is what the forges share in talking to a server and sending
// files: addresses that a token may be sent to, the network below the retries,
// redirects, and contents that are held against their checksum on the way.
package transfer

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

// UserAgent is how a forge's logs name this tool.
const UserAgent = "rustshare-release"

// Place says in errors what an address is of.
type Place struct {
	// What is a noun: "forge".
	What string
	// Example is such an address, Token where the token is set.
	Example, Token string
}

// Address parses an address that a token may be sent to: HTTPS, or plain HTTP on
// this machine, without a query. Errors never show a password.
func (p Place) Address(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the %s has no valid address: want one such as %s", p.What, p.Example)
	case u.User != nil:
		return nil, fmt.Errorf("the %s's address has a user or password in it (%s): leave them out, the token goes into %s", p.What, u.Redacted(), p.Token)
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is no %s's address: want one such as %s", address, p.What, p.Example)
	case u.Scheme == "http" && !retry.Loopback(u.Hostname()):
		return nil, fmt.Errorf("the %s has the address %q: plain HTTP would show the token to others, use https", p.What, address)
	}
	return u, nil
}

// Network is the transport below the retries. It does not wait for ever on a
// server that has gone quiet.
func Network() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = 5 * time.Minute
	return t
}

// CheckRedirect follows redirects as net/http does, but never from HTTPS to
// HTTP, never where a changing request would turn into a GET, and never with
// the token to another host: files may lie in an object store.
func CheckRedirect(req *http.Request, via []*http.Request) error {
	switch first := via[0]; {
	case len(via) >= 10:
		return errors.New("stopped after 10 redirects")
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("redirect from https://%s to plain HTTP at %s is refused", first.URL.Host, req.URL.Host)
	case req.Method != first.Method:
		return fmt.Errorf("%s was redirected and would become %s: has the repository been renamed?", first.Method, req.Method)
	case req.URL.Host != first.URL.Host:
		req.Header.Del("Authorization")
	}
	return nil
}
