package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// KyvernoVersion is the version of Kyverno that runs the admission policies.
const KyvernoVersion = "v1.19.1"

// Kyverno finds Kyverno's command line, as scripts/setup.sh built it into the
// cache. Where it is missing the test is skipped or fails as with [Peer].
func Kyverno(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	OK(t, err)
	path := filepath.Join(cache, "rustshare-release", "bin", "kyverno-"+KyvernoVersion)
	if _, err := os.Stat(path); err != nil {
		NoPeer(t, "Kyverno's command line is not built, and it runs the admission policies of this test: `scripts/setup.sh admission` builds it (once, into the cache), and `go run . test:peers` builds it and runs this test")
	}
	return path
}
