package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

// maxManifest is more than any registry takes (OCI distribution 1.1 asks for 4
// MiB at least).
const maxManifest = 16 << 20

const digestHeader = "Docker-Content-Digest"

func acceptManifests() string {
	var all []string
	for _, t := range []types.MediaType{types.OCIImageIndex, types.OCIManifestSchema1, types.DockerManifestList, types.DockerManifestSchema2} {
		all = append(all, string(t))
	}
	return strings.Join(all, ", ")
}

// HasBlob tells whether the repository holds a blob.
func (r *Registry) HasBlob(ctx context.Context, h v1.Hash) (bool, error) {
	res, err := r.do(ctx, http.MethodHead, "blobs/"+h.String(), nil, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, r.explain("looking for blob "+h.String(), err)
	}
	drain(res)
	return res.StatusCode == http.StatusOK, nil
}

// Head describes the manifest under a tag or digest; ok is false where there is
// none, and where a registry that took half a manifest holds something else
// under the digest.
func (r *Registry) Head(ctx context.Context, ref string) (d v1.Descriptor, ok bool, err error) {
	doing := "looking for manifest " + ref
	res, err := r.do(ctx, http.MethodHead, "manifests/"+ref, nil, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return d, false, r.explain(doing, err)
	}
	drain(res)
	if res.StatusCode == http.StatusNotFound {
		return d, false, nil
	}
	h, err := v1.NewHash(res.Header.Get(digestHeader))
	if err != nil { // the header is optional
		_, d, ok, err = r.Manifest(ctx, ref)
		return d, ok, err
	}
	if want, err := v1.NewHash(ref); err == nil && want != h {
		return d, false, nil
	}
	return v1.Descriptor{MediaType: mediaType(res), Digest: h, Size: res.ContentLength}, true, nil
}

// Manifest fetches the manifest under a tag or digest. Its bytes are held
// against the digest.
func (r *Registry) Manifest(ctx context.Context, ref string) (raw []byte, d v1.Descriptor, ok bool, err error) {
	doing := "fetching manifest " + ref
	res, err := r.do(ctx, http.MethodGet, "manifests/"+ref, nil, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return nil, d, false, r.explain(doing, err)
	}
	defer drain(res)
	if res.StatusCode == http.StatusNotFound {
		return nil, d, false, nil
	}
	raw, err = readAll(res.Body)
	if err != nil {
		return nil, d, false, r.explain(doing, err)
	}
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, d, false, err
	}
	for _, claim := range []string{ref, res.Header.Get(digestHeader)} {
		if want, err := v1.NewHash(claim); err == nil && want != h {
			return nil, d, false, fmt.Errorf("%s at %s: its bytes are %s, expected %s", doing, r.repo, h, want)
		}
	}
	return raw, v1.Descriptor{MediaType: mediaType(res), Digest: h, Size: int64(len(raw))}, true, nil
}

// PutManifest sends a manifest under a tag or its digest. Referrers are not
// looked at: a manifest with a subject is put as it is.
func (r *Registry) PutManifest(ctx context.Context, ref string, t types.MediaType, raw []byte) error {
	body := &body{size: int64(len(raw)), open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }, mediaType: string(t)}
	res, err := r.do(ctx, http.MethodPut, "manifests/"+ref, body, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return r.explain("putting manifest "+ref, err)
	}
	drain(res)
	return nil
}

// Tags lists the repository's tags, all pages of them; none where there is no
// such repository yet.
func (r *Registry) Tags(ctx context.Context) ([]string, error) {
	options, err := r.Remote(ctx)
	if err != nil {
		return nil, err
	}
	tags, err := remote.List(r.repo, options...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	return tags, r.explain("listing tags", err)
}

// Referrers asks the referrers API (OCI distribution 1.1) for the manifests
// whose subject is h. Where the registry has no such API, which shows in a 404,
// a redirect to somewhere else or another media type, api is false.
func (r *Registry) Referrers(ctx context.Context, h v1.Hash) (list []v1.Descriptor, api bool, err error) {
	doing := "listing the referrers of " + h.String()
	path := "referrers/" + h.String()
	for page := 0; page < 100; page++ {
		res, err := r.do(ctx, http.MethodGet, path, nil, http.StatusOK, http.StatusNotFound,
			http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented)
		if err != nil {
			return nil, false, r.explain(doing, err)
		}
		if res.StatusCode != http.StatusOK || mediaType(res) != types.OCIImageIndex {
			drain(res)
			return nil, false, nil
		}
		index, err := v1.ParseIndexManifest(io.LimitReader(res.Body, maxManifest))
		drain(res)
		if err != nil {
			return nil, false, r.explain(doing, err)
		}
		list = append(list, index.Manifests...)
		next := nextPage(res)
		if next == nil || next.Host != res.Request.URL.Host {
			return list, true, nil
		}
		path = path[:len("referrers/")+len(h.String())] + "?" + next.RawQuery
	}
	return list, true, nil
}

// nextPage reads the Link header (RFC 8288) of a list with more pages.
func nextPage(res *http.Response) *url.URL {
	target, rest, ok := strings.Cut(strings.TrimPrefix(res.Header.Get("Link"), "<"), ">")
	if !ok || !strings.Contains(rest, `rel="next"`) {
		return nil
	}
	u, err := res.Request.URL.Parse(target)
	if err != nil {
		return nil
	}
	return u
}

// Blob is content to send.
type Blob struct {
	Digest v1.Hash
	Size   int64
	// Open gives the content from its beginning; it is called once a try.
	Open func() (io.ReadCloser, error)
}

// PutBlob streams a blob in one piece; memory does not grow with it. A try that
// failed on its way is made again from the beginning, unless the registry turns
// out to hold the blob. Progress, which may be nil, hears of the bytes as they
// go out; a negative number takes back those of a failed try.
func (r *Registry) PutBlob(ctx context.Context, b Blob, progress func(int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	client, err := r.http(ctx)
	if err != nil {
		return err
	}
	try := 0
	_, err = retry.Do(ctx, r.retry, func() (struct{}, error) {
		if try++; try > 1 {
			r.count.retried()
			if there, err := r.HasBlob(ctx, b.Digest); err == nil && there {
				return struct{}{}, nil
			}
		}
		return struct{}{}, r.upload(ctx, client, b, progress)
	})
	return r.explain(fmt.Sprintf("sending blob %s of %d bytes", b.Digest, b.Size), err)
}

func (r *Registry) upload(ctx context.Context, client *http.Client, b Blob, progress func(int64)) error {
	res, err := r.do(ctx, http.MethodPost, "blobs/uploads/", &body{mediaType: "application/octet-stream"}, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return err
	}
	drain(res)
	if res.StatusCode == http.StatusCreated {
		return nil
	}
	to, err := res.Request.URL.Parse(res.Header.Get("Location"))
	if err != nil || res.Header.Get("Location") == "" {
		return fmt.Errorf("the registry began an upload without saying where it goes (Location: %q)", res.Header.Get("Location"))
	}
	if res.Request.URL.Scheme == "https" && to.Scheme != "https" {
		return fmt.Errorf("the registry wants the upload over plain HTTP at %s: refused", to.Host)
	}
	query := to.Query()
	query.Set("digest", b.Digest.String())
	to.RawQuery = query.Encode()

	var sent atomic.Int64 // net/http may read on for a moment after it has failed
	content := &body{size: b.Size, mediaType: "application/octet-stream", open: func() (io.ReadCloser, error) {
		progress(-sent.Swap(0))
		f, err := b.Open()
		if err != nil {
			return nil, &retry.Permanent{Err: fmt.Errorf("opening the blob: %w", err)}
		}
		return &countedBody{f, func(n int) { sent.Add(int64(n)); progress(int64(n)) }}, nil
	}}
	res, err = r.send(ctx, client, http.MethodPut, to, content, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	if err != nil {
		progress(-sent.Swap(0))
		return err
	}
	drain(res)
	return nil
}

// body is what a request carries.
type body struct {
	mediaType string
	size      int64
	open      func() (io.ReadCloser, error)
}

func (r *Registry) do(ctx context.Context, method, path string, b *body, want ...int) (*http.Response, error) {
	client, err := r.http(ctx)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(path, "?")
	u := &url.URL{
		Scheme: r.repo.Scheme(), Host: r.repo.RegistryStr(),
		Path: "/v2/" + r.repo.RepositoryStr() + "/" + path, RawQuery: query,
	}
	return r.send(ctx, client, method, u, b, want...)
}

// send gives the answer where its status is a wanted one. Other answers and
// broken connections are errors, [*retry.Passing] where another try may help:
// that matters to uploads alone, the transport has tried the others already.
func (r *Registry) send(ctx context.Context, client *http.Client, method string, u *url.URL, b *body, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", acceptManifests())
	if b != nil {
		req.Header.Set("Content-Type", b.mediaType)
		if b.open != nil {
			if req.Body, err = b.open(); err != nil {
				return nil, err
			}
			req.GetBody, req.ContentLength = b.open, b.size
			if b.size == 0 {
				_ = req.Body.Close()
				req.Body, req.GetBody = http.NoBody, nil
			}
		}
	}
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if retry.Broken(err) {
			return nil, &retry.Passing{Err: err}
		}
		return nil, err
	}
	if err := transport.CheckError(res, want...); err != nil {
		drain(res)
		if retry.Status(res.StatusCode) {
			return nil, &retry.Passing{Err: err, After: retry.After(res.Header, r.retry.Now())}
		}
		return nil, err
	}
	return res, nil
}

func mediaType(res *http.Response) types.MediaType {
	t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return types.MediaType(t)
}

func readAll(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("the manifest is larger than %d bytes", maxManifest)
	}
	return raw, err
}

// drain lets the connection be used again.
func drain(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	_ = res.Body.Close()
}
