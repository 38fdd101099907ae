package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Options say what to test.
type Options struct {
	// Cargo is the cargo to run, Dir the workspace's root.
	Cargo, Dir string
	Scope      Scope
	// TargetDir is cargo's target directory (default: the workspace's own).
	TargetDir string
	// Log gets cargo's output as it comes; it may be nil.
	Log io.Writer
}

// Result counts tests.
type Result struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Ignored int `json:"ignored"`
	// Failures name the tests that failed.
	Failures []string      `json:"failures,omitempty"`
	Took     time.Duration `json:"took"`
}

// FailedError says which tests failed.
type FailedError struct{ Result Result }

func (e *FailedError) Error() string {
	return fmt.Sprintf("%d of %d tests failed: %s", e.Result.Failed, e.Result.Failed+e.Result.Passed, strings.Join(e.Result.Failures, ", "))
}

// Backend runs `cargo test` on the scope. Failed tests are a [*FailedError];
// any other error means that they could not be run. No test at all is an error
// too: it shows nothing.
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
	said := &recorder{log: o.Log}
	c := run.Cmd{Name: o.Cargo, Args: args, Dir: o.Dir, Log: said, Env: []string{"CARGO_TERM_COLOR=never"}}
	if o.TargetDir != "" {
		c.Env = append(c.Env, "CARGO_TARGET_DIR="+o.TargetDir)
	}
	begun := time.Now()
	err := run.Do(ctx, c)
	r := parse(said.text.String())
	r.Took = time.Since(begun)
	switch {
	case r.Failed > 0:
		return r, &FailedError{r}
	case err != nil:
		return r, fmt.Errorf("running the tests: %w", err)
	case r.Passed == 0:
		return r, fmt.Errorf("cargo ran no test of %s: that shows nothing", o.Scope)
	}
	return r, nil
}

// recorder keeps what cargo says and passes it on.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
	log  io.Writer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	if r.log == nil {
		return len(p), nil
	}
	return r.log.Write(p)
}

var (
	// resultLine ends the output of each test binary.
	resultLine = regexp.MustCompile(`^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;`)
	failedLine = regexp.MustCompile(`^test (.+) \.\.\. FAILED$`)
)

// parse sums up what the test binaries print (libtest's plain format).
func parse(text string) Result {
	var r Result
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := failedLine.FindStringSubmatch(line); m != nil {
			r.Failures = append(r.Failures, m[1])
		}
		m := resultLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for i, n := range []*int{&r.Passed, &r.Failed, &r.Ignored} {
			count, err := strconv.Atoi(m[i+1])
			if err != nil { // more digits than a number has: no such run
				continue
			}
			*n += count
		}
	}
	return r
}
