package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// readAll parses what a run of cargo printed.
func readAll(text string) *parser {
	r := &reader{}
	_, _ = r.Write([]byte(text)) // it cannot fail without a log
	r.parser.end()
	return &r.parser
}

// summary writes a result for people, as the golden files hold it.
func summary(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r)
	for _, s := range r.Suites {
		fmt.Fprintf(&b, "suite %s: %d passed, %d failed, %d ignored in %s\n", s.Name, s.Passed, s.Failed, s.Ignored, s.Took.Round(time.Millisecond))
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "failure %s\n", f)
		for line := range strings.Lines(f.Output) {
			fmt.Fprintf(&b, "  | %s\n", strings.TrimRight(line, "\n"))
		}
	}
	return b.String()
}

// What cargo and Vitest really printed, each of a run with everything in it.
func TestParse(t *testing.T) {
	for _, name := range []string{"all", "compile", "sample"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		p := readAll(string(text))
		got := summary(p.result)
		if len(p.broken) > 0 {
			got += (&CompileError{What: p.broken, Output: p.errors.String()}).Error() + "\n"
		}
		testkit.Golden(t, "testdata/"+name+".golden", got)
	}
	text, err := os.ReadFile("testdata/vitest.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseReport(text, "/src/frontend")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/vitest.golden", summary(r))
}

func TestParseOddities(t *testing.T) {
	const running = "     Running unittests src/lib.rs (target/debug/deps/my_app-0123456789abcdef)\n\nrunning 2 tests\n"
	const fine = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.25s\n"
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "0 passed\n"},
		{"a result of nothing", fine, "0 passed\n"},
		{"carriage returns", strings.ReplaceAll(running+fine, "\n", "\r\n"), "2 passed, 1 ignored\nsuite my_app: unittests src/lib.rs: 2 passed, 0 failed, 1 ignored in 250ms\n"},
		{"examples of one crate in two binaries", "   Doc-tests app\n\n" + fine + "\n" + fine, "4 passed, 2 ignored\nsuite Doc-tests app: 4 passed, 0 failed, 2 ignored in 500ms\n"},
		{"a failed test without output", running + "test a ... FAILED\n\nfailures:\n\nfailures:\n    a\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n",
			"1 passed, 1 failed\nsuite my_app: unittests src/lib.rs: 1 passed, 1 failed, 0 ignored in 0s\nfailure my_app: unittests src/lib.rs: a\n"},
		{"a name that output tore apart", running + "test a ... hello from a child\nFAILED\n\nfailures:\n\n---- a stdout ----\nno\n\nfailures:\n    a\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
			"1 passed, 1 failed\nsuite my_app: unittests src/lib.rs: 1 passed, 1 failed, 0 ignored in 10ms\nfailure my_app: unittests src/lib.rs: a\n  | no\n"},
		{"a binary that died beside a failed test", running + "test a ... FAILED\n\nCaused by:\n  (signal: 11, SIGSEGV)\n",
			"0 passed, 2 failed\nsuite my_app: unittests src/lib.rs: 0 passed, 2 failed, 0 ignored in 0s\nfailure my_app: unittests src/lib.rs: a\nfailure my_app: unittests src/lib.rs as a whole\n  | running 2 tests\n  | \n  | Caused by:\n  |   (signal: 11, SIGSEGV)\n"},
		{"more tests than there can be", running + strings.Replace(fine, "2 passed", "99999999999999999999 passed", 1),
			"0 passed, 1 failed\nsuite my_app: unittests src/lib.rs: 0 passed, 1 failed, 0 ignored in 0s\nfailure my_app: unittests src/lib.rs as a whole\n  | running 2 tests\n"},
	} {
		if got := summary(readAll(tt.text).result); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// Output is bounded: its end is kept, and the first failures keep theirs.
func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("     Running tests/a.rs (target/debug/deps/a-0123456789abcdef)\n\nfailures:\n\n")
	for i := range maxOutputs + 1 {
		fmt.Fprintf(&b, "---- t%d stdout ----\n%s\nthe panic of %d\n\n", i, strings.Repeat("a line that is logged\n", 2000), i)
	}
	b.WriteString("failures:\n    t0\n")
	r := readAll(b.String()).result
	if len(r.Failures) != maxOutputs+2 { // one more for the result that is missing
		t.Fatalf("%d failures", len(r.Failures))
	}
	for i, f := range r.Failures[:maxOutputs] {
		if len(f.Output) > maxOutput || !strings.HasSuffix(f.Output, fmt.Sprintf("the panic of %d", i)) || !strings.HasPrefix(f.Output, "a line that") {
			t.Fatalf("failure %d keeps %d bytes: %q", i, len(f.Output), f.Output)
		}
	}
	if r.Failures[maxOutputs].Output != "" || r.Failures[maxOutputs].Name == "" {
		t.Errorf("the last one is %+v", r.Failures[maxOutputs])
	}
	if text := (&FailedError{r}).Error(); !strings.HasSuffix(text, "tests/a.rs: t9, and 92 more") {
		t.Errorf("the error says %s", text)
	}
	if got := head(strings.Repeat("é", maxOutput)); len(got) > maxOutput+2 {
		t.Errorf("a message keeps %d bytes", len(got))
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"all", "compile", "sample"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := readAll(text)
		checkResult(t, p.result)
		if len(p.errors.String()) > 3*maxOutput {
			t.Error("the compiler's errors are not bounded")
		}
	})
}

func FuzzParseReport(f *testing.F) {
	text, err := os.ReadFile("testdata/vitest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"testResults":[{"name":"../x","status":"failed","startTime":1e300,"endTime":-1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseReport(text, "/src/frontend")
		if err != nil && !r.Uncounted {
			t.Errorf("a report that cannot be read gave counts: %v", err)
		}
		checkResult(t, r)
	})
}

// checkResult holds what is true of every result.
func checkResult(t *testing.T, r Result) {
	t.Helper()
	passed, failed, ignored := 0, 0, 0
	for _, s := range r.Suites {
		if s.Passed < 0 || s.Failed < 0 || s.Ignored < 0 || s.Took < 0 {
			t.Errorf("a suite is %+v", s)
		}
		passed, failed, ignored = passed+s.Passed, failed+s.Failed, ignored+s.Ignored
	}
	if passed != r.Passed || failed != r.Failed || ignored != r.Ignored {
		t.Errorf("the sum is wrong: %+v", r)
	}
	for _, f := range r.Failures {
		if len(f.Output) > 3*maxOutput { // what is no UTF-8 grows to three bytes
			t.Errorf("%s keeps %d bytes", f, len(f.Output))
		}
	}
}

func TestReportFlags(t *testing.T) {
	for script, want := range map[string]string{
		"vitest run":                     "--reporter=default --reporter=json --outputFile.json=R",
		"tsc --noEmit && TZ=UTC vitest":  "--reporter=default --reporter=json --outputFile.json=R",
		"npx jest --ci":                  "--json --outputFile=R",
		"node_modules/.bin/vitest run":   "--reporter=default --reporter=json --outputFile.json=R",
		"vitest run && tsc --noEmit":     "",
		"node --test":                    "",
		"node run-vitest.mjs vitest":     "",
		"":                               "",
		"cross-env A=1 jest; echo jest!": "",
	} {
		if got := strings.Join(reportFlags(script, "R"), " "); got != want {
			t.Errorf("%q gets %q, want %q", script, got, want)
		}
	}
}

// The runner is played: it gets the flags and leaves a report, or does not.
func TestFrontend(t *testing.T) {
	dir := t.TempDir()
	project := func(script string) {
		text, err := json.Marshal(map[string]any{"scripts": map[string]string{"test": script}})
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "package.json"), text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	exit := errors.New("`npm run test` failed (exit status 1)")
	var report string
	leaves := func(text string, err error) Npm {
		return func(_ context.Context, args ...string) error {
			if len(args) == 0 {
				return err
			}
			report = strings.TrimPrefix(args[len(args)-1], "--outputFile.json=")
			return errors.Join(os.WriteFile(report, []byte(text), 0o644), err)
		}
	}
	const file = `{"testResults":[{"name":"DIR/src/a.test.ts","status":"STATUS","startTime":1000,"endTime":1250,"message":"MESSAGE","assertionResults":[ALL]}]}`
	fill := func(status, message, all string) string {
		return strings.NewReplacer("DIR", dir, "STATUS", status, "MESSAGE", message, "ALL", all).Replace(file)
	}
	const passed = `{"fullName":"adds","status":"passed"}`
	for _, tt := range []struct {
		name, script string
		npm          Npm
		want, err    string
	}{
		{"all passed", "vitest run", leaves(fill("passed", "", passed+`,{"fullName":"later","status":"todo"}`), nil), "1 passed, 1 ignored\nsuite src/a.test.ts: 1 passed, 0 failed, 1 ignored in 250ms\n", ""},
		{"one failed", "vitest run", leaves(fill("failed", "", passed+`,{"fullName":"g no","status":"failed","failureMessages":["2 is not 3\n at x"]}`), exit),
			"1 passed, 1 failed\nsuite src/a.test.ts: 1 passed, 1 failed, 0 ignored in 250ms\nfailure src/a.test.ts: g no\n  | 2 is not 3\n  |  at x\n", "1 of 2 tests failed: src/a.test.ts: g no"},
		{"a file that cannot be loaded", "vitest run", leaves(fill("failed", "no module ./x", ""), exit),
			"0 passed, 1 failed\nsuite src/a.test.ts: 0 passed, 1 failed, 0 ignored in 250ms\nfailure src/a.test.ts as a whole\n  | no module ./x\n", "1 of 1 tests failed: src/a.test.ts as a whole"},
		{"failed all the same", "vitest run", leaves(fill("passed", "", passed), exit), "1 passed\nsuite src/a.test.ts: 1 passed, 0 failed, 0 ignored in 250ms\n", exit.Error()},
		{"a failure that exits with 0", "vitest run", leaves(fill("failed", "x", ""), nil), "0 passed, 1 failed\nsuite src/a.test.ts: 0 passed, 1 failed, 0 ignored in 250ms\nfailure src/a.test.ts as a whole\n  | x\n", "1 of 1 tests failed: src/a.test.ts as a whole"},
		{"no test", "vitest run", leaves(`{"testResults":[]}`, nil), "0 passed\n", "`npm run test` in " + dir + " ran no test: that shows nothing"},
		{"half a report", "vitest run", leaves(`{"testResults":[`, nil), "not counted: the runner gives its exit code alone\n", "reading the report of the frontend's tests: unexpected end of JSON input"},
		{"another runner", "node --test", leaves("", nil), "not counted: the runner gives its exit code alone\n", ""},
		{"another runner fails", "node --test", leaves("", exit), "not counted: the runner gives its exit code alone\n", exit.Error()},
	} {
		project(tt.script)
		r, err := Frontend(t.Context(), dir, tt.npm)
		if got := summary(r); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: the error is %v, want %q", tt.name, err, tt.err)
		}
		if _, err := os.Stat(report); report != "" && err == nil {
			t.Errorf("%s: the report is still there", tt.name)
		}
	}
	if _, err := Frontend(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "package.json") {
		t.Errorf("no project: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), bytes.Repeat([]byte("{"), 3), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Frontend(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "reading "+dir) {
		t.Errorf("a broken project: %v", err)
	}
}
