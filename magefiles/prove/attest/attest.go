// Package attest signs a release: the image index, its images and the attached
// binaries get signatures, SLSA provenance and SBOM attestations. All of them
// are written into the bundle, where publishing finds them; no registry is
// written to. A release that is published already is withdrawn by a statement
// of its own. It knows bundle and product.
package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Builder says who builds: it stands in the provenance.
type Builder struct {
	// ID is a URI that names the build platform, such as the CI workflow's.
	ID string
	// Version maps parts of the platform to their versions; it may be empty.
	Version map[string]string
	// Invocation names the run, such as a CI run's URL. Like Started and
	// Finished, the times of the build, it is left out where it is empty.
	Invocation        string
	Started, Finished time.Time
}

// Summary says what [Write] did.
type Summary struct {
	// Signed and Kept count statements: those signed now, and those that were
	// there already with a signature of this signer.
	Signed, Kept int
	// Fingerprint names the signer.
	Fingerprint string
}

// Options of [Write].
type Options struct {
	Signer  Signer
	Builder Builder
	// Published are Sigstore bundles that are attached already, in JSON: those of
	// the same signer are not made again, though this bundle has them not yet.
	Published [][]byte
	// Dependencies are what was built from and with, besides the source, the
	// base image and the compilers that the bundle names: lock files, tools.
	Dependencies []intoto.Resource
	// Provenances are the statements of this image's provenances that the
	// registry holds, signed by who is trusted.
	Provenances [][]byte
	// Results are those of tests, smoke runs and drills; there may be none.
	Results []Result
	// Scans are those for vulnerabilities; there may be none.
	Scans []Scan
}

// Write makes all proofs of the bundle's image index and adds them to the
// bundle, in the product's format. SBOMs must be there already. Proofs that are
// there with a signature of the same signer are kept.
//
// The statements, each signed once:
//   - for the index and each image a signature of cosign's kind;
//   - one provenance for index, images, binary artifacts, raw binaries and the
//     files of the release page, attached to each of the first three, and a
//     release file besides; one of the same build that is there is kept;
//   - for each SBOM document one attestation, attached to the image (or binary
//     artifact) and, for an image's, to the index;
//   - one test result for each of the Results, attached to the index and to the
//     image that was run;
//   - one statement for each of the Scans, attached to the index and each image.
func Write(ctx context.Context, b *bundle.Bundle, p product.Product, o Options) (Summary, error) {
	s := Summary{Fingerprint: o.Signer.Fingerprint()}
	if o.Builder.ID == "" {
		return s, errors.New("the provenance needs a builder: say who builds, as a URI")
	}
	things, err := inventory(b, p)
	if err != nil {
		return s, err
	}
	known := known(b, o.Published)
	proofs, err := things.proofs(b, p, o, known)
	if err != nil {
		return s, err
	}
	results, err := things.results(b, o.Results)
	if err != nil {
		return s, err
	}
	scans, err := things.scans(o.Scans)
	if err != nil {
		return s, err
	}
	proofs = append(append(proofs, results...), scans...)
	w := &writer{b: b, o: o, sum: &s, made: map[string][]byte{}, known: known}
	switch p.Proofs {
	case product.ProofBundles:
		err = w.referrers(ctx, proofs)
	case product.ProofTags:
		err = w.tags(ctx, things, proofs)
	default:
		err = fmt.Errorf("the product's proofs are %q, want %q or %q", p.Proofs, product.ProofBundles, product.ProofTags)
	}
	if err != nil {
		return s, err
	}
	return s, w.provenanceFile(ctx, p, proofs)
}

// thing is a manifest that proofs are attached to.
type thing struct {
	// label is short and unique in the bundle: "index", "linux-amd64" or an
	// asset's name.
	label string
	// name stands in statements.
	name string
	// platform is set for an image alone.
	platform string
	v1.Descriptor
	// raw is the sha256 of the binary, for a binary's artifact alone.
	raw string
	// sboms are the documents about the image or the raw binary.
	sboms []sbom
}

type sbom struct {
	predicate string
	digest    v1.Hash
}

// suffix is how the documents' kinds are called in titles.
func (s sbom) suffix() string {
	if s.predicate == intoto.SPDX {
		return "spdx"
	}
	return "cyclonedx"
}

// things are the index, its images and the binaries' artifacts.
type things struct {
	index    thing
	images   []thing
	binaries []thing
}

func inventory(b *bundle.Bundle, p product.Product) (things, error) {
	var all things
	d, index, ok, err := b.ImageIndex()
	if err != nil {
		return all, fmt.Errorf("reading the image index: %w", err)
	}
	if !ok {
		return all, errors.New("the bundle has no image yet: it is made before it is signed")
	}
	documents := map[string][]sbom{}
	for _, e := range b.Entries(bundle.File) {
		predicate := map[string]string{intoto.SPDXMedia: intoto.SPDX, intoto.CycloneDXMedia: intoto.CycloneDX}[string(e.MediaType)]
		if about := e.Annotations[bundle.DescribesKey]; about != "" && predicate != "" {
			documents[about] = append(documents[about], sbom{predicate, e.Digest})
		}
	}
	all.index = thing{label: "index", name: p.Image.Repository, Descriptor: plain(d)}
	for _, m := range index.Manifests {
		if m.Platform == nil {
			return all, fmt.Errorf("the image index holds %s without a platform: build the image again", m.Digest)
		}
		platform := m.Platform.OS + "/" + m.Platform.Architecture
		all.images = append(all.images, thing{
			label: strings.ReplaceAll(platform, "/", "-"), name: p.Image.Repository + " (" + platform + ")", platform: platform,
			Descriptor: plain(m), sboms: documents[m.Digest.String()],
		})
	}
	for _, e := range b.Entries(bundle.Artifact) {
		var m v1.Manifest
		if err := b.ReadJSON(e.Digest, &m); err != nil {
			return all, fmt.Errorf("reading an artifact of the bundle: %w", err)
		}
		if m.ArtifactType != bundle.BinaryArtifact || m.Subject == nil || m.Subject.Digest != d.Digest {
			continue
		}
		asset, raw := m.Annotations[bundle.TitleKey], m.Annotations[bundle.SHA256Key]
		binary, ok := b.Find(bundle.Binary, asset)
		if !ok || binary.Digest.Hex != raw {
			return all, fmt.Errorf("the artifact of %q in the bundle is of a binary with sha256 %s, the bundle's own has %s: build the image again", asset, raw, binary.Digest.Hex)
		}
		all.binaries = append(all.binaries, thing{
			label: asset, name: p.Image.Repository + " (" + asset + ")",
			Descriptor: plain(e), raw: raw, sboms: documents["sha256:"+raw],
		})
	}
	if len(all.images) == 0 || len(all.binaries) != len(all.images) {
		return all, fmt.Errorf("the bundle has %d images and %d attached binaries, want one binary an image: build the image again", len(all.images), len(all.binaries))
	}
	for _, t := range append(append([]thing{}, all.images...), all.binaries...) {
		if len(t.sboms) != 2 {
			return all, fmt.Errorf("the bundle has %d SBOMs of %s, want SPDX and CycloneDX: they are made before it is signed", len(t.sboms), t.label)
		}
	}
	return all, nil
}

// plain is a descriptor as a subject has it.
func plain(d v1.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// proof is a statement that belongs to a thing.
type proof struct {
	// title is unique in the bundle.
	title string
	on    thing
	// predicate is the statement's predicate type.
	predicate string
	statement []byte
}

func (all things) proofs(b *bundle.Bundle, p product.Product, o Options, known map[string][][]byte) ([]proof, error) {
	var out []proof
	for _, t := range append([]thing{all.index}, all.images...) {
		statement, err := intoto.Encode(intoto.Signature, nil, intoto.SHA256("", t.Digest.Hex))
		if err != nil {
			return nil, err
		}
		out = append(out, proof{t.label + ".signature", t, intoto.Signature, statement})
	}
	provenance, err := all.provenance(b, p, o, known)
	if err != nil {
		return nil, err
	}
	for _, t := range all.each() {
		out = append(out, proof{t.label + ".provenance", t, intoto.Provenance, provenance})
	}
	for _, t := range all.images {
		for _, s := range t.sboms {
			statement, err := documentStatement(b, s, intoto.SHA256(t.name, t.Digest.Hex), intoto.SHA256(all.index.name, all.index.Digest.Hex))
			if err != nil {
				return nil, err
			}
			out = append(out,
				proof{t.label + "." + s.suffix(), t, s.predicate, statement},
				proof{"index." + t.label + "." + s.suffix(), all.index, s.predicate, statement})
		}
	}
	for _, t := range all.binaries {
		for _, s := range t.sboms {
			statement, err := documentStatement(b, s, intoto.SHA256(t.name, t.Digest.Hex), intoto.SHA256(t.label, t.raw))
			if err != nil {
				return nil, err
			}
			out = append(out, proof{t.label + "." + s.suffix(), t, s.predicate, statement})
		}
	}
	return out, nil
}

func (all things) each() []thing {
	return append(append([]thing{all.index}, all.images...), all.binaries...)
}

func documentStatement(b *bundle.Bundle, s sbom, subjects ...intoto.Subject) ([]byte, error) {
	text, err := os.ReadFile(b.Path(s.digest))
	if err != nil {
		return nil, fmt.Errorf("reading an SBOM of the bundle: %w", err)
	}
	return intoto.Encode(s.predicate, json.RawMessage(text), subjects...)
}

// ProvenanceName is the release file with the provenance, which
// `cosign verify-blob-attestation` takes together with a downloaded binary.
func ProvenanceName(plan decide.Plan, p product.Product) string {
	version := plan.ID()
	if !plan.Ref.Version.IsZero() {
		version = plan.Ref.Version.String()
	}
	return p.Name + "-" + version + ".provenance.sigstore.json"
}

func (w *writer) provenanceFile(ctx context.Context, p product.Product, proofs []proof) error {
	for _, pr := range proofs {
		if pr.predicate != intoto.Provenance {
			continue
		}
		text, err := w.sign(ctx, pr.statement)
		if err != nil {
			return err
		}
		blob, err := w.b.Ingest(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return w.add(bundle.File, blob.Descriptor(bundleMedia, ProvenanceName(w.b.Plan, p)))
	}
	return errors.New("no provenance was made")
}
