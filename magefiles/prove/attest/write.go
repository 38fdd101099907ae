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
	"sync"
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
	"golang.org/x/sync/errgroup"

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
	// made has the bundles of this run by statement, known those that were there
	// before.
	made  map[string][]byte
	known map[string][][]byte
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

// known sorts the Sigstore bundles that a bundle holds, and others, by
// statement. What cannot be read is made again.
func known(b *bundle.Bundle, others [][]byte) map[string][][]byte {
	out := map[string][][]byte{}
	keep := func(text []byte) {
		var e envelope
		if json.Unmarshal(text, &e) == nil && len(e.DSSE.Signatures) == 1 {
			out[string(e.DSSE.Payload)] = append(out[string(e.DSSE.Payload)], text)
		}
	}
	read := func(d v1.Descriptor) {
		if text, err := os.ReadFile(b.Path(d.Digest)); err == nil {
			keep(text)
		}
	}
	for _, d := range b.Entries(bundle.File) {
		if d.MediaType == bundleMedia {
			read(d)
		}
	}
	for _, d := range b.Entries(bundle.Artifact) {
		var m v1.Manifest
		if d.ArtifactType == bundleMedia && b.ReadJSON(d.Digest, &m) == nil && len(m.Layers) == 1 {
			read(m.Layers[0])
		}
	}
	for _, text := range others {
		keep(text)
	}
	return out
}

// together is how many statements are signed at a time: each waits for servers.
const together = 8

// all signs the statements side by side.
func (w *writer) all(ctx context.Context, proofs []proof) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(together)
	var mu sync.Mutex
	seen := map[string]bool{}
	faults := make([]error, len(proofs))
	for i, p := range proofs {
		if seen[string(p.statement)] {
			continue
		}
		seen[string(p.statement)] = true
		g.Go(func() error {
			text, kept, err := w.signed(ctx, p.statement)
			if err != nil {
				faults[i] = fmt.Errorf("signing %s: %w", p.title, err)
				return faults[i]
			}
			mu.Lock()
			defer mu.Unlock()
			w.note(p.statement, text, kept)
			return nil
		})
	}
	err := g.Wait()
	for _, f := range faults { // the first in order, not in time
		if f != nil && !errors.Is(f, context.Canceled) {
			return f
		}
	}
	return err
}

// signed gives the Sigstore bundle of a statement: one that was there with a
// signature of this signer, or a new one.
func (w *writer) signed(ctx context.Context, statement []byte) (text []byte, kept bool, err error) {
	for _, text := range w.known[string(statement)] {
		if w.o.Signer.Check(text, statement) {
			return text, true, nil
		}
	}
	text, err = w.o.Signer.Bundle(ctx, statement)
	return text, false, err
}

func (w *writer) note(statement, text []byte, kept bool) {
	w.made[string(statement)] = text
	if kept {
		w.sum.Kept++
	} else {
		w.sum.Signed++
	}
}

// sign gives the Sigstore bundle of a statement, the one made before where
// there is one.
func (w *writer) sign(ctx context.Context, statement []byte) ([]byte, error) {
	if text, ok := w.made[string(statement)]; ok {
		return text, nil
	}
	text, kept, err := w.signed(ctx, statement)
	if err != nil {
		return nil, err
	}
	w.note(statement, text, kept)
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

// emptyConfig is the config of a manifest that needs none (OCI image spec 1.1).
const emptyConfig = "{}"

// referrer is the manifest that attaches a Sigstore bundle to its subject,
// field by field as cosign 2.6 writes it. Of config and layer digest and size
// are taken.
func referrer(subject v1.Descriptor, predicate string, created time.Time, config, layer v1.Descriptor) v1.Manifest {
	return v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: bundleMedia,
		Config: v1.Descriptor{
			MediaType: "application/vnd.oci.empty.v1+json", ArtifactType: bundleMedia, Digest: config.Digest, Size: config.Size,
		},
		Layers:  []v1.Descriptor{{MediaType: bundleMedia, Digest: layer.Digest, Size: layer.Size}},
		Subject: &subject,
		Annotations: map[string]string{
			"org.opencontainers.image.created":  created.UTC().Format(time.RFC3339),
			"dev.sigstore.bundle.content":       "dsse-envelope",
			"dev.sigstore.bundle.predicateType": predicate,
		},
	}
}

// referrers writes each proof as a manifest that refers to its subject; the
// time is the commit's.
func (w *writer) referrers(ctx context.Context, proofs []proof) error {
	if err := w.all(ctx, proofs); err != nil {
		return err
	}
	config, err := w.b.Ingest(strings.NewReader(emptyConfig))
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
		made, err := w.b.IngestJSON(referrer(p.on.Descriptor, p.predicate, w.b.Plan.CommitTime,
			config.Descriptor("", ""), blob.Descriptor("", "")))
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
			text, err := w.sign(ctx, p.statement)
			if err != nil {
				return fmt.Errorf("signing %s: %w", p.title, err)
			}
			a, err := attestation(p.predicate, text)
			if err != nil {
				return fmt.Errorf("signing %s: %w", p.title, err)
			}
			attestations = append(attestations, a)
		}
		if err := w.tagged(t.label+".sig", proofTag(t.Digest, "sig"), signatures); err != nil {
			return err
		}
		if err := w.tagged(t.label+".att", proofTag(t.Digest, "att"), attestations); err != nil {
			return err
		}
	}
	return nil
}

// proofTag is where the proofs of one kind about a manifest stand.
func proofTag(h v1.Hash, kind string) string { return h.Algorithm + "-" + h.Hex + "." + kind }

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

// attestation makes a DSSE envelope, as ".att" tags have it, of a Sigstore
// bundle.
func attestation(predicate string, text []byte) (oci.Signature, error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	if len(e.DSSE.Signatures) == 0 {
		return nil, errors.New("the signer gave no signature")
	}
	envelope, err := json.Marshal(dsse.Envelope{
		PayloadType: intoto.PayloadType, Payload: base64.StdEncoding.EncodeToString(e.DSSE.Payload),
		Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(e.DSSE.Signatures[0].Sig)}},
	})
	if err != nil {
		return nil, err
	}
	return static.NewAttestation(envelope,
		static.WithLayerMediaType(ctypes.DssePayloadType), static.WithAnnotations(map[string]string{"predicateType": predicate}))
}

// tagged writes a manifest of proofs. What stands under its tag in the registry
// is kept there when it is published.
func (w *writer) tagged(title, tag string, sigs []oci.Signature) error {
	if len(sigs) == 0 {
		return nil
	}
	image, err := mutate.AppendSignatures(empty.Signatures(), false, sigs...)
	if err != nil {
		return fmt.Errorf("making the proofs under the tag %s: %w", tag, err)
	}
	made, err := attached(image, tag)
	if err != nil {
		return err
	}
	var last bundle.Blob
	for _, text := range append(made.Blobs, made.Manifest) {
		if last, err = w.b.Ingest(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("making the proofs under the tag %s: %w", tag, err)
		}
	}
	d := last.Descriptor(string(types.OCIManifestSchema1), title)
	d.Annotations[bundle.RefNameKey] = tag
	return w.add(bundle.Tagged, d)
}
