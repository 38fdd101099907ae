package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// smokeDir is where the reports of journeys lie, below dist.
const smokeDir = "smoke"

// journeys are those that can be asked for by name.
var journeys = map[string]func(context.Context, journey.Target, journey.Watch) (journey.Report, error){
	"launch": journey.Launch,
	"beta":   journey.Beta,
}

// SmokeOrder asks for a journey through a running product.
type SmokeOrder struct {
	// Journey is "launch" or "beta".
	Journey string
	// URL is where the product answers; empty for one that is built from the
	// checkout and run here for this alone.
	URL  string
	JSON bool
}

// Smoke goes on a journey through the product and prints its steps.
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
		rows = append(rows, []string{st.Name, string(st.Outcome), term.Elapsed(st.Took), strings.Join(sent, ", ")})
	}
	return errors.Join(err, s.UI.Table(s.Out, []string{"step", "outcome", "time", "requests"}, rows))
}

// smoke is the work of [Suite.Smoke]. Its report lies in dist/smoke.
func (s *Suite) smoke(ctx context.Context, step *term.Step, o SmokeOrder) (report journey.Report, err error) {
	travel, ok := journeys[o.Journey]
	if !ok || !slices.Contains(s.Product.Journeys, o.Journey) {
		return report, fmt.Errorf("%s names no journey %q (Product.Journeys), so nothing shows that it works: try it by hand, and publish with release:stable, which does not ask for it", s.Product.Name, o.Journey)
	}
	target := journey.Target{
		URL:    o.URL,
		Admin:  s.account("admin", "ADMIN_EMAIL", "ADMIN_PASSWORD", "RUSTSHARE_ADMIN_PASSWORD"),
		Viewer: s.account("viewer", "VIEWER_EMAIL", "VIEWER_PASSWORD", "RUSTSHARE_DEMO_VIEWER_PASSWORD"),
	}
	if o.URL == "" {
		binary, berr := s.nativeBinary(ctx, step)
		if berr != nil {
			return report, berr
		}
		p, perr := stack.OpenProcess(ctx, stack.ProcessOptions{Binary: binary})
		if perr != nil {
			return report, perr
		}
		defer func() { err = errors.Join(err, leaked(ctx, p), p.Destroy(ctx)) }()
		for _, secret := range p.Secrets().Values() {
			s.UI.Mask(secret)
		}
		if err := p.Start(ctx); err != nil {
			return report, err
		}
		target.URL = p.URL()
		target.Admin.Password, target.Viewer.Password = p.Secrets()["RUSTSHARE_ADMIN_PASSWORD"], p.Secrets()["RUSTSHARE_DEMO_VIEWER_PASSWORD"]
	}
	report, err = travel(ctx, target, func(st journey.Step) {
		if st.Outcome != journey.Running {
			step.Println("%s: %s", st.Name, st.Outcome)
		}
	})
	if report.Status == "" { // it did not set out
		return report, err
	}
	dir := s.dist(smokeDir)
	if made := os.MkdirAll(dir, 0o755); made != nil {
		return report, errors.Join(err, made)
	}
	_, written := report.Write(dir)
	return report, errors.Join(err, written)
}

// leaked says which secrets of its run stand in the logs of a stack.
func leaked(ctx context.Context, p *stack.Process) error {
	leaks, err := p.Leaks(context.WithoutCancel(ctx))
	for _, l := range leaks {
		err = errors.Join(err, fmt.Errorf("the log of the %s holds the value of %s: a secret must never be logged", l.Service, l.Secret))
	}
	return err
}

// account reads who travels; passwords may have either of two names.
func (s *Suite) account(name, email string, passwords ...string) journey.Account {
	a := journey.Account{Email: or(s.Getenv(email), name+"@localhost")}
	for _, p := range passwords {
		a.Password = or(a.Password, s.Getenv(p))
	}
	s.UI.Mask(a.Password)
	return a
}

// nativeBinary builds the product for this machine from the checkout.
func (s *Suite) nativeBinary(ctx context.Context, step *term.Step) (string, error) {
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return "", err
	}
	head, err := repo.Head(ctx)
	if err != nil {
		return "", err
	}
	at, err := repo.CommitTime(ctx, head)
	if err != nil {
		return "", err
	}
	for _, t := range s.Product.Cargo.Targets {
		if t.OS != runtime.GOOS || t.Arch != runtime.GOARCH {
			continue
		}
		made, err := cargo.Build(ctx, cargo.Options{
			Dir: s.Dir, Cargo: s.Product.Cargo, Only: t.Triple, Commit: head, CommitTime: at,
			TargetDir: s.CargoTarget, Log: step.Log(),
		})
		if err != nil {
			return "", err
		}
		return made[0].Path, nil
	}
	return "", fmt.Errorf("%s is not built for %s/%s, so it cannot be run here: name a running one with -url", s.Product.Name, runtime.GOOS, runtime.GOARCH)
}
