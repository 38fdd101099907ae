// Package github is a stand-in for GitHub that refuses what GitHub refuses: one
// repository with releases, workflow runs, pull requests and discussions behind
// real HTTP, written from the documented behaviour of the REST API (version
// 2022-11-28) and of GraphQL. Where GitHub is lenient it is strict, it cuts
// connections when told, and it notes what a release tool must never do.
package github

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Token may do everything in every new [Server].
const Token = "ghs_StandInMayDoEverything"

// Options are the settings of [New].
type Options struct {
	// Private hides the repository from those without access.
	Private bool
	// Immutable makes releases immutable when they are published.
	Immutable bool
	// NoDigests leaves out the checksums of assets, as older Enterprise
	// Servers do.
	NoDigests bool
	// Discard forgets the contents of assets, which cannot be downloaded then.
	Discard bool
	// BundlesApart gives attestations by their address in the storage alone.
	BundlesApart bool
	// Late is the number of times that lists leave out what is new, as those
	// of a busy GitHub do.
	Late int
	// Now is the time, [time.Now] where it is nil.
	Now func() time.Time
}

// Access is what a token may do.
type Access struct {
	// Scopes make it a classic token.
	Scopes []string
	// Permissions are those of a fine-grained or workflow token: "read" or
	// "write" for "contents", "actions", "pull_requests", "discussions",
	// "attestations".
	Permissions map[string]string
	// Untold leaves all rights false in the answer about the repository.
	Untold bool
}

// Owner and Name are those of the repository.
const (
	Owner = "kubedoio"
	Name  = "sample"
)

// Server is the stand-in. Its methods may be called side by side.
type Server struct {
	o            Options
	api, uploads *httptest.Server
	storage      *httptest.Server
	dir          string

	mu          sync.Mutex
	tokens      map[string]Access
	tags        map[string]string
	branches    map[string]string
	releases    []*release
	latest      int64
	runs        []Run
	pulls       []Pull
	discussions []Discussion
	categories  []string
	// attestations are the store's.
	attestations []Attestation
	next         int64
	sins         []string
	traffic      traffic
}

// New starts a server. The caller closes it.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, err := os.MkdirTemp("", "github-*")
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, dir: dir, next: 1000,
		tokens: map[string]Access{Token: {Permissions: map[string]string{
			"contents": "write", "actions": "read", "pull_requests": "write", "discussions": "write", "attestations": "write",
		}}},
		tags: map[string]string{}, branches: map[string]string{"main": "main"},
	}
	s.api = httptest.NewServer(s.faulty(s.serveAPI))
	s.uploads = httptest.NewServer(s.faulty(s.serveUploads))
	s.storage = httptest.NewServer(s.faulty(s.serveStorage))
	return s, nil
}

// Close ends the server and forgets everything.
func (s *Server) Close() {
	s.api.Close()
	s.uploads.Close()
	s.storage.Close()
	_ = os.RemoveAll(s.dir)
}

// URL is the repository's page.
func (s *Server) URL() string { return s.api.URL + "/" + Owner + "/" + Name }

// API is the root of the REST API's host.
func (s *Server) API() string { return s.api.URL }

// Uploads is the root of the host for uploads.
func (s *Server) Uploads() string { return s.uploads.URL }

// do holds the lock.
func (s *Server) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// SetToken lets a token do something.
func (s *Server) SetToken(token string, a Access) { s.do(func() { s.tokens[token] = a }) }

// SetTag pushes a git tag.
func (s *Server) SetTag(name, commit string) { s.do(func() { s.tags[name] = commit }) }

// SetBranch pushes a branch. There is a branch main from the beginning.
func (s *Server) SetBranch(name, commit string) { s.do(func() { s.branches[name] = commit }) }

// SetRuns sets the workflow runs, in the order of the list.
func (s *Server) SetRuns(runs ...Run) { s.do(func() { s.runs = slices.Clone(runs) }) }

// SetCategories sets those of the discussions; without any they are turned off.
func (s *Server) SetCategories(names ...string) {
	s.do(func() { s.categories = slices.Clone(names) })
}

// DeleteTag takes a git tag away.
func (s *Server) DeleteTag(name string) { s.do(func() { delete(s.tags, name) }) }

// Release is a release as it stands.
type Release struct {
	ID                                   int64
	Tag, Name, Body                      string
	Draft, Prerelease, Immutable, Latest bool
	Assets                               []Asset
	// Published is the number of assets that it had when it was published.
	Published int
}

// Asset is an asset as it stands.
type Asset struct {
	ID                int64
	Name, Type, State string
	Size              int64
	SHA256            string
}

// Releases gives all releases by their ids, their assets by name.
func (s *Server) Releases() []Release {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Release
	for _, r := range s.releases {
		c := Release{r.ID, r.Tag, r.Name, r.Body, r.Draft, r.Prerelease, r.immutable(), s.latest == r.ID, nil, r.with}
		for _, a := range r.assets {
			c.Assets = append(c.Assets, Asset{a.ID, a.Name, a.Type, a.State, a.Size, a.SHA256})
		}
		slices.SortFunc(c.Assets, func(a, b Asset) int { return int(a.ID - b.ID) })
		out = append(out, c)
	}
	return out
}

// AddRelease puts a release there as somebody else would, without its assets'
// contents, and gives its id. Asset ids are made up.
func (s *Server) AddRelease(r Release) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &release{ID: s.id(), Tag: r.Tag, Name: r.Name, Body: r.Body, Draft: r.Draft, Prerelease: r.Prerelease, Immutable: r.Immutable, at: s.o.Now()}
	for _, a := range r.Assets {
		n.assets = append(n.assets, &asset{ID: s.id(), Name: a.Name, Type: a.Type, State: a.State, Size: a.Size, SHA256: a.SHA256})
	}
	s.releases = append(s.releases, n)
	if r.Latest {
		s.latest = n.ID
	}
	return n.ID
}

// Corrupt changes the stored checksum of the assets of a name that are uploaded
// from now on, as a broken storage would, until it is turned off.
func (s *Server) Corrupt(name string, on bool) {
	s.do(func() { s.traffic.corrupt = name; s.traffic.corrupting = on })
}

// Sins are the things that GitHub lets anybody with the rights do and that a
// release tool must never do: a tag made by publishing, a public asset or
// release deleted, a release published with a broken asset, and the like.
func (s *Server) Sins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sins)
}

func (s *Server) sin(format string, args ...any) {
	s.sins = append(s.sins, fmt.Sprintf(format, args...))
}

// Pulls gives the pull requests, the oldest first.
func (s *Server) Pulls() []Pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pulls)
}

// Discussions gives them, the oldest first.
func (s *Server) Discussions() []Discussion {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.discussions)
}

// AddDiscussion opens one as somebody else would.
func (s *Server) AddDiscussion(d Discussion) {
	s.do(func() { s.discussions = append(s.discussions, d) })
}

func (s *Server) id() int64 {
	s.next++
	return s.next
}

// content is the file with an asset's bytes.
func (s *Server) content(id int64) string { return filepath.Join(s.dir, strconv.FormatInt(id, 10)) }

// serveAPI answers below the API's host.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/graphql" {
		s.graphql(w, r)
		return
	}
	c := s.open(w, r)
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.route(c)
}

// serveUploads answers below the host for uploads.
func (s *Server) serveUploads(w http.ResponseWriter, r *http.Request) {
	if c := s.open(w, r); c != nil {
		s.upload(c)
	}
}

// serveStorage gives contents to whoever knows the address, and to nobody who
// shows a token, as object stores do.
func (s *Server) serveStorage(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		s.do(func() { s.sin("the token was shown to the storage") })
		http.Error(w, "Only one auth mechanism allowed", http.StatusBadRequest)
		return
	}
	http.ServeFile(w, r, filepath.Join(s.dir, filepath.Base(r.URL.Path)))
}
