package cargo

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// emulators are QEMU's names of OCI architectures.
var emulators = map[string]string{
	"amd64": "x86_64", "386": "i386", "arm64": "aarch64", "arm": "arm",
	"riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x", "loong64": "loongarch64",
}

// Emulator gives the path of a user-mode emulator for an OCI architecture, or
// the program that was looked for and ok false.
func Emulator(arch string) (path string, ok bool) {
	name := "qemu-" + emulators[arch]
	for _, n := range []string{name + "-static", name} {
		if p, err := exec.LookPath(n); err == nil {
			return p, true
		}
	}
	return name + "-static", false
}

// tryTime is how long --version may take, under emulation too.
const tryTime = time.Minute

// tryVersion runs a binary with --version, where this machine can, and wants
// the product's version among the words that it prints. It gives what
// [Binary.Ran] says.
func tryVersion(ctx context.Context, path string, t product.Target, version string) (string, error) {
	how, cmd := Native, run.Cmd{Name: path, Args: []string{"--version"}, BareEnv: true}
	switch {
	case t.OS != runtime.GOOS:
		return fmt.Sprintf("not run: this machine is %s", runtime.GOOS), nil
	case t.Arch != runtime.GOARCH:
		emulator, ok := Emulator(t.Arch)
		if !ok {
			return fmt.Sprintf("not run: there is no %s on PATH", emulator), nil
		}
		how = emulator[strings.LastIndex(emulator, "/")+1:]
		cmd.Name, cmd.Args = emulator, []string{path, "--version"}
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	said, err := run.Text(ctx, cmd)
	if err != nil {
		return "", fmt.Errorf("trying the binary (%s): %w", how, err)
	}
	fields := strings.Fields(said)
	if !slices.Contains(fields, version) && !slices.Contains(fields, "v"+version) {
		return "", fmt.Errorf("the binary says %q with --version, its sources declare %s: print CARGO_PKG_VERSION of the package that the release is made of", said, version)
	}
	return how, nil
}
