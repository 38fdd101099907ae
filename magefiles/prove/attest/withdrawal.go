package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/oci/empty"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Attached is a proof as a registry keeps it. It lies in no bundle: its subject
// is published already.
type Attached struct {
	// Manifest is JSON, an OCI image manifest.
	Manifest []byte
	// Blobs are its config and its layers.
	Blobs [][]byte
	// Tag is where it is found, "" where it refers to its subject.
	Tag string
}

// Withdrawal signs what is said of a published release, withdrawn or restored,
// and gives it in the format of the product's other proofs. The subject is the
// release's image index. The time is cut to whole seconds, in UTC.
func Withdrawal(ctx context.Context, signer Signer, format product.ProofFormat, subject v1.Descriptor, w intoto.Withdrawal) (Attached, error) {
	w.When = w.When.UTC().Truncate(time.Second)
	if err := w.Check(); err != nil {
		return Attached{}, err
	}
	statement, err := intoto.Encode(intoto.WithdrawalType, w, intoto.SHA256("", subject.Digest.Hex))
	if err != nil {
		return Attached{}, err
	}
	text, err := signer.Bundle(ctx, statement)
	if err != nil {
		return Attached{}, fmt.Errorf("signing the withdrawal of %s: %w", w.Version, err)
	}
	return attach(format, plain(subject), intoto.WithdrawalType, w.When, text)
}

// VerificationSummary signs what came of a verification, about an image index
// and its images, and gives it once for each of these subjects, in the format of
// the product's other proofs.
func VerificationSummary(ctx context.Context, signer Signer, format product.ProofFormat, subjects []v1.Descriptor, s intoto.Summary) ([]Attached, error) {
	s.Verified = s.Verified.UTC().Truncate(time.Second)
	if err := s.Check(); err != nil {
		return nil, err
	}
	var named []intoto.Subject
	for _, d := range subjects {
		named = append(named, intoto.SHA256("", d.Digest.Hex))
	}
	statement, err := intoto.Encode(intoto.SummaryType, s, named...)
	if err != nil {
		return nil, err
	}
	text, err := signer.Bundle(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("signing the verification summary of %s: %w", s.Resource, err)
	}
	var out []Attached
	for _, d := range subjects {
		made, err := attach(format, plain(d), intoto.SummaryType, s.Verified, text)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// attach makes the manifest by which a statement in a Sigstore bundle is found
// beside its subject.
func attach(format product.ProofFormat, subject v1.Descriptor, predicate string, created time.Time, text []byte) (Attached, error) {
	switch format {
	case product.ProofBundles:
		config, err := descriptor([]byte(emptyConfig))
		if err != nil {
			return Attached{}, err
		}
		layer, err := descriptor(text)
		if err != nil {
			return Attached{}, err
		}
		manifest, err := json.Marshal(referrer(subject, predicate, created, config, layer))
		if err != nil {
			return Attached{}, fmt.Errorf("encoding the manifest of a statement: %w", err)
		}
		return Attached{Manifest: manifest, Blobs: [][]byte{[]byte(emptyConfig), text}}, nil
	case product.ProofTags:
		envelope, err := attestation(predicate, text)
		if err != nil {
			return Attached{}, err
		}
		tag := proofTag(subject.Digest, "att")
		image, err := mutate.AppendSignatures(empty.Signatures(), false, envelope)
		if err != nil {
			return Attached{}, fmt.Errorf("making the proofs under the tag %s: %w", tag, err)
		}
		return attached(image, tag)
	}
	return Attached{}, fmt.Errorf("the product's proofs are %q, want %q or %q", format, product.ProofBundles, product.ProofTags)
}

func descriptor(text []byte) (v1.Descriptor, error) {
	h, size, err := v1.SHA256(bytes.NewReader(text))
	return v1.Descriptor{Digest: h, Size: size}, err
}

// attached takes an image of proofs apart.
func attached(image v1.Image, tag string) (Attached, error) {
	fail := func(err error) (Attached, error) {
		return Attached{}, fmt.Errorf("making the proofs under the tag %s: %w", tag, err)
	}
	out := Attached{Tag: tag}
	config, err := image.RawConfigFile()
	if err != nil {
		return fail(err)
	}
	out.Blobs = append(out.Blobs, config)
	layers, err := image.Layers()
	if err != nil {
		return fail(err)
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			return fail(err)
		}
		text, err := io.ReadAll(r) // from memory
		if err != nil {
			return fail(err)
		}
		out.Blobs = append(out.Blobs, text)
	}
	if out.Manifest, err = image.RawManifest(); err != nil {
		return fail(err)
	}
	return out, nil
}
