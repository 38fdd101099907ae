package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// order wants a version that comes after those that are there: after the
// highest stable one, or, on a hotfix branch, after the highest of its own
// line. What is skipped, and a release that the commit does not contain, are
// warnings.
func (b before) order(ctx context.Context) (decide.Gate, error) {
	core := b.ref.Version.Stable()
	refuse := func(format string, args ...any) (decide.Gate, error) {
		return decide.Gate{Name: OrderGate, State: decide.Fail, Detail: fmt.Sprintf(format, args...)}, nil
	}
	warnings := []string{}
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }

	if i := slices.IndexFunc(b.stable, func(v decide.Version) bool { return v.Compare(core) == 0 }); i >= 0 {
		return refuse("%s is released already (tag %s), and a version is released once: the next of its line is %s", core, b.stable[i].Tag(), highest(b.line(core)).NextPatch())
	}
	if n := len(b.candidates); n > 0 && b.ref.Channel == decide.Candidate {
		last, next := b.candidates[n-1], b.nextCandidate()
		if b.ref.Version.Compare(last) <= 0 {
			return refuse("%s does not come after %s, the last candidate: the next one is %s", b.ref.Version, last.Tag(), next)
		}
	}
	if _, ok := candidateNumber(b.ref.Name, core); ok && b.ref.Version.Compare(b.nextCandidate()) > 0 {
		warn("%s skips %s", b.ref.Version, b.nextCandidate())
	}

	follows := "is the first release"
	switch last := highest(b.stable); {
	case last.IsZero():
	case core.Compare(last) > 0:
		follows = "follows " + last.Tag()
		nexts := []decide.Version{last.NextPatch(), last.NextMinor(), last.NextMajor()}
		if !slices.ContainsFunc(nexts, func(v decide.Version) bool { return v.Compare(core) == 0 }) {
			warn("%s skips versions: after %s come %s, %s or %s", core, last.Tag(), nexts[0], nexts[1], nexts[2])
		}
		lost, err := b.lacks(ctx, last)
		if err != nil {
			return decide.Gate{}, err
		}
		if lost != "" {
			warn("%s", lost)
		}
	default:
		last := highest(b.line(core))
		if core.Bump() != decide.BumpPatch || last.IsZero() {
			h := highest(b.stable)
			return refuse("%s is lower than %s, and only a patch of a released line may be: the next versions are %s, %s and %s", core, h.Tag(), h.NextPatch(), h.NextMinor(), h.NextMajor())
		}
		if core.Compare(last) < 0 {
			return refuse("%s is lower than %s, the last of its line: the next patch is %s", core, last.Tag(), last.NextPatch())
		}
		if fault, err := b.misplaced(ctx, core); err != nil || fault != "" {
			if err != nil {
				return decide.Gate{}, err
			}
			return refuse("%s", fault)
		}
		follows = "follows " + last.Tag() + " on its line"
		if core.Compare(last.NextPatch()) != 0 {
			warn("%s skips versions: after %s comes %s", core, last.Tag(), last.NextPatch())
		}
	}
	if len(warnings) > 0 {
		return decide.Gate{Name: OrderGate, State: decide.Warning, Detail: strings.Join(warnings, "; ")}, nil
	}
	return decide.Gate{Name: OrderGate, State: decide.Pass, Detail: core.String() + " " + follows}, nil
}

// line gives the stable versions with the MAJOR.MINOR of v.
func (b before) line(v decide.Version) []decide.Version {
	return slices.DeleteFunc(slices.Clone(b.stable), func(o decide.Version) bool { return o.Line() != v.Line() })
}

// highest gives the last of ordered versions, the zero one where there is none.
func highest(ordered []decide.Version) decide.Version {
	if len(ordered) == 0 {
		return decide.Version{}
	}
	return ordered[len(ordered)-1]
}

func (b before) nextCandidate() decide.Version {
	var tags []string
	for _, v := range b.candidates {
		tags = append(tags, v.Tag())
	}
	return NextCandidate(tags, b.ref.Version)
}

// lacks says what is wrong where the last release is not in the commit's
// history: what was fixed there comes back.
func (b before) lacks(ctx context.Context, last decide.Version) (string, error) {
	commit := b.here[last.Tag()]
	if commit == "" {
		return fmt.Sprintf("%s is not here, so whether commit %s contains it is not known: run `git fetch --tags %s`", last.Tag(), short(b.commit), b.home), nil
	}
	in, err := b.repo.IsAncestor(ctx, commit, b.commit)
	if err != nil || in {
		return "", err
	}
	return fmt.Sprintf("commit %s does not contain %s, so what was fixed there may come back: merge it first (`go run . hotfix:finish`)", short(b.commit), last.Tag()), nil
}

// misplaced says what is wrong where a patch of an older line does not come
// from a hotfix branch of that line.
func (b before) misplaced(ctx context.Context, core decide.Version) (string, error) {
	for _, v := range b.stable {
		commit := b.here[v.Tag()]
		if v.Compare(core) < 0 || commit == "" {
			continue
		}
		in, err := b.repo.IsAncestor(ctx, commit, b.commit)
		if err != nil {
			return "", err
		}
		if in {
			return fmt.Sprintf("commit %s contains %s, which is higher than %s: start the patch from the last release of its line (`go run . hotfix:start %s`)", short(b.commit), v.Tag(), core, core), nil
		}
	}
	for _, ref := range b.branches.hotfix {
		in, err := b.repo.IsAncestor(ctx, b.commit, ref.Commit)
		if err != nil || in {
			return "", err
		}
	}
	return fmt.Sprintf("%s patches a line that is not the newest, and commit %s is on no branch %s*: start one with `go run . hotfix:start %s`", core, short(b.commit), b.p.Branches.Hotfix, core), nil
}
