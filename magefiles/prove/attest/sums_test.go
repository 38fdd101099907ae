package attest_test

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
)

// file writes a file of the bundle into a directory.
func file(t testing.TB, b *bundle.Bundle, title, dir string) []byte {
	t.Helper()
	d, ok := b.Find(bundle.File, title)
	if !ok {
		t.Fatalf("the bundle has no file %s", title)
	}
	text, err := os.ReadFile(b.Path(d.Digest))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, title), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// counted counts what it signs.
type counted struct {
	*attest.Key
	blobs int
}

func (c *counted) Blob(ctx context.Context, text []byte) ([]byte, error) {
	c.blobs++
	return c.Key.Blob(ctx, text)
}

// The list is signed in two forms, neither of which it lists; signing again
// keeps both, and another key makes its own.
func TestWriteSums(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	key := newKey(t)
	dir := t.TempDir()
	var before map[string]string
	for range 3 {
		if err := attest.WriteSums(t.Context(), r.Bundle, key); err != nil {
			t.Fatal(err)
		}
		now := map[string]string{}
		for _, title := range []string{bundle.SumsName, attest.SumsBundle, attest.SumsSignature} {
			now[title] = string(file(t, r.Bundle, title, dir))
			if before != nil && before[title] != now[title] {
				t.Errorf("%s changed: %s", title, now[title])
			}
		}
		before = now
	}
	if again := (&counted{Key: key}); attest.WriteSums(t.Context(), r.Bundle, again) != nil || again.blobs != 0 {
		t.Errorf("it was signed %d times again", again.blobs)
	}
	if n := strings.Count(before[bundle.SumsName], "\n"); n != 2 || strings.Contains(before[bundle.SumsName], bundle.SumsName) {
		t.Errorf("the list is\n%s", before[bundle.SumsName])
	}
	// openssl takes what the base64 stands for.
	signature, err := base64.StdEncoding.DecodeString(before[attest.SumsSignature])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"sig.der": signature, "cosign.pub": key.PublicPEM(), "other.pub": newKey(t).PublicPEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	openssl := func(key string) error {
		cmd := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-verify", key, "-signature", "sig.der", bundle.SumsName)
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := openssl("cosign.pub"); err != nil {
		t.Errorf("openssl: %v", err)
	}
	if openssl("other.pub") == nil {
		t.Error("openssl accepts another key")
	}
	other := newKey(t)
	if err := attest.WriteSums(t.Context(), r.Bundle, other); err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{attest.SumsBundle, attest.SumsSignature} {
		if string(file(t, r.Bundle, title, dir)) == before[title] {
			t.Errorf("%s is still the other key's", title)
		}
	}
}

// Cosign's own command line takes both forms.
func TestCosignSums(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	key, dir := newKey(t), t.TempDir()
	if err := attest.WriteSums(t.Context(), r.Bundle, key); err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{bundle.SumsName, attest.SumsBundle, attest.SumsSignature} {
		file(t, r.Bundle, title, dir)
	}
	for name, text := range map[string][]byte{"cosign.pub": key.PublicPEM(), "other.pub": newKey(t).PublicPEM(), "changed": []byte("x\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	emptyRoot(t, dir)
	for _, form := range [][]string{
		append([]string{"--bundle", attest.SumsBundle}, bundleFlags...),
		{"--signature", attest.SumsSignature},
	} {
		for _, c := range []struct {
			key, name string
			fine      bool
		}{{"cosign.pub", bundle.SumsName, true}, {"other.pub", bundle.SumsName, false}, {"cosign.pub", "changed", false}} {
			args := append([]string{"verify-blob", "--insecure-ignore-tlog", "--key", c.key}, form...)
			if out, err := cosign(t, dir, append(args, c.name)...); (err == nil) != c.fine {
				t.Errorf("cosign verify-blob %v with %s of %s: %v\n%s", form, c.key, c.name, err, out)
			}
		}
	}
}

// What proves the files is no subject of the provenance: signing once more, when
// the list has its signatures, keeps the statement of the first time.
func TestProvenanceWithSums(t *testing.T) {
	r := fixture.New(t, fixture.Options{})
	if err := sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	o := attest.Options{Signer: key, Builder: attest.Builder{ID: "https://ci.example/release", Started: time.Unix(1, 0)}}
	var first string
	for range 2 {
		if _, err := attest.Write(t.Context(), r.Bundle, r.Product, o); err != nil {
			t.Fatal(err)
		}
		if err := attest.WriteSums(t.Context(), r.Bundle, key); err != nil {
			t.Fatal(err)
		}
		now := string(file(t, r.Bundle, attest.ProvenanceName(r.Bundle.Plan, r.Product), t.TempDir()))
		if first == "" {
			first = now
		}
		if now != first {
			t.Errorf("the provenance was made again:\n%s", now)
		}
		o.Builder.Started = time.Unix(100, 0)
	}
}
