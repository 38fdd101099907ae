package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

const (
	// envBackup is a backup bundle for the restore drill, envKept the report of
	// the journey that left data in it: the names that the product's own scripts
	// know them by.
	envBackup = "BACKUP_DIR"
	envKept   = "SMOKE_REPORT"
	// envReports is the directory for reports.
	envReports = "REPORT_DIR"
)

// TryOrder asks for one of what an image can be tried with.
type TryOrder struct {
	// Name is the target's: "smoke:launch", "drill:restore".
	Name string
	// Tag picks the bundle in dist whose image is tried; empty: the checkout is
	// built.
	Tag string
	// Backup is a bundle to restore, Kept the report of the journey that left
	// data in it; both may be empty.
	Backup, Kept string
	// Previous is the version to upgrade from; empty: the last stable one.
	Previous string
	// From is the phase of the pilot run to begin with.
	From string
	// Reports is the directory for what it writes; empty: REPORT_DIR, or one
	// below dist.
	Reports string
	JSON    bool
}

// Try tries an image on a stack of its own and prints the steps. The record
// stays in the bundle where one was named.
func (s *Suite) Try(ctx context.Context, o TryOrder) error {
	var e record.Evidence
	err := s.UI.Run(ctx, o.Name, func(ctx context.Context, step *term.Step) (err error) {
		e, err = s.try(ctx, step, o)
		if e.Name != "" {
			step.Detail("%s", firstLine(e.Summary))
		}
		return err
	})
	if e.Name == "" {
		return err
	}
	if o.JSON {
		return errors.Join(err, s.printJSON(e))
	}
	rows := make([][]string, 0, len(e.Steps))
	for _, st := range e.Steps {
		rows = append(rows, []string{st.Name, string(st.Result), term.Elapsed(st.Took), firstLine(st.Detail)})
	}
	return errors.Join(err, s.UI.Table(s.Out, []string{e.Name, string(e.Result), "time", "what was seen"}, rows))
}

// firstLine keeps a table a table.
func firstLine(text string) string {
	line, more, _ := strings.Cut(text, "\n")
	if more != "" {
		line += " …"
	}
	return line
}

// try is the work of [Suite.Try].
func (s *Suite) try(ctx context.Context, step *term.Step, o TryOrder) (e record.Evidence, err error) {
	if err := s.speaks(strings.TrimPrefix(o.Name, "smoke:")); err != nil {
		return e, err
	}
	kept, err := s.keptBy(or(o.Kept, s.Getenv(envKept)))
	if err != nil {
		return e, err
	}
	reg, err := s.openRegistry(ctx, true)
	if err != nil {
		return e, err
	}
	defer reg.close()
	dir, err := os.MkdirTemp("", "trial-*")
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	now, b, err := s.asked(ctx, step, o.Tag, dir)
	if err != nil {
		return e, err
	}
	before, err := s.standingBefore(ctx, now, b, o.Previous)
	if err != nil {
		return e, err
	}
	at, err := s.stands(ctx, step, now, before, reg.Registry)
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, at.close(ctx)) }()
	id := "checkout"
	if b != nil {
		id = b.Plan.ID()
	}
	return s.show(ctx, at, b, o.Name, attempt{
		Backup: o.Backup, Kept: kept, Secrets: s.secrets(), From: o.From, Evidence: or(or(o.Reports, s.Getenv(envReports)), s.triesDir(id, o.Name, at.kind)),
	})
}

// asked is the image of a tag's bundle in dist, or one that is built of the
// checkout, without a bundle to keep records in.
func (s *Suite) asked(ctx context.Context, ui runner, tag, dir string) (trial, *bundle.Bundle, error) {
	if tag == "" {
		now, err := s.buildTrial(ctx, ui, dir)
		return now, nil, err
	}
	b, err := bundle.Open(s.dist(strings.TrimPrefix(tag, "refs/tags/")))
	if errors.Is(err, os.ErrNotExist) {
		return trial{}, nil, fmt.Errorf("%s holds no bundle of %s: make it (`go run . release:publish -tag=%s -dryRun`), or leave -tag away to build the checkout", s.dist(), tag, tag)
	}
	if err != nil {
		return trial{}, nil, err
	}
	now, err := trialOf(b)
	return now, b, err
}

// standingBefore is the stable version before what is tried, or the one that
// was asked for.
func (s *Suite) standingBefore(ctx context.Context, now trial, b *bundle.Bundle, asked string) (decide.Version, error) {
	if asked != "" {
		v, err := parseVersion(asked)
		if err == nil && v.Channel() != decide.Stable {
			err = fmt.Errorf("-from=%s is no stable version: operators upgrade from one", asked)
		}
		return v, err
	}
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return decide.Version{}, err
	}
	var ref decide.Ref
	if b != nil {
		ref = b.Plan.Ref
	}
	return before(ctx, repo, ref, now.Commit, now.Version)
}

// secrets are those of an installation whose backup is restored, as far as the
// environment has them.
func (s *Suite) secrets() stack.Secrets {
	out := stack.Secrets{}
	for _, name := range s.Product.SecretNames() {
		if value := s.secret(name); value != "" {
			out[name] = value
		}
	}
	return out
}

// VerifyBackup checks a backup bundle and prints what it holds, or everything
// that is wrong with it.
func (s *Suite) VerifyBackup(ctx context.Context, dir string, asJSON bool) error {
	run := drill.Begin("drill:verify", nil)
	info, err := drill.Verify(ctx, run, dir)
	if err = run.End(err); err != nil {
		return err
	}
	if asJSON {
		return s.printJSON(info)
	}
	var rows [][]string
	for _, p := range info.Parts {
		rows = append(rows, []string{p.Name, term.Bytes(p.Size), term.Bytes(p.Expanded), "sha256:" + p.SHA256})
	}
	return s.UI.Table(s.Out, []string{info.Manifest.Timestamp, "size", "unpacked", "digest"}, rows)
}
