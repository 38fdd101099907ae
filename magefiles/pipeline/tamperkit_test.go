package pipeline

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
)

// genuine are two releases that were signed keyless and published: what each row
// of the tampering table has a copy of.
type genuine struct {
	*world
	// registry and pages are the directories of what is published.
	registry, pages string
	// stranger is another Sigstore instance, which nobody trusts.
	stranger *sigstorekit.Instance
	// old is the release before.
	old, new published
}

type published struct {
	tag, version, commit string
	digest               v1.Hash
}

// makeGenuine makes them.
func makeGenuine(t testing.TB) *genuine {
	t.Helper()
	g := &genuine{world: keylessWorld(t), registry: t.TempDir()}
	g.Product.Packages = &product.Packages{
		Formats: []product.PackageFormat{product.Deb, product.TarGz}, Maintainer: "Tiny <tiny@example.org>", Section: "net", Copyright: "2026 Tiny",
		License: "LICENSE", Readme: "CHANGELOG.md", Service: product.Service{Settings: []product.Setting{{Name: "BIND_ADDR", Value: "127.0.0.1:8080", About: "Where it listens."}}},
	}
	g.Product.Install = &product.Install{Command: "tinyd"}
	g.Product.Forge = product.Forge{Kind: product.ForgeDirectory, URL: "https://github.com/example/tiny"}
	store, err := embedded.Open(g.registry, embedded.Options{})
	ok(t, err)
	server := g.serve(store)
	all := map[string]published{}
	for _, e := range g.history.Episodes {
		if e.Ref == "v0.2.0" || e.Ref == "v0.3.0-rc.1" || e.Ref == "v0.3.0" && e.Withdraw == "" {
			if err := g.play(t.Context(), e); err != nil {
				t.Fatalf("%s: %v\n%s", e.Ref, err, g.log)
			}
			all[e.Ref] = published{e.Ref, strings.TrimPrefix(e.Ref, "v"), e.Commit, g.outcomes[len(g.outcomes)-1].Digest}
		}
	}
	g.old, g.new, g.pages = all["v0.2.0"], all["v0.3.0"], g.dist(releasesDir)
	server.Close()
	ok(t, store.Close())
	g.stranger, err = sigstorekit.Start(t.Context(), sigstorekit.Options{Dir: t.TempDir(), Untimed: true})
	ok(t, err)
	t.Cleanup(func() { ok(t, g.stranger.Close()) })
	return g
}

// run is the one that released the newer version.
func (g *genuine) run() sigstorekit.Run {
	return sigstorekit.Run{Repository: "example/tiny", Workflow: ".github/workflows/release.yml", Ref: "refs/tags/" + g.new.tag, Commit: g.new.commit, Event: "push"}
}

// as signs as another run.
func (c *copied) as(change func(r *sigstorekit.Run)) attest.Signer {
	r := c.run()
	change(&r)
	return proofs.Run(c.t, c.sigstore, r)
}

// copied is somebody's copy of what is published, to change.
type copied struct {
	*genuine
	t testing.TB
	// page is the directory of the release's files as they were downloaded.
	page string
	// store is the registry's directory, repo the image's repository in it.
	store string
	repo  name.Repository
	// key is a file with the public key of whoever signed, where it was a key.
	key string
	// suite verifies in the place of a user.
	suite Suite
}

// copy copies what is published. A bare registry has no referrers API.
func (g *genuine) copy(t testing.TB, bare bool) *copied {
	t.Helper()
	c := &copied{genuine: g, t: t, page: t.TempDir(), store: t.TempDir(), suite: g.Suite}
	c.suite.Out, c.suite.UI = io.Discard, term.Discard()
	ok(t, copyAll(filepath.Join(g.pages, g.new.tag), c.page, func(path string) bool { return path == "notes.md" || path == "release.json" })) // the page itself
	ok(t, copyAll(g.registry, c.store, nil))
	store, err := embedded.Open(c.store, embedded.Options{NoReferrers: bare})
	ok(t, err)
	server := httptest.NewServer(store)
	t.Cleanup(func() { server.Close(); ok(t, store.Close()) })
	c.repo, err = name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/tiny/tinyd")
	ok(t, err)
	if bare {
		c.fallBack()
	}
	return c
}

// fallBack writes the tags that clients keep where there is no referrers API.
func (c *copied) fallBack() {
	base := filepath.Join(c.store, "repositories", "tiny", "tinyd", "_referrers")
	subjects, err := os.ReadDir(base)
	ok(c.t, err)
	for _, subject := range subjects {
		list := v1.IndexManifest{SchemaVersion: 2, MediaType: "application/vnd.oci.image.index.v1+json", Manifests: []v1.Descriptor{}}
		all, err := filepath.Glob(filepath.Join(base, subject.Name(), "*"))
		ok(c.t, err)
		for _, path := range all {
			var d v1.Descriptor
			text, err := os.ReadFile(path)
			ok(c.t, err)
			ok(c.t, json.Unmarshal(text, &d))
			list.Manifests = append(list.Manifests, d)
		}
		proofs.Put(c.t, c.repo, "sha256-"+subject.Name(), list, list.MediaType)
	}
}

// get reads a manifest by tag or digest.
func (c *copied) get(ref string, into any) v1.Descriptor {
	c.t.Helper()
	at := name.Reference(c.repo.Tag(ref))
	if strings.HasPrefix(ref, "sha256:") {
		at = c.repo.Digest(ref)
	}
	d, err := remote.Get(at)
	ok(c.t, err)
	ok(c.t, json.Unmarshal(d.Manifest, into))
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// index is what the release's tag points at.
func (c *copied) index() (v1.Descriptor, v1.IndexManifest) {
	c.t.Helper()
	var m v1.IndexManifest
	return c.get(c.new.version, &m), m
}

// tagIndex points the release's tag at a changed index.
func (c *copied) tagIndex(m v1.IndexManifest) v1.Descriptor {
	c.t.Helper()
	return proofs.Put(c.t, c.repo, c.new.version, m, m.MediaType)
}

// proof is a bundle that is attached to something.
type proof struct {
	digest    v1.Hash
	predicate string
	text      []byte
	layer     v1.Hash
}

// attached gives what bundles are attached to something, of one predicate type
// or of all ("").
func (c *copied) attached(subject v1.Hash, predicate string) []proof {
	c.t.Helper()
	list, err := remote.Referrers(c.repo.Digest(subject.String()))
	ok(c.t, err)
	index, err := list.IndexManifest()
	ok(c.t, err)
	var out []proof
	for _, d := range index.Manifests {
		var m v1.Manifest
		c.get(d.Digest.String(), &m)
		if m.ArtifactType != proofs.Media || (predicate != "" && m.Annotations[proofs.Predicate] != predicate) {
			continue
		}
		text, err := os.ReadFile(c.blob(m.Layers[0].Digest))
		ok(c.t, err)
		out = append(out, proof{d.Digest, m.Annotations[proofs.Predicate], text, m.Layers[0].Digest})
	}
	if len(out) == 0 {
		c.t.Fatalf("%s has no %s", subject, predicate)
	}
	return out
}

// blob is where the registry keeps a blob.
func (c *copied) blob(h v1.Hash) string { return filepath.Join(c.store, "blobs", "sha256", h.Hex) }

// drop removes what bundles are attached to something.
func (c *copied) drop(subject v1.Hash, predicate string) []proof {
	c.t.Helper()
	all := c.attached(subject, predicate)
	for _, p := range all {
		ok(c.t, remote.Delete(c.repo.Digest(p.digest.String())))
	}
	return all
}

// change puts something else in the place of bundles that are attached to the
// index: those of one predicate type, or all of them ("").
func (c *copied) change(predicate string, to func(text []byte) []byte) {
	c.t.Helper()
	d, _ := c.index()
	for _, p := range c.drop(d.Digest, predicate) {
		proofs.Attach(c.t, c.repo, d, p.predicate, to(p.text))
	}
}

// payload is the statement in a bundle.
func payload(t testing.TB, text []byte) []byte {
	t.Helper()
	var b struct{ DSSEEnvelope struct{ Payload []byte } }
	ok(t, json.Unmarshal(text, &b))
	return b.DSSEEnvelope.Payload
}

// sign has statements about the index signed by somebody else.
func (c *copied) sign(predicate string, by attest.Signer) {
	c.t.Helper()
	c.change(predicate, func(text []byte) []byte {
		made, err := by.Bundle(c.t.Context(), payload(c.t, text))
		ok(c.t, err)
		return made
	})
}

// edit changes the JSON of all bundles that are attached to the index.
func (c *copied) edit(change func(b map[string]any)) {
	c.t.Helper()
	c.change("", func(text []byte) []byte { return testkit.Edited(c.t, text, change) })
}

// within gives an object in an object.
func within(b map[string]any, names ...string) map[string]any {
	for _, n := range names {
		b, _ = b[n].(map[string]any)
	}
	return b
}

// file is where a downloaded file lies; read, write change it.
func (c *copied) file(name string) string { return filepath.Join(c.page, name) }

func (c *copied) read(name string) []byte {
	c.t.Helper()
	text, err := os.ReadFile(c.file(name))
	ok(c.t, err)
	return text
}

func (c *copied) write(name string, text []byte) {
	c.t.Helper()
	ok(c.t, os.WriteFile(c.file(name), text, 0o644))
}

// older puts the older release's file in the place of one.
func (c *copied) older(name string) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.pages, c.old.tag, strings.Replace(name, c.new.version, c.old.version, 1)))
	ok(c.t, err)
	c.write(name, text)
}

// question is what is asked of both judges.
type question struct {
	// image is the tag that is asked for; empty for the files of a page, or for
	// a scan.
	image string
	// on asks cosign about the image for linux/amd64 in the index's place.
	on string
	// command is cosign's, more its further flags.
	command, kind string
	more          []string
	// key asks what a key signed.
	key bool
	// require is what we want to have been passed.
	require []string
}

// of words the question as docs/verify.md does.
func (q question) String() string {
	words := []string{"cosign", q.command}
	if q.key {
		words = append(words, "--key")
	}
	if q.kind != "" {
		words = append(words, "--type", q.kind)
	}
	for _, m := range q.more {
		if strings.HasPrefix(m, "--") {
			words = append(words, m)
		}
	}
	return strings.Join(words, " ")
}

// us verifies with this suite.
func (c *copied) us(q question) error {
	if q.image == "" {
		return c.suite.VerifyFiles(c.page, VerifyQuery{Tag: c.new.tag})
	}
	return c.suite.Verify(c.t.Context(), VerifyQuery{Image: c.repo.Name() + ":" + q.image, Tag: c.new.tag, Key: c.key, Require: q.require})
}

// cosign verifies as docs/verify.md has a user do it, and gives what is said.
func (c *copied) cosign(q question) (string, error) {
	flags := []string{
		"--new-bundle-format", "--use-signed-timestamps", "--insecure-ignore-sct", "--certificate-oidc-issuer", sigstorekit.GitHub,
		"--certificate-identity", "https://github.com/" + c.run().String(),
	}
	if q.key {
		flags = []string{"--new-bundle-format", "--insecure-ignore-tlog", "--key", c.key}
	}
	run := func(command, kind string, more ...string) (string, error) {
		args := append([]string{command}, flags...)
		if kind != "" {
			args = append(args, "--type", kind)
		}
		return judge(c.t, c.world, append(args, more...)...)
	}
	if q.image != "" {
		at := c.repo.Name() + ":" + q.image
		if q.on != "" {
			_, index := c.index()
			at = c.repo.Name() + "@" + index.Manifests[0].Digest.String()
		}
		return run(q.command, q.kind, append(slices.Clone(q.more), at)...)
	}
	// The files: the list, the files by the list, the binary by its provenance.
	if out, err := run("verify-blob", "", append(slices.Clone(q.more), "--bundle", c.file(listProof), c.file(list))...); err != nil {
		return out, err
	}
	cmd := exec.CommandContext(c.t.Context(), "sha256sum", "--check", "--strict", "--ignore-missing", list)
	cmd.Dir = c.page
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), err
	}
	return run("verify-blob-attestation", "slsaprovenance1", "--bundle", c.file(provenance), c.file(program))
}
