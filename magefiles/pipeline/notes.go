package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
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
func (s *Suite) notes(from start, digest string, assets []record.NoteAsset, provenance string) (string, error) {
	n := record.Notes{
		Title: s.Product.Title, Tag: from.plan.Ref.Name, Channel: string(from.plan.Ref.Channel),
		Source: s.Product.Source, Files: s.filesAt(from.plan.Ref.Name),
		Changelog: s.Product.Paperwork.Changelog, Upgrading: s.Product.Paperwork.Upgrading,
		Changes: from.paper.section.Body, Breaking: from.paper.breaking, Environment: from.paper.environment,
		Image: s.Product.Image.Repository, Digest: digest, Assets: assets,
		KeyFile: s.Product.Trust.ReleaseKey, Unsigned: !from.source.Signed(),
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
	return s.notes(from, d.Digest.String(), assets, attest.ProvenanceName(from.plan, s.Product))
}

// Notes prints the notes of a release: of its bundle where this machine has
// one, else of what is published.
func (s *Suite) Notes(ctx context.Context, ref string) error {
	reg, err := s.openRegistry(ctx, true)
	if err != nil {
		return err
	}
	defer reg.close()
	f, err := s.forge()
	if err != nil {
		return err
	}
	from, err := s.plan(ctx, ref, "", reg.Registry, f)
	if err != nil {
		return err
	}
	v := from.plan.Ref.Version
	if v.IsZero() {
		return fmt.Errorf("%s is no version: edge and nightly builds have no notes", from.plan.Ref.Name)
	}
	b, err := bundle.Open(s.dist(from.plan.ID()))
	if err == nil && len(b.Entries(bundle.Image)) == 1 {
		text, err := s.bundleNotes(b, from)
		if err == nil {
			_, err = fmt.Fprint(s.Out, text)
		}
		return err
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d, ok, err := reg.Head(ctx, v.Image())
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s is neither built here (%s) nor published: its notes name the image's digest, so build it first (`mage release:%s -tag=%s -dryRun`)",
			v.Tag(), s.dist(from.plan.ID()), targetOf(from.plan.Ref.Channel), v.Tag())
	}
	var assets []record.NoteAsset
	provenance := ""
	page, err := f.Find(ctx, v.Tag())
	if err != nil {
		return err
	}
	if page != nil {
		for _, a := range page.Assets {
			assets = append(assets, record.NoteAsset{Name: a.Name, SHA256: a.SHA256, Size: a.Size})
			if name := attest.ProvenanceName(from.plan, s.Product); a.Name == name {
				provenance = name
			}
		}
	}
	text, err := s.notes(from, d.Digest.String(), assets, provenance)
	if err == nil {
		_, err = fmt.Fprint(s.Out, text)
	}
	return err
}
