package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// workplace is the maintainer's checkout: where commits and tags are made. CI
// has none.
type workplace struct {
	git.Repo
	who git.Identity
	// branch is what HEAD is on, head its commit.
	branch, head string
	// stable are the versions of the stable tags, candidates those of the
	// others, both in ascending order.
	stable, candidates []decide.Version
}

// workplace opens the checkout for a target that commits or tags. The working
// tree must be clean, so that nothing unrelated gets into a commit.
func (s *Suite) workplace(ctx context.Context) (workplace, error) {
	if err := doctor.Checkout(s.Dir, s.Product); err != nil {
		return workplace{}, err
	}
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return workplace{}, err
	}
	w := workplace{Repo: repo}
	if s.Who != nil {
		w.who = *s.Who
	} else if w.who, err = repo.Own(ctx); err != nil && !errors.Is(err, git.ErrNoIdentity) {
		return w, err
	}
	if w.head, err = repo.Head(ctx); err != nil {
		return w, err
	}
	if w.branch, err = repo.Branch(ctx); err != nil {
		return w, err
	}
	w.stable, w.candidates, err = versionTags(ctx, repo)
	if err != nil {
		return w, err
	}
	dirty, err := repo.Dirty(ctx, gate.OutputDir)
	if err == nil && len(dirty) > 0 {
		err = &gate.DirtyTreeError{Files: dirty}
	}
	return w, err
}

// identity is who commits and tags; an error where git does not know.
func (w workplace) identity() (git.Identity, error) {
	if w.who.Name == "" || w.who.Email == "" {
		return w.who, git.ErrNoIdentity
	}
	return w.who, nil
}

// versionTags lists the versions that the repository has tags of.
func versionTags(ctx context.Context, repo git.Repo) (stable, candidates []decide.Version, err error) {
	names, err := repo.Tags(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		v, err := decide.ParseTag(name)
		switch {
		case err != nil:
		case v.Channel() == decide.Stable:
			stable = append(stable, v)
		default:
			candidates = append(candidates, v)
		}
	}
	slices.SortFunc(stable, decide.Version.Compare)
	slices.SortFunc(candidates, decide.Version.Compare)
	return stable, candidates, nil
}

// previous gives the last stable version below v in the history of a commit,
// the zero value where there is none. A patch of another line that was made
// since is not in it.
func previous(ctx context.Context, repo git.Repo, commit string, v decide.Version) (decide.Version, error) {
	var out decide.Version
	names, err := repo.TagsIn(ctx, commit)
	if err != nil {
		return out, err
	}
	for _, name := range names {
		o, err := decide.ParseTag(name)
		if err == nil && o.Channel() == decide.Stable && o.Compare(v.Stable()) < 0 && (out.IsZero() || o.Compare(out) > 0) {
			out = o
		}
	}
	return out, nil
}

// parseVersion reads what a maintainer types: "0.4.0", "v0.4.0-rc.1".
func parseVersion(s string) (decide.Version, error) {
	return decide.ParseVersion(strings.TrimPrefix(s, "v"))
}

// onBranch wants HEAD on the main branch, or on the version's hotfix branch.
func (s *Suite) onBranch(w workplace, v decide.Version, doing string) error {
	b := s.Product.Branches
	hotfix := b.Hotfix + v.Stable().Tag()
	switch w.branch {
	case b.Main, hotfix:
		return nil
	case "":
		return fmt.Errorf("HEAD is on no branch: %s happens on %s, or on %s (`git switch %s`)", doing, b.Main, hotfix, b.Main)
	}
	return fmt.Errorf("HEAD is on %s: %s of %s happens on %s, or on %s", w.branch, doing, v, b.Main, hotfix)
}

// edited writes files of the checkout and remembers which.
type edited struct {
	dir   string
	files []string
	made  []string
}

// undo takes everything back after an error: the tree was clean before.
func (e *edited) undo(ctx context.Context, repo git.Repo) error {
	err := repo.Restore(context.WithoutCancel(ctx))
	for _, name := range e.made { // git has removed those that it knew of
		if gone := os.Remove(filepath.Join(e.dir, filepath.FromSlash(name))); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// edit changes a file; where it is missing the function gets nil. The same
// bytes again are no change.
func (e *edited) edit(name string, change func(text []byte) ([]byte, error)) error {
	path := filepath.Join(e.dir, filepath.FromSlash(name))
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text, err := change(old)
	if err != nil {
		return err
	}
	if string(text) == string(old) {
		return nil
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(path, text, mode); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	e.files = append(e.files, name)
	if old == nil {
		e.made = append(e.made, name)
	}
	return nil
}

// home names the remote of the product, "" where there is none.
func (s *Suite) home(ctx context.Context, repo git.Repo) (string, error) {
	return gate.Home(ctx, repo, s.Product)
}
