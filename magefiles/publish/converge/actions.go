package converge

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
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
// and the tags that people follow at the very end. What is in the registry
// already and is to get a name is verified first of all. Statements go to the
// forge once the registry's are verified, and before anything gets a name: what
// people follow is backed everywhere by then, and where the forge refuses a
// statement nothing has a name yet.
//
// In a roll-back the content is the statement that withdraws the version: it
// stands, and the registry shows it, before the first tag moves, so that no
// release that runs beside it or after it died moves a tag back. Then `latest`
// moves first; the forge's page comes last.
const (
	rankThere     = -1
	rankBlobs     = 0
	rankManifests = 100 // and the manifest's level
	rankProofs    = 200 // and the manifest's level
	rankReferrers = 300
	rankReadBack  = 400
	rankVerify    = 500
	rankStatement = 550
	rankImmutable = 600
	rankDraft     = 700
	rankAssets    = 710
	rankPublish   = 720
	rankRolling   = 800 // and the tag's place in the order
	rankSetLatest = 1 << 20
	rankAmend     = 1<<20 + 1
	rankSkip      = 1<<20 + 2
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
	if len(a.Manifests) == 1 {
		return "read the manifest back"
	}
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
	// there is true for what this run does not publish.
	there bool
}

func (a Verify) String() string {
	return "verify " + named(a.Digest, a.Version)
}
func (a Verify) rank() int {
	if a.there {
		return rankThere
	}
	return rankVerify
}
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

// MoveTag moves a rolling tag, or makes it where there was none.
type MoveTag struct {
	Tag string
	// From is the zero value where the tag is absent.
	From, To v1.Hash
	// Version is what stands at To, and Was what stood at From. They are zero
	// for edge and nightly tags, Was also where it is not known.
	Version, Was decide.Version
	place        int
}

func (a MoveTag) String() string {
	if a.From == (v1.Hash{}) {
		return fmt.Sprintf("point tag %s at %s", a.Tag, named(a.To, a.Version))
	}
	return fmt.Sprintf("move tag %s from %s to %s", a.Tag, named(a.From, a.Was), named(a.To, a.Version))
}

func named(h v1.Hash, v decide.Version) string {
	if v.IsZero() {
		return short(h)
	}
	return short(h) + " (" + v.Image() + ")"
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
	if err := r.standing(ctx, a.Tag, a.Version, a.To); err != nil {
		return err
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
