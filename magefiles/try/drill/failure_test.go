package drill_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// used gives an instance that was used, and the options for a drill on it.
func used(t *testing.T) (*instance, drill.FailureOptions) {
	t.Helper()
	i, kept := running(t)
	return i, drill.FailureOptions{Admin: admin, Viewer: viewer, Kept: kept, Checked: product.RustShare().Run.Secrets}
}

// failureSteps are the steps of the drill.
var failureSteps = []string{"database away", "object store away", "bad login", "weak configuration", "restart"}

func TestFailure(t *testing.T) {
	i, o := used(t)
	run := drill.Begin("drill:failure", nil)
	if err := run.End(drill.Failure(t.Context(), run, i, o)); err != nil || run.Status != drill.Passed || len(run.Steps) != len(failureSteps) {
		t.Fatalf("%v: %+v", err, run)
	}
	for n, says := range []string{
		"after the database was stopped and came back", "after the object store was stopped and came back", "refused with 401 or 403",
		"refused as a placeholder and as too short: JWT_SECRET, RUSTSHARE_SECRET_ENCRYPTION_KEY, RUSTSHARE_ADMIN_PASSWORD, RUSTSHARE_DEMO_VIEWER_PASSWORD",
		"after a restart of the backend and the proxy, with the data from before",
	} {
		if s := run.Steps[n]; s.Name != failureSteps[n] || s.Outcome != drill.Passed || !strings.Contains(s.Detail, says) {
			t.Errorf("step %d is %+v, expected %s: %s", n, s, failureSteps[n], says)
		}
	}
	if err := i.Ready(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestFailureFails makes each step fail: the others are tried all the same, and
// the instance works in the end.
func TestFailureFails(t *testing.T) {
	full := errors.New("the disk is full")
	exit := func(code int, tail string) error {
		return &stack.ExitError{Service: stack.Backend, Code: code, Status: "exit status 1", Tail: tail}
	}
	for _, tt := range []struct {
		name, what string
		err        error
		step       string
		outcome    drill.Outcome
		says       string
	}{
		{"database cannot be stopped", "stop database", full, "database away", drill.Failed, "stopping the database: the disk is full"},
		{"no database of its own", "stop database", &stack.UnsupportedError{Kind: "process", Op: "stop", Service: stack.Database, Reason: "it is a part of it"}, "database away", drill.NotApplicable, "it is a part of it"},
		{"product ends with it", "unready", exit(1, "panicked"), "object store away", drill.Failed, "the object store is stopped, so readiness has to fail and the product has to go on running: the backend ended by itself"},
		{"does not come back", "restart backend", full, "restart", drill.Failed, "the disk is full"},
		{"no proxy", "restart proxy", &stack.UnsupportedError{Kind: "process", Op: "restart", Service: stack.Proxy, Reason: "there is none"}, "restart", drill.Passed, "after a restart of the backend, with the data"},
		{"no probe", "probe JWT_SECRET", &stack.UnsupportedError{Kind: "in memory", Op: "probe", Service: stack.Backend, Reason: "there is one alone"}, "weak configuration", drill.NotApplicable, "there is one alone"},
		{"names another reason", "probe JWT_SECRET", exit(1, "port in use"), "weak configuration", drill.Failed, "JWT_SECRET is too short, so the product has to refuse to start: it ended (exit status 1), but named another reason than JWT_SECRET"},
		{"refuses and is content", "probe RUSTSHARE_ADMIN_PASSWORD", exit(0, "RUSTSHARE_ADMIN_PASSWORD is weak"), "weak configuration", drill.Failed, "RUSTSHARE_ADMIN_PASSWORD is a placeholder, so the product has to refuse to start: it ended with exit status 0"},
		{"hangs", "probe JWT_SECRET", &stack.ReadinessError{Want: "ready"}, "weak configuration", drill.Failed, "it did not end by itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, o := used(t)
			i.Fail[tt.what] = tt.err
			run := drill.Begin("drill:failure", nil)
			err := run.End(drill.Failure(t.Context(), run, i, o))
			if (err != nil) != (tt.outcome == drill.Failed) || len(run.Steps) != len(failureSteps) {
				t.Fatalf("%v: %+v", err, run)
			}
			for _, s := range run.Steps {
				if s.Name == tt.step && (s.Outcome != tt.outcome || !strings.Contains(s.Detail, tt.says)) {
					t.Errorf("%s: %s (%s), expected %s: %s", s.Name, s.Outcome, s.Detail, tt.outcome, tt.says)
				}
				if s.Name != tt.step && s.Outcome != drill.Passed && tt.what != "unready" {
					t.Errorf("%s: %s (%s)", s.Name, s.Outcome, s.Detail)
				}
			}
			clear(i.Fail)
			if err := i.Ready(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// weakling is a product that starts with anything, or tells what it was given.
type weakling struct {
	*instance
	probe func(name, value string) error
}

func (w weakling) Probe(_ context.Context, env map[string]string) error {
	for name, value := range env {
		return w.probe(name, value)
	}
	return nil
}

func TestWeak(t *testing.T) {
	for _, tt := range []struct {
		name  string
		probe func(name, value string) error
		says  string
	}{
		{"takes anything", func(string, string) error { return nil }, "JWT_SECRET is a placeholder, so the product has to refuse to start: it started and became ready"},
		{"tells the value", func(name, value string) error {
			return &stack.ExitError{Code: 1, Status: "exit status 1", Tail: name + "=" + value + " is weak"}
		}, "it ended (exit status 1), but printed the value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, o := used(t)
			var values []string
			_, err := drill.Weak(t.Context(), weakling{i, func(name, value string) error {
				values = append(values, value)
				return tt.probe(name, value)
			}}, o)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("the error is %v, expected to read: %s", err, tt.says)
			}
			for _, v := range values {
				if strings.Contains(err.Error(), v) {
					t.Errorf("the error tells the value %q: %v", v, err)
				}
			}
			if len(values) != 8 { // four secrets, two ways
				t.Errorf("%d probes", len(values))
			}
		})
	}
}

// TestDataLost: the product works again, and what was in it is gone.
func TestDataLost(t *testing.T) {
	i, o := used(t)
	clear(i.Notes)
	run := drill.Begin("drill:failure", nil)
	err := run.End(drill.Failure(t.Context(), run, i, o))
	if err == nil || !strings.Contains(err.Error(), "restart: the data from before has to be there still: kept note") {
		t.Errorf("the error is %v", err)
	}
}
