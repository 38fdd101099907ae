package cargo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// environment is what a build sees of the machine: a short list of variables
// that cannot change its result, and flags that hide where it happens.
type environment struct {
	base []string
	// flags are rustc's, by target.
	flags map[string][]string
	// private are the directories whose names must not end up in a binary.
	private []place
	// cFlags hide the directories from C compilers.
	cFlags string
}

// group is what one call of cargo builds.
type group struct {
	toolchain Toolchain
	targets   []string
	flags     []string
}

// passed are the variables that a build may see: where things are and how to
// reach the network. A name that ends in "*" is a prefix.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL",
	"CARGO_HOME", "RUSTUP_HOME", "SSH_AUTH_SOCK",
	"CARGO_HTTP_*", "CARGO_NET_*", "CARGO_REGISTRIES_*", "CARGO_REGISTRY_*", "CARGO_SOURCE_*",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
}

// telling are variables whose absence somebody may wonder about.
var telling = []string{
	"RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_*", "CARGO_PROFILE_*", "CARGO_TARGET_*", "CARGO_UNSTABLE_*",
	"CARGO_INCREMENTAL", "RUSTC", "RUSTC_*", "RUSTUP_TOOLCHAIN",
	"CC", "CC_*", "CXX", "CXX_*", "AR", "AR_*", "CFLAGS", "CFLAGS_*", "CXXFLAGS", "CXXFLAGS_*", "CPPFLAGS", "LDFLAGS",
	"PKG_CONFIG*", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "SOURCE_DATE_EPOCH",
}

func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return name == p
	})
}

// filter keeps the passed variables and names the telling ones it drops.
func filter(environ []string) (kept, dropped []string) {
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case matches(name, passed), run.ShowsTime(kv):
			kept = append(kept, kv)
		case matches(name, telling):
			dropped = append(dropped, name)
		}
	}
	slices.Sort(dropped)
	return kept, dropped
}

// newEnvironment reads the machine's settings, refuses those that would change
// the result, and fetches the crates to know where they lie.
func newEnvironment(ctx context.Context, o Options, chosen Toolchains) (*environment, error) {
	kept, dropped := filter(os.Environ())
	if len(dropped) > 0 && o.Log != nil {
		fmt.Fprintf(o.Log, "left out of the build, so that it is the same everywhere: %s\n", strings.Join(dropped, ", "))
	}
	cargoHome := os.Getenv("CARGO_HOME")
	if cargoHome == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("looking for cargo's home: %w", err)
		}
		cargoHome = filepath.Join(home, ".cargo")
	}
	own, err := readSettings(o.Dir, cargoHome)
	if err != nil {
		return nil, err
	}
	e := &environment{base: kept, flags: map[string][]string{}}
	e.base = append(e.base,
		"SOURCE_DATE_EPOCH="+epoch(o.CommitTime),
		"CARGO_TARGET_DIR="+o.TargetDir,
		"CARGO_INCREMENTAL=0",
		"CARGO_TERM_COLOR=never", "CARGO_TERM_PROGRESS_WHEN=never",
		"RUSTUP_AUTO_INSTALL=0",
		"RUSTC_WRAPPER=", "RUSTC_WORKSPACE_WRAPPER=",
	)
	for _, tc := range chosen {
		args := []string{"fetch", "--locked"}
		for _, t := range tc.Targets {
			args = append(args, "--target", t)
		}
		cmd := run.Cmd{Name: tc.Cargo, Args: args, Dir: o.Dir, BareEnv: true, Env: e.with(tc, nil), Log: o.Log}
		if err := run.Do(ctx, cmd); err != nil {
			return nil, fmt.Errorf("fetching crates: %w", err)
		}
	}
	maps := remap(cargoHome, o.TargetDir)
	for _, m := range maps {
		if !strings.ContainsAny(m, " \t") { // C flags are split at white space
			e.cFlags += "-ffile-prefix-map=" + m + " "
		}
	}
	for _, tc := range chosen {
		for _, t := range tc.Targets {
			flags := append(slices.Clone(own.flags(t)), "-C", "target-feature=+crt-static")
			for _, m := range maps {
				flags = append(flags, "--remap-path-prefix="+m)
			}
			if tc.Commit != "" { // as the standard library itself is compiled
				flags = append(flags, fmt.Sprintf("--remap-path-prefix=%s/lib/rustlib/src/rust=/rustc/%s", tc.Sysroot, tc.Commit))
			}
			e.flags[t] = flags
		}
	}
	e.private = []place{
		{"the checkout", o.Dir, topLevel(o.Dir)},
		{"cargo's target directory", o.TargetDir, nil},
		{"cargo's home", cargoHome, []string{"registry", "git"}},
	}
	return e, nil
}

// remap lists what compilers are to say instead of this machine's directories.
// Later ones win. The source directory is not among them: cargo gives the
// workspace's files by relative paths, and a flag that differs from checkout
// to checkout would compile every crate again.
func remap(cargoHome, targetDir string) []string {
	maps := []string{cargoHome + "=/cargo", targetDir + "=/target"}
	// Below registry/src every registry, and every mirror of it, has a
	// directory of its own name.
	registries, _ := filepath.Glob(filepath.Join(cargoHome, "registry", "src", "*"))
	for _, r := range registries {
		maps = append(maps, r+"=/cargo/registry/src")
	}
	return maps
}

// with gives the variables for a toolchain and its flags.
func (e *environment) with(tc Toolchain, flags []string) []string {
	env := append(slices.Clone(e.base), "RUSTC="+tc.Rustc)
	if len(flags) > 0 {
		env = append(env, "CARGO_ENCODED_RUSTFLAGS="+strings.Join(flags, "\x1f"))
	}
	for _, t := range tc.Targets {
		under := strings.ReplaceAll(t, "-", "_")
		if l := tc.Linkers[t]; l != "" {
			env = append(env, "CARGO_TARGET_"+strings.ToUpper(under)+"_LINKER="+l, "CC_"+under+"="+l)
		}
		if c := strings.TrimSpace(e.cFlags); c != "" {
			env = append(env, "CFLAGS_"+under+"="+c, "CXXFLAGS_"+under+"="+c)
		}
	}
	return env
}

// groups puts targets together that one call of cargo can build: those of the
// same toolchain and the same flags.
func (e *environment) groups(chosen Toolchains) []group {
	var out []group
	for _, tc := range chosen {
		for _, t := range tc.Targets {
			i := slices.IndexFunc(out, func(g group) bool {
				return g.toolchain.Cargo == tc.Cargo && slices.Equal(g.flags, e.flags[t])
			})
			if i < 0 {
				i = len(out)
				out = append(out, group{toolchain: tc, flags: e.flags[t]})
			}
			out[i].targets = append(out[i].targets, t)
		}
	}
	return out
}

func topLevel(dir string) []string {
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// lock keeps others out of a target directory until it is released: between
// cleaning, building and copying the result nobody else may build there.
func lock(ctx context.Context, targetDir string, log io.Writer) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(targetDir, ".release-lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking cargo's target directory: %w", err)
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing releases it
		}
		if err != syscall.EWOULDBLOCK {
			_ = f.Close() // the error at hand says more
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		if !told && log != nil {
			fmt.Fprintf(log, "waiting for another release that builds in %s\n", targetDir)
		}
		select {
		case <-ctx.Done():
			_ = f.Close() // nothing was written
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// clean forgets the workspace's own crates where another checkout, commit or
// set of targets was built in this target directory before. Cargo tells old from new by the
// files' times alone, and a checkout that was made before the last build looks
// old to it whatever it holds.
func (o Options) clean(ctx context.Context, tc Toolchain, env *environment) error {
	marker := filepath.Join(o.TargetDir, ".release-checkout")
	want := o.Dir + "\n" + o.Commit + "\n"
	for _, t := range o.Cargo.Targets {
		want += t.Triple + "\n"
	}
	if got, err := os.ReadFile(marker); err == nil && string(got) == want {
		return nil
	}
	locals, err := localCrates(o.Dir)
	if err != nil {
		return err
	}
	args := []string{"clean", "--release", "--locked", "--quiet"}
	for _, t := range o.Cargo.Targets {
		args = append(args, "--target", t.Triple)
	}
	for _, l := range locals {
		args = append(args, "--package", l)
	}
	cmd := run.Cmd{Name: tc.Cargo, Args: args, Dir: o.Dir, BareEnv: true, Env: env.with(tc, nil), Log: o.Log}
	if err := run.Do(ctx, cmd); err != nil {
		return fmt.Errorf("forgetting the crates of another checkout: %w", err)
	}
	return os.WriteFile(marker, []byte(want), 0o644)
}
