package attest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Signer makes the signatures of a release: with a [Key], or [Keyless].
type Signer interface {
	// Bundle signs an in-toto statement and gives a Sigstore bundle (v0.3) in
	// JSON. It may be called side by side.
	Bundle(ctx context.Context, statement []byte) ([]byte, error)
	// Blob signs a file, such as SHA256SUMS, and gives a Sigstore bundle (v0.3)
	// with a message signature in JSON.
	Blob(ctx context.Context, text []byte) ([]byte, error)
	// Sign signs a message as it is, for the proofs under tags.
	Sign(ctx context.Context, message []byte) ([]byte, error)
	// Check tells whether a Sigstore bundle over a statement or a file is this
	// signer's and holds: then it need not be made again.
	Check(bundle, content []byte) bool
	// Fingerprint names the signer: "sha256:" and the hash of the public key
	// (PKIX, DER) in hex, or a certificate's subject.
	Fingerprint() string
}

// Key signs with an ECDSA P-256 key. Its signatures are deterministic (RFC
// 6979): the same statement has the same bundle, so signing again changes
// nothing.
type Key struct{ private *ecdsa.PrivateKey }

var _ Signer = (*Key)(nil)

// Types of PEM blocks that cosign writes.
const (
	sigstoreKeyType = "ENCRYPTED SIGSTORE PRIVATE KEY"
	cosignKeyType   = "ENCRYPTED COSIGN PRIVATE KEY"
)

// NewKey generates a key, for a rehearsal or to be saved.
func NewKey() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a signing key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey reads a key as `cosign generate-key-pair` writes it (cosign.key):
// PEM, encrypted with a password. Password is asked only when the text is such
// a key.
func ParseKey(text []byte, password func() ([]byte, error)) (*Key, error) {
	const want = "want the file cosign.key that `cosign generate-key-pair` writes"
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the signing key is no PEM file: " + want)
	}
	if block.Type != sigstoreKeyType && block.Type != cosignKeyType {
		return nil, fmt.Errorf("the signing key is a PEM block %q: %s", block.Type, want)
	}
	secret, err := password()
	if err != nil {
		return nil, fmt.Errorf("asking for the signing key's password: %w", err)
	}
	der, err := encrypted.Decrypt(block.Bytes, secret)
	if err != nil {
		return nil, errors.New("the signing key does not open with this password: check COSIGN_PASSWORD, or whether the key file is damaged")
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading the decrypted signing key: %w", err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, fmt.Errorf("the signing key is of type %T: want ECDSA P-256, as `cosign generate-key-pair` makes it", key)
	}
	return &Key{private}, nil
}

// Save writes cosign.key and cosign.pub into a directory, in cosign's own
// format and readable by the owner alone. It never replaces a file.
func (k *Key) Save(dir string, password []byte) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return fmt.Errorf("encoding the signing key: %w", err)
	}
	sealed, err := encrypted.Encrypt(der, password)
	if err != nil {
		return fmt.Errorf("encrypting the signing key: %w", err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: sigstoreKeyType, Bytes: sealed})
	for _, f := range []struct {
		name string
		text []byte
	}{{"cosign.key", private}, {"cosign.pub", k.PublicPEM()}} {
		file, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("saving the signing key: %w", err)
		}
		_, err = file.Write(f.text)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("saving the signing key: %w", err)
		}
	}
	return nil
}

// PublicPEM gives the public key as cosign.pub has it.
func (k *Key) PublicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.publicDER()})
}

// Fingerprint names the key.
func (k *Key) Fingerprint() string {
	sum := sha256.Sum256(k.publicDER())
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (k *Key) publicDER() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil { // a P-256 key always has an encoding
		return nil
	}
	return der
}

// Sign signs the sha256 of a message.
func (k *Key) Sign(_ context.Context, message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	signature, err := k.private.Sign(nil, sum[:], crypto.SHA256) // no random source: deterministic
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return signature, nil
}

// Check tells whether a bundle over a statement or a file has a signature of
// this key.
func (k *Key) Check(bundle, content []byte) bool {
	b := &protobundle.Bundle{}
	if protojson.Unmarshal(bundle, b) != nil {
		return false
	}
	var message, signature []byte
	switch envelope := b.GetDsseEnvelope(); {
	case envelope == nil:
		message, signature = content, b.GetMessageSignature().GetSignature()
	case len(envelope.GetSignatures()) == 1 && envelope.GetPayloadType() == intoto.PayloadType && bytes.Equal(envelope.GetPayload(), content):
		message, signature = dsse.PAE(intoto.PayloadType, content), envelope.GetSignatures()[0].GetSig()
	}
	sum := sha256.Sum256(message)
	return ecdsa.VerifyASN1(&k.private.PublicKey, sum[:], signature)
}

// Bundle makes the bundle with sigstore-go.
func (k *Key) Bundle(ctx context.Context, statement []byte) ([]byte, error) {
	return k.bundle(ctx, &sign.DSSEData{Data: statement, PayloadType: intoto.PayloadType})
}

// Blob does the same with a file.
func (k *Key) Blob(ctx context.Context, text []byte) ([]byte, error) {
	return k.bundle(ctx, &sign.PlainData{Data: text})
}

func (k *Key) bundle(ctx context.Context, content sign.Content) ([]byte, error) {
	made, err := sign.Bundle(content, keypair{k}, sign.BundleOptions{Context: ctx})
	if err != nil {
		return nil, fmt.Errorf("making a Sigstore bundle: %w", err)
	}
	return encoded(made)
}

// encoded is a bundle in JSON.
func encoded(b *protobundle.Bundle) ([]byte, error) {
	text, err := protojson.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encoding a Sigstore bundle: %w", err)
	}
	// protojson varies its white space from build to build, on purpose.
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return nil, fmt.Errorf("encoding a Sigstore bundle: %w", err)
	}
	return out.Bytes(), nil
}

// keypair is the key as sigstore-go wants it.
type keypair struct{ *Key }

var _ sign.Keypair = keypair{}

func (keypair) GetHashAlgorithm() protocommon.HashAlgorithm {
	return protocommon.HashAlgorithm_SHA2_256
}

func (keypair) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
}

// GetHint names the key as cosign does.
func (k keypair) GetHint() []byte {
	sum := sha256.Sum256(k.publicDER())
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

func (keypair) GetKeyAlgorithm() string            { return "ECDSA" }
func (k keypair) GetPublicKey() crypto.PublicKey   { return k.private.Public() }
func (k keypair) GetPublicKeyPem() (string, error) { return string(k.PublicPEM()), nil }

func (k keypair) SignData(ctx context.Context, data []byte) (signature, digest []byte, err error) {
	sum := sha256.Sum256(data)
	signature, err = k.Sign(ctx, data)
	return signature, sum[:], err
}
