package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/reproduce"
)

// reproducibleName is the target's, and that of the test result.
const reproducibleName = "verify:reproducible"

// ReproduceQuery asks whether a release comes out the same when it is built
// again.
type ReproduceQuery struct {
	// Ref is that of the release: see [Order]. With an Image it is a tag that the
	// provenance must name, or empty.
	Ref string
	// Image is a published image, by tag or by digest; empty for the bundle in
	// dist, which is made where it is not there.
	Image string
	// Key is a file with the public key that the image has to verify with.
	Key string
	// Attest signs a statement of the result and attaches it to the image.
	Attest bool
	// Keep is a directory for the build again; empty: it is removed.
	Keep string
	JSON bool
}

// Reproduction is what came of a [ReproduceQuery].
type Reproduction struct {
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Release is what was built again: a bundle's directory, or an image by
	// digest. Again is the directory of the build again, where it was kept.
	Release string `json:"release"`
	Again   string `json:"again,omitempty"`
	// Conditions are in what the build again was another one.
	Conditions []Condition `json:"conditions"`
	reproduce.Report
	// Attested is the digest of the manifest with the signed statement.
	Attested string `json:"attested,omitempty"`

	digest            string
	started, finished time.Time
}

// NotReproducible says that a build again came out otherwise.
type NotReproducible struct {
	Ref    string
	Report reproduce.Report
}

func (e *NotReproducible) Error() string {
	return fmt.Sprintf("%s is not reproducible: %s; make that a function of the commit (docs/reproducibility.md says how), or find out which machine was the odd one", e.Ref, e.Report)
}

// Reproduce builds a release again and prints what differs. The error is a
// [*NotReproducible] where something does.
func (s *Suite) Reproduce(ctx context.Context, q ReproduceQuery) error {
	if q.Attest && q.Image == "" {
		return errors.New("-attest says something of a published image: name it with -image=…")
	}
	out, err := s.reproduce(ctx, s.UI, q)
	var differs *NotReproducible
	if err != nil && !errors.As(err, &differs) {
		return err
	}
	if printed := s.printReproduction(out, q.JSON); printed != nil {
		return printed
	}
	return err
}

func (s *Suite) reproduce(ctx context.Context, ui runner, q ReproduceQuery) (out Reproduction, err error) {
	out.started = s.clock()
	if err := s.require(ctx, reproducibleName); err != nil {
		return out, err
	}
	dir := q.Keep
	if dir == "" {
		if dir, err = place(); err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, removeAll(dir)) }()
	} else if dir, err = emptyDir(dir); err != nil {
		return out, err
	}
	var release *bundle.Bundle
	var pub *publishedRelease
	if q.Image == "" {
		release, err = s.contentHere(ctx, ui, q.Ref)
	} else if pub, err = s.publishedContent(ctx, ui, q, filepath.Join(dir, "published")); err == nil {
		release = pub.bundle
	}
	if err != nil {
		return out, err
	}
	if pub != nil {
		defer pub.reg.close()
	}
	plan := release.Plan
	out.Ref, out.Commit, out.Release = plan.Ref.Name, plan.Commit, release.Dir
	again, conditions, err := s.again(ctx, ui, filepath.Join(dir, "elsewhere"), plan)
	out.Conditions = conditions
	if err != nil {
		return out, err
	}
	if q.Keep != "" {
		out.Again = again.Dir
	}
	err = ui.Run(ctx, "comparison", func(ctx context.Context, step *term.Step) (err error) {
		o := reproduce.Options{Scratch: dir}
		if pub != nil {
			out.Release, out.digest = pub.ref(), pub.digest.String()
			o.Absent = pub.absent
		}
		if out.Report, err = reproduce.Compare(ctx, release, again, o); err != nil {
			return err
		}
		if pub != nil {
			out.Report.Add(pub.besides(again)...)
		}
		step.Detail("%s", out.Report)
		return nil
	})
	out.finished = s.clock()
	if err != nil {
		return out, err
	}
	if q.Attest {
		if out.Attested, err = s.attestReproduction(ctx, ui, pub, out); err != nil {
			return out, err
		}
	}
	if !out.Same {
		return out, &NotReproducible{out.Ref, out.Report}
	}
	return out, nil
}

// contentHere is the bundle in dist of what is checked out. Where it is not
// there, or not whole, its content is made first.
func (s *Suite) contentHere(ctx context.Context, ui runner, ref string) (*bundle.Bundle, error) {
	plan, err := s.contentPlan(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.contentIn(ctx, ui, plan, "")
}

// again builds the plan's commit in another place, in other surroundings.
func (s *Suite) again(ctx context.Context, ui runner, dir string, plan decide.Plan) (b *bundle.Bundle, conditions []Condition, err error) {
	var e *elsewhere
	err = ui.Run(ctx, "another place", func(ctx context.Context, step *term.Step) error {
		if e, err = s.elsewhere(ctx, dir, plan.Ref, plan.Commit); err != nil {
			return err
		}
		conditions = e.conditions
		step.Detail("%s", e.checkout())
		return e.fetch(ctx, step.Log())
	})
	if err != nil {
		return nil, conditions, err
	}
	err = ui.Run(ctx, "build again", func(ctx context.Context, step *term.Step) error {
		out, err := e.build(ctx, step.Log(), plan.Ref.Name)
		if err != nil {
			return err
		}
		b, err = bundle.Open(out)
		return err
	})
	return b, conditions, err
}

// removeAll removes a directory in which another user may have closed
// directories to others, which does not stop root, or packages that are
// write-protected, which does stop everybody else.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	walk := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	return errors.Join(walk, os.RemoveAll(dir))
}

// printReproduction writes what differs, in what the build again was another
// one, and what was left out.
func (s *Suite) printReproduction(out Reproduction, asJSON bool) error {
	if asJSON {
		return s.printJSON(out)
	}
	var rows [][]string
	for _, c := range out.Conditions {
		again := c.Again
		if c.Same != "" {
			again = "the same: " + c.Same
		}
		rows = append(rows, []string{c.What, again})
	}
	for i, table := range []struct {
		headers []string
		rows    [][]string
	}{{[]string{"built again with another", ""}, rows}, {reproduce.LeftHeader(), out.LeftRows()}, {reproduce.Header(), out.Rows()}} {
		if i > 0 {
			if err := s.blankLine(); err != nil {
				return err
			}
		}
		if err := s.UI.Table(s.Out, table.headers, table.rows); err != nil {
			return err
		}
	}
	if out.Attested != "" {
		s.UI.Println("The result is attested on %s, by %s.", out.Release, out.Attested)
	}
	if out.Same {
		s.UI.Println("%s of commit %s comes out the same: %s.", out.Ref, short(out.Commit), out.Report)
	}
	return nil
}
