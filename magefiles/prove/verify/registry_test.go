package verify_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// A registry's refusal is never read as "there is none", and content that does
// not have its digest is never used.
func TestRegistryAnswers(t *testing.T) {
	key := newKey(t)
	r := signed(t, key, fixture.Options{})
	_, index, _, err := r.Bundle.ImageIndex()
	must(t, err)
	var amd64 v1.Manifest
	must(t, r.Bundle.ReadJSON(index.Manifests[0].Digest, &amd64))
	layer := amd64.Layers[len(amd64.Layers)-1].Digest.String()

	status := func(part string, code int) func(http.ResponseWriter, *http.Request, http.Handler) bool {
		return func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
			if !strings.Contains(q.URL.Path, part) {
				return false
			}
			w.WriteHeader(code)
			return true
		}
	}
	change := func(part string) func(http.ResponseWriter, *http.Request, http.Handler) bool {
		return func(w http.ResponseWriter, q *http.Request, real http.Handler) bool {
			if q.Method != http.MethodGet || !strings.HasSuffix(q.URL.Path, part) {
				return false
			}
			rec := httptest.NewRecorder()
			real.ServeHTTP(rec, q)
			body := rec.Body.Bytes()
			if len(body) > 100 {
				body[len(body)/2] ^= 1
			}
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
			return true
		}
	}
	for _, c := range []struct {
		name      string
		referrers bool
		disturb   func(http.ResponseWriter, *http.Request, http.Handler) bool
		// words are empty where it has to pass all the same.
		words []string
	}{
		{"referrers API: 404", false, status("/referrers/", http.StatusNotFound), nil},
		{"referrers API: redirect to a page", false, func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
			switch {
			case strings.Contains(q.URL.Path, "/referrers/"):
				http.Redirect(w, q, "/sign-in", http.StatusSeeOther)
			case q.URL.Path == "/sign-in":
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, "<html>who are you?</html>")
			default:
				return false
			}
			return true
		}, nil},
		{"referrers API: empty list, fallback tag filled", false, func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
			if !strings.Contains(q.URL.Path, "/referrers/") {
				return false
			}
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
			return true
		}, nil},
		{"referrers API: 403", true, status("/referrers/", http.StatusForbidden), []string{"looking up what refers to sha256:", "403"}},
		{"referrers API: 500", true, status("/referrers/", http.StatusInternalServerError), []string{"looking up what refers to sha256:", "500"}},
		{"referrers API: no JSON", true, func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
			if !strings.Contains(q.URL.Path, "/referrers/") {
				return false
			}
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, `<html>`)
			return true
		}, []string{"looking up what refers to sha256:"}},
		{"fallback tag: 403", false, func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
			if !strings.Contains(q.URL.Path, "/manifests/sha256-") || strings.HasSuffix(q.URL.Path, ".sig") || strings.HasSuffix(q.URL.Path, ".att") {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		}, []string{"looking up what refers to sha256:", "403"}},
		{"older tags: 403", true, func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
			if !strings.HasSuffix(q.URL.Path, ".sig") {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		}, []string{"reading the tag sha256-", ".sig", "403"}},
		{"no such image", true, status("/manifests/"+find(t, r.Bundle, "index").Digest.String(), http.StatusNotFound), []string{"reading the manifest sha256:", "404"}},
		{"a changed layer", true, change("/blobs/" + layer), []string{"reading the binary in the image for linux/amd64"}},
		{"a changed manifest", true, change("/manifests/" + index.Manifests[1].Digest.String()), []string{"reading the manifest " + index.Manifests[1].Digest.String(), "digest"}},
		{"a changed index", true, change("/manifests/" + find(t, r.Bundle, "index").Digest.String()), []string{"reading the manifest", "digest"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			real := fixture.Handler(c.referrers)
			var on atomic.Bool
			repo := fixture.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if !on.Load() || !c.disturb(w, q, real) {
					real.ServeHTTP(w, q)
				}
			}))
			ref := fixture.Push(t, r.Bundle, repo)
			on.Store(true)
			quick := remote.WithRetryBackoff(remote.Backoff{Steps: 1})
			got, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect, quick)
			if len(c.words) == 0 {
				must(t, err)
				return
			}
			if err == nil {
				t.Fatal("it passed")
			}
			var all *verify.Error
			if errors.As(err, &all) {
				t.Errorf("an unanswered question was taken for an answer: %v", errors.Join(all.Unwrap()...))
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error %q does not say %q", err, w)
				}
			}
			if got.Proves(find(t, r.Bundle, "index").Digest) {
				t.Error("the result proves an image that was not read")
			}
		})
	}
}

// A proof that is listed but gone is missing: it is no reason to give up.
func TestListedButGone(t *testing.T) {
	key := newKey(t)
	r := signed(t, key, fixture.Options{})
	gone := find(t, r.Bundle, "linux-amd64.spdx").Digest.String()
	real := fixture.Handler(true)
	var on atomic.Bool
	repo := fixture.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if on.Load() && strings.HasSuffix(q.URL.Path, "/manifests/"+gone) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		real.ServeHTTP(w, q)
	}))
	ref := fixture.Push(t, r.Bundle, repo)
	on.Store(true)
	_, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect)
	var first *verify.Failure
	if !errors.As(err, &first) || first.Reason != verify.NoSBOM || first.Subject != "linux/amd64" {
		t.Errorf("got %v, want a missing SBOM of linux/amd64", err)
	}
}
