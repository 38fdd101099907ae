package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifest is the least that a registry has to take (OCI distribution 1.1).
const maxManifest = 4 << 20

// fault is an error answer: a status and a code of OCI distribution 1.1.
type fault struct {
	status  int
	code    string
	message string
}

func (e *fault) Error() string { return e.code + ": " + e.message }

func faultf(status int, code, format string, args ...any) error {
	return &fault{status, code, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers the requests of OCI distribution 1.1.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	err := s.route(w, r)
	if err == nil {
		return
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{http.StatusInternalServerError, "UNKNOWN", err.Error()}
	}
	text, err := json.Marshal(map[string]any{"errors": []any{map[string]string{"code": f.code, "message": f.message}}})
	if err != nil {
		text = nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	_, _ = w.Write(text)
}

func (s *Store) route(w http.ResponseWriter, r *http.Request) error {
	path, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok {
		return faultf(http.StatusNotFound, "UNSUPPORTED", "only /v2/ is served here")
	}
	switch path {
	case "":
		return answer(w, struct{}{})
	case "_catalog":
		list, err := s.repos()
		if err != nil {
			return err
		}
		return answer(w, map[string]any{"repositories": page(w, r, list)})
	}
	repo, what, rest := split(path)
	if repo != "" && (!repoForm.MatchString(repo) || len(repo) > 255) {
		return faultf(http.StatusBadRequest, "NAME_INVALID", "%q is no repository name", repo)
	}
	switch what {
	case "blobs":
		return s.blobs(w, r, repo, rest)
	case "manifests":
		return s.manifests(w, r, repo, rest)
	case "tags":
		return s.listTags(w, r, repo, rest)
	case "referrers":
		return s.listReferrers(w, r, repo, rest)
	}
	return faultf(http.StatusNotFound, "UNSUPPORTED", "%s is no path of this API", r.URL.Path)
}

// split takes a path apart: name/blobs/digest, name/blobs/uploads[/id],
// name/manifests/ref, name/tags/list, name/referrers/digest. What is empty where
// it is none of these.
func split(path string) (repo, what string, rest []string) {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	n := len(parts)
	switch {
	case n >= 4 && parts[n-3] == "blobs" && parts[n-2] == "uploads":
		return strings.Join(parts[:n-3], "/"), "blobs", parts[n-2:]
	case n >= 3:
		return strings.Join(parts[:n-2], "/"), parts[n-2], parts[n-1:]
	}
	return "", "", nil
}

func answer(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
	return nil
}

func unknownMethod(r *http.Request) error {
	return faultf(http.StatusMethodNotAllowed, "UNSUPPORTED", "%s is not done here", r.Method)
}

// page cuts a sorted list by the n and last parameters and links the next page.
func page(w http.ResponseWriter, r *http.Request, list []string) []string {
	q := r.URL.Query()
	if last := q.Get("last"); last != "" {
		for len(list) > 0 && list[0] <= last {
			list = list[1:]
		}
	}
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 0 || n >= len(list) {
		return list
	}
	if list = list[:n]; n > 0 {
		next := url.URL{Path: r.URL.Path, RawQuery: url.Values{"n": {strconv.Itoa(n)}, "last": {list[n-1]}}.Encode()}
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, next.String()))
	}
	return list
}

func (s *Store) blobs(w http.ResponseWriter, r *http.Request, repo string, rest []string) error {
	if rest[0] == "uploads" {
		if len(rest) == 1 {
			return s.begin(w, r, repo)
		}
		return s.upload(w, r, repo, rest[1])
	}
	h, ok := parseDigest(rest[0])
	if !ok {
		return faultf(http.StatusBadRequest, "DIGEST_INVALID", "%q is no sha256 digest", rest[0])
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return unknownMethod(r)
	}
	f, err := os.Open(s.blobPath(h))
	if errors.Is(err, fs.ErrNotExist) {
		return faultf(http.StatusNotFound, "BLOB_UNKNOWN", "there is no blob %s", h)
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", h.String())
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}

func (s *Store) manifests(w http.ResponseWriter, r *http.Request, repo string, rest []string) error {
	ref := rest[0]
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		raw, h, mediaType, err := s.manifest(repo, ref)
		if errors.Is(err, fs.ErrNotExist) {
			return faultf(http.StatusNotFound, "MANIFEST_UNKNOWN", "there is no manifest %s in %s", ref, repo)
		}
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Docker-Content-Digest", h.String())
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(raw)
		}
		return nil
	case http.MethodPut:
		return s.receive(w, r, repo, ref)
	case http.MethodDelete:
		return s.remove(w, repo, ref)
	}
	return unknownMethod(r)
}

func (s *Store) receive(w http.ResponseWriter, r *http.Request, repo, ref string) error {
	want, byDigest := parseDigest(ref)
	if !byDigest && !tagForm.MatchString(ref) {
		return faultf(http.StatusBadRequest, "TAG_INVALID", "%q is neither a tag nor a sha256 digest", ref)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return faultf(http.StatusRequestEntityTooLarge, "SIZE_INVALID", "a manifest may have %d bytes", maxManifest)
	}
	if err != nil {
		return interrupted(err)
	}
	f, err := parseFields(raw)
	if err != nil {
		return faultf(http.StatusBadRequest, "MANIFEST_INVALID", "%v", err)
	}
	mediaType := r.Header.Get("Content-Type")
	if mediaType == "" || (f.MediaType != "" && string(f.MediaType) != mediaType) {
		return faultf(http.StatusBadRequest, "MANIFEST_INVALID", "the manifest says %q, its Content-Type %q", f.MediaType, mediaType)
	}
	if got, _, err := v1.SHA256(strings.NewReader(string(raw))); err != nil || (byDigest && got != want) {
		return faultf(http.StatusBadRequest, "DIGEST_INVALID", "the manifest is %s", got)
	}
	if blobs, manifests := s.missing(repo, f); len(blobs)+len(manifests) > 0 {
		return faultf(http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blobs %v and manifests %v are not there", blobs, manifests)
	}
	tag := ref
	if byDigest {
		tag = ""
	}
	h, err := s.putManifest(repo, tag, mediaType, raw, f)
	if err != nil {
		return err
	}
	if f.Subject != nil && !s.options.NoReferrers {
		w.Header().Set("OCI-Subject", f.Subject.Digest.String())
	}
	w.Header().Set("Location", "/v2/"+repo+"/manifests/"+h.String())
	w.Header().Set("Docker-Content-Digest", h.String())
	w.WriteHeader(http.StatusCreated)
	return nil
}

// remove takes away a tag, or a manifest whatever tags point at it.
func (s *Store) remove(w http.ResponseWriter, repo, ref string) error {
	path := s.repoPath(repo, "_tags", ref)
	if h, ok := parseDigest(ref); ok {
		path = s.manifestPath(repo, h)
	} else if !tagForm.MatchString(ref) {
		return faultf(http.StatusBadRequest, "TAG_INVALID", "%q is neither a tag nor a sha256 digest", ref)
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return faultf(http.StatusNotFound, "MANIFEST_UNKNOWN", "there is no manifest %s in %s", ref, repo)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (s *Store) listTags(w http.ResponseWriter, r *http.Request, repo string, rest []string) error {
	if r.Method != http.MethodGet || rest[0] != "list" {
		return unknownMethod(r)
	}
	if !s.hasRepo(repo) {
		return faultf(http.StatusNotFound, "NAME_UNKNOWN", "there is no repository %s", repo)
	}
	list, err := s.tags(repo)
	if err != nil {
		return err
	}
	return answer(w, map[string]any{"name": repo, "tags": page(w, r, list)})
}

func (s *Store) listReferrers(w http.ResponseWriter, r *http.Request, repo string, rest []string) error {
	if s.options.NoReferrers {
		return faultf(http.StatusNotFound, "UNSUPPORTED", "this registry has no referrers API")
	}
	if r.Method != http.MethodGet {
		return unknownMethod(r)
	}
	h, ok := parseDigest(rest[0])
	if !ok {
		return faultf(http.StatusBadRequest, "DIGEST_INVALID", "%q is no sha256 digest", rest[0])
	}
	list, err := s.referrers(repo, h)
	if err != nil {
		return err
	}
	if want := r.URL.Query().Get("artifactType"); want != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
		kept := []v1.Descriptor{}
		for _, d := range list {
			if d.ArtifactType == want {
				kept = append(kept, d)
			}
		}
		list = kept
	}
	w.Header().Set("Content-Type", string(types.OCIImageIndex))
	return answer(w, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: list})
}
