package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// page writes what a release page has into a directory.
func page(t testing.TB, key *attest.Key, b *bundle.Bundle) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range b.Assets() {
		text, err := os.ReadFile(b.Path(d.Digest))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, d.Annotations[bundle.TitleKey]), text, 0o644))
	}
	signSums(t, key, dir)
	return dir
}

// signSums signs the list of checksums that lies in a directory.
func signSums(t testing.TB, key *attest.Key, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, bundle.SumsName))
	must(t, err)
	signed, err := key.Blob(t.Context(), text)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, bundle.SumsName+".sigstore.json"), signed, 0o644))
}

func TestFiles(t *testing.T) {
	key := newKey(t)
	r := signed(t, key, fixture.Options{})
	must(t, r.Bundle.WriteSums())
	binary := r.Product.Cargo.Targets[0].Asset
	other := r.Product.Cargo.Targets[1].Asset
	provenance := attest.ProvenanceName(r.Bundle.Plan, r.Product)

	edit := func(name string, f func([]byte) []byte) func(testing.TB, string) {
		return func(t testing.TB, dir string) {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, f(text), 0o644))
		}
	}
	remove := func(name string) func(testing.TB, string) {
		return func(t testing.TB, dir string) { must(t, os.Remove(filepath.Join(dir, name))) }
	}
	resign := func(f func(testing.TB, string)) func(testing.TB, string) {
		return func(t testing.TB, dir string) {
			f(t, dir)
			signSums(t, key, dir)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(testing.TB, string)
		want   verify.Expect
		// says is what the error says, "" where there is none.
		says string
	}{
		{"as released", nil, expect, ""},
		{"not all of it", func(t testing.TB, dir string) { remove(other)(t, dir); remove(other+".spdx.json")(t, dir) }, expect, ""},
		{"another commit", nil, verify.Expect{Commit: strings.Repeat("9", 40)}, `it names the commit "` + fixture.Commit},
		{"another tag", nil, verify.Expect{Ref: "refs/tags/v0.5.0"}, `want "refs/tags/v0.5.0"`},
		{"no list", remove(bundle.SumsName), expect, "has no SHA256SUMS: download it"},
		{"list not signed", remove(bundle.SumsName + ".sigstore.json"), expect, "has no SHA256SUMS.sigstore.json"},
		{"list changed", edit(bundle.SumsName, func(b []byte) []byte { return append([]byte(strings.Repeat("0", 64)+"  extra\n"), b...) }), expect, "the signature of SHA256SUMS does not count"},
		{"list signed by another", func(t testing.TB, dir string) { signSums(t, newKey(t), dir) }, expect, "it is not signed by the key"},
		{"list truncated", edit(bundle.SumsName, func(b []byte) []byte { return b[:len(b)-9] }), expect, "the signature of SHA256SUMS does not count"},
		{"list with a line twice", resign(edit(bundle.SumsName, func(b []byte) []byte { return slices.Concat(b, b) })), expect, "a second time"},
		{"signature is no bundle", edit(bundle.SumsName+".sigstore.json", func([]byte) []byte { return []byte("{}") }), expect, "it is no Sigstore bundle"},
		{"signature of a statement", func(t testing.TB, dir string) {
			text, err := os.ReadFile(filepath.Join(dir, provenance))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, bundle.SumsName+".sigstore.json"), text, 0o644))
		}, expect, "the bundle signs another statement"},
		{"no provenance", remove(provenance), expect, "has no file *.provenance.sigstore.json"},
		{"two provenances", func(t testing.TB, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "other.provenance.sigstore.json"), []byte("{}"), 0o644))
		}, expect, "more than one file"},
		{"provenance damaged", edit(provenance, func(b []byte) []byte { return b[:len(b)/2] }), expect, "it is no Sigstore bundle"},
		{"binary changed", edit(binary, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), expect, binary + " has sha256 "},
		{"binary truncated", edit(binary, func(b []byte) []byte { return b[:len(b)-1] }), expect, "it is damaged or not what was released"},
		{"binary and list changed, list signed again", resign(func(t testing.TB, dir string) {
			edit(binary, func(b []byte) []byte { return append(b, 0) })(t, dir)
			relist(t, dir, binary)
		}), expect, "the provenance names no file with sha256"},
		{"file added", func(t testing.TB, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "run-me.sh"), []byte("#!/bin/sh\n"), 0o755))
		}, expect, "run-me.sh is in no line of SHA256SUMS"},
		{"SBOM of another binary", resign(func(t testing.TB, dir string) {
			text, err := os.ReadFile(filepath.Join(dir, other+".spdx.json"))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, binary+".spdx.json"), text, 0o644))
			relist(t, dir, binary+".spdx.json")
		}), expect, "it is the SBOM of another file"},
		{"SBOM emptied", resign(func(t testing.TB, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, binary+".cdx.json"), []byte(`{"bomFormat":"CycloneDX"}`), 0o644))
			relist(t, dir, binary+".cdx.json")
		}), expect, binary + ".cdx.json"},
		{"a link", func(t testing.TB, dir string) { must(t, os.Symlink(binary, filepath.Join(dir, "latest"))) }, expect, "latest is no plain file"},
		{"nothing", func(t testing.TB, dir string) { must(t, os.RemoveAll(dir)); must(t, os.Mkdir(dir, 0o755)) }, expect, "is empty: download the files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := page(t, key, r.Bundle)
			if tt.change != nil {
				tt.change(t, dir)
			}
			got, err := verify.Files(dir, verify.Trust{Key: key.PublicPEM()}, tt.want)
			if got.Passed != (tt.says == "") {
				t.Errorf("passed: %v, with %+v", got.Passed, got.Checks)
			}
			if tt.says == "" {
				must(t, err)
				return
			}
			testkit.Says(t, err, tt.says)
		})
	}
	t.Run("what was found", func(t *testing.T) {
		dir := page(t, key, r.Bundle)
		remove(other)(t, dir)
		got, err := verify.Files(dir, verify.Trust{Key: key.PublicPEM()}, expect)
		must(t, err)
		if !slices.Equal(got.Absent, []string{other}) || got.Provenance == nil || got.Provenance.Commit != fixture.Commit || !strings.Contains(got.Signer, key.Fingerprint()) {
			t.Errorf("got %+v", got)
		}
		if !slices.ContainsFunc(got.Files, func(f verify.File) bool { return f.Name == binary && f.Size > 0 }) {
			t.Errorf("%s is not among %+v", binary, got.Files)
		}
	})
}

// relist brings a file's line of the list up to date.
func relist(t testing.TB, dir, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	path := filepath.Join(dir, bundle.SumsName)
	list, err := os.ReadFile(path)
	must(t, err)
	var out bytes.Buffer
	for line := range strings.Lines(string(list)) {
		if strings.TrimSpace(line[64:]) == name {
			line = sha(text) + "  " + name + "\n"
		}
		out.WriteString(line)
	}
	must(t, os.WriteFile(path, out.Bytes(), 0o644))
}

func sha(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
