// Package github makes releases on GitHub: github.com, GitHub Enterprise Cloud
// and GitHub Enterprise Server. It knows the forge's interfaces and nothing of
// the product.
package github

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/google/go-github/v75/github"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/internal/transfer"
)

// Options are the settings of [Open].
type Options struct {
	// URL is the repository's page, such as "https://github.com/owner/name".
	URL string
	// API and Uploads are the roots of the REST API and of its uploads. Empty,
	// they are derived: Uploads from API, API from URL.
	API, Uploads string
	// Token may be a classic or fine-grained one or that of a workflow.
	Token string
	// Retry says how long to try; zero fields stand for the defaults. It
	// bounds the pauses that GitHub asks for as well.
	Retry retry.Policy
	// Transport replaces the network below the retries.
	Transport http.RoundTripper
}

// GitHub is one repository there. Its methods may be called side by side.
type GitHub struct {
	owner, name string
	token       string
	retry       retry.Policy
	client      *github.Client
	graphql     string

	mu sync.Mutex
	// ids are the releases seen last, by tag: GitHub finds drafts by id alone,
	// and lists new ones late.
	ids map[string]int64
	// sums are the checksums of assets that had to be read for that, by id.
	sums map[int64]string
}

var (
	_ forge.Forge        = (*GitHub)(nil)
	_ forge.Checked      = (*GitHub)(nil)
	_ forge.CI           = (*GitHub)(nil)
	_ forge.PullRequests = (*GitHub)(nil)
	_ forge.Discussions  = (*GitHub)(nil)
	_ forge.Attestations = (*GitHub)(nil)
)

// atOnce bounds the changing requests that are under way side by side: GitHub
// wants them one after another and punishes bursts.
const atOnce = 4

// Open names a repository without touching the network. Plain HTTP is spoken
// with this machine alone.
func Open(o Options) (*GitHub, error) {
	owner, name, err := repository(o.URL)
	if err != nil {
		return nil, err
	}
	api, uploads, graphql, err := endpoints(o)
	if err != nil {
		return nil, err
	}
	next := o.Transport
	if next == nil {
		next = transfer.Network()
	}
	retrying := &retry.Transport{
		Next: &signing{next: next, token: o.Token, hosts: []string{api.Host, uploads.Host}}, Policy: o.Retry, Limit: retry.GitHubLimit,
		Whole: func(res *http.Response) bool { return strings.Contains(res.Request.Header.Get("Accept"), "json") },
	}
	client := github.NewClient(&http.Client{
		Transport:     &queue{next: retrying, slots: make(chan struct{}, atOnce)},
		CheckRedirect: transfer.CheckRedirect,
	})
	client.BaseURL, client.UploadURL = api, uploads
	client.UserAgent = transfer.UserAgent
	client.DisableRateLimitCheck = true // the transport waits for limits
	return &GitHub{
		owner: owner, name: name, token: o.Token, retry: o.Retry, client: client, graphql: graphql,
		ids: map[string]int64{}, sums: map[int64]string{},
	}, nil
}

var ownerName = regexp.MustCompile(`^/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+?)(\.git)?/?$`)

// place says what an address is of, and where the token goes.
func place(what string) transfer.Place {
	return transfer.Place{What: what, Example: "https://github.com/owner/name", Token: "GITHUB_TOKEN"}
}

// repository reads owner and name out of a page's address.
func repository(page string) (owner, name string, err error) {
	u, err := place("repository").Address(page)
	if err != nil {
		return "", "", err
	}
	m := ownerName.FindStringSubmatch(u.Path)
	if m == nil {
		return "", "", fmt.Errorf("%q is no repository's page on GitHub: want an address such as https://github.com/owner/name", u.Redacted())
	}
	return m[1], m[2], nil
}

// endpoints finds the roots of the three APIs. Those of REST end in a slash.
func endpoints(o Options) (api, uploads *url.URL, graphql string, err error) {
	root := o.API
	if root == "" {
		page, err := place("repository").Address(o.URL)
		if err != nil {
			return nil, nil, "", err
		}
		switch {
		case page.Host == "github.com" || page.Host == "www.github.com":
			root = "https://api.github.com"
		case strings.HasSuffix(page.Host, ".ghe.com"):
			root = "https://api." + page.Host
		default:
			root = page.Scheme + "://" + page.Host + "/api/v3"
		}
	}
	root = strings.TrimSuffix(root, "/")
	if api, err = place("GitHub API").Address(root + "/"); err != nil {
		return nil, nil, "", err
	}
	server, enterprise := strings.CutSuffix(root, "/api/v3")
	graphql = root + "/graphql"
	to := o.Uploads
	switch {
	case enterprise:
		graphql = server + "/api/graphql"
		if to == "" {
			to = server + "/api/uploads"
		}
	case to == "" && strings.HasPrefix(api.Host, "api."):
		to = api.Scheme + "://uploads." + strings.TrimPrefix(api.Host, "api.")
	case to == "":
		return nil, nil, "", fmt.Errorf("where %s takes uploads is not known: set Uploads beside API", root)
	}
	uploads, err = place("GitHub API for uploads").Address(strings.TrimSuffix(to, "/") + "/")
	return api, uploads, graphql, err
}

// queue keeps changing requests to a few at once. It lies above the retries: a
// request that waits for its turn then waits for a rate limit's pause as well.
type queue struct {
	next  http.RoundTripper
	slots chan struct{}
}

func (t *queue) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		select {
		case t.slots <- struct{}{}:
			defer func() { <-t.slots }()
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return t.next.RoundTrip(req)
}

// signing puts the token on requests to GitHub's own hosts and on no others:
// downloads are redirected to a storage.
type signing struct {
	next  http.RoundTripper
	token string
	hosts []string
}

func (t *signing) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.token != "" && (req.URL.Host == t.hosts[0] || req.URL.Host == t.hosts[1]) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	return t.next.RoundTrip(req)
}
