package pipeline

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/github"
)

// docRelease is a published release with a page that is served.
type docRelease struct {
	*world
	by         signing
	served     string
	server     *httptest.Server
	path, home string
	// files lie in the consumer's directory from the start.
	files map[string]string
	// more is for the consumer's environment.
	more []string
}

// docProduct is what is released: the tiny product with all that the document
// speaks of.
func docProduct(p product.Product, server *httptest.Server) product.Product {
	p.Forge, p.Install = product.Forge{Kind: product.ForgeDirectory, URL: server.URL + "/tiny/tiny"}, &product.Install{Command: "tinyd"}
	p.Scan = &product.Scan{Scanners: []string{product.Grype}}
	return p
}

// docServer serves release pages below a directory, before there are any: the
// page's address stands in the installer.
func docServer(t *testing.T) (string, *httptest.Server) {
	t.Helper()
	served := t.TempDir()
	server := httptest.NewTLSServer(testkit.Pages(served, "/tiny/tiny"))
	t.Cleanup(server.Close)
	return served, server
}

// publish makes the release, and what verifies it.
func (r *docRelease) publish(t *testing.T) {
	t.Helper()
	w := r.world
	w.env[envScanner] = testkit.Scanner(t)
	w.Database = w.makeDatabase(planted()[1:2], time.Time{})
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	ok(t, w.play(t.Context(), e))
	s, err := w.as(e)
	ok(t, err)
	ok(t, s.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.2.0", Attest: true}))

	r.home, r.path = t.TempDir(), t.TempDir()
	self, err := os.Executable()
	ok(t, err)
	text, err := json.Marshal(w.Product)
	ok(t, err)
	file := filepath.Join(r.home, "product.json")
	ok(t, os.WriteFile(file, text, 0o644))
	r.program(t, "mage", verifyEnv+"='"+file+"' exec '"+self+"' \"$@\"")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
	ok(t, os.WriteFile(filepath.Join(r.home, "ca.pem"), certificate, 0o644))
}

// program is a script on the consumer's path.
func (r *docRelease) program(t *testing.T, name, text string) {
	t.Helper()
	ok(t, os.WriteFile(filepath.Join(r.path, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
}

// TestVerifyDoc runs what docs/verify.md says against a release that a key
// signs, and against a spoiled one.
func TestVerifyDoc(t *testing.T) {
	served, server := docServer(t)
	p, sample := packedTiny(t)
	p = docProduct(p, server)
	k := newPackageKeys(t)
	k.pin(t, sample)
	// As in a build again: the distribution's compiler goes first.
	t.Setenv("PATH", "/usr/bin"+string(filepath.ListSeparator)+os.Getenv("PATH"))
	w := newWorldOf(t, p, sample)
	w.CargoTarget = ""
	w.env = map[string]string{"PATH": os.Getenv("PATH")}
	maps.Copy(w.env, k.env)
	r := &docRelease{world: w, by: byKey, served: served, server: server}
	r.publish(t)
	ok(t, os.Symlink(testkit.Cosign(t), filepath.Join(r.path, "cosign")))
	key, err := os.ReadFile(filepath.Join(w.dir, rehearsedKeys, "cosign.pub"))
	ok(t, err)
	r.files = map[string]string{"cosign.pub": string(key)}
	for name, text := range k.pinned {
		r.files[filepath.Base(name)] = text
	}
	r.blocks(t)
}

// TestVerifyDocKeyless does the same with a release that certificates sign.
func TestVerifyDocKeyless(t *testing.T) {
	served, server := docServer(t)
	p := docProduct(keylessTiny(), server)
	p.Source = gitHub + kit.Owner + "/" + kit.Name
	w := keylessWorldOf(t, p)
	w.env = map[string]string{}
	r := &docRelease{world: w, by: byNobody, served: served, server: server}
	r.publish(t)
	ok(t, os.Symlink(testkit.Cosign(t), filepath.Join(r.path, "cosign")))
	ok(t, os.Symlink(testkit.GH(t), filepath.Join(r.path, "gh")))
	var line bytes.Buffer
	ok(t, json.Compact(&line, w.sigstore.TrustedRoot))
	r.files = map[string]string{"trusted_root.json": string(w.sigstore.TrustedRoot), "trusted_root.jsonl": line.String() + "\n"}
	r.more = append(r.more, r.attestations(t)...)
	r.blocks(t)
}

// attestations has a stand-in for GitHub keep the statements, and gives the
// environment in which gh finds them there.
func (r *docRelease) attestations(t *testing.T) []string {
	t.Helper()
	server, err := kit.New(kit.Options{})
	ok(t, err)
	t.Cleanup(server.Close)
	client, err := github.Open(github.Options{URL: server.URL(), API: server.API(), Uploads: server.Uploads(), Token: kit.Token})
	ok(t, err)
	b, err := bundle.Open(r.dist("v0.2.0"))
	ok(t, err)
	want, err := converge.Want(b, nil, converge.Extras{Statements: true})
	ok(t, err)
	for _, s := range want.Statements {
		ok(t, client.Attest(t.Context(), s.Attestation))
	}
	return atHub(t, server)
}

// fresh is a consumer of the release as it was published.
func (r *docRelease) fresh(t *testing.T, blocks map[string]string) *consumer {
	t.Helper()
	ok(t, os.RemoveAll(filepath.Join(r.served, "v0.2.0")))
	ok(t, copyAll(r.dist(releasesDir), r.served, nil))
	c := &consumer{
		t: t, dir: t.TempDir(), page: filepath.Join(r.served, "v0.2.0"), image: r.Image, version: "0.2.0",
		address: r.server.URL + "/tiny/tiny", path: r.path, home: r.home, workflow: "release.yml", blocks: blocks, by: r.by, release: r,
	}
	for name, text := range r.files {
		ok(t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644))
	}
	return c
}

// blocks runs the document's blocks that are for the way in which the release is
// signed.
func (r *docRelease) blocks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "verify.md"))
	ok(t, err)
	names, blocks := readBlocks(t, string(text))
	if len(names) != len(docBlocks) {
		t.Errorf("the document has the blocks %q, this test knows %d", names, len(docBlocks))
	}
	for _, name := range names {
		b, known := docBlocks[name]
		if !known {
			t.Errorf("the document has a block %q, and this test does not: add it to docBlocks", name)
			continue
		}
		if b.by != "" && b.by != r.by {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c := r.fresh(t, blocks)
			if b.not != nil {
				if why := b.not(c); why != "" {
					t.Skip("not run: " + why)
				}
			}
			for _, before := range append(slices.Clone(b.first), name) {
				if out, err := c.run(before); err != nil {
					t.Fatalf("%s: %v\n%s", before, err, out)
				}
			}
			if b.spoil == nil {
				return
			}
			c = r.fresh(t, blocks)
			for _, before := range b.first {
				if out, err := c.run(before); err != nil {
					t.Fatalf("%s: %v\n%s", before, err, out)
				}
			}
			b.spoil(c)
			out, err := c.run(name)
			if err == nil {
				t.Errorf("it is content with what was spoiled:\n%s", out)
			}
			last := strings.TrimSpace(out)
			t.Logf("spoiled: %s", last[max(0, len(last)-300):])
		})
	}
}
