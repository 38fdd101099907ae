package gate

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The names of the gates of [Paperwork]. What people check has a gate each,
// named "manual: …"; "manual" alone is their file.
const (
	ChangelogGate = "changelog"
	UpgradingGate = "upgrading"
	ManualGate    = "manual"
)

// Paperwork evaluates what people write for a release, as the commit has it:
// the changelog, the upgrading guide, and for a stable release the manual
// gates. Previous is the stable version that the changelog's link starts from,
// the zero value for the first release. Edge and nightly need no paperwork and
// get no gate.
func Paperwork(ctx context.Context, repo git.Repo, p product.Product, ref decide.Ref, commit string, previous decide.Version) ([]decide.Gate, error) {
	if ref.Version.IsZero() {
		return nil, nil
	}
	w := paperwork{repo, p, ref, commit, previous}
	log, err := w.changelog(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the changelog: %w", err)
	}
	guide, err := w.upgrading(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the upgrading guide: %w", err)
	}
	people, err := w.manual(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the manual gates: %w", err)
	}
	return append([]decide.Gate{log, guide}, people...), nil
}

type paperwork struct {
	repo     git.Repo
	p        product.Product
	ref      decide.Ref
	commit   string
	previous decide.Version
}

// fault is something wrong at a line of a file; line 0 is the whole file.
type fault struct {
	line int
	text string
}

// judge makes a gate of what is wrong with a file, or of what is right.
func judge(name, file string, bad decide.GateState, faults []fault, good string) decide.Gate {
	if len(faults) == 0 {
		return decide.Gate{Name: name, State: decide.Pass, Detail: good}
	}
	g := decide.Gate{Name: name, State: bad, File: file, Line: faults[0].line}
	var texts []string
	for _, f := range faults {
		at := file
		if f.line > 0 {
			at = fmt.Sprintf("%s:%d", file, f.line)
		}
		texts = append(texts, at+": "+f.text)
	}
	g.Detail = strings.Join(texts, "; ")
	return g
}

// prepare is the command that makes the paperwork of the version.
func (w paperwork) prepare() string {
	return fmt.Sprintf("`go run . release:prepare %s`", w.ref.Version.Image())
}

// read gives a file of the commit, or a fault where there is none.
func (w paperwork) read(ctx context.Context, file string) ([]byte, []fault, error) {
	text, err := w.repo.ReadFile(ctx, w.commit, file)
	if errors.Is(err, git.ErrNoFile) {
		return nil, []fault{{0, fmt.Sprintf("it is not in commit %s: write it and commit it", short(w.commit))}}, nil
	}
	return text, nil, err
}

func (w paperwork) changelog(ctx context.Context) (decide.Gate, error) {
	file := w.p.Paperwork.Changelog
	text, faults, err := w.read(ctx, file)
	if err != nil || faults != nil {
		return judge(ChangelogGate, file, decide.Fail, faults, ""), err
	}
	log, err := changelog.Parse(file, text)
	if err != nil {
		return judge(ChangelogGate, file, decide.Fail, collect(err), ""), nil
	}
	look := w.stableLog
	if w.ref.Channel == decide.Candidate {
		look = w.candidateLog
	}
	faults, good := look(log)
	return judge(ChangelogGate, file, decide.Fail, faults, good), nil
}

// collect makes faults of the changelog package's errors.
func collect(errs ...error) []fault {
	var out []fault
	for _, err := range errs {
		var at *changelog.Error
		switch {
		case err == nil:
		case errors.As(err, &at):
			out = append(out, fault{at.Line, at.Problem})
		default:
			out = append(out, fault{0, err.Error()})
		}
	}
	return out
}

// stableLog wants the version's own section, ready to be read.
func (w paperwork) stableLog(log *changelog.File) ([]fault, string) {
	v := w.ref.Version
	s, ok := w.section(log)
	if !ok {
		line := 0
		if u, ok := log.Unreleased(); ok {
			line = u.Line
		}
		return []fault{{line, fmt.Sprintf("there is no section \"## [%s] - YYYY-MM-DD\": run %s", v.Core(), w.prepare())}}, ""
	}
	faults := collect(s.CheckEntries(), s.CheckDate())
	if s.Yanked {
		faults = append(faults, fault{s.Line, fmt.Sprintf("%s is marked as [YANKED], so it was released and withdrawn: release the next version", v)})
	}
	link := w.p.Source + "/releases/tag/" + v.Tag()
	if !w.previous.IsZero() {
		link = w.p.Source + "/compare/" + w.previous.Tag() + "..." + v.Tag()
	}
	switch {
	case s.Link == "":
		faults = append(faults, fault{s.Line, fmt.Sprintf("%s has no link to its changes: add %s", v, link)})
	case s.Link != link:
		faults = append(faults, fault{s.LinkLine, fmt.Sprintf("the link of %s is %s: make it %s", v, s.Link, link)})
	}
	for _, other := range log.Sections() {
		if other.Line < s.Line && other.Version.Compare(v) > 0 {
			faults = append(faults, fault{other.Line, fmt.Sprintf("the later version %s stands above %s (line %d): release a version after it, or move its section below", other.Version, v, s.Line)})
		}
	}
	faults = append(faults, collect(s.CheckBump(v))...)
	return faults, fmt.Sprintf("%q has %s", s.Heading, entries(s))
}

// candidateLog wants entries in the version's own section or, as is usual,
// under "Unreleased".
func (w paperwork) candidateLog(log *changelog.File) ([]fault, string) {
	core, line := w.ref.Version.Stable(), 0
	own, _ := w.section(log)
	open, _ := log.Unreleased()
	for _, s := range []changelog.Section{own, open} {
		if s.Line == 0 {
			continue
		}
		line = s.Line
		if s.CheckEntries() == nil {
			return collect(s.CheckBump(core)), fmt.Sprintf("%q has %s", s.Heading, entries(s))
		}
	}
	return []fault{{line, fmt.Sprintf("there are no entries under \"Unreleased\", and none for %s: write down what changed", core)}}, ""
}

// section finds the section of the version, with its build metadata or, as is
// usual, of MAJOR.MINOR.PATCH alone.
func (w paperwork) section(log *changelog.File) (changelog.Section, bool) {
	if s, ok := log.Section(w.ref.Version); ok {
		return s, true
	}
	return log.Section(w.ref.Version.Stable())
}

func entries(s changelog.Section) string {
	n := 0
	for _, g := range s.Groups {
		n += len(g.Entries)
	}
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// upgrading wants the version's rows filled in; a candidate is warned.
func (w paperwork) upgrading(ctx context.Context) (decide.Gate, error) {
	file, bad := w.p.Paperwork.Upgrading, decide.Fail
	if w.ref.Channel == decide.Candidate {
		bad = decide.Warning
	}
	text, faults, err := w.read(ctx, file)
	if err != nil || faults != nil {
		return judge(UpgradingGate, file, bad, faults, ""), err
	}
	guide, err := upgrading.Parse(file, text)
	var at *upgrading.Error
	switch {
	case errors.As(err, &at):
		return judge(UpgradingGate, file, bad, []fault{{at.Line, at.Problem}}, ""), nil
	case err != nil:
		return decide.Gate{}, err
	}
	v := w.ref.Version.Stable()
	for _, p := range guide.Check(v) {
		faults = append(faults, fault{p.Line, p.Text})
	}
	breaking, environment := len(guide.Breaking(v)), len(guide.Environment(v))
	g := judge(UpgradingGate, file, bad, faults, fmt.Sprintf("%s on breaking changes and %s on environment variables", count(breaking, "row"), count(environment, "row")))
	if breaking == 0 || environment == 0 {
		g.Detail += fmt.Sprintf(" (%s adds a row where one is missing)", w.prepare())
	}
	return g, nil
}

// manual wants what people had to check. A release that promotes a candidate
// needs the whole list; any other one is held to what its file lists, if it has
// one. Candidates are what these checks are made on.
func (w paperwork) manual(ctx context.Context) ([]decide.Gate, error) {
	if w.ref.Channel == decide.Candidate {
		return nil, nil
	}
	want, needed := w.p.Promotion.Manual, promotes(w.p, w.ref.Version)
	file := path.Join(w.p.Paperwork.Gates, w.ref.Version.Stable().Tag()+".yaml")
	text, err := w.repo.ReadFile(ctx, w.commit, file)
	switch {
	case errors.Is(err, git.ErrNoFile) && needed && len(want) > 0:
		var names []string
		for _, g := range want {
			names = append(names, g.Name)
		}
		return []decide.Gate{judge(ManualGate, file, decide.Fail, []fault{{0, fmt.Sprintf(
			"it is not in commit %s: make it with %s, and write down who checked what (%s)", short(w.commit), w.prepare(), list(names, 10))}}, "")}, nil
	case errors.Is(err, git.ErrNoFile):
		return nil, nil
	case err != nil:
		return nil, err
	}
	said, err := manual.Parse(file, text)
	var at *manual.Error
	switch {
	case errors.As(err, &at):
		return []decide.Gate{judge(ManualGate, file, decide.Fail, []fault{{at.Line, at.Problem}}, "")}, nil
	case err != nil:
		return nil, err
	}
	if !needed {
		want = slices.DeleteFunc(slices.Clone(want), func(g product.ManualGate) bool {
			return !slices.ContainsFunc(said.Gates, func(s manual.Gate) bool { return s.Name == g.Name })
		})
	}
	return said.Evaluate(file, want), nil
}
