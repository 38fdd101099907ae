package converge

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
)

// report prints the peak of the process's memory in KiB.
func report(w io.Writer) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, found := strings.CutPrefix(s.Text(), "VmHWM:"); found {
			fmt.Fprintln(w, strings.TrimSpace(rest))
		}
	}
}

// peak publishes a bundle in a process of its own and gives its peak memory in
// KiB.
func peak(t *testing.T, w *world, m made) int {
	t.Helper()
	cmd := start(t, task{
		Repository: strings.TrimPrefix(w.server.URL, "http://") + "/" + repository, Releases: w.releases, Bundle: m.Dir,
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var kib int
	if _, err := fmt.Fscanf(bytes.NewReader(out), "%d kB", &kib); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return kib
}

// sparse puts a file of a size into a bundle without writing it out.
func sparse(t *testing.T, b *bundle.Bundle, size int64) v1.Descriptor {
	t.Helper()
	h := sha256.New()
	zeros := make([]byte, 1<<20)
	for range size / int64(len(zeros)) {
		_, _ = h.Write(zeros)
	}
	blob := bundle.Blob{Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}, Size: size}
	f, err := os.Create(b.Path(blob.Digest))
	ok(t, err)
	ok(t, f.Truncate(size))
	ok(t, f.Close())
	return blob.Descriptor("application/octet-stream", "extra")
}

// TestMemory publishes with and without an extra asset of 1 GiB.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 1 GiB; run without -short")
	}
	without := build(t, source{ref: "v0.1.0", commit: commit("a"), big: 4 << 20})
	with := build(t, source{ref: "v0.2.0", commit: commit("b"), big: 4 << 20})
	ok(t, with.Add(bundle.File, sparse(t, with.Bundle, 1<<30)))

	w := newWorld(t, registries.All()["embedded"](t))
	small, large := peak(t, w, without), peak(t, w, with)
	t.Logf("peak memory %d KiB without, %d KiB with 1 GiB", small, large)
	if large-small > 64<<10 {
		t.Errorf("peak memory grew by %d KiB", large-small)
	}
	info, err := os.Stat(w.releases + "/v0.2.0/extra")
	if err != nil || info.Size() != 1<<30 {
		t.Errorf("the asset did not arrive: %v, %v", info, err)
	}
}
