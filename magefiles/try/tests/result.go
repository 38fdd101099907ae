package tests

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result is what came of a run of tests.
type Result struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Ignored int `json:"ignored"`
	// Uncounted says that the runner gave its exit code and no numbers.
	Uncounted bool `json:"uncounted,omitempty"`
	// Suites are the test binaries, or test files, in the order of the run.
	Suites []Suite `json:"suites,omitempty"`
	// Failures are the tests that failed, in the order of the run.
	Failures []Failure `json:"failures,omitempty"`
	// Took is how long it all took, compiling and installing included.
	Took time.Duration `json:"took"`
}

// Suite is one test binary, the examples in one crate's documentation, or one
// file of tests.
type Suite struct {
	// Name is what the runner calls it: "core: unittests src/lib.rs",
	// "tests/api/main.rs", "Doc-tests core", "src/format.test.ts".
	Name    string `json:"name"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Ignored int    `json:"ignored"`
	// Took is how long its tests ran.
	Took time.Duration `json:"took"`
}

// Failure is a test that failed.
type Failure struct {
	Suite string `json:"suite,omitempty"`
	// Name is the test's; empty where the suite failed as a whole: its process
	// died, or its file could not be loaded.
	Name string `json:"name,omitempty"`
	// Output is what it printed, at most maxOutput bytes; empty past the first
	// maxOutputs failures.
	Output string `json:"output,omitempty"`
}

const (
	maxOutput  = 8 << 10
	maxOutputs = 100
	maxNames   = 10
)

// String names the test.
func (f Failure) String() string {
	switch {
	case f.Name == "":
		return f.Suite + " as a whole"
	case f.Suite == "":
		return f.Name
	}
	return f.Suite + ": " + f.Name
}

// String says it in a few words.
func (r Result) String() string {
	if r.Uncounted {
		return "not counted: the runner gives its exit code alone"
	}
	s := fmt.Sprintf("%d passed", r.Passed)
	if r.Failed > 0 {
		s += fmt.Sprintf(", %d failed", r.Failed)
	}
	if r.Ignored > 0 {
		s += fmt.Sprintf(", %d ignored", r.Ignored)
	}
	return s
}

// add takes a suite into the sum.
func (r *Result) add(s Suite) {
	r.Passed, r.Failed, r.Ignored = r.Passed+s.Passed, r.Failed+s.Failed, r.Ignored+s.Ignored
	r.Suites = append(r.Suites, s)
}

// fail notes a failure, with its output where there is room for it.
func (r *Result) fail(f Failure) {
	if len(r.Failures) >= maxOutputs {
		f.Output = ""
	}
	r.Failures = append(r.Failures, f)
}

// FailedError says which tests failed.
type FailedError struct{ Result Result }

func (e *FailedError) Error() string {
	r := e.Result
	var names []string
	for _, f := range r.Failures {
		if len(names) == maxNames {
			names = append(names, fmt.Sprintf("and %d more", len(r.Failures)-maxNames))
			break
		}
		names = append(names, f.String())
	}
	return fmt.Sprintf("%d of %d tests failed: %s", r.Failed, r.Failed+r.Passed, strings.Join(names, ", "))
}

// CompileError says that the tests could not be built, so that none ran.
type CompileError struct {
	// What are the things that did not compile, as cargo names them: `app` (lib
	// test).
	What []string
	// Output is what the compiler said, at most maxOutput bytes.
	Output string
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s did not compile, so no test ran:\n%s", strings.Join(slices.Compact(e.What), ", "), e.Output)
}
