package gitea

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// keychain has a token for this server.
type keychain string

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: kit.Admin, Password: string(k)}), nil
}

// The server's own registry takes images with a token that may write packages
// alone. It has no referrers API, so proofs go under the fallback tag.
func TestRegistry(t *testing.T) {
	ctx := t.Context()
	token, err := server.NewToken(ctx, "write:package")
	ok(t, err)
	r, err := registry.Open(server.RegistryHost()+"/"+kit.Admin+"/image", registry.Options{Keychain: keychain(token), Retry: impatient})
	ok(t, err)
	ok(t, r.Connect(ctx))
	options, err := r.Remote(ctx)
	ok(t, err)
	index, err := random.Index(1<<16, 2, 2)
	ok(t, err)
	index = mutate.IndexMediaType(index, types.OCIImageIndex)
	ok(t, remote.WriteIndex(r.Tag("1.0.0"), index, options...))
	h, err := index.Digest()
	ok(t, err)
	raw, err := index.RawManifest()
	ok(t, err)
	for _, tag := range []string{"1.0", "latest"} {
		ok(t, r.PutManifest(ctx, tag, types.OCIImageIndex, raw))
	}
	ok(t, r.PutManifest(ctx, "latest", types.OCIImageIndex, raw))
	blob := []byte("content")
	bh, size, err := v1.SHA256(bytes.NewReader(blob))
	ok(t, err)
	for range 2 {
		ok(t, r.PutBlob(ctx, registry.Blob{Digest: bh, Size: size, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(blob)), nil }}, nil))
	}
	if there, err := r.HasBlob(ctx, bh); err != nil || !there {
		t.Errorf("the blob is there: %t, %v", there, err)
	}
	// A moved tag leaves what it pointed at.
	other, err := random.Index(1<<10, 1, 1)
	ok(t, err)
	other = mutate.IndexMediaType(other, types.OCIImageIndex)
	oh, err := other.Digest()
	ok(t, err)
	ok(t, remote.WriteIndex(r.Digest(oh), other, options...))
	oraw, err := other.RawManifest()
	ok(t, err)
	ok(t, r.PutManifest(ctx, "latest", types.OCIImageIndex, oraw))
	ok(t, r.PutManifest(ctx, "latest", types.OCIImageIndex, raw))
	if d, there, err := r.Head(ctx, "latest"); err != nil || !there || d.Digest != h {
		t.Errorf("latest is at %v, %t, %v", d.Digest, there, err)
	}
	if _, there, err := r.Head(ctx, oh.String()); err != nil || !there {
		t.Errorf("what latest pointed at is there: %t, %v", there, err)
	}
	got, err := remote.Index(r.Digest(h), options...)
	ok(t, err)
	ok(t, validate.Index(got))

	// A proof by digest, then the list of them.
	text, err := random.Layer(100, types.OCILayer)
	ok(t, err)
	proof, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), text)
	ok(t, err)
	subject, isImage := mutate.Subject(proof, v1.Descriptor{MediaType: types.OCIImageIndex, Digest: h, Size: int64(len(raw))}).(v1.Image)
	if !isImage {
		t.Fatal("the proof is no image")
	}
	ph, err := subject.Digest()
	ok(t, err)
	ok(t, remote.Write(r.Digest(ph), subject, options...))
	list, api, err := r.Referrers(ctx, h)
	if err != nil || api || len(list) != 0 {
		t.Errorf("referrers: %v, %t, %v", list, api, err)
	}
	praw, err := subject.RawManifest()
	ok(t, err)
	fallback, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Digest: ph, Size: int64(len(praw)), ArtifactType: "application/x"}}})
	ok(t, err)
	ok(t, r.PutManifest(ctx, "sha256-"+h.Hex, types.OCIImageIndex, fallback))
	back, _, there, err := r.Manifest(ctx, "sha256-"+h.Hex)
	if err != nil || !there || !bytes.Equal(back, fallback) {
		t.Errorf("the list of referrers came back as %q, %t, %v", back, there, err)
	}
	back, _, there, err = r.Manifest(ctx, ph.String())
	if err != nil || !there || !bytes.Equal(back, praw) {
		t.Errorf("the proof came back as %q, %t, %v", back, there, err)
	}
	tags, err := r.Tags(ctx)
	slices.Sort(tags)
	if err != nil || !slices.Equal(tags, []string{"1.0", "1.0.0", "latest", "sha256-" + h.Hex}) {
		t.Errorf("tags: %v, %v", tags, err)
	}

	reading, err := server.NewToken(ctx, "read:package")
	ok(t, err)
	reader, err := registry.Open(server.RegistryHost()+"/"+kit.Admin+"/image", registry.Options{Keychain: keychain(reading), Retry: impatient})
	ok(t, err)
	says(t, reader.PutManifest(ctx, "1.0.1", types.OCIImageIndex, raw), "putting manifest 1.0.1 was refused with 401")
	// The forge's token is offered here as well, and named where it does not do.
	for _, scope := range []string{"read:package", "write:repository"} {
		lacking, err := server.NewToken(ctx, scope)
		ok(t, err)
		reader, err = registry.Open(server.RegistryHost()+"/"+kit.Admin+"/image", registry.Options{
			Keychain: authn.NewMultiKeychain(), Token: lacking, TokenHost: server.RegistryHost(), Retry: impatient})
		ok(t, err)
		says(t, reader.PutManifest(ctx, "1.0.1", types.OCIImageIndex, raw), "was refused with 401", "the token in RELEASE_FORGE_TOKEN or GITHUB_TOKEN was refused", "lacks the scope `write:package`")
	}
}
