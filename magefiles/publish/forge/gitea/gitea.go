// Package gitea makes releases on Gitea and Forgejo. It knows the forge's
// interfaces and nothing of the product. What is said here of the server's
// behaviour was read in the source of Gitea 1.26 and is held by tests against
// that server.
package gitea

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/internal/transfer"
)

// Options are the settings of [Open].
type Options struct {
	// URL is the repository's page, such as "https://codeberg.org/owner/name".
	// The server may live below a path of its host.
	URL string
	// API is the root of the API where it is not the page's server's, such as
	// "http://127.0.0.1:3000/api/v1"; a job finds it in GITHUB_API_URL. Files are
	// read from "/attachments" beside it. "/api/v1" may be left out.
	API string
	// Token is an access token, or that of a workflow's run.
	Token string
	// Retry says how long to try; zero fields stand for the defaults.
	Retry retry.Policy
	// Transport replaces the network below the retries.
	Transport http.RoundTripper
}

// Gitea is one repository there. Its methods may be called side by side.
//
// The server keeps one release a tag at most, draft or public, and a row of its
// own for each pushed tag. Its API knows a release by that row's id.
type Gitea struct {
	// server is its address, without a slash at the end.
	server      string
	owner, name string
	token       string
	retry       retry.Policy
	client      *http.Client

	mu   sync.Mutex
	sums map[file]forge.Asset
}

var (
	_ forge.Forge        = (*Gitea)(nil)
	_ forge.Checked      = (*Gitea)(nil)
	_ forge.CI           = (*Gitea)(nil)
	_ forge.PullRequests = (*Gitea)(nil)
)

// Open names a repository without touching the network. Plain HTTP is spoken
// with this machine alone.
func Open(o Options) (*Gitea, error) {
	server, owner, name, err := repository(o.URL)
	if err != nil {
		return nil, err
	}
	if o.API != "" {
		u, err := place.Address(o.API)
		if err != nil {
			return nil, err
		}
		server = u
	}
	next := o.Transport
	if next == nil {
		next = transfer.Network()
	}
	g := &Gitea{
		server: strings.TrimSuffix(strings.TrimSuffix(server.String(), "/"), "/api/v1"), owner: owner, name: name, token: o.Token,
		retry: o.Retry, sums: map[file]forge.Asset{},
	}
	g.client = &http.Client{
		CheckRedirect: transfer.CheckRedirect,
		Transport: &retry.Transport{
			Next: next, Policy: o.Retry,
			// PATCH sets values here: twice is as good as once.
			Repeat: func(req *http.Request) bool { return req.Method != http.MethodPost },
			Whole:  func(res *http.Response) bool { return strings.HasPrefix(res.Request.URL.String(), g.server+"/api/") },
		},
	}
	return g, nil
}

var ownerName = regexp.MustCompile(`^(.*)/([A-Za-z0-9._-]+)/([A-Za-z0-9._-]+?)(\.git)?/?$`)

// place is the server, with the token's own variable.
var place = transfer.Place{What: "forge", Example: "https://codeberg.org/owner/name", Token: "RELEASE_FORGE_TOKEN"}

// repository reads the server, owner and name out of a page's address.
func repository(page string) (server *url.URL, owner, name string, err error) {
	u, err := place.Address(page)
	if err != nil {
		return nil, "", "", err
	}
	m := ownerName.FindStringSubmatch(u.Path)
	if m == nil {
		return nil, "", "", fmt.Errorf("%q is no repository's page on Gitea or Forgejo: want an address such as https://codeberg.org/owner/name", page)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: m[1]}, m[2], m[3], nil
}

// api is the SDK's client for one call: it takes a context for all its calls
// alone. Making one costs nothing, as the version is not asked for.
func (g *Gitea) api(ctx context.Context) (*sdk.Client, error) {
	return sdk.NewClient(g.server, sdk.SetContext(ctx), sdk.SetToken(g.token), sdk.SetHTTPClient(g.client),
		sdk.SetUserAgent(transfer.UserAgent), sdk.SetGiteaVersion(""))
}

// call does one call of the SDK. Its errors are those of [Gitea.refused].
func call[T any](ctx context.Context, g *Gitea, doing string, do func(*sdk.Client) (T, *sdk.Response, error)) (T, error) {
	c, err := g.api(ctx)
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", doing, err)
	}
	out, res, err := do(c)
	if err == nil {
		return out, nil
	}
	if res == nil || res.Response == nil {
		return out, fmt.Errorf("%s: %w", doing, err)
	}
	return out, g.refused(doing, res.Response, err.Error())
}

func (g *Gitea) repo() string { return g.owner + "/" + g.name }
