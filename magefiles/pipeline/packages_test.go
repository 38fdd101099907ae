package pipeline

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// packedTiny is the tiny product with packages, and its sources with what they
// carry.
func packedTiny(t testing.TB) (product.Product, string) {
	t.Helper()
	p := tiny()
	p.Packages = &product.Packages{
		Formats:    []product.PackageFormat{product.Deb, product.RPM, product.APK, product.TarGz},
		Maintainer: "Tiny <tiny@example.org>", Section: "net", Copyright: "2026 Tiny", License: "LICENSE", Readme: "README.md",
		Service: product.Service{Settings: []product.Setting{{Name: "BIND_ADDR", Value: "127.0.0.1:8080", About: "Where it listens."}}},
		Keys:    product.PackageKeys{OpenPGP: "pinned/packages.asc", RSA: "pinned/tiny.rsa.pub"},
	}
	sample := filepath.Join(t.TempDir(), "tiny")
	ok(t, os.CopyFS(sample, os.DirFS(filepath.Join(root(t), "testdata", "tiny"))))
	ok(t, os.WriteFile(filepath.Join(sample, "README.md"), []byte("# Tiny\n"), 0o644))
	return p, sample
}

// TestPackages releases packages of stable versions and candidates, and none of
// edge builds.
func TestPackages(t *testing.T) {
	p, sample := packedTiny(t)
	w := newWorldOf(t, p, sample)
	w.serve(registries.All()["embedded"](t))
	for _, e := range w.history.Episodes[:3] { // stable, edge, candidate
		ok(t, w.play(t.Context(), e))
		b, err := bundle.Open(w.dist(decide.Plan{Ref: w.refOf(e), Commit: e.Commit}.ID()))
		ok(t, err)
		packed := 0
		for _, d := range b.Entries(bundle.File) {
			if d.Annotations[bundle.PackageKey] == "" {
				continue
			}
			packed++
			title := d.Annotations[bundle.TitleKey]
			if _, found := b.Find(bundle.File, title+".spdx.json"); !found {
				t.Errorf("%s has no SBOM", title)
			}
			if !slices.Contains(b.Plan.Assets, title) {
				t.Errorf("the plan of %s does not name %s: %q", e.Ref, title, b.Plan.Assets)
			}
		}
		want := 8
		if e.Channel == decide.Edge {
			want = 0
		}
		if packed != want {
			t.Errorf("%s has %d packages, want %d", e.Ref, packed, want)
		}
	}
	page := func(name string) []byte {
		text, err := os.ReadFile(w.dist(releasesDir, "v0.2.0", name))
		ok(t, err)
		return text
	}
	sums := string(page("SHA256SUMS"))
	for _, name := range []string{"tiny_0.2.0_amd64.deb", "tiny-0.2.0-1.aarch64.rpm", "tiny_0.2.0-r0_x86_64.apk", "tiny-0.2.0-linux-arm64.tar.gz", "tiny_0.2.0_amd64.deb.spdx.json"} {
		page(name)
		if !strings.Contains(sums, "  "+name+"\n") {
			t.Errorf("SHA256SUMS lacks %s:\n%s", name, sums)
		}
	}
	// A fresh machine makes the same bytes: there is nothing to send.
	e := w.history.Episodes[0]
	ok(t, os.RemoveAll(w.dist(e.Ref)))
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	again, err := w.release(t.Context(), term.Discard(), Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}})
	ok(t, err)
	if again.Sent.Writes() != 0 {
		t.Errorf("the same release from a fresh bundle sent %s: %v", again.Sent, again.Actions)
	}
	buildPackages(t, w)
}

func (w *world) refOf(e episode) decide.Ref {
	ref, err := decide.ParseRef(or(e.Ref, w.Product.Branches.Main), w.Product.Branches.Main)
	ok(w.t, err)
	return ref
}

// buildPackages is the target that packs the checkout, or a bundle.
func buildPackages(t *testing.T, w *world) {
	out := t.TempDir()
	w.out.Reset()
	ok(t, w.BuildPackages(t.Context(), PackOrder{Out: out, JSON: true}))
	var said struct {
		Version string
		Files   []packedFile
	}
	ok(t, json.Unmarshal(w.out.Bytes(), &said))
	if !strings.HasPrefix(said.Version, "0.2.0-alpha.20") || len(said.Files) != 8 {
		t.Errorf("packed was %+v", said)
	}
	for _, f := range said.Files {
		if info, err := os.Stat(filepath.Join(out, f.Name)); err != nil || info.Size() != f.Size {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	w.out.Reset()
	ok(t, w.BuildPackages(t.Context(), PackOrder{Tag: "v0.2.0", Out: out}))
	deb, err := os.ReadFile(filepath.Join(out, "tiny_0.2.0_amd64.deb"))
	ok(t, err)
	published, err := os.ReadFile(w.dist(releasesDir, "v0.2.0", "tiny_0.2.0_amd64.deb"))
	ok(t, err)
	if !bytes.Equal(deb, published) {
		t.Error("the packages of a bundle are not those that are published")
	}
	says(t, w.BuildPackages(t.Context(), PackOrder{Tag: "v9.9.9"}), "no bundle of v9.9.9", "leave -tag away")
}

// packageKeys are those of packages.
type packageKeys struct {
	fingerprint, rsa string
	// pinned are the public halves, by their paths in the checkout, and env has the
	// variables with the private ones.
	pinned, env map[string]string
}

func newPackageKeys(t testing.TB) packageKeys {
	t.Helper()
	pgp, err := keys.NewOpenPGP(t.Context(), "", "Packages", "packages@example.org", keys.MadeAt("20250101T000000"))
	ok(t, err)
	defer func() { ok(t, pgp.Close(t.Context())) }()
	secret, err := pgp.GPG(t.Context(), "--armor", "--export-secret-keys", pgp.Fingerprint)
	ok(t, err)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	ok(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	file := filepath.Join(t.TempDir(), "key.rsa")
	ok(t, os.WriteFile(file, text, 0o600))
	return packageKeys{
		fingerprint: pgp.Fingerprint, rsa: string(text),
		pinned: map[string]string{
			"pinned/packages.asc": string(pgp.Public), "pinned/tiny.rsa.pub": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		},
		env: map[string]string{envPackagesKey: string(secret), envAPKKey: file},
	}
}

// pin writes the public halves into a checkout.
func (k packageKeys) pin(t testing.TB, checkout string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Join(checkout, "pinned"), 0o755))
	for name, text := range k.pinned {
		ok(t, os.WriteFile(filepath.Join(checkout, name), []byte(text), 0o644))
	}
}

// TestPackageKeys pins keys in the checkout: a release without their private
// halves ends before anything is built, with them it is signed.
func TestPackageKeys(t *testing.T) {
	p, sample := packedTiny(t)
	k := newPackageKeys(t)
	k.pin(t, sample)

	w := newWorldOf(t, p, sample)
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	says(t, w.play(t.Context(), e), "pinned/packages.asc pins", "RELEASE_PACKAGES_KEY", "RELEASE_APK_KEY")
	if _, err := os.Stat(w.dist(e.Ref)); err == nil {
		t.Error("a release without the keys of packages began")
	}
	w.env = map[string]string{envPackagesKey: "broken", envAPKKey: k.env[envAPKKey]}
	says(t, w.play(t.Context(), e), envPackagesKey+" is neither a key")
	w.env[envPackagesKey] = k.env[envPackagesKey]
	ok(t, w.play(t.Context(), e))
	b, err := bundle.Open(w.dist(e.Ref))
	ok(t, err)
	d, _ := b.Find(bundle.File, "tiny_0.2.0_amd64.deb")
	if d.Annotations[bundle.SignedKey] != k.fingerprint {
		t.Errorf("the deb is signed by %q", d.Annotations[bundle.SignedKey])
	}
	// No part of a private key is in what the run left or said.
	for _, line := range strings.Split(k.env[envPackagesKey]+k.rsa, "\n") {
		if len(line) < 40 || strings.HasPrefix(line, "-----") {
			continue
		}
		if strings.Contains(w.log.String(), line) || strings.Contains(w.out.String(), line) {
			t.Error("a private key stands in the log")
		}
		ok(t, filepath.WalkDir(w.dist(), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil && bytes.Contains(text, []byte(line)) {
				t.Errorf("%s holds a private key", path)
			}
			return err
		}))
	}
}

// TestPackagesGate: a pre-release that packages have no order for is refused.
func TestPackagesGate(t *testing.T) {
	p, _ := packedTiny(t)
	s := Suite{Product: p}
	ref := func(tag string) decide.Ref {
		r, err := decide.ParseRef(tag, "main")
		ok(t, err)
		return r
	}
	if g := s.packagesGate(ref("v0.2.0-dev.1")); len(g) != 1 || g[0].State != decide.Fail || !strings.Contains(g[0].Detail, "-rc.N") {
		t.Errorf("%+v", g)
	}
	if g := s.packagesGate(ref("v0.2.0-rc.1")); len(g) != 1 || g[0].State != decide.Pass {
		t.Errorf("%+v", g)
	}
	if g := s.packagesGate(ref("main")); g != nil {
		t.Errorf("%+v", g)
	}
}
