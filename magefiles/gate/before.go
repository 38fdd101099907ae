package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The names of the gates of [Before] that [Check] does not have.
const (
	NameGate   = "name"
	OrderGate  = "order"
	PushedGate = "pushed"
	ClockGate  = "clock"
)

const (
	// remotePatience is how long the home remote may take to list its refs: it
	// does so in a second or two, and a person waits for it.
	remotePatience = 30 * time.Second
	// clockSlack is how far two machines' clocks may be apart before a tag's
	// date would be wrong in a way that matters.
	clockSlack = 5 * time.Minute
)

// before is what the gates of [Before] know.
type before struct {
	checker
	commit string
	// home is the home remote, "" where there is none; remote are its refs as
	// it lists them now, or remoteErr why that is not known.
	home      string
	remote    map[string]string
	remoteErr error
	// here are the commits of this repository's tags, by their short names.
	here map[string]string
	// stable are the versions of the tags here and at home, each once, the
	// lowest first; candidates those of the same MAJOR.MINOR.PATCH as the new
	// tag.
	stable, candidates []decide.Version
}

// Before evaluates what has to hold before the tag of ref is made at a commit:
// its name is free here and at the home remote, its version follows those that
// are there, the commit is on the main or a hotfix branch and pushed, it is
// what is checked out, unchanged, and the clock that will date the tag is not
// behind the commit's. A remote that cannot be reached leaves warnings. The
// error is for what stops the evaluation itself.
func Before(ctx context.Context, repo git.Repo, p product.Product, ref decide.Ref, commit string, now time.Time) ([]decide.Gate, error) {
	if ref.Version.IsZero() || ref.Name != ref.Version.Tag() {
		return nil, fmt.Errorf("checking %q: it is not the tag of a version", ref.Name)
	}
	b := before{checker: checker{repo: repo, p: p, ref: ref, now: now}, commit: commit}
	if err := b.look(ctx); err != nil {
		return nil, fmt.Errorf("checking what %s would be: %w", ref.Name, err)
	}
	order, err := b.order(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the order of versions: %w", err)
	}
	r := Report{Gates: []decide.Gate{b.name(), order}}
	detail, err := b.branch(ctx, commit)
	if err := r.add(BranchGate, detail, err); err != nil {
		return nil, err
	}
	pushed, err := b.pushed(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking whether the commit is pushed: %w", err)
	}
	r.Gates = append(r.Gates, pushed)
	head, err := repo.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking HEAD: %w", err)
	}
	at := decide.Gate{Name: HeadGate, State: decide.Pass, Detail: "HEAD is commit " + short(commit)}
	if head != commit {
		at.State, at.Detail = decide.Fail, fmt.Sprintf("HEAD is commit %s, and %s is to be made at commit %s: run `git switch --detach %s`", short(head), ref.Name, short(commit), commit)
	}
	r.Gates = append(r.Gates, at)
	if err := b.tree(ctx, &r); err != nil {
		return nil, err
	}
	clock, err := b.clock(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the clock: %w", err)
	}
	return append(r.Gates, clock), nil
}

// look finds out what the gates need.
func (b *before) look(ctx context.Context) (err error) {
	b.branches, b.branchErr = b.findBranches(ctx)
	if b.home, err = Home(ctx, b.repo, b.p); err != nil {
		return err
	}
	if b.home != "" {
		patient, cancel := context.WithTimeout(ctx, remotePatience)
		b.remote, b.remoteErr = b.repo.RemoteRefs(patient, b.home)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	refs, err := b.repo.Refs(ctx, "refs/tags")
	if err != nil {
		return err
	}
	b.here = map[string]string{}
	names := map[string]bool{}
	for full := range b.remote {
		names[full] = true
	}
	for _, ref := range refs {
		b.here[strings.TrimPrefix(ref.Name, "refs/tags/")] = ref.Commit
		names[ref.Name] = true
	}
	for full := range names {
		v, err := decide.ParseTag(strings.TrimPrefix(full, "refs/tags/"))
		switch {
		case err != nil: // a branch, or another kind of tag
		case v.Channel() == decide.Stable:
			b.stable = append(b.stable, v)
		case v.Core() == b.ref.Version.Core():
			b.candidates = append(b.candidates, v)
		}
	}
	for _, list := range [][]decide.Version{b.stable, b.candidates} {
		slices.SortFunc(list, func(x, y decide.Version) int {
			if c := x.Compare(y); c != 0 {
				return c
			}
			return strings.Compare(x.String(), y.String())
		})
	}
	return nil
}

// name wants a name that nobody has used.
func (b before) name() decide.Gate {
	g := decide.Gate{Name: NameGate, State: decide.Fail}
	name := b.ref.Name
	_, home := b.remote[b.ref.Full()]
	commit, here := b.here[name]
	switch {
	case home:
		g.Detail = fmt.Sprintf("%s has a tag %s already, and a tag that is published is never made again: take the next version, after `git fetch --tags %s`", b.home, name, b.home)
	case here && commit == "":
		g.Detail = fmt.Sprintf("there is a tag %s already, which leads to no commit: where it was never pushed, run `git tag -d %s`; else take the next version", name, name)
	case here:
		g.Detail = fmt.Sprintf("there is a tag %s already, at commit %s: where it was never pushed, run `git tag -d %s`; else take the next version", name, short(commit), name)
	case b.remoteErr != nil:
		g.State, g.Detail = decide.Warning, fmt.Sprintf("%s is free here; whether %s has it is not known (%s): look there before you push", name, b.home, whyNot(b.remoteErr))
	case b.home == "":
		g.State, g.Detail = decide.Pass, name+" is free"
	default:
		g.State, g.Detail = decide.Pass, name+" is free here and at "+b.home
	}
	return g
}

// pushed wants the commit on a branch of the home remote: the push of a tag
// takes along every commit that it leads to.
func (b before) pushed(ctx context.Context) (decide.Gate, error) {
	g := decide.Gate{Name: PushedGate, State: decide.Pass}
	if b.home == "" {
		g.Detail = "this repository has no remote"
		return g, nil
	}
	prefix := "refs/remotes/" + b.home + "/"
	tips := map[string]string{} // by branch: what the last fetch saw, then what is there now
	for _, ref := range slices.Concat(b.branches.main, b.branches.hotfix) {
		if name, ok := strings.CutPrefix(ref.Name, prefix); ok {
			tips[name] = ref.Commit
		}
	}
	stale := b.remoteErr != nil
	for full, hash := range b.remote {
		name, ok := strings.CutPrefix(full, "refs/heads/")
		if !ok || name != b.p.Branches.Main && !strings.HasPrefix(name, b.p.Branches.Hotfix) {
			continue
		}
		if _, err := b.repo.Resolve(ctx, hash); errors.Is(err, git.ErrNoCommit) {
			stale = true
			continue
		} else if err != nil {
			return g, err
		}
		tips[name] = hash
	}
	if b.remoteErr == nil {
		maps.DeleteFunc(tips, func(name, _ string) bool { return b.remote["refs/heads/"+name] == "" }) // deleted there since
	}
	for _, name := range slices.Sorted(maps.Keys(tips)) {
		in, err := b.repo.IsAncestor(ctx, b.commit, tips[name])
		if err != nil {
			return g, err
		}
		if !in {
			continue
		}
		g.Detail = fmt.Sprintf("commit %s is on %s/%s", short(b.commit), b.home, name)
		if b.remoteErr != nil {
			g.State = decide.Warning
			g.Detail += fmt.Sprintf(", as the last fetch saw it; what is there now is not known (%s)", whyNot(b.remoteErr))
		}
		return g, nil
	}
	branch, err := b.repo.Branch(ctx)
	if err != nil {
		return g, err
	}
	if !strings.HasPrefix(branch, b.p.Branches.Hotfix) {
		branch = b.p.Branches.Main
	}
	g.State = decide.Fail
	g.Detail = fmt.Sprintf("commit %s is on no branch %s or %s* of %s, so pushing the tag would push commits that nobody has seen there: push the branch first (`git push %s %s`)", short(b.commit), b.p.Branches.Main, b.p.Branches.Hotfix, b.home, b.home, branch)
	if stale {
		g.Detail += fmt.Sprintf(", or, where that was done elsewhere, run `git fetch %s`", b.home)
	}
	return g, nil
}

// clock wants a clock that is not behind the commit's: it dates the tag and
// its signature, and a key's end is held against it.
func (b before) clock(ctx context.Context) (decide.Gate, error) {
	made, err := b.repo.CommitTime(ctx, b.commit)
	if err != nil {
		return decide.Gate{}, err
	}
	if made.After(b.now.Add(clockSlack)) {
		return decide.Gate{Name: ClockGate, State: decide.Fail, Detail: fmt.Sprintf(
			"this machine's clock says %s, and commit %s was made on %s: set the clock right, since the tag and its signature are dated by it", date(b.now), short(b.commit), date(made))}, nil
	}
	return decide.Gate{Name: ClockGate, State: decide.Pass, Detail: "the clock says " + date(b.now)}, nil
}

// whyNot gives the first line of what git said, or of the error.
func whyNot(err error) string {
	says := err.Error()
	var failed *run.Error
	if errors.As(err, &failed) && failed.Tail != "" {
		says = failed.Tail
	}
	line, _, _ := strings.Cut(strings.TrimSpace(says), "\n")
	return line
}
