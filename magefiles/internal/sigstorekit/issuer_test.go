package sigstorekit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenService: it is as strict as GitHub's.
func TestTokenService(t *testing.T) {
	served, err := serveIssuer(filepath.Join(t.TempDir(), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = served.close() }()
	i := &Instance{issuer: served}
	run := Run{Repository: "o/r", Workflow: ".github/workflows/x.yml", Ref: "refs/tags/v1.0.0", Commit: strings.Repeat("a", 40), Event: "push"}
	env, err := i.Job(run)
	if err != nil {
		t.Fatal(err)
	}
	at, bearer := env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
	for _, c := range []struct {
		method, at, bearer string
		want               int
	}{
		{http.MethodGet, at + "&audience=sigstore", bearer, http.StatusOK},
		{http.MethodPost, at + "&audience=sigstore", bearer, http.StatusMethodNotAllowed},
		{http.MethodGet, at + "&audience=sigstore", "x", http.StatusUnauthorized},
		{http.MethodGet, at, bearer, http.StatusBadRequest},
		{http.MethodGet, at + "&audience=a&audience=b", bearer, http.StatusBadRequest},
		{http.MethodGet, strings.Replace(at, "/idtoken?", "/other?", 1) + "&audience=sigstore", bearer, http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.at, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.bearer)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil || res.StatusCode != c.want {
			t.Errorf("%s %s: %s, %v, want %d", c.method, c.at, res.Status, err, c.want)
		}
		if c.want != http.StatusOK {
			continue
		}
		var answer struct{ Value string }
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		body, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Value, ".")[1])
		var claims struct {
			Iss, Aud string
			Job      string `json:"job_workflow_ref"`
		}
		if err != nil || json.Unmarshal(body, &claims) != nil || claims.Iss != GitHub || claims.Aud != "sigstore" || claims.Job != run.String() {
			t.Errorf("the token says %s, %v", body, err)
		}
	}
}

// TestProxy leads to the issuers and nowhere else.
func TestProxy(t *testing.T) {
	served, err := serveIssuer(filepath.Join(t.TempDir(), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = served.close() }()
	proxy, err := url.Parse(served.proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	get := func(ctx context.Context, at string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	if err := get(t.Context(), "https://example.org/"); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("elsewhere: %v", err)
	}
	// It arrives, at somebody whose certificate this client does not trust.
	if err := get(t.Context(), GitHub+"/keys"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an issuer: %v", err)
	}
}
