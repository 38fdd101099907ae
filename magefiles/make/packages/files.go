package packages

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	nfpmfiles "github.com/goreleaser/nfpm/v2/files"
	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// file is a file or a directory of a package.
type file struct {
	// name is absolute.
	name string
	mode int64
	// kind is nfpm's: a plain file where it is empty.
	kind string
	// A file has data, or a path on this machine; and its size.
	data []byte
	path string
	size int64
}

// sources are what all packages are made of.
type sources struct {
	b    *bundle.Bundle
	p    product.Product
	in   Input
	time time.Time
	// frontend has the names relative to its directory.
	frontend        []file
	license, readme []byte
	changes         []release
}

// carried reads licence, readme and changelog.
func carried(p product.Product, checkout string) (out [3][]byte, err error) {
	for i, f := range [][2]string{
		{p.Packages.License, "licence (Packages.License in the product's definition)"},
		{p.Packages.Readme, "readme (Packages.Readme in the product's definition)"},
		{p.Paperwork.Changelog, "changelog"},
	} {
		if out[i], err = os.ReadFile(filepath.Join(checkout, filepath.FromSlash(f[0]))); err != nil {
			return out, fmt.Errorf("reading the %s that packages carry: %w", f[1], err)
		}
	}
	return out, nil
}

// Ready tells whether a checkout has what the packages of its product carry.
func Ready(p product.Product, checkout string) error {
	_, err := carried(p, checkout)
	return err
}

// gather reads what the packages hold. The frontend is unpacked below dir.
func gather(ctx context.Context, b *bundle.Bundle, p product.Product, in Input, dir string) (*sources, error) {
	s := &sources{b: b, p: p, in: in, time: b.Plan.CommitTime.UTC().Truncate(time.Second)}
	carried, err := carried(p, in.Checkout)
	if err != nil {
		return nil, err
	}
	s.license, s.readme = carried[0], carried[1]
	text := carried[2]
	log, err := changelog.Parse(p.Paperwork.Changelog, text)
	if err != nil {
		return nil, err
	}
	s.changes = releases(log.Sections(), in.Version, s.time)
	if p.Frontend == nil {
		return s, nil
	}
	to := filepath.Join(dir, "frontend")
	if err := os.Mkdir(to, 0o700); err != nil {
		return nil, err
	}
	if err := image.UnpackFrontend(ctx, b, p, to); err != nil {
		return nil, err
	}
	s.frontend, err = below(to)
	return s, err
}

// below lists a directory, directories before what is in them.
func below(dir string) ([]file, error) {
	var out []file
	err := filepath.WalkDir(dir, func(from string, d fs.DirEntry, err error) error {
		if err != nil || from == dir {
			return err
		}
		rel, err := filepath.Rel(dir, from)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			out = append(out, directory(name))
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out = append(out, file{name: name, mode: 0o644, path: from, size: info.Size()})
		return nil
	})
	return out, err
}

func directory(name string) file { return file{name: name, mode: 0o755, kind: nfpmfiles.TypeDir} }

// Where things lie.
func settingsFile(p product.Product) string { return "/etc/" + p.Name + "/" + p.Name + ".env" }
func stateDir(p product.Product) string     { return "/var/lib/" + p.Name }
func binaryPath(p product.Product) string   { return "/usr/bin/" + p.Cargo.Binary }

// binary is the bundle's own file.
func (s *sources) binary(t product.Target) (file, error) {
	d, ok := s.b.Find(bundle.Binary, t.Asset)
	if !ok {
		return file{}, fmt.Errorf("the bundle holds no %s: it has to be built first", t.Asset)
	}
	return file{name: binaryPath(s.p), mode: 0o755, path: s.b.Path(d.Digest), size: d.Size}, nil
}

// files lists the content of a package, or of an archive.
func (s *sources) files(f product.PackageFormat, t product.Target) ([]file, error) {
	p, name := s.p, s.p.Name
	binary, err := s.binary(t)
	if err != nil {
		return nil, err
	}
	page := manual(p, s.in.Version, s.time)
	if f == product.TarGz || f == product.TarZst {
		return s.archived(binary, page), nil
	}
	doc, share := "/usr/share/doc/"+name, "/usr/share/"+name
	packed, err := zip(page)
	if err != nil {
		return nil, err
	}
	out := []file{
		binary,
		directory(path.Dir(settingsFile(p))),
		sized(settingsFile(p), 0o640, nfpmfiles.TypeConfigNoReplace, settings(p)),
		sized("/usr/share/man/man8/"+p.Cargo.Binary+".8.gz", 0o644, docOf(f), packed),
		directory(doc),
		sized(doc+"/"+path.Base(p.Packages.Readme), 0o644, docOf(f), s.readme),
	}
	if len(s.frontend) > 0 {
		out = append(out, directory(share), directory(share+"/frontend"))
		for _, e := range s.frontend {
			e.name = share + "/frontend/" + e.name
			out = append(out, e)
		}
	}
	if f == product.APK {
		out = append(out, sized("/etc/init.d/"+name, 0o755, "", openRC(p)))
	} else {
		out = append(out, sized("/usr/lib/systemd/system/"+name+".service", 0o644, "", unit(p)))
	}
	if f == product.RPM || f == product.Arch {
		out = append(out, sized("/usr/lib/sysusers.d/"+name+".conf", 0o644, "", sysusers(p)))
	}
	if f != product.Deb {
		licenses := "/usr/share/licenses/" + name
		kind := ""
		if f == product.RPM {
			kind = nfpmfiles.TypeRPMLicense
		}
		return append(out, directory(licenses), sized(licenses+"/"+path.Base(p.Packages.License), 0o644, kind, s.license)), nil
	}
	log, err := zip(s.debChangelog())
	if err != nil {
		return nil, err
	}
	return append(out,
		sized(doc+"/changelog.gz", 0o644, "", log),
		sized(doc+"/copyright", 0o644, "", copyright(p, s.license)),
		sized("/usr/share/lintian/overrides/"+name, 0o644, "", overrides(p)),
	), nil
}

func docOf(f product.PackageFormat) string {
	if f == product.RPM {
		return nfpmfiles.TypeRPMDoc
	}
	return ""
}

// archived lists an archive's files, with names below its directory.
func (s *sources) archived(binary file, page []byte) []file {
	p := s.p
	binary.name = p.Cargo.Binary
	out := []file{
		sized(path.Base(p.Packages.License), 0o644, "", s.license),
		sized(path.Base(p.Packages.Readme), 0o644, "", s.readme),
		sized(p.Cargo.Binary+".8", 0o644, "", page),
		sized(p.Name+".env", 0o640, "", settings(p)),
		sized(p.Name+".openrc", 0o755, "", openRC(p)),
		sized(p.Name+".service", 0o644, "", unit(p)),
		sized(p.Name+".sysusers", 0o644, "", sysusers(p)),
		binary,
	}
	if len(s.frontend) > 0 {
		out = append(out, directory("frontend"))
		for _, e := range s.frontend {
			e.name = "frontend/" + e.name
			out = append(out, e)
		}
	}
	return out
}

// zip compresses as gzip -9n does: neither name nor time.
func zip(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w.ModTime = time.Unix(0, 0)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// oneLine joins what stands in several lines.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
