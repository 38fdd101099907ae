package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
)

// trial is an image that is tried: one that will be published, or that was.
type trial struct {
	// Version is what the sources declare, Commit the full hash.
	Version, Commit string
	// Digest is the image index's, Platform that of the image in it.
	Digest, Platform string
	image            v1.Image
}

func (t trial) release() drill.Release { return drill.Release{Version: t.Version, Digest: t.Digest} }

// here is this machine's platform, as images run on it.
func here() string { return "linux/" + runtime.GOARCH }

// trialOf is the image of a bundle.
func trialOf(b *bundle.Bundle) (trial, error) {
	index, err := image.Open(b)
	if err != nil {
		return trial{}, err
	}
	return trialIn(index, b.Plan.Version, b.Plan.Commit)
}

func trialIn(index v1.ImageIndex, version, commit string) (trial, error) {
	digest, err := index.Digest()
	if err != nil {
		return trial{}, err
	}
	img, _, err := image.For(index, here())
	return trial{Version: version, Commit: commit, Digest: digest.String(), Platform: here(), image: img}, err
}

// publishedTrial is the image of a version, as the registry has it, if it does and
// if its proofs hold.
func (s *Suite) publishedTrial(ctx context.Context, reg *registry.Registry, v decide.Version) (trial, bool, error) {
	there, err := s.published(ctx, reg, v)
	if err != nil || !there.Found {
		return trial{}, false, err
	}
	if there.Verified != nil {
		return trial{}, false, fmt.Errorf("%s is published, but its proofs do not hold, so it is not run: %w", v, there.Verified)
	}
	h, err := v1.NewHash(there.Digest)
	if err != nil {
		return trial{}, false, err
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return trial{}, false, err
	}
	index, err := remote.Index(reg.Digest(h), append(options, remote.WithContext(ctx))...)
	if err != nil {
		return trial{}, false, fmt.Errorf("reading the image of %s: %w", v, err)
	}
	t, err := trialIn(index, v.Core(), there.Commit)
	return t, err == nil, err
}

// buildTrial makes the image of a checkout, for this machine's platform alone,
// in a directory that the caller removes.
func (s *Suite) buildTrial(ctx context.Context, ui runner, dir string) (trial, error) {
	at := slices.IndexFunc(s.Product.Cargo.Targets, func(t product.Target) bool { return t.Platform() == here() })
	if at < 0 {
		return trial{}, fmt.Errorf("%s is not built for %s, so it cannot be run here: name a running one with -url", s.Product.Name, here())
	}
	one := *s
	one.Product.Cargo.Targets = s.Product.Cargo.Targets[at : at+1]
	one.Product.Extra = nil
	b, err := one.buildCheckout(ctx, ui, dir)
	if err != nil {
		return trial{}, err
	}
	return trialOf(b)
}

// buildCheckout makes a bundle with the image of a checkout, for all platforms of
// the product, in a directory that the caller removes.
func (s *Suite) buildCheckout(ctx context.Context, ui runner, dir string) (*bundle.Bundle, error) {
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return nil, err
	}
	head, err := repo.Head(ctx)
	if err != nil {
		return nil, err
	}
	when, err := repo.CommitTime(ctx, head)
	if err != nil {
		return nil, err
	}
	version, err := cargo.ProductVersion(s.Dir, s.Product.Cargo.Package)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Create(filepath.Join(dir, "bundle"), decide.Plan{
		Product: s.Product.Name, Definition: s.Product.Digest(),
		Ref: decide.Ref{Name: s.Product.Branches.Main, Channel: decide.Edge}, Version: version, Commit: head, CommitTime: when,
		Platforms: s.Product.Platforms(), Assets: s.assets(),
	})
	if err != nil {
		return nil, err
	}
	frontendDir, _, err := s.build(ctx, ui, b)
	if err != nil {
		return nil, err
	}
	return b, s.assemble(ctx, ui, b, frontendDir)
}

// previousTrial is the last stable release in the history of what is tried:
// its published image or, where the registry has none, one that is built from
// its tag. A zero version means that there is no release yet.
func (s *Suite) previousTrial(ctx context.Context, ui runner, reg *registry.Registry, v decide.Version, dir string) (trial, error) {
	t, ok, err := s.publishedTrial(ctx, reg, v)
	if err != nil || ok {
		return t, err
	}
	then := *s
	then.Dir = filepath.Join(dir, "checkout")
	repo, err := git.Clone(ctx, s.Dir, then.Dir)
	if err != nil {
		return trial{}, err
	}
	if err := repo.Detach(ctx, "refs/tags/"+v.Tag()); err != nil {
		return trial{}, err
	}
	err = ui.Run(ctx, "build "+v.Tag(), func(ctx context.Context, step *term.Step) (err error) {
		t, err = then.buildTrial(ctx, step, dir)
		return err
	})
	return t, err
}

// before is the last stable version in a commit's own history that is older
// than a version; it is zero where there is none.
func before(ctx context.Context, repo git.Repo, ref decide.Ref, commit, version string) (decide.Version, error) {
	v := ref.Version
	if v.IsZero() {
		// A build of main comes after every release in its history.
		var err error
		if v, err = decide.ParseVersion(version); err != nil {
			return v, err
		}
		v = v.NextPatch()
	}
	return previous(ctx, repo, commit, v)
}
