package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/make/frontend"
	"github.com/kubedoio/rustshare-release/magefiles/try/tests"
)

// TestOrder asks for the product's own tests.
type TestOrder struct {
	Backend, Frontend bool
	// Affected is a tag, a branch or a commit: only what a change since then
	// reaches is tested, the working tree's changes included. Empty for all.
	Affected string
	JSON     bool
}

// Tested is what came of the tests of one half of the product.
type Tested struct {
	// Name is "test:backend" or "test:frontend".
	Name string `json:"name"`
	// Scope is what was tested, or was to be; Untouched says that nothing was,
	// since no change reaches it.
	Scope     string `json:"scope"`
	Untouched bool   `json:"untouched,omitempty"`
	tests.Result
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Error says why they did not pass, empty where they did.
	Error string `json:"error,omitempty"`
}

// String says it in a few words.
func (t Tested) String() string {
	if t.Untouched {
		return t.Scope + " is touched"
	}
	return t.Scope + ": " + t.Result.String()
}

// Test runs the product's own tests, both halves side by side, and prints what
// came of them.
func (s *Suite) Test(ctx context.Context, o TestOrder) error {
	all, err := s.test(ctx, o)
	if o.JSON && len(all) > 0 {
		return errors.Join(err, s.printJSON(all))
	}
	var rows [][]string
	for _, t := range all {
		rows = append(rows, t.row(t.Name, t.Passed, t.Failed, t.Ignored, t.Took))
		for _, u := range t.Suites {
			if u.Passed+u.Failed+u.Ignored > 0 {
				rows = append(rows, t.row(". "+u.Name, u.Passed, u.Failed, u.Ignored, u.Took))
			}
		}
	}
	if len(rows) > 0 {
		err = errors.Join(err, s.UI.Table(s.Out, []string{"suite", "passed", "failed", "ignored", "time"}, rows))
	}
	for _, t := range all {
		for _, f := range t.Failures {
			s.UI.Println("\n%s: %s failed:\n%s", t.Name, f, or(f.Output, "(its output is in the log above)"))
		}
	}
	return err
}

// row is a row of the table; no numbers where there are none.
func (t Tested) row(name string, passed, failed, ignored int, took time.Duration) []string {
	switch {
	case t.Untouched:
		return []string{name, "-", "-", "-", t.String()}
	case t.Uncounted:
		return []string{name, "?", "?", "?", term.Elapsed(took)}
	}
	return []string{name, strconv.Itoa(passed), strconv.Itoa(failed), strconv.Itoa(ignored), term.Elapsed(took)}
}

// test is the work of [Suite.Test]. The failure of one half does not stop the
// other: both results are wanted. A product without a frontend is tested
// without one, unless that is all that is asked for.
func (s *Suite) test(ctx context.Context, o TestOrder) ([]Tested, error) {
	type half struct {
		name string
		run  func(context.Context, *term.Step, string) (Tested, error)
	}
	var halves []half
	if o.Backend {
		halves = append(halves, half{"test:backend", s.testBackend})
	}
	if o.Frontend && (s.Product.Frontend != nil || !o.Backend) {
		halves = append(halves, half{"test:frontend", s.testFrontend})
	}
	if o.Affected != "" {
		base, err := s.since(ctx, o.Affected)
		if err != nil {
			return nil, err
		}
		o.Affected = base
	}
	all, errs := make([]Tested, len(halves)), make([]error, len(halves))
	var both sync.WaitGroup
	for i, h := range halves {
		both.Go(func() {
			errs[i] = s.UI.Run(ctx, h.name, func(ctx context.Context, step *term.Step) (err error) {
				all[i], err = h.run(ctx, step, o.Affected)
				if err != nil {
					return fmt.Errorf("%s: %w", h.name, err)
				}
				step.Detail("%s", all[i])
				return nil
			})
		})
	}
	both.Wait()
	return all, errors.Join(errs...)
}

// since gives the commit that a change began at: the last one that HEAD has in
// common with a tag, a branch or a commit.
func (s *Suite) since(ctx context.Context, rev string) (string, error) {
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return "", err
	}
	commit, err := repo.Resolve(ctx, rev)
	if err != nil {
		return "", fmt.Errorf("looking for what changed since %s: %w", rev, err)
	}
	return repo.MergeBase(ctx, commit, "HEAD")
}

// tried fills in when the tests ran and what came of them.
func (t Tested) tried(run func() (tests.Result, error)) (Tested, error) {
	var err error
	t.Started = time.Now().UTC()
	t.Result, err = run()
	t.Finished = time.Now().UTC()
	if err != nil {
		t.Error = err.Error()
	}
	return t, err
}

// testBackend runs the tests of the workspace, or those alone that a change
// since a commit reaches.
func (s *Suite) testBackend(ctx context.Context, step *term.Step, base string) (Tested, error) {
	t := Tested{Name: "test:backend"}
	found, err := s.ownCargo(ctx)
	if err != nil {
		return t, err
	}
	scope := tests.Everything("all is asked for")
	if base != "" {
		changed, err := s.changedSources(ctx, base)
		if err != nil {
			return t, err
		}
		if scope, err = tests.Affected(ctx, found.Cargo, s.Dir, changed); err != nil {
			return t, err
		}
	}
	t.Scope, t.Untouched = scope.String(), !scope.All && len(scope.Crates) == 0
	if t.Untouched {
		return t, nil
	}
	return t.tried(func() (tests.Result, error) {
		return tests.Backend(ctx, tests.Options{
			Cargo: found.Cargo, Rustc: found.Rustc, Dir: s.Dir, Scope: scope, TargetDir: s.CargoTarget, Log: step.Log(),
		})
	})
}

// testFrontend runs the frontend's tests; where a commit is given, only if one
// of its files changed since.
func (s *Suite) testFrontend(ctx context.Context, step *term.Step, base string) (Tested, error) {
	t := Tested{Name: "test:frontend", Scope: "the frontend"}
	f := s.Product.Frontend
	if f == nil {
		return t, fmt.Errorf("%s has no frontend (Product.Frontend), so there is nothing to test", s.Product.Name)
	}
	if base != "" {
		committed, dirty, err := s.changedPaths(ctx, base)
		if err != nil {
			return t, err
		}
		if !slices.ContainsFunc(append(committed, dirty...), func(path string) bool { return strings.HasPrefix(path, f.Dir+"/") }) {
			t.Scope, t.Untouched = "no file of the frontend", true
			return t, nil
		}
	}
	dir, err := filepath.Abs(filepath.Join(s.Dir, filepath.FromSlash(f.Dir)))
	if err != nil {
		return t, err
	}
	o := frontend.Options{Dir: s.Dir, Frontend: *f, Log: step.Log()}
	return t.tried(func() (tests.Result, error) {
		return tests.Frontend(ctx, dir, func(ctx context.Context, args ...string) error { return frontend.Test(ctx, o, args...) })
	})
}

// ownCargo gives the toolchain that builds this machine's own target.
func (s *Suite) ownCargo(ctx context.Context) (cargo.Toolchain, error) {
	triple := s.Product.Cargo.Targets[0].Triple
	found, err := cargo.Find(ctx, s.Dir, []string{triple})
	if err != nil {
		return cargo.Toolchain{}, err
	}
	return found.For(triple), nil
}

// changedPaths lists what is not as it was at a commit, in HEAD or in the
// working tree.
func (s *Suite) changedPaths(ctx context.Context, base string) (committed, dirty []string, err error) {
	repo := git.Repo{Dir: s.Dir}
	if committed, err = repo.Changed(ctx, base, "HEAD"); err != nil {
		return nil, nil, err
	}
	dirty, err = repo.Dirty(ctx, gate.OutputDir)
	return committed, dirty, err
}

// changedSources lists what changed since a commit and may change what the
// crates do: paperwork, the frontend and CI's own files are left out, and so are
// commits' files in which the product's version alone is another.
func (s *Suite) changedSources(ctx context.Context, base string) ([]string, error) {
	committed, dirty, err := s.changedPaths(ctx, base)
	if err != nil {
		return nil, err
	}
	none := slices.Concat(s.Product.Paperwork.Paths, []string{".github/**", ".release/**"})
	if f := s.Product.Frontend; f != nil {
		none = append(none, f.Dir+"/**")
	}
	core, err := cargo.ProductVersion(s.Dir, s.Product.Cargo.Package)
	if err != nil {
		return nil, err
	}
	repo := git.Repo{Dir: s.Dir}
	out := slices.DeleteFunc(dirty, func(path string) bool { return gate.Matches(none, path) })
	for _, path := range committed {
		if gate.Matches(none, path) || slices.Contains(out, path) {
			continue
		}
		was, err := s.withVersion(ctx, repo, base, core, path)
		if err != nil {
			return nil, err
		}
		is, err := repo.ReadFile(ctx, "HEAD", path)
		if err != nil && !errors.Is(err, git.ErrNoFile) {
			return nil, err
		}
		if was == nil || string(was) != string(is) {
			out = append(out, path)
		}
	}
	return out, nil
}
