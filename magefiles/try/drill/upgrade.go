package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// UpgradeOptions say from what to what.
type UpgradeOptions struct {
	// Open gives the previous release and the one that is tried. Where there is
	// no previous one, it says so with a [*NotApplicableError], and the drill is
	// not applicable.
	Open Opener
	// Admin and Viewer need an e-mail address; an empty password is that of
	// the instance.
	Admin, Viewer journey.Account
	// Previous and Candidate are what is run.
	Previous, Candidate Release
	// Scratch is a directory for the data on its way; empty: that of temporary
	// files.
	Scratch string
}

// Release is a version and the digest of its image, as "sha256:<hex>".
type Release struct{ Version, Digest string }

func (r Release) String() string { return r.Version + " (" + r.Digest + ")" }

// UpgradeError is a candidate that cannot take over the data of the release
// before.
type UpgradeError struct {
	Previous, Candidate Release
	Err                 error
}

func (e *UpgradeError) Error() string {
	return fmt.Sprintf("%s cannot take over the data of %s: do not release it; since migrations are forward-only, "+
		"going back from it means restoring the backup from before the upgrade with the previous image %s: %v",
		e.Candidate, e.Previous, e.Previous.Digest, e.Err)
}

func (e *UpgradeError) Unwrap() error { return e.Err }

// Upgrade shows that the candidate takes over the data of the previous release:
// that one is run and used, and the candidate is run on its volumes, where
// everything has to be found again and new things can be made.
func Upgrade(ctx context.Context, run *Run, o UpgradeOptions) (err error) {
	run.Facts["previous version"], run.Facts["previous image"] = o.Previous.Version, o.Previous.Digest
	run.Facts["version"], run.Facts["image"] = o.Candidate.Version, o.Candidate.Digest
	scratch, err := os.MkdirTemp(o.Scratch, "upgrade-drill-")
	if err != nil {
		return fmt.Errorf("making a directory for the data: %w", err)
	}
	defer func() {
		if removed := os.RemoveAll(scratch); removed != nil {
			err = errors.Join(err, fmt.Errorf("removing the data of the upgrade drill; remove %s by hand: %w", scratch, removed))
		}
	}()
	data := filepath.Join(scratch, "data")
	kept, secrets, err := o.before(ctx, run, data)
	if err != nil || !kept.Preserved {
		return err
	}
	return o.after(ctx, run, data, kept, secrets)
}

// before runs and uses the previous release, and copies its data. Nothing is
// kept where there is no previous release.
func (o UpgradeOptions) before(ctx context.Context, run *Run, data string) (kept journey.Kept, secrets stack.Secrets, err error) {
	var s Instance
	opened := false
	err = run.Step(ctx, "open the previous release", func(ctx context.Context) (string, error) {
		s, err = o.Open(ctx, Opening{Name: "previous", Previous: true})
		opened = err == nil
		return o.Previous.String(), err
	})
	if !opened {
		return kept, nil, err
	}
	// One stack at a time: the candidate follows when this one is gone.
	defer func() { err = errors.Join(err, tearDown(ctx, run, "tear down the previous release", s)) }()
	err = run.need(ctx, "start the previous release", func(ctx context.Context) (string, error) { return "", s.Start(ctx) })
	if err != nil {
		return kept, nil, err
	}
	report, err := run.Travel(ctx, "pilot journey on the previous release", func(ctx context.Context) (journey.Report, error) {
		report, err := journey.Pilot(ctx, Target(s, o.Admin, o.Viewer), nil)
		return report, Cause(ctx, s, err)
	})
	if err != nil {
		return kept, nil, err
	}
	err = run.need(ctx, "stop it and copy its data", func(ctx context.Context) (string, error) {
		if err := s.Stop(ctx, stack.Backend); err != nil {
			return "", err
		}
		return "", s.Snapshot(ctx, data)
	})
	return report.Kept, s.Secrets(), err
}

// after runs the candidate on the data.
func (o UpgradeOptions) after(ctx context.Context, run *Run, data string, kept journey.Kept, secrets stack.Secrets) (err error) {
	var s Instance
	err = run.need(ctx, "open the candidate with that data", func(ctx context.Context) (string, error) {
		s, err = o.Open(ctx, Opening{Name: "upgraded", Snapshot: data, Secrets: secrets})
		return o.Candidate.String(), err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tearDown(ctx, run, "tear down the candidate", s)) }()
	blame := func(err error) error {
		if err == nil || ctx.Err() != nil {
			return err
		}
		return &UpgradeError{o.Previous, o.Candidate, err}
	}
	err = run.need(ctx, "start the candidate", func(ctx context.Context) (string, error) {
		err := s.Start(ctx)
		if err == nil {
			err = s.Ready(ctx)
		}
		return "", blame(err)
	})
	if err != nil {
		return leaks(ctx, run, s, err)
	}
	target := Target(s, o.Admin, o.Viewer)
	_, err = run.Travel(ctx, "data of the previous release", func(ctx context.Context) (journey.Report, error) {
		report, err := journey.Verify(ctx, target, kept, nil)
		return report, blame(Cause(ctx, s, err))
	})
	if err == nil {
		_, err = run.Travel(ctx, "beta journey on the candidate", func(ctx context.Context) (journey.Report, error) {
			report, err := journey.Beta(ctx, target, nil)
			return report, Cause(ctx, s, err)
		})
	}
	return leaks(ctx, run, s, err)
}
