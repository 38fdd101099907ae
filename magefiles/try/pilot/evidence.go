package pilot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
)

// evidence is the phase that wants all to be there that the phases left, as
// they left it, and no secret of this run in it.
func (p *pilot) evidence(ctx context.Context, r *record) error {
	files, passed := 0, 0
	var missing []string
	var problems []error
	for _, f := range phases() {
		if f.name == evidencePhase {
			break
		}
		old := p.state.find(f.name)
		if old == nil || !old.done() {
			missing = append(missing, f.name)
			continue
		}
		passed++
		if f.leaves && old.Outcome == drill.Passed && len(old.Files) == 0 {
			problems = append(problems, fmt.Errorf("the phase %q passed and left no file", f.name))
		}
		for _, file := range old.Files {
			files++
			if err := p.intact(ctx, file); err != nil {
				problems = append(problems, fmt.Errorf("%s of the phase %q %w", file.Path, f.name, err))
			}
		}
	}
	for _, file := range p.state.Logs { // those of earlier runs as well
		if err := p.intact(ctx, file); err != nil {
			problems = append(problems, fmt.Errorf("%s %w", file.Path, err))
		}
	}
	if len(problems) > 0 {
		problems = append(problems, errors.New("the evidence is not complete: run these phases again by their names, or all in an empty directory"))
		return errors.Join(problems...)
	}
	if len(missing) > 0 {
		return &incompleteError{missing}
	}
	r.Detail = fmt.Sprintf("%d files of %d phases are there as they were left, without secrets", files, passed)
	return nil
}

// incompleteError: phases are missing, and so is their evidence.
type incompleteError struct{ phases []string }

func (e *incompleteError) Error() string {
	return "these phases have not passed yet: " + strings.Join(e.phases, ", ")
}

// intact holds a file against what it was, and looks for secrets in it. What is
// packed was searched on the way in.
func (p *pilot) intact(ctx context.Context, want File) error {
	path := filepath.Join(p.o.Dir, filepath.FromSlash(want.Path))
	found, err := look(p.o.Dir, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("is missing")
	case err != nil:
		return fmt.Errorf("cannot be read: %w", err)
	case found != want:
		return fmt.Errorf("was changed: it has the sha256 %s, and had %s", found.SHA256, want.SHA256)
	case strings.HasSuffix(path, ".gz"):
		return nil
	}
	for _, s := range p.secrets {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		held, err := s.Leaks(ctx, f)
		_ = f.Close() // only read
		if err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		if len(held) > 0 {
			return fmt.Errorf("holds the value of %s", strings.Join(held, ", "))
		}
	}
	return nil
}
