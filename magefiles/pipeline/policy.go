package pipeline

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// policy names what a release has to pass before it is published, in order, as
// the product asks for (Product.Tries): for a stable release also what its
// candidate does not show, and for a hotfix that touches a critical path what
// that asks for.
func (s *Suite) policy(ctx context.Context, from start, reg *registry.Registry) ([]string, error) {
	t := s.Product.Tries
	switch from.plan.Ref.Channel {
	case decide.Edge, decide.Nightly:
		return t.Edge, nil
	case decide.Candidate:
		return t.Candidate, nil
	}
	covered, err := s.covered(ctx, from.candidate, reg)
	if err != nil {
		return nil, err
	}
	if covered {
		return t.Stable, nil
	}
	fix, critical, err := s.fast(ctx, from)
	switch {
	case err != nil:
		return nil, err
	case fix && critical:
		return slices.Concat(t.Stable, t.Critical), nil
	case fix:
		return t.Stable, nil
	}
	return slices.Concat(t.Stable, t.Uncovered), nil
}

// covered tells whether the candidate that a release promotes has passed what
// is asked of candidates on this kind of stack, by what is attested on its
// image.
func (s *Suite) covered(ctx context.Context, candidate *gate.Promoted, reg *registry.Registry) (bool, error) {
	if candidate == nil {
		return false, nil
	}
	h, err := v1.NewHash(candidate.Digest)
	if err != nil {
		return false, err
	}
	results, err := s.attested(ctx, reg, h)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(s.Product.Tries.Candidate, func(name string) bool {
		if kindOf(name) != record.Test {
			name += "@" + s.wantedStack()
		}
		return verify.Require(results, name) != nil
	}), nil
}

// fast tells whether a release is a hotfix, which is tried on a fast track, and
// whether it touches a critical path. A patch that main has is none.
func (s *Suite) fast(ctx context.Context, from start) (fix, critical bool, err error) {
	v := from.plan.Ref.Version
	if v.Bump() != "patch" {
		return false, false, nil
	}
	last, err := previous(ctx, from.repo, from.plan.Commit, v)
	if err != nil || last.IsZero() {
		return false, false, err
	}
	main, err := s.findBranch(ctx, from.repo, s.Product.Branches.Main)
	if err != nil {
		return false, false, err
	}
	if main != "" {
		in, err := from.repo.IsAncestor(ctx, from.plan.Commit, main)
		if err != nil || in {
			return false, false, err
		}
	}
	changed, err := from.repo.Changed(ctx, "refs/tags/"+last.Tag(), from.plan.Commit)
	if err != nil {
		return false, false, err
	}
	return true, slices.ContainsFunc(changed, func(path string) bool { return gate.Matches(s.Product.Critical, path) }), nil
}
