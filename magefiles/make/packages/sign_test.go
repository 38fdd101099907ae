package packages_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// identity are the keys of packages: what signs, and what is pinned.
type identity struct {
	pgp, pgpPublic, rsa, rsaPublic []byte
	gpg                            *keys.Signer
}

func newIdentity(t testing.TB, options ...keys.Option) identity {
	t.Helper()
	tool(t, "gpg")
	g, err := keys.NewOpenPGP(t.Context(), "", "Packages", "packages@example.org", options...)
	ok(t, err)
	t.Cleanup(func() { _ = g.Close(t.Context()) })
	secret, err := g.GPG(t.Context(), "--armor", "--export-secret-keys", g.Fingerprint)
	ok(t, err)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	ok(t, err)
	return identity{
		pgp: secret, pgpPublic: g.Public, gpg: g,
		rsa:       pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}),
		rsaPublic: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	}
}

func (i identity) signer(t testing.TB) *packages.Signer {
	t.Helper()
	s, err := packages.ParseSigner(i.pgp, nil, i.rsa)
	ok(t, err)
	return s
}

const before = "20260101T000000" // the commit

// TestSigned has each format's own tools look at the signatures, and at changed
// content.
func TestSigned(t *testing.T) {
	for _, algorithm := range []string{"ed25519", "rsa3072"} {
		t.Run(algorithm, func(t *testing.T) {
			id := newIdentity(t, keys.Algorithm(algorithm), keys.MadeAt(before))
			m := prepare(t, product.RustShare(), "v0.4.0", fake)
			m.in.Signer = id.signer(t)
			dir := m.export(t)
			public := filepath.Join(dir, "packages.asc")
			ok(t, os.WriteFile(public, id.pgpPublic, 0o644))
			t.Run("deb", func(t *testing.T) { debSigned(t, filepath.Join(dir, "rustshare_0.4.0_amd64.deb"), public, id) })
			t.Run("rpm", func(t *testing.T) { rpmSigned(t, filepath.Join(dir, "rustshare-0.4.0-1.aarch64.rpm"), public) })
			t.Run("apk", func(t *testing.T) { apkSigned(t, filepath.Join(dir, "rustshare_0.4.0-r0_x86_64.apk"), id) })
			for _, d := range m.Entries(bundle.File) {
				signed := d.Annotations[bundle.SignedKey]
				switch product.PackageFormat(d.Annotations[bundle.PackageKey]) {
				case product.Deb, product.RPM:
					if signed != id.gpg.Fingerprint {
						t.Errorf("%s is signed by %q, want %s", d.Annotations[bundle.TitleKey], signed, id.gpg.Fingerprint)
					}
				case product.APK:
					if !strings.HasPrefix(signed, "sha256:") {
						t.Errorf("an apk is signed by %q", signed)
					}
				default:
					if signed != "" {
						t.Errorf("%s is signed by %q", d.Annotations[bundle.TitleKey], signed)
					}
				}
			}
			// The same key signs the same bytes at another time.
			other := prepare(t, product.RustShare(), "v0.4.0", fake)
			other.in.Signer = id.signer(t)
			first := m.pack(t)
			for title, d := range other.pack(t) {
				if first[title].Digest != d.Digest {
					t.Errorf("%s is signed differently the second time", title)
				}
			}
		})
	}
}

// debSigned verifies as debsig-verify does, by a policy for the key, and as
// docs/packages.md does by hand.
func debSigned(t *testing.T, file, public string, id identity) {
	verify := tool(t, "debsig-verify")
	dir := t.TempDir()
	long := id.gpg.Fingerprint[len(id.gpg.Fingerprint)-16:]
	for _, d := range []string{"policies", "keyrings"} {
		ok(t, os.MkdirAll(filepath.Join(dir, d, long), 0o755))
	}
	output(t, "gpg", "--homedir", t.TempDir(), "--batch", "--dearmor", "-o", filepath.Join(dir, "keyrings", long, "packages.gpg"), public)
	policy := `<?xml version="1.0"?>
<!DOCTYPE Policy SYSTEM "https://www.debian.org/debsig/1.0/policy.dtd">
<Policy xmlns="https://www.debian.org/debsig/1.0/">
  <Origin Name="packages" id="` + long + `" Description="packages"/>
  <Selection><Required Type="origin" File="packages.gpg" id="` + long + `"/></Selection>
  <Verification MinOptional="0"><Required Type="origin" File="packages.gpg" id="` + long + `"/></Verification>
</Policy>
`
	ok(t, os.WriteFile(filepath.Join(dir, "policies", long, "packages.pol"), []byte(policy), 0o644))
	args := []string{"--policies-dir", filepath.Join(dir, "policies"), "--keyrings-dir", filepath.Join(dir, "keyrings")}
	output(t, verify, append(args, file)...)
	bad := changed(t, file, 3000)
	if out, err := exec.Command(verify, append(args, bad)...).CombinedOutput(); err == nil {
		t.Errorf("debsig-verify takes a changed package: %s", out)
	}
	// A package of nobody is not one of ours.
	m := prepare(t, product.RustShare(), "v0.4.0", fake)
	unsigned := filepath.Join(m.export(t), filepath.Base(file))
	if out, err := exec.Command(verify, append(args, unsigned)...).CombinedOutput(); err == nil {
		t.Errorf("debsig-verify takes an unsigned package: %s", out)
	}
	byHand := `ar p "$0" _gpgorigin >signature && ar p "$0" debian-binary control.tar.gz data.tar.gz | gpgv --keyring ./packages.gpg signature -`
	for from, taken := range map[string]bool{file: true, bad: false} {
		cmd := exec.Command("sh", "-c", byHand, from)
		cmd.Dir = filepath.Join(dir, "keyrings", long)
		if out, err := cmd.CombinedOutput(); (err == nil) != taken {
			t.Errorf("gpgv takes %s: %v\n%s", from, err == nil, out)
		}
	}
	members := strings.Fields(string(output(t, "ar", "t", file)))
	if got := members[len(members)-1]; got != "_gpgorigin" {
		t.Errorf("the signature is not the last member: %q", members)
	}
	text, err := os.ReadFile(file)
	ok(t, err)
	plain, err := os.ReadFile(unsigned)
	ok(t, err)
	if !bytes.HasPrefix(text, plain) {
		t.Error("a signed deb is not the unsigned one with a member more")
	}
}

func rpmSigned(t *testing.T, file, public string) {
	rpm, db := tool(t, "rpm"), t.TempDir()
	output(t, rpm, "--dbpath", db, "--import", public)
	said := string(output(t, rpm, "--dbpath", db, "-K", file))
	if !strings.Contains(said, "digests signatures OK") {
		t.Errorf("rpm -K says %s", said)
	}
	if out, err := exec.Command(rpm, "--dbpath", t.TempDir(), "-K", file).CombinedOutput(); err == nil {
		t.Errorf("rpm -K takes a key that nobody trusts: %s", out)
	}
	size, err := os.Stat(file)
	ok(t, err)
	if out, err := exec.Command(rpm, "--dbpath", db, "-K", changed(t, file, size.Size()-100)).CombinedOutput(); err == nil {
		t.Errorf("rpm -K takes a changed package: %s", out)
	}
}

// apkSigned does by hand what apk does: the first member of the file signs the
// second, which has the digest of the third. OpenSSL verifies.
func apkSigned(t *testing.T, file string, id identity) {
	openssl, dir := tool(t, "openssl"), t.TempDir()
	parts := members(t, file)
	if len(parts) != 3 {
		t.Fatalf("%d members", len(parts))
	}
	put := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		ok(t, os.WriteFile(path, text, 0o600))
		return path
	}
	signature := put("signature", output(t, tool(t, "bsdtar"), "-xOf", put("first.tar.gz", parts[0]), ".SIGN.RSA.kubedoio-rustshare.rsa.pub"))
	control, public := put("control.tar.gz", parts[1]), put("key.rsa.pub", id.rsaPublic)
	output(t, openssl, "dgst", "-sha1", "-verify", public, "-signature", signature, control)
	if err := exec.Command(openssl, "dgst", "-sha1", "-verify", public, "-signature", signature, changed(t, control, 50)).Run(); err == nil {
		t.Error("a changed control member is taken")
	}
	info := string(output(t, "bsdtar", "-xOf", control, ".PKGINFO"))
	sum := sha256.Sum256(parts[2])
	if !strings.Contains(info, "datahash = "+hex.EncodeToString(sum[:])+"\n") {
		t.Errorf("the digest of the data is not in\n%s", info)
	}
}

// members splits a file of several gzip members.
func members(t testing.TB, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	ok(t, err)
	r := bytes.NewReader(text)
	var out [][]byte
	for r.Len() > 0 {
		from := len(text) - r.Len()
		zip, err := gzip.NewReader(r)
		ok(t, err)
		zip.Multistream(false)
		_, err = io.Copy(io.Discard, zip)
		ok(t, err)
		out = append(out, text[from:len(text)-r.Len()])
	}
	return out
}

// changed is a copy of a file with one other byte.
func changed(t testing.TB, file string, at int64) string {
	t.Helper()
	text, err := os.ReadFile(file)
	ok(t, err)
	text[at] ^= 1
	path := filepath.Join(t.TempDir(), filepath.Base(file))
	ok(t, os.WriteFile(path, text, 0o600))
	return path
}

// TestKeyArrives makes signed packages where there were unsigned ones.
func TestKeyArrives(t *testing.T) {
	id := newIdentity(t, keys.MadeAt(before))
	m := prepare(t, product.RustShare(), "v0.4.0", fake)
	m.pack(t)
	m.in.Signer = id.signer(t)
	got, err := packages.Make(t.Context(), m.Bundle, m.p, m.in)
	ok(t, err)
	if got != (packages.Made{New: 6, Kept: 6}) {
		t.Errorf("%+v", got)
	}
}

func TestParseSigner(t *testing.T) {
	id, young := newIdentity(t, keys.MadeAt(before)), newIdentity(t, keys.Algorithm("nistp256"))
	old := newIdentity(t, keys.MadeAt("20200101T000000"), keys.Expires("2021-01-01"))
	for name, tt := range map[string]struct {
		pgp, rsa []byte
		says     string
	}{
		"public half":  {id.pgpPublic, nil, "private half"},
		"no armor":     {[]byte("key"), nil, "--armor"},
		"two keys":     {append(bytes.Clone(id.pgp), id.pgp...), nil, ""},
		"ecdsa":        {young.pgp, nil, "differently each time"},
		"expired":      {old.pgp, nil, "expired"},
		"no pem":       {nil, []byte("key"), "not PEM"},
		"public rsa":   {nil, id.rsaPublic, "no RSA private key"},
		"not even rsa": {nil, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "no RSA private key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := packages.ParseSigner(tt.pgp, nil, tt.rsa)
			if tt.says != "" {
				says(t, err, tt.says)
			}
			for _, line := range strings.Split(string(tt.pgp)+string(tt.rsa), "\n") {
				if err != nil && len(line) > 20 && !strings.HasPrefix(line, "-----") && strings.Contains(err.Error(), line) {
					t.Errorf("the error shows a part of the key: %v", err)
				}
			}
		})
	}
	s, err := packages.ParseSigner(nil, nil, nil)
	if s != nil || err != nil || s.String() != "" {
		t.Errorf("no key is %v, %v", s, err)
	}
}

func TestCheck(t *testing.T) {
	a, b := newIdentity(t, keys.MadeAt(before)), newIdentity(t, keys.MadeAt(before))
	pinned := product.RustShare().Packages.Keys
	var none *packages.Signer
	ok(t, none.Check(pinned, nil, nil))
	ok(t, a.signer(t).Check(pinned, a.pgpPublic, a.rsaPublic))
	says(t, none.Check(pinned, a.pgpPublic, a.rsaPublic), ".release/packages.asc pins", "RELEASE_PACKAGES_KEY", "kubedoio-rustshare.rsa.pub pins", "RELEASE_APK_KEY")
	says(t, a.signer(t).Check(pinned, nil, nil), "which .release/packages.asc does not pin", "which .release/kubedoio-rustshare.rsa.pub does not pin")
	says(t, a.signer(t).Check(product.PackageKeys{}, nil, nil), "no file of the product")
	says(t, a.signer(t).Check(pinned, b.pgpPublic, b.rsaPublic), "not the one that .release/packages.asc pins", "not the one that .release/kubedoio-rustshare.rsa.pub pins")
	says(t, a.signer(t).Check(pinned, []byte("x"), []byte("x")), ".release/packages.asc", ".release/kubedoio-rustshare.rsa.pub")
}
