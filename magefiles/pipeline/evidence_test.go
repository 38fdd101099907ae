package pipeline

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
	"github.com/kubedoio/rustshare-release/magefiles/try/tests"
)

// What comes of tries can be kept as evidence, and says what failed.
func TestEvidenceOf(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	what := trial{Commit: strings.Repeat("a", 40), Digest: "sha256:" + strings.Repeat("b", 64), Platform: "linux/amd64"}
	walk := journey.Report{
		Started: at, Steps: []journey.Step{
			{Name: "login", Expected: "the user", Outcome: journey.Passed, Took: time.Second},
			{Name: "upload", Expected: "an id", Found: "500", Outcome: journey.Failed},
			{Name: "logout", Outcome: journey.NotRun},
		},
	}
	smoke := &drill.Run{Name: "smoke:launch", Status: drill.Failed, Details: "upload: 500", Started: at, Finished: at.Add(time.Minute), Steps: []drill.Step{
		{Name: "start", Outcome: drill.Passed, Started: at}, {Name: "journey", Outcome: drill.Failed, Started: at, Journey: &walk},
	}}
	suites := tests.Result{
		Passed: 3, Failed: 1, Suites: []tests.Suite{{Name: "core", Passed: 3}, {Name: "server", Failed: 1}, {Name: "docs"}},
		Failures: []tests.Failure{{Suite: "server", Name: "answers"}},
	}
	for _, c := range []struct {
		e     record.Evidence
		steps string
	}{
		{evidenceOf(smoke, kindOf(smoke.Name), what, onProcess), "start PASS, login PASS, upload FAIL 500, logout NOT_RUN"},
		{evidenceOf(&drill.Run{
			Name: "drill:upgrade", Status: drill.NotApplicable, Details: "nothing", Started: at, Finished: at,
			Steps: []drill.Step{{Name: "open", Outcome: drill.NotApplicable, Detail: "first release", Started: at}},
		}, record.Drill, what, onCompose), "open NOT_APPLICABLE first release"},
		{evidenceOfTests(Tested{Name: "test:backend", Scope: "all", Result: suites, Started: at, Finished: at, Error: "1 of 4 tests failed"}, what.Commit),
			"core PASS 3 passed, 0 failed, 0 ignored, server FAIL 0 passed, 1 failed, 0 ignored; failed: server: answers"},
		{evidenceOfTests(Tested{Name: "test:frontend", Scope: "all", Result: tests.Result{Uncounted: true}, Started: at, Finished: at}, what.Commit), ""},
	} {
		if err := c.e.Validate(); err != nil {
			t.Errorf("%s: %v", c.e.Name, err)
		}
		var said []string
		for _, s := range c.e.Steps {
			detail := s.Detail
			if s.Name == "login" || s.Name == "logout" {
				detail = ""
			}
			said = append(said, strings.TrimSpace(s.Name+" "+string(s.Result)+" "+detail))
		}
		if got := strings.Join(said, ", "); got != c.steps {
			t.Errorf("%s has the steps\n%s\nwant\n%s", c.e.Name, got, c.steps)
		}
	}
}

// A record is public: no secret of a run may stand in it, in whatever form.
func TestEvidenceIsMasked(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	at := &stands{secrets: []stack.Secrets{{"JWT_SECRET": "another-secret-value"}, {"JWT_SECRET": secret}}}
	e := at.mask(record.Evidence{
		Summary: "upload: " + secret, Facts: map[string]string{"backup": secret},
		Steps: []record.EvidenceStep{{Detail: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= another-secret-value"}},
	})
	text := e.Summary + e.Facts["backup"] + e.Steps[0].Detail
	if strings.Contains(text, secret) || strings.Contains(text, "MDEyMzQ1") || strings.Contains(text, "another") {
		t.Errorf("the record says %s", text)
	}
}

// What a bundle has the record of is not run again: tests are of its commit,
// everything else is of the very image, on the kind of stack that is asked for.
func TestPassedBefore(t *testing.T) {
	commit, at := strings.Repeat("a", 40), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	image := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 64)}
	b, err := bundle.Create(t.TempDir(), decide.Plan{Commit: commit})
	ok(t, err)
	for _, e := range []record.Evidence{
		{Name: "test:backend", Kind: record.Test, Result: record.Pass},
		{Name: "test:frontend", Kind: record.Test, Result: record.Fail},
		{Name: "smoke:launch", Kind: record.Smoke, Result: record.Pass, Digest: image.String(), Stack: onProcess},
		{Name: "smoke:beta", Kind: record.Smoke, Result: record.Pass, Digest: image.String(), Stack: onCompose},
		{Name: "drill:restore", Kind: record.Drill, Result: record.Pass, Digest: "sha256:" + strings.Repeat("c", 64), Stack: onProcess},
	} {
		e.Summary, e.Commit, e.Started, e.Finished = "said", commit, at, at
		ok(t, record.WriteEvidence(b, e))
	}
	s := Suite{Stack: onProcess, Getenv: func(string) string { return "" }}
	for name, want := range map[string]bool{
		"test:backend": true, "test:frontend": false, "smoke:launch": true, "smoke:beta": false, "drill:restore": false, "smoke:pilot": false,
	} {
		if got, err := s.passed(b, name, image, nil); err != nil || (got != nil) != want {
			t.Errorf("%s: %+v, %v; passed before should be %t", name, got, err, want)
		}
	}
}
