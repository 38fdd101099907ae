package packages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
)

// TestLintian wants no error and no warning beyond the overrides that the package
// brings, which docs/packages.md explains.
func TestLintian(t *testing.T) {
	lintian := tool(t, "lintian")
	dir := prepare(t, server(8080), "v0.4.0-rc.1", built(t)).export(t)
	cmd := exec.CommandContext(t.Context(), lintian, "--allow-root", "--fail-on", "error,warning", filepath.Join(dir, "tiny_0.4.0.rc.1_amd64.deb"))
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// explained are the findings of rpmlint that are meant; docs/packages.md has the
// same list.
var explained = map[string]string{
	"non-readable":               "the settings hold secrets, and only root reads them",
	"only-non-binary-in-usr-lib": "units and accounts of systemd lie there",
	"manpage-not-compressed":     "Debian's rpmlint wants bzip2, Fedora and openSUSE take gzip",
	"invalid-license":            "Debian's rpmlint knows no SPDX names",
	"no-manual-page-for-binary":  "it looks in section 1 alone, and a server's page is in section 8",
	"no-binary":                  "it goes by the kinds of files that rpmbuild writes down, and there are none",
	"unknown-key":                "it asks the machine's own keys, and this one was made for the test",
}

func TestRPMLint(t *testing.T) {
	rpmlint := tool(t, "rpmlint")
	m := prepare(t, server(8080), "v0.4.0-rc.1", built(t))
	m.in.Signer = newIdentity(t, keys.MadeAt(before)).signer(t)
	dir := m.export(t)
	// The name that the format has, before a page takes the "~" away.
	file := filepath.Join(dir, "tiny-0.4.0~rc.1-1.x86_64.rpm")
	ok(t, os.Rename(filepath.Join(dir, "tiny-0.4.0.rc.1-1.x86_64.rpm"), file))
	out, _ := exec.CommandContext(t.Context(), rpmlint, file).CombinedOutput() // it ends with 64 at any error
	if !strings.Contains(string(out), "1 packages and 0 specfiles checked") {
		t.Fatalf("rpmlint did not look:\n%s", out)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || (f[1] != "E:" && f[1] != "W:") {
			continue
		}
		if explained[f[2]] == "" {
			t.Errorf("rpmlint: %s", strings.TrimSpace(line))
		}
		seen[f[2]] = true
	}
	for tag := range explained {
		if !seen[tag] {
			t.Errorf("rpmlint no longer says %s: it needs no explanation", tag)
		}
	}
}
