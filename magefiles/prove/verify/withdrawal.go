package verify

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Withdrawals reads what was said of a release after it was published, and
// gives the statement that counts ([intoto.Counts]); nil where there is none.
// Statements of another key, and those about another digest, never count.
//
// Nothing but these statements is read: one list of referrers, one tag, or both
// where the trust names no format. The options say how to reach the registry. A
// registry that does not answer is an error, and so is a statement of the
// trusted key that cannot be read.
func Withdrawals(ctx context.Context, ref name.Digest, trust Trust, opts ...remote.Option) (*intoto.Withdrawal, error) {
	judge, err := trust.judge()
	if err != nil {
		return nil, err
	}
	p, err := judge.only(ctx, ref, trust.Format, intoto.WithdrawalType, opts)
	if err != nil {
		return nil, fmt.Errorf("looking whether %s is withdrawn: %w", ref, err)
	}
	w, err := withdrawal(p.proofs)
	if err != nil {
		return nil, fmt.Errorf("looking whether %s is withdrawn: %w", ref, err)
	}
	return w, nil
}

// withdrawal gives the statement that counts among the proofs.
func withdrawal(p *proofs) (*intoto.Withdrawal, error) {
	var all []intoto.Withdrawal
	for _, s := range p.of(intoto.WithdrawalType) {
		w, err := intoto.DecodeWithdrawal(s)
		if err != nil {
			return nil, fmt.Errorf("a statement of the trusted key cannot be read, is it from a newer suite? %w", err)
		}
		all = append(all, w)
	}
	return intoto.Counts(all), nil
}
