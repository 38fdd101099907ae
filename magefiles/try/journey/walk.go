package journey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// step is a part of a journey.
type step struct {
	name string
	// expect says in a few words what has to hold.
	expect string
	// viewer: it needs the second account.
	viewer bool
	do     func(context.Context, *visit) error
}

// visit is one walk through the product.
type visit struct {
	target Target
	base   *url.URL
	mask   mask
	watch  Watch
	report *Report
	// step is the one that runs, last its last answer that was fine.
	step *Step
	last answer
	// word is in the names of all that this run makes.
	word          string
	admin, viewer *someone
	// loggedIn are those with a session.
	loggedIn []*someone
	// made is what has to be removed, in the order in which it was made.
	made []*thing

	// shared is the internal share, publicLink the link to the file.
	shared     *thing
	publicLink link
}

// link is a public link.
type link struct{ id, token string }

// thing is something that this run made in the product.
type thing struct {
	// what it is called in reports.
	what string
	// id is "" while no answer told it: find looks for it by its name then.
	id string
	// tried: a step has asked for its removal before, and may have got it.
	tried  bool
	find   func(context.Context) (id string, err error)
	remove func(ctx context.Context, id string) error
}

// walk does the steps of a journey up to the first that fails, then clean-up
// and logout in any case.
func walk(ctx context.Context, name string, t Target, w Watch, k Kept, steps []step) (Report, error) {
	t, base, err := t.withDefaults(slices.ContainsFunc(steps, func(s step) bool { return s.viewer }))
	if err != nil {
		return Report{}, err
	}
	r := Report{
		Journey: name, BaseURL: strings.TrimRight(base.String(), "/"), Started: time.Now().UTC().Truncate(time.Second),
		Admin: t.Admin.Email, Viewer: t.Viewer.Email, Status: Failed, Kept: k,
	}
	v := &visit{target: t, base: base, watch: w, report: &r, word: unique(), publicLink: link{k.PublicShareID, k.shareToken}}
	v.mask.add(t.Admin.Password, t.Viewer.Password, t.PublicSharePassword, t.PublicShareToken, k.shareToken)
	v.admin, v.viewer = v.newcomer("admin"), v.newcomer("viewer")

	var failed error
	for i, s := range steps {
		if failed != nil {
			v.skip(steps[i:])
			break
		}
		failed = v.run(ctx, s)
	}
	problems := []error{failed}
	if failed == nil && name == pilot {
		r.Kept.Preserved, v.made = true, nil
		r.Kept.shareToken = v.publicLink.token
	}
	// What was made goes, even where the journey was cancelled.
	tidy, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), t.CleanUpPatience,
		fmt.Errorf("the clean-up took longer than %s", t.CleanUpPatience))
	defer cancel()
	for _, m := range slices.Backward(v.made) {
		problems = append(problems, v.run(tidy, cleanUp(m)))
	}
	for _, who := range v.loggedIn {
		problems = append(problems, v.run(tidy, logout(who)))
	}

	err = errors.Join(problems...)
	if err == nil {
		r.Status, r.Details = Passed, summary(r.Steps)
	} else {
		r.Details = err.Error()
	}
	r.Finished = time.Now().UTC().Truncate(time.Second)
	return r, err
}

func summary(steps []Step) string {
	skipped := 0
	for _, s := range steps {
		if s.Outcome == Skipped {
			skipped++
		}
	}
	s := fmt.Sprintf("%d steps passed", len(steps)-skipped)
	if skipped > 0 {
		s += fmt.Sprintf(", %d skipped", skipped)
	}
	return s
}

// run does one step and writes it down.
func (v *visit) run(ctx context.Context, s step) error {
	begun := time.Now()
	v.step = &Step{Name: s.name, Expected: s.expect, Outcome: Running}
	v.tell()
	err := context.Cause(ctx)
	if err != nil {
		err = &finding{found: "that the journey was interrupted: " + err.Error(), err: err}
	} else {
		err = s.do(ctx, v)
	}
	v.step.Took = time.Since(begun)
	switch {
	case err != nil:
		err = v.failure(s, err)
		v.step.Outcome = Failed
	case v.step.Outcome == Running:
		v.step.Outcome = Passed
	}
	v.report.Steps = append(v.report.Steps, *v.step)
	v.tell()
	return err
}

func (v *visit) tell() {
	if v.watch != nil {
		v.watch(*v.step)
	}
}

// skip writes down steps that are not run.
func (v *visit) skip(steps []step) {
	for _, s := range steps {
		v.step = &Step{Name: s.name, Expected: s.expect, Outcome: NotRun, Found: "an earlier step failed"}
		v.report.Steps = append(v.report.Steps, *v.step)
		v.tell()
	}
}

// failure makes a step's error of what its check found.
func (v *visit) failure(s step, err error) *StepError {
	e := &StepError{Step: s.name, Expected: s.expect, Err: err}
	if n := len(v.step.Requests); n > 0 {
		e.Sent = v.step.Requests[n-1].String()
	}
	f := new(finding)
	if errors.As(err, &f) {
		e.Found, e.Err = f.found, f.err
		if f.expected != "" {
			e.Expected = f.expected
		}
	} else {
		e.Found = v.mask.text(err.Error())
	}
	v.step.Found, v.step.Expected = e.Found, e.Expected
	return e
}

// cleanUp removes what this run made.
func cleanUp(m *thing) step {
	return step{name: "clean up the " + m.what, expect: "that it is gone", do: func(ctx context.Context, v *visit) error {
		if m.id == "" {
			id, err := m.find(ctx)
			if err != nil {
				return err
			}
			if id == "" {
				v.step.Found = "it was not made"
				return nil
			}
			m.id = id
		}
		err := m.remove(ctx, m.id)
		if n := len(v.step.Requests); m.tried && n > 0 && v.step.Requests[n-1].Status == http.StatusNotFound {
			v.step.Found, err = "it was gone already", nil
		}
		return err
	}}
}

// remove is a DELETE as the admin.
func (v *visit) remove(ctx context.Context, path ...string) error {
	return v.ask(ctx, api(v.admin, http.MethodDelete, path...))
}

// logout ends a session, and shows that it is over: neither the cookies that
// are left nor the old one open anything.
func logout(who *someone) step {
	return step{name: "logout of the " + who.name, expect: "401 afterwards", do: func(ctx context.Context, v *visit) error {
		old := v.cookie(who, sessionCookie)
		if err := v.ask(ctx, api(who, http.MethodPost, "auth", "logout").with(struct{}{})); err != nil {
			return err
		}
		after := api(who, http.MethodGet, "me")
		reused := api(v.stranger(""), http.MethodGet, "me")
		reused.session = old
		for _, c := range []call{after, reused} {
			a, err := v.send(ctx, c)
			if err != nil {
				return err
			}
			if a.status != http.StatusUnauthorized {
				return v.wrong("401 after the logout", a)
			}
		}
		return nil
	}}
}
