package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/publish/announce"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// AnnounceOrder asks to make a release, or its withdrawal, known.
type AnnounceOrder struct {
	// Ref is the tag: see [gate.FindRef].
	Ref    string
	DryRun bool
	// Again sends to addresses of which nobody knows whether they heard.
	Again bool
	JSON  bool
}

// Announce makes a published release known at the addresses of RELEASE_NOTIFY
// and in the forge's discussions; a withdrawn one is announced as such. Each
// place hears of each once.
func (s *Suite) Announce(ctx context.Context, o AnnounceOrder) error {
	var results []announce.Result
	err := s.UI.Run(ctx, "announce", func(ctx context.Context, step *term.Step) (err error) {
		results, err = s.announce(ctx, o)
		step.Detail("%d places", len(results))
		return err
	})
	if len(results) > 0 {
		var printed error
		if o.JSON {
			printed = s.printJSON(results)
		} else {
			printed = s.printAnnouncement(results, o.DryRun)
		}
		err = errors.Join(err, printed)
	}
	return err
}

func (s *Suite) printAnnouncement(results []announce.Result, dry bool) error {
	var rows [][]string
	for _, r := range results {
		rows = append(rows, []string{r.Address, string(r.Outcome), r.Detail})
	}
	if err := s.UI.Table(s.Out, []string{"where", "outcome", ""}, rows); err != nil || !dry {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "\n%s\n", results[0].Text)
	return err
}

func (s *Suite) announce(ctx context.Context, o AnnounceOrder) ([]announce.Result, error) {
	addresses := strings.Fields(s.Getenv(envNotify))
	for _, a := range addresses {
		s.UI.Mask(a)
	}
	category := s.Product.Announce.Discussions
	f, err := s.forge()
	if err != nil {
		return nil, err
	}
	board, ok := f.(forge.Discussions)
	if !ok || category == "" {
		board = nil
	}
	if board == nil && len(addresses) == 0 {
		return nil, fmt.Errorf("there is nowhere to announce it: set %s to the addresses, one a line (https://shoutrrr.nickfedor.com has their forms), or Announce.Discussions in the product", envNotify)
	}
	reg, err := s.openRegistry(ctx, o.DryRun)
	if err != nil {
		return nil, err
	}
	defer reg.close()
	m, subject, withdrawn, err := s.announcement(ctx, o, reg.Registry, f)
	if err != nil {
		return nil, err
	}
	results, err := announce.Send(ctx, m, addresses, announce.NewLedger(reg.Registry, subject, withdrawn), announce.Options{DryRun: o.DryRun, Again: o.Again})
	var failed *announce.Error
	if err != nil && !errors.As(err, &failed) { // nothing was sent
		return nil, err
	}
	if board != nil {
		r := discuss(ctx, board, category, m, o.DryRun)
		results = append(results, r)
		if failed != nil || r.Outcome == announce.Failed {
			err = &announce.Error{Results: results}
		}
	}
	return results, err
}

// discuss opens the discussion, or finds it.
func discuss(ctx context.Context, board forge.Discussions, category string, m announce.Message, dry bool) announce.Result {
	r := announce.Result{Address: "discussions (" + category + ")", Outcome: announce.Would, Text: m.Text}
	if dry {
		return r
	}
	page, made, err := board.Discuss(ctx, category, m.Subject, m.Text)
	r.Outcome, r.Detail = announce.Before, page
	switch {
	case err != nil:
		r.Outcome, r.Detail = announce.Failed, err.Error()
	case made:
		r.Outcome = announce.Sent
	}
	return r
}

// announcement writes what is made known, about the image that is its subject.
func (s *Suite) announcement(ctx context.Context, o AnnounceOrder, reg *registry.Registry, f forge.Forge) (m announce.Message, subject v1.Hash, withdrawn bool, err error) {
	repo, ref, err := s.find(ctx, o.Ref)
	if err != nil {
		return m, subject, false, err
	}
	v := ref.Version
	if v.IsZero() {
		return m, subject, false, fmt.Errorf("%s is no version: name one with -tag", ref.Name)
	}
	trust, err := s.trust()
	if err != nil {
		return m, subject, false, err
	}
	status, err := s.publisher(reg, f, trust, s.expectTag).Status(ctx)
	if err != nil {
		return m, subject, false, err
	}
	at, ok := standing(status, v)
	if !ok || at.Page != converge.Public {
		return m, subject, false, fmt.Errorf("%s has no public release yet: announce it when it has one (`go run . release:status`)", v.Tag())
	}
	if w := at.Withdrawn; w != nil {
		out := rolledBack{Version: v, Digest: at.Digest.String(), Reason: w.Reason}
		if out.Use, err = decide.ParseVersion(w.Use); err == nil {
			use, _ := standing(status, out.Use)
			out.UseDigest = use.Digest.String()
		}
		m.Subject = fmt.Sprintf("%s %s is withdrawn", s.Product.Title, v.Tag())
		m.Text, err = s.notice(out).Text()
		return m, at.Digest, true, err
	}
	commit, err := repo.Resolve(ctx, ref.Full())
	if err != nil {
		return m, subject, false, err
	}
	paper, err := s.readPaper(ctx, repo, ref, commit)
	if err != nil {
		return m, subject, false, err
	}
	a := record.Announcement{
		Title: s.Product.Title, Tag: v.Tag(), Page: s.page(v.Tag()), Image: s.Product.Image.Repository, Digest: at.Digest.String(),
		Guide: s.fileAt(v.Tag(), s.Product.Paperwork.Upgrading),
	}
	for _, group := range paper.section.Groups {
		for _, e := range group.Entries {
			a.Entries = append(a.Entries, e.Text)
		}
	}
	m.Subject = s.Product.Title + " " + v.Tag()
	m.Text, err = a.Text()
	return m, at.Digest, false, err
}
