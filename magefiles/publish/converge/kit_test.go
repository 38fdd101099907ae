package converge

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/logs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

var ok, says = testkit.OK, testkit.Says

// commit gives a commit's hash; a later letter is a descendant of an earlier
// one.
func commit(letter string) string { return strings.Repeat(letter, 40) }

func ancestor(_ context.Context, a, b string) (bool, error) { return a <= b, nil }

// source is what a test's bundle is made from.
type source struct {
	// ref is a tag, or "main".
	ref, commit string
	// image is what the image is a function of; the commit where empty.
	image string
	// tagged puts the proofs under tags instead of making them referrers.
	tagged bool
	// big is the size of the image's layers, a few bytes where 0.
	big int
}

// made is a bundle that is ready to be published.
type made struct {
	*bundle.Bundle
	want Desired
}

// build makes a bundle: two images with a layer each and one shared, proofs of
// all three, files.
func build(t testing.TB, s source) made {
	t.Helper()
	return buildIn(t, t.TempDir(), s)
}

func buildIn(t testing.TB, dir string, s source) made {
	t.Helper()
	if s.image == "" {
		s.image = s.commit
	}
	ref, err := decide.ParseRef(s.ref, "main")
	ok(t, err)
	b, err := bundle.Create(dir, decide.Plan{Product: "test", Ref: ref, Commit: s.commit})
	ok(t, err)
	json := func(kind types.MediaType, v any) v1.Descriptor {
		blob, err := b.IngestJSON(v)
		ok(t, err)
		return blob.Descriptor(string(kind), "")
	}
	layer := func(text string) v1.Descriptor {
		noise := make([]byte, s.big) // does not compress, the same each time
		_, _ = rand.NewChaCha8(sha256.Sum256([]byte(text))).Read(noise)
		l, err := b.IngestLayer(func(w io.Writer) error { _, err := w.Write(append([]byte(text), noise...)); return err })
		ok(t, err)
		return l.Descriptor(string(types.OCILayer), "")
	}
	index := v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Annotations: map[string]string{RevisionKey: s.commit},
	}
	shared := layer("shared by both, " + s.image)
	for _, arch := range []string{"amd64", "arm64"} {
		own := layer("binary for " + arch + ", " + s.image)
		d := json(types.OCIManifestSchema1, v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
			Config: json(types.OCIConfigJSON, v1.ConfigFile{Architecture: arch, OS: "linux", Author: s.image, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}}),
			Layers: []v1.Descriptor{shared, own},
		})
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, d)
	}
	image := json(types.OCIImageIndex, index)
	ok(t, b.Add(bundle.Image, image))

	prove := func(subject v1.Descriptor, kind, text string) {
		subject.Annotations, subject.Platform = nil, nil
		content, err := b.Ingest(strings.NewReader(text))
		ok(t, err)
		payload := content.Descriptor("application/json", "")
		payload.Annotations = map[string]string{"signature": text}
		m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{payload}}
		if s.tagged {
			m.Config = json(types.OCIConfigJSON, v1.ConfigFile{RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{content.Digest}}})
			d := json(types.OCIManifestSchema1, m)
			d.Annotations = map[string]string{bundle.RefNameKey: fallbackTag(subject.Digest) + "." + kind}
			ok(t, b.Add(bundle.Tagged, d))
			return
		}
		m.Config, m.Subject = json("application/vnd.oci.empty.v1+json", struct{}{}), &subject
		m.Annotations = map[string]string{"predicateType": kind}
		d := json(types.OCIManifestSchema1, struct {
			v1.Manifest
			ArtifactType string `json:"artifactType"`
		}{m, "application/vnd.test." + kind})
		ok(t, b.Add(bundle.Artifact, d))
	}
	for _, d := range append([]v1.Descriptor{image}, index.Manifests...) {
		prove(d, "sig", "signature of "+d.Digest.String())
	}
	// What differs between the channels of one commit stands here.
	prove(image, "provenance", "provenance of "+image.Digest.String()+" from "+s.ref)

	for _, name := range []string{"binary-x86_64", "binary-aarch64"} {
		blob, err := b.Ingest(strings.NewReader(name + ", " + s.image))
		ok(t, err)
		ok(t, b.Add(bundle.Binary, blob.Descriptor("application/octet-stream", name)))
	}
	ok(t, b.WriteSums())
	tags, err := decide.Tags(ref, s.commit, time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), nil, nil)
	ok(t, err)
	want, err := Want(b, tags, Extras{Name: "Test " + s.ref, Notes: "# " + s.ref + "\n"})
	ok(t, err)
	return made{b, want}
}

// world is a registry and a forge.
type world struct {
	t        testing.TB
	server   *httptest.Server
	releases string
	// proven is called for every digest that is verified.
	proven func(v1.Hash)
	// key signs withdrawals, which are kept in the format.
	key    *attest.Key
	format product.ProofFormat
}

func newWorld(t testing.TB, h http.Handler) *world {
	t.Helper()
	key, err := attest.NewKey()
	ok(t, err)
	w := &world{
		t: t, server: httptest.NewServer(h), releases: filepath.Join(t.TempDir(), "releases"),
		key: key, format: product.ProofBundles,
	}
	t.Cleanup(w.server.Close)
	return w
}

type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

const repository = "test/product"

// publisher gives a new one, as every run has.
func (w *world) publisher() *Publisher {
	p := newPublisher(w.t, strings.TrimPrefix(w.server.URL, "http://")+"/"+repository, w.releases)
	verifier := p.Verify
	p.Verify = func(ctx context.Context, h v1.Hash, v decide.Version) (verify.Result, error) {
		if w.proven != nil {
			w.proven(h)
		}
		return verifier(ctx, h, v)
	}
	p.Withdrawn = func(ctx context.Context, h v1.Hash) (*intoto.Withdrawal, error) {
		options, err := p.Registry.Remote(ctx)
		if err != nil {
			return nil, err
		}
		return verify.Withdrawals(ctx, p.Registry.Digest(h), verify.Trust{Key: w.key.PublicPEM(), Format: w.format}, options...)
	}
	return p
}

// connections are shared by all the runs of a test.
var connections = &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}

func newPublisher(t testing.TB, repo, releases string) *Publisher {
	r, err := registry.Open(repo, registry.Options{
		Keychain: anonymous{}, Retry: registry.Retry{Tries: 3, First: time.Millisecond}, Transport: connections,
	})
	ok(t, err)
	p := &Publisher{Registry: r, Forge: forge.Directory(releases), Ancestor: ancestor}
	p.Verify = func(ctx context.Context, h v1.Hash, _ decide.Version) (verify.Result, error) {
		return proof(h), proven(ctx, r, h)
	}
	return p
}

// proof makes a result as verify.Image does. It reaches into the type, which
// nothing but a test may do.
func proof(h v1.Hash) verify.Result {
	var r verify.Result
	f := reflect.ValueOf(&r).Elem().FieldByName("digest")
	*(*v1.Hash)(unsafe.Pointer(f.UnsafeAddr())) = h
	return r
}

// proven looks for the proofs of an index and its images in the registry, as a
// verifier finds them: through the referrers API, the fallback tag, or tags.
func proven(ctx context.Context, r *registry.Registry, h v1.Hash) error {
	options, err := r.Remote(ctx)
	if err != nil {
		return err
	}
	index, err := remote.Index(r.Digest(h), options...)
	if err != nil {
		return err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return err
	}
	subjects := []v1.Hash{h}
	for _, d := range m.Manifests {
		subjects = append(subjects, d.Digest)
	}
	for i, s := range subjects {
		kinds := map[string]bool{}
		list, err := remote.Referrers(r.Digest(s), options...)
		if err != nil {
			return err
		}
		all, err := list.IndexManifest()
		if err != nil {
			return err
		}
		for _, d := range all.Manifests {
			img, err := remote.Image(r.Digest(d.Digest), options...)
			if err != nil {
				return err
			}
			layers, err := img.Layers()
			if err != nil {
				return err
			}
			for _, l := range layers {
				if _, err := l.Compressed(); err != nil {
					return err
				}
			}
			kinds[d.Annotations["predicateType"]] = true
		}
		for _, kind := range []string{"sig", "provenance"} {
			if _, there, err := r.Head(ctx, fallbackTag(s)+"."+kind); err != nil {
				return err
			} else if there {
				kinds[kind] = true
			}
		}
		if !kinds["sig"] || (i == 0 && !kinds["provenance"]) {
			return fmt.Errorf("%s lacks proofs, it has %v", s, slices.Collect(maps.Keys(kinds)))
		}
	}
	return nil
}

// publish converges and gives what was done and what went over the wire.
func (w *world) publish(want Desired) ([]string, registry.Stats) {
	w.t.Helper()
	p := w.publisher()
	out, err := p.Converge(w.t.Context(), want)
	ok(w.t, err)
	return lines(out.Done), p.Registry.Stats()
}

func lines(actions []Action) []string {
	out := make([]string, len(actions))
	for i, a := range actions {
		out[i] = a.String()
	}
	return out
}

// diff gives the lines of what is to be done.
func (w *world) diff(want Desired) ([]string, error) {
	w.t.Helper()
	have, err := w.publisher().Observe(w.t.Context(), want)
	ok(w.t, err)
	actions, err := Diff(want, have)
	return lines(actions), err
}

// tags gives all tags with their digests.
func (w *world) tags() map[string]string {
	w.t.Helper()
	ctx, r := context.Background(), w.publisher().Registry
	names, err := r.Tags(ctx)
	ok(w.t, err)
	out := map[string]string{}
	for _, n := range names {
		d, there, err := r.Head(ctx, n)
		ok(w.t, err)
		if !there {
			w.t.Errorf("tag %s is listed and not there", n)
		}
		out[n] = d.Digest.String()
	}
	return out
}

// want compares what tags stand at.
func (w *world) want(tags map[string]made) {
	w.t.Helper()
	have := w.tags()
	for tag, m := range tags {
		if have[tag] != m.want.Image.String() {
			w.t.Errorf("tag %s stands at %q, expected %s", tag, have[tag], m.want.Image)
		}
	}
}

// everything is all that can be seen: tags, referrers of all that tags point
// at, manifests, and the forge's files.
func (w *world) everything(wants ...Desired) map[string]string {
	w.t.Helper()
	ctx, r := context.Background(), w.publisher().Registry
	out := map[string]string{}
	for tag, digest := range w.tags() {
		out["tag "+tag] = digest
	}
	for _, want := range wants {
		for _, m := range want.Manifests {
			raw, _, _, err := r.Manifest(ctx, m.Digest.String())
			ok(w.t, err)
			out["manifest "+m.Digest.String()] = string(raw)
			list, _, err := r.Referrers(ctx, m.Digest)
			ok(w.t, err)
			for _, d := range list {
				text, err := json.Marshal(d)
				ok(w.t, err)
				out["referrer "+m.Digest.String()+" "+d.Digest.String()] = string(text)
			}
			for _, b := range m.Blobs {
				there, err := r.HasBlob(ctx, b.Digest)
				ok(w.t, err)
				out["blob "+b.Digest.String()] = fmt.Sprint(there)
			}
		}
	}
	maps.Copy(out, tree(w.t, w.releases))
	return out
}

func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) || err != nil || d.IsDir() {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out["file "+rel] = string(text)
		return err
	}))
	return out
}

var rollingForm = regexp.MustCompile(`^(latest|edge|nightly-.*|[0-9]+(\.[0-9]+)?)$`)

// invariants hold at every moment. Before are the tags of an earlier moment.
func (w *world) invariants(before map[string]string) {
	w.t.Helper()
	ctx, r := context.Background(), w.publisher().Registry
	now := w.tags()
	for tag, digest := range now {
		if rollingForm.MatchString(tag) {
			h, err := v1.NewHash(digest)
			ok(w.t, err)
			if err := proven(ctx, r, h); err != nil {
				w.t.Errorf("rolling tag %s: %v", tag, err)
			}
		}
	}
	for tag, digest := range before {
		if !rollingForm.MatchString(tag) && !strings.HasPrefix(tag, "sha256-") && now[tag] != digest {
			w.t.Errorf("immutable tag %s was at %s and is at %q", tag, digest, now[tag])
		}
	}
	public, err := filepath.Glob(filepath.Join(w.releases, "v*", "release.json"))
	ok(w.t, err)
	for _, path := range public {
		text, err := os.ReadFile(path)
		ok(w.t, err)
		var r forge.Release
		ok(w.t, json.Unmarshal(text, &r))
		found, err := forge.Directory(w.releases).Find(ctx, r.Tag)
		ok(w.t, err)
		if len(r.Assets) != 3 {
			w.t.Errorf("release %s is public and names %d assets", r.Tag, len(r.Assets))
		}
		for _, a := range r.Assets {
			if got, there := found.Find(a.Name); !there || got != a {
				w.t.Errorf("release %s is public and its asset %s is %v, expected %v", r.Tag, a.Name, got, a)
			}
		}
	}
}

// same compares two views of everything.
func same(t testing.TB, got, want map[string]string) {
	t.Helper()
	for k := range want {
		if got[k] != want[k] {
			t.Errorf("%s is %.200q, expected %.200q", k, got[k], want[k])
		}
	}
	for k := range got {
		if _, there := want[k]; !there {
			t.Errorf("%s is there, which should not be: %.200q", k, got[k])
		}
	}
}

func TestMain(m *testing.M) {
	logs.Warn.SetOutput(io.Discard)
	if text := os.Getenv(childKey); text != "" {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}
