package packages_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

var formats = []product.PackageFormat{product.Deb, product.RPM, product.APK, product.Arch, product.TarGz}

func version(t testing.TB, s string) packages.Version {
	t.Helper()
	v, err := decide.ParseVersion(s)
	ok(t, err)
	out, err := packages.VersionOf(v)
	ok(t, err)
	return out
}

func TestVersions(t *testing.T) {
	for in, want := range map[string][]string{
		"0.4.0":           {"0.4.0", "0.4.0", "0.4.0", "0.4.0", "0.4.0"},
		"0.4.0-rc.1":      {"0.4.0~rc.1", "0.4.0~rc.1", "0.4.0_rc1", "0.4.0rc1", "0.4.0-rc.1"},
		"10.0.3-alpha.12": {"10.0.3~alpha.12", "10.0.3~alpha.12", "10.0.3_alpha12", "10.0.3alpha12", "10.0.3-alpha.12"},
		"1.0.0+build.7":   {"1.0.0", "1.0.0", "1.0.0", "1.0.0", "1.0.0"},
	} {
		v := version(t, in)
		var got []string
		for _, f := range formats {
			got = append(got, v.In(f))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"0.4.0-rc", "0.4.0-rc1", "0.4.0-rc.1.2", "0.4.0-dev.1", "0.4.0-1", "0.4.0-rc.1-x", "0.4.0-rc.1234567890123456"} {
		v, err := decide.ParseVersion(in)
		ok(t, err)
		_, err = packages.VersionOf(v)
		says(t, err, "-rc.N")
	}
	edge, err := packages.BuildOf("0.4.0", time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)))
	ok(t, err)
	if got := edge.String(); got != "0.4.0-alpha.20260304040607" {
		t.Errorf("a build is %s", got)
	}
}

// rising is in the order that SemVer has.
var rising = []string{
	"0.3.9", "0.4.0-alpha.1", "0.4.0-alpha.2", "0.4.0-alpha.10", "0.4.0-alpha.20260304040607", "0.4.0-beta.1", "0.4.0-pre.1",
	"0.4.0-rc.0", "0.4.0-rc.1", "0.4.0-rc.2", "0.4.0-rc.10", "0.4.0", "0.4.1-rc.1", "0.4.1", "0.10.0-rc.1", "0.10.0", "1.0.0",
}

// TestOrder asks what formats compare with: dpkg, rpm, and the rules of pacman.
// [TestAPKOrder] asks apko.
func TestOrder(t *testing.T) {
	dpkg, rpm := tool(t, "dpkg"), tool(t, "rpm")
	judges := map[product.PackageFormat]func(a, b string) bool{
		product.Deb: func(a, b string) bool { return exec.Command(dpkg, "--compare-versions", a, "lt", b).Run() == nil },
		product.RPM: func(a, b string) bool {
			out, err := exec.Command(rpm, "--eval", `%{lua:print(rpm.vercmp("`+a+`", "`+b+`"))}`).Output()
			ok(t, err)
			return string(out) == "-1\n"
		},
		product.Arch: func(a, b string) bool { return alpmCompare(a, b) < 0 },
	}
	for f, less := range judges {
		for i := range rising[1:] {
			a, b := version(t, rising[i]).In(f), version(t, rising[i+1]).In(f)
			if !less(a, b) || less(b, a) {
				t.Errorf("%s: %s (%s) does not sort before %s (%s)", f, a, rising[i], b, rising[i+1])
			}
		}
	}
}

// tool finds a program that scripts/setup.sh packaging installs.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here: `scripts/setup.sh packaging` installs it", name)
	}
	return path
}
