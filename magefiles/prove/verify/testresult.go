package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// TestResult is what the trusted key says came of a gate, a test, a smoke run
// or a drill of one image index.
type TestResult struct {
	// Name is the target's, as in "drill:restore".
	Name string `json:"name"`
	// Stack is the kind of stack that it ran on, such as "compose", and Platform
	// that of the image that was run; "" where there was none.
	Stack    string `json:"stack,omitempty"`
	Platform string `json:"platform,omitempty"`
	// Result is PASSED, WARNED or FAILED.
	Result string `json:"result"`
	// Commit is the full hash; it is the index's own.
	Commit   string    `json:"commit"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Record is the digest of the record, which lies in the release's bundle.
	Record string `json:"record"`
	// Text is the record, nil where the statement does not bring it along.
	Text []byte `json:"-"`
}

// what is how a result is asked for: "smoke:pilot@compose".
func (t TestResult) what() string {
	if t.Stack == "" {
		return t.Name
	}
	return t.Name + "@" + t.Stack
}

// Results reads what an image index is attested to have passed or failed, by
// name and stack, of each the newest. Statements of another key, about another
// digest or of another commit than the index's, and those that other tools
// made, do not count.
//
// Nothing but these statements and the index is read. The options say how to
// reach the registry; one that does not answer is an error.
func Results(ctx context.Context, ref name.Digest, trust Trust, opts ...remote.Option) ([]TestResult, error) {
	judge, err := trust.judge()
	if err != nil {
		return nil, err
	}
	p, err := judge.only(ctx, ref, trust.Format, intoto.TestResult, opts)
	if err != nil {
		return nil, fmt.Errorf("looking what %s has passed: %w", ref, err)
	}
	if len(p.good) == 0 {
		return nil, nil
	}
	var index v1.IndexManifest
	if err := p.manifest(ctx, p.digest, &index); err != nil {
		return nil, fmt.Errorf("looking what %s has passed: %w", ref, err)
	}
	out, _ := p.results(index.Annotations[revisionKey])
	return out, nil
}

// results sorts the test results of an index of this commit into those that
// count and why others do not.
func (p *proofs) results(revision string) (out []TestResult, refused []string) {
	for _, s := range p.of(intoto.TestResult) {
		t, err := testResult(s)
		switch {
		case err != nil:
			refused = append(refused, err.Error())
		case t.Commit != revision:
			refused = append(refused, fmt.Sprintf("that of %s is of the commit %q, this image of %q", t.what(), t.Commit, revision))
		default:
			out = append(out, t)
		}
	}
	for _, r := range p.refused {
		if r.predicate == intoto.TestResult {
			refused = append(refused, r.why.Error())
		}
	}
	slices.Sort(refused)
	slices.SortFunc(out, func(a, b TestResult) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Stack, b.Stack), b.Finished.Compare(a.Finished),
			cmp.Compare(a.Result, b.Result), // FAILED goes before PASSED
			cmp.Compare(a.Record, b.Record))
	})
	return slices.CompactFunc(out, func(a, b TestResult) bool { return a.what() == b.what() }), refused
}

func testResult(s intoto.Statement) (TestResult, error) {
	run, err := intoto.DecodeTestRun(s)
	if err != nil {
		return TestResult{}, err
	}
	t, err := run.Trial()
	var text []byte
	if t.Text != "" {
		text = []byte(t.Text)
	}
	return TestResult{
		Name: t.Name, Stack: t.Stack, Platform: t.Platform, Result: run.Result,
		Commit: t.Commit, Started: t.Started, Finished: t.Finished, Record: "sha256:" + t.Record, Text: text,
	}, err
}

// Require wants one of the results to say that what was asked for was passed:
// "smoke:pilot" on any kind of stack, "smoke:pilot@compose" on that one. A
// result that says anything else of it, on a stack that would do, stands
// against it until it is tried there again. The error is a [*Failure].
func Require(results []TestResult, want string) error {
	_, err := passed(results, nil, want)
	return err
}

// passed gives the result that was asked for. The refused say why others do not
// count.
func passed(results []TestResult, refused []string, want string) (*TestResult, error) {
	fail := func(format string, args ...any) (*TestResult, error) {
		return nil, &Failure{NoEvidence, "index", fmt.Sprintf(format, args...)}
	}
	asked, stack, on := strings.Cut(want, "@")
	var there []string
	var pass *TestResult
	for i, t := range results {
		there = append(there, t.what()+" ("+t.Result+")")
		if t.Name != asked || (on && t.Stack != stack) {
			continue
		}
		if t.Result != intoto.Passed {
			return fail("%s was asked for, and what is attested is that %s ended with %s at %s: find out why, run %s on this image again and publish again",
				want, t.what(), t.Result, t.Finished.Format(time.RFC3339), t.what())
		}
		pass = &results[i]
	}
	if pass != nil {
		return pass, nil
	}
	found := "no trusted test result is attached to it"
	if len(there) > 0 {
		found = "what is attached to it is " + strings.Join(there, ", ")
	}
	if n := len(refused); n > 0 {
		found += fmt.Sprintf(", and %d that do not count (%s)", n, strings.Join(refused, "; "))
	}
	return fail("%s was asked for, and nothing says that this image passed it: %s; run %s on it and publish again", want, found, want)
}

// results notes what was passed, and wants what was asked for among it.
func (r *recorder) results(p *proofs, revision string, require []string) {
	const check = "evidence"
	results, refused := p.results(revision)
	r.report.Results = results
	for _, want := range require {
		t, err := passed(results, refused, want)
		if err != nil {
			r.fail(NoEvidence, "index", check, "%s", err)
			continue
		}
		r.pass("index", check, "%s passed at %s, record %s", t.what(), t.Finished.Format(time.RFC3339), t.Record)
	}
}
