package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Summaries reads the verification summaries of a manifest that the trusted key
// signed, the newest first. What cannot be read as one is left out: it proves
// nothing, and takes nothing away. A registry that does not answer is an error.
func Summaries(ctx context.Context, ref name.Digest, trust Trust, opts ...remote.Option) ([]intoto.Summary, error) {
	judge, err := trust.judge()
	if err != nil {
		return nil, err
	}
	p, err := judge.only(ctx, ref, trust.Format, intoto.SummaryType, opts)
	if err != nil {
		return nil, fmt.Errorf("looking for verification summaries of %s: %w", ref, err)
	}
	return summaries(p.proofs), nil
}

func summaries(p *proofs) []intoto.Summary {
	var out []intoto.Summary
	for _, s := range p.of(intoto.SummaryType) {
		if v, err := intoto.DecodeSummary(s); err == nil {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, func(a, b intoto.Summary) int {
		return cmp.Or(b.Verified.Compare(a.Verified), cmp.Compare(a.Verifier.ID, b.Verifier.ID))
	})
	return out
}

// inputs lists what counts of all proofs, each once.
func inputs(all []*proofs) []Input {
	var out []Input
	for _, p := range all {
		for _, s := range p.good {
			if s.PredicateType != intoto.SummaryType && s.PredicateType != intoto.WithdrawalType {
				out = append(out, Input{s.PredicateType, s.from.layer.Digest.String()})
			}
		}
	}
	slices.SortFunc(out, func(a, b Input) int {
		return cmp.Or(cmp.Compare(a.Predicate, b.Predicate), cmp.Compare(a.Digest, b.Digest))
	})
	return slices.Compact(out)
}
