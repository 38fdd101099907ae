package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Options say what to test.
type Options struct {
	// Cargo is the cargo to run, Dir the workspace's root.
	Cargo, Dir string
	// Rustc is the compiler, with rustdoc beside it (default: those that cargo
	// finds). Where machines have two toolchains, the one on PATH may be of the
	// other one.
	Rustc string
	Scope Scope
	// TargetDir is cargo's target directory (default: the workspace's own).
	TargetDir string
	// Log gets cargo's output as it comes; it may be nil.
	Log io.Writer
}

// Backend runs `cargo test` on the scope. Failed tests are a [*FailedError],
// what does not compile is a [*CompileError]; any other error means that they
// could not be run. No test at all is an error too: it shows nothing.
func Backend(ctx context.Context, o Options) (Result, error) {
	args := []string{"test", "--locked", "--no-fail-fast"}
	if o.Scope.All {
		args = append(args, "--workspace")
	}
	for _, name := range o.Scope.Crates {
		args = append(args, "--package", name)
	}
	if !o.Scope.All && len(o.Scope.Crates) == 0 {
		return Result{}, errors.New("running the tests of no crate: name some, or the whole workspace")
	}
	read := &reader{log: o.Log}
	c := run.Cmd{Name: o.Cargo, Args: args, Dir: o.Dir, Log: read, Env: []string{"CARGO_TERM_COLOR=never"}}
	if o.Rustc != "" {
		c.Env = append(c.Env, "RUSTC="+o.Rustc)
		rustdoc := filepath.Join(filepath.Dir(o.Rustc), "rustdoc")
		if _, err := os.Stat(rustdoc); err == nil {
			c.Env = append(c.Env, "RUSTDOC="+rustdoc)
		}
	}
	if o.TargetDir != "" {
		c.Env = append(c.Env, "CARGO_TARGET_DIR="+o.TargetDir)
	}
	begun := time.Now()
	err := run.Do(ctx, c)
	p := &read.parser
	p.end()
	r := p.result
	r.Took = time.Since(begun)
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("running the tests: %w", ctx.Err())
	case r.Failed > 0:
		return r, &FailedError{r}
	case err != nil && len(p.broken) > 0:
		return r, &CompileError{What: p.broken, Output: p.errors.String()}
	case err != nil:
		return r, fmt.Errorf("running the tests: %w", err)
	case r.Passed == 0:
		return r, fmt.Errorf("cargo ran no test of %s: that shows nothing", o.Scope)
	}
	return r, nil
}

// reader parses what cargo says and passes it on. [run.Cmd] gives it whole
// lines, one after the other.
type reader struct {
	parser parser
	log    io.Writer
}

func (r *reader) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		r.parser.line(strings.TrimRight(line, "\r\n"))
	}
	if r.log == nil {
		return len(b), nil
	}
	return r.log.Write(b)
}
