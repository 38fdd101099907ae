package packages_test

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/elfkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

var ok, says = testkit.OK, testkit.Says

const log = `# Changelog

## [Unreleased]

### Added

- Files can be *shared*, with a link that is long enough to be broken into more than one line of the changelog.

## [0.3.0] - 2026-02-01

### Fixed

- An upload of 100% is whole.

## [0.2.0-nightly.1] - 2026-01-15

### Added

- What no package has a version for.

## [0.1.0] - 2026-01-01

### Added

- A beginning.

[Unreleased]: https://github.com/kubedoio/rustshare/compare/v0.3.0...HEAD
[0.3.0]: https://github.com/kubedoio/rustshare/compare/v0.1.0...v0.3.0
[0.1.0]: https://github.com/kubedoio/rustshare/releases/tag/v0.1.0
`

// made is a bundle with an image, and what is packed with it.
type made struct {
	*bundle.Bundle
	p  product.Product
	in packages.Input
}

// prepare makes a bundle with binaries of that content.
func prepare(t testing.TB, p product.Product, ref string, content func(product.Target) []byte) made {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		ok(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		ok(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	license, err := os.ReadFile("../../../LICENSE")
	ok(t, err)
	put("checkout/LICENSE", string(license))
	put("checkout/README.md", "# RustShare\n\nShares files.\n")
	put("checkout/CHANGELOG.md", log)
	put("build/index.html", "<h1>hello</h1>\n")
	put("build/assets/[id]-ü.js", "alert(1)\n")
	r, err := decide.ParseRef(ref, p.Branches.Main)
	ok(t, err)
	commitTime := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	b, err := bundle.Create(filepath.Join(dir, "bundle"), decide.Plan{
		Product: p.Name, Ref: r, Version: "0.4.0", Commit: "0123456789abcdef0123456789abcdef01234567", CommitTime: commitTime,
	})
	ok(t, err)
	for _, target := range p.Cargo.Targets {
		blob, err := b.Ingest(bytes.NewReader(content(target)))
		ok(t, err)
		d := blob.Descriptor("application/x-executable", target.Asset)
		d.Annotations[bundle.TargetKey], d.Annotations[bundle.PlatformKey] = target.Triple, target.Platform()
		ok(t, b.Add(bundle.Binary, d))
	}
	_, err = image.Assemble(t.Context(), b, p, image.Input{
		Commit: b.Plan.Commit, CommitTime: commitTime, Version: "0.4.0", FrontendDir: filepath.Join(dir, "build"),
	})
	ok(t, err)
	v, err := packages.VersionOf(r.Version)
	ok(t, err)
	return made{b, p, packages.Input{Checkout: filepath.Join(dir, "checkout"), Version: v}}
}

func fake(target product.Target) []byte {
	machine := elf.EM_X86_64
	if target.Arch == "arm64" {
		machine = elf.EM_AARCH64
	}
	return elfkit.Executable(machine, elfkit.Crates(), 100_000)
}

// pack makes everything and gives the entries by title.
func (m made) pack(t testing.TB) map[string]v1.Descriptor {
	t.Helper()
	_, err := packages.Make(t.Context(), m.Bundle, m.p, m.in)
	ok(t, err)
	out := map[string]v1.Descriptor{}
	for _, d := range m.Entries(bundle.File) {
		out[d.Annotations[bundle.TitleKey]] = d
	}
	return out
}

// export links the packages into a directory, by their names.
func (m made) export(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for title, d := range m.pack(t) {
		text, err := os.ReadFile(m.Path(d.Digest))
		ok(t, err)
		ok(t, os.WriteFile(filepath.Join(dir, title), text, 0o644))
	}
	return dir
}
