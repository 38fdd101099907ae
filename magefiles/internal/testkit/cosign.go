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
	return judge(t, "cosign", CosignVersion, "github.com/sigstore/cosign/v2/cmd/cosign")
}

// GHVersion is the version of GitHub's own command line that judges our proofs.
const GHVersion = "v2.83.0"

// GH finds GitHub's command line as [Cosign] finds cosign's. One on the PATH is
// not taken: older ones verify no attestation.
func GH(t testing.TB) string {
	t.Helper()
	return judge(t, "gh", GHVersion, "github.com/cli/cli/v2/cmd/gh")
}

// judge finds a program of a version in the cache, or cosign on the PATH.
func judge(t testing.TB, name, version, from string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err == nil {
		path := filepath.Join(cache, "rustshare-release", "bin", name+"-"+version)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if path, err := exec.LookPath(name); err == nil && name != "gh" {
		return path
	}
	if testing.Short() {
		t.Skip(name + "'s command line is not installed: scripts/setup.sh builds it")
	}
	t.Fatal(name + "'s command line is not installed, and it is the outside judge of this test: run `scripts/setup.sh tools`, " +
		"which builds " + from + "@" + version + " (minutes); -short leaves such tests out")
	return ""
}
