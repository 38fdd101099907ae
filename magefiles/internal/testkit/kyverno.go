package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// KyvernoVersion is the version of Kyverno that runs the admission policies.
const KyvernoVersion = "v1.19.1"

// Kyverno finds Kyverno's command line, as scripts/setup.sh built it into the
// cache. The test fails with the command that builds it where it is not there;
// `go test -short` skips it.
func Kyverno(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	OK(t, err)
	path := filepath.Join(cache, "rustshare-release", "bin", "kyverno-"+KyvernoVersion)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	const how = "Kyverno's command line is not installed, and it runs the admission policies of this test: scripts/setup.sh admission builds it"
	if testing.Short() {
		t.Skip(how)
	}
	t.Fatal(how)
	return ""
}
