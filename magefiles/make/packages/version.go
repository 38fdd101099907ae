package packages

import (
	"fmt"
	"regexp"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Version is one version in the words of each format. A pre-release sorts before
// its release, and after earlier ones, by each format's own rules.
type Version struct {
	core, label, number string
}

// preForm is what all formats have an order for.
var preForm = regexp.MustCompile(`^([0-9]+\.[0-9]+\.[0-9]+)(?:-(alpha|beta|pre|rc)\.(0|[1-9][0-9]{0,14}))?$`)

// VersionOf gives the version of a candidate or a stable release. Build metadata
// is dropped. Another pre-release than alpha.N, beta.N, pre.N and rc.N is an
// error: Alpine knows no others.
func VersionOf(v decide.Version) (Version, error) {
	m := preForm.FindStringSubmatch(v.Image())
	if m == nil {
		return Version{}, fmt.Errorf("%s has no version as a package: what can be packed is X.Y.Z, and X.Y.Z with -alpha.N, -beta.N, -pre.N or -rc.N; tag one of these", v)
	}
	return Version{m[1], m[2], m[3]}, nil
}

// BuildOf gives the version of a build that is no release: before all candidates
// of the version that its sources declare, later commits after earlier ones.
func BuildOf(declared string, commitTime time.Time) (Version, error) {
	v, err := decide.ParseVersion(declared)
	if err != nil {
		return Version{}, err
	}
	return Version{v.Core(), "alpha", commitTime.UTC().Format("20060102150405")}, nil
}

// String is the version as SemVer 2.0.0 has it.
func (v Version) String() string {
	if v.label == "" {
		return v.core
	}
	return v.core + "-" + v.label + "." + v.number
}

// In gives the version as a format writes it, without a revision:
//
//	deb, rpm  0.4.0~rc.1   deb-version(7), rpm-version(7)
//	apk       0.4.0_rc1    apk-package(5)
//	archlinux 0.4.0rc1     vercmp(8)
//	archives  0.4.0-rc.1
func (v Version) In(f product.PackageFormat) string {
	switch {
	case v.label == "":
		return v.core
	case f == product.Deb, f == product.RPM:
		return v.core + "~" + v.label + "." + v.number
	case f == product.APK:
		return v.core + "_" + v.label + v.number
	case f == product.Arch:
		return v.core + v.label + v.number
	}
	return v.String()
}
