package tests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Npm runs `npm run test` in the frontend, its packages installed, with these
// arguments for the script behind "--".
type Npm func(ctx context.Context, args ...string) error

// Frontend runs the test script of the npm project in dir, an absolute path.
// Vitest and Jest are asked for a report of what they did; of any other runner,
// and where they leave no report, the exit code is all that is known:
// [Result.Uncounted]. Failed tests are a [*FailedError]; any other error means
// that they failed without saying which, or could not be run.
func Frontend(ctx context.Context, dir string, npm Npm) (r Result, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return Result{}, fmt.Errorf("looking for the frontend's tests: %w", err)
	}
	var project struct {
		Scripts map[string]string `json:"scripts"`
	}
	if err := json.Unmarshal(text, &project); err != nil {
		return Result{}, fmt.Errorf("reading %s: %w", filepath.Join(dir, "package.json"), err)
	}
	temp, err := os.MkdirTemp("", "frontend-tests-")
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	report := filepath.Join(temp, "report.json")

	begun := time.Now()
	ended := npm(ctx, reportFlags(project.Scripts["test"], report)...)
	r, err = readReport(report, dir)
	r.Took = time.Since(begun)
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("running the frontend's tests: %w", ctx.Err())
	case r.Failed > 0:
		return r, &FailedError{r}
	case ended != nil || err != nil:
		return r, errors.Join(ended, err)
	case r.Passed == 0 && !r.Uncounted:
		return r, fmt.Errorf("`npm run test` in %s ran no test: that shows nothing", dir)
	}
	return r, nil
}

// reportFlags are the arguments that make the runner of a script write Jest's
// JSON report: those of the last command, which is where npm puts arguments.
func reportFlags(script, report string) []string {
	if i := strings.LastIndexAny(script, "&|;"); i >= 0 {
		script = script[i+1:]
	}
	for word := range strings.FieldsSeq(script) {
		switch {
		case strings.Contains(word, "="), word == "npx", word == "cross-env": // what a command may stand behind
			continue
		case path.Base(word) == "vitest":
			return []string{"--reporter=default", "--reporter=json", "--outputFile.json=" + report}
		case path.Base(word) == "jest":
			return []string{"--json", "--outputFile=" + report}
		}
		break
	}
	return nil
}

// readReport reads the report, if there is one.
func readReport(name, dir string) (Result, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Result{Uncounted: true}, nil
	}
	if err != nil {
		return Result{Uncounted: true}, err
	}
	return parseReport(text, dir)
}

// jestReport is what is read of Jest's JSON report, which Vitest writes too.
type jestReport struct {
	TestResults []struct {
		Name       string  `json:"name"` // absolute path
		Status     string  `json:"status"`
		Message    string  `json:"message"`
		Start      float64 `json:"startTime"` // milliseconds since 1970
		End        float64 `json:"endTime"`
		Assertions []struct {
			FullName string   `json:"fullName"`
			Status   string   `json:"status"`
			Messages []string `json:"failureMessages"`
		} `json:"assertionResults"`
	} `json:"testResults"`
}

// parseReport sums up a report on the project in dir.
func parseReport(text []byte, dir string) (Result, error) {
	var report jestReport
	if err := json.Unmarshal(text, &report); err != nil {
		return Result{Uncounted: true}, fmt.Errorf("reading the report of the frontend's tests: %w", err)
	}
	var r Result
	for _, file := range report.TestResults {
		s := Suite{Name: file.Name}
		if rel, err := filepath.Rel(dir, file.Name); err == nil && filepath.IsLocal(rel) {
			s.Name = filepath.ToSlash(rel)
		}
		if ms := file.End - file.Start; ms > 0 && ms < float64(24*time.Hour/time.Millisecond) {
			s.Took = time.Duration(ms * float64(time.Millisecond))
		}
		var failed []Failure
		for _, a := range file.Assertions {
			switch a.Status {
			case "passed":
				s.Passed++
			case "failed":
				failed = append(failed, Failure{Suite: s.Name, Name: a.FullName, Output: head(strings.Join(a.Messages, "\n"))})
			default: // skipped, pending, todo, disabled
				s.Ignored++
			}
		}
		if file.Status == "failed" && len(failed) == 0 { // it could not be loaded
			failed = append(failed, Failure{Suite: s.Name, Output: head(file.Message)})
		}
		s.Failed = len(failed)
		r.add(s)
		for _, f := range failed {
			r.fail(f)
		}
	}
	slices.SortFunc(r.Suites, func(a, b Suite) int { return strings.Compare(a.Name, b.Name) })
	return r, nil
}

// head keeps the first maxOutput bytes: a message comes before its stack.
func head(s string) string {
	if len(s) > maxOutput {
		s = s[:maxOutput]
	}
	return strings.ToValidUTF8(strings.TrimSpace(s), "\uFFFD")
}
