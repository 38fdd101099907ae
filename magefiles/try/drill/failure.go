package drill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// FailureOptions say who uses the product, and what it has to keep meanwhile.
type FailureOptions struct {
	// Admin and Viewer need an e-mail address; an empty password is that of
	// the instance.
	Admin, Viewer journey.Account
	// Kept is what a pilot journey left in the instance. It is looked for after
	// every recovery; with the zero value nothing is.
	Kept journey.Kept
	// Checked are the variables with the secrets that the product itself reads,
	// and has to refuse where they are weak. The others of a stack are those of its database and its object store.
	Checked []string
}

// Failure takes away from a running instance what it needs, one thing after
// the other, and wants it to say so and to come back with its data. A failed
// step does not keep the next ones from being tried; the instance is brought
// back to work before each, and at the end. The error joins all that failed.
func Failure(ctx context.Context, run *Run, s Instance, o FailureOptions) error {
	var failed []error
	for _, step := range []struct {
		name string
		try  func(context.Context) (string, error)
	}{
		{"database away", func(ctx context.Context) (string, error) { return Away(ctx, s, stack.Database, o) }},
		{"object store away", func(ctx context.Context) (string, error) { return Away(ctx, s, stack.ObjectStore, o) }},
		{"bad login", func(ctx context.Context) (string, error) { return BadLogin(ctx, s, o) }},
		{"weak configuration", func(ctx context.Context) (string, error) { return Weak(ctx, s, o) }},
		{"restart", func(ctx context.Context) (string, error) { return Restart(ctx, s, o) }},
	} {
		err := run.Step(ctx, step.name, func(ctx context.Context) (string, error) {
			if len(failed) > 0 {
				if err := s.Start(ctx); err != nil {
					return "", fmt.Errorf("bringing the stack back after the step before: %w", err)
				}
			}
			return step.try(ctx)
		})
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 && ctx.Err() == nil {
		if err := s.Start(ctx); err != nil {
			failed = append(failed, fmt.Errorf("bringing the stack back after the drill: %w", err))
		}
	}
	return errors.Join(failed...)
}

// Away takes a service away: the product has to notice, without ending, and to
// recover with its data once the service is back. The service is started again
// in any case.
func Away(ctx context.Context, s Instance, service stack.Service, o FailureOptions) (detail string, err error) {
	begin := time.Now()
	if err := s.Stop(ctx, service); err != nil {
		return "", fmt.Errorf("stopping the %s: %w", service, err)
	}
	unready := s.Unready(ctx)
	if unready != nil {
		unready = fmt.Errorf("the %s is stopped, so readiness has to fail and the product has to go on running: %w", service, unready)
	}
	noticed, back := time.Since(begin), time.Now()
	err = s.Start(ctx, service)
	if err == nil {
		err = s.Ready(ctx)
	}
	if err != nil {
		err = fmt.Errorf("the %s is back, so the product has to recover: %w", service, err)
	}
	if err := errors.Join(unready, err); err != nil {
		return "", err
	}
	detail = fmt.Sprintf("readiness failed %s after the %s was stopped and came back %s after its start",
		short(noticed), service, short(time.Since(back)))
	return still(ctx, s, o, detail)
}

// BadLogin tries a wrong password, which has to be refused with 401 or 403.
func BadLogin(ctx context.Context, s Instance, o FailureOptions) (string, error) {
	if _, err := journey.BadLogin(ctx, o.target(s), nil); err != nil {
		return "", Cause(ctx, s, err)
	}
	return "a wrong password is refused with 401 or 403, and gets no session", nil
}

// Restart restarts the backend and, where there is one, the proxy: the product
// has to become ready with its data.
func Restart(ctx context.Context, s Instance, o FailureOptions) (detail string, err error) {
	begin, what := time.Now(), "the backend"
	if err := s.Restart(ctx, stack.Backend); err != nil {
		return "", err
	}
	var unsupported *stack.UnsupportedError
	switch err := s.Restart(ctx, stack.Proxy); {
	case err == nil:
		what += " and the proxy"
	case !errors.As(err, &unsupported):
		return "", err
	}
	if err := s.Ready(ctx); err != nil {
		return "", err
	}
	return still(ctx, s, o, fmt.Sprintf("ready %s after a restart of %s", short(time.Since(begin)), what))
}

// still looks for the data that has to be there, and adds to the detail.
func still(ctx context.Context, s Instance, o FailureOptions, detail string) (string, error) {
	if !o.Kept.Preserved {
		return detail, nil
	}
	if _, err := journey.Verify(ctx, o.target(s), o.Kept, nil); err != nil {
		return detail, fmt.Errorf("the data from before has to be there still: %w", Cause(ctx, s, err))
	}
	return detail + ", with the data from before", nil
}

const (
	adminPassword  = "RUSTSHARE_ADMIN_PASSWORD"
	viewerPassword = "RUSTSHARE_DEMO_VIEWER_PASSWORD"
)

// Weak starts the product beside the instance once for each secret and each
// way of being weak. It has to end by itself, with an exit code that says so,
// and to name the variable and not the value.
func Weak(ctx context.Context, s Instance, o FailureOptions) (string, error) {
	var names []string
	var failed []error
	for _, name := range o.Checked {
		if s.Secrets()[name] == "" {
			continue
		}
		names = append(names, name)
		// Words of our own tell them from anything else in a log.
		word := strings.ToLower(rand.Text())
		for _, weak := range []struct{ how, value string }{
			{"a placeholder", "changeme-" + word + "-changeme"},
			{"too short", word[:7]},
		} {
			err := refuses(s.Probe(ctx, map[string]string{name: weak.value}), name, weak.value)
			var unsupported *stack.UnsupportedError
			if errors.As(err, &unsupported) || ctx.Err() != nil {
				return "", err
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("%s is %s, so the product has to refuse to start: %w", name, weak.how, err))
			}
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("the stack was given none of the secrets %s: nothing shows that the product refuses weak ones", strings.Join(o.Checked, ", "))
	}
	return "refused as a placeholder and as too short: " + strings.Join(names, ", "), errors.Join(failed...)
}

// refuses holds how a probe ended against what a refusal is.
func refuses(probe error, name, value string) error {
	var exit *stack.ExitError
	switch {
	case probe == nil:
		return errors.New("it started and became ready")
	case !errors.As(probe, &exit):
		return fmt.Errorf("it did not end by itself: %w", probe)
	case strings.Contains(exit.Tail, value):
		// Not wrapped: its text has the value.
		return fmt.Errorf("it ended (%s), but printed the value", exit.Status)
	case exit.Code == 0:
		return fmt.Errorf("it ended with exit status 0, which nobody takes for a refusal")
	case !strings.Contains(exit.Tail, name):
		return fmt.Errorf("it ended (%s), but named another reason than %s: %w", exit.Status, name, probe)
	}
	return nil
}

// target is the instance as journeys use it.
func (o FailureOptions) target(s Instance) journey.Target { return Target(s, o.Admin, o.Viewer) }

// Target is an instance as journeys use it. Accounts without a password get
// that of the instance.
func Target(s stack.Stack, admin, viewer journey.Account) journey.Target {
	if admin.Password == "" {
		admin.Password = s.Secrets()[adminPassword]
	}
	if viewer.Password == "" {
		viewer.Password = s.Secrets()[viewerPassword]
	}
	return journey.Target{
		URL: s.URL(), Admin: admin, Viewer: viewer,
		// A connection from before a restart is of no use, and no proxy leads
		// to the loopback interface.
		Transport: &http.Transport{DisableKeepAlives: true},
	}
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }
