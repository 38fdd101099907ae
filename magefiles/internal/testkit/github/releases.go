package github

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

type release struct {
	ID                           int64
	Tag, Name, Body              string
	Draft, Prerelease, Immutable bool
	at, published                time.Time
	assets                       []*asset
	with, late                   int
}

// immutable releases are public: a draft never is one.
func (r *release) immutable() bool { return r.Immutable && !r.Draft }

func (s *Server) release(id string) *release {
	for _, r := range s.releases {
		if strconv.FormatInt(r.ID, 10) == id {
			return r
		}
	}
	return nil
}

func (c *call) releaseJSON(r *release) object {
	s := c.s
	base := fmt.Sprintf("%s/repos/%s/%s/releases/%d", s.api.URL, Owner, Name, r.ID)
	assets := []object{}
	for _, a := range r.assets {
		assets = append(assets, c.assetJSON(a))
	}
	out := object{
		"id": r.ID, "url": base, "assets_url": base + "/assets",
		"upload_url": fmt.Sprintf("%s/repos/%s/%s/releases/%d/assets{?name,label}", s.uploads.URL, Owner, Name, r.ID),
		"html_url":   s.URL() + "/releases/tag/" + r.Tag, "tag_name": r.Tag, "target_commitish": "main", "name": r.Name, "body": r.Body,
		"draft": r.Draft, "prerelease": r.Prerelease, "immutable": r.immutable(), "created_at": r.at.UTC().Format(time.RFC3339),
		"published_at": nil, "assets": assets,
	}
	if !r.Draft {
		out["published_at"] = r.published.UTC().Format(time.RFC3339)
	}
	return out
}

// route answers what goes to the repository's API. The lock is held.
func (s *Server) route(c *call) {
	id := func(i int) string {
		if i < len(c.rest) {
			return c.rest[i]
		}
		return ""
	}
	method, depth := c.r.Method, len(c.rest)
	switch {
	case depth == 0 && method == http.MethodGet:
		c.repository()
	case id(0) == "git" && id(1) == "ref" && id(2) == "tags" && depth == 4 && method == http.MethodGet:
		c.ref(id(3))
	case id(0) == "actions" && id(1) == "runs" && depth == 2 && method == http.MethodGet:
		c.listRuns()
	case id(0) == "pulls" && depth == 1 && method == http.MethodGet:
		c.listPulls()
	case id(0) == "pulls" && depth == 1 && method == http.MethodPost:
		c.createPull()
	case id(0) == "attestations" && depth == 1 && method == http.MethodPost:
		c.createAttestation()
	case id(0) == "attestations" && depth == 2 && method == http.MethodGet:
		c.listAttestations(id(1))
	case id(0) != "releases":
		c.missing()
	case depth == 1 && method == http.MethodGet:
		c.listReleases()
	case depth == 1 && method == http.MethodPost:
		c.createRelease()
	case id(1) == "assets" && depth == 3:
		c.oneAsset(id(2))
	case id(1) == "latest" && depth == 2 && method == http.MethodGet:
		c.show(func(r *release) bool { return r.ID == s.latest && !r.Draft && !r.Prerelease })
	case id(1) == "tags" && depth == 3 && method == http.MethodGet:
		c.show(func(r *release) bool { return r.Tag == id(2) && !r.Draft })
	case depth == 2 && method == http.MethodGet:
		c.show(func(r *release) bool { return r == s.release(id(1)) })
	case depth == 2 && method == http.MethodPatch:
		c.editRelease(s.release(id(1)))
	case depth == 2 && method == http.MethodDelete:
		c.deleteRelease(s.release(id(1)))
	case depth == 3 && id(2) == "assets" && method == http.MethodGet:
		c.listAssets(s.release(id(1)))
	default:
		c.missing()
	}
}

func (c *call) repository() {
	rights := object{"admin": false, "maintain": false, "push": c.may("contents", "write"), "triage": false, "pull": c.may("contents", "read")}
	if c.access.Untold {
		rights["push"], rights["pull"] = false, false
	}
	out := object{
		"id": 1, "node_id": "R_1", "name": Name, "full_name": Owner + "/" + Name, "private": c.s.o.Private,
		"html_url": c.s.URL(), "default_branch": "main", "archived": false,
	}
	if c.token {
		out["permissions"] = rights
	}
	c.answer(http.StatusOK, out)
}

func (c *call) ref(tag string) {
	commit, ok := c.s.tags[tag]
	if !ok {
		c.missing()
		return
	}
	c.answer(http.StatusOK, object{"ref": "refs/tags/" + tag, "object": object{"type": "tag", "sha": commit}})
}

// sees tells whether a release is shown to this caller.
func (c *call) sees(r *release) bool {
	return r != nil && (!r.Draft || c.token && c.may("contents", "write"))
}

func (c *call) show(which func(*release) bool) {
	for _, r := range c.s.releases {
		if which(r) && c.sees(r) {
			c.answer(http.StatusOK, c.releaseJSON(r))
			return
		}
	}
	c.missing()
}

// hides counts a list that leaves something new out.
func hides(late *int) bool {
	*late--
	return *late >= 0
}

// listReleases gives the newest first.
func (c *call) listReleases() {
	if !c.query("per_page", "page") {
		return
	}
	var seen []*release
	for _, r := range slices.Backward(c.s.releases) {
		if c.sees(r) && !hides(&r.late) {
			seen = append(seen, r)
		}
	}
	out := []object{}
	for _, r := range page(c, seen) {
		out = append(out, c.releaseJSON(r))
	}
	c.answer(http.StatusOK, out)
}

// wish is the body of a request that makes or edits a release.
type wish struct {
	Tag        *string `json:"tag_name"`
	Target     *string `json:"target_commitish"`
	Name       *string `json:"name"`
	Body       *string `json:"body"`
	Draft      *bool   `json:"draft"`
	Prerelease *bool   `json:"prerelease"`
	Latest     *string `json:"make_latest"`
	Discussion *string `json:"discussion_category_name"`
}

func (c *call) createRelease() {
	var want struct {
		wish
		Generate *bool `json:"generate_release_notes"`
	}
	if !c.needs("contents", "write") || !c.read(&want) {
		return
	}
	if want.Tag == nil || *want.Tag == "" {
		c.invalid("Release", "tag_name", "missing_field", "")
		return
	}
	r := &release{at: c.s.o.Now(), Draft: true, late: c.s.o.Late}
	if want.Draft == nil {
		no := false
		want.Draft = &no
	}
	if !c.apply(r, want.wish) {
		return
	}
	c.answer(http.StatusCreated, c.releaseJSON(r))
}

func (c *call) editRelease(r *release) {
	var want wish
	switch {
	case !c.needs("contents", "write"):
	case !c.sees(r):
		c.missing()
	case c.read(&want) && c.apply(r, want):
		c.answer(http.StatusOK, c.releaseJSON(r))
	}
}

func or[T any](p *T, old T) T {
	if p == nil {
		return old
	}
	return *p
}

// apply makes a release what it should be, or answers why not. A new one has no
// id.
func (c *call) apply(r *release, want wish) bool {
	s := c.s
	now := *r
	now.Tag, now.Name, now.Body = or(want.Tag, r.Tag), or(want.Name, r.Name), or(want.Body, r.Body)
	now.Draft, now.Prerelease = or(want.Draft, r.Draft), or(want.Prerelease, r.Prerelease)
	public := r.ID != 0 && !r.Draft
	publishes := r.Draft && !now.Draft

	latest := or(want.Latest, "")
	switch {
	case !slices.Contains([]string{"", "true", "false", "legacy"}, latest):
		c.invalid("Release", "make_latest", "invalid", "make_latest must be one of true, false, legacy")
		return false
	case latest == "true" && (now.Draft || now.Prerelease):
		c.invalid("Release", "make_latest", "custom", "Drafts and prereleases cannot be set as latest")
		return false
	case r.immutable() && (now.Tag != r.Tag || now.Draft || now.Prerelease != r.Prerelease || want.Target != nil):
		c.invalid("Release", "", "custom", "Only the title and the notes of an immutable release can be modified")
		return false
	}
	if !now.Draft {
		for _, other := range s.releases {
			if other != r && !other.Draft && other.Tag == now.Tag {
				c.invalid("Release", "tag_name", "already_exists", "")
				return false
			}
		}
	}
	if publishes {
		s.publish(&now)
	}
	if public && now.Draft {
		s.sin("public release %s was made a draft", r.Tag)
	}
	if public && now.Tag != r.Tag {
		s.sin("public release %s was moved to tag %s", r.Tag, now.Tag)
	}
	if now.ID == 0 {
		now.ID = s.id()
		s.releases = append(s.releases, r)
	}
	*r = now
	switch {
	case latest == "true", publishes && latest != "false" && !r.Prerelease:
		// Without a word a new publication is the latest.
		s.latest = r.ID
	case s.latest == r.ID && (latest == "false" || r.Draft || r.Prerelease):
		s.latest = 0
	}
	return true
}

// publish notes what a publication does on the side.
func (s *Server) publish(r *release) {
	r.published, r.Immutable, r.with = s.o.Now(), s.o.Immutable, len(r.assets)
	if _, ok := s.tags[r.Tag]; !ok {
		s.tags[r.Tag] = s.branches["main"]
		s.sin("publishing %s made the git tag", r.Tag)
	}
	for _, a := range r.assets {
		if a.State != uploaded {
			s.sin("release %s was published with %s, which is %s", r.Tag, a.Name, a.State)
		}
	}
}

func (c *call) deleteRelease(r *release) {
	switch {
	case !c.needs("contents", "write"):
		return
	case !c.sees(r):
		c.missing()
		return
	case r.immutable():
		c.invalid("Release", "", "custom", "Cannot delete an immutable release")
		return
	case !r.Draft:
		c.s.sin("public release %s was deleted", r.Tag)
	}
	c.s.releases = slices.DeleteFunc(c.s.releases, func(o *release) bool { return o == r })
	c.answer(http.StatusNoContent, nil)
}
