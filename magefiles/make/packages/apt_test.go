package packages_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// TestAPT has apt install, upgrade and purge files that it is handed, with no
// repository and no network.
func TestAPT(t *testing.T) {
	s := debian(t)
	candidate, stable, first, other := versions(t, product.Deb, newIdentity(t, keys.MadeAt(before)).signer(t))
	older := s.take(filepath.Join(candidate, "tiny_0.4.0.rc.1_amd64.deb"))
	newer := s.take(filepath.Join(stable, "tiny_0.4.0_amd64.deb"))
	const unit = "/usr/lib/systemd/system/tiny.service"
	refuses := func(sentence string, args ...string) {
		t.Helper()
		if out, err := s.try(args...); err == nil || !strings.Contains(out, sentence) {
			t.Errorf("%q: %v, expected it to say %q:\n%s", args, err, sentence, out)
		}
	}

	s.run("apt", "install", "-y", older)
	s.serve(unit, first)
	mine := s.operate(other)
	// The settings have changed on both sides, and there is nobody to ask.
	refuses("end of file on stdin at conffile prompt", "apt", "install", "-y", newer)
	s.run("apt", "install", "-y", "-o", "Dpkg::Options::=--force-confold", newer)
	if got := s.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "tiny"); got != "0.4.0 install ok installed" {
		t.Errorf("dpkg has %s", got)
	}
	if s.read(env) != mine {
		t.Errorf("the settings are now\n%s", s.read(env))
	}
	s.wants(true, env+".dpkg-dist")
	s.serve(unit, other)
	refuses("Packages were downgraded and -y was used without --allow-downgrades.", "apt", "install", "-y", older)

	s.run("apt", "remove", "-y", "tiny")
	s.wants(false, "/usr/bin/tinyd", unit)
	s.wants(true, env)
	s.run("apt", "purge", "-y", "tiny")
	s.wants(false, env, "/etc/tiny", "/usr/share/doc/tiny")
	s.run("apt-get", "check")
}

// TestAPTLooksAtNoSignature shows why docs/verify.md tells to check a file first.
func TestAPTLooksAtNoSignature(t *testing.T) {
	s := debian(t)
	id := newIdentity(t, keys.MadeAt(before))
	_, stable, _, _ := versions(t, product.Deb, id.signer(t))
	file := filepath.Join(stable, "tiny_0.4.0_amd64.deb")
	info, err := os.Stat(file)
	ok(t, err)
	s.run("apt", "install", "-y", s.take(changed(t, file, info.Size()-20))) // in the signature
	s.run("tinyd", "--version")
}
