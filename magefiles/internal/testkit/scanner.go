package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Scanner builds the scanner program (prove/scan/grype) and gives its path. With
// a cold build cache that takes minutes: `go test -short` skips it.
func Scanner(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out what needs the scanner program, which takes minutes to build with a cold cache")
	}
	cache, err := os.UserCacheDir()
	OK(t, err)
	path := filepath.Join(cache, "rustshare-release", "test", "scanner", "grype")
	OK(t, os.MkdirAll(filepath.Dir(path), 0o755))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/kubedoio/rustshare-release/magefiles/prove/scan/grype").CombinedOutput()
	if err != nil {
		t.Fatalf("building the scanner program: %v\n%s", err, out)
	}
	return path
}

// EnvPeers is the variable that has a test fail where a peer that takes long to
// build is missing: test:peers sets it.
const EnvPeers = "RELEASE_TEST_PEERS"

// Peer finds a program that takes long to build and that scripts/setup.sh puts
// into the cache. Tests that need one are named TestPeer…, TestGitea… or
// TestAdmission…: scripts/peers.sh knows them by that. Where it is missing
// the test is skipped and says what builds it, or fails where EnvPeers is set.
func Peer(t testing.TB, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	OK(t, err)
	found, err := filepath.Glob(filepath.Join(cache, "rustshare-release", "bin", name+"-v*"))
	OK(t, err)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	NoPeer(t, name+" is not built: `scripts/setup.sh "+name+"` builds it (once, into the cache), and `go run . test:peers` builds it and runs this test")
	return ""
}

// NeedPeers tells whether a missing peer is a failure.
func NeedPeers() bool { return strings.TrimSpace(os.Getenv(EnvPeers)) != "" }

// NoPeer ends a test whose peer is missing: it is skipped, or fails where
// EnvPeers is set.
func NoPeer(t testing.TB, why string) {
	t.Helper()
	if NeedPeers() {
		t.Fatal(why)
	}
	t.Skip(why)
}
