package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// Versions of the engines that judge images by admission policies.
const (
	KyvernoVersion          = "v1.19.1"
	PolicyControllerVersion = "v0.14.0"
)

// Kyverno finds Kyverno's command line, as scripts/setup.sh built it into the
// cache. Where it is missing the test is skipped or fails as with [Peer].
func Kyverno(t testing.TB) string {
	t.Helper()
	return engine(t, "kyverno-"+KyvernoVersion)
}

// PolicyTester finds policy-controller's tester as [Kyverno] finds Kyverno's
// command line.
func PolicyTester(t testing.TB) string {
	t.Helper()
	return engine(t, "policy-tester-"+PolicyControllerVersion)
}

func engine(t testing.TB, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	OK(t, err)
	path := filepath.Join(cache, "rustshare-release", "bin", name)
	if _, err := os.Stat(path); err != nil {
		NoPeer(t, name+" is not built, and it judges the images of this test by the admission policies: `scripts/setup.sh admission` builds it (once, into the cache), and `go run . test:peers` builds it and runs this test")
	}
	return path
}
