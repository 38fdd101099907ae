package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
)

// StartHotfix makes the branch of a hotfix: from the last stable tag, from the
// last one of a line ("0.3"), or from the one before a version ("0.3.2").
func (s *Suite) StartHotfix(ctx context.Context, version string) error {
	branch, base, err := s.startHotfix(ctx, version)
	if err != nil {
		return err
	}
	v := strings.TrimPrefix(branch, s.Product.Branches.Hotfix+"v")
	return s.UI.Table(s.Out, []string{"hotfix", v}, [][]string{
		{"branch", branch}, {"from", base.Tag()},
		{"next", "make the smallest fix and nothing else, with an entry under Unreleased in " + s.Product.Paperwork.Changelog},
		{"then", "go run . release:prepare " + v + ", and fill in " + s.Product.Paperwork.Upgrading},
		{"then", "go run . hotfix, which says what is missing"},
	})
}

func (s *Suite) startHotfix(ctx context.Context, version string) (branch string, base decide.Version, err error) {
	w, err := s.workplace(ctx)
	if err != nil {
		return "", base, err
	}
	if base, err = hotfixBase(w.stable, version); err != nil {
		return "", base, err
	}
	branch = s.Product.Branches.Hotfix + base.NextPatch().Tag()
	if found, err := s.findBranch(ctx, w.Repo, branch); err != nil {
		return "", base, err
	} else if found != "" {
		return "", base, fmt.Errorf("%s exists already: go on with it (`git switch %s`)", found, branch)
	}
	return branch, base, w.Switch(ctx, branch, "refs/tags/"+base.Tag())
}

// findBranch gives the full name of a branch, here or at the home remote as it
// was last seen; "" where there is none.
func (s *Suite) findBranch(ctx context.Context, repo git.Repo, name string) (string, error) {
	places := []string{"refs/heads/" + name}
	home, err := s.home(ctx, repo)
	if err != nil {
		return "", err
	}
	if home != "" {
		places = append(places, "refs/remotes/"+home+"/"+name)
	}
	refs, err := repo.Refs(ctx, places...)
	if err != nil {
		return "", err
	}
	for _, place := range places {
		if slices.ContainsFunc(refs, func(r git.Ref) bool { return r.Name == place }) {
			return place, nil
		}
	}
	return "", nil
}

// hotfixBase picks the stable version that a hotfix is made from.
func hotfixBase(stable []decide.Version, asked string) (decide.Version, error) {
	asked = strings.TrimPrefix(asked, "v")
	var base decide.Version
	for _, v := range stable { // ascending: the last that fits is the highest
		if asked == "" || v.Line() == asked || strings.HasPrefix(asked, v.Line()+".") {
			base = v
		}
	}
	switch {
	case base.IsZero() && asked == "":
		return base, errors.New("there is no stable tag to make a hotfix of; in a clone without tags, `git fetch --tags`")
	case base.IsZero():
		return base, fmt.Errorf("there is no stable tag of the line of %q; want a line such as 0.3, or the version to make", asked)
	case asked != "" && asked != base.Line() && asked != base.NextPatch().String():
		return base, fmt.Errorf("the hotfix after %s is %s, not %s", base, base.NextPatch(), asked)
	}
	return base, nil
}

// Hotfix checks the hotfix that HEAD is, runs what it has to pass, and says
// what is missing and what comes next. At the signed tag it publishes it.
func (s *Suite) Hotfix(ctx context.Context, o Order) error {
	var report gate.HotfixReport
	var gates []decide.Gate
	err := s.UI.Run(ctx, "the change", func(ctx context.Context, step *term.Step) (err error) {
		if report, gates, err = s.hotfixGates(ctx); err == nil {
			step.Detail("%d commits, %d files since %s", report.Commits, len(report.Files), report.Base.Tag())
		}
		return err
	})
	if err != nil {
		return err
	}
	gates = append(gates, s.hotfixTries(ctx, report)...)
	if err := s.printHotfix(report, gates); err != nil {
		return err
	}
	name := "the hotfix " + report.Version.String()
	if err := refusal(name, gates); err != nil {
		return err
	}
	if !report.Tagged {
		v := report.Version.String()
		s.UI.Println("Nothing is missing. Next: `go run . release:tag %s`, push the branch and then the tag; CI publishes it. After that, `go run . hotfix:finish`.", v)
		return nil
	}
	o.Ref, o.Channels = report.Version.Tag(), []decide.Channel{decide.Stable}
	return s.Release(ctx, o)
}

// hotfixGates looks at branch, base, size and paperwork.
func (s *Suite) hotfixGates(ctx context.Context) (gate.HotfixReport, []decide.Gate, error) {
	w, err := s.workplace(ctx)
	if err != nil {
		return gate.HotfixReport{}, nil, err
	}
	report, err := gate.Hotfix(ctx, w.Repo, s.Product)
	if err != nil || report.Base.IsZero() { // nothing to compare with
		return report, nil, errors.Join(err, refusal("the hotfix", report.Gates))
	}
	gates := report.Gates
	ref := decide.Ref{Name: report.Version.Tag(), Channel: decide.Stable, Version: report.Version}
	paper, err := gate.Paperwork(ctx, w.Repo, s.Product, ref, w.head, report.Base)
	if err != nil {
		return report, nil, err
	}
	version, err := cargo.ProductVersion(s.Dir, s.Product.Cargo.Package)
	if err != nil {
		return report, nil, err
	}
	return report, append(append(gates, versionGate(ref, version)), paper...), nil
}

// hotfixTries runs what a hotfix has to pass: the affected tests and, on a build
// of the checkout, what the product asks for of a stable release, and of one
// that touches a critical path. At its tag the release does the latter.
func (s *Suite) hotfixTries(ctx context.Context, report gate.HotfixReport) []decide.Gate {
	var gates []decide.Gate
	try := func(name string, run func(ctx context.Context, step *term.Step) (string, error)) {
		g := decide.Gate{Name: name, State: decide.Pass}
		err := s.UI.Run(ctx, name, func(ctx context.Context, step *term.Step) (err error) {
			g.Detail, err = run(ctx, step)
			return err
		})
		if err != nil {
			g.State, g.Detail = decide.Fail, err.Error()
		}
		gates = append(gates, g)
	}
	base := report.Base.Tag()
	try("test:backend", func(ctx context.Context, step *term.Step) (string, error) {
		went, err := s.testBackend(ctx, step, base)
		return went.String(), err
	})
	if s.Product.Frontend != nil {
		try("test:frontend", func(ctx context.Context, step *term.Step) (string, error) {
			went, err := s.testFrontend(ctx, step, base)
			return went.String(), err
		})
	}
	asked := s.Product.Tries.Stable
	if len(report.Critical) > 0 {
		asked = slices.Concat(asked, s.Product.Tries.Critical)
	}
	if report.Tagged { // the release tries the very image
		asked = nil
	}
	for _, name := range asked {
		try(name, func(ctx context.Context, step *term.Step) (string, error) {
			went, err := s.try(ctx, step, TryOrder{Name: name, Backup: s.Getenv(envBackup), Kept: s.Getenv(envKept)})
			return went.Summary, err
		})
	}
	return gates
}

// printHotfix writes what a hotfix is and what was found.
func (s *Suite) printHotfix(r gate.HotfixReport, gates []decide.Gate) error {
	var rows [][]string
	for _, f := range r.Files {
		rows = append(rows, []string{f.Path, fmt.Sprintf("+%d -%d", f.Added, f.Deleted)})
	}
	if err := s.UI.Table(s.Out, []string{"touched since " + r.Base.Tag(), "lines"}, rows); err != nil {
		return err
	}
	if err := s.blankLine(); err != nil {
		return err
	}
	return s.printGates(gates)
}
