package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
)

// smokeDir is where the reports of journeys through a running product lie,
// below dist.
const smokeDir = "smoke"

// SmokeOrder asks for a journey through a product that runs already.
type SmokeOrder struct {
	// Journey is "launch", "beta", "pilot" or "postRestore".
	Journey string
	URL     string
	// Kept is the report (.env) of a journey that left data: postRestore looks
	// for it. It may be empty.
	Kept string
	JSON bool
}

// Smoke goes on a journey through a running product and prints its steps.
func (s *Suite) Smoke(ctx context.Context, o SmokeOrder) error {
	var report journey.Report
	err := s.UI.Run(ctx, "smoke:"+o.Journey, func(ctx context.Context, step *term.Step) (err error) {
		report, err = s.smoke(ctx, step, o)
		step.Detail("%d steps, %s", len(report.Steps), report.Status)
		return err
	})
	if len(report.Steps) == 0 {
		return err
	}
	if o.JSON {
		return errors.Join(err, s.printJSON(report))
	}
	rows := make([][]string, 0, len(report.Steps))
	for _, st := range report.Steps {
		var sent []string
		for _, r := range st.Requests {
			sent = append(sent, r.Method+" "+r.Path)
		}
		rows = append(rows, []string{st.Name, string(st.Outcome), term.Elapsed(st.Took), strings.Join(slices.Compact(sent), ", ")})
	}
	return errors.Join(err, s.UI.Table(s.Out, []string{"step", "outcome", "time", "requests"}, rows))
}

// smoke is the work of [Suite.Smoke]. Its report lies in dist/smoke, or in
// REPORT_DIR.
func (s *Suite) smoke(ctx context.Context, step *term.Step, o SmokeOrder) (report journey.Report, err error) {
	if err := s.speaks(o.Journey); err != nil {
		return report, err
	}
	kept, err := s.keptBy(or(o.Kept, s.Getenv(envKept)))
	if err != nil {
		return report, err
	}
	admin, viewer := s.accounts()
	target := journey.Target{
		URL: o.URL, Admin: admin, Viewer: viewer,
		PublicShareToken: s.secret("PUBLIC_SHARE_TOKEN"), PublicSharePassword: s.secret("PUBLIC_SHARE_PASSWORD"),
		AllowSkipPublicShare: s.Getenv("ALLOW_SKIP_PUBLIC_SHARE") == "true",
	}
	watch := func(st journey.Step) {
		if st.Outcome != journey.Running {
			step.Println("%s: %s", st.Name, st.Outcome)
		}
	}
	switch o.Journey {
	case "launch":
		report, err = journey.Launch(ctx, target, watch)
	case "beta":
		report, err = journey.Beta(ctx, target, watch)
	case "pilot":
		report, err = journey.Pilot(ctx, target, watch)
	default:
		report, err = journey.PostRestore(ctx, target, kept, watch)
		if err == nil && kept.Preserved {
			report, err = journey.Verify(ctx, target, kept, watch)
		}
	}
	return report, errors.Join(err, written(report, or(s.Getenv(envReports), s.dist(smokeDir))))
}

// speaks wants a product that the journeys are made for.
func (s *Suite) speaks(name string) error {
	if len(s.Product.Journeys) == 0 || (slices.Contains([]string{"launch", "beta"}, name) && !slices.Contains(s.Product.Journeys, name)) {
		return fmt.Errorf("%s names no journey that shows %s (Product.Journeys), so nothing here can try it: do so by hand", s.Product.Name, name)
	}
	return nil
}

// keptBy reads what a journey left, by the file with its report.
func (s *Suite) keptBy(file string) (journey.Kept, error) {
	if file == "" {
		return journey.Kept{}, nil
	}
	report, err := journey.Read(file)
	return report.Kept, err
}

// secret reads a variable that no log may show.
func (s *Suite) secret(name string) string {
	value := s.Getenv(name)
	s.UI.Mask(value)
	return value
}

// accounts are those that the environment names, for a product that is not ours
// to make.
func (s *Suite) accounts() (admin, viewer journey.Account) {
	return s.account("admin", "ADMIN_EMAIL", "ADMIN_PASSWORD", "RUSTSHARE_ADMIN_PASSWORD"),
		s.account("viewer", "VIEWER_EMAIL", "VIEWER_PASSWORD", "RUSTSHARE_DEMO_VIEWER_PASSWORD")
}

// account reads who travels; passwords may have either of two names.
func (s *Suite) account(name, email string, passwords ...string) journey.Account {
	a := journey.Account{Email: or(s.Getenv(email), name+"@localhost")}
	for _, p := range passwords {
		a.Password = or(a.Password, s.secret(p))
	}
	return a
}
