package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// maxBlob is the most that is read into memory of a bundle, an envelope or a
// configuration; layers are streamed.
const maxBlob = 64 << 20

// source reads one repository; everything in it once.
type source struct {
	repo   name.Repository
	puller *remote.Puller
	opts   []remote.Option

	mu    sync.Mutex
	blobs map[v1.Hash]*once
	// verdicts are judgements of bundles by their digest.
	verdicts sync.Map
}

// once is a read that is under way or done.
type once struct {
	do   sync.Once
	text []byte
	err  error
}

func newSource(repo name.Repository, opts []remote.Option) (*source, error) {
	puller, err := remote.NewPuller(opts...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", repo, err)
	}
	return &source{repo: repo, puller: puller, opts: append(opts[:len(opts):len(opts)], remote.Reuse(puller)), blobs: map[v1.Hash]*once{}}, nil
}

func (s *source) cached(h v1.Hash, read func() ([]byte, error)) ([]byte, error) {
	s.mu.Lock()
	o := s.blobs[h]
	if o == nil {
		o = &once{}
		s.blobs[h] = o
	}
	s.mu.Unlock()
	o.do.Do(func() { o.text, o.err = read() })
	return o.text, o.err
}

// manifest reads a manifest by digest; the client checks the digest.
func (s *source) manifest(ctx context.Context, h v1.Hash, into any) error {
	text, err := s.cached(h, func() ([]byte, error) {
		d, err := s.puller.Get(ctx, s.repo.Digest(h.String()))
		if err != nil {
			return nil, err
		}
		return d.Manifest, nil
	})
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("reading the manifest %s: %w", h, err)
	}
	return nil
}

// blob reads a small blob; the client checks the digest.
func (s *source) blob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	text, err := s.cached(d.Digest, func() ([]byte, error) {
		if d.Size > maxBlob {
			return nil, fmt.Errorf("it has %d bytes, more than the %d that a proof may have", d.Size, maxBlob)
		}
		var out bytes.Buffer
		err := s.stream(ctx, d.Digest, func(r io.Reader) error {
			_, err := io.Copy(&out, io.LimitReader(r, maxBlob))
			return err
		})
		return out.Bytes(), err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the blob %s: %w", d.Digest, err)
	}
	return text, nil
}

// stream reads a blob to its end, whose digest the client checks there.
func (s *source) stream(ctx context.Context, h v1.Hash, use func(io.Reader) error) error {
	layer, err := s.puller.Layer(ctx, s.repo.Digest(h.String()))
	if err != nil {
		return err
	}
	r, err := layer.Compressed()
	if err != nil {
		return err
	}
	err = use(r)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	return errors.Join(err, r.Close())
}

// tag reads the manifest under a tag; ok is false where there is none.
func (s *source) tag(ctx context.Context, tag string, into any) (ok bool, err error) {
	d, err := s.puller.Get(ctx, s.repo.Tag(tag))
	if missing(err) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(d.Manifest, into)
	}
	if err != nil {
		return false, fmt.Errorf("reading the tag %s: %w", tag, err)
	}
	return true, nil
}

// referrers lists what refers to a manifest (OCI distribution 1.1), from the
// API or, where a registry has none, from the fallback tag. An API that answers
// with an empty list is not believed before the tag was looked at: registries
// that took manifests in before they had the API do that.
func (s *source) referrers(ctx context.Context, h v1.Hash) ([]v1.Descriptor, error) {
	index, err := remote.Referrers(s.repo.Digest(h.String()), append(s.opts[:len(s.opts):len(s.opts)], remote.WithContext(ctx))...)
	if err != nil {
		return nil, fmt.Errorf("looking up what refers to %s: %w", h, err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("looking up what refers to %s: %w", h, err)
	}
	if len(m.Manifests) > 0 {
		return m.Manifests, nil
	}
	var fallback v1.IndexManifest
	if _, err := s.tag(ctx, strings.Replace(h.String(), ":", "-", 1), &fallback); err != nil {
		return nil, fmt.Errorf("looking up what refers to %s: %w", h, err)
	}
	return fallback.Manifests, nil
}

// missing tells whether a registry said that there is no such thing. Any other
// answer is no answer.
func missing(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
