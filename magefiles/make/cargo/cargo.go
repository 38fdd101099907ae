// Package cargo makes the product's binaries: it picks a toolchain that has
// the targets, builds statically and reproducibly, looks at the ELF files,
// embeds the list of crates, runs the result, and puts it into the bundle. It
// knows bundle and product.
package cargo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Options say what to build and from what.
type Options struct {
	// Dir is the product's checkout.
	Dir string
	// Cargo names the package, the binary and the targets.
	Cargo product.Cargo
	// Only is the triple of the one target to build; empty for all.
	Only string
	// Commit is the full hash that is checked out; CommitTime becomes
	// SOURCE_DATE_EPOCH.
	Commit     string
	CommitTime time.Time
	// TargetDir is cargo's target directory; "" is target below Dir. Checkouts
	// of several commits may share one: crates from registries are compiled
	// once, the workspace's own crates again for each checkout.
	TargetDir string
	// Log gets what cargo says, line by line; nil for silence.
	Log io.Writer
}

// Binary is one finished binary.
type Binary struct {
	Target product.Target
	// Path is the finished file, mode 0755.
	Path string
	// Version is what the product's sources declare.
	Version string
	// Ran says how it was tried with --version: [Native], the name of the
	// emulator, or "not run: " and the reason.
	Ran string
	// Crates counts the embedded dependency list, the product's own crates
	// included.
	Crates int
	// Toolchain is the compiler's version line, Cargo that of cargo.
	Toolchain, Cargo string
}

// Native is the value of [Binary.Ran] for a binary that ran by itself.
const Native = "native"

// Build makes every target's binary and gives them in the product's order.
// Targets of one toolchain are built by one call of cargo, which keeps both
// processors busy and compiles procedural macros and build scripts once.
func Build(ctx context.Context, o Options) ([]Binary, error) {
	var err error
	if o.Dir, err = realDir(o.Dir); err != nil {
		return nil, err
	}
	if o.TargetDir == "" {
		o.TargetDir = filepath.Join(o.Dir, "target")
	}
	if err := os.MkdirAll(o.TargetDir, 0o755); err != nil {
		return nil, fmt.Errorf("making cargo's target directory: %w", err)
	}
	if o.TargetDir, err = realDir(o.TargetDir); err != nil {
		return nil, err
	}
	version, err := ProductVersion(o.Dir, o.Cargo.Package)
	if err != nil {
		return nil, err
	}
	chosen, err := o.find(ctx)
	if err != nil {
		return nil, err
	}
	o.Cargo.Targets = o.targets()
	unlock, err := lock(ctx, o.TargetDir, o.Log)
	if err != nil {
		return nil, err
	}
	defer unlock()

	env, err := newEnvironment(ctx, o, chosen)
	if err != nil {
		return nil, err
	}
	if err := o.clean(ctx, chosen[0], env); err != nil {
		return nil, err
	}
	for _, group := range env.groups(chosen) {
		if err := o.compile(ctx, group, env); err != nil {
			return nil, err
		}
	}
	out := make([]Binary, len(o.Cargo.Targets))
	g, ctx := errgroup.WithContext(ctx)
	for i, t := range o.Cargo.Targets {
		g.Go(func() (err error) {
			out[i], err = o.finish(ctx, t, chosen.For(t.Triple), env, version)
			if err != nil {
				err = fmt.Errorf("finishing %s: %w", t.Asset, err)
			}
			return err
		})
	}
	return out, g.Wait()
}

// targets are those to build.
func (o Options) targets() []product.Target {
	if o.Only == "" {
		return o.Cargo.Targets
	}
	return slices.DeleteFunc(slices.Clone(o.Cargo.Targets), func(t product.Target) bool { return t.Triple != o.Only })
}

// find picks the toolchains. For one target it is the one that would be picked
// among all, so that its bytes are the same; a machine that cannot build all
// makes do with what it has.
func (o Options) find(ctx context.Context) (Toolchains, error) {
	var triples []string
	for _, t := range o.Cargo.Targets {
		triples = append(triples, t.Triple)
	}
	chosen, err := Find(ctx, o.Dir, triples)
	if o.Only == "" {
		return chosen, err
	}
	var missing *MissingError
	if errors.As(err, &missing) {
		return Find(ctx, o.Dir, []string{o.Only})
	}
	if err != nil {
		return nil, err
	}
	one := chosen.For(o.Only)
	one.Targets = []string{o.Only}
	return Toolchains{one}, nil
}

// compile runs cargo for targets that share a toolchain and flags.
func (o Options) compile(ctx context.Context, g group, env *environment) error {
	args := []string{"build", "--release", "--locked", "--package", o.Cargo.Package, "--bin", o.Cargo.Binary}
	for _, t := range g.targets {
		args = append(args, "--target", t)
	}
	err := run.Do(ctx, run.Cmd{
		Name: g.toolchain.Cargo, Args: args, Dir: o.Dir, BareEnv: true,
		Env: env.with(g.toolchain, g.flags), Log: o.Log,
	})
	if err != nil {
		return fmt.Errorf("building %s: %w", o.Cargo.Binary, err)
	}
	return nil
}

// finish checks what cargo made for a target, embeds the crates, writes the
// result beside it under the asset's name, and tries it.
func (o Options) finish(ctx context.Context, t product.Target, tc Toolchain, env *environment, version string) (Binary, error) {
	release := filepath.Join(o.TargetDir, t.Triple, "release")
	made := filepath.Join(release, o.Cargo.Binary)
	content, err := os.ReadFile(made)
	if err != nil {
		return Binary{}, fmt.Errorf("reading what cargo made: %w", err)
	}
	if err := checkStatic(content, t); err != nil {
		return Binary{}, err
	}
	if err := checkLeaks(content, env.private); err != nil {
		return Binary{}, err
	}
	crates, err := o.crates(ctx, t.Triple, tc, env)
	if err != nil {
		return Binary{}, err
	}
	section, err := crates.section()
	if err != nil {
		return Binary{}, err
	}
	if content, err = embed(content, sectionName, section); err != nil {
		return Binary{}, err
	}
	path := filepath.Join(release, "finished", t.Asset)
	if err := writeExecutable(path, content); err != nil {
		return Binary{}, err
	}
	ran, err := tryVersion(ctx, path, t, version)
	if err != nil {
		return Binary{}, err
	}
	cargo, err := tc.cargo(ctx, o.Dir)
	if err != nil {
		return Binary{}, err
	}
	return Binary{
		Target: t, Path: path, Version: version, Ran: ran,
		Crates: len(crates.Packages), Toolchain: tc.Version, Cargo: cargo,
	}, nil
}

// realDir gives a directory's absolute path without symbolic links: the form
// in which compilers see it.
func realDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// writeExecutable replaces a file in one step.
func writeExecutable(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(path, content, 0o755); err != nil {
		return fmt.Errorf("writing the finished binary: %w", err)
	}
	return nil
}

func epoch(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
