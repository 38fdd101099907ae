package pipeline

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

var ok, says = testkit.OK, testkit.Says

// root is the top of this repository.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	ok(t, err)
	return dir
}

// tiny is the second product, as its magefile has it but for the proofs.
func tiny() product.Product {
	return product.Product{
		Name: "tiny", Title: "Tiny", Description: "A server", License: "Apache-2.0", Vendor: "example",
		Source:    "https://git.example.org/tiny/tiny",
		Branches:  product.Branches{Main: "main", Hotfix: "hotfix/"},
		Paperwork: product.Paperwork{Changelog: "CHANGELOG.md", Upgrading: "docs/upgrading.md", Records: "docs/releases", Gates: "docs/releases/gates"},
		Trust:     product.Trust{OpenPGP: []string{".release/keys/*.asc"}, ReleaseKey: ".release/cosign.pub"},
		Cargo: product.Cargo{Package: "tinyd", Binary: "tinyd", Targets: []product.Target{
			{Triple: "x86_64-unknown-linux-gnu", OS: "linux", Arch: "amd64", Asset: "tinyd-x86_64-linux"},
			{Triple: "aarch64-unknown-linux-gnu", OS: "linux", Arch: "arm64", Asset: "tinyd-aarch64-linux"},
		}},
		Image: product.Image{
			Repository: "registry.example.org/tiny/tinyd", BinaryPath: "/usr/bin/tinyd",
			User: product.User{Name: "tiny", UID: 10001, GID: 10001}, Ports: []int{8080},
		},
		Proofs: product.ProofBundles,
	}
}

// world is a fresh repository of the tiny product with its whole history, and
// what a release of it writes.
type world struct {
	*rehearsal
	t   testing.TB
	out *bytes.Buffer
	log *bytes.Buffer
	env map[string]string
}

func newWorld(t testing.TB, p product.Product) *world {
	t.Helper()
	return newWorldOf(t, p, filepath.Join(root(t), "testdata", p.Name))
}

// newWorldOf is [newWorld] with the product's sources in a directory.
func newWorldOf(t testing.TB, p product.Product, sample string) *world {
	t.Helper()
	w := emptyWorld(t, p)
	ok(t, w.fresh(t.Context(), sample, nil))
	return w
}

// emptyWorld has no repository yet.
func emptyWorld(t testing.TB, p product.Product) *world {
	t.Helper()
	w := &world{t: t, out: &bytes.Buffer{}, log: &bytes.Buffer{}}
	dir := t.TempDir()
	none := func(string) string { return "" }
	getenv := func(name string) string { return w.env[name] }
	s, err := New(Suite{Product: p, Dir: filepath.Join(dir, rehearsedCheckout), Getenv: getenv, UI: term.New(w.log, none), Out: w.out})
	ok(t, err)
	s.Dist = filepath.Join(dir, "dist")
	s.CargoTarget, err = cacheDir("test", p.Name, "target")
	ok(t, err)
	w.rehearsal = &rehearsal{Suite: *s, dir: dir}
	w.Forge = forge.Directory(w.dist(releasesDir))
	return w
}

// serve publishes to a registry from now on, in an empty forge.
func (w *world) serve(h http.Handler) *httptest.Server {
	w.t.Helper()
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	w.Image = strings.TrimPrefix(server.URL, "http://") + "/tiny/tinyd"
	ok(w.t, os.RemoveAll(w.dist(releasesDir)))
	w.outcomes, w.rows = nil, nil
	return server
}

// live goes through the whole history.
func (w *world) live(ctx context.Context) {
	w.t.Helper()
	for _, e := range w.history.Episodes {
		if err := w.play(ctx, e); err != nil {
			w.t.Fatalf("%s: %v\n%s", e.Ref, err, w.log)
		}
	}
}
