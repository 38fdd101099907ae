package attest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

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
	made, err := Attach(ctx, signer, format, "withdrawal of "+w.Version, intoto.WithdrawalType, w, w.When, subject)
	if err != nil {
		return Attached{}, err
	}
	return made[0], nil
}

// VerificationSummary signs what came of a verification, about an image index
// and its images, and gives it once for each of these subjects, in the format of
// the product's other proofs.
func VerificationSummary(ctx context.Context, signer Signer, format product.ProofFormat, subjects []v1.Descriptor, s intoto.Summary) ([]Attached, error) {
	s.Verified = s.Verified.UTC().Truncate(time.Second)
	if err := s.Check(); err != nil {
		return nil, err
	}
	return Attach(ctx, signer, format, "verification summary of "+s.Resource, intoto.SummaryType, s, s.Verified, subjects...)
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
