package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/versions"
)

// Preparation is the commit that a release is made from.
type Preparation struct {
	Version decide.Version `json:"version"`
	// Commit is the new commit, or HEAD where nothing had to change.
	Commit string   `json:"commit"`
	Files  []string `json:"files"`
	// Fill are the files that the maintainer still has to fill in.
	Fill []string `json:"fill,omitempty"`
}

// Prepare writes the paperwork of a version and commits it. The date is
// YYYY-MM-DD, today in UTC where it is empty.
func (s *Suite) Prepare(ctx context.Context, version, date string, asJSON bool) error {
	v, err := parseVersion(version)
	if err != nil {
		return err
	}
	day := s.clock().UTC()
	if date != "" {
		if day, err = time.Parse(time.DateOnly, date); err != nil {
			return fmt.Errorf("-date=%q is no date: want YYYY-MM-DD", date)
		}
	}
	var done Preparation
	err = s.UI.Run(ctx, "prepare "+v.Tag(), func(ctx context.Context, step *term.Step) (err error) {
		done, err = s.prepare(ctx, v, day)
		step.Detail("%d files", len(done.Files))
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return s.printJSON(done)
	}
	rows := [][]string{{"prepared", v.Tag()}, {"commit", done.Commit}, {"changed", or(strings.Join(done.Files, ", "), "nothing: it was prepared before")}}
	for _, f := range done.Fill {
		rows = append(rows, []string{"fill in", f})
	}
	next := "go run . release:tag " + v.String()
	switch {
	case len(done.Fill) == 0:
	case v.Channel() == decide.Candidate:
		next += "; once it is tried, fill these in, commit, then go run . release:prepare " + v.Stable().String()
	default:
		next = "fill these in, commit, then " + next
	}
	return s.UI.Table(s.Out, []string{s.Product.Name, ""}, append(rows, []string{"next", next}))
}

// prepare is the work of [Suite.Prepare]. A candidate gets the version's
// numbers and rows; the changelog stays as it is until the stable release.
func (s *Suite) prepare(ctx context.Context, v decide.Version, day time.Time) (Preparation, error) {
	done := Preparation{Version: v}
	w, err := s.workplace(ctx)
	if err != nil {
		return done, err
	}
	who, err := w.identity()
	if err != nil {
		return done, err
	}
	if err := s.onBranch(w, v, "preparing"); err != nil {
		return done, err
	}
	if slices.ContainsFunc(w.stable, func(o decide.Version) bool { return o.Compare(v.Stable()) == 0 }) {
		return done, fmt.Errorf("tag %s exists already: a released version is never released again, so prepare the next one", v.Stable().Tag())
	}
	last, err := previous(ctx, w.Repo, w.head, v)
	if err != nil {
		return done, err
	}
	e := &edited{dir: w.Dir}
	if done.Fill, err = s.paperwork(e, v, last, day); err != nil {
		return done, errors.Join(err, e.undo(ctx, w.Repo))
	}
	done.Files, done.Commit = e.files, w.head
	if len(e.files) == 0 {
		return done, nil
	}
	if done.Commit, err = w.Commit(ctx, who, s.clock(), "docs: prepare release "+v.Tag(), e.files...); err != nil {
		return done, errors.Join(err, e.undo(ctx, w.Repo))
	}
	return done, nil
}

// paperwork edits the files of a version and gives those that a person has to
// fill in.
func (s *Suite) paperwork(e *edited, v, previous decide.Version, day time.Time) (fill []string, err error) {
	paper := s.Product.Paperwork
	// The changelog comes first: it is what refuses most.
	err = e.edit(paper.Changelog, func(text []byte) ([]byte, error) {
		log, err := changelog.Parse(paper.Changelog, text)
		if err != nil {
			return nil, err
		}
		section, ok := log.Section(v.Stable())
		if !ok {
			section, ok = log.Unreleased()
		}
		if ok && !previous.IsZero() {
			if err := section.CheckBump(v.Stable()); err != nil {
				return nil, err
			}
		}
		if v.Channel() == decide.Candidate {
			return text, nil
		}
		if err := leftOver(log, paper.Changelog, v); err != nil {
			return nil, err
		}
		return log.Release(changelog.Release{Version: v, Previous: previous, Date: day, Source: s.Product.Source})
	})
	if err != nil {
		return nil, err
	}
	set, err := versions.Set(e.dir, s.Product, v.Core())
	if err != nil {
		return nil, err
	}
	e.files = append(e.files, set...)
	err = e.edit(paper.Upgrading, func(text []byte) ([]byte, error) {
		guide, err := upgrading.Parse(paper.Upgrading, text)
		if err != nil {
			return nil, err
		}
		text, err = guide.AddRows(v.Stable())
		if err != nil {
			return nil, err
		}
		if guide, err = upgrading.Parse(paper.Upgrading, text); err == nil && len(guide.Check(v)) > 0 {
			fill = append(fill, paper.Upgrading)
		}
		return text, err
	})
	if err != nil || !s.needsPromotion(v) {
		return fill, err
	}
	gates := path.Join(paper.Gates, v.Stable().Tag()+".yaml")
	err = e.edit(gates, func(text []byte) ([]byte, error) {
		want := s.Product.Promotion.Manual
		if text == nil {
			text = manual.New(v.Stable(), want)
		}
		said, err := manual.Parse(gates, text)
		if err != nil {
			return nil, err
		}
		if refusal(gates, said.Evaluate(gates, want)) != nil {
			fill = append(fill, gates)
		}
		return text, nil
	})
	return fill, err
}

// leftOver refuses entries under Unreleased beside the finished section of the
// version: they are in the commit that would be tagged.
func leftOver(log *changelog.File, name string, v decide.Version) error {
	open, _ := log.Unreleased()
	own, ok := log.Section(v)
	if !ok || own.Date == "" {
		return nil
	}
	for _, g := range open.Groups {
		for _, e := range g.Entries {
			return &changelog.Error{File: name, Line: e.Line, Problem: fmt.Sprintf(
				"this entry stands under Unreleased, and %s has its section already (line %d): move it there, since the release would contain what it describes", v, own.Line)}
		}
	}
	return nil
}

// needsPromotion tells whether a version's stable release needs a candidate and
// the manual gates.
func (s *Suite) needsPromotion(v decide.Version) bool {
	return slices.Contains(s.Product.Promotion.Bumps, string(v.Stable().Bump()))
}
