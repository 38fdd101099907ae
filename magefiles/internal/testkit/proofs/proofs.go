// Package proofs makes and attaches proofs that a release would not have, for
// tests that want them refused.
package proofs

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// Media is the media type of Sigstore bundles.
const Media = "application/vnd.dev.sigstore.bundle.v0.3+json"

// Predicate is the annotation that names what a bundle's statement says.
const Predicate = "dev.sigstore.bundle.predicateType"

// Anyone signs for whomever the token names: nothing is held against what is
// pinned.
func Anyone(t testing.TB, services product.Services, token func() (string, error)) *attest.Keyless {
	t.Helper()
	k, err := attest.NewKeyless(t.Context(), attest.KeylessOptions{
		Services: services, Token: func(context.Context) (string, error) { return token() },
		Accept: func([]byte) error { return nil }, Verify: func([]byte, []byte) (string, error) { return "", nil },
	})
	testkit.OK(t, err)
	return k
}

// Run signs as a run of a workflow on GitHub.
func Run(t testing.TB, i *sigstorekit.Instance, r sigstorekit.Run) *attest.Keyless {
	t.Helper()
	return Anyone(t, i.Services, func() (string, error) { return i.Token(sigstorekit.GitHub, r) })
}

// Attach attaches a text as a Sigstore bundle of a predicate type to a subject.
func Attach(t testing.TB, repo name.Repository, subject v1.Descriptor, predicate string, text []byte) v1.Descriptor {
	t.Helper()
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: Media,
		Config:      Blob(t, repo, "application/vnd.oci.empty.v1+json", []byte("{}")),
		Layers:      []v1.Descriptor{Blob(t, repo, Media, text)},
		Subject:     &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", Predicate: predicate},
	}
	return Put(t, repo, "", m, m.MediaType)
}

// Blob uploads a blob.
func Blob(t testing.TB, repo name.Repository, media types.MediaType, text []byte) v1.Descriptor {
	t.Helper()
	layer := static.NewLayer(text, media)
	testkit.OK(t, remote.WriteLayer(repo, layer))
	h, err := layer.Digest()
	testkit.OK(t, err)
	return v1.Descriptor{MediaType: media, Digest: h, Size: int64(len(text))}
}

// Put writes a manifest or an index by digest, or under a tag.
func Put(t testing.TB, repo name.Repository, tag string, m any, media types.MediaType) v1.Descriptor {
	t.Helper()
	raw, err := json.Marshal(m)
	testkit.OK(t, err)
	h, size, err := v1.SHA256(bytes.NewReader(raw))
	testkit.OK(t, err)
	var ref name.Reference = repo.Digest(h.String())
	if tag != "" {
		ref = repo.Tag(tag)
	}
	testkit.OK(t, remote.Put(ref, manifest{raw, media}))
	return v1.Descriptor{MediaType: media, Digest: h, Size: size}
}

// manifest is raw JSON with its media type, as [remote.Put] takes it.
type manifest struct {
	raw   []byte
	media types.MediaType
}

func (m manifest) RawManifest() ([]byte, error)        { return m.raw, nil }
func (m manifest) MediaType() (types.MediaType, error) { return m.media, nil }
