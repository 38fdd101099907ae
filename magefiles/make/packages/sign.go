package packages

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what apk signs is a SHA-1
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/goreleaser/nfpm/v2"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Signer has the private keys of packages. Its signatures are functions of the
// key, the content and the commit's time: no clock and no random number.
type Signer struct {
	pgp *openpgp.Entity
	rsa *rsa.PrivateKey
}

// ParseSigner reads an armored OpenPGP private key for deb and rpm, with its
// password where it has one, and an RSA private key (PEM, PKCS #1 or #8, not
// encrypted) for apk. Either may be empty; without both there is no signer. No
// error holds a part of a key.
func ParseSigner(openPGP, password, rsaKey []byte) (*Signer, error) {
	if len(openPGP) == 0 && len(rsaKey) == 0 {
		return nil, nil
	}
	s := &Signer{}
	var err error
	if len(openPGP) > 0 {
		if s.pgp, err = parseOpenPGP(openPGP, password); err != nil {
			return nil, fmt.Errorf("reading the OpenPGP key of packages: %w", err)
		}
	}
	if len(rsaKey) > 0 {
		if s.rsa, err = parseRSA(rsaKey); err != nil {
			return nil, fmt.Errorf("reading the RSA key of packages: %w", err)
		}
	}
	return s, nil
}

func parseOpenPGP(text, password []byte) (*openpgp.Entity, error) {
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("it is no armored key (`gpg --armor --export-secret-keys`): %w", err)
	}
	if len(ring) != 1 || ring[0].PrivateKey == nil {
		return nil, errors.New("it has to be exactly one key, with its private half (`gpg --armor --export-secret-keys KEY`)")
	}
	e := ring[0]
	if len(password) > 0 {
		if err := e.DecryptPrivateKeys(password); err != nil {
			return nil, errors.New("its password is another one")
		}
	}
	key, ok := e.SigningKey(time.Now()) // expired and revoked ones sign nothing
	if !ok {
		return nil, fmt.Errorf("key %X can sign nothing now: it is expired, revoked or for something else", e.PrimaryKey.Fingerprint)
	}
	if key.PrivateKey == nil || key.PrivateKey.Encrypted {
		return nil, fmt.Errorf("key %X is protected by a password, and none was given", e.PrimaryKey.Fingerprint)
	}
	switch key.PublicKey.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519:
		return e, nil
	}
	return nil, fmt.Errorf("key %X signs differently each time: take an RSA or an Ed25519 key, so that packages can be made again", e.PrimaryKey.Fingerprint)
}

func parseRSA(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM (`openssl genrsa 4096`)")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if k, ok := key.(*rsa.PrivateKey); err == nil && ok {
		return k, nil
	}
	return nil, fmt.Errorf("a block %q is no RSA private key without a password (`openssl genrsa 4096`)", block.Type)
}

// signs tells whether packages of a format are signed.
func (s *Signer) signs(f product.PackageFormat) bool {
	switch {
	case s == nil:
		return false
	case f == product.Deb, f == product.RPM:
		return s.pgp != nil
	case f == product.APK:
		return s.rsa != nil
	}
	return false
}

// fingerprint names the key that a format is signed with: upper-case hex of the
// OpenPGP key, or "sha256:" and the digest of the RSA key's SubjectPublicKeyInfo.
func (s *Signer) fingerprint(f product.PackageFormat) string {
	switch {
	case !s.signs(f):
		return ""
	case f == product.APK:
		der, err := x509.MarshalPKIXPublicKey(&s.rsa.PublicKey)
		if err != nil { // it was parsed
			return "unknown"
		}
		sum := sha256.Sum256(der)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return fmt.Sprintf("%X", s.pgp.PrimaryKey.Fingerprint)
}

// String says who signs what; empty where nobody does.
func (s *Signer) String() string {
	var out []string
	if s.signs(product.Deb) {
		out = append(out, "deb and rpm signed by "+s.fingerprint(product.Deb))
	}
	if s.signs(product.APK) {
		out = append(out, "apk signed by "+s.fingerprint(product.APK)[:19])
	}
	return strings.Join(out, ", ")
}

// Check holds the keys against their public halves, as the checkout pins them:
// nil where it has no such file. A key without its half, and a half without its
// key, are errors: nobody could verify, or everybody would expect to.
func (s *Signer) Check(k product.PackageKeys, openPGP, rsaKey []byte) error {
	var faults []error
	has := s != nil && s.pgp != nil
	switch {
	case has && openPGP == nil:
		faults = append(faults, fmt.Errorf("packages would be signed with key %s, which %s does not pin: commit its public half there (`gpg --armor --export`)", s.fingerprint(product.Deb), or(k.OpenPGP, "no file of the product (Packages.Keys.OpenPGP)")))
	case !has && openPGP != nil:
		faults = append(faults, fmt.Errorf("%s pins the key of packages (deb, rpm), and its private half is not here: set RELEASE_PACKAGES_KEY", k.OpenPGP))
	case has:
		ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(openPGP))
		if err != nil || len(ring) != 1 || !bytes.Equal(ring[0].PrimaryKey.Fingerprint, s.pgp.PrimaryKey.Fingerprint) {
			faults = append(faults, fmt.Errorf("the key of packages (%s) is not the one that %s pins: sign with that one, or commit the new public key first", s.fingerprint(product.Deb), k.OpenPGP))
		}
	}
	has = s != nil && s.rsa != nil
	switch {
	case has && rsaKey == nil:
		faults = append(faults, fmt.Errorf("apk packages would be signed with key %s, which %s does not pin: commit its public half there (`openssl rsa -pubout`)", s.fingerprint(product.APK), or(k.RSA, "no file of the product (Packages.Keys.RSA)")))
	case !has && rsaKey != nil:
		faults = append(faults, fmt.Errorf("%s pins the key of apk packages, and its private half is not here: set RELEASE_APK_KEY", k.RSA))
	case has:
		block, _ := pem.Decode(rsaKey)
		var public any
		if block != nil {
			public, _ = x509.ParsePKIXPublicKey(block.Bytes)
		}
		if key, ok := public.(*rsa.PublicKey); !ok || !key.Equal(&s.rsa.PublicKey) {
			faults = append(faults, fmt.Errorf("the key of apk packages (%s) is not the one that %s pins: sign with that one, or commit the new public key first", s.fingerprint(product.APK), k.RSA))
		}
	}
	return errors.Join(faults...)
}

func or(s, alternative string) string {
	if s == "" {
		return alternative
	}
	return s
}

// into has nfpm sign a package.
func (s *Signer) into(info *nfpm.Info, f product.PackageFormat, p product.Product, at time.Time) {
	pgp := func(data io.Reader) ([]byte, error) { return s.detached(data, at) }
	switch f {
	case product.Deb:
		info.Deb.Signature.SignFn, info.Deb.Signature.Type = pgp, "origin"
	case product.RPM:
		info.RPM.Signature.SignFn = pgp
	case product.APK:
		info.APK.Signature.KeyName = strings.TrimSuffix(path.Base(p.Packages.Keys.RSA), ".rsa.pub")
		info.APK.Signature.SignFn = func(data io.Reader) ([]byte, error) {
			digest, err := io.ReadAll(data)
			if err == nil && len(digest) != sha1.Size {
				err = fmt.Errorf("got %d bytes to sign, want a SHA-1", len(digest))
			}
			if err != nil {
				return nil, err
			}
			return rsa.SignPKCS1v15(rand.Reader, s.rsa, crypto.SHA1, digest) // the same each time
		}
	}
}

// detached makes a binary signature (RFC 4880) of the commit's time, or of the
// key's own where the key is younger.
func (s *Signer) detached(data io.Reader, at time.Time) ([]byte, error) {
	for _, made := range s.made() {
		if made.After(at) {
			at = made
		}
	}
	deterministic := false
	var out bytes.Buffer
	err := openpgp.DetachSign(&out, s.pgp, data, &packet.Config{
		DefaultHash: crypto.SHA256, NonDeterministicSignaturesViaNotation: &deterministic,
		Time: func() time.Time { return at },
	})
	return out.Bytes(), err
}

// made are the times of the key and of its parts.
func (s *Signer) made() []time.Time {
	out := []time.Time{s.pgp.PrimaryKey.CreationTime}
	for _, sub := range s.pgp.Subkeys {
		out = append(out, sub.PublicKey.CreationTime)
	}
	for _, id := range s.pgp.Identities {
		if id.SelfSignature != nil {
			out = append(out, id.SelfSignature.CreationTime)
		}
	}
	return out
}
