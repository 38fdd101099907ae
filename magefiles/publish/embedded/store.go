// Package embedded is a registry (OCI distribution 1.1) on a directory: for
// rehearsals and tests, on loopback and without accounts. Every write is one
// rename, so a process killed at any time leaves a store that can be read, and
// nothing but the directory holds state.
package embedded

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Options are the settings of a store.
type Options struct {
	// NoReferrers switches the referrers API off: clients then keep the
	// fallback tags themselves.
	NoReferrers bool
}

// Store is a directory of repositories and, as an [http.Handler], the registry
// that serves them. Below the directory lie
//
//	blobs/sha256/<hex>                               content, for all repositories
//	repositories/<name>/_manifests/sha256/<hex>      a manifest's media type
//	repositories/<name>/_referrers/<hex>/<hex>       a subject's referrer: its descriptor
//	repositories/<name>/_tags/<tag>                  the digest that the tag points at
//	uploads/<id>                                     what is being sent
//	lock                                             held while the store is open
type Store struct {
	dir     string
	options Options
	lock    *os.File
	busy    sync.Map // upload ids that a request writes to
}

// Open makes or opens a store. Only one process at a time may have it open.
func Open(dir string, o Options) (*Store, error) {
	for _, sub := range []string{"blobs/sha256", "repositories", "uploads"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("making the registry's directory: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the registry's directory: %w", err)
	}
	if err := exclusive(lock); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s is served by another process already: stop that one, or serve another directory (%w)", dir, err)
	}
	s := &Store{dir: dir, options: o, lock: lock}
	// What a killed process was receiving is of no use to anybody.
	left, err := os.ReadDir(filepath.Join(dir, "uploads"))
	for _, e := range left {
		err = errors.Join(err, os.Remove(filepath.Join(dir, "uploads", e.Name())))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("clearing interrupted uploads: %w", err), s.Close())
	}
	return s, nil
}

// Close lets another process open the store.
func (s *Store) Close() error { return s.lock.Close() }

var (
	repoForm = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	tagForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	hexForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// parseDigest wants sha256, the one algorithm that the store knows.
func parseDigest(s string) (v1.Hash, bool) {
	text, ok := strings.CutPrefix(s, "sha256:")
	if !ok || !hexForm.MatchString(text) {
		return v1.Hash{}, false
	}
	return v1.Hash{Algorithm: "sha256", Hex: text}, true
}

func (s *Store) blobPath(h v1.Hash) string   { return filepath.Join(s.dir, "blobs", "sha256", h.Hex) }
func (s *Store) uploadPath(id string) string { return filepath.Join(s.dir, "uploads", id) }
func (s *Store) repoPath(repo string, more ...string) string {
	return filepath.Join(append([]string{s.dir, "repositories", filepath.FromSlash(repo)}, more...)...)
}

func (s *Store) manifestPath(repo string, h v1.Hash) string {
	return s.repoPath(repo, "_manifests", "sha256", h.Hex)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (s *Store) hasBlob(h v1.Hash) bool                  { return exists(s.blobPath(h)) }
func (s *Store) hasManifest(repo string, h v1.Hash) bool { return exists(s.manifestPath(repo, h)) }
func (s *Store) hasRepo(repo string) bool                { return exists(s.repoPath(repo)) }

// write gives a file its content in one step.
func (s *Store) write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp := s.uploadPath(newID())
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, path)
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// resolve finds the digest behind a tag or digest.
func (s *Store) resolve(repo, ref string) (v1.Hash, error) {
	if h, ok := parseDigest(ref); ok {
		return h, nil
	}
	if !tagForm.MatchString(ref) {
		return v1.Hash{}, fs.ErrNotExist
	}
	text, err := os.ReadFile(s.repoPath(repo, "_tags", ref))
	if err != nil {
		return v1.Hash{}, err
	}
	h, ok := parseDigest(strings.TrimSpace(string(text)))
	if !ok {
		return h, fmt.Errorf("tag %s holds %q, which is no digest", ref, text)
	}
	return h, nil
}

// manifest reads a manifest by tag or digest.
func (s *Store) manifest(repo, ref string) (raw []byte, h v1.Hash, mediaType string, err error) {
	if h, err = s.resolve(repo, ref); err != nil {
		return nil, h, "", err
	}
	kind, err := os.ReadFile(s.manifestPath(repo, h))
	if err != nil {
		return nil, h, "", err
	}
	raw, err = os.ReadFile(s.blobPath(h))
	return raw, h, string(kind), err
}

// fields are what the store looks at in a manifest.
type fields struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       *v1.Descriptor    `json:"config"`
	Layers       []v1.Descriptor   `json:"layers"`
	Manifests    []v1.Descriptor   `json:"manifests"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// missing names what a manifest refers to and the store lacks.
func (s *Store) missing(repo string, f fields) (blobs, manifests []v1.Hash) {
	all := f.Layers
	if f.Config != nil {
		all = append([]v1.Descriptor{*f.Config}, all...)
	}
	for _, d := range all {
		if len(d.URLs) == 0 && !s.hasBlob(d.Digest) {
			blobs = append(blobs, d.Digest)
		}
	}
	for _, d := range f.Manifests {
		if !s.hasManifest(repo, d.Digest) {
			manifests = append(manifests, d.Digest)
		}
	}
	return blobs, manifests
}

// putManifest stores a manifest and then, where one is given, its tag. The
// order matters to a process that is killed in between: content, the subject's
// list, the manifest itself, the tag.
func (s *Store) putManifest(repo, tag, mediaType string, raw []byte, f fields) (v1.Hash, error) {
	sum := sha256.Sum256(raw)
	h := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	if err := s.write(s.blobPath(h), raw); err != nil {
		return h, err
	}
	if f.Subject != nil {
		d := v1.Descriptor{
			MediaType: types.MediaType(mediaType), Digest: h, Size: int64(len(raw)),
			ArtifactType: f.ArtifactType, Annotations: f.Annotations,
		}
		if d.ArtifactType == "" && f.Config != nil {
			d.ArtifactType = string(f.Config.MediaType)
		}
		text, err := json.Marshal(d)
		if err != nil {
			return h, err
		}
		if err := s.write(s.repoPath(repo, "_referrers", f.Subject.Digest.Hex, h.Hex), text); err != nil {
			return h, err
		}
	}
	if err := s.write(s.manifestPath(repo, h), []byte(mediaType)); err != nil {
		return h, err
	}
	if tag != "" {
		return h, s.write(s.repoPath(repo, "_tags", tag), []byte(h.String()+"\n"))
	}
	return h, nil
}

// referrers lists the manifests whose subject is h, sorted by digest.
func (s *Store) referrers(repo string, h v1.Hash) ([]v1.Descriptor, error) {
	list := []v1.Descriptor{}
	entries, err := os.ReadDir(s.repoPath(repo, "_referrers", h.Hex))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		text, err := os.ReadFile(s.repoPath(repo, "_referrers", h.Hex, e.Name()))
		if err != nil {
			return nil, err
		}
		var d v1.Descriptor
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, err
		}
		if s.hasManifest(repo, d.Digest) {
			list = append(list, d)
		}
	}
	return list, nil
}

// tags lists a repository's tags, sorted.
func (s *Store) tags(repo string) ([]string, error) {
	entries, err := os.ReadDir(s.repoPath(repo, "_tags"))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{}, nil
	}
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list, err
}

// repos lists the repositories, sorted.
func (s *Store) repos() ([]string, error) {
	root := filepath.Join(s.dir, "repositories")
	list := []string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !strings.HasPrefix(d.Name(), "_") {
			return err
		}
		if d.Name() == "_manifests" {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			list = append(list, filepath.ToSlash(rel))
		}
		return filepath.SkipDir
	})
	slices.Sort(list)
	return list, err
}

// errDigest says that content is not what its digest promised.
var errDigest = errors.New("the content has another digest")

// finish appends r to an upload and makes it the blob h. Where it fails, the
// upload is as long as before, so that the client can try again.
func (s *Store) finish(id string, h v1.Hash, r io.Reader) (err error) {
	f, err := os.OpenFile(s.uploadPath(id), os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // closed below where it counts
	sum := sha256.New()
	before, err := copyPlain(sum, f)
	if err != nil {
		return err
	}
	if _, err = copyPlain(io.MultiWriter(f, sum), r); err != nil {
		return errors.Join(err, f.Truncate(before))
	}
	if hex.EncodeToString(sum.Sum(nil)) != h.Hex {
		return errors.Join(errDigest, f.Truncate(before))
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.blobPath(h))
}

// extend appends r to an upload and gives its new length.
func (s *Store) extend(id string, r io.Reader) (int64, error) {
	f, err := os.OpenFile(s.uploadPath(id), os.O_RDWR, 0o644)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // closed below where it counts
	before, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	n, err := copyPlain(f, r)
	if err != nil {
		return before, errors.Join(err, f.Truncate(before))
	}
	return before + n, f.Close()
}

// copyPlain copies with one buffer of fixed size.
func copyPlain(w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
}

func parseFields(raw []byte) (fields, error) {
	var f fields
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&f); err != nil {
		return f, err
	}
	if f.Subject != nil {
		if _, ok := parseDigest(f.Subject.Digest.String()); !ok {
			return f, fmt.Errorf("the subject's digest %q is not sha256", f.Subject.Digest)
		}
	}
	for _, d := range slices.Concat(f.Layers, f.Manifests) {
		if _, ok := parseDigest(d.Digest.String()); !ok {
			return f, fmt.Errorf("the digest %q is not sha256", d.Digest)
		}
	}
	return f, nil
}
