// Package sbom lists what is really in a release: for each binary the crates
// that were linked into it, for each image the crates and the npm packages of
// its frontend, as SPDX 2.3 and CycloneDX 1.6 documents in JSON. It drives
// syft's catalogers over exactly the files concerned, and the documents are
// functions of the commit: no clock and no random number goes into them. It
// knows bundle and product.
package sbom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/anchore/syft/syft/artifact"
	"github.com/anchore/syft/syft/pkg"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Write makes the SBOMs of all binaries and images of the bundle and adds them
// to its files: "<asset>.spdx.json" and "<asset>.cdx.json" for a binary,
// "<product>-image-<os>-<arch>.spdx.json" and so on for an image, and
// "<file>.spdx.json" alone for a package or an archive. Checkout is
// the product's checkout at the bundle's commit.
//
// The crates come from the list that the build embeds in a binary (the section
// .dep-v0, as cargo-auditable writes it). The npm packages are the runtime
// dependencies of the frontend's package-lock.json: a bundler puts those into
// what the browser gets, while development dependencies (the bundler, test
// runners, types) stay on the build machine and are left out.
//
// A binary that names no crate, and a frontend without any package, are errors:
// such a document would look like an answer and be none.
func Write(ctx context.Context, b *bundle.Bundle, p product.Product, checkout string) error {
	_, index, ok, err := b.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading the image index: %w", err)
	}
	if !ok {
		return errors.New("the bundle has no image yet: the SBOMs describe it by digest, so it is made first")
	}
	var npm contents
	if p.Frontend != nil {
		lock := filepath.Join(checkout, filepath.FromSlash(p.Frontend.Dir), "package-lock.json")
		if npm, err = npmPackages(ctx, lock, path.Join("/", p.Frontend.Dir, "package-lock.json"), origin(b, p)); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	// Nothing is begun before all that is wanted was found: what was begun would
	// go on behind the caller's back.
	var work []func() error
	for _, t := range p.Cargo.Targets {
		binary, ok := b.Find(bundle.Binary, t.Asset)
		if !ok {
			return fmt.Errorf("the bundle has no binary %s: it is built before its SBOM", t.Asset)
		}
		image, err := platform(index, t)
		if err != nil {
			return err
		}
		work = append(work,
			func() error { return writeBinary(ctx, b, p, t, binary) },
			func() error { return writeImage(ctx, b, p, t, binary, image, npm) },
			func() error { return writePackages(ctx, b, p, t, binary, npm) })
	}
	for _, do := range work {
		group.Go(do)
	}
	return group.Wait()
}

func platform(index v1.IndexManifest, t product.Target) (v1.Descriptor, error) {
	for _, d := range index.Manifests {
		if d.Platform != nil && d.Platform.OS == t.OS && d.Platform.Architecture == t.Arch {
			return d, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("the image index has no image for %s: delete the bundle's directory and build it again", t.Platform())
}

func writeBinary(ctx context.Context, b *bundle.Bundle, p product.Product, t product.Target, binary v1.Descriptor) error {
	found, err := crates(ctx, b.Path(binary.Digest), t.Asset, "/"+t.Asset, origin(b, p))
	if err != nil {
		return err
	}
	return store(b, t.Asset, document{
		subject: binary.Digest, name: t.Asset, version: b.Plan.Version, supplier: p.Vendor,
		namespace: p.Source + "/sbom/" + t.Asset,
		created:   b.Plan.CommitTime.UTC(), contents: found,
	})
}

func writeImage(ctx context.Context, b *bundle.Bundle, p product.Product, t product.Target, binary, image v1.Descriptor, npm contents) error {
	found, err := crates(ctx, b.Path(binary.Digest), t.Asset, p.Image.BinaryPath, origin(b, p))
	if err != nil {
		return err
	}
	return store(b, fmt.Sprintf("%s-image-%s-%s", p.Name, t.OS, t.Arch), document{
		subject: image.Digest, name: path.Base(p.Image.Repository), version: b.Plan.Version, supplier: p.Vendor,
		image:     &imageName{repository: p.Image.Repository, arch: t.Arch},
		namespace: p.Source + "/sbom/image-" + t.OS + "-" + t.Arch,
		created:   b.Plan.CommitTime.UTC(), contents: found.plus(npm),
	})
}

// format is a form of a document.
type format struct {
	suffix, media string
	encode        func(document) ([]byte, error)
}

var (
	spdxFormat      = format{".spdx.json", intoto.SPDXMedia, document.spdx}
	cycloneDXFormat = format{".cdx.json", intoto.CycloneDXMedia, document.cycloneDX}
)

// store encodes a document in both formats and adds them to the files.
func store(b *bundle.Bundle, base string, d document) error {
	return storeAs(b, base, d, spdxFormat, cycloneDXFormat)
}

func storeAs(b *bundle.Bundle, base string, d document, formats ...format) error {
	for _, f := range formats {
		text, err := f.encode(d)
		if err != nil {
			return fmt.Errorf("writing %s%s: %w", base, f.suffix, err)
		}
		blob, err := b.Ingest(bytes.NewReader(text))
		if err != nil {
			return err
		}
		entry := blob.Descriptor(f.media, base+f.suffix)
		entry.Annotations[bundle.DescribesKey] = d.subject.String()
		if err := b.Add(bundle.File, entry); err != nil {
			return err
		}
	}
	return nil
}

// origin is the vcs_url of packages that come from the product's own
// repository.
func origin(b *bundle.Bundle, p product.Product) string {
	return "git+" + p.Source + "@" + b.Plan.Commit
}

// document is an SBOM before it is encoded.
type document struct {
	// subject is the digest of what is described.
	subject       v1.Hash
	name, version string
	supplier      string
	// image is nil for a binary.
	image *imageName
	// namespace and subject make the document's own name.
	namespace string
	created   time.Time
	contents
}

type imageName struct{ repository, arch string }

// uri names the document: another subject, another document.
func (d document) uri() string { return d.namespace + "-" + d.subject.Hex }

// contents are the packages found and what depends on what.
type contents struct {
	packages  []pkg.Package
	relations []artifact.Relationship
}

func (c contents) plus(o contents) contents {
	return contents{
		packages:  append(append([]pkg.Package{}, c.packages...), o.packages...),
		relations: append(append([]artifact.Relationship{}, c.relations...), o.relations...),
	}
}

// NoCratesError says that a binary does not tell what it was built from.
type NoCratesError struct {
	// Asset is the binary's file name.
	Asset string
}

func (e *NoCratesError) Error() string {
	return fmt.Sprintf("the binary %s names no crate it was built from (no list in a section .dep-v0), so its SBOM would be empty: it was built without the embedded dependency list, or stripped of all sections; build it with this suite, or with cargo auditable", e.Asset)
}

// NoPackagesError says that a lock file lists nothing that reaches a browser.
type NoPackagesError struct {
	// Lock is the lock file's path.
	Lock string
}

func (e *NoPackagesError) Error() string {
	return fmt.Sprintf("%s lists no runtime dependency, so the image's SBOM would show no npm package of its frontend: what the frontend ships belongs under \"dependencies\" in package.json, not under \"devDependencies\"; run `npm install --save-prod PACKAGE`", e.Lock)
}

func missingFile(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing: it names the npm packages of the frontend; run `npm install --package-lock-only` in %s and commit it", name, strings.TrimSuffix(name, "/package-lock.json"))
	}
	return err
}
