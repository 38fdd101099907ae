package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// CosignVersion is the version of cosign's own command line that judges our
// proofs.
const CosignVersion = "v2.6.5"

// Cosign finds cosign's command line: the one that scripts/setup.sh put into
// the cache, or one on the PATH. The test fails with the command that installs
// it where there is none; `go test -short` skips it.
func Cosign(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err == nil {
		path := filepath.Join(cache, "rustshare-release", "bin", "cosign-"+CosignVersion)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if path, err := exec.LookPath("cosign"); err == nil {
		return path
	}
	if testing.Short() {
		t.Skip("cosign's command line is not installed: scripts/setup.sh builds it")
	}
	t.Fatal("cosign's command line is not installed, and it is the outside judge of this test: run scripts/setup.sh, " +
		"or `go install github.com/sigstore/cosign/v2/cmd/cosign@" + CosignVersion + "` (minutes); -short leaves such tests out")
	return ""
}
