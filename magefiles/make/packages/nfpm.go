package packages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/apk"
	"github.com/goreleaser/nfpm/v2/arch"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// packagers write the formats. They hold a package in memory while they do.
var packagers = map[product.PackageFormat]nfpm.Packager{
	product.Deb: deb.Default, product.RPM: rpm.DefaultRPM, product.APK: apk.Default, product.Arch: arch.Default,
}

var media = map[product.PackageFormat]string{
	product.Deb:    "application/vnd.debian.binary-package",
	product.RPM:    "application/x-rpm",
	product.APK:    "application/gzip", // which it is: several members, one after the other
	product.Arch:   "application/zstd",
	product.TarGz:  "application/gzip",
	product.TarZst: "application/zstd",
}

// about is what a package says of itself, without its content.
func about(p product.Product, v Version, t product.Target, f product.PackageFormat, mtime time.Time) *nfpm.Info {
	k := p.Packages
	info := &nfpm.Info{
		Name: p.Name, Arch: t.Arch, Platform: t.OS, Version: v.In(f), VersionSchema: "none",
		Section: k.Section, Priority: "optional", Maintainer: k.Maintainer, Vendor: p.Vendor,
		Homepage: homepage(p), License: p.License, Description: p.Description,
		MTime: mtime, DisableGlobbing: true,
	}
	info.Depends = slices.Clone(k.Depends[f])
	if f == product.RPM || f == product.APK {
		info.Depends = append(info.Depends, "/bin/sh") // for the scripts, as rpmbuild and abuild add it
	}
	switch f {
	case product.Deb:
		info.Description = p.Description + "\n" + long(p)
		info.Deb.Compression = "gzip:6"
	case product.RPM:
		info.Description = long(p)
		info.Release = "1"
		info.RPM.Summary = p.Description
		info.RPM.Group = "System Environment/Daemons"
		info.RPM.Compression = "zstd:3"
		info.RPM.BuildHost = "localhost" // not this machine's
		info.RPM.Packager = k.Maintainer
	case product.APK:
		info.Release = "r0"
	case product.Arch:
		info.Release = "1"
		info.ArchLinux.Packager = k.Maintainer
	}
	return info
}

func homepage(p product.Product) string {
	if p.Packages.Homepage != "" {
		return p.Packages.Homepage
	}
	return p.Source
}

// long is the second paragraph of a description.
func long(p product.Product) string {
	text := p.Title + " as one static binary, with a service of its own that is neither enabled nor started before its settings are filled in: they lie in " + settingsFile(p) + "."
	return strings.Join(wrap(text, 72), "\n")
}

// info is the whole of a package. Work is a directory for what nfpm wants as
// files.
func (s *sources) info(j job, content []file, work string) (*nfpm.Info, error) {
	info := about(s.p, s.in.Version, j.target, j.format, s.time)
	n := 0
	put := func(data []byte) (string, error) {
		n++
		path := filepath.Join(work, fmt.Sprintf("%04d", n))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return "", err
		}
		return path, os.Chtimes(path, s.time, s.time) // apk has the time of scripts from there
	}
	for _, f := range content {
		c := &files.Content{Destination: f.name, Type: f.kind, FileInfo: &files.ContentFileInfo{
			Owner: "root", Group: "root", Mode: os.FileMode(f.mode), MTime: s.time, Size: f.size,
		}}
		if f.kind != files.TypeDir {
			c.Source = f.path
			if f.path == "" {
				path, err := put(f.data)
				if err != nil {
					return nil, err
				}
				c.Source = path
			}
		}
		info.Contents = append(info.Contents, c)
	}
	scripts := scripts(s.p, j.format)
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		path, err := put([]byte(scripts[name]))
		if err != nil {
			return nil, err
		}
		switch name {
		case preInstall:
			info.Scripts.PreInstall = path
		case postInstall:
			info.Scripts.PostInstall = path
		case preRemove:
			info.Scripts.PreRemove = path
		case postRemove:
			info.Scripts.PostRemove = path
		}
	}
	if j.format == product.RPM {
		text, err := json.Marshal(s.rpmChangelog()) // JSON is YAML
		if err != nil {
			return nil, err
		}
		if info.Changelog, err = put(text); err != nil {
			return nil, err
		}
	}
	if j.signed != "" {
		s.in.Signer.into(info, j.format, s.p, s.time)
	}
	return info, nil
}

func sized(name string, mode int64, kind string, data []byte) file {
	return file{name: name, mode: mode, kind: kind, data: bytes.Clone(data), size: int64(len(data))}
}
