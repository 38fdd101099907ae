package gate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// CandidateGate is the name of the gate of [Candidate].
const CandidateGate = "candidate"

// Published is what the registry says about a version.
type Published struct {
	// Found tells whether the version's tag is there. Where it is not, the rest
	// is empty.
	Found bool
	// Digest is the index's, Commit the full hash that it was built from.
	Digest, Commit string
	// Verified is nil where signatures and proofs verify.
	Verified error
}

// Promoted is the candidate that a stable release promotes: binaries and
// layers must come out bit-identical with those of its digest.
type Promoted struct {
	Version decide.Version `json:"version"`
	// Tag is the git tag, Commit the full hash that it leads to.
	Tag    string `json:"tag"`
	Commit string `json:"commit"`
	Digest string `json:"digest"`
}

// Candidate wants a stable release to promote what was tried: the last
// candidate of the same version (by SemVer precedence, annotated tags only)
// must be published from the commit of its tag, verify, lie in the history of
// the stable commit, and differ from it in paperwork alone. An earlier one does
// not do in its place. Which kinds of releases need one says
// [product.Promotion]; the gate lets all others pass.
//
// With a reason in why, a refusal becomes a warning that holds the reason. The
// candidate is nil where none was needed or none passed.
func Candidate(ctx context.Context, repo git.Repo, p product.Product, ref decide.Ref, commit string,
	published func(context.Context, decide.Version) (Published, error), why string) (decide.Gate, *Promoted, error) {
	g := decide.Gate{Name: CandidateGate, State: decide.Pass}
	if ref.Channel != decide.Stable {
		g.Detail = fmt.Sprintf("not needed on the channel %s", ref.Channel)
		return g, nil, nil
	}
	if !promotes(p, ref.Version) {
		g.Detail = fmt.Sprintf("not needed for a %s", ref.Version.Bump())
		return g, nil, nil
	}
	c := candidacy{repo: repo, paths: p.Paperwork.Paths, commit: commit, published: published}
	all, light, err := c.candidates(ctx, ref.Version)
	if err != nil {
		return g, nil, fmt.Errorf("looking for the candidates of %s: %w", ref.Version.Core(), err)
	}
	refuse := func(detail string) decide.Gate {
		g.State, g.Detail = decide.Fail, detail
		if why = strings.TrimSpace(why); why != "" {
			g.State, g.Override = decide.Warning, why
		}
		return g
	}
	names := slices.Clone(light)
	for _, a := range all {
		names = append(names, a.Tag)
	}
	next := fmt.Sprintf("make and try the next one (`go run . release:tag %s`), or go without it by saying why (-why=\"…\")", NextCandidate(names, ref.Version))
	if len(all) == 0 {
		found := "there is no annotated tag of a candidate of " + ref.Version.Core()
		if len(light) > 0 {
			found += fmt.Sprintf(" (a lightweight tag does not count: %s)", list(light, 5))
		}
		return refuse(fmt.Sprintf("%s, and a %s release promotes one: %s", found, ref.Version.Bump(), next)), nil, nil
	}
	got, faults, err := c.try(ctx, all[0])
	if err != nil {
		return g, nil, fmt.Errorf("checking the candidate %s: %w", all[0].Tag, err)
	}
	if len(faults) == 0 {
		g.Evidence = got.Digest
		g.Detail = fmt.Sprintf("%s (%s) is the last candidate of %s; since its commit %s %s changed", got.Tag, got.Digest, ref.Version.Core(), short(got.Commit), got.changed)
		return g, &got.Promoted, nil
	}
	detail := fmt.Sprintf("%s, the last candidate of %s, cannot be promoted: %s", all[0].Tag, ref.Version.Core(), strings.Join(faults, "; "))
	for _, earlier := range all[1:] {
		// Only to help the reader: what the registry fails to say is left out.
		if _, faults, err := c.try(ctx, earlier); err == nil && len(faults) == 0 {
			detail += fmt.Sprintf("; %s would pass, but only what was tried last is promoted", earlier.Tag)
			break
		}
	}
	return refuse(detail + ": " + next), nil, nil
}

// promotes tells whether a stable release of this version promotes a
// candidate.
func promotes(p product.Product, v decide.Version) bool {
	return slices.Contains(p.Promotion.Bumps, string(v.Bump()))
}

type candidacy struct {
	repo      git.Repo
	paths     []string
	commit    string
	published func(context.Context, decide.Version) (Published, error)
}

// tried is a candidate with the sentence about what changed since.
type tried struct {
	Promoted
	changed string
}

// candidates lists the candidates of a version, the last one first, and the
// names of lightweight tags that look like some.
func (c candidacy) candidates(ctx context.Context, v decide.Version) (all []Promoted, light []string, err error) {
	refs, err := c.repo.Refs(ctx, "refs/tags")
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.Name, "refs/tags/")
		got, err := decide.ParseTag(name)
		if err != nil || got.Channel() != decide.Candidate || got.Core() != v.Core() {
			continue
		}
		switch {
		case ref.Type != "tag":
			light = append(light, name)
		case ref.Commit != "":
			all = append(all, Promoted{Version: got, Tag: name, Commit: ref.Commit})
		}
	}
	slices.SortStableFunc(all, func(a, b Promoted) int { return b.Version.Compare(a.Version) })
	return all, light, nil
}

// try says everything that keeps a candidate from being promoted.
func (c candidacy) try(ctx context.Context, candidate Promoted) (tried, []string, error) {
	t := tried{Promoted: candidate, changed: "nothing"}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	pub, err := c.published(ctx, t.Version)
	if err != nil {
		return t, nil, err
	}
	switch {
	case !pub.Found:
		fault("it is not published (`go run . release:rc -tag=%s`)", t.Tag)
	case pub.Commit != t.Commit:
		fault("it is published from commit %s, and its tag is at commit %s", short(pub.Commit), short(t.Commit))
	}
	if pub.Found && pub.Verified != nil {
		fault("what is published does not verify: %s", strings.ReplaceAll(pub.Verified.Error(), "\n", "; "))
	}
	t.Digest = pub.Digest

	in, err := c.repo.IsAncestor(ctx, t.Commit, c.commit)
	if err != nil {
		return t, nil, err
	}
	if !in {
		shallow, err := c.repo.Shallow(ctx)
		if err != nil {
			return t, nil, err
		}
		if shallow {
			fault("%v", &ShallowError{Lacks: fmt.Sprintf("the history between commits %s and %s", short(t.Commit), short(c.commit))})
		} else {
			fault("its commit %s is not in the history of commit %s", short(t.Commit), short(c.commit))
		}
	}
	changed, err := c.repo.Changed(ctx, t.Commit, c.commit)
	if err != nil {
		return t, nil, err
	}
	if len(changed) > 0 {
		t.changed = "only " + list(changed, 5)
	}
	if other := slices.DeleteFunc(changed, func(name string) bool { return Matches(c.paths, name) }); len(other) > 0 {
		fault("since its commit %s %s changed, which is not paperwork (%s)", short(t.Commit), list(other, 5), strings.Join(c.paths, ", "))
	}
	return t, faults, nil
}

// NextCandidate gives the candidate -rc.N that follows the highest one of the
// same MAJOR.MINOR.PATCH among the tags, which are short names; other tags do
// not matter.
func NextCandidate(tags []string, core decide.Version) decide.Version {
	last := uint64(0)
	for _, tag := range tags {
		if n, ok := candidateNumber(tag, core); ok {
			last = max(last, n)
		}
	}
	next, err := decide.ParseVersion(fmt.Sprintf("%s-rc.%d", core.Core(), last+1))
	if err != nil { // three numbers and a fourth are a version
		return decide.Version{}
	}
	return next
}

// candidateNumber gives N of the tag vX.Y.Z-rc.N. A number that no person would
// type is none.
func candidateNumber(tag string, core decide.Version) (uint64, bool) {
	v, err := decide.ParseTag(tag)
	if err != nil || v.Core() != core.Core() {
		return 0, false
	}
	number, ok := strings.CutPrefix(v.Image(), v.Core()+"-rc.")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 10, 31)
	return n, err == nil
}
