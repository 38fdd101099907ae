package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// episode is one release of a rehearsal: what is checked out, and what is
// released from it.
type episode struct {
	Ref     string         `json:"ref"`
	Channel decide.Channel `json:"channel"`
	Commit  string         `json:"commit"`
}

// history is the life of a product that a rehearsal goes through.
type history struct {
	Episodes []episode `json:"episodes"`
	// Nightly is the date of the edge build's dated tag.
	Nightly time.Time `json:"nightly"`
}

// dawn is when a rehearsed history happens, all of it within one second. The
// time is fixed, so that the same files and keys give the same commits; and it
// is one, since C code of third-party crates is compiled again where
// SOURCE_DATE_EPOCH has changed.
var dawn = time.Date(2026, time.January, 15, 9, 0, 0, 0, time.UTC)

// makeHistory commits the product in dir to a fresh repository and has it live
// through a stable release, an edge build, a candidate of the next minor
// version, that version, and a patch of the old line.
func makeHistory(ctx context.Context, dir string, p product.Product, version string, who *keys.Signer) (history, error) {
	base, err := decide.ParseVersion(version)
	if err != nil {
		return history{}, fmt.Errorf("the product's own version: %w", err)
	}
	base, err = decide.ParseVersion(base.Core())
	if err != nil {
		return history{}, err
	}
	next, patch := base.NextMinor(), base.NextPatch()

	repo, err := git.Init(ctx, dir, p.Branches.Main)
	if err != nil {
		return history{}, err
	}
	h := history{Nightly: dawn.Add(24 * time.Hour)}
	w := writer{repo: repo, who: who, p: p, history: &h}

	w.version(base)
	w.commit(ctx, "feat: the product")
	w.tag(ctx, base.Tag(), "Release "+base.Tag())
	w.released(base.Tag(), decide.Stable)

	w.version(next)
	w.commit(ctx, "feat: the next version")
	w.released(p.Branches.Main, decide.Edge)
	candidate := next.Tag() + "-rc.1"
	w.tag(ctx, candidate, "Release candidate "+strings.TrimPrefix(candidate, "v"))
	w.released(candidate, decide.Candidate)

	w.changelog(next)
	w.commit(ctx, "docs: prepare release "+next.Tag())
	w.tag(ctx, next.Tag(), "Release "+next.Tag())
	w.released(next.Tag(), decide.Stable)

	w.branch(ctx, p.Branches.Hotfix+patch.Tag(), base.Tag())
	w.version(patch)
	w.changelog(patch)
	w.commit(ctx, "fix: a defect of the old line")
	w.tag(ctx, patch.Tag(), "Hotfix "+patch.Tag())
	w.released(patch.Tag(), decide.Stable)
	return h, w.err
}

// writer writes a history; after an error it does nothing more.
type writer struct {
	repo    git.Repo
	who     *keys.Signer
	p       product.Product
	head    string
	history *history
	err     error
}

func (w *writer) do(f func() error) {
	if w.err == nil {
		w.err = f()
	}
}

func (w *writer) commit(ctx context.Context, subject string) {
	w.do(func() (err error) {
		w.head, err = w.repo.Commit(ctx, w.who.Git(), dawn, subject)
		return err
	})
}

func (w *writer) tag(ctx context.Context, name, message string) {
	w.do(func() error {
		return w.repo.MakeTag(ctx, w.who.Git(), dawn, name, w.head, message, true)
	})
}

func (w *writer) branch(ctx context.Context, name, from string) {
	w.do(func() error { return w.repo.Switch(ctx, name, from) })
}

func (w *writer) version(v decide.Version) {
	w.do(func() error {
		dir := ""
		if w.p.Frontend != nil {
			dir = w.p.Frontend.Dir
		}
		return setVersion(w.repo.Dir, dir, v.Core())
	})
}

// changelog gives the version a section of its own, above the others.
func (w *writer) changelog(v decide.Version) {
	w.do(func() error {
		path := filepath.Join(w.repo.Dir, w.p.Paperwork.Changelog)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		const mark = "## [Unreleased]\n"
		before, after, ok := strings.Cut(string(text), mark)
		if !ok {
			return fmt.Errorf("%s has no line %q", path, strings.TrimSpace(mark))
		}
		section := fmt.Sprintf("%s\n## [%s] - %s\n", mark, v.Core(), dawn.Format(time.DateOnly))
		return os.WriteFile(path, []byte(before+section+after), 0o644)
	})
}

func (w *writer) released(ref string, channel decide.Channel) {
	w.do(func() error {
		w.history.Episodes = append(w.history.Episodes, episode{ref, channel, w.head})
		return nil
	})
}
