package sbom

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/anchore/packageurl-go"
	"github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/pkg/cataloger/javascript"
	"github.com/anchore/syft/syft/pkg/cataloger/rust"
)

// crates lists the crates of a binary. Shown is the path that the document
// gives as the place where they were found.
func crates(ctx context.Context, binary, asset, shown, origin string) (contents, error) {
	found, err := catalog(ctx, rust.NewAuditBinaryCataloger(), oneFile{disk: binary, shown: shown})
	if err != nil {
		return contents{}, fmt.Errorf("reading the crates of the binary %s: %w", asset, err)
	}
	if len(found.packages) == 0 {
		return contents{}, &NoCratesError{asset}
	}
	return found.own(origin, func(p pkg.Package) bool {
		entry, ok := p.Metadata.(pkg.RustBinaryAuditEntry)
		return ok && entry.Source == "local"
	}), nil
}

// npmPackages lists the runtime packages of a package-lock.json.
func npmPackages(ctx context.Context, lock, shown, origin string) (contents, error) {
	text, err := os.ReadFile(lock)
	if err != nil {
		return contents{}, missingFile(err, lock)
	}
	var root struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(text, &root); err != nil {
		return contents{}, fmt.Errorf("reading %s: %w", lock, err)
	}
	cataloger := javascript.NewLockCataloger(javascript.DefaultCatalogerConfig())
	found, err := catalog(ctx, cataloger, oneFile{disk: lock, shown: shown})
	if err != nil && len(found.packages) > 0 {
		return contents{}, fmt.Errorf("reading %s: %w", lock, err)
	}
	isRoot := func(p pkg.Package) bool {
		entry, ok := p.Metadata.(pkg.NpmPackageLockEntry)
		return ok && p.Name == root.Name && entry.Resolved == ""
	}
	for _, p := range found.packages {
		if !isRoot(p) {
			return found.own(origin, isRoot), nil
		}
	}
	return contents{}, &NoPackagesError{lock}
}

func catalog(ctx context.Context, c pkg.Cataloger, files file.Resolver) (contents, error) {
	packages, relations, err := c.Catalog(ctx, files)
	return contents{packages, relations}, err
}

// own marks the packages that come from the product's repository: a plain
// package URL would name a package of the public registry that may belong to
// somebody else.
func (c contents) own(origin string, mine func(pkg.Package) bool) contents {
	mark := func(p pkg.Package) pkg.Package {
		u, err := packageurl.FromString(p.PURL)
		if err != nil || !mine(p) {
			return p
		}
		u.Qualifiers = append(u.Qualifiers, packageurl.Qualifier{Key: "vcs_url", Value: origin})
		p.PURL = u.ToString()
		return p // the ID stays, so that relationships still fit
	}
	for i := range c.packages {
		c.packages[i] = mark(c.packages[i])
	}
	for i, r := range c.relations {
		if from, ok := r.From.(pkg.Package); ok {
			c.relations[i].From = mark(from)
		}
		if to, ok := r.To.(pkg.Package); ok {
			c.relations[i].To = mark(to)
		}
	}
	return c
}

// oneFile shows syft's catalogers a file system of one file, so that nothing
// else is looked at: no directory walk, no look for a distribution.
type oneFile struct{ disk, shown string }

var _ file.Resolver = oneFile{}

func (f oneFile) location() []file.Location { return []file.Location{file.NewLocation(f.shown)} }

// FileContentsByLocation opens the file.
func (f oneFile) FileContentsByLocation(l file.Location) (io.ReadCloser, error) {
	if l.RealPath != f.shown {
		return nil, &os.PathError{Op: "open", Path: l.RealPath, Err: os.ErrNotExist}
	}
	return os.Open(f.disk)
}

// FileMetadataByLocation is not asked for by the catalogers that are used.
func (f oneFile) FileMetadataByLocation(l file.Location) (file.Metadata, error) {
	return file.Metadata{}, &os.PathError{Op: "stat", Path: l.RealPath, Err: os.ErrNotExist}
}

// HasPath knows the one path.
func (f oneFile) HasPath(p string) bool { return p == f.shown }

// FilesByPath finds the file by its exact path.
func (f oneFile) FilesByPath(paths ...string) ([]file.Location, error) {
	for _, p := range paths {
		if p == f.shown {
			return f.location(), nil
		}
	}
	return nil, nil
}

// FilesByGlob finds the file by a pattern of the form "**/name", the only one
// that the catalogers use.
func (f oneFile) FilesByGlob(patterns ...string) ([]file.Location, error) {
	for _, p := range patterns {
		if name, ok := strings.CutPrefix(p, "**/"); ok && path.Base(f.shown) == name {
			return f.location(), nil
		}
	}
	return nil, nil
}

// FilesByMIMEType gives the file: the caller knows that it is an executable.
func (f oneFile) FilesByMIMEType(...string) ([]file.Location, error) { return f.location(), nil }

// RelativeFileByPath finds nothing beside the file.
func (f oneFile) RelativeFileByPath(file.Location, string) *file.Location { return nil }

// AllLocations gives the file.
func (f oneFile) AllLocations(context.Context) <-chan file.Location {
	c := make(chan file.Location, 1)
	c <- f.location()[0]
	close(c)
	return c
}
