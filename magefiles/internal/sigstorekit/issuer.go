package sigstorekit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Audience is whom tokens for Fulcio are meant for.
const Audience = "sigstore"

// The issuers that Fulcio trusts here. They bear these names in certificates;
// Fulcio reaches them through a proxy of this process.
const (
	// GitHub is that of GitHub Actions.
	GitHub = "https://token.actions.githubusercontent.com"
	// Elsewhere says the same as GitHub, and is somebody else.
	Elsewhere = "https://token.actions.elsewhere.invalid"
	// People vouches for e-mail addresses.
	People = "https://accounts.people.invalid"
)

// issuers are all of them with the types that Fulcio's configuration knows.
func issuers() map[string]string {
	return map[string]string{GitHub: "github-workflow", Elsewhere: "github-workflow", People: "email"}
}

// Run is a run of a workflow.
type Run struct {
	// Repository is OWNER/NAME.
	Repository string
	// Workflow is the file's path in the repository, or in Caller's stead that of
	// a reusable workflow.
	Workflow string
	// Ref is the full git ref, Commit the full hash, Event what started the run.
	Ref, Commit, Event string
	// Caller is the repository of the run where it is not Repository: it calls
	// the workflow as a reusable one.
	Caller string
}

// claims are those that GitHub's tokens have, as far as Fulcio wants them.
func (r Run) claims() map[string]any {
	caller := r.Caller
	if caller == "" {
		caller = r.Repository
	}
	owner, _, _ := strings.Cut(caller, "/")
	workflow := r.Repository + "/" + r.Workflow + "@" + r.Ref
	return map[string]any{
		"sub": "repo:" + caller + ":ref:" + r.Ref, "repository": caller, "repository_owner": owner,
		"repository_id": "1", "repository_owner_id": "2", "repository_visibility": "public",
		"ref": r.Ref, "sha": r.Commit, "event_name": r.Event, "workflow": "Release",
		"workflow_ref": workflow, "workflow_sha": r.Commit, "job_workflow_ref": workflow, "job_workflow_sha": r.Commit,
		"runner_environment": "github-hosted", "run_id": "1", "run_attempt": "1",
	}
}

// issuer answers as all issuers, and as GitHub's token service.
type issuer struct {
	key    *ecdsa.PrivateKey
	caFile string
	// web is what Fulcio sees through proxy; plain has the token service.
	web, proxy, plain *httptest.Server

	mu   sync.Mutex
	runs map[string]Run
}

// serveIssuer writes the certificate authority that Fulcio is to trust for its
// connections into a file.
func serveIssuer(caFile string) (*issuer, error) {
	i := &issuer{caFile: caFile, runs: map[string]Run{}}
	var err error
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuers of this machine"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	for at := range issuers() {
		c.DNSNames = append(c.DNSNames, strings.TrimPrefix(at, "https://"))
	}
	made, err := certificate(c, c, i.key.Public(), i.key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Raw}), 0o600); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		at := "https://" + r.Host
		answer(w, map[string]any{
			"issuer": at, "jwks_uri": at + "/keys", "authorization_endpoint": at + "/auth", "token_endpoint": at + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		point, err := i.key.PublicKey.Bytes()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		half := (len(point) - 1) / 2
		answer(w, map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyID,
			"x": base64.RawURLEncoding.EncodeToString(point[1 : 1+half]), "y": base64.RawURLEncoding.EncodeToString(point[1+half:]),
		}}})
	})
	i.web = httptest.NewUnstartedServer(mux)
	i.web.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{made.Raw}, PrivateKey: i.key}}}
	i.web.StartTLS()
	i.proxy = httptest.NewServer(http.HandlerFunc(i.connect))
	i.plain = httptest.NewServer(http.HandlerFunc(i.token))
	return i, nil
}

// env leads a program to the issuers.
func (i *issuer) env() []string {
	return []string{"HTTPS_PROXY=" + i.proxy.URL, "SSL_CERT_FILE=" + i.caFile, "SSL_CERT_DIR=/nonexistent"}
}

func (i *issuer) close() error {
	for _, s := range []*httptest.Server{i.proxy, i.plain, i.web} {
		s.CloseClientConnections()
		s.Close()
	}
	return nil
}

// connect is a proxy that leads to the issuers and nowhere else.
func (i *issuer) connect(w http.ResponseWriter, r *http.Request) {
	name, _, _ := net.SplitHostPort(r.Host)
	if _, ok := issuers()["https://"+name]; r.Method != http.MethodConnect || !ok {
		http.Error(w, "this proxy leads to the issuers alone", http.StatusForbidden)
		return
	}
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", i.web.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "no connection to take over", http.StatusInternalServerError)
		return
	}
	here, _, err := hijacker.Hijack()
	if err != nil {
		_ = there.Close() // no use without the other
		return
	}
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either side may end it
		_ = to.Close()
		_ = from.Close()
	}
	if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err == nil {
		go pass(there, here)
	}
	go pass(here, there)
}

// token is GitHub's service for a job with `id-token: write`: it wants the job's
// bearer token and gives an ID token for the audience that is asked for.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	i.mu.Lock()
	run, known := i.runs[bearer]
	i.mu.Unlock()
	switch audience := r.URL.Query()["audience"]; {
	case r.Method != http.MethodGet:
		http.Error(w, "want GET", http.StatusMethodNotAllowed)
	case !ok || !known:
		http.Error(w, `{"message":"the job's token is not known"}`, http.StatusUnauthorized)
	case r.URL.Path != "/idtoken" || r.URL.Query().Get("api-version") == "":
		http.Error(w, `{"message":"not what ACTIONS_ID_TOKEN_REQUEST_URL said"}`, http.StatusNotFound)
	case len(audience) != 1:
		http.Error(w, `{"message":"want one audience"}`, http.StatusBadRequest)
	default:
		made, err := i.sign(GitHub, audience[0], run.claims())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, map[string]any{"count": len(made), "value": made})
	}
}

const keyID = "1"

// sign makes a JWT (RFC 7519) with ES256.
func (i *issuer) sign(by, audience string, claims map[string]any) (string, error) {
	now := time.Now()
	all := map[string]any{"iss": by, "aud": audience, "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	body, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT","kid":"`+keyID+`"}`)) + "." + enc.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + enc.EncodeToString(signature), nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone, or has it
}

// Job gives the variables that GitHub sets for a job with `id-token: write` in
// a run.
func (i *Instance) Job(run Run) (map[string]string, error) {
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	bearer := hex.EncodeToString(secret)
	i.issuer.mu.Lock()
	i.issuer.runs[bearer] = run
	i.issuer.mu.Unlock()
	return map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL":   i.issuer.plain.URL + "/idtoken?" + url.Values{"api-version": {"2.0"}}.Encode(),
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
	}, nil
}

// Token gives an ID token of a run, by GitHub or Elsewhere.
func (i *Instance) Token(by string, run Run) (string, error) {
	return i.issuer.sign(by, Audience, run.claims())
}

// Person gives an ID token of a person.
func (i *Instance) Person(email string) (string, error) {
	return i.issuer.sign(People, Audience, map[string]any{"sub": email, "email": email, "email_verified": true})
}

func (r Run) String() string { return fmt.Sprintf("%s/%s@%s", r.Repository, r.Workflow, r.Ref) }
