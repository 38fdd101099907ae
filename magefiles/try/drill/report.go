// Package drill shows that a product survives what operators fear: a backup is
// made and restored elsewhere, a release takes over the data of the one before,
// services go away and come back. It knows stacks, journeys and backups.
package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// Instance is a running product with its data.
type Instance interface {
	stack.Stack
	stack.Data
}

// Opening says which instance is wanted.
type Opening struct {
	// Name is what the instance is for, in a word: it shows in logs and names.
	Name string
	// Previous asks for the previous release instead of the one that is tried.
	Previous bool
	// Snapshot is a directory with data to begin with, and Secrets are those
	// that the data was made with; both may be empty.
	Snapshot string
	Secrets  stack.Secrets
	// Isolated asks for the restore drill's own project, of which there can be
	// one at a time. Keep says that it may be left running.
	Isolated, Keep bool
}

// Opener gives an instance that is not started yet. Whoever asked destroys it.
type Opener func(ctx context.Context, o Opening) (Instance, error)

// Outcome says how a step, or a whole run, went.
type Outcome string

// The outcomes. A run passed, failed or, where nothing in it could be done
// here, is not applicable.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	NotApplicable Outcome = "not applicable"
	NotRun        Outcome = "not run"
)

// Step is one step of a run.
type Step struct {
	Name    string    `json:"name"`
	Outcome Outcome   `json:"outcome"`
	Detail  string    `json:"detail"`
	Started time.Time `json:"started"`
	// Took is in nanoseconds.
	Took time.Duration `json:"took"`
	// Journey is the report of the journey that the step was, if it was one.
	Journey *journey.Report `json:"journey,omitempty"`
}

// Run is what came of a drill, or of several in order. Times are UTC.
type Run struct {
	// Name is the target's, as in "drill:restore".
	Name     string    `json:"name"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Status   Outcome   `json:"status"`
	// Details is one sentence: what failed, or how much passed.
	Details string `json:"details"`
	Steps   []Step `json:"steps"`
	// Facts are what the evidence has to name besides: images by digest, the
	// previous version, the backup.
	Facts map[string]string `json:"facts,omitempty"`

	watch func(Step)
}

// Begin starts a run. The watch, which may be nil, gets every step as it ends.
func Begin(name string, watch func(Step)) *Run {
	if watch == nil {
		watch = func(Step) {}
	}
	return &Run{Name: name, Started: time.Now().UTC(), Facts: map[string]string{}, watch: watch}
}

// Step does one step. What is [Inapplicable] is no error.
func (r *Run) Step(ctx context.Context, name string, do func(ctx context.Context) (detail string, err error)) error {
	s := Step{Name: name, Started: time.Now().UTC(), Outcome: Passed}
	detail, err := do(ctx)
	s.Detail, s.Took = detail, time.Since(s.Started)
	return r.take(s, err)
}

// need does one step that what follows builds on: what a stack cannot do is a
// failure.
func (r *Run) need(ctx context.Context, name string, do func(ctx context.Context) (detail string, err error)) error {
	return r.Step(ctx, name, func(ctx context.Context) (string, error) {
		detail, err := do(ctx)
		if Inapplicable(err) {
			err = fmt.Errorf("the drill cannot do without it: %v", err) //nolint:errorlint // no longer what it was
		}
		return detail, err
	})
}

// NotApplicableError says why there is nothing to do, as a sentence.
type NotApplicableError struct{ Reason string }

func (e *NotApplicableError) Error() string { return e.Reason }

// Inapplicable says whether an error is nothing but what a stack cannot do
// ([*stack.UnsupportedError]), or what there is nothing to do for
// ([*NotApplicableError]): one that is joined with a failure is a failure.
func Inapplicable(err error) bool {
	switch e := err.(type) { //nolint:errorlint // it looks at every error of the tree
	case *stack.UnsupportedError, *NotApplicableError:
		return true
	case interface{ Unwrap() error }:
		return Inapplicable(e.Unwrap())
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		return len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return !Inapplicable(err) })
	}
	return false
}

// Cause adds to what a journey failed with that a service of its stack has
// ended, where one has.
func Cause(ctx context.Context, s stack.Stack, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var exit *stack.ExitError
	if errors.As(s.Ready(ctx), &exit) {
		return fmt.Errorf("%w; the cause: %w", err, exit)
	}
	return err
}

// Travel is a step that is a journey.
func (r *Run) Travel(ctx context.Context, name string, do func(ctx context.Context) (journey.Report, error)) (journey.Report, error) {
	s := Step{Name: name, Started: time.Now().UTC(), Outcome: Passed}
	report, err := do(ctx)
	s.Journey, s.Took = &report, time.Since(s.Started)
	s.Detail = report.Details
	return report, r.take(s, err)
}

func (r *Run) take(s Step, err error) error {
	switch {
	case Inapplicable(err):
		s.Outcome, s.Detail, err = NotApplicable, err.Error(), nil
	case err != nil:
		s.Outcome, s.Detail = Failed, err.Error()
		err = fmt.Errorf("%s: %w", s.Name, err)
	}
	r.Steps = append(r.Steps, s)
	r.watch(s)
	return err
}

// End closes the run with the error that it ended with, if any, and gives it
// back. A run with a failed step has failed.
func (r *Run) End(err error) error {
	r.Finished = time.Now().UTC()
	failed := 0
	for _, s := range r.Steps {
		if s.Outcome == Failed {
			failed++
		}
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d steps failed", failed, len(r.Steps))
	}
	r.Status, r.Details = conclude(r.Steps, err)
	return err
}

// conclude says what came of steps, and in one sentence why.
func conclude(steps []Step, err error) (Outcome, string) {
	if err != nil {
		return Failed, err.Error()
	}
	passed, other := 0, 0
	for _, s := range steps {
		switch s.Outcome {
		case Passed:
			passed++
		case NotApplicable:
			other++
		}
	}
	if passed == 0 {
		return NotApplicable, "nothing of it can be done here"
	}
	details := fmt.Sprintf("%d steps passed", passed)
	if other > 0 {
		details += fmt.Sprintf(", %d are not applicable here", other)
	}
	return Passed, details
}
