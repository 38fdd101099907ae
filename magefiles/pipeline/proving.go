package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// triesDir is where reports, logs and backups of tries lie, below dist.
const triesDir = "tries"

// prove runs what the plan asks for on the bundle's image and leaves the records
// in the bundle. What the very image has passed before, by the bundle or by what
// is attested on it, is not run again.
func (s *Suite) prove(ctx context.Context, ui runner, b *bundle.Bundle, from start, reg *registry.Registry) (err error) {
	d, _, _, err := b.ImageIndex()
	if err != nil {
		return err
	}
	there, err := s.attested(ctx, reg, d.Digest)
	if err != nil {
		return err
	}
	if err := s.gatesShown(b, from, d.Digest, there); err != nil {
		return err
	}
	var at *stands
	defer func() {
		if at != nil {
			err = errors.Join(err, at.close(ctx))
		}
	}()
	for _, name := range from.plan.Tries {
		err := ui.Run(ctx, name, func(ctx context.Context, step *term.Step) error {
			old, err := s.passed(b, name, d.Digest, there)
			if err != nil {
				return err
			}
			if old != nil {
				step.Detail("this image passed at %s", old.Finished.Format(time.RFC3339))
				return nil
			}
			if at == nil {
				if at, err = s.standsOf(ctx, step, b, from, reg); err != nil {
					return err
				}
			}
			at.step = step
			e, err := s.show(ctx, at, b, name, attempt{Evidence: s.triesDir(b.Plan.ID(), name, at.kind)})
			step.Detail("%s", e.Summary)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s is not published: %w", from.plan.Ref.Name, err)
		}
	}
	return nil
}

// canTry asks, before anything is built, whether what a release has to pass can
// be tried on this machine.
func (s *Suite) canTry(ctx context.Context, names []string) error {
	for _, name := range names {
		if kindOf(name) == record.Test {
			continue
		}
		if _, err := s.stackKind(ctx); err != nil {
			return fmt.Errorf("%s has to be passed before the release is published: %w", name, err)
		}
		return nil
	}
	return nil
}

// attested is what a published image has passed; nothing where it is not
// published.
func (s *Suite) attested(ctx context.Context, reg *registry.Registry, digest v1.Hash) ([]verify.TestResult, error) {
	if _, ok, err := reg.Head(ctx, digest.String()); err != nil || !ok {
		return nil, err
	}
	trust, err := s.trust()
	if err != nil {
		return nil, err
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return nil, err
	}
	return verify.Results(ctx, reg.Digest(digest), trust, options...)
}

// gatesShown leaves the record of the gates. One that says the same of the same
// tag stays.
func (s *Suite) gatesShown(b *bundle.Bundle, from start, digest v1.Hash, there []verify.TestResult) error {
	now := s.clock()
	e := record.EvidenceOfGates(from.plan, now, now)
	e.Digest, e.Facts = digest.String(), map[string]string{"ref": from.source.FullRef}
	old, err := s.passed(b, e.Name, digest, there)
	if err != nil {
		return err
	}
	if old != nil && old.Facts["ref"] == e.Facts["ref"] && old.Result == e.Result {
		return nil
	}
	return record.WriteEvidence(b, e)
}

// passed gives the record of what an image has passed before: the one in the
// bundle, or the one that is attested on it, which the bundle gets then.
func (s *Suite) passed(b *bundle.Bundle, name string, digest v1.Hash, there []verify.TestResult) (*record.Evidence, error) {
	all, err := record.ReadEvidence(b)
	if err != nil {
		return nil, err
	}
	kind := s.wantedStack()
	fits := func(e record.Evidence) bool {
		// Tests are of the commit, which is the bundle's, and of no image.
		return e.Name == name && (e.Digest == "" || e.Digest == digest.String()) && e.Result == record.Pass && (e.Stack == "" || e.Stack == kind)
	}
	if i := slices.IndexFunc(all, fits); i >= 0 {
		return &all[i], nil
	}
	for _, t := range there {
		if t.Name != name || t.Text == nil {
			continue
		}
		e, err := record.DecodeEvidence(t.Text)
		if err != nil {
			return nil, err
		}
		if fits(e) {
			return &e, record.Adopt(b, e)
		}
	}
	return nil, nil
}

// standsOf is where the bundle's image is tried.
func (s *Suite) standsOf(ctx context.Context, step *term.Step, b *bundle.Bundle, from start, reg *registry.Registry) (*stands, error) {
	now, err := trialOf(b)
	if err != nil {
		return nil, err
	}
	last, err := before(ctx, from.repo, from.plan.Ref, from.plan.Commit, from.plan.Version)
	if err != nil {
		return nil, err
	}
	return s.stands(ctx, step, now, last, reg)
}

// triesDir is where a try leaves what it writes.
func (s *Suite) triesDir(id, name, kind string) string {
	return s.dist(triesDir, id, strings.ReplaceAll(name, ":", "-")+"-"+kind)
}

// show runs one try and leaves its record in the bundle, if there is one, also
// where it failed.
func (s *Suite) show(ctx context.Context, at *stands, b *bundle.Bundle, name string, a attempt) (record.Evidence, error) {
	e, logs, err := s.evidence(ctx, at, name, a)
	if e.Name == "" || b == nil { // it did not begin, or there is nowhere to keep it
		return e, err
	}
	for i, path := range logs {
		extension := "logs.tar.gz"
		if i > 0 {
			extension = "logs-" + strconv.Itoa(i+1) + ".tar.gz"
		}
		f, ferr := os.Open(path)
		if ferr != nil {
			return e, errors.Join(err, ferr)
		}
		kept, kerr := record.KeepLog(b, e.File(extension), f)
		if kerr = errors.Join(kerr, f.Close()); kerr != nil {
			return e, errors.Join(err, kerr)
		}
		e.Logs = append(e.Logs, kept)
	}
	if werr := record.WriteEvidence(b, e); werr != nil {
		return e, errors.Join(err, werr)
	}
	if err == nil && e.Result != record.Pass {
		err = fmt.Errorf("%s did not pass, it is %s: %s", name, e.Result, e.Summary)
	}
	return e, err
}

// evidence runs one try and makes the record of it. The record has no name where
// nothing was begun. Logs are files.
func (s *Suite) evidence(ctx context.Context, at *stands, name string, a attempt) (record.Evidence, []string, error) {
	switch name {
	case "test:backend", "test:frontend":
		run := s.testBackend
		if name == "test:frontend" {
			run = s.testFrontend
		}
		t, err := run(ctx, at.step, "")
		if t.Finished.IsZero() {
			return record.Evidence{}, nil, err
		}
		return evidenceOfTests(t, at.now.Commit), nil, err
	}
	if err := s.speaks(strings.TrimPrefix(name, "smoke:")); err != nil {
		return record.Evidence{}, nil, err
	}
	run, logs, err := at.try(ctx, name, a)
	if run == nil {
		return record.Evidence{}, nil, err
	}
	used, uerr := at.used(context.WithoutCancel(ctx))
	if err == nil {
		err = uerr
	}
	maps.Copy(run.Facts, used)
	return at.mask(evidenceOf(run, kindOf(name), at.now, at.kind)), logs, err
}
