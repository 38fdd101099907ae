package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// begin answers POST blobs/uploads/: an upload in one piece with a digest, a
// mount of what is there, or the start of an upload.
func (s *Store) begin(w http.ResponseWriter, r *http.Request, repo string) error {
	if r.Method != http.MethodPost {
		return unknownMethod(r)
	}
	q := r.URL.Query()
	if h, ok := parseDigest(q.Get("mount")); ok && s.hasBlob(h) {
		return created(w, repo, h)
	}
	id := newID()
	f, err := os.OpenFile(s.uploadPath(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if q.Get("digest") != "" {
		err := s.complete(w, r, repo, id)
		if err != nil {
			_ = os.Remove(s.uploadPath(id))
		}
		return err
	}
	accepted(w, repo, id, 0, http.StatusAccepted)
	return nil
}

func created(w http.ResponseWriter, repo string, h v1.Hash) error {
	w.Header().Set("Location", "/v2/"+repo+"/blobs/"+h.String())
	w.Header().Set("Docker-Content-Digest", h.String())
	w.WriteHeader(http.StatusCreated)
	return nil
}

func accepted(w http.ResponseWriter, repo, id string, size int64, status int) {
	w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	w.WriteHeader(status)
}

func (s *Store) upload(w http.ResponseWriter, r *http.Request, repo, id string) error {
	if !idForm.MatchString(id) {
		return faultf(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "%q is no upload", id)
	}
	if _, taken := s.busy.LoadOrStore(id, true); taken {
		return faultf(http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", "another request writes to upload %s", id)
	}
	defer s.busy.Delete(id)
	info, err := os.Stat(s.uploadPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return faultf(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no upload %s", id)
	}
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet:
		accepted(w, repo, id, info.Size(), http.StatusNoContent)
		return nil
	case http.MethodDelete:
		if err := os.Remove(s.uploadPath(id)); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPatch:
		if err := inOrder(r, info.Size()); err != nil {
			return err
		}
		size, err := s.extend(id, r.Body)
		if err != nil {
			return interrupted(err)
		}
		accepted(w, repo, id, size, http.StatusAccepted)
		return nil
	case http.MethodPut:
		if err := inOrder(r, info.Size()); err != nil {
			return err
		}
		return s.complete(w, r, repo, id)
	}
	return unknownMethod(r)
}

// inOrder wants a Content-Range to begin where the upload ends.
func inOrder(r *http.Request, size int64) error {
	first, _, ok := strings.Cut(r.Header.Get("Content-Range"), "-")
	if !ok {
		return nil
	}
	if n, err := strconv.ParseInt(first, 10, 64); err != nil || n != size {
		return faultf(http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", "the upload has %d bytes, the chunk begins at %q", size, first)
	}
	return nil
}

func (s *Store) complete(w http.ResponseWriter, r *http.Request, repo, id string) error {
	h, ok := parseDigest(r.URL.Query().Get("digest"))
	if !ok {
		return faultf(http.StatusBadRequest, "DIGEST_INVALID", "%q is no sha256 digest", r.URL.Query().Get("digest"))
	}
	err := s.finish(id, h, r.Body)
	if errors.Is(err, errDigest) {
		return faultf(http.StatusBadRequest, "DIGEST_INVALID", "the content is not %s", h)
	}
	if err != nil {
		return interrupted(err)
	}
	return created(w, repo, h)
}

// interrupted tells a client that went away from a disk that failed.
func interrupted(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return faultf(http.StatusBadRequest, "SIZE_INVALID", "the body ended early")
	}
	return err
}
