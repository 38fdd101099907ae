package packages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/rpm"

	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// TestDNF has dnf judge signatures, and install, upgrade and remove files that it
// is handed, with no repository and no network.
func TestDNF(t *testing.T) {
	s := debian(t)
	program := tool(t, "dnf")
	config := filepath.Join(t.TempDir(), "dnf.conf") // dnf's own defaults
	ok(t, os.WriteFile(config, []byte("[main]\n"), 0o644))
	dnf := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--config=" + config, "--installroot=" + s.root, "--releasever=1", "--disablerepo=*", "-y"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	does := func(sentence string, args ...string) {
		t.Helper()
		if out, err := dnf(args...); err != nil || !strings.Contains(out, sentence) {
			t.Fatalf("dnf %q: %v, expected it to say %q:\n%s", args, err, sentence, out)
		}
	}
	refuses := func(sentence string, args ...string) {
		t.Helper()
		if out, err := dnf(args...); err == nil || !strings.Contains(out, sentence) {
			t.Errorf("dnf %q: %v, expected it to say %q:\n%s", args, err, sentence, out)
		}
	}
	trusts := func(id identity) {
		t.Helper()
		key := filepath.Join(t.TempDir(), "packages.asc")
		ok(t, os.WriteFile(key, id.pgpPublic, 0o644))
		output(t, "rpm", "--root", s.root, "--import", key)
	}
	us, stranger := newIdentity(t, keys.MadeAt(before)), newIdentity(t, keys.MadeAt(before))
	candidate, stable, first, other := versions(t, product.RPM, us.signer(t))
	older, newer := filepath.Join(candidate, "tiny-0.4.0.rc.1-1.x86_64.rpm"), filepath.Join(stable, "tiny-0.4.0-1.x86_64.rpm")
	unsigned, _, _, _ := versions(t, product.RPM, nil)
	unsigned = filepath.Join(unsigned, "tiny-0.4.0.rc.1-1.x86_64.rpm")

	const checked = "--setopt=localpkg_gpgcheck=1"
	refuses("nothing provides /usr/sbin/useradd needed by tiny-0.4.0~rc.1-1.x86_64", checked, "install", older)
	output(t, "rpm", "--root", s.root, "-i", provider(t, rpm.DefaultRPM, "shadow-utils", "/usr/sbin/useradd"))
	refuses("nothing provides /bin/sh needed by tiny-0.4.0~rc.1-1.x86_64", checked, "install", older)
	output(t, "rpm", "--root", s.root, "-i", provider(t, rpm.DefaultRPM, "bash", "/bin/sh"))
	refuses("Package tiny-0.4.0.rc.1-1.x86_64.rpm is not signed", checked, "install", unsigned)
	trusts(stranger)
	refuses("Public key for tiny-0.4.0.rc.1-1.x86_64.rpm is not installed", checked, "install", older)
	trusts(us)
	info, err := os.Stat(older)
	ok(t, err)
	refuses("Problem opening package tiny-0.4.0.rc.1-1.x86_64.rpm\nError: GPG check FAILED", checked, "install", changed(t, older, info.Size()-100))
	refuses("package tiny-0.4.0~rc.1-1.x86_64 does not verify: Payload SHA256 digest: BAD", "install", changed(t, older, info.Size()-100))

	const unit = "/usr/lib/systemd/system/tiny.service"
	does("Installing", checked, "install", older)
	s.serve(unit, first)
	mine := s.operate(other)
	does("Upgrading", checked, "install", newer)
	if s.read(env) != mine {
		t.Errorf("the settings are now\n%s", s.read(env))
	}
	s.wants(true, env+".rpmnew")
	s.serve(unit, other)
	refuses("Downgrading", "--assumeno", "install", older)
	does("Removing", "remove", "tiny")
	s.wants(false, "/usr/bin/tinyd", unit, env)
	does("Installing", "install", unsigned) // dnf looks at signatures of files only where it is told to
}

// provider is a package that has nothing but says what the system has: its own
// packages are of another kind.
func provider(t testing.TB, packager nfpm.Packager, name string, what ...string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), name))
	ok(t, err)
	ok(t, packager.Package(nfpm.WithDefaults(&nfpm.Info{
		Name: name, Version: "1", Release: "1", Arch: "all", Description: "Base", License: "none", MTime: time.Unix(0, 0),
		Overridables: nfpm.Overridables{Provides: what},
	}), file))
	ok(t, file.Close())
	return file.Name()
}
