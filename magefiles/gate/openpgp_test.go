package gate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// These keys are made in process, with a clock of their own: GnuPG makes the
// keys of TestCheckPasses and TestCheckRefuses.
var (
	made  = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	later = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	today = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
)

const year = 365 * 24 * 60 * 60

func at(t time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return t }, Algorithm: packet.PubKeyAlgoEdDSA}
}

func newEntity(t *testing.T, config *packet.Config) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("Ivy", "", "ivy@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func public(t *testing.T, e *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func withSubkey(t *testing.T, e *openpgp.Entity, config *packet.Config) *openpgp.Entity {
	t.Helper()
	if err := e.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	return e
}

var payload = []byte("object 0123\n\nRelease\n")

func sign(t *testing.T, e *openpgp.Entity, config *packet.Config) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{e}, bytes.NewReader(payload), &openpgp.SignParams{Config: config}); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func TestVerifyOpenPGP(t *testing.T) {
	const (
		good     = ""
		unknown  = "which is not pinned"
		expired  = "which expired on "
		revoked  = "which was revoked on "
		unusable = "cannot vouch for a release"
		bad      = " is bad: "
	)
	type world struct {
		pinned    [][]byte
		signature []byte
	}
	tests := map[string]struct {
		make func(t *testing.T) world
		want string
		says []string
	}{
		"primary key": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			return world{[][]byte{public(t, e)}, sign(t, e, at(later))}
		}, good, nil},
		"subkey": {func(t *testing.T) world {
			e := withSubkey(t, newEntity(t, at(made)), at(made))
			return world{[][]byte{public(t, e)}, sign(t, e, at(later))}
		}, good, nil},
		"key that was prolonged after it signed": {func(t *testing.T) world {
			config := at(made)
			config.KeyLifetimeSecs = year / 2
			e := newEntity(t, config)
			sig := sign(t, e, at(made.AddDate(0, 1, 0)))
			// Only the newest self-signature is there, as minimal exports have it.
			for _, id := range e.Identities {
				two := uint32(2 * year)
				id.SelfCertifications[0].Packet.KeyLifetimeSecs = &two
				id.SelfCertifications[0].Packet.CreationTime = made.AddDate(0, 5, 0)
				if err := id.SelfCertifications[0].Packet.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, at(made.AddDate(0, 5, 0))); err != nil {
					t.Fatal(err)
				}
			}
			return world{[][]byte{public(t, e)}, sig}
		}, good, nil},
		"expired key": {func(t *testing.T) world {
			config := at(made)
			config.KeyLifetimeSecs = year
			e := newEntity(t, config)
			return world{[][]byte{public(t, e)}, sign(t, e, at(later))}
		}, expired, []string{"on 2024-12-31 00:00 UTC (the signature says 2024-06-01 00:00 UTC)", "of Ivy <ivy@example.com>"}},
		"expired subkey": {func(t *testing.T) world {
			config := at(made)
			e := newEntity(t, config)
			config.KeyLifetimeSecs = year
			withSubkey(t, e, config)
			return world{[][]byte{public(t, e)}, sign(t, e, at(later))}
		}, expired, []string{"2024-12-31"}},
		"revoked key, with a reason": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			sig := sign(t, e, at(later))
			if err := e.Revoke(packet.KeyRetired, "left the team", at(later.AddDate(0, 0, 1))); err != nil {
				t.Fatal(err)
			}
			return world{[][]byte{public(t, e)}, sig}
		}, revoked, []string{`on 2024-06-02 00:00 UTC, reason: retired ("left the team")`, "the signature says 2024-06-01"}},
		"revoked, and a stale copy in another file": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			sig, stale := sign(t, e, at(later)), public(t, e)
			if err := e.Revoke(packet.KeyCompromised, "", at(later)); err != nil {
				t.Fatal(err)
			}
			return world{[][]byte{stale, public(t, e), stale}, sig}
		}, revoked, []string{"reason: compromised", "0.asc, 1.asc, 2.asc"}},
		"revoked subkey, and a stale copy": {func(t *testing.T) world {
			e := withSubkey(t, newEntity(t, at(made)), at(made))
			sig, stale := sign(t, e, at(later)), public(t, e)
			if err := e.Subkeys[1].Revoke(packet.KeySuperseded, "", at(later)); err != nil {
				t.Fatal(err)
			}
			return world{[][]byte{stale, public(t, e)}, sig}
		}, revoked, []string{"reason: superseded"}},
		"revocation by another key": {func(t *testing.T) world {
			e, other := newEntity(t, at(made)), newEntity(t, at(made))
			if err := other.Revoke(packet.NoReason, "", at(later)); err != nil {
				t.Fatal(err)
			}
			sig := sign(t, e, at(later))
			e.Revocations = other.Revocations
			return world{[][]byte{public(t, e)}, sig}
		}, revoked, nil},
		"unknown key": {func(t *testing.T) world {
			return world{[][]byte{public(t, newEntity(t, at(made)))}, sign(t, newEntity(t, at(made)), at(later))}
		}, unknown, []string{"looked at 0.asc on main"}},
		"a subkey without a binding of its primary key": {func(t *testing.T) world {
			thief, e := newEntity(t, at(made)), withSubkey(t, newEntity(t, at(made)), at(made))
			sig := sign(t, e, at(later))
			thief.Subkeys = append(thief.Subkeys, e.Subkeys[1])
			return world{[][]byte{public(t, thief)}, sig}
		}, unusable, []string{"no valid binding signature"}},
		"SHA-1": {func(t *testing.T) world {
			file := filepath.Join(t.TempDir(), "payload")
			if err := os.WriteFile(file, payload, 0o644); err != nil {
				t.Fatal(err)
			}
			sig, err := rex.GPG(t.Context(), "--digest-algo", "SHA1", "--armor", "--detach-sign", "--output", "-", file)
			if err != nil {
				t.Fatal(err)
			}
			return world{[][]byte{rex.Public}, sig}
		}, bad, []string{"broken hash SHA-1"}},
		"short RSA key": {func(t *testing.T) world {
			config := at(made)
			config.Algorithm, config.RSABits, config.MinRSABits = packet.PubKeyAlgoRSA, 1024, 1024
			e := newEntity(t, config)
			sign1024 := at(later)
			sign1024.MinRSABits = 1024
			return world{[][]byte{public(t, e)}, sign(t, e, sign1024)}
		}, unusable, []string{"too weak"}},
		"signature from the future": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			return world{[][]byte{public(t, e)}, sign(t, e, at(today.Add(time.Hour)))}
		}, bad, []string{"which is not yet"}},
		"signature by a clock that is a little ahead": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			return world{[][]byte{public(t, e)}, sign(t, e, at(today.Add(time.Minute)))}
		}, good, nil},
		"signature that expired": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			config := at(later)
			config.SigLifetimeSecs = 3600
			return world{[][]byte{public(t, e)}, sign(t, e, config)}
		}, bad, []string{"to expire, and has"}},
		"key from the future": {func(t *testing.T) world {
			e := newEntity(t, at(today.AddDate(0, 0, 1)))
			return world{[][]byte{public(t, e)}, sign(t, e, at(today.AddDate(0, 0, 1)))}
		}, unusable, []string{"which is not yet"}},
		"two signatures": {func(t *testing.T) world {
			e, other := newEntity(t, at(made)), newEntity(t, at(made))
			var b bytes.Buffer
			if err := openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{other, e}, bytes.NewReader(payload), &openpgp.SignParams{Config: at(later)}); err != nil {
				t.Fatal(err)
			}
			return world{[][]byte{public(t, e)}, b.Bytes()}
		}, bad, []string{"more than one signature"}},
		"a signature over a key": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			for _, id := range e.Identities {
				return world{[][]byte{public(t, e)}, armored(t, id.SelfCertifications[0].Packet)}
			}
			return world{}
		}, bad, []string{"not for documents"}},
		"a key in place of a signature": {func(t *testing.T) world {
			return world{[][]byte{ada.Public}, ada.Public}
		}, bad, []string{`its block is a "PGP PUBLIC KEY BLOCK"`}},
		"a signature that makes the library panic": {func(t *testing.T) world {
			const broken = "-----BEGIN PGP SIGNATURE00000\n\niI0E0BYCAB0WAA000000000000000000000000000AEE0000000000000000000000000000"
			return world{[][]byte{ada.Public}, []byte(broken)}
		}, bad, []string{"it is malformed"}},
		"a private key among the pinned files": {func(t *testing.T) world {
			e := newEntity(t, at(made))
			var b bytes.Buffer
			if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
				t.Fatal(err)
			}
			return world{[][]byte{b.Bytes()}, sign(t, e, at(later))}
		}, "cannot be used", []string{"PRIVATE key", "revoked now"}},
		"an empty key file": {func(t *testing.T) world {
			return world{[][]byte{nil}, sign(t, newEntity(t, at(made)), at(later))}
		}, "cannot be used", []string{"no public key"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tt.make(t)
			c := checker{ref: parse(t, "v0.4.0"), now: today}
			keys := pinned{from: "main (0123)"}
			for i, data := range w.pinned {
				keys.openpgp = append(keys.openpgp, keyFile{string(rune('0'+i)) + ".asc", data})
			}
			sig, err := c.verifyOpenPGP(git.TagObject{Payload: payload, Signature: w.signature}, keys)
			if tt.want == good {
				if err != nil {
					t.Fatal(err)
				}
				if sig.Owner != "Ivy <ivy@example.com>" || sig.File != "0.asc" || sig.Made.IsZero() || (sig.Primary != "") != (name == "subkey") {
					t.Errorf("signature is %+v", sig)
				}
				return
			}
			if err == nil {
				t.Fatalf("it was accepted: %+v", sig)
			}
			var refusal Refusal
			if !errors.As(err, &refusal) {
				t.Errorf("%v is no refusal", err)
			}
			for _, says := range append(tt.says, tt.want) {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q does not say %q", err, says)
				}
			}
		})
	}
}

func armored(t *testing.T, sig *packet.Signature) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, "PGP SIGNATURE", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sig.Serialize(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The files of testdata/keys were made by GnuPG 2.2.
func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/keys/*")
	if err != nil || len(files) < 4 {
		f.Fatal(files, err)
	}
	var all []byte
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		all = append(all, data...)
	}
	f.Add(all)
}

func FuzzReadKeyFile(f *testing.F) {
	seed(f)
	c := checker{ref: decide.Ref{Name: "v0.4.0"}, now: today}
	f.Fuzz(func(t *testing.T, data []byte) {
		entities, err := contained(func() ([]*openpgp.Entity, error) { return readKeyFile(data) })
		if err == nil && len(entities) == 0 {
			t.Error("neither a key nor an error")
		}
		// Whatever is pinned, this payload was signed by nobody.
		if _, err := c.verifyOpenPGP(git.TagObject{Payload: payload, Signature: data}, pinned{openpgp: []keyFile{{"x", data}}}); err == nil {
			t.Error("it passed for a signature by itself")
		}
		for _, e := range entities { // every way to refuse or accept a key
			s := keyState{tag: "v0.4.0", key: fingerprint(e.PrimaryKey)}
			_ = s.check(e, e.PrimaryKey, today, at(today))
		}
	})
}

func FuzzReadSignature(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = oneBlock(data)
		sig, err := contained(func() (*packet.Signature, error) { return readSignature(data) })
		if err != nil {
			return
		}
		if issuerOf(sig) == "" {
			t.Error("no issuer")
		}
	})
}
