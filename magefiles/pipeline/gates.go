package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// releaseGates evaluates what a version's release needs besides its tag:
// paperwork, CI, the forge's consent, and a tried candidate. The candidate is
// nil where none is needed or found.
func (s *Suite) releaseGates(ctx context.Context, repo git.Repo, ref decide.Ref, commit string, reg *registry.Registry, f forge.Forge, why string) ([]decide.Gate, *gate.Promoted, error) {
	last, err := previous(ctx, repo, commit, ref.Version)
	if err != nil {
		return nil, nil, err
	}
	gates, err := gate.Paperwork(ctx, repo, s.Product, ref, commit, last)
	if err != nil {
		return nil, nil, err
	}
	gates = append(gates, forgeGate(ctx, f))
	if ref.Channel != decide.Stable {
		return gates, nil, nil
	}
	gates = append(gates, s.ciGate(ctx, f, commit))
	tried, promoted, err := gate.Candidate(ctx, repo, s.Product, ref, commit, func(ctx context.Context, v decide.Version) (gate.Published, error) {
		return s.published(ctx, reg, v)
	}, why)
	if err != nil {
		return nil, nil, err
	}
	return append(gates, tried), promoted, nil
}

// published says what the registry holds of a version, and whether that
// verifies.
func (s *Suite) published(ctx context.Context, reg *registry.Registry, v decide.Version) (gate.Published, error) {
	d, ok, err := reg.Head(ctx, v.Image())
	if err != nil || !ok {
		return gate.Published{}, err
	}
	is, err := describe(ctx, reg, d.Digest)
	if err != nil {
		return gate.Published{}, err
	}
	out := gate.Published{Found: true, Digest: d.Digest.String(), Commit: is.commit}
	trust, err := s.trust()
	if err != nil {
		return out, err
	}
	_, out.Verified = s.publisher(reg, nil, trust, s.expectTag).Verify(ctx, d.Digest, v)
	return out, nil
}

// refusal joins the gates that refuse a release; nil where none does.
func refusal(name string, gates []decide.Gate) error {
	faults := Refused{Name: name}
	for _, g := range gates {
		if g.State == decide.Fail {
			faults.Gates = append(faults.Gates, g)
		}
	}
	if len(faults.Gates) == 0 {
		return nil
	}
	return &faults
}

// Refused says which gates refuse a release.
type Refused struct {
	Name  string
	Gates []decide.Gate
}

func (e *Refused) Error() string {
	lines := []string{e.Name + " is refused:"}
	for _, g := range e.Gates {
		lines = append(lines, g.Name+": "+detail(g))
	}
	return strings.Join(lines, "\n")
}

// identityGate compares the layers of the image that was just made with those
// of the candidate that was tried. A binary is a layer of its own, so that
// equal layers mean equal binaries.
func (s *Suite) identityGate(ctx context.Context, b *bundle.Bundle, reg *registry.Registry, candidate gate.Promoted, why string) (decide.Gate, error) {
	g := decide.Gate{Name: "identity", State: decide.Pass, Evidence: candidate.Digest}
	mine, err := image.Open(b)
	if err != nil {
		return g, err
	}
	h, err := v1.NewHash(candidate.Digest)
	if err != nil {
		return g, err
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return g, err
	}
	theirs, err := remote.Index(reg.Digest(h), options...)
	if err != nil {
		return g, fmt.Errorf("reading candidate %s: %w", candidate.Version, err)
	}
	same, err := image.SameLayers(mine, theirs)
	if err != nil {
		return g, err
	}
	if same {
		g.Detail = fmt.Sprintf("binaries and layers are bit-identical with those of %s", candidate.Version)
		return g, nil
	}
	differ := differs(ctx, b, reg, h)
	g.Detail = fmt.Sprintf("binaries and layers are not those of %s, which was tried (%s)", candidate.Version, differ)
	g.State = decide.Fail
	if why != "" {
		g.State, g.Override = decide.Warning, why
		return g, nil
	}
	return g, errors.New(g.Detail + "; build with the toolchain of the candidate, try a new one, or go on with -why=\"…\", which is recorded")
}
