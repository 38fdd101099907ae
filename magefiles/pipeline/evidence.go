package pipeline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
)

// resultOf is an outcome as evidence has it.
func resultOf(o drill.Outcome) record.Result {
	switch o {
	case drill.Passed:
		return record.Pass
	case drill.Failed:
		return record.Fail
	case drill.NotApplicable:
		return record.NotApplicable
	}
	return record.NotRun
}

// evidenceOf makes the record of a run on a stack. Of a smoke run the steps of
// the journey are recorded one by one, but for the pilot run, whose phases are.
func evidenceOf(run *drill.Run, kind record.Kind, what trial, stackKind string) record.Evidence {
	e := record.Evidence{
		Name: run.Name, Kind: kind, Result: resultOf(run.Status), Summary: run.Details,
		Commit: what.Commit, Digest: what.Digest, Platform: what.Platform, Stack: stackKind,
		Started: run.Started, Finished: run.Finished, Facts: run.Facts,
	}
	for _, s := range run.Steps {
		if s.Journey != nil && kind == record.Smoke && run.Name != pilot.Name {
			e.Steps = append(e.Steps, stepsOf(*s.Journey)...)
			continue
		}
		e.Steps = append(e.Steps, record.EvidenceStep{Name: s.Name, Result: resultOf(s.Outcome), Detail: s.Detail, Started: s.Started, Took: s.Took})
	}
	if e.Result == record.Pass && len(e.Steps) > len(run.Steps) {
		e.Summary = fmt.Sprintf("%d steps passed", len(e.Steps))
	}
	return e
}

// stepsOf are a journey's steps.
func stepsOf(r journey.Report) []record.EvidenceStep {
	out := make([]record.EvidenceStep, 0, len(r.Steps))
	at := r.Started
	for _, s := range r.Steps {
		e := record.EvidenceStep{Name: s.Name, Detail: s.Expected, Started: at, Took: s.Took}
		switch s.Outcome {
		case journey.Passed:
			e.Result = record.Pass
		case journey.Failed:
			e.Result, e.Detail = record.Fail, s.Found
		case journey.Skipped:
			e.Result, e.Detail = record.NotApplicable, s.Found
		default:
			e.Result, e.Started = record.NotRun, time.Time{}
		}
		at = at.Add(s.Took)
		out = append(out, e)
	}
	return out
}

// evidenceOfTests makes the record of the product's own tests, with a step for
// each suite that has any.
func evidenceOfTests(t Tested, commit string) record.Evidence {
	e := record.Evidence{
		Name: t.Name, Kind: record.Test, Result: record.Pass, Summary: t.String(), Commit: commit, Started: t.Started, Finished: t.Finished,
		Facts: map[string]string{"passed": strconv.Itoa(t.Passed), "failed": strconv.Itoa(t.Failed), "ignored": strconv.Itoa(t.Ignored)},
	}
	if t.Uncounted {
		e.Facts = nil
	}
	if t.Error != "" {
		e.Result, e.Summary = record.Fail, t.Error
	}
	for _, suite := range t.Suites {
		if suite.Passed+suite.Failed+suite.Ignored == 0 {
			continue
		}
		step := record.EvidenceStep{
			Name: suite.Name, Result: record.Pass, Took: suite.Took,
			Detail: fmt.Sprintf("%d passed, %d failed, %d ignored", suite.Passed, suite.Failed, suite.Ignored),
		}
		for _, f := range t.Failures {
			if f.Suite == suite.Name {
				step.Result, step.Detail = record.Fail, step.Detail+"; failed: "+f.String()
			}
		}
		e.Steps = append(e.Steps, step)
	}
	return e
}

// results are the statements about the image that a bundle's evidence makes.
func results(b *bundle.Bundle) ([]attest.Result, error) {
	d, _, _, err := b.ImageIndex()
	if err != nil {
		return nil, err
	}
	all, err := record.ReadEvidence(b)
	if err != nil {
		return nil, err
	}
	var out []attest.Result
	for _, e := range all {
		if e.Digest != "" && e.Digest != d.Digest.String() {
			continue
		}
		run, ok, err := e.TestRun()
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, attest.Result{Name: e.Name, Predicate: run, Platform: e.Platform})
		}
	}
	return out, nil
}
