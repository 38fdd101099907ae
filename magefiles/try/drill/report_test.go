package drill_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// TestInapplicable: what cannot be done does not hide what failed.
func TestInapplicable(t *testing.T) {
	unsupported := &stack.UnsupportedError{Kind: "process", Op: "stop", Service: stack.Database, Reason: "it has none"}
	nothing := &drill.NotApplicableError{Reason: "there is no release before"}
	failed := errors.New("the disk is full")
	for _, tt := range []struct {
		err  error
		want drill.Outcome
	}{
		{nil, drill.Passed},
		{failed, drill.Failed},
		{unsupported, drill.NotApplicable},
		{fmt.Errorf("stopping: %w", nothing), drill.NotApplicable},
		{errors.Join(unsupported, fmt.Errorf("opening: %w", nothing)), drill.NotApplicable},
		{errors.Join(unsupported, failed), drill.Failed},
		{errors.Join(failed, nothing), drill.Failed},
		{fmt.Errorf("stopping: %w", errors.Join(unsupported, failed)), drill.Failed},
		{fmt.Errorf("stopping: %w, and %w", unsupported, failed), drill.Failed},
	} {
		run := begin(t)
		err := run.Step(t.Context(), "step", func(context.Context) (string, error) { return "", tt.err })
		if got := outcome(run, "step"); got != tt.want || (err != nil) != (tt.want == drill.Failed) {
			t.Errorf("%v is %s (%v), expected %s", tt.err, got, err, tt.want)
		}
	}
}

// ended is an instance one of whose services has ended.
type ended struct{ drill.Instance }

func (ended) Ready(context.Context) error {
	return fmt.Errorf("waiting: %w", &stack.ExitError{Service: stack.Backend, Status: "signal: killed", Tail: "out of memory"})
}

// TestCause: a journey fails with what a browser sees, and its error says why.
func TestCause(t *testing.T) {
	s, _ := running(t)
	failed := errors.New("login: expected the status 200, found 502")
	if err := drill.Cause(t.Context(), s, failed); err != failed { //nolint:errorlint // nothing was added
		t.Errorf("all runs, and it says %v", err)
	}
	if err := drill.Cause(t.Context(), ended{s}, nil); err != nil {
		t.Errorf("nothing failed, and it says %v", err)
	}
	err := drill.Cause(t.Context(), ended{s}, failed)
	wants(t, err, "login: expected the status 200, found 502; the cause: the backend ended by itself (signal: killed); the last it logged:\nout of memory")
	var exit *stack.ExitError
	if !errors.Is(err, failed) || !errors.As(err, &exit) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := drill.Cause(ctx, ended{s}, failed); err != failed { //nolint:errorlint // nothing was added
		t.Errorf("it was interrupted, and says %v", err)
	}
}
