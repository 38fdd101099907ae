package attest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/empty"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	ctypes "github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// bundleMedia is the media type of a Sigstore bundle, and the artifactType of
// the manifest that attaches it.
const bundleMedia = "application/vnd.dev.sigstore.bundle.v0.3+json"

type writer struct {
	b   *bundle.Bundle
	o   Options
	sum *Summary
	// made has the bundles of this run by statement, known those that the
	// bundle held before.
	made, known map[string][]byte
}

// envelope is what is read from a Sigstore bundle to know it again.
type envelope struct {
	DSSE struct {
		Payload    []byte `json:"payload"`
		Type       string `json:"payloadType"`
		Signatures []struct {
			Sig []byte `json:"sig"`
		} `json:"signatures"`
	} `json:"dsseEnvelope"`
}

// known reads the Sigstore bundles that a bundle holds, by statement. What
// cannot be read is made again.
func known(b *bundle.Bundle) map[string][]byte {
	out := map[string][]byte{}
	keep := func(d v1.Descriptor) {
		text, err := os.ReadFile(b.Path(d.Digest))
		var e envelope
		if err == nil && json.Unmarshal(text, &e) == nil && len(e.DSSE.Signatures) == 1 {
			out[string(e.DSSE.Payload)] = text
		}
	}
	for _, d := range b.Entries(bundle.File) {
		if d.MediaType == bundleMedia {
			keep(d)
		}
	}
	for _, d := range b.Entries(bundle.Artifact) {
		var m v1.Manifest
		if d.ArtifactType == bundleMedia && b.ReadJSON(d.Digest, &m) == nil && len(m.Layers) == 1 {
			keep(m.Layers[0])
		}
	}
	return out
}

// sign gives the Sigstore bundle of a statement: the one made before, or one
// that was there with a signature of this signer, or a new one.
func (w *writer) sign(ctx context.Context, statement []byte) ([]byte, error) {
	key := string(statement)
	if text, ok := w.made[key]; ok {
		return text, nil
	}
	text, ok := w.known[key]
	var e envelope
	if ok && json.Unmarshal(text, &e) == nil && e.DSSE.Type == intoto.PayloadType &&
		w.o.Signer.Check(dsse.PAE(intoto.PayloadType, statement), e.DSSE.Signatures[0].Sig) {
		w.sum.Kept++
	} else {
		var err error
		if text, err = w.o.Signer.Bundle(ctx, statement); err != nil {
			return nil, err
		}
		w.sum.Signed++
	}
	w.made[key] = text
	return text, nil
}

// add records an entry, unless it stands there already.
func (w *writer) add(role bundle.Role, d v1.Descriptor) error {
	if old, ok := w.b.Find(role, d.Annotations[bundle.TitleKey]); ok {
		old.Annotations = maps.Clone(old.Annotations)
		delete(old.Annotations, bundle.RoleKey)
		if reflect.DeepEqual(old, d) {
			return nil
		}
	}
	return w.b.Add(role, d)
}

// referrers writes each proof as a manifest that refers to its subject, field
// by field as cosign 2.6 writes it; the time is the commit's.
func (w *writer) referrers(ctx context.Context, proofs []proof) error {
	config, err := w.b.Ingest(strings.NewReader("{}"))
	if err != nil {
		return err
	}
	for _, p := range proofs {
		text, err := w.sign(ctx, p.statement)
		if err != nil {
			return fmt.Errorf("signing %s: %w", p.title, err)
		}
		blob, err := w.b.Ingest(bytes.NewReader(text))
		if err != nil {
			return err
		}
		subject := p.on.Descriptor
		manifest := v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: bundleMedia,
			Config: v1.Descriptor{
				MediaType: "application/vnd.oci.empty.v1+json", ArtifactType: bundleMedia, Digest: config.Digest, Size: config.Size,
			},
			Layers:  []v1.Descriptor{blob.Descriptor(bundleMedia, "")},
			Subject: &subject,
			Annotations: map[string]string{
				"org.opencontainers.image.created":  w.b.Plan.CommitTime.UTC().Format(time.RFC3339),
				"dev.sigstore.bundle.content":       "dsse-envelope",
				"dev.sigstore.bundle.predicateType": p.predicate,
			},
		}
		made, err := w.b.IngestJSON(manifest)
		if err != nil {
			return err
		}
		entry := made.Descriptor(string(types.OCIManifestSchema1), p.title)
		entry.ArtifactType = bundleMedia
		if err := w.add(bundle.Artifact, entry); err != nil {
			return err
		}
	}
	return nil
}

// tags writes the proofs as cosign did before there were bundles: for each
// subject a manifest under the tag "sha256-<hex>.sig" with the signature, and
// one under "sha256-<hex>.att" with all attestations.
func (w *writer) tags(ctx context.Context, all things, proofs []proof) error {
	for _, t := range all.each() {
		var signatures, attestations []oci.Signature
		for _, p := range proofs {
			if p.on.label != t.label {
				continue
			}
			if p.predicate == intoto.Signature {
				s, err := w.simpleSignature(ctx, all.index.name, t.Digest)
				if err != nil {
					return fmt.Errorf("signing %s: %w", p.title, err)
				}
				signatures = append(signatures, s)
				continue
			}
			a, err := w.attestation(ctx, p)
			if err != nil {
				return fmt.Errorf("signing %s: %w", p.title, err)
			}
			attestations = append(attestations, a)
		}
		prefix := strings.Replace(t.Digest.String(), ":", "-", 1)
		if err := w.tagged(ctx, t.label+".sig", prefix+".sig", signatures); err != nil {
			return err
		}
		if err := w.tagged(ctx, t.label+".att", prefix+".att", attestations); err != nil {
			return err
		}
	}
	return nil
}

// simpleSignature is a signature of the "simple signing" kind.
func (w *writer) simpleSignature(ctx context.Context, repository string, digest v1.Hash) (oci.Signature, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return nil, err
	}
	message, err := payload.Cosign{Image: repo.Digest(digest.String())}.MarshalJSON()
	if err != nil {
		return nil, err
	}
	signature, err := w.o.Signer.Sign(ctx, message)
	if err != nil {
		return nil, err
	}
	w.sum.Signed++
	return static.NewSignature(message, base64.StdEncoding.EncodeToString(signature))
}

// attestation is a DSSE envelope.
func (w *writer) attestation(ctx context.Context, p proof) (oci.Signature, error) {
	text, err := w.sign(ctx, p.statement)
	if err != nil {
		return nil, err
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	if len(e.DSSE.Signatures) == 0 {
		return nil, errors.New("the signer gave no signature")
	}
	envelope, err := json.Marshal(dsse.Envelope{
		PayloadType: intoto.PayloadType, Payload: base64.StdEncoding.EncodeToString(p.statement),
		Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(e.DSSE.Signatures[0].Sig)}},
	})
	if err != nil {
		return nil, err
	}
	return static.NewAttestation(envelope,
		static.WithLayerMediaType(ctypes.DssePayloadType), static.WithAnnotations(map[string]string{"predicateType": p.predicate}))
}

// tagged writes a manifest of proofs. What was published under its tag before
// stays in it: an edge build and a candidate of one commit are one image with
// two provenances.
func (w *writer) tagged(ctx context.Context, title, tag string, sigs []oci.Signature) error {
	if len(sigs) == 0 {
		return nil
	}
	base, err := w.published(ctx, tag)
	if err != nil {
		return err
	}
	have := map[v1.Hash]bool{}
	layers, err := base.Layers()
	if err != nil {
		return fmt.Errorf("reading the proofs under the tag %s: %w", tag, err)
	}
	for _, l := range layers {
		h, err := l.Digest()
		if err != nil {
			return fmt.Errorf("reading the proofs under the tag %s: %w", tag, err)
		}
		have[h] = true
	}
	var fresh []oci.Signature
	for _, s := range sigs {
		h, err := s.Digest()
		if err != nil {
			return err
		}
		if !have[h] {
			have[h] = true
			fresh = append(fresh, s)
		}
	}
	image, err := mutate.AppendSignatures(base, false, fresh...)
	if err != nil {
		return fmt.Errorf("making the proofs under the tag %s: %w", tag, err)
	}
	d, err := ingest(w.b, image)
	if err != nil {
		return fmt.Errorf("making the proofs under the tag %s: %w", tag, err)
	}
	d.Annotations = map[string]string{bundle.TitleKey: title, bundle.RefNameKey: tag}
	return w.add(bundle.Tagged, d)
}

func (w *writer) published(ctx context.Context, tag string) (oci.Signatures, error) {
	if w.o.Published == nil {
		return empty.Signatures(), nil
	}
	image, err := w.o.Published(ctx, tag)
	if err != nil {
		return nil, fmt.Errorf("looking up the proofs under the tag %s: %w", tag, err)
	}
	if image == nil {
		return empty.Signatures(), nil
	}
	return published{image}, nil
}

// published are proofs that are taken over as they are.
type published struct{ v1.Image }

// Get gives none: they are not read, only kept.
func (published) Get() ([]oci.Signature, error) { return nil, nil }

// ingest writes an image with everything in it.
func ingest(b *bundle.Bundle, image v1.Image) (v1.Descriptor, error) {
	layers, err := image.Layers()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			return v1.Descriptor{}, err
		}
		_, err = b.Ingest(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return v1.Descriptor{}, err
		}
	}
	var last bundle.Blob
	for _, part := range []func() ([]byte, error){image.RawConfigFile, image.RawManifest} {
		text, err := part()
		if err == nil {
			last, err = b.Ingest(bytes.NewReader(text))
		}
		if err != nil {
			return v1.Descriptor{}, err
		}
	}
	return last.Descriptor(string(types.OCIManifestSchema1), ""), nil
}
