package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

const memoryEnv = "RELEASE_TEST_MEMORY"

// memoryChild releases two platforms with an extra file of a size, and prints
// the peak of its resident memory in KiB.
func memoryChild(size string) error {
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "memory-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	in, err := makeBenchInput(dir, product.RustShare())
	if err != nil {
		return err
	}
	if n > 0 {
		f, err := os.Create(filepath.Join(dir, "extra.bin"))
		if err != nil {
			return err
		}
		if err := f.Truncate(n); err != nil { // holes read as zeros
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		in.suite.Product.Extra = []string{"extra.bin"}
	}
	if _, _, err := in.release(context.Background(), filepath.Join(dir, "round"), &BenchResult{}); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			fmt.Println(f[1])
			return nil
		}
	}
	return fmt.Errorf("no VmHWM in %s", status)
}

// TestMemory holds that an extra asset of 1 GiB costs a release, from the
// bundle to the release page, no more than 64 MiB of memory.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: writes 3 GiB")
	}
	peak := func(extra int64) int {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", memoryEnv, extra), "TMPDIR="+t.TempDir())
		cmd.Stderr = testLog{t}
		out, err := cmd.Output()
		ok(t, err)
		kib, err := strconv.Atoi(strings.TrimSpace(string(out)))
		ok(t, err)
		return kib
	}
	without, with := peak(0), peak(1<<30)
	t.Logf("peak memory: %d KiB without, %d KiB with 1 GiB more", without, with)
	if with-without > 64<<10 {
		t.Errorf("1 GiB more costs %d KiB of memory, want at most %d", with-without, 64<<10)
	}
}
