package pipeline

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/reproduce"
)

// TestReproduciblePackages builds a release with packages of all formats, signed
// where a format knows signatures, again without the keys.
func TestReproduciblePackages(t *testing.T) {
	p, _ := packedTiny(t)
	p.Packages.Formats = append(p.Packages.Formats, product.Arch, product.TarZst)
	p.Forge, p.Install = product.Forge{Kind: product.ForgeDirectory, URL: "https://git.example.org/tiny/tiny"}, &product.Install{Command: "tinyd"}
	k := newPackageKeys(t)
	files := maps.Clone(k.pinned)
	files["README.md"] = "# Tiny\n"
	w, e := variant(t, p, files)
	maps.Copy(w.env, k.env)
	w.serve(registries.All()["embedded"](t))
	// Content that was made without the keys becomes a signed release.
	without := w.Suite
	without.Getenv = func(name string) string {
		if _, secret := k.env[name]; secret {
			return ""
		}
		return w.env[name]
	}
	ok(t, without.BuildBundle(t.Context(), ContentOrder{Ref: e.Ref}))
	ok(t, w.play(t.Context(), e))

	kept := map[string]reproduce.Verdict{
		"tiny_0.2.0_amd64.deb": reproduce.Signature, "tiny-0.2.0-1.x86_64.rpm": reproduce.Signature, "tiny_0.2.0-r0_x86_64.apk": reproduce.Signature,
		"tiny_0.2.0_arm64.deb": reproduce.Signature, "tiny-0.2.0-1.aarch64.rpm": reproduce.Signature, "tiny_0.2.0-r0_aarch64.apk": reproduce.Signature,
		"tiny-0.2.0-1-x86_64.pkg.tar.zst": reproduce.Identical, "tiny-0.2.0-linux-amd64.tar.gz": reproduce.Identical, "tiny-0.2.0-linux-arm64.tar.zst": reproduce.Identical,
		"tiny-0.2.0-1-x86_64.pkg.tar.zst.spdx.json": reproduce.Identical, "tiny_0.2.0_amd64.deb.spdx.json": reproduce.Follows,
		"install.sh": reproduce.Identical, "tinyd-x86_64-linux": reproduce.Identical,
	}
	check := func(t *testing.T, out Reproduction, of func(name string) bool) {
		t.Helper()
		t.Logf("%s\n%s", out.Report, describeReport(out.Report))
		if !out.Same {
			t.Error("it is not the same")
		}
		for name, want := range kept {
			if !slices.ContainsFunc(out.Artifacts, func(a reproduce.Artifact) bool { return a.Name == name && a.Verdict == want }) {
				t.Errorf("%s is not %s", name, want)
			}
		}
		// Each file of the page was compared, or it is said why not.
		b, err := bundle.Open(w.dist(e.Ref))
		ok(t, err)
		for _, d := range b.Assets() {
			name := d.Annotations[bundle.TitleKey]
			is := func(said string) bool {
				return said == name || strings.HasPrefix(said, name+" ") || strings.HasSuffix(said, " "+name)
			}
			if of(name) && !slices.ContainsFunc(out.Artifacts, func(a reproduce.Artifact) bool { return is(a.Name) }) &&
				!slices.ContainsFunc(out.LeftOut, func(l reproduce.LeftOut) bool { return is(l.Name) }) {
				t.Errorf("%s was skipped without a word", name)
			}
		}
	}
	every := func(string) bool { return true }
	t.Run("bundle", func(t *testing.T) {
		out, err := w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Ref: e.Ref})
		check(t, out, every)
		ok(t, err)
		left := describeReport(out.Report)
		for _, name := range []string{"plan.json", "built.json", "SHA256SUMS.sigstore.json", "SHA256SUMS.sig", "the signature inside tiny_0.2.0_amd64.deb"} {
			if !strings.Contains(left, "left out: "+name+" | ") {
				t.Errorf("nothing says that %s was left out", name)
			}
		}
	})
	t.Run("published", func(t *testing.T) {
		image := w.outcomes[0].Plan.Image + "@" + w.outcomes[0].Digest.String()
		w.out.Reset()
		err := w.Reproduce(t.Context(), ReproduceQuery{Image: image, JSON: true})
		var out Reproduction
		ok(t, json.Unmarshal(w.out.Bytes(), &out))
		check(t, out, every)
		ok(t, err)
	})
}
