package attest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// cosign runs cosign's own command line, away from any configuration and any
// network but loopback.
func cosign(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.Cosign(t), args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "TUF_ROOT=" + filepath.Join(dir, "tuf"), "HTTPS_PROXY=http://127.0.0.1:9", "COSIGN_PASSWORD=s3cret", "PATH=" + os.Getenv("PATH")}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// subjects are index and images, and the binaries' artifacts.
func subjects(t *testing.T, b *bundle.Bundle, repo name.Repository) (images, binaries []string) {
	t.Helper()
	d, index, _, err := b.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	images = append(images, repo.Digest(d.Digest.String()).Name())
	for _, m := range index.Manifests {
		images = append(images, repo.Digest(m.Digest.String()).Name())
	}
	for _, e := range b.Entries(bundle.Artifact) {
		if e.ArtifactType == bundle.BinaryArtifact {
			binaries = append(binaries, repo.Digest(e.Digest.String()).Name())
		}
	}
	return images, binaries
}

// bundleFlags make cosign look at bundles. It wants a trusted root for them even
// where a key is all that is trusted; an empty one will do, and saves it from
// asking the public Sigstore for its own.
var bundleFlags = []string{"--new-bundle-format", "--trusted-root", "trusted-root.json"}

// emptyRoot makes the file that bundleFlags name.
func emptyRoot(t *testing.T, dir string) {
	t.Helper()
	if out, err := cosign(t, dir, "trusted-root", "create", "--out", "trusted-root.json"); err != nil {
		t.Fatalf("cosign trusted-root create: %v\n%s", err, out)
	}
}

// Cosign's own command line is content with our proofs, and not with another
// key.
func TestCosign(t *testing.T) {
	for _, c := range []struct {
		name      string
		format    product.ProofFormat
		referrers bool
		flags     []string
		// short looks at one subject of each kind only: a run takes a while.
		short bool
	}{
		{"bundles", product.ProofBundles, true, bundleFlags, false},
		{"bundles, fallback tag", product.ProofBundles, false, bundleFlags, true},
		{"tags", product.ProofTags, false, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, other := t.TempDir(), t.TempDir()
			key := newKey(t)
			for d, k := range map[string]*attest.Key{dir: key, other: newKey(t)} {
				if err := k.Save(d, []byte("s3cret")); err != nil {
					t.Fatal(err)
				}
				emptyRoot(t, d)
			}
			r := release(t, fixture.Options{Proofs: c.format})
			results := []attest.Result{tried(t, r.Bundle, "drill:restore", record.Pass), tried(t, r.Bundle, "smoke:pilot", record.Pass)}
			if _, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: builder, Results: results}); err != nil {
				t.Fatal(err)
			}
			repo := fixture.Registry(t, c.referrers)
			fixture.Push(t, r.Bundle, repo)
			images, binaries := subjects(t, r.Bundle, repo)

			check := func(where, subject string, command ...string) string {
				t.Helper()
				args := append(append(command, c.flags...), "--key", "cosign.pub", "--insecure-ignore-tlog", subject)
				out, err := cosign(t, where, args...)
				if where == dir && err != nil {
					t.Errorf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
				}
				if where == other && err == nil {
					t.Errorf("cosign %s is content with the wrong key:\n%s", strings.Join(args, " "), out)
				}
				return out
			}
			attested := slices.Concat(images, binaries)
			if c.short {
				images, attested = images[:2], attested[:1]
			}
			for _, image := range images {
				check(dir, image, "verify")
			}
			for _, kind := range []string{"slsaprovenance1", "spdxjson", "cyclonedx"} {
				for _, subject := range attested {
					check(dir, subject, "verify-attestation", "--type", kind)
				}
				check(other, images[0], "verify-attestation", "--type", kind)
			}
			for _, subject := range images[:2] { // the index and the image that was run
				out := check(dir, subject, "verify-attestation", "--type", intoto.TestResult)
				if got := strings.Join(passed(t, out), " "); got != "drill:restore smoke:pilot" {
					t.Errorf("of %s cosign says that it passed %q:\n%s", subject, got, out)
				}
			}
			check(other, images[0], "verify-attestation", "--type", intoto.TestResult)
			check(other, images[0], "verify")
			check(other, images[1], "verify")
		})
	}
}

// passed gives the names of what passed, by the statements that cosign printed.
func passed(t *testing.T, out string) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(out) {
		var envelope struct{ Payload []byte }
		if json.Unmarshal([]byte(line), &envelope) != nil {
			continue // for people
		}
		s, err := intoto.Decode(envelope.Payload)
		if err != nil {
			t.Fatal(err)
		}
		run, err := intoto.DecodeTestRun(s)
		if err != nil {
			t.Fatal(err)
		}
		if run.Result == intoto.Passed {
			names = append(names, run.Configuration[0].Name)
		}
	}
	slices.Sort(names)
	return names
}

// A downloaded binary is verified with the release's provenance file.
func TestCosignBlob(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t)
	if err := key.Save(dir, []byte("s3cret")); err != nil {
		t.Fatal(err)
	}
	r := release(t, fixture.Options{})
	write(t, r, key)
	emptyRoot(t, dir)
	const asset, file = "rustshare-backend-aarch64-linux", "rustshare-0.4.0.provenance.sigstore.json"
	for role, title := range map[bundle.Role]string{bundle.Binary: asset, bundle.File: file} {
		d, ok := r.Bundle.Find(role, title)
		if !ok {
			t.Fatalf("the bundle has no %s", title)
		}
		text, err := os.ReadFile(r.Bundle.Path(d.Digest))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, title), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"verify-blob-attestation"}, bundleFlags...)
	args = append(args, "--bundle", file, "--key", "cosign.pub", "--type", "slsaprovenance1", "--insecure-ignore-tlog", asset)
	if out, err := cosign(t, dir, args...); err != nil {
		t.Errorf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	f, err := os.OpenFile(filepath.Join(dir, asset), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("x")
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cosign(t, dir, args...); err == nil {
		t.Errorf("cosign is content with a changed binary:\n%s", out)
	}
}

// Cosign's command line accepts a key that we saved, and we one that it made.
func TestCosignKey(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t)
	if err := key.Save(dir, []byte("s3cret")); err != nil {
		t.Fatal(err)
	}
	out, err := cosign(t, dir, "public-key", "--key", "cosign.key")
	if err != nil || !strings.Contains(out, string(key.PublicPEM())) {
		t.Errorf("cosign public-key: %v\n%s\nwant\n%s", err, out, key.PublicPEM())
	}
	if out, err := cosign(t, dir, "generate-key-pair", "--output-key-prefix", "theirs"); err != nil {
		t.Fatalf("cosign generate-key-pair: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "theirs.key"))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := attest.ParseKey(text, func() ([]byte, error) { return []byte("s3cret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "theirs.pub"))
	if err != nil || !bytes.Equal(public, theirs.PublicPEM()) {
		t.Errorf("cosign's own public key is %s (%v), ours of its private one %s", public, err, theirs.PublicPEM())
	}
}

// What we write differs from what cosign's command line writes for the same
// image in the signature and the time alone.
func TestCosignForm(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t)
	if err := key.Save(dir, []byte("s3cret")); err != nil {
		t.Fatal(err)
	}
	r := release(t, fixture.Options{})
	write(t, r, key)
	repo := fixture.Registry(t, true)
	ref := fixture.Push(t, r.Bundle, repo, func(d v1.Descriptor) bool { return d.ArtifactType != bundle.BinaryArtifact })
	out, err := cosign(t, dir, "sign", "--new-bundle-format", "--key", "cosign.key", "--tlog-upload=false", "--yes", ref.Name())
	if err != nil {
		t.Fatalf("cosign sign: %v\n%s", err, out)
	}
	index, err := remote.Referrers(ref)
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]any{}
	var theirBundle []byte
	for _, d := range list.Manifests {
		got, err := remote.Get(repo.Digest(d.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		var m v1.Manifest
		if err := json.Unmarshal(got.Manifest, &m); err != nil {
			t.Fatal(err)
		}
		if m.ArtifactType == bundle.BinaryArtifact {
			continue
		}
		theirs = stripped(t, got.Manifest)
		layer, err := remote.Layer(repo.Digest(m.Layers[0].Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if theirBundle, err = io.ReadAll(stream); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := statement(t, r.Bundle, "index.signature")
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if ours := stripped(t, text); !reflect.DeepEqual(ours, theirs) {
		t.Errorf("we write the manifest\n%v\ncosign writes\n%v", ours, theirs)
	}
	ourBundle, err := os.ReadFile(r.Bundle.Path(m.Layers[0].Digest))
	if err != nil {
		t.Fatal(err)
	}
	if ours, theirs := stripped(t, ourBundle), stripped(t, theirBundle); !reflect.DeepEqual(ours, theirs) {
		t.Errorf("we write the bundle\n%v\ncosign writes\n%v", ours, theirs)
	}
}

// stripped decodes JSON and takes out what may differ: the signature, the
// time and what follows from them.
func stripped(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if notes, ok := out["annotations"].(map[string]any); ok {
		delete(notes, "org.opencontainers.image.created")
	}
	if layers, ok := out["layers"].([]any); ok {
		for _, l := range layers {
			delete(l.(map[string]any), "digest")
			delete(l.(map[string]any), "size")
		}
	}
	if envelope, ok := out["dsseEnvelope"].(map[string]any); ok {
		for _, s := range envelope["signatures"].([]any) {
			delete(s.(map[string]any), "sig")
		}
		payload, err := base64.StdEncoding.DecodeString(envelope["payload"].(string))
		if err != nil {
			t.Fatal(err)
		}
		envelope["payload"] = stripped(t, payload) // its white space is cosign's own
	}
	return out
}
