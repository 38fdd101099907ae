package converge

import (
	"context"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Action is one thing to do. Its String is its line in a dry run.
type Action interface {
	fmt.Stringer
	// rank orders actions. Those of one rank are done side by side, those of
	// a higher one once all of a lower one are done.
	rank() int
	do(ctx context.Context, r *run) error
}

// The ranks are the safe order: content, proofs, verification, names, page,
// and the tags that people follow at the very end.
const (
	rankBlobs     = 0
	rankManifests = 100 // and the manifest's level
	rankProofs    = 200 // and the manifest's level
	rankReferrers = 300
	rankReadBack  = 400
	rankVerify    = 500
	rankImmutable = 600
	rankDraft     = 700
	rankAssets    = 710
	rankPublish   = 720
	rankRolling   = 800 // and the tag's place in the order
	rankSetLatest = 1 << 20
	rankSkip      = 1<<20 + 1
)

// SendBlob sends content that the registry lacks.
type SendBlob struct{ Blob Blob }

func (a SendBlob) String() string {
	return fmt.Sprintf("send blob %s (%d bytes): %s", short(a.Blob.Digest), a.Blob.Size, a.Blob.What)
}
func (SendBlob) rank() int { return rankBlobs }
func (a SendBlob) do(ctx context.Context, r *run) error {
	return r.Registry.PutBlob(ctx, a.Blob.send(), r.Watch.sent)
}

// PutManifest puts a manifest by digest.
type PutManifest struct{ Manifest Manifest }

func (a PutManifest) String() string {
	return fmt.Sprintf("put manifest %s: %s", short(a.Manifest.Digest), a.Manifest.What)
}

func (a PutManifest) rank() int {
	if a.Manifest.Proof {
		return rankProofs + a.Manifest.level
	}
	return rankManifests + a.Manifest.level
}

func (a PutManifest) do(ctx context.Context, r *run) error {
	return r.Registry.PutManifest(ctx, a.Manifest.Digest.String(), a.Manifest.MediaType, a.Manifest.Raw)
}

// ListReferrers has a subject show its referrers.
type ListReferrers struct {
	Subject   v1.Hash
	Referrers []v1.Descriptor
}

func (a ListReferrers) String() string {
	proofs := "proof"
	if len(a.Referrers) > 1 {
		proofs = fmt.Sprintf("%d proofs", len(a.Referrers))
	}
	return fmt.Sprintf("see that %s shows its %s (under tag %s… where the registry has no referrers API)",
		short(a.Subject), proofs, fallbackTag(a.Subject)[:19])
}
func (ListReferrers) rank() int { return rankReferrers }
func (a ListReferrers) do(ctx context.Context, r *run) error {
	return r.list(ctx, a.Subject, a.Referrers)
}

// TagProofs puts proofs under the tag by which older verifiers find them,
// beside those that are there.
type TagProofs struct{ Manifest Manifest }

func (a TagProofs) String() string {
	return fmt.Sprintf("put proofs %s under tag %s", short(a.Manifest.Digest), a.Manifest.Tag)
}
func (TagProofs) rank() int { return rankReferrers }
func (a TagProofs) do(ctx context.Context, r *run) error {
	found, lacking, err := r.untagged(ctx, a.Manifest)
	if err != nil || len(lacking) == 0 {
		return err
	}
	if found == nil || includes(a.Manifest, *found) {
		return r.Registry.PutManifest(ctx, a.Manifest.Tag, a.Manifest.MediaType, a.Manifest.Raw)
	}
	return r.addProofs(ctx, a.Manifest, lacking)
}

// addProofs appends layers to the proofs under a tag.
func (r *run) addProofs(ctx context.Context, m Manifest, lacking []v1.Descriptor) error {
	options, err := r.Registry.Remote(ctx)
	if err != nil {
		return err
	}
	img, err := remote.Image(r.Registry.Tag(m.Tag), options...)
	if err != nil {
		return err
	}
	for _, l := range lacking {
		var text []byte
		for _, b := range m.Blobs {
			if b.Digest == l.Digest {
				if text, err = b.read(); err != nil {
					return err
				}
			}
		}
		img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(text, l.MediaType), Annotations: l.Annotations, MediaType: l.MediaType})
		if err != nil {
			return err
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	h, err := img.ConfigName()
	if err != nil {
		return err
	}
	blob := Blob{Digest: h, Size: int64(len(config)), data: config}
	if err := r.Registry.PutBlob(ctx, blob.send(), nil); err != nil {
		return err
	}
	raw, err := img.RawManifest()
	if err != nil {
		return err
	}
	return r.Registry.PutManifest(ctx, m.Tag, m.MediaType, raw)
}

func (b Blob) read() ([]byte, error) {
	f, err := b.open()
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(f)
}

// ReadBack fetches every manifest by digest and compares its bytes.
type ReadBack struct{ Manifests []Manifest }

func (a ReadBack) String() string {
	return fmt.Sprintf("read %d manifests back", len(a.Manifests))
}
func (ReadBack) rank() int { return rankReadBack }
func (a ReadBack) do(ctx context.Context, r *run) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.jobs())
	for _, m := range a.Manifests {
		g.Go(func() error {
			_, _, ok, err := r.Registry.Manifest(ctx, m.Digest.String()) // compares the digest
			if err == nil && !ok {
				err = fmt.Errorf("manifest %s (%s) was put and is not there: run the release again", m.Digest, m.What)
			}
			return err
		})
	}
	return g.Wait()
}

// Verify proves a digest by what the registry holds. Nothing gets a name
// before.
type Verify struct {
	Digest v1.Hash
	// Version is zero for edge and nightly builds.
	Version decide.Version
}

func (a Verify) String() string {
	if a.Version.IsZero() {
		return "verify " + short(a.Digest)
	}
	return fmt.Sprintf("verify %s (%s)", short(a.Digest), a.Version)
}
func (Verify) rank() int { return rankVerify }
func (a Verify) do(ctx context.Context, r *run) error {
	if r.held(a.Digest) {
		return nil
	}
	proof, err := r.Verify(ctx, a.Digest, a.Version)
	if err != nil {
		return err
	}
	if !proof.Proves(a.Digest) {
		return fmt.Errorf("the verification of %s proves something else", a.Digest)
	}
	r.hold(a.Digest, proof)
	return nil
}

// CreateTag makes an immutable tag.
type CreateTag struct {
	Tag      string
	Manifest Manifest
	commit   bool
}

func (a CreateTag) String() string {
	return fmt.Sprintf("create tag %s at %s", a.Tag, short(a.Manifest.Digest))
}
func (CreateTag) rank() int { return rankImmutable }
func (a CreateTag) do(ctx context.Context, r *run) error {
	// Another run may have been faster since the registry was looked at.
	d, ok, err := r.Registry.Head(ctx, a.Tag)
	switch {
	case err != nil:
		return err
	case ok && d.Digest == a.Manifest.Digest:
		return nil
	case ok && a.commit:
		return &CommitTagError{Tag: a.Tag, Found: d.Digest, Want: a.Manifest.Digest}
	case ok:
		return &TagError{Tag: a.Tag, Found: d.Digest, Want: a.Manifest.Digest}
	}
	return r.Registry.PutManifest(ctx, a.Tag, a.Manifest.MediaType, a.Manifest.Raw)
}

// Skip is something that is left as it is, for a reason that goes on record.
type Skip struct{ What, Why string }

func (a Skip) String() string               { return a.What + ": " + a.Why }
func (Skip) rank() int                      { return rankSkip }
func (Skip) do(context.Context, *run) error { return nil }

// DraftRelease makes the forge's draft or brings its text up to date.
type DraftRelease struct{ Release forge.Release }

func (a DraftRelease) String() string { return "draft release " + a.Release.Tag }
func (DraftRelease) rank() int        { return rankDraft }
func (a DraftRelease) do(ctx context.Context, r *run) error {
	return r.Forge.Draft(ctx, a.Release)
}

// UploadAsset puts a file into the forge's release.
type UploadAsset struct {
	Tag   string
	Asset forge.Asset
	path  string
}

func (a UploadAsset) String() string {
	return fmt.Sprintf("upload %s (%d bytes) to release %s", a.Asset.Name, a.Asset.Size, a.Tag)
}
func (UploadAsset) rank() int { return rankAssets }
func (a UploadAsset) do(ctx context.Context, r *run) error {
	return r.Forge.Upload(ctx, a.Tag, a.Asset, func() (io.ReadCloser, error) {
		f, err := os.Open(a.path)
		if err != nil {
			return nil, err
		}
		return &watched{f, r.Watch.sent}, nil
	})
}

type watched struct {
	io.ReadCloser
	sent func(int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.sent(int64(n))
	return n, err
}

// DropAsset takes a file out of a draft that does not belong to the release.
type DropAsset struct{ Tag, Name string }

func (a DropAsset) String() string { return fmt.Sprintf("drop %s from draft %s", a.Name, a.Tag) }
func (DropAsset) rank() int        { return rankAssets }
func (a DropAsset) do(ctx context.Context, r *run) error {
	return r.Forge.Drop(ctx, a.Tag, a.Name)
}

// PublishRelease makes the draft public.
type PublishRelease struct{ Release forge.Release }

func (a PublishRelease) String() string {
	kind := "not as the latest"
	if a.Release.Latest {
		kind = "as the latest"
	}
	if a.Release.Prerelease {
		kind = "as a pre-release"
	}
	return fmt.Sprintf("publish release %s %s", a.Release.Tag, kind)
}
func (PublishRelease) rank() int { return rankPublish }
func (a PublishRelease) do(ctx context.Context, r *run) error {
	return r.Forge.Publish(ctx, a.Release)
}

// SetLatest has the forge show another release first.
type SetLatest struct{ Tag, From string }

func (a SetLatest) String() string {
	if a.From == "" {
		return "show release " + a.Tag + " as the latest"
	}
	return fmt.Sprintf("show release %s as the latest instead of %s", a.Tag, a.From)
}
func (SetLatest) rank() int { return rankSetLatest }
func (a SetLatest) do(ctx context.Context, r *run) error {
	return r.Forge.SetLatest(ctx, a.Tag)
}

// MoveTag moves a rolling tag, or makes it where there was none.
type MoveTag struct {
	Tag string
	// From is the zero value where the tag is absent.
	From, To v1.Hash
	// Version is zero for edge and nightly tags.
	Version decide.Version
	place   int
}

func (a MoveTag) String() string {
	to := short(a.To)
	if !a.Version.IsZero() {
		to += " (" + a.Version.Image() + ")"
	}
	if a.From == (v1.Hash{}) {
		return fmt.Sprintf("point tag %s at %s", a.Tag, to)
	}
	return fmt.Sprintf("move tag %s from %s to %s", a.Tag, short(a.From), to)
}
func (a MoveTag) rank() int { return rankRolling + a.place }
func (a MoveTag) do(ctx context.Context, r *run) error {
	if !r.held(a.To) {
		return &UnprovenError{a.Tag, a.To}
	}
	now, ok, err := r.Registry.Head(ctx, a.Tag)
	switch {
	case err != nil:
		return err
	case ok && now.Digest == a.To:
		return nil
	case now.Digest != a.From:
		return &MovedError{a.Tag, a.From, now.Digest}
	}
	raw, d, ok, err := r.Registry.Manifest(ctx, a.To.String())
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("manifest %s is not in the registry any more", a.To)
	}
	return r.Registry.PutManifest(ctx, a.Tag, d.MediaType, raw)
}
