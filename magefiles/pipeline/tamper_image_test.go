package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
)

// What is asked about images.
var (
	aboutImage        = question{image: "0.3.0", command: "verify"}
	aboutSignature    = question{image: "0.3.0", command: "verify-attestation", kind: intoto.Signature}
	aboutItsSignature = question{image: "0.3.0", on: "linux/amd64", command: "verify-attestation", kind: intoto.Signature}
	aboutLatest       = question{image: "latest", command: "verify"}
	aboutProvenance   = question{image: "0.3.0", command: "verify-attestation", kind: "slsaprovenance1"}
	aboutSBOM         = question{image: "0.3.0", command: "verify-attestation", kind: "spdxjson"}
	aboutItsSBOM      = question{image: "0.3.0", on: "linux/amd64", command: "verify-attestation", kind: "spdxjson"}
	aboutTests        = question{image: "0.3.0", command: "verify-attestation", kind: intoto.TestResult, require: []string{"test"}}
)

// aboutRun asks for the commit of the run as well, aboutCaller for its
// repository.
func (g *genuine) aboutRun() question {
	q := aboutProvenance
	q.more = []string{"--certificate-github-workflow-sha", g.new.commit}
	return q
}

// aboutFilesOfRun asks about the page's files, and for the commit of the run.
func (g *genuine) aboutFilesOfRun() question { return question{more: g.aboutRun().more} }

func aboutCaller() question {
	q := aboutImage
	q.more = []string{"--certificate-github-workflow-repository", "example/tiny"}
	return q
}

// imageRows tamper with what lies in the registry.
func imageRows(g *genuine) []tampering {
	return []tampering{
		{what: "the tag points at an index that nobody signed",
			us:     "has no signature: sign the release",
			cosign: "no valid bundles exist in registry",
			ask:    aboutImage,
			do: func(c *copied) {
				_, m := c.index()
				m.Annotations["note"] = "changed"
				c.tagIndex(m)
			}},
		{what: "the index has the image of another release for a platform",
			us:     "has no signature: sign the release",
			cosign: "no valid bundles exist in registry",
			ask:    aboutImage,
			do: func(c *copied) {
				_, m := c.index()
				var old v1.IndexManifest
				c.get(c.old.digest.String(), &old)
				m.Manifests[0] = old.Manifests[0]
				c.tagIndex(m)
			}},
		{what: "an image has another layer",
			us:     "has no signature: sign the release",
			cosign: "no valid bundles exist in registry",
			ask:    aboutImage,
			do:     func(c *copied) { c.tagIndex(c.otherLayer()) }},
		{what: "an image has another layer, and all genuine proofs are attached to the new digests",
			us:     "the signature of index … does not count: it is about sha256:",
			cosign: "provided artifact digest does not match any digest in statement",
			ask:    aboutImage,
			do:     func(c *copied) { c.reattach(c.otherLayer()) }},
		{what: "an image has another layer, and a fork signed the new digest",
			us:     "it is signed by https://github.com/evil/tiny/.github/workflows/release.yml@refs/tags/v0.3.0, a workflow of another repository: want one of https://github.com/example/tiny",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/evil/tiny/.github/workflows/release.yml@refs/tags/v0.3.0"`,
			ask:    aboutImage,
			do: func(c *copied) {
				d := c.tagIndex(c.otherLayer())
				made, err := c.as(fork).Bundle(c.t.Context(), statementAbout(c, intoto.Signature, d.Digest))
				ok(c.t, err)
				proofs.Attach(c.t, c.repo, d, intoto.Signature, made)
			}},
		{what: "the registry gives other bytes for a layer",
			us:    "reading the binary in the image for linux/amd64: … invalid",
			ask:   aboutImage,
			blind: "it reads no layer; whoever pulls the image holds each layer against its digest",
			do: func(c *copied) {
				var m v1.Manifest
				_, index := c.index()
				c.get(index.Manifests[0].Digest.String(), &m)
				path := c.blob(m.Layers[len(m.Layers)-1].Digest)
				text, err := os.ReadFile(path)
				ok(c.t, err)
				text[len(text)/2] ^= 1
				ok(c.t, os.WriteFile(path, text, 0o644))
			}},
		{what: "the index names another commit, and the genuine proofs are attached to it",
			us:     "the signature of index … does not count: it is about sha256:",
			cosign: "provided artifact digest does not match any digest in statement",
			ask:    aboutImage,
			do: func(c *copied) {
				_, m := c.index()
				m.Annotations["org.opencontainers.image.revision"] = strings.Repeat("b", 40)
				c.reattach(m)
			}},
		{what: "the version's tag is moved back to an older release",
			us:     "release.yml@refs/tags/v0.2.0 (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.3.0 has to be signed by a run on that very ref",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0"`,
			ask:    aboutImage,
			do:     func(c *copied) { c.moveTag(c.new.version) }},
		{what: "`latest` is moved back to an older release, and the new one is asked for",
			us:     "release.yml@refs/tags/v0.2.0 (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.3.0 has to be signed by a run on that very ref",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0"`,
			ask:    aboutLatest,
			do:     func(c *copied) { c.moveTag("latest") }},

		{what: "the SBOM of one platform's image is attached to the other's",
			us:     "the SPDX document of linux/amd64 … does not count: it is about sha256:",
			cosign: "none of the attestations matched the predicate type: spdxjson",
			ask:    aboutItsSBOM,
			do: func(c *copied) {
				_, m := c.index()
				c.drop(m.Manifests[0].Digest, intoto.SPDX)
				for _, p := range c.attached(m.Manifests[1].Digest, intoto.SPDX) {
					proofs.Attach(c.t, c.repo, m.Manifests[0], intoto.SPDX, p.text)
				}
			}},
		{what: "the SBOM of another release takes the place of the genuine one",
			us:     "the SPDX document of index … does not count: it is about sha256:",
			cosign: "none of the attestations matched the predicate type: spdxjson",
			ask:    aboutSBOM,
			do:     func(c *copied) { c.fromOld(intoto.SPDX) }},
		{what: "the provenance of another tag's release takes the place of the genuine one",
			us:     "the provenance of index … does not count: it is about sha256:",
			cosign: "none of the attestations matched the predicate type: slsaprovenance1",
			ask:    aboutProvenance,
			do:     func(c *copied) { c.fromOld(intoto.Provenance) }},
		{what: "the provenance is that of a run of another commit",
			us:     "in a run of commit bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, and the image names the commit",
			cosign: "none of the attestations matched the predicate type: slsaprovenance1",
			ask:    g.aboutRun(),
			do: func(c *copied) {
				c.sign(intoto.Provenance, c.as(func(r *sigstorekit.Run) { r.Commit = strings.Repeat("b", 40) }))
			}},

		{what: "the signature is removed",
			us:     "has no signature (it has attestations, but those are no signature)",
			cosign: "none of the attestations matched the predicate type: https://sigstore.dev/cosign/sign/v1",
			ask:    aboutSignature, do: removed(intoto.Signature)},
		{what: "the signature is removed, and cosign is asked without naming it",
			us:    "has no signature (it has attestations, but those are no signature)",
			blind: "it takes any other statement of the same signer about the image for a signature",
			ask:   aboutImage, do: removed(intoto.Signature)},
		{what: "the signature of one platform's image is removed",
			us:     "has no signature (it has attestations, but those are no signature)",
			cosign: "none of the attestations matched the predicate type: https://sigstore.dev/cosign/sign/v1",
			ask:    aboutItsSignature,
			do: func(c *copied) {
				_, m := c.index()
				c.drop(m.Manifests[0].Digest, intoto.Signature)
			}},
		{what: "the provenance is removed",
			us:     "has no provenance: attest the release",
			cosign: "none of the attestations matched the predicate type: slsaprovenance1",
			ask:    aboutProvenance, do: removed(intoto.Provenance)},
		{what: "the SBOM is removed",
			us:     "has no SPDX document: attest the release",
			cosign: "none of the attestations matched the predicate type: spdxjson",
			ask:    aboutSBOM, do: removed(intoto.SPDX)},
		{what: "without a referrers API: the fallback index hides the signature",
			us:     "has no signature (it has attestations, but those are no signature)",
			cosign: "none of the attestations matched the predicate type: https://sigstore.dev/cosign/sign/v1",
			ask:    aboutSignature, bare: true,
			do: func(c *copied) {
				c.fallbackIndex(func(d v1.Descriptor) bool { return d.Annotations[proofs.Predicate] == intoto.Signature })
			}},
		{what: "without a referrers API: the fallback index hides the provenance",
			us:     "has no provenance: attest the release",
			cosign: "none of the attestations matched the predicate type: slsaprovenance1",
			ask:    aboutProvenance, bare: true,
			do: func(c *copied) {
				c.fallbackIndex(func(d v1.Descriptor) bool { return d.Annotations[proofs.Predicate] == intoto.Provenance })
			}},
		{what: "without a referrers API: the fallback index is emptied",
			us:     "has no signature: sign the release",
			cosign: "no valid bundles exist in registry",
			ask:    aboutImage, bare: true,
			do: func(c *copied) { c.fallbackIndex(func(v1.Descriptor) bool { return true }) }},
		{what: "without a referrers API: the fallback index is cut short",
			us:     "looking up what refers to sha256: … unexpected EOF",
			cosign: "unexpected EOF",
			ask:    aboutImage, bare: true,
			do: func(c *copied) {
				var m v1.IndexManifest
				d := c.get("sha256-"+c.new.digest.Hex, &m)
				text, err := os.ReadFile(c.blob(d.Digest))
				ok(c.t, err)
				ok(c.t, os.WriteFile(c.blob(d.Digest), text[:len(text)/2], 0o644))
			}},
		{what: "the tag of older signatures (`sha256-….sig`) points at another image",
			us:    "it has proofs in two formats … keep one format a product",
			ask:   aboutImage,
			blind: "it looks for bundles first, and at that tag where there are none",
			do: func(c *copied) {
				var m v1.IndexManifest
				c.get(c.old.digest.String(), &m)
				d, err := remote.Get(c.repo.Digest(m.Manifests[0].Digest.String()))
				ok(c.t, err)
				ok(c.t, remote.Tag(c.repo.Tag("sha256-"+c.new.digest.Hex+".sig"), d))
			}},

		{what: "an attached binary is another",
			us:    "no attached binary has the top layer … of the image for linux/amd64: the binary in the image is not one that was released apart",
			ask:   aboutImage,
			blind: "it knows no binaries beside an image; the page's files have their own rows",
			do: func(c *copied) {
				m := c.binary()
				m.Layers = []v1.Descriptor{proofs.Blob(c.t, c.repo, m.Layers[0].MediaType, []byte("another binary"))}
				proofs.Put(c.t, c.repo, "", m, m.MediaType)
			}},
		{what: "an attached binary says that it has another checksum",
			us:    "the binary /usr/bin/tinyd in the image for linux/amd64 has sha256 … , the attached tinyd-x86_64-linux has … : they are not the same build",
			ask:   aboutImage,
			blind: "it knows no binaries beside an image; the page's files have their own rows",
			do: func(c *copied) {
				m := c.binary()
				m.Annotations[bundle.SHA256Key] = strings.Repeat("b", 64)
				proofs.Put(c.t, c.repo, "", m, m.MediaType)
			}},
		{what: "an attached binary is removed",
			us:    "no attached binary has the top layer … of the image for linux/amd64: the binary in the image is not one that was released apart",
			ask:   aboutImage,
			blind: "it knows no binaries beside an image; the page's files have their own rows",
			do:    func(c *copied) { c.binary() }},
		{what: "a fork says that the image has passed the tests",
			us:     "no trusted test result is attached to it, and 1 that do not count (it is signed by https://github.com/evil/tiny/",
			cosign: "none of the attestations matched the predicate type: https://in-toto.io/attestation/test-result/v0.1",
			ask:    aboutTests,
			before: func(c *copied) { c.tested(func(*sigstorekit.Run) {}) },
			do: func(c *copied) {
				removed(intoto.TestResult)(c)
				c.tested(fork)
			}},
		{what: "what says that the image has passed the tests is removed",
			us:     "nothing says that this image passed it: no trusted test result is attached to it",
			cosign: "none of the attestations matched the predicate type: https://in-toto.io/attestation/test-result/v0.1",
			ask:    aboutTests,
			before: func(c *copied) { c.tested(func(*sigstorekit.Run) {}) },
			do:     removed(intoto.TestResult)},
	}
}

func fork(r *sigstorekit.Run) { r.Repository = "evil/tiny" }

func removed(predicate string) func(c *copied) {
	return func(c *copied) {
		d, _ := c.index()
		c.drop(d.Digest, predicate)
	}
}

// otherLayer gives the index with an image that has another layer. The image is
// in the registry, the index is not.
func (c *copied) otherLayer() v1.IndexManifest {
	c.t.Helper()
	_, index := c.index()
	var m v1.Manifest
	was := index.Manifests[0]
	c.get(was.Digest.String(), &m)
	last := len(m.Layers) - 1
	path := c.blob(m.Layers[last].Digest)
	text, err := os.ReadFile(path)
	ok(c.t, err)
	m.Layers[last] = proofs.Blob(c.t, c.repo, m.Layers[last].MediaType, bytes.Repeat(text, 2)) // a gzip stream may have two members
	d := proofs.Put(c.t, c.repo, "", m, m.MediaType)
	index.Manifests[0].Digest, index.Manifests[0].Size = d.Digest, d.Size
	return index
}

// reattach points the tag at an index, with the genuine proofs of what it
// replaces.
func (c *copied) reattach(m v1.IndexManifest) {
	c.t.Helper()
	was, before := c.index()
	to := map[v1.Hash]v1.Descriptor{was.Digest: c.tagIndex(m)}
	for i, d := range before.Manifests {
		if m.Manifests[i].Digest != d.Digest {
			to[d.Digest] = m.Manifests[i]
		}
	}
	for from, subject := range to {
		for _, p := range c.attached(from, "") {
			proofs.Attach(c.t, c.repo, subject, p.predicate, p.text)
		}
	}
}

// statementAbout is the index's statement of a type, about another digest.
func statementAbout(c *copied, predicate string, h v1.Hash) []byte {
	c.t.Helper()
	text := payload(c.t, c.attached(c.new.digest, predicate)[0].text)
	return bytes.ReplaceAll(text, []byte(c.new.digest.Hex), []byte(h.Hex))
}

// moveTag points a tag at the older release.
func (c *copied) moveTag(tag string) {
	c.t.Helper()
	d, err := remote.Get(c.repo.Digest(c.old.digest.String()))
	ok(c.t, err)
	ok(c.t, remote.Tag(c.repo.Tag(tag), d))
}

// fromOld puts proofs of the older release in the place of the newer one's.
func (c *copied) fromOld(predicate string) {
	c.t.Helper()
	d, _ := c.index()
	c.drop(d.Digest, predicate)
	for _, p := range c.attached(c.old.digest, predicate) {
		proofs.Attach(c.t, c.repo, d, predicate, p.text)
	}
}

// fallbackIndex leaves entries of the index's fallback out.
func (c *copied) fallbackIndex(hide func(d v1.Descriptor) bool) {
	c.t.Helper()
	tag := "sha256-" + c.new.digest.Hex
	var m v1.IndexManifest
	c.get(tag, &m)
	n := len(m.Manifests)
	m.Manifests = slices.DeleteFunc(m.Manifests, hide)
	if len(m.Manifests) == n {
		c.t.Fatal("nothing is hidden")
	}
	proofs.Put(c.t, c.repo, tag, m, m.MediaType)
}

// binary takes the binary for linux/amd64 off the index, and gives its manifest.
func (c *copied) binary() v1.Manifest {
	c.t.Helper()
	h := c.binaryFor("x86_64")
	var m v1.Manifest
	c.get(h.String(), &m)
	ok(c.t, remote.Delete(c.repo.Digest(h.String())))
	return m
}

// binaryFor is the attached binary for an architecture.
func (c *copied) binaryFor(arch string) v1.Hash {
	c.t.Helper()
	all, err := filepath.Glob(filepath.Join(c.store, "repositories", "tiny", "tinyd", "_referrers", c.new.digest.Hex, "*"))
	ok(c.t, err)
	for _, path := range all {
		var m v1.Manifest
		d := c.get("sha256:"+filepath.Base(path), &m)
		if m.ArtifactType == bundle.BinaryArtifact && strings.HasPrefix(m.Annotations[bundle.TargetKey], arch) {
			return d.Digest
		}
	}
	c.t.Fatalf("no binary for %s is attached", arch)
	return v1.Hash{}
}

// tested attaches a test result that a run signed.
func (c *copied) tested(by func(r *sigstorekit.Run)) {
	c.t.Helper()
	d, _ := c.index()
	trial := intoto.Trial{Name: "test", Record: strings.Repeat("a", 64), Commit: c.new.commit, Started: dawn, Finished: dawn}
	text, err := intoto.Encode(intoto.TestResult, intoto.TestRun{Result: intoto.Passed, Configuration: trial.Configuration()}, intoto.SHA256("", d.Digest.Hex))
	ok(c.t, err)
	made, err := c.as(by).Bundle(c.t.Context(), text)
	ok(c.t, err)
	proofs.Attach(c.t, c.repo, d, intoto.TestResult, made)
}
