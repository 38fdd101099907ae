package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/make/frontend"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// Order is what a person or CI asks for.
type Order struct {
	// Ref is a tag, the main branch, "nightly", or empty: see [gate.FindRef].
	Ref string
	// Channels are those that the target is for.
	Channels []decide.Channel
	// Why is the reason for going on where sha-COMMIT names another digest.
	Why string
	// Parts are the directories of binaries that were built elsewhere: see
	// [Suite.BuildBinaries]. Empty where this machine builds them.
	Parts []string
	// DryRun builds and proves, publishes nothing, and prints what it would do.
	DryRun bool
	JSON   bool
}

// outcome is what came of a release.
type outcome struct {
	Plan   decide.Plan
	Source gate.Source
	Digest v1.Hash
	// Actions are what was done, or what a dry run would do.
	Actions []converge.Action
	// Moved are the tags that were made or moved.
	Moved  []string
	Report verify.Report
	Sent   registry.Stats
}

// runner is the whole run, or a step of it.
type runner interface {
	Run(ctx context.Context, name string, fn func(ctx context.Context, s *term.Step) error) error
	Warn(format string, args ...any)
	Println(format string, args ...any)
}

// Release makes, proves and publishes what the order names, and prints what
// came of it.
func (s *Suite) Release(ctx context.Context, o Order) error {
	out, err := s.release(ctx, s.UI, o)
	if err != nil {
		return err
	}
	if !o.DryRun {
		if err := s.outcomePage(out); err != nil {
			return err
		}
	}
	if err := s.UI.Summary(); err != nil {
		return err
	}
	return s.printOutcome(o, out)
}

// release is the way of every release: plan, gates, content, scans, tries,
// proofs, publication. A step that is done already is not done again.
func (s *Suite) release(ctx context.Context, ui runner, o Order) (outcome, error) {
	begun := time.Now()
	reg, f, err := s.open(ctx, o.DryRun)
	if err != nil {
		return outcome{}, err
	}
	defer reg.close()

	var from start
	var trust verify.Trust
	var signer attest.Signer
	err = ui.Run(ctx, "plan and gates", func(ctx context.Context, step *term.Step) (err error) {
		if from, err = s.plan(ctx, o.Ref, o.Why, reg.Registry, f); err != nil {
			return err
		}
		if err := s.planPage(from.plan); err != nil {
			return err
		}
		if err := s.refuse(from.plan, o.Channels); err != nil {
			return err
		}
		if err := s.canTry(ctx, from.plan.Tries); err != nil {
			return err
		}
		if err := s.canPack(from.plan.Ref); err != nil {
			return err
		}
		if err := s.canScan(s.scanners(from.plan.Ref.Channel)); err != nil {
			return err
		}
		if trust, err = s.trust(); err != nil {
			return err
		}
		step.Detail("%s of %s", from.plan.Ref.Name, short(from.plan.Commit))
		signer, err = s.signer(ctx, trust, from.source.FullRef, o.DryRun)
		return err
	})
	if err != nil {
		return outcome{}, err
	}
	s.warn(ui, from.plan.Gates)

	b, err := bundle.Create(s.dist(from.plan.ID()), from.plan)
	if err != nil {
		return outcome{}, err
	}
	if err := s.merge(ctx, ui, b, o.Parts); err != nil {
		return outcome{}, err
	}
	if err := s.begun(b); err != nil {
		return outcome{}, err
	}
	binaries, err := s.content(ctx, ui, b, s.packageSigner)
	if err != nil {
		return outcome{}, err
	}
	if from.candidate != nil {
		g, err := s.identityGate(ctx, b, reg.Registry, *from.candidate, o.Why)
		if err != nil {
			return outcome{}, err
		}
		from.plan.Gates = append(from.plan.Gates, g)
	}
	if err := s.scan(ctx, ui, b, from, reg.Registry); err != nil {
		return outcome{}, err
	}
	if err := s.prove(ctx, ui, b, from, reg.Registry); err != nil {
		return outcome{}, err
	}
	if err := s.sign(ctx, ui, b, signer, reg.Registry); err != nil {
		return outcome{}, err
	}
	out, err := s.publish(ctx, ui, b, from, reg.Registry, f, trust, o)
	if err != nil || o.DryRun {
		return out, err
	}
	return out, s.record(b, binaries, begun, out, from.candidate, o)
}

// refuse stops a release that a gate refuses, or that another target is for.
func (s *Suite) refuse(p decide.Plan, channels []decide.Channel) error {
	if !slices.Contains(channels, p.Ref.Channel) {
		target := map[decide.Channel]string{
			decide.Edge: "release:edge", decide.Nightly: "release:edge -tag=nightly",
			decide.Candidate: "release:rc", decide.Stable: "release:stable",
		}[p.Ref.Channel]
		return fmt.Errorf("%s is of the channel %s, which this target does not publish: use %s", p.Ref.Name, p.Ref.Channel, target)
	}
	return refusal(p.Ref.Name, p.Gates)
}

// build brings the binaries into the bundle and builds the frontend, side by
// side. A bundle with an image needs neither again.
func (s *Suite) build(ctx context.Context, ui runner, b *bundle.Bundle) (frontendDir string, binaries []cargo.Binary, err error) {
	_, _, done, err := b.ImageIndex()
	if err != nil {
		return "", nil, err
	}
	if !done {
		if err := s.requireBuild(ctx, b); err != nil {
			return "", nil, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		binaries, err = s.compile(ctx, ui, b, "")
		return err
	})
	if f := s.Product.Frontend; f != nil && !done {
		g.Go(func() error {
			return ui.Run(ctx, "frontend", func(ctx context.Context, step *term.Step) (err error) {
				var tools frontend.Tools
				frontendDir, err = frontend.Build(ctx, frontend.Options{
					Dir: s.Dir, Frontend: *f, CommitTime: b.Plan.CommitTime, Log: step.Log(), Found: &tools,
				})
				if err != nil {
					return err
				}
				return s.builtWith(b, tools)
			})
		})
	}
	return frontendDir, binaries, g.Wait()
}

func targetOf(c decide.Channel) string {
	switch c {
	case decide.Candidate:
		return "rc"
	case decide.Stable:
		return "stable"
	}
	return "edge"
}

// assemble makes the image of the binaries, and attaches them to it.
func (s *Suite) assemble(ctx context.Context, ui runner, b *bundle.Bundle, frontendDir string) error {
	return ui.Run(ctx, "image", func(ctx context.Context, step *term.Step) error {
		_, _, done, err := b.ImageIndex()
		if err != nil {
			return err
		}
		options, err := s.baseRegistry(ctx)
		if err != nil {
			return err
		}
		d, err := image.Assemble(ctx, b, s.Product, image.Input{
			Commit: b.Plan.Commit, CommitTime: b.Plan.CommitTime, Version: b.Plan.Version,
			FrontendDir: frontendDir, Remote: options,
		})
		if err != nil {
			return err
		}
		step.Detail("%s", d.Digest)
		if err := image.AttachBinaries(b); err != nil {
			return err
		}
		if err := image.AttachFiles(ctx, b, s.Product, s.Dir); err != nil || done {
			return err
		}
		return s.finished(b)
	})
}

// document lists what is in an image and its binaries: SBOMs.
func (s *Suite) document(ctx context.Context, ui runner, b *bundle.Bundle) error {
	return ui.Run(ctx, "SBOMs", func(ctx context.Context, _ *term.Step) error {
		return sbom.Write(ctx, b, s.Product, s.Dir)
	})
}

// sign makes the proofs of what the bundle holds: signatures and attestations.
func (s *Suite) sign(ctx context.Context, ui runner, b *bundle.Bundle, signer attest.Signer, reg *registry.Registry) error {
	return ui.Run(ctx, "signatures and attestations", func(ctx context.Context, step *term.Step) error {
		options, err := s.attestOptions(ctx, reg, b, signer)
		if err != nil {
			return err
		}
		if options.Scans, err = scans(b, "git+"+s.Product.Source); err != nil {
			return err
		}
		if _, byKey := signer.(*attest.Key); !byKey {
			if options.Published, err = publishedProofs(ctx, b, reg); err != nil {
				return err
			}
		}
		made, err := attest.Write(ctx, b, s.Product, options)
		if err != nil {
			return err
		}
		step.Detail("%d signed, %d there already, by %s", made.Signed, made.Kept, signerName(made.Fingerprint))
		return attest.WriteSums(ctx, b, signer)
	})
}

// baseRegistry says how to reach the registry of the base image.
func (s *Suite) baseRegistry(ctx context.Context) ([]remote.Option, error) {
	repository, _, ok := strings.Cut(s.Product.Image.Base, "@")
	if !ok {
		return nil, nil
	}
	reg, err := s.dial(repository, true)
	if err != nil {
		return nil, err
	}
	return reg.Remote(ctx)
}

// record leaves the evidence in the bundle.
func (s *Suite) record(b *bundle.Bundle, binaries []cargo.Binary, begun time.Time, out outcome, from *gate.Promoted, o Order) error {
	r := record.Record{
		Plan: out.Plan, Digest: out.Digest.String(),
		Started: begun.UTC(), Finished: time.Now().UTC(),
		Verification: out.Report, Sent: out.Sent,
	}
	if from != nil {
		r.Candidate = &record.Candidate{Tag: from.Tag, Digest: from.Digest}
	}
	for _, a := range out.Actions {
		if _, skipped := a.(converge.Skip); skipped {
			r.Kept = append(r.Kept, a.String())
			r.Override = o.Why
			continue
		}
		r.Actions = append(r.Actions, a.String())
	}
	for _, m := range binaries {
		d, _ := b.Find(bundle.Binary, m.Target.Asset)
		r.Binaries = append(r.Binaries, record.Binary{
			Asset: m.Target.Asset, Target: m.Target.Triple, SHA256: d.Digest.Hex,
			Toolchain: m.Toolchain, Ran: m.Ran, Crates: m.Crates,
		})
	}
	return record.Write(b.Dir, r)
}

// printOutcome writes the result of a release.
func (s *Suite) printOutcome(o Order, out outcome) error {
	lines := make([]string, 0, len(out.Actions))
	for _, a := range out.Actions {
		lines = append(lines, a.String())
	}
	if o.JSON {
		return s.printJSON(struct {
			Ref     string         `json:"ref"`
			Channel decide.Channel `json:"channel"`
			Image   string         `json:"image"`
			Digest  string         `json:"digest"`
			DryRun  bool           `json:"dryRun"`
			Actions []string       `json:"actions"`
			Tags    []string       `json:"tags"`
			Bundle  string         `json:"bundle"`
		}{out.Plan.Ref.Name, out.Plan.Ref.Channel, out.Plan.Image, out.Digest.String(), o.DryRun, lines, out.Moved, s.dist(out.Plan.ID())})
	}
	if o.DryRun {
		if len(lines) == 0 {
			lines = []string{"nothing to do: " + out.Plan.Ref.Name + " is published"}
		}
		_, err := fmt.Fprintln(s.Out, strings.Join(lines, "\n"))
		return err
	}
	if !converge.Pending(out.Actions) {
		s.UI.Println("Nothing to do: %s was published before, and is verified.", out.Plan.Ref.Name)
	}
	rows := [][]string{
		{"released", out.Plan.Ref.Name + " (" + string(out.Plan.Ref.Channel) + ")"},
		{"image", out.Plan.Image + "@" + out.Digest.String()},
		{"tags moved", or(strings.Join(out.Moved, ", "), "none")},
		{"sent", out.Sent.String()},
		{"record", filepath.Join(s.dist(out.Plan.ID()), record.Name)},
	}
	return s.UI.Table(s.Out, []string{out.Plan.Product, ""}, rows)
}
