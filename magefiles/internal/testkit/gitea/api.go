package gitea

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Call sends a request to the server's API as [Admin]: path begins after
// "/api/v1". in is sent as JSON and the answer read into out; both may be nil.
// An answer that is no success is an error with its text.
func (s *Server) Call(ctx context.Context, method, path string, in, out any) error {
	return s.call(ctx, method, path, "token "+s.admin.token, in, out)
}

func (s *Server) call(ctx context.Context, method, path, authorization string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	text, err := s.send(ctx, method, s.url+"/api/v1"+path, authorization, body)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	return nil
}

func (s *Server) send(ctx context.Context, method, url, authorization string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if res.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, res.Status, text)
	}
	return text, nil
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// NewToken makes a token of [Admin]'s with some scopes, such as
// "write:repository".
func (s *Server) NewToken(ctx context.Context, scopes ...string) (string, error) {
	return s.newToken(ctx, s.admin, scopes)
}

func (s *Server) newToken(ctx context.Context, a account, scopes []string) (string, error) {
	var made struct{ SHA1 string }
	in := map[string]any{"name": strings.Join(scopes, " ") + " " + rand.Text(), "scopes": scopes}
	err := s.call(ctx, http.MethodPost, "/users/"+a.name+"/tokens", basic(a.name, a.password), in, &made)
	return made.SHA1, err
}

// NewUser makes a user without any rights and gives a token with all scopes.
func (s *Server) NewUser(ctx context.Context, name string) (token string, err error) {
	a := account{name: name, password: rand.Text()}
	err = s.Call(ctx, http.MethodPost, "/admin/users", map[string]any{
		"username": name, "email": name + "@localhost.invalid", "password": a.password, "must_change_password": false}, nil)
	if err != nil {
		return "", err
	}
	return s.newToken(ctx, a, []string{"all"})
}

// NewRepository makes an empty repository of [Admin]'s and gives its address.
func (s *Server) NewRepository(ctx context.Context, name string, private bool) (url string, err error) {
	err = s.Call(ctx, http.MethodPost, "/user/repos", map[string]any{"name": name, "private": private, "default_branch": "main"}, nil)
	return s.url + "/" + Admin + "/" + name, err
}

// Push pushes from a local repository to an address of [Server.NewRepository],
// and waits until the server's database knows: it takes note of branches and
// tags a moment after git has ended, and until then its API fails, and a draft
// of such a tag becomes public by itself.
func (s *Server) Push(ctx context.Context, dir, url string, refspecs ...string) error {
	err := run.Do(ctx, run.Cmd{Name: "git", Args: append([]string{"push", "--quiet", url}, refspecs...), Dir: dir,
		Env: s.GitEnv(), Secrets: []string{s.admin.token}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	for {
		noted, err := s.noted(ctx, url)
		if err != nil || noted {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not take note of a push to %s: %w", url, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// noted tells whether the database knows a repository's tags: its feed is made
// of those, the API's lists of what git has.
func (s *Server) noted(ctx context.Context, url string) (bool, error) {
	path := "/repos/" + strings.TrimPrefix(url, s.url+"/")
	var repo struct{ Empty bool }
	if err := s.Call(ctx, http.MethodGet, path, nil, &repo); err != nil || repo.Empty {
		return false, err
	}
	var refs []struct{ Ref string }
	if err := s.Call(ctx, http.MethodGet, path+"/git/refs", nil, &refs); err != nil {
		return false, err
	}
	feed, err := s.send(ctx, http.MethodGet, url+"/tags.rss", basic(Admin, s.admin.token), nil)
	for _, r := range refs {
		if tag, ok := strings.CutPrefix(r.Ref, "refs/tags/"); ok && !strings.Contains(string(feed), "/releases/tag/"+tag+"<") {
			return false, err
		}
	}
	return true, err
}

// GitEnv has git authenticate to this server as [Admin], and to no other.
func (s *Server) GitEnv() []string {
	return []string{"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http." + s.url + "/.extraHeader",
		"GIT_CONFIG_VALUE_0=Authorization: " + basic(Admin, s.admin.token)}
}

// GitDir is the directory of a repository of [Admin]'s on the server's disk.
func (s *Server) GitDir(name string) string {
	return s.path("data", "data", "gitea-repositories", Admin, name+".git")
}
