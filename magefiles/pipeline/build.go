package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// PartOrder asks for a part of a release: its binaries, or one of them.
type PartOrder struct {
	// Ref and Why are those of the release: see [Order].
	Ref, Why string
	// Target is the Rust target triple; empty for all.
	Target string
	// Out is the part's directory; empty for one below dist/parts.
	Out  string
	JSON bool
}

// Part is what came of a [PartOrder].
type Part struct {
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Dir is the part's directory, for -parts of the release.
	Dir      string       `json:"dir"`
	Binaries []PartBinary `json:"binaries"`
}

// PartBinary is a binary of a part.
type PartBinary struct {
	Asset  string `json:"asset"`
	Target string `json:"target"`
	SHA256 string `json:"sha256"`
	Crates int    `json:"crates"`
	Ran    string `json:"ran"`
}

// BuildBinaries makes a part of a release on a machine of its own, for a
// release on another one to merge. It holds the commit against the release's
// own gates first, and signs and publishes nothing: it needs no key and no
// right to write.
func (s *Suite) BuildBinaries(ctx context.Context, o PartOrder) error {
	part, err := s.buildBinaries(ctx, s.UI, o)
	if err != nil {
		return err
	}
	if err := s.UI.Summary(); err != nil {
		return err
	}
	if o.JSON {
		return s.printJSON(part)
	}
	rows := [][]string{{"part", part.Dir}, {"of", part.Ref + " " + part.Commit}}
	for _, b := range part.Binaries {
		rows = append(rows, []string{b.Asset, fmt.Sprintf("sha256:%s, %d crates, %s", b.SHA256, b.Crates, b.Ran)})
	}
	return s.UI.Table(s.Out, []string{s.Product.Name, ""}, rows)
}

func (s *Suite) buildBinaries(ctx context.Context, ui runner, o PartOrder) (Part, error) {
	needs, err := doctor.For("build:binaries")
	if err != nil {
		return Part{}, err
	}
	here := s.Product
	if o.Target != "" {
		t, err := target(here, o.Target)
		if err != nil {
			return Part{}, err
		}
		here.Cargo.Targets = []product.Target{t}
	}
	var from start
	err = ui.Run(ctx, "plan and gates", func(ctx context.Context, step *term.Step) (err error) {
		if from, err = s.partPlan(ctx, o); err != nil {
			return err
		}
		step.Detail("%s of %s", from.plan.Ref.Name, short(from.plan.Commit))
		return doctor.Require(ctx, s.Dir, here, needs...)
	})
	if err != nil {
		return Part{}, err
	}
	dir := o.Out
	if dir == "" {
		dir = s.dist("parts", from.plan.ID(), or(o.Target, "all"))
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return Part{}, err
	}
	b, err := bundle.Create(dir, from.plan)
	if err != nil {
		return Part{}, err
	}
	made, err := s.compile(ctx, ui, b, o.Target)
	if err != nil {
		return Part{}, err
	}
	part := Part{Ref: from.plan.Ref.Name, Commit: from.plan.Commit, Dir: dir}
	for _, m := range made {
		d, _ := b.Find(bundle.Binary, m.Target.Asset)
		part.Binaries = append(part.Binaries, PartBinary{m.Target.Asset, m.Target.Triple, d.Digest.Hex, m.Crates, m.Ran})
	}
	return part, nil
}

func target(p product.Product, triple string) (product.Target, error) {
	var all []string
	for _, t := range p.Cargo.Targets {
		if t.Triple == triple {
			return t, nil
		}
		all = append(all, t.Triple)
	}
	return product.Target{}, fmt.Errorf("-target=%s is none of %s's: want one of %s", triple, p.Name, strings.Join(all, ", "))
}

// partPlan evaluates the gates of the release but one: whether the forge would
// let this machine write is for the machine that publishes.
func (s *Suite) partPlan(ctx context.Context, o PartOrder) (start, error) {
	reg, f, err := s.open(ctx, true)
	if err != nil {
		return start{}, err
	}
	defer reg.close()
	from, err := s.plan(ctx, o.Ref, o.Why, reg.Registry, f)
	if err != nil {
		return start{}, err
	}
	gates := slices.DeleteFunc(slices.Clone(from.plan.Gates), func(g decide.Gate) bool { return g.Name == "forge" })
	return from, refusal(from.plan.Ref.Name, gates)
}

// compile brings the binaries, or only one target's, into a bundle.
func (s *Suite) compile(ctx context.Context, ui runner, b *bundle.Bundle, only string) (made []cargo.Binary, err error) {
	err = ui.Run(ctx, "cargo", func(ctx context.Context, step *term.Step) (err error) {
		made, err = cargo.Into(ctx, b, cargo.Options{
			Dir: s.Dir, Cargo: s.Product.Cargo, Only: only, Commit: b.Plan.Commit, CommitTime: b.Plan.CommitTime,
			TargetDir: s.CargoTarget, Log: step.Log(),
		})
		said := make([]string, 0, len(made))
		for _, m := range made {
			said = append(said, fmt.Sprintf("%s (%d crates, %s)", m.Target.Arch, m.Crates, m.Ran))
		}
		step.Detail("%s", strings.Join(said, ", "))
		return err
	})
	return made, err
}

// merge takes what other machines built into the bundle.
func (s *Suite) merge(ctx context.Context, ui runner, b *bundle.Bundle, parts []string) error {
	if len(parts) == 0 {
		return nil
	}
	return ui.Run(ctx, "merge parts", func(_ context.Context, step *term.Step) error {
		if err := bundle.Merge(b, parts...); err != nil {
			return err
		}
		there := cargo.There(b, s.Product.Cargo.Targets)
		if len(there) < len(s.Product.Cargo.Targets) {
			return fmt.Errorf("the parts (%s) have every binary, but not for its target: remove %s and build them again", strings.Join(parts, ", "), b.Dir)
		}
		for _, m := range there {
			if err := cargo.Check(m); err != nil {
				return fmt.Errorf("%w; remove %s and build its part again", err, b.Dir)
			}
		}
		step.Detail("%d binaries of %d parts", len(there), len(parts))
		return nil
	})
}

// requireBuild stops where the machine lacks what making the image needs.
// Nothing compiles where all the binaries are there.
func (s *Suite) requireBuild(ctx context.Context, b *bundle.Bundle) error {
	var unwanted []doctor.Need
	if targets := s.Product.Cargo.Targets; len(cargo.There(b, targets)) == len(targets) {
		unwanted = []doctor.Need{doctor.Rust, doctor.Emulator}
	}
	return s.require(ctx, "release:"+targetOf(b.Plan.Ref.Channel), unwanted...)
}
