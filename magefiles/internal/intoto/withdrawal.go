package intoto

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// WithdrawalType is the predicate type of a statement that a release is
// withdrawn, or that it no longer is. docs/withdrawal.md describes it.
const WithdrawalType = "https://github.com/kubedoio/rustshare-release/blob/main/docs/withdrawal.md#withdrawal-v1"

// Withdrawal is the predicate: what its signer says of a published release.
// The statement's subject is the release's image index.
type Withdrawal struct {
	// Version is the stable version, such as "0.4.0".
	Version string `json:"version"`
	// Withdrawn is false where an earlier withdrawal is taken back.
	Withdrawn bool `json:"withdrawn"`
	// Serial counts the statements about one index: 1, 2, 3 …
	Serial int `json:"serial"`
	// Reason is for people. A withdrawal needs one.
	Reason string `json:"reason"`
	// Use is the version to use instead; it may be empty.
	Use string `json:"use,omitempty"`
	// When is the signer's word, in UTC and whole seconds.
	When time.Time `json:"when"`
}

// Stands tells whether the release is withdrawn; nil stands for no statement.
func (w *Withdrawal) Stands() bool { return w != nil && w.Withdrawn }

// After gives w the serial that follows the statement that counts so far, nil
// for none. Nothing new is false where that one says the same: the release is
// withdrawn for this reason already, or is not withdrawn anyway.
func (w Withdrawal) After(last *Withdrawal) (next Withdrawal, news bool) {
	w.Serial = 1
	if last != nil {
		w.Serial = last.Serial + 1
	}
	if !w.Withdrawn {
		return w, last.Stands()
	}
	return w, !last.Stands() || last.Version != w.Version || last.Reason != w.Reason || last.Use != w.Use
}

// Check wants a withdrawal that can be signed or believed.
func (w Withdrawal) Check() error {
	v, err := decide.ParseVersion(w.Version)
	if err != nil || v.Channel() != decide.Stable {
		return fmt.Errorf("the withdrawal is of version %q, want a stable one such as 0.4.0", w.Version)
	}
	if w.Use != "" {
		if use, err := decide.ParseVersion(w.Use); err != nil || use.Compare(v) == 0 {
			return fmt.Errorf("the withdrawal of %s says to use %q instead, want another version or nothing", w.Version, w.Use)
		}
	}
	switch {
	case w.Serial < 1:
		return fmt.Errorf("the withdrawal of %s has the serial %d, want 1 or more", w.Version, w.Serial)
	case w.Withdrawn && strings.TrimSpace(w.Reason) == "":
		return fmt.Errorf("the withdrawal of %s has no reason: say why in a few words", w.Version)
	case w.When.IsZero():
		return errors.New("the withdrawal of " + w.Version + " says nothing of when")
	}
	return nil
}

// DecodeWithdrawal reads the predicate of a withdrawal's statement.
func DecodeWithdrawal(s Statement) (Withdrawal, error) {
	var w Withdrawal
	if s.PredicateType != WithdrawalType {
		return w, fmt.Errorf("the statement is of type %q, want %q", s.PredicateType, WithdrawalType)
	}
	if err := json.Unmarshal(s.Predicate, &w); err != nil {
		return w, fmt.Errorf("reading the withdrawal: %w", err)
	}
	return w, w.Check()
}

// Counts picks the statement that counts among those about one index, nil
// among none: the one with the highest serial. Where two have the same, a
// withdrawal goes before its end, and then the later one before the earlier.
func Counts(all []Withdrawal) *Withdrawal {
	if len(all) == 0 {
		return nil
	}
	best := slices.MaxFunc(all, func(a, b Withdrawal) int {
		return cmp.Or(
			cmp.Compare(a.Serial, b.Serial), withdrawnLast(a, b), a.When.Compare(b.When),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Use, b.Use), cmp.Compare(a.Version, b.Version))
	})
	return &best
}

func withdrawnLast(a, b Withdrawal) int {
	switch {
	case a.Withdrawn == b.Withdrawn:
		return 0
	case a.Withdrawn:
		return 1
	}
	return -1
}
