// Package registry speaks the OCI distribution protocol (1.1) with one
// repository: it counts what it sends, retries what may pass, and gives up at
// once, naming the missing permission or wrong name, on what will not. It knows
// nothing of releases.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

// Options are the settings of [Open]. The zero value uses Docker's credentials
// and retries for some minutes.
type Options struct {
	// Keychain finds credentials; nil stands for Docker's configuration.
	Keychain authn.Keychain
	// Token is a forge's token, used where Keychain has nothing: for ghcr.io and
	// for TokenHost, the forge's own registry. Other registries never see it.
	Token, TokenHost string
	// ReadOnly asks for the right to pull alone.
	ReadOnly bool
	// Retry says how long to try; zero fields stand for the defaults.
	Retry Retry
	// Transport replaces the network below retries and counting.
	Transport http.RoundTripper
}

// Retry is the patience with a registry.
type Retry = retry.Policy

// Registry is one repository in a registry. Its methods may be called side by
// side.
type Registry struct {
	repo     name.Repository
	keychain authn.Keychain
	scope    string
	readOnly bool
	retry    retry.Policy
	count    *counting
	net      http.RoundTripper
	// offered is true where the forge's token is what the registry is shown.
	offered atomic.Bool

	mu     sync.Mutex
	client *http.Client // nil before the handshake
}

// Open names a repository, such as "ghcr.io/owner/name", without touching the
// network. Plain HTTP is spoken with loopback hosts alone.
func Open(repository string, o Options) (*Registry, error) {
	repo, err := name.NewRepository(repository, name.StrictValidation)
	if err == nil && strings.Contains(repository, "//") {
		err = errors.New("it is not a URL")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no repository (want a host and a lower-case name without a tag, such as ghcr.io/owner/name): %w", repository, err)
	}
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.Token != "" {
		o.Keychain = authn.NewMultiKeychain(o.Keychain, tokenKeychain{o.Token, o.TokenHost})
	}
	if o.Transport == nil {
		o.Transport = network()
	}
	scope := transport.PushScope
	if o.ReadOnly {
		scope = transport.PullScope
	}
	count := &counting{next: httpOnlyOnLoopback{o.Transport}}
	return &Registry{
		repo: repo, keychain: o.Keychain, scope: repo.Scope(scope), readOnly: o.ReadOnly, retry: o.Retry, count: count,
		net: &retry.Transport{Next: count, Policy: o.Retry, Once: uploading, Repeat: always, Retried: count.retried},
	}, nil
}

const uploads = "/blobs/uploads/"

// uploading names the requests of a blob's upload: what a broken one left
// behind would come before the bytes of the next, so an upload is tried again
// as a whole.
func uploading(req *http.Request) bool { return strings.Contains(req.URL.Path, uploads) }

// always: what else is sent to a registry names its content, or fetches a
// token.
func always(*http.Request) bool { return true }

// Repository gives the repository's name.
func (r *Registry) Repository() name.Repository { return r.repo }

// Digest gives the reference of a manifest by digest.
func (r *Registry) Digest(h v1.Hash) name.Digest { return r.repo.Digest(h.String()) }

// Tag gives the reference of a tag.
func (r *Registry) Tag(tag string) name.Tag { return r.repo.Tag(tag) }

// Stats tells what went over the wire so far.
func (r *Registry) Stats() Stats { return r.count.stats() }

// Connect does the handshake: it finds the credentials and fetches a token
// where the registry wants one. The other methods call it when it was not; on
// its own it shows early that credentials are missing.
func (r *Registry) Connect(ctx context.Context) error {
	_, err := r.http(ctx)
	return err
}

// Remote gives the options under which go-containerregistry's remote package
// goes through this registry's transport: same credentials, retries, counters.
func (r *Registry) Remote(ctx context.Context) ([]remote.Option, error) {
	client, err := r.http(ctx)
	if err != nil {
		return nil, err
	}
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(client.Transport),
		remote.WithRetryPredicate(func(error) bool { return false }),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
	}, nil
}

func (r *Registry) http(ctx context.Context) (*http.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	auth, err := authn.Resolve(ctx, r.keychain, r.repo)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials for %s: %w", r.repo.RegistryStr(), err)
	}
	_, token := auth.(offeredToken)
	r.offered.Store(token)
	t, err := transport.NewWithContext(ctx, r.repo.Registry, auth, r.net, []string{r.scope})
	if err != nil {
		return nil, r.explain("greeting the registry", err)
	}
	r.client = &http.Client{Transport: t, CheckRedirect: noDowngrade}
	return r.client, nil
}

// tokenKeychain offers a token to ghcr.io and the forge's own registry, and to
// nobody else. They look at the token alone, any user name will do.
type tokenKeychain struct{ token, host string }

func (t tokenKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if host := target.RegistryStr(); host != ghcr && (t.host == "" || host != t.host) {
		return authn.Anonymous, nil
	}
	return offeredToken{&authn.Basic{Username: "token", Password: t.token}}, nil
}

// offeredToken is what tokenKeychain offers.
type offeredToken struct{ authn.Authenticator }

const ghcr = "ghcr.io"

// network is the default transport with connections enough for parallel
// uploads. It does not wait for ever on a registry that has gone quiet.
func network() http.RoundTripper {
	t, ok := remote.DefaultTransport.(*http.Transport)
	if !ok {
		return remote.DefaultTransport
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = 5 * time.Minute
	t.WriteBufferSize = 64 << 10
	return t
}

// httpOnlyOnLoopback refuses plain HTTP to other hosts, which the name library
// would allow for private addresses.
type httpOnlyOnLoopback struct{ next http.RoundTripper }

func (t httpOnlyOnLoopback) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !retry.Loopback(req.URL.Hostname()) {
		return nil, &retry.Permanent{Err: fmt.Errorf("plain HTTP to %s is refused: a registry that is not on this machine needs HTTPS", req.URL.Host)}
	}
	return t.next.RoundTrip(req)
}

// noDowngrade follows redirects as net/http does, but never from HTTPS to HTTP.
func noDowngrade(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("stopped after %d redirects", len(via))
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirect from https://%s to plain HTTP at %s is refused", via[0].URL.Host, req.URL.Host)
	}
	return nil
}
