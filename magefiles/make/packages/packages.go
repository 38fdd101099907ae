// Package packages packs a release for the systems that it is installed on:
// deb, rpm, apk and pacman packages, and plain archives. They hold the very
// binary of the bundle and the very frontend of its image, and are functions of
// the commit, the version and the key alone. It knows bundle, decide, paperwork
// and product.
package packages

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/goreleaser/nfpm/v2"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Input is what packages are made of, besides the bundle.
type Input struct {
	// Checkout is the product's checkout at the bundle's commit: licence, readme
	// and changelog come from it.
	Checkout string
	Version  Version
	// Signer is nil where packages are not signed.
	Signer *Signer
}

// Made says what came of a run.
type Made struct {
	// New were made by this run, Kept were there.
	New, Kept int
}

// atOnce is how many are made side by side: each holds its content in memory.
const atOnce = 2

// job is one package or archive to make.
type job struct {
	format product.PackageFormat
	target product.Target
	title  string
	media  string
	// signed is the fingerprint of the key that it is signed with.
	signed string
}

// Titles names the packages and archives of a version, target by target. A "~"
// of the version is a dot in them, as GitHub would make it on its own.
func Titles(p product.Product, v Version) []string {
	var out []string
	for _, j := range jobs(p, v, nil) {
		out = append(out, j.title)
	}
	return out
}

func jobs(p product.Product, v Version, s *Signer) []job {
	if p.Packages == nil {
		return nil
	}
	var out []job
	for _, t := range p.Cargo.Targets {
		for _, f := range p.Packages.Formats {
			j := job{format: f, target: t, media: media[f], signed: s.fingerprint(f)}
			if packager, ok := packagers[f]; ok {
				j.title = strings.ReplaceAll(packager.ConventionalFileName(about(p, v, t, f, time.Time{})), "~", ".")
			} else {
				j.title = archiveName(p, v, t) + "." + string(f)
			}
			out = append(out, j)
		}
	}
	return out
}

// Make makes the packages and archives of the bundle and attaches them to its
// image. One that is there, signed by the same key, is not made again.
func Make(ctx context.Context, b *bundle.Bundle, p product.Product, in Input) (Made, error) {
	var made Made
	var open []job
	all := jobs(p, in.Version, in.Signer)
	for _, j := range all {
		d, ok := b.Find(bundle.File, j.title)
		if ok && b.Has(d) && d.Annotations[bundle.SignedKey] == j.signed {
			made.Kept++
			continue
		}
		open = append(open, j)
	}
	if len(open) > 0 {
		if err := makeAll(ctx, b, p, in, open); err != nil {
			return made, err
		}
		made.New = len(open)
	}
	for _, j := range all { // in order, whatever was done first
		d, _ := b.Find(bundle.File, j.title)
		if err := image.AttachFile(b, d); err != nil {
			return made, err
		}
	}
	return made, nil
}

func makeAll(ctx context.Context, b *bundle.Bundle, p product.Product, in Input, open []job) error {
	dir, err := os.MkdirTemp("", "packages-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	src, err := gather(ctx, b, p, in, dir)
	if err != nil {
		return err
	}
	blobs := make([]bundle.Blob, len(open))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, j := range open {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			work := filepath.Join(dir, fmt.Sprintf("job-%d", i))
			if err := os.Mkdir(work, 0o700); err != nil {
				return err
			}
			blob, err := b.IngestFunc(func(w io.Writer) error { return j.write(ctx, src, work, w) })
			if err != nil {
				return fmt.Errorf("packing %s: %w", j.title, err)
			}
			blobs[i] = blob
			return os.RemoveAll(work)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, j := range open {
		if err := b.Add(bundle.File, j.descriptor(blobs[i])); err != nil {
			return err
		}
	}
	return nil
}

func (j job) descriptor(blob bundle.Blob) v1.Descriptor {
	d := blob.Descriptor(j.media, j.title)
	d.Annotations[bundle.PlatformKey] = j.target.Platform()
	d.Annotations[bundle.PackageKey] = string(j.format)
	if j.signed != "" {
		d.Annotations[bundle.SignedKey] = j.signed
	}
	return d
}

func (j job) write(ctx context.Context, src *sources, work string, w io.Writer) error {
	files, err := src.files(j.format, j.target)
	if err != nil {
		return err
	}
	packager, ok := packagers[j.format]
	if !ok {
		return writeArchive(ctx, j, src, files, w)
	}
	info, err := src.info(j, files, work)
	if err != nil {
		return err
	}
	return packager.Package(nfpm.WithDefaults(info), w)
}
