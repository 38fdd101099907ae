package doctor_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// TestInstallScript: every command that the doctor gives is one that the script
// takes, or installs a package that the script installs too; and versions that
// stand in both are the same.
func TestInstallScript(t *testing.T) {
	path := filepath.Join("..", "..", "scripts", "setup.sh")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	script := string(text)
	if want := `"cosign github.com/sigstore/cosign/v2/cmd/cosign ` + testkit.CosignVersion + `"`; !strings.Contains(script, want) {
		t.Errorf("%s lacks %s, which the tests look for", path, want)
	}
	if !strings.Contains(script, "\nNODE_MIN=18\n") {
		t.Errorf("%s and the doctor want different versions of Node.js", path)
	}
	if !strings.Contains(script, "\n  for program in chromium chromium-browser google-chrome google-chrome-stable; do\n") {
		t.Errorf("%s and the doctor look for different browsers", path)
	}
	for _, target := range product.RustShare().Cargo.Targets {
		if !strings.Contains(script, target.Triple) {
			t.Errorf("%s does not care for %s", path, target.Triple)
		}
	}
	p := product.RustShare()
	dir := machine(t, nil)
	for _, f := range doctor.Check(context.Background(), dir, p) {
		switch group, isScript := strings.CutPrefix(f.Install, "scripts/setup.sh "); {
		case f.State == doctor.OK:
		case isScript:
			if !strings.Contains(script, "\n    "+group+") ") {
				t.Errorf("%s: %s takes no %q", f.Need, path, group)
			}
		default:
			pkg := strings.TrimPrefix(f.Install, "apt-get install ")
			if pkg == f.Install || !strings.Contains(script, "packages "+pkg) {
				t.Errorf("%s: %s does not install what %q does", f.Need, path, f.Install)
			}
		}
	}
}

// TestInstallScriptRefuses: a word that it does not know changes nothing.
func TestInstallScriptRefuses(t *testing.T) {
	for _, args := range [][]string{{"everything"}, {"path", "emacs"}} {
		out, err := exec.Command(filepath.Join("..", "..", "scripts", "setup.sh"), args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), `"`+args[len(args)-1]+`" is n`) {
			t.Errorf("%v: got %v, %s", args, err, out)
		}
	}
	out, err := exec.Command(filepath.Join("..", "..", "scripts", "setup.sh"), "path", "cosign").Output()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "/rustshare-release/bin/cosign-"+testkit.CosignVersion) {
		t.Errorf("the path of cosign: %s, %v", out, err)
	}
}
