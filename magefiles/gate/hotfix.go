package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The names of the gates of [Hotfix], beside "branch".
const (
	BaseGate   = "base"
	ChangeGate = "change"
)

// A hotfix with more than this, paperwork apart, is shown with a warning. 400
// lines are what reviewers are known to read with care in one sitting, and a
// fix that needs more than 20 files is seldom one fix. A security fix may have
// to be larger all the same: so it is a warning.
const (
	MaxHotfixFiles = 20
	MaxHotfixLines = 400
)

// HotfixReport says what a hotfix branch holds.
type HotfixReport struct {
	// Branch is hotfix/vX.Y.Z, Commit that of HEAD.
	Branch, Commit string
	// Version is what the branch is to release, Base the release that it starts
	// from; zero values where a gate refused before they were known.
	Version, Base decide.Version
	// Tagged tells whether the tag of Version is at HEAD. Whether it counts is
	// for [Check].
	Tagged bool
	// Commits counts the commits since Base, Files are the files that differ
	// from it.
	Commits int
	Files   []git.FileStat
	// Areas are the top-level files and directories ("backend/") with changes.
	Areas []string
	// Critical are the changed files that make the restore drill necessary.
	Critical []string
	Gates    []decide.Gate
}

// Hotfix looks at the hotfix branch that HEAD is on, or, where it is on none, at
// that of the patch whose tag is at HEAD. The branch's name must be that of a
// PATCH version, it must start from the release before that, and hold nothing
// that main has had since. A gate that needs what
// another one did not find is left out. The error is for what stops the
// evaluation itself.
func Hotfix(ctx context.Context, repo git.Repo, p product.Product) (HotfixReport, error) {
	h := hotfix{checker: checker{repo: repo, p: p}}
	for _, step := range []func(context.Context) (decide.Gate, error){h.name, h.base, h.change} {
		g, err := step(ctx)
		if err != nil {
			return h.HotfixReport, fmt.Errorf("checking the hotfix: %w", err)
		}
		h.Gates = append(h.Gates, g)
		if g.State == decide.Fail {
			break
		}
	}
	return h.HotfixReport, nil
}

type hotfix struct {
	checker
	HotfixReport
	// releases are those of the version's line, the lowest first.
	releases []release
	from     release
}

// release is a stable tag with its commit.
type release struct {
	decide.Version
	commit string
}

// name finds branch and version.
func (h *hotfix) name(ctx context.Context) (g decide.Gate, err error) {
	g = decide.Gate{Name: BranchGate, State: decide.Fail}
	if h.Commit, err = h.repo.Head(ctx); err != nil {
		return g, err
	}
	prefix := h.p.Branches.Hotfix
	start := fmt.Sprintf("start one with `go run . hotfix:start`, or run `git switch %svX.Y.Z`", prefix)
	if h.Branch, err = h.repo.Branch(ctx); err != nil {
		return g, err
	}
	if h.Branch == "" {
		tags, err := h.repo.Tags(ctx, h.Commit)
		if err != nil {
			return g, err
		}
		tags = slices.DeleteFunc(tags, func(tag string) bool { _, ok := patchTag(tag); return !ok })
		if len(tags) != 1 {
			g.Detail = fmt.Sprintf("HEAD is on no branch, and %d tags of patches are at its commit %s: %s", len(tags), short(h.Commit), start)
			return g, nil
		}
		h.Branch = prefix + tags[0]
	}
	tag, ok := strings.CutPrefix(h.Branch, prefix)
	if !ok {
		g.Detail = fmt.Sprintf("%s is no hotfix branch: %s", h.Branch, start)
		return g, nil
	}
	v, ok := patchTag(tag)
	if !ok {
		g.Detail = fmt.Sprintf("%s does not name a patch, want %svX.Y.Z with Z above 0: rename it with `git branch -m`, or %s", h.Branch, prefix, start)
		return g, nil
	}
	h.Version = v

	refs, err := h.repo.Refs(ctx, "refs/tags")
	if err != nil {
		return g, err
	}
	for _, ref := range refs {
		got, err := decide.ParseTag(strings.TrimPrefix(ref.Name, "refs/tags/"))
		if err == nil && got.Channel() == decide.Stable && got.Line() == v.Line() && ref.Commit != "" {
			h.releases = append(h.releases, release{got, ref.Commit})
		}
	}
	slices.SortStableFunc(h.releases, func(a, b release) int { return a.Compare(b.Version) })
	g.State, g.Detail = decide.Pass, fmt.Sprintf("%s is to release %s", h.Branch, v)
	for _, r := range h.releases {
		switch {
		case r.Compare(v) != 0:
		case r.commit != h.Commit:
			g.State = decide.Fail
			g.Detail = fmt.Sprintf("%s is released already, from commit %s, and HEAD is commit %s: run `git switch --detach %s` for that release, or start the next patch with `go run . hotfix:start`", v, short(r.commit), short(h.Commit), r.Tag())
		default:
			h.Tagged = r.Tag() == tag
			g.Detail = fmt.Sprintf("HEAD is at %s, the tag of %s", r.Tag(), h.Branch)
		}
	}
	return g, nil
}

// patchTag reads vX.Y.Z with Z above 0, and nothing after it.
func patchTag(tag string) (decide.Version, bool) {
	v, err := decide.ParseTag(tag)
	return v.Stable(), err == nil && v.Bump() == decide.BumpPatch && v.Tag() == v.Stable().Tag()
}

// base finds the release that the branch starts from.
func (h *hotfix) base(ctx context.Context) (decide.Gate, error) {
	g := decide.Gate{Name: BaseGate, State: decide.Fail}
	shallow, err := h.repo.Shallow(ctx)
	if err != nil {
		return g, err
	}
	earlier := slices.DeleteFunc(slices.Clone(h.releases), func(r release) bool { return r.Compare(h.Version) >= 0 })
	if len(earlier) == 0 {
		g.Detail = fmt.Sprintf("there is no tag of a release of %s below %s: run `git fetch --tags`, or start from a line that was released (`go run . hotfix:start`)", h.Version.Line(), h.Version)
		if shallow {
			g.Detail = (&ShallowError{Lacks: "the tag of the release before " + h.Version.String()}).Error()
		}
		return g, nil
	}
	last := earlier[len(earlier)-1]
	if next := last.NextPatch(); next.Compare(h.Version) != 0 {
		g.Detail = fmt.Sprintf("the release before %s is %s, so the next patch is %s: run `git fetch --tags`, and where that does not bring what is missing, `git branch -m %s%s`", h.Version, last.Tag(), next, h.p.Branches.Hotfix, next.Tag())
		return g, nil
	}
	in, err := h.repo.IsAncestor(ctx, last.commit, h.Commit)
	if err != nil {
		return g, err
	}
	switch {
	case in:
		h.from, h.Base = last, last.Version
		g.State, g.Detail = decide.Pass, fmt.Sprintf("it starts from %s at commit %s", last.Tag(), short(last.commit))
	case shallow:
		g.Detail = (&ShallowError{Lacks: fmt.Sprintf("the history between %s and HEAD", last.Tag())}).Error()
	default:
		g.Detail = fmt.Sprintf("%s does not start from %s, the release before %s: start again with `go run . hotfix:start %s`, and take the fix over with `git cherry-pick`", h.Branch, last.Tag(), h.Version, h.Version)
	}
	return g, nil
}

// change looks at what was done since the base.
func (h *hotfix) change(ctx context.Context) (decide.Gate, error) {
	g := decide.Gate{Name: ChangeGate, State: decide.Pass}
	commits, err := h.repo.Commits(ctx, h.from.commit, h.Commit)
	if err != nil {
		return g, err
	}
	if h.Files, err = h.repo.Stat(ctx, h.from.commit, h.Commit); err != nil {
		return g, err
	}
	h.Commits = len(commits)
	files, lines := 0, 0
	for _, f := range h.Files {
		area, _, inDir := strings.Cut(f.Path, "/")
		if inDir {
			area += "/"
		}
		if !slices.Contains(h.Areas, area) {
			h.Areas = append(h.Areas, area)
		}
		if Matches(h.p.Critical, f.Path) {
			h.Critical = append(h.Critical, f.Path)
		}
		if !Matches(h.p.Paperwork.Paths, f.Path) {
			files++
			lines += f.Added + f.Deleted
		}
	}
	slices.Sort(h.Areas)

	bundled, err := h.bundled(ctx, commits)
	var refusal Refusal
	switch {
	case errors.As(err, &refusal):
		g.State, g.Detail = decide.Fail, refusal.Error()
		return g, nil
	case err != nil:
		return g, err
	case bundled > 0:
		g.State = decide.Fail
		g.Detail = fmt.Sprintf("%s holds %s of %s since %s, and a hotfix bundles nothing with its fix: start again with `go run . hotfix:start %s`, and take the fix over with `git cherry-pick`", h.Branch, count(bundled, "commit"), h.p.Branches.Main, h.Base.Tag(), h.Version)
		return g, nil
	case files == 0:
		g.State, g.Detail = decide.Warning, fmt.Sprintf("%s changes nothing but paperwork since %s: commit the fix", h.Branch, h.Base.Tag())
		return g, nil
	}
	g.Detail = fmt.Sprintf("%s since %s in %s: %s of %s, paperwork apart", count(h.Commits, "commit"), h.Base.Tag(), list(h.Areas, 10), count(lines, "line"), count(files, "file"))
	if files > MaxHotfixFiles || lines > MaxHotfixLines {
		g.State = decide.Warning
		g.Detail += fmt.Sprintf("; that is much for a hotfix (more than %d files or %d lines): leave out what can wait for the next release", MaxHotfixFiles, MaxHotfixLines)
	}
	return g, nil
}

// bundled counts the commits since the base that were made on main. A hotfix
// that was merged back is not taken for main's, also where main was just moved
// onto its tag.
func (h *hotfix) bundled(ctx context.Context, commits []string) (int, error) {
	branches, err := h.findBranches(ctx)
	if err != nil {
		return 0, err
	}
	most := 0
	for _, main := range branches.main {
		if h.Tagged {
			merged, err := h.repo.IsAncestor(ctx, h.Commit, main.Commit)
			if err != nil {
				return 0, err
			}
			if merged {
				continue
			}
		}
		line, err := h.repo.MainLine(ctx, h.from.commit, main.Commit)
		if err != nil {
			return 0, err
		}
		own := map[string]bool{}
		for _, commit := range line {
			own[commit] = true
		}
		n := 0
		for _, commit := range commits {
			if own[commit] {
				n++
			}
		}
		most = max(most, n)
	}
	return most, nil
}

// count gives "1 file" or "3 files".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
