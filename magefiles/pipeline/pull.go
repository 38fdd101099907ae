package pipeline

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/reproduce"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// publishedRelease is a release as its users get it.
type publishedRelease struct {
	reg    openedRegistry
	digest v1.Hash
	// trust is whose signatures counted, from the ref that the provenance names.
	trust verify.Trust
	from  string
	// bundle holds what the registry has of it; page is the release page, nil
	// where there is none, noPage why.
	bundle *bundle.Bundle
	page   *forge.Release
	noPage string
}

func (p *publishedRelease) ref() string { return p.reg.Digest(p.digest).String() }

// publishedContent verifies an image and takes it out of the registry, with
// what is attached to it, into a bundle at dir.
func (s *Suite) publishedContent(ctx context.Context, ui runner, q ReproduceQuery, dir string) (out *publishedRelease, err error) {
	ref, err := name.ParseReference(q.Image, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("%q is no image: want a full reference by tag or digest, such as %s:1.2.3 (%w)", q.Image, s.Product.Image.Repository, err)
	}
	trust, err := s.trustedBy(VerifyQuery{Key: q.Key})
	if err != nil {
		return nil, err
	}
	reg, err := s.dial(ref.Context().Name(), !q.Attest)
	if err != nil {
		return nil, err
	}
	out = &publishedRelease{reg: openedRegistry{Registry: reg}, trust: trust}
	return out, ui.Run(ctx, "published release", func(ctx context.Context, step *term.Step) error {
		d, ok, err := reg.Head(ctx, ref.Identifier())
		if err == nil && !ok {
			err = fmt.Errorf("%s does not exist in the registry", ref)
		}
		if err != nil {
			return err
		}
		out.digest = d.Digest
		options, err := reg.Remote(ctx)
		if err != nil {
			return err
		}
		expect := verify.Expect{Source: s.Product.Source}
		if q.Ref != "" {
			expect.Ref = tagRef(q.Ref)
		} else if tag, ok := ref.(name.Tag); ok {
			expect.Ref, expect.Channel = meant(tag.TagStr())
		}
		result, err := verify.Image(ctx, reg.Digest(d.Digest), trust, expect, options...)
		if err != nil {
			return fmt.Errorf("%s is not built again, since it does not verify: %w", ref, err)
		}
		out.from = result.Report.Provenance.Ref
		plan, err := s.planOf(ctx, *result.Report.Provenance)
		if err != nil {
			return err
		}
		if out.bundle, err = bundle.Create(dir, plan); err != nil {
			return err
		}
		p := puller{reg: reg, b: out.bundle, options: append(options, remote.WithContext(ctx))}
		if err := p.release(ctx, d.Digest); err != nil {
			return fmt.Errorf("reading %s: %w", ref, err)
		}
		step.Detail("%s of %s", plan.Ref.Name, short(plan.Commit))
		return s.pageOf(ctx, plan.Ref, out)
	})
}

// planOf is the plan of what a provenance names, whose commit has to be in the
// checkout.
func (s *Suite) planOf(ctx context.Context, from verify.Provenance) (decide.Plan, error) {
	ref, err := decide.ParseRef(from.Ref, s.Product.Branches.Main)
	if err != nil {
		return decide.Plan{}, fmt.Errorf("the provenance names a ref that no release has: %w", err)
	}
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return decide.Plan{}, fmt.Errorf("building a release again needs a clone of %s: %w", s.Product.Source, err)
	}
	commit, err := repo.Resolve(ctx, from.Commit)
	if err != nil {
		return decide.Plan{}, fmt.Errorf("the commit %s that the provenance names is not in this clone: `git fetch --tags` first: %w", short(from.Commit), err)
	}
	at, err := repo.CommitTime(ctx, commit)
	if err != nil {
		return decide.Plan{}, err
	}
	if !ref.Version.IsZero() { // the build again checks it out by its tag
		tag, err := repo.Tag(ctx, ref.Name)
		if err != nil {
			return decide.Plan{}, fmt.Errorf("the tag %s that the provenance names is not in this clone: `git fetch --tags` first: %w", ref.Name, err)
		}
		if tag.Commit != commit {
			return decide.Plan{}, fmt.Errorf("the provenance says that %s is commit %s, in this clone it is %s: one of the two was moved, ask the maintainers which", ref.Name, short(commit), short(tag.Commit))
		}
	}
	return decide.Plan{
		Product: s.Product.Name, Definition: s.Product.Digest(), Ref: ref, Commit: commit, CommitTime: at,
		Image: s.Product.Image.Repository, Platforms: s.Product.Platforms(), Assets: s.assets(),
	}, nil
}

// puller takes a published image into a bundle.
type puller struct {
	reg     *registry.Registry
	b       *bundle.Bundle
	options []remote.Option
}

// release takes the image index, everything below it, and what refers to it.
// Of signatures and attestations it takes the names: they are not compared.
func (p puller) release(ctx context.Context, h v1.Hash) error {
	d, raw, err := p.manifest(ctx, h)
	if err != nil {
		return err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return fmt.Errorf("the image index %s: %w", h, err)
	}
	if err := p.b.Add(bundle.Image, d); err != nil {
		return err
	}
	about := []v1.Hash{h}
	for _, m := range index.Manifests {
		if _, err := p.image(ctx, m.Digest); err != nil {
			return err
		}
		about = append(about, m.Digest)
	}
	for i := 0; i < len(about); i++ { // what is attached has proofs of its own
		if i >= maxReferrers {
			return fmt.Errorf("more than %d things are attached to %s", maxReferrers, h)
		}
		more, err := p.referrers(ctx, about[i])
		if err != nil {
			return err
		}
		about = append(about, more...)
		if err := p.tags(ctx, about[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxReferrers is how many things with proofs a release may have.
const maxReferrers = 1000

func (p puller) manifest(ctx context.Context, h v1.Hash) (v1.Descriptor, []byte, error) {
	raw, d, ok, err := p.reg.Manifest(ctx, h.String())
	if err == nil && !ok {
		err = errors.New("the registry does not have it")
	}
	if err != nil {
		return d, nil, fmt.Errorf("manifest %s: %w", h, err)
	}
	blob, err := p.b.Ingest(bytes.NewReader(raw))
	if err == nil && blob.Digest != h {
		err = fmt.Errorf("the registry gave %s for %s", blob.Digest, h)
	}
	return v1.Descriptor{MediaType: d.MediaType, Digest: h, Size: int64(len(raw))}, raw, err
}

// image takes a manifest with its config and layers.
func (p puller) image(ctx context.Context, h v1.Hash) (v1.Manifest, error) {
	var m v1.Manifest
	_, raw, err := p.manifest(ctx, h)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("manifest %s: %w", h, err)
	}
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if err := p.blob(d); err != nil {
			return m, fmt.Errorf("blob %s: %w", d.Digest, err)
		}
	}
	return m, nil
}

// blob streams a blob into the bundle; the client checks its digest.
func (p puller) blob(d v1.Descriptor) (err error) {
	if p.b.Has(d) {
		return nil
	}
	l, err := remote.Layer(p.reg.Digest(d.Digest), p.options...)
	if err != nil {
		return err
	}
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	blob, err := p.b.Ingest(r)
	if err = errors.Join(err, r.Close()); err == nil && blob.Digest != d.Digest {
		err = fmt.Errorf("the registry gave %s", blob.Digest)
	}
	return err
}

// referrers takes what refers to a manifest, and gives what may have proofs
// itself.
func (p puller) referrers(ctx context.Context, h v1.Hash) ([]v1.Hash, error) {
	list, _, err := p.reg.Referrers(ctx, h)
	if err != nil {
		return nil, err
	}
	var more []v1.Hash
	for _, r := range list {
		d := v1.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size, ArtifactType: r.ArtifactType, Annotations: r.Annotations}
		if r.ArtifactType == bundle.BinaryArtifact || r.ArtifactType == bundle.FileArtifact {
			m, err := p.image(ctx, r.Digest)
			if err != nil {
				return nil, err
			}
			d.Annotations = m.Annotations
			more = append(more, r.Digest)
			if err := p.file(m); err != nil {
				return nil, fmt.Errorf("%s: %w", m.Annotations[bundle.TitleKey], err)
			}
		}
		if err := p.b.Add(bundle.Artifact, d); err != nil {
			return nil, err
		}
	}
	return more, nil
}

// tags notes the tags under which cosign's older proofs of a manifest lie.
func (p puller) tags(ctx context.Context, h v1.Hash) error {
	for _, kind := range []string{"sig", "att"} {
		tag := h.Algorithm + "-" + h.Hex + "." + kind
		d, ok, err := p.reg.Head(ctx, tag)
		if err != nil {
			return err
		}
		if ok {
			d.Annotations = map[string]string{bundle.RefNameKey: tag}
			if err := p.b.Add(bundle.Tagged, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// file takes what is attached, as the file that the release page has: a plain
// file is the artifact's layer, a binary lies in it.
func (p puller) file(m v1.Manifest) error {
	title, want := m.Annotations[bundle.TitleKey], m.Annotations[bundle.SHA256Key]
	if title == "" || len(m.Layers) != 1 {
		return nil
	}
	l := m.Layers[0]
	if m.ArtifactType == bundle.FileArtifact {
		return p.b.Add(bundle.File, bundle.Blob{Digest: l.Digest, Size: l.Size}.Descriptor(string(l.MediaType), title))
	}
	f, err := os.Open(p.b.Path(l.Digest))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("no file in its layer has the sha256 %q that it names", want)
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		blob, err := p.b.Ingest(t)
		if err != nil {
			return err
		}
		if blob.Digest.Hex == want {
			return p.b.Add(bundle.Binary, blob.Descriptor("application/x-executable", title))
		}
	}
}

// pageOf reads the release page with the true checksums of its files. What is a
// file there alone, such as an SBOM, is compared by its checksum.
func (s *Suite) pageOf(ctx context.Context, ref decide.Ref, out *publishedRelease) error {
	if ref.Version.IsZero() {
		out.noPage = "it is a file of a release page, and a build of " + s.Product.Branches.Main + " has none"
		return nil
	}
	f, err := s.forge()
	if err != nil {
		out.noPage = "the release page was not looked at: " + err.Error()
		return nil //nolint:nilerr // the report says it
	}
	if out.page, err = f.Find(ctx, ref.Name); err != nil {
		return err
	}
	if out.page == nil {
		out.noPage = "the forge has no page of " + ref.Name
		return nil
	}
	for _, a := range out.page.Assets {
		if out.attached(a.Name) || a.Name == bundle.SumsName {
			continue
		}
		h, err := v1.NewHash("sha256:" + a.SHA256)
		if err != nil {
			return fmt.Errorf("the checksum of %s on the release page: %w", a.Name, err)
		}
		if err := out.bundle.Add(bundle.File, bundle.Blob{Digest: h, Size: a.Size}.Descriptor("application/octet-stream", a.Name)); err != nil {
			return err
		}
	}
	return nil
}

// attached tells whether the registry has a file of that name.
func (p *publishedRelease) attached(title string) bool {
	for _, role := range []bundle.Role{bundle.Binary, bundle.File} {
		if d, ok := p.bundle.Find(role, title); ok && p.bundle.Has(d) {
			return true
		}
	}
	return false
}

// absent says why what was published has no file that a bundle has.
func (p *publishedRelease) absent(title string) string {
	if title == bundle.SumsName {
		return "it names the proofs too; each file that it names is compared by itself"
	}
	if p.page == nil {
		return p.noPage
	}
	return ""
}

// besides compares the files that the release page has besides the registry.
func (p *publishedRelease) besides(again *bundle.Bundle) (out []reproduce.Artifact) {
	if p.page == nil {
		return nil
	}
	for _, a := range p.page.Assets {
		if !p.attached(a.Name) {
			continue
		}
		d, ok := again.Find(bundle.Binary, a.Name)
		if !ok {
			d, _ = again.Find(bundle.File, a.Name)
		}
		out = append(out, reproduce.BySum(a.Name+" on the release page", a.SHA256, d.Digest.Hex))
	}
	return out
}
