package attest

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
)

// Names of the proofs of SHA256SUMS on a release page.
const (
	// SumsBundle is a Sigstore bundle (v0.3) with a message signature, as
	// `cosign verify-blob --bundle` takes it.
	SumsBundle = bundle.SumsName + ".sigstore.json"
	// SumsSignature is the signature alone, DER in base64: what `openssl dgst
	// -sha256 -verify` takes once it is decoded, and `cosign verify-blob
	// --signature` as it is. Only a [Key] makes it.
	SumsSignature = bundle.SumsName + ".sig"
)

// WriteSums writes SHA256SUMS of everything that the bundle holds by now, signs
// it, and adds both to the bundle's files. Signatures of this signer that are
// there are kept.
func WriteSums(ctx context.Context, b *bundle.Bundle, s Signer) error {
	if err := b.WriteSums(); err != nil {
		return fmt.Errorf("writing %s: %w", bundle.SumsName, err)
	}
	text, err := os.ReadFile(filepath.Join(b.Dir, bundle.SumsName))
	if err != nil {
		return err
	}
	signed := blobBundle(b, text, s)
	if signed == nil {
		if signed, err = s.Blob(ctx, text); err != nil {
			return fmt.Errorf("signing %s: %w", bundle.SumsName, err)
		}
	}
	if err := addFile(b, signed, bundleMedia, SumsBundle); err != nil {
		return err
	}
	if _, byKey := s.(*Key); !byKey {
		return nil
	}
	signature, err := s.Sign(ctx, text)
	if err != nil {
		return fmt.Errorf("signing %s: %w", bundle.SumsName, err)
	}
	return addFile(b, []byte(base64.StdEncoding.EncodeToString(signature)), "text/plain", SumsSignature)
}

func addFile(b *bundle.Bundle, text []byte, mediaType, title string) error {
	blob, err := b.Ingest(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return b.Add(bundle.File, blob.Descriptor(mediaType, title))
}

// blobBundle gives the bundle that is there, where it has this signer's
// signature of the text; else nothing.
func blobBundle(b *bundle.Bundle, text []byte, s Signer) []byte {
	d, ok := b.Find(bundle.File, SumsBundle)
	if !ok {
		return nil
	}
	made, err := os.ReadFile(b.Path(d.Digest))
	if err != nil || !s.Check(made, text) {
		return nil
	}
	return made
}
