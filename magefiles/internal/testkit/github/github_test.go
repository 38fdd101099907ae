package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// asker sends plain HTTP.
type asker struct {
	*Server
	t *testing.T
}

func start(t *testing.T, o Options) asker {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return asker{s, t}
}

type reply struct {
	status int
	header http.Header
	text   string
}

func (r reply) id(t *testing.T) int64 {
	t.Helper()
	var is struct{ ID int64 }
	if err := json.Unmarshal([]byte(r.text), &is); err != nil || is.ID == 0 {
		t.Fatalf("no id in %d %s: %v", r.status, r.text, err)
	}
	return is.ID
}

// ask sends a request below the repository ("@" at the beginning stands for the
// host for uploads). Headers come as "name: value"; an empty value leaves one
// out.
func (a asker) ask(method, path, body string, headers ...string) reply {
	a.t.Helper()
	r, err := a.try(method, path, body, headers...)
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func (a asker) try(method, path, body string, headers ...string) (reply, error) {
	a.t.Helper()
	root := a.API()
	if rest, ok := strings.CutPrefix(path, "@"); ok {
		root, path = a.Uploads(), rest
	}
	if path != "/graphql" {
		path = "/repos/" + Owner + "/" + Name + path
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, root+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, h := range append([]string{
		"Authorization: Bearer " + Token, "Accept: application/vnd.github+json", "X-GitHub-Api-Version: 2022-11-28", "User-Agent: test",
		"Content-Type: application/octet-stream",
	}, headers...) {
		k, v, _ := strings.Cut(h, ":")
		if v = strings.TrimSpace(v); v == "" && k != "User-Agent" {
			req.Header.Del(k)
			continue
		}
		req.Header.Set(k, v)
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(text)}, err
}

// It refuses what GitHub refuses.
func TestRefused(t *testing.T) {
	s := start(t, Options{})
	s.SetTag("v1", "c0ffee")
	s.SetToken("reader", Access{Permissions: map[string]string{"contents": "read"}})
	s.SetToken("classic", Access{Scopes: []string{"gist"}})
	public := s.AddRelease(Release{Tag: "v1", Assets: []Asset{{Name: "a", State: "uploaded", Size: 1}}})
	draft := s.AddRelease(Release{Tag: "v2", Draft: true, Assets: []Asset{{Name: "a", State: "starter"}}})
	frozen := s.AddRelease(Release{Tag: "v3", Immutable: true, Assets: []Asset{{Name: "a", State: "uploaded", Size: 1}}})
	at := func(id int64) string { return fmt.Sprintf("/releases/%d", id) }
	var frozenAsset string
	for _, r := range s.Releases() {
		if r.ID == frozen {
			frozenAsset = fmt.Sprintf("/releases/assets/%d", r.Assets[0].ID)
		}
	}
	for _, tt := range []struct {
		method, path, body string
		header             string
		status             int
		says               string
	}{
		{"GET", "/releases", "", "User-Agent:", 403, "User-Agent header"},
		{"GET", "/releases", "", "Accept: text/html", 415, "Unsupported 'Accept'"},
		{"GET", "/releases", "", "X-GitHub-Api-Version: 2020-01-01", 400, "API version"},
		{"GET", "/releases", "", "Authorization: Bearer ghp_x", 401, "Bad credentials"},
		{"GET", "/releases?frob=1", "", "", 422, "not a permitted key"},
		{"GET", "/nowhere", "", "", 404, "Not Found"},
		{"GET", at(draft), "", "Authorization:", 404, "Not Found"},
		{"GET", at(draft), "", "Authorization: Bearer reader", 404, "Not Found"},
		{"GET", "/releases/tags/v2", "", "", 404, "Not Found"},
		{"GET", "/git/ref/tags/v9", "", "", 404, "Not Found"},
		{"GET", "/actions/runs", "", "Authorization: Bearer reader", 403, "Resource not accessible by integration"},
		{"POST", "/releases", `{"tag_name":"v1"`, "", 400, "Problems parsing JSON"},
		{"POST", "/releases", `{"name":"x"}`, "", 422, `"code":"missing_field"`},
		{"POST", "/releases", `{"tag_name":"v1","draft":true,"frob":1}`, "", 422, "is not a permitted key"},
		{"POST", "/releases", `{"tag_name":"v1"}`, "", 422, `"code":"already_exists"`},
		{"POST", "/releases", `{"tag_name":"v4","draft":true,"make_latest":"yes"}`, "", 422, "make_latest must be one of"},
		{"POST", "/releases", `{"tag_name":"v4","draft":true,"make_latest":true}`, "", 400, "Problems parsing JSON"},
		{"POST", "/releases", `{"tag_name":"v4","prerelease":true,"make_latest":"true"}`, "", 422, "cannot be set as latest"},
		{"POST", "/releases", `{"tag_name":"v4"}`, "Authorization: Bearer reader", 403, "Resource not accessible by integration"},
		{"POST", "/releases", `{"tag_name":"v4"}`, "Authorization: Bearer classic", 404, "Not Found"},
		{"POST", "/releases", `{"tag_name":"v4"}`, "Authorization:", 401, "Requires authentication"},
		{"PATCH", at(draft), `{"tag_name":"v1","draft":false}`, "", 422, `"code":"already_exists"`},
		{"PATCH", at(draft), `{"generate_release_notes":true}`, "", 422, "is not a permitted key"},
		{"PATCH", at(frozen), `{"tag_name":"v9"}`, "", 422, "immutable"},
		{"PATCH", at(frozen), `{"draft":true}`, "", 422, "immutable"},
		{"PATCH", at(frozen), `{"prerelease":true}`, "", 422, "immutable"},
		{"PATCH", "/releases/1", `{}`, "", 404, "Not Found"},
		{"DELETE", at(frozen), "", "", 422, "immutable"},
		{"DELETE", frozenAsset, "", "", 422, "Cannot delete asset from an immutable release"},
		{"POST", at(draft) + "/assets?name=b", "x", "", 404, "Not Found"},
		{"GET", "@/releases", "", "", 404, "Not Found"},
		{"POST", "@" + at(draft) + "/assets", "x", "", 422, `"code":"missing_field"`},
		{"POST", "@" + at(draft) + "/assets?name=a", "x", "", 422, `"code":"already_exists"`},
		{"POST", "@" + at(draft) + "/assets?name=b&frob=1", "x", "", 422, "not a permitted key"},
		{"POST", "@" + at(draft) + "/assets?name=b", "", "", 422, "greater than or equal to 1"},
		{"POST", "@" + at(draft) + "/assets?name=b", "x", "Content-Type:", 422, "content_type"},
		{"POST", "@" + at(draft) + "/assets?name=b", "x", "Authorization: Bearer reader", 403, "not accessible"},
		{"POST", "@" + at(public) + "/assets?name=a", "x", "", 422, `"code":"already_exists"`},
		{"POST", "@" + at(frozen) + "/assets?name=b", "x", "", 422, "Cannot upload assets to an immutable release."},
		{"POST", "/pulls", `{"title":"x","head":"nowhere","base":"main"}`, "", 422, `"field":"head"`},
		{"POST", "/pulls", `{"title":"x","head":"main","base":"main"}`, "", 422, "No commits between main and main"},
		{"POST", "/graphql", `{"query":"query { x }","variables":{"owner":"kubedoio","name":"sample"}}`, "", 200, "Parse error"},
		{"POST", "/graphql", `{"query":"query { x }","variables":{"owner":"kubedoio","name":"other"}}`, "", 200, "NOT_FOUND"},
		{"POST", "/graphql", `{"query":"query { x }"}`, "Authorization:", 401, "to be authenticated"},
		{"POST", "/graphql", `{"query":"mutation { createDiscussion(","variables":{"input":{"frob":1}}}`, "", 422, "not a permitted key"},
	} {
		t.Run(tt.method+" "+tt.path+" "+tt.body+" "+tt.header, func(t *testing.T) {
			s := asker{s.Server, t}
			before := fmt.Sprint(s.Releases())
			r := s.ask(tt.method, tt.path, tt.body, tt.header)
			if r.status != tt.status || !strings.Contains(r.text, tt.says) {
				t.Errorf("%d %s, expected %d and %q", r.status, r.text, tt.status, tt.says)
			}
			if after := fmt.Sprint(s.Releases()); after != before {
				t.Errorf("a refusal changed something: %s, before %s", after, before)
			}
		})
	}
	if sins := s.Sins(); len(sins) > 0 {
		t.Errorf("a refusal is no sin: %q", sins)
	}
	if r := s.ask("POST", "/releases", "{}", "Authorization: Bearer reader"); r.header.Get("X-Accepted-Github-Permissions") != "contents=write" {
		t.Errorf("headers: %v", r.header)
	}
	if r := s.ask("GET", "/releases", "", "Authorization: Bearer classic"); r.header.Get("X-Oauth-Scopes") != "gist" {
		t.Errorf("headers: %v", r.header)
	}
	hidden := start(t, Options{Private: true})
	if r := hidden.ask("GET", "", "", "Authorization:"); r.status != 404 {
		t.Errorf("a private repository answers a stranger with %d", r.status)
	}
}

// It does silently what GitHub does silently, and takes note.
func TestSilent(t *testing.T) {
	s := start(t, Options{})
	s.SetTag("v1", "c0ffee")
	s.SetTag("v2", "c0ffee")
	latest := func() string {
		var is struct {
			Tag string `json:"tag_name"`
		}
		_ = json.Unmarshal([]byte(s.ask("GET", "/releases/latest", "").text), &is)
		return is.Tag
	}
	one := s.ask("POST", "/releases", `{"tag_name":"v1","make_latest":"true"}`).id(t)
	if latest() != "v1" {
		t.Errorf("latest is %q", latest())
	}
	two := s.ask("POST", "/releases", `{"tag_name":"v2","draft":true,"make_latest":"false"}`).id(t)
	if latest() != "v1" {
		t.Errorf("a draft became the latest: %q", latest())
	}
	s.ask("PATCH", fmt.Sprintf("/releases/%d", two), `{"draft":false}`)
	if latest() != "v2" {
		t.Errorf("publishing without make_latest left %q", latest())
	}
	s.ask("PATCH", fmt.Sprintf("/releases/%d", one), `{"make_latest":"true"}`)
	s.ask("PATCH", fmt.Sprintf("/releases/%d", one), `{"prerelease":true}`)
	if latest() != "" {
		t.Errorf("a pre-release is the latest: %q", latest())
	}
	asset := s.ask("POST", fmt.Sprintf("@/releases/%d/assets?name=a+b", two), "x")
	if !strings.Contains(asset.text, `"name":"a.b"`) {
		t.Errorf("the name was not changed: %s", asset.text)
	}
	s.ask("DELETE", fmt.Sprintf("/releases/assets/%d", asset.id(t)), "")
	s.ask("PATCH", fmt.Sprintf("/releases/%d", two), `{"draft":true}`)
	s.ask("PATCH", fmt.Sprintf("/releases/%d", two), `{"draft":false,"tag_name":"v9"}`)
	s.ask("DELETE", fmt.Sprintf("/releases/%d", two), "")
	want := []string{
		"asset a.b of public release v2 was deleted", "public release v2 was made a draft", "publishing v9 made the git tag", "public release v9 was deleted",
	}
	if !slices.Equal(s.Sins(), want) {
		t.Errorf("sins %q, expected %q", s.Sins(), want)
	}
}

func TestPages(t *testing.T) {
	s := start(t, Options{})
	for i := range 230 {
		s.AddRelease(Release{Tag: fmt.Sprintf("v%d", i)})
	}
	for path, want := range map[string]int{"/releases": 30, "/releases?per_page=100": 100, "/releases?per_page=1000": 100, "/releases?per_page=100&page=3": 30, "/releases?page=99": 0} {
		var list []struct {
			Tag string `json:"tag_name"`
		}
		r := s.ask("GET", path, "")
		if err := json.Unmarshal([]byte(r.text), &list); err != nil || len(list) != want {
			t.Errorf("%s: %d releases, %v, expected %d", path, len(list), err, want)
		}
		if next := strings.Contains(r.header.Get("Link"), `rel="next"`); next == (want == 0 || strings.Contains(path, "page=3")) {
			t.Errorf("%s: Link: %s", path, r.header.Get("Link"))
		}
	}
}

func TestLimits(t *testing.T) {
	now := time.Unix(5000, 0)
	s := start(t, Options{Now: func() time.Time { return now }})
	s.LimitEvery(2, 90*time.Second)
	post := func() reply { return s.ask("POST", "/releases", `{"tag_name":"v1","draft":true}`) }
	if r := post(); r.status != 201 {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := post(); r.status != 403 || r.header.Get("Retry-After") != "90" || !strings.Contains(r.text, "secondary rate limit") {
		t.Errorf("%d %v %s", r.status, r.header, r.text)
	}
	now = now.Add(89 * time.Second)
	post()
	if len(s.Sins()) != 1 || len(s.Releases()) != 2 {
		t.Errorf("%q, %v", s.Sins(), s.Releases())
	}
	s.LimitEvery(0, 0)
	s.LimitPrimary(1, time.Unix(9000, 0))
	if r := s.ask("GET", "/releases", ""); r.status != 200 || r.header.Get("X-Ratelimit-Remaining") != "0" {
		t.Errorf("%d %v", r.status, r.header)
	}
	if r := s.ask("GET", "/releases", ""); r.status != 403 || r.header.Get("X-Ratelimit-Reset") != "9000" || !strings.Contains(r.text, "API rate limit exceeded") {
		t.Errorf("%d %v %s", r.status, r.header, r.text)
	}
	now = time.Unix(9000, 0)
	if r := s.ask("GET", "/releases", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// A cut leaves what a cut at its place leaves.
func TestCuts(t *testing.T) {
	for cut, want := range map[Cut]string{BeforeRequest: "", InRequest: "starter", BeforeAnswer: "uploaded", InAnswer: "uploaded", BadGateway: "starter"} {
		s := start(t, Options{})
		id := s.AddRelease(Release{Tag: "v1", Draft: true})
		path := fmt.Sprintf("@/releases/%d/assets?name=a", id)
		s.Cut(1, cut)
		r, err := s.try("POST", path, "content")
		if (err == nil) != (cut == BadGateway) || cut == InAnswer && !errors.Is(err, io.ErrUnexpectedEOF) || cut == BadGateway && r.status != 502 {
			t.Errorf("%s: %d %v", cut, r.status, err)
		}
		var got string
		for _, a := range s.Releases()[0].Assets {
			got += a.State
		}
		if got != want {
			t.Errorf("%s left %q, expected %q", cut, got, want)
		}
		if r := s.ask("POST", path, "content"); (r.status == 201) != (want == "") {
			t.Errorf("%s, then again: %d %s", cut, r.status, r.text)
		}
	}
}

// Contents come from a storage that wants no token.
func TestStorage(t *testing.T) {
	s := start(t, Options{})
	id := s.AddRelease(Release{Tag: "v1", Draft: true})
	asset := s.ask("POST", fmt.Sprintf("@/releases/%d/assets?name=a", id), "content").id(t)
	r := s.ask("GET", fmt.Sprintf("/releases/assets/%d", asset), "", "Accept: application/octet-stream")
	if r.status != 302 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	for header, want := range map[string]string{"": "content", "Bearer x": "Only one auth mechanism allowed\n"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.header.Get("Location"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != want || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	}
	if len(s.Sins()) != 1 {
		t.Errorf("sins %q", s.Sins())
	}
}
