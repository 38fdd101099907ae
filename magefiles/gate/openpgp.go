package gate

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// clockSkew is how far the clock of the signer may be ahead of ours.
const clockSkew = 5 * time.Minute

const publicKeyBlock = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

// certificate is an OpenPGP key (RFC 9580: primary key, user IDs, subkeys) with
// the files that it was read from.
type certificate struct {
	*openpgp.Entity
	files []string
}

// verifyOpenPGP verifies a tag's OpenPGP signature (RFC 9580, and RFC 4880 as
// GnuPG 2.2 writes it). First the signature must fit the tag, then the key must
// be good now.
func (c checker) verifyOpenPGP(obj git.TagObject, keys pinned) (*Signature, error) {
	tag := c.ref.Name
	var certs []certificate
	var files []string
	for _, f := range keys.openpgp {
		entities, err := contained(func() ([]*openpgp.Entity, error) { return readKeyFile(f.data) })
		if err != nil {
			return nil, &BrokenKeyFileError{File: f.path, From: keys.from, Err: err}
		}
		certs = merge(certs, f.path, entities)
		files = append(files, f.path)
	}
	sig, err := contained(func() (*packet.Signature, error) { return readSignature(obj.Signature) })
	if err != nil {
		return nil, &BadSignatureError{Tag: tag, Reason: err.Error()}
	}
	issuer := issuerOf(sig)
	cert, pub := find(certs, sig)
	if pub == nil {
		return nil, &UnknownKeyError{Tag: tag, Key: issuer, Files: files, Want: c.p.Trust.OpenPGP, From: keys.from}
	}
	key := fingerprint(pub)
	config := &packet.Config{Time: func() time.Time { return c.now }}
	_, err = contained(func() (struct{}, error) { return struct{}{}, fits(obj.Payload, sig, pub, config) })
	if err != nil {
		return nil, &BadSignatureError{Tag: tag, Key: key, Reason: err.Error()}
	}
	file := strings.Join(cert.files, ", ")
	state := keyState{tag: tag, key: key, file: file, signed: sig.CreationTime.UTC()}
	if err := state.check(cert.Entity, pub, c.now, config); err != nil {
		return nil, err
	}
	if sig.CreationTime.After(c.now.Add(clockSkew)) {
		return nil, &BadSignatureError{Tag: tag, Key: key, Reason: fmt.Sprintf("it says it was made on %s, which is not yet: look at this machine's clock", date(sig.CreationTime))}
	}
	if c.now.After(sig.CreationTime) && sig.SigExpired(c.now) {
		return nil, &BadSignatureError{Tag: tag, Key: key, Reason: fmt.Sprintf("it was made on %s to expire, and has", date(sig.CreationTime))}
	}
	out := &Signature{Format: git.OpenPGP, Key: key, Owner: owner(cert.Entity, c.now, config), Made: state.signed, File: file, From: keys.from}
	if pub != cert.PrimaryKey {
		out.Primary = fingerprint(cert.PrimaryKey)
	}
	return out, nil
}

// contained turns a panic of the library into an error: version 1.4.1 panics on
// an empty subpacket (https://github.com/ProtonMail/go-crypto/issues/327).
func contained[T any](read func() (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is malformed (%v)", p)
		}
	}()
	return read()
}

// readKeyFile reads a binary file or any number of armored blocks. Whatever in
// it cannot be read is an error: it might be what takes a key back.
func readKeyFile(data []byte) ([]*openpgp.Entity, error) {
	if bytes.Contains(data, []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----")) {
		return nil, errors.New("it holds a PRIVATE key, which has to be revoked now, since everyone can read it")
	}
	var blocks []io.Reader
	text := string(data)
	for {
		at := strings.Index(text, publicKeyBlock)
		if at < 0 {
			break
		}
		block, rest := text[at:], ""
		if next := strings.Index(block[1:], publicKeyBlock); next >= 0 {
			block, rest = block[:next+1], block[next+1:]
		}
		decoded, err := armor.Decode(strings.NewReader(block))
		if err != nil {
			return nil, fmt.Errorf("reading an armored block: %w", err)
		}
		blocks = append(blocks, decoded.Body)
		text = rest
	}
	if blocks == nil {
		blocks = []io.Reader{bytes.NewReader(data)}
	}
	var entities []*openpgp.Entity
	for _, block := range blocks {
		packets := packet.NewReader(block)
		for {
			e, err := openpgp.ReadEntity(packets)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("reading a public key: %w", err)
			}
			if e.PrivateKey != nil {
				return nil, errors.New("it holds a PRIVATE key, which has to be revoked now, since everyone can read it")
			}
			entities = append(entities, e)
		}
	}
	if len(entities) == 0 {
		return nil, errors.New("it holds no public key")
	}
	return entities, nil
}

// merge adds keys to those that are there. Copies of one key become one with
// everything that any copy says, as a keyring does: a stale copy in a second
// file takes no revocation back.
func merge(certs []certificate, file string, entities []*openpgp.Entity) []certificate {
	for _, e := range entities {
		at := slices.IndexFunc(certs, func(c certificate) bool {
			return bytes.Equal(c.PrimaryKey.Fingerprint, e.PrimaryKey.Fingerprint)
		})
		if at < 0 {
			certs = append(certs, certificate{e, []string{file}})
			continue
		}
		into := &certs[at]
		if !slices.Contains(into.files, file) {
			into.files = append(into.files, file)
		}
		into.Revocations = append(into.Revocations, e.Revocations...)
		into.DirectSignatures = append(into.DirectSignatures, e.DirectSignatures...)
		for name, id := range e.Identities {
			if have := into.Identities[name]; have != nil {
				have.SelfCertifications = append(have.SelfCertifications, id.SelfCertifications...)
				have.Revocations = append(have.Revocations, id.Revocations...)
				continue
			}
			id.Primary = into.Entity
			into.Identities[name] = id
		}
		for _, sub := range e.Subkeys {
			have := slices.IndexFunc(into.Subkeys, func(s openpgp.Subkey) bool {
				return bytes.Equal(s.PublicKey.Fingerprint, sub.PublicKey.Fingerprint)
			})
			if have >= 0 {
				s := &into.Subkeys[have]
				s.Bindings = append(s.Bindings, sub.Bindings...)
				s.Revocations = append(s.Revocations, sub.Revocations...)
				continue
			}
			sub.Primary = into.Entity
			into.Subkeys = append(into.Subkeys, sub)
		}
	}
	return certs
}

// readSignature wants exactly one signature over a document.
func readSignature(armored []byte) (*packet.Signature, error) {
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil {
		return nil, fmt.Errorf("it cannot be read (%w)", err)
	}
	if block.Type != "PGP SIGNATURE" {
		return nil, fmt.Errorf("its block is a %q, want %q", block.Type, "PGP SIGNATURE")
	}
	packets := packet.NewReader(block.Body)
	p, err := packets.Next()
	if err != nil {
		return nil, fmt.Errorf("it cannot be read (%w)", err)
	}
	sig, ok := p.(*packet.Signature)
	if !ok {
		return nil, errors.New("its block holds something else")
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("its block holds more than one signature")
	}
	if sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText {
		return nil, fmt.Errorf("it is of the type 0x%02x, which is not for documents", int(sig.SigType))
	}
	if sig.IssuerKeyId == nil && len(sig.IssuerFingerprint) == 0 {
		return nil, errors.New("it does not name its key")
	}
	return sig, nil
}

func fingerprint(pub *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(pub.Fingerprint))
}

// issuerOf names the key of a signature as exactly as the signature does.
func issuerOf(sig *packet.Signature) string {
	if len(sig.IssuerFingerprint) > 0 {
		return strings.ToUpper(hex.EncodeToString(sig.IssuerFingerprint))
	}
	return fmt.Sprintf("%016X", *sig.IssuerKeyId)
}

// find gives the primary key or subkey that the signature names.
func find(certs []certificate, sig *packet.Signature) (certificate, *packet.PublicKey) {
	named := func(pub *packet.PublicKey) bool {
		if len(sig.IssuerFingerprint) > 0 {
			return bytes.Equal(pub.Fingerprint, sig.IssuerFingerprint)
		}
		return pub.KeyId == *sig.IssuerKeyId
	}
	for _, c := range certs {
		if named(c.PrimaryKey) {
			return c, c.PrimaryKey
		}
		for _, sub := range c.Subkeys {
			if named(sub.PublicKey) {
				return c, sub.PublicKey
			}
		}
	}
	return certificate{}, nil
}

// fits tells whether the key made the signature over the payload, with a hash
// that still counts.
func fits(payload []byte, sig *packet.Signature, pub *packet.PublicKey, config *packet.Config) error {
	if config.RejectMessageHashAlgorithm(sig.Hash) {
		return fmt.Errorf("it uses the broken hash %v", sig.Hash)
	}
	h, err := sig.PrepareVerify()
	if err != nil {
		return fmt.Errorf("it cannot be verified (%w)", err)
	}
	to := h
	if sig.SigType == packet.SigTypeText {
		to = openpgp.NewCanonicalTextHash(h)
	}
	_, _ = to.Write(payload) // a hash never fails
	if err := pub.VerifySignature(h, sig); err != nil {
		return errors.New("it does not fit the tag's content")
	}
	for _, n := range sig.Notations {
		if n.IsCritical {
			return fmt.Errorf("it holds the critical notation %q, which nobody here knows", n.Name)
		}
	}
	if sig.CreationTime.Before(pub.CreationTime) {
		return errors.New("it is older than its key")
	}
	return nil
}

// owner gives the key's main user ID.
func owner(e *openpgp.Entity, now time.Time, config *packet.Config) string {
	if _, id := e.PrimaryIdentity(now, config); id != nil {
		return id.Name
	}
	names := make([]string, 0, len(e.Identities))
	for name := range e.Identities {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// keyState tells why a key does not count now.
type keyState struct {
	tag, key, file string
	signed         time.Time
}

func (s keyState) check(e *openpgp.Entity, pub *packet.PublicKey, now time.Time, config *packet.Config) error {
	who := owner(e, now, config)
	// Any revocation counts, also one that only a designated revoker could
	// have made and that cannot be verified with this key.
	revocations := e.Revocations
	var sub *openpgp.Subkey
	for i := range e.Subkeys {
		if e.Subkeys[i].PublicKey == pub {
			sub = &e.Subkeys[i]
			revocations = append(slices.Clip(revocations), sub.Revocations...)
		}
	}
	if len(revocations) > 0 {
		first := revocations[0].Packet
		return &RevokedKeyError{Tag: s.tag, Key: s.key, Owner: who, File: s.file, When: first.CreationTime.UTC(), Reason: reason(first), Signed: s.signed}
	}
	unusable := func(why string) error {
		return &UnusableKeyError{Tag: s.tag, Key: s.key, Owner: who, File: s.file, Reason: why}
	}
	expired := func(of *packet.PublicKey, by *packet.Signature) error {
		when := "a date before " + date(now)
		if by != nil && by.KeyLifetimeSecs != nil {
			when = date(of.CreationTime.Add(time.Duration(*by.KeyLifetimeSecs) * time.Second))
		}
		return &ExpiredKeyError{Tag: s.tag, Key: s.key, Owner: who, File: s.file, When: when, Signed: s.signed}
	}
	if pub.CreationTime.After(now) || e.PrimaryKey.CreationTime.After(now) {
		return unusable("it was made on " + date(pub.CreationTime) + ", which is not yet: look at this machine's clock")
	}
	self, err := e.VerifyPrimaryKey(now, config)
	if errors.Is(err, pgperrors.ErrKeyExpired) {
		if direct, err := e.LatestValidDirectSignature(now, config); err == nil && self.KeyLifetimeSecs == nil {
			self = direct
		}
		return expired(e.PrimaryKey, self)
	}
	if err != nil {
		return unusable(err.Error())
	}
	if sub != nil {
		binding, err := sub.LatestValidBindingSignature(now, config)
		if err != nil {
			return unusable(err.Error())
		}
		if sub.Expired(binding, now) {
			return expired(pub, binding)
		}
	}
	key, ok := e.SigningKeyById(now, pub.KeyId, config)
	if !ok || key.PublicKey != pub {
		return unusable("it is not marked as a signing key, or its algorithm or size is too weak")
	}
	return nil
}

// reason gives the owner's reason for a revocation (RFC 9580, 5.2.3.31).
func reason(sig *packet.Signature) string {
	text := sig.RevocationReasonText
	if sig.RevocationReason == nil {
		return text
	}
	names := map[packet.ReasonForRevocation]string{
		packet.KeySuperseded:  "superseded",
		packet.KeyCompromised: "compromised",
		packet.KeyRetired:     "retired",
	}
	if name := names[*sig.RevocationReason]; name != "" && text != "" {
		return fmt.Sprintf("%s (%q)", name, text)
	} else if name != "" {
		return name
	}
	return text
}
