package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// paper is what the paperwork of a release's commit says. It is empty for edge
// and nightly builds; what cannot be read is left out, since the gates say so.
type paper struct {
	section               changelog.Section
	breaking, environment record.NoteTable
	previous              string // a tag
	contributors          []string
}

// readPaper reads the paperwork at a commit.
func (s *Suite) readPaper(ctx context.Context, repo git.Repo, ref decide.Ref, commit string) (paper, error) {
	var p paper
	if ref.Version.IsZero() {
		return p, nil
	}
	v := ref.Version.Stable()
	name := s.Product.Paperwork.Changelog
	text, err := repo.ReadFile(ctx, commit, name)
	if err != nil && !errors.Is(err, git.ErrNoFile) {
		return p, err
	}
	if log, err := changelog.Parse(name, text); err == nil {
		var ok bool
		if p.section, ok = log.Section(v); !ok && ref.Channel == decide.Candidate {
			p.section, _ = log.Unreleased()
		}
	}
	name = s.Product.Paperwork.Upgrading
	if text, err = repo.ReadFile(ctx, commit, name); err != nil && !errors.Is(err, git.ErrNoFile) {
		return p, err
	}
	if guide, err := upgrading.Parse(name, text); err == nil {
		tables := guide.Tables()
		p.breaking = noteTable(tables[0].Header, guide.Breaking(v))
		p.environment = noteTable(tables[1].Header, guide.Environment(v))
	}
	last, err := previous(ctx, repo, commit, v)
	if err != nil {
		return p, err
	}
	if !last.IsZero() {
		p.previous = last.Tag()
	}
	p.contributors, err = repo.Authors(ctx, p.previous, commit)
	return p, err
}

func noteTable(header []string, rows []upgrading.Row) record.NoteTable {
	t := record.NoteTable{Header: header}
	for _, r := range rows {
		if !r.Placeholder {
			t.Rows = append(t.Rows, r.Cells)
		}
	}
	return t
}

// notes writes the text of a release page. Digest, tags and assets are those
// of what was made, or is published.
func (s *Suite) notes(from start, digest string, assets []record.NoteAsset, provenance, identity, issuer string) (string, error) {
	n := record.Notes{
		Title: s.Product.Title, Tag: from.plan.Ref.Name, Channel: string(from.plan.Ref.Channel),
		Source: s.Product.Source, Files: s.filesAt(from.plan.Ref.Name),
		Changelog: s.Product.Paperwork.Changelog, Upgrading: s.Product.Paperwork.Upgrading,
		Changes: from.paper.section.Body, Breaking: from.paper.breaking, Environment: from.paper.environment,
		Image: s.Product.Image.Repository, Digest: digest, Assets: assets,
		KeyFile: s.Product.Trust.ReleaseKey, Identity: identity, Issuer: issuer, Unsigned: !from.source.Signed(),
		Bundles: s.Product.Proofs == product.ProofBundles, Provenance: provenance,
		Previous: from.paper.previous, Contributors: from.paper.contributors,
	}
	for _, t := range from.plan.Tags {
		if !t.Rolling { // the others move on, the notes stay
			n.Tags = append(n.Tags, t.Name)
		}
	}
	for _, g := range from.plan.Gates {
		if g.Override != "" {
			n.Overrides = append(n.Overrides, record.Override{Gate: g.Name, Found: g.Detail, Reason: g.Override})
		}
	}
	return n.Markdown()
}

// bundleNotes writes the notes of what the bundle holds; edge builds have none.
func (s *Suite) bundleNotes(b *bundle.Bundle, from start) (string, error) {
	if from.plan.Ref.Version.IsZero() {
		return "", nil
	}
	d, _, _, err := b.ImageIndex()
	if err != nil {
		return "", err
	}
	var assets []record.NoteAsset
	for _, a := range b.Assets() {
		assets = append(assets, record.NoteAsset{Name: a.Annotations[bundle.TitleKey], SHA256: a.Digest.Hex, Size: a.Size})
	}
	identity, issuer, err := attest.SignedBy(b)
	if err != nil {
		return "", err
	}
	return s.notes(from, d.Digest.String(), assets, attest.ProvenanceName(from.plan, s.Product), identity, issuer)
}

// Notes prints the notes of a release: of its bundle where this machine has
// one, else those on its page.
func (s *Suite) Notes(ctx context.Context, name string) error {
	repo, ref, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if ref.Version.IsZero() {
		return fmt.Errorf("%s is no version: edge and nightly builds have no notes", ref.Name)
	}
	dir := s.dist(decide.Plan{Ref: ref}.ID())
	b, err := bundle.Open(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var text string
	if err == nil && len(b.Entries(bundle.Image)) == 1 {
		text, err = s.notesOf(ctx, repo, b)
	} else {
		text, err = s.pageNotes(ctx, ref, dir)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, strings.TrimRight(text, "\n"))
	return err
}

// notesOf writes the notes of a bundle as its release did, or would.
func (s *Suite) notesOf(ctx context.Context, repo git.Repo, b *bundle.Bundle) (string, error) {
	from := start{plan: b.Plan, repo: repo}
	report, err := gate.Check(ctx, repo, s.Product, b.Plan.Ref, time.Now())
	if err != nil {
		return "", err
	}
	from.source = report.Source
	if from.paper, err = s.readPaper(ctx, repo, b.Plan.Ref, b.Plan.Commit); err != nil {
		return "", err
	}
	r, err := record.Read(b.Dir)
	if err == nil { // it knows of the gates that came after the image, too
		from.plan.Gates = r.Plan.Gates
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return s.bundleNotes(b, from)
}

// pageNotes reads the notes that are public.
func (s *Suite) pageNotes(ctx context.Context, ref decide.Ref, dir string) (string, error) {
	f, err := s.forge()
	if err != nil {
		return "", err
	}
	page, err := f.Find(ctx, ref.Name)
	if err != nil {
		return "", err
	}
	if page == nil || page.Draft {
		return "", fmt.Errorf("%s is neither built here (%s) nor published: its notes name digests and checksums, so build it first (`go run . release:%s -tag=%s -dryRun`)",
			ref.Name, dir, targetOf(ref.Channel), ref.Name)
	}
	return page.Notes, nil
}
