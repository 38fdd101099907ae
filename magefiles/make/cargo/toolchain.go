package cargo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Toolchain is a cargo with the rustc beside it.
type Toolchain struct {
	// Cargo and Rustc are absolute paths.
	Cargo, Rustc string
	// Version is rustc's version line, such as "rustc 1.96.0 (ac68faa20
	// 2026-05-25)"; Commit is the compiler's own commit, Host the triple of
	// the machine, Sysroot where its libraries lie.
	Version, Commit, Host, Sysroot string
	// Linkers gives the linker of each target that this toolchain was picked
	// for; a target that brings its own has none.
	Linkers map[string]string
	// Targets are those it was picked for, in the order asked for.
	Targets []string
	// Looked is everything that was considered, for doctors and errors.
	Looked []Looked
}

// Toolchains are those that together have all the targets: one where any has
// them all, since a release out of one compiler is easier to repeat.
type Toolchains []Toolchain

// For gives the toolchain of a target.
func (ts Toolchains) For(triple string) Toolchain {
	for _, t := range ts {
		if slices.Contains(t.Targets, triple) {
			return t
		}
	}
	return Toolchain{}
}

// Looked is a place where a toolchain was looked for.
type Looked struct {
	// Cargo is the path of the cargo that was found.
	Cargo string
	// Version is its rustc's version line; empty where it does not run.
	Version string
	// Has are the wanted targets it can build, Lacks the others with the
	// reason.
	Has   []string
	Lacks map[string]string
	// Err says why the toolchain is not usable at all.
	Err error
}

func (l Looked) String() string {
	if l.Err != nil {
		return fmt.Sprintf("%s: %v", l.Cargo, firstLine(l.Err.Error()))
	}
	s := fmt.Sprintf("%s (%s)", l.Cargo, l.Version)
	if len(l.Has) > 0 {
		s += " has " + strings.Join(l.Has, ", ")
	}
	lacks := make([]string, 0, len(l.Lacks))
	for t, why := range l.Lacks {
		lacks = append(lacks, fmt.Sprintf("lacks %s (%s)", t, why))
	}
	slices.Sort(lacks)
	for _, why := range lacks {
		s += ", " + why
	}
	return s
}

// MissingError says that no toolchain has some of the targets.
type MissingError struct {
	Targets []string
	// Linkers are missing cross linkers by target, as program names.
	Linkers map[string]string
	Looked  []Looked
}

func (e *MissingError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no Rust toolchain here can build %s", strings.Join(e.Targets, " and "))
	if len(e.Looked) == 0 {
		b.WriteString(": there is no cargo with a rustc beside it on PATH, in /usr/local/bin, /usr/bin or ~/.cargo/bin")
	} else {
		b.WriteString("; looked at:")
		for _, l := range e.Looked {
			b.WriteString("\n  " + l.String())
		}
	}
	fmt.Fprintf(&b, "\ninstall what is missing with `scripts/setup.sh`, or into a rustup toolchain with `rustup target add %s`", strings.Join(e.Targets, " "))
	for _, t := range e.Targets {
		if l := e.Linkers[t]; l != "" {
			fmt.Fprintf(&b, "; the linker %s comes with `apt-get install %s`", l, debianPackage(l))
		}
	}
	return b.String()
}

// Find looks for toolchains that can build the targets in the product's
// directory: every cargo on PATH, and those in /usr/local/bin, /usr/bin and
// ~/.cargo/bin. It downloads nothing. The error is a [*MissingError] where a
// target cannot be built.
func Find(ctx context.Context, dir string, targets []string) (Toolchains, error) {
	places := filepath.SplitList(os.Getenv("PATH"))
	places = append(places, "/usr/local/bin", "/usr/bin")
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".cargo", "bin"))
	}
	return find(ctx, dir, targets, places)
}

func find(ctx context.Context, dir string, targets, places []string) (Toolchains, error) {
	var all []Toolchain
	var looked []Looked
	seen := map[string]bool{}
	for _, place := range places {
		real, err := filepath.EvalSymlinks(place)
		if err != nil || seen[real] || !filepath.IsAbs(place) {
			continue
		}
		seen[real] = true
		tc := Toolchain{Cargo: filepath.Join(place, "cargo"), Rustc: filepath.Join(place, "rustc")}
		if !executable(tc.Cargo) {
			continue
		}
		l := tc.probe(ctx, dir, targets)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		looked = append(looked, l)
		if l.Err == nil {
			tc.Targets = l.Has
			all = append(all, tc)
		}
	}
	return choose(all, looked, targets)
}

// choose picks the first toolchain with all the targets, else for each target
// the first that has it.
func choose(all []Toolchain, looked []Looked, targets []string) (Toolchains, error) {
	for _, tc := range all {
		if len(tc.Targets) == len(targets) {
			tc.Looked = looked
			return Toolchains{tc}, nil
		}
	}
	missing := &MissingError{Looked: looked, Linkers: map[string]string{}}
	var out Toolchains
	for _, t := range targets {
		i := slices.IndexFunc(all, func(tc Toolchain) bool { return slices.Contains(tc.Targets, t) })
		if i < 0 {
			missing.Targets = append(missing.Targets, t)
			for _, l := range looked {
				if linker, ok := strings.CutPrefix(l.Lacks[t], noLinker); ok {
					missing.Linkers[t] = linker
				}
			}
			continue
		}
		j := slices.IndexFunc(out, func(tc Toolchain) bool { return tc.Cargo == all[i].Cargo })
		if j < 0 {
			j = len(out)
			tc := all[i]
			tc.Targets, tc.Looked = nil, looked
			out = append(out, tc)
		}
		out[j].Targets = append(out[j].Targets, t)
	}
	if len(missing.Targets) > 0 {
		return nil, missing
	}
	return out, nil
}

const noLinker = "no linker "

// probe asks a toolchain what it is and which targets it has.
func (tc *Toolchain) probe(ctx context.Context, dir string, targets []string) Looked {
	l := Looked{Cargo: tc.Cargo, Lacks: map[string]string{}}
	if !executable(tc.Rustc) {
		l.Err = fmt.Errorf("no rustc beside it")
		return l
	}
	about, err := tc.rustc(ctx, dir, "--version", "--verbose")
	if err != nil {
		l.Err = err
		return l
	}
	for i, line := range strings.Split(about, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case i == 0:
			tc.Version = line
		case key == "host":
			tc.Host = value
		case key == "commit-hash" && value != "unknown":
			tc.Commit = value
		}
	}
	if tc.Host == "" {
		l.Err = fmt.Errorf("`rustc --version --verbose` names no host: %q", about)
		return l
	}
	if tc.Sysroot, err = tc.rustc(ctx, dir, "--print", "sysroot"); err != nil {
		l.Err = err
		return l
	}
	l.Version = tc.Version
	tc.Linkers = map[string]string{}
	for _, t := range targets {
		lib, err := tc.rustc(ctx, dir, "--print", "target-libdir", "--target", t)
		if err != nil {
			l.Lacks[t] = "rustc does not know it"
			continue
		}
		if std, _ := filepath.Glob(filepath.Join(lib, "libstd-*.rlib")); len(std) == 0 {
			l.Lacks[t] = "no standard library in " + lib
			continue
		}
		linker := linkerOf(t, tc.Host)
		if linker != "" {
			path, err := exec.LookPath(linker)
			if err != nil {
				l.Lacks[t] = noLinker + linker
				continue
			}
			tc.Linkers[t] = path
		}
		l.Has = append(l.Has, t)
	}
	return l
}

func (tc *Toolchain) rustc(ctx context.Context, dir string, args ...string) (string, error) {
	return run.Text(ctx, run.Cmd{
		Name: tc.Rustc, Args: args, Dir: dir,
		Env: []string{"RUSTUP_AUTO_INSTALL=0"},
	})
}

// cargo gives cargo's version line.
func (tc *Toolchain) cargo(ctx context.Context, dir string) (string, error) {
	line, err := run.Text(ctx, run.Cmd{Name: tc.Cargo, Args: []string{"--version"}, Dir: dir, Env: []string{"RUSTUP_AUTO_INSTALL=0"}})
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", tc.Cargo, err)
	}
	return strings.TrimSpace(line), nil
}

// linkerOf names the C compiler that links for a target: the machine's own,
// or the cross compiler as Debian calls it. Targets on musl bring their own
// start files and are linked by the machine's compiler where they are of its
// architecture.
func linkerOf(triple, host string) string {
	parts := strings.Split(triple, "-")
	hostArch, _, _ := strings.Cut(host, "-")
	if parts[0] == hostArch {
		return "cc"
	}
	if len(parts) == 4 { // without the vendor
		parts = slices.Delete(parts, 1, 2)
	}
	return strings.Join(parts, "-") + "-gcc"
}

func debianPackage(linker string) string {
	if linker == "cc" {
		return "gcc"
	}
	// x86_64 is written with a dash in package names.
	return "gcc-" + strings.ReplaceAll(strings.TrimSuffix(linker, "-gcc"), "_", "-")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func firstLine(s string) string {
	line, rest, more := strings.Cut(strings.TrimSpace(s), "\n")
	if more && strings.HasSuffix(line, ":") {
		next, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		line += " " + next
	}
	return line
}
