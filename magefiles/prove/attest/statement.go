package attest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/oci/empty"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Attach signs what is said of a published image index, and of its images where
// they are subjects too, as one statement of a predicate type. It gives it once
// for each subject, in the format of the product's other proofs. What names it
// in errors; at is when it was said, in the manifests, in whole seconds.
func Attach(ctx context.Context, signer Signer, format product.ProofFormat, what, predicateType string, predicate any, at time.Time, subjects ...v1.Descriptor) ([]Attached, error) {
	var named []intoto.Subject
	for _, d := range subjects {
		named = append(named, intoto.SHA256("", d.Digest.Hex))
	}
	statement, err := intoto.Encode(predicateType, predicate, named...)
	if err != nil {
		return nil, err
	}
	text, err := signer.Bundle(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("signing the %s: %w", what, err)
	}
	var out []Attached
	for _, d := range subjects {
		made, err := attach(format, plain(d), predicateType, at, text)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// attach makes the manifest by which a statement in a Sigstore bundle is found
// beside its subject.
func attach(format product.ProofFormat, subject v1.Descriptor, predicate string, at time.Time, text []byte) (Attached, error) {
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
		manifest, err := json.Marshal(referrer(subject, predicate, at.UTC().Truncate(time.Second), config, layer))
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
