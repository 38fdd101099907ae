package pipeline

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
)

// ContentOrder asks for a whole bundle without any proof.
type ContentOrder struct {
	// Ref is that of the release: see [Order].
	Ref string
	// Out is the bundle's directory; empty for the release's own, below dist.
	Out  string
	JSON bool
}

// Content is what came of a [ContentOrder].
type Content struct {
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Dir is the bundle's directory, Digest the image index's.
	Dir    string `json:"bundle"`
	Digest string `json:"digest"`
	// Assets are the files of the release page so far, with their checksums.
	Assets []ContentAsset `json:"assets"`
}

// ContentAsset is a file of a [Content].
type ContentAsset struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// BuildBundle makes everything of a release that is a function of its commit:
// binaries, frontend, image, files, SBOMs and their checksums. It signs and
// publishes nothing, and needs neither key nor registry nor forge; the gates
// are asked by the release, which goes on with the bundle where it lies in dist.
func (s *Suite) BuildBundle(ctx context.Context, o ContentOrder) error {
	plan, err := s.contentPlan(ctx, o.Ref)
	if err != nil {
		return err
	}
	b, err := s.contentIn(ctx, s.UI, plan, o.Out)
	if err != nil {
		return err
	}
	if err := s.UI.Summary(); err != nil {
		return err
	}
	d, _, _, err := b.ImageIndex()
	if err != nil {
		return err
	}
	out := Content{Ref: plan.Ref.Name, Commit: plan.Commit, Dir: b.Dir, Digest: d.Digest.String()}
	rows := [][]string{{"bundle", b.Dir}, {"of", plan.Ref.Name + " " + plan.Commit}, {"image", out.Digest}}
	for _, a := range b.Assets() {
		title := a.Annotations[bundle.TitleKey]
		out.Assets = append(out.Assets, ContentAsset{title, a.Digest.Hex, a.Size})
		rows = append(rows, []string{title, "sha256:" + a.Digest.Hex})
	}
	if o.JSON {
		return s.printJSON(out)
	}
	return s.UI.Table(s.Out, []string{s.Product.Name, ""}, rows)
}

// contentPlan is the plan of a release as far as its bytes depend on it. What
// is checked out has to be the ref's commit, unchanged.
func (s *Suite) contentPlan(ctx context.Context, name string) (decide.Plan, error) {
	repo, ref, err := s.find(ctx, name)
	if err != nil {
		return decide.Plan{}, err
	}
	report, err := gate.Check(ctx, repo, s.Product, ref, time.Now())
	if err != nil {
		return decide.Plan{}, err
	}
	if report.Source.Commit == "" {
		return decide.Plan{}, report.Err()
	}
	own := []string{gate.TagGate, gate.HeadGate, gate.TreeGate}
	gates := slices.DeleteFunc(report.Gates, func(g decide.Gate) bool { return !slices.Contains(own, g.Name) })
	if err := refusal(ref.Name, gates); err != nil {
		return decide.Plan{}, err
	}
	version, err := cargo.ProductVersion(s.Dir, s.Product.Cargo.Package)
	if err != nil {
		return decide.Plan{}, err
	}
	return decide.Plan{
		Product: s.Product.Name, Definition: s.Product.Digest(), Ref: ref, Version: version,
		Commit: report.Source.Commit, CommitTime: report.Source.CommitTime,
		Image: s.Product.Image.Repository, Platforms: s.Product.Platforms(), Assets: s.assets(), Gates: gates,
	}, nil
}

// contentIn makes the content of a plan in a directory, or in the release's own.
// A bundle that is whole stays as it is, with its proofs.
func (s *Suite) contentIn(ctx context.Context, ui runner, plan decide.Plan, dir string) (*bundle.Bundle, error) {
	if dir == "" {
		dir = s.dist(plan.ID())
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Create(dir, plan)
	if err != nil {
		return nil, err
	}
	if _, whole := b.Find(bundle.File, bundle.SumsName); whole {
		return b, nil
	}
	if err := s.require(ctx, "build:bundle"); err != nil {
		return nil, err
	}
	if _, err := s.content(ctx, ui, b, s.packageSignerHere); err != nil {
		return nil, err
	}
	return b, b.WriteSums()
}

// content makes what a release has before anything is scanned, tried or signed,
// all of it a function of the commit: binaries and frontend, the image of them,
// packages, signed as signer says, the script that installs, SBOMs.
func (s *Suite) content(ctx context.Context, ui runner, b *bundle.Bundle, signer packageSigner) ([]cargo.Binary, error) {
	frontendDir, binaries, err := s.build(ctx, ui, b)
	if err != nil {
		return nil, err
	}
	if err := s.assemble(ctx, ui, b, frontendDir); err != nil {
		return nil, err
	}
	if err := s.pack(ctx, ui, b, signer); err != nil {
		return nil, err
	}
	if err := s.installer(b); err != nil {
		return nil, err
	}
	return binaries, s.document(ctx, ui, b)
}
