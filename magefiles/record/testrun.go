package record

import (
	"fmt"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// TestRun gives the record as the predicate of a test result, for it to be
// attested on the image that was tried. It brings the record along: what was
// tried once is known wherever the image is. Only what was tried to its end can be:
// ok is false for anything but Pass and Fail.
func (e Evidence) TestRun() (run intoto.TestRun, ok bool, err error) {
	text, err := e.Encode()
	if err != nil {
		return run, false, err
	}
	switch e.Result {
	case Pass:
		run.Result = intoto.Passed
	case Fail:
		run.Result = intoto.Failed
	default:
		return run, false, nil
	}
	e = e.tidy()
	for _, s := range e.Steps {
		switch s.Result {
		case Pass:
			run.Passed = append(run.Passed, s.Name)
		case Fail:
			run.Failed = append(run.Failed, s.Name)
		}
	}
	run.Configuration = intoto.Trial{
		Name: e.Name, Record: hexOf(text), Text: string(text), Commit: e.Commit, Stack: e.Stack, Platform: e.Platform, Started: e.Started, Finished: e.Finished,
	}.Configuration()
	return run, true, nil
}

// EvidenceOfGates makes one record, "gates", of the gates of a plan. A gate that
// refused and was overridden is a Fail with the reason. A warning stops no
// release, and is no Pass either: it is NotApplicable.
func EvidenceOfGates(plan decide.Plan, started, finished time.Time) Evidence {
	e := Evidence{Name: "gates", Kind: Gate, Commit: plan.Commit, Started: started, Finished: finished}
	counts := map[Result]int{}
	for _, g := range plan.Gates {
		s := EvidenceStep{Name: g.Name, Result: gateResult(g), Detail: g.Detail}
		if g.Override != "" {
			s.Detail = fmt.Sprintf("overridden (%s): %s", g.Override, g.Detail)
		}
		if g.File != "" {
			s.Detail = fmt.Sprintf("%s:%d: %s", g.File, g.Line, s.Detail)
		}
		if g.Evidence != "" {
			s.Detail += " (" + g.Evidence + ")"
		}
		counts[s.Result]++
		e.Steps = append(e.Steps, s)
	}
	e.Result = ResultOf(e.Steps)
	e.Summary = fmt.Sprintf("%d of %d gates passed", counts[Pass], len(e.Steps))
	if n := counts[Fail]; n > 0 {
		e.Summary += fmt.Sprintf(", %d failed", n)
	}
	if n := counts[NotApplicable]; n > 0 {
		e.Summary += fmt.Sprintf(", %d warned", n)
	}
	return e
}

func gateResult(g decide.Gate) Result {
	switch {
	case g.State == decide.Pass:
		return Pass
	case g.State == decide.Warning && g.Override == "":
		return NotApplicable
	}
	return Fail
}
