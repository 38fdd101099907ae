package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
)

// episode is one thing that CI does in a rehearsal: a release of a ref, or the
// withdrawal of a version and its return.
type episode struct {
	Ref     string         `json:"ref"`
	Channel decide.Channel `json:"channel"`
	Commit  string         `json:"commit"`
	// Why is the override that the release goes through with.
	Why string `json:"why,omitempty"`
	// Withdraw and Restore name a version instead of a release.
	Withdraw string `json:"withdraw,omitempty"`
	Restore  string `json:"restore,omitempty"`
	// Reason is why it is withdrawn.
	Reason string `json:"reason,omitempty"`
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

// makeHistory commits the product to a fresh repository and has its maintainer
// go through a stable release, an edge build, a candidate of the next minor
// version, that version, a hotfix of the old line, and the withdrawal of the
// newer version, each with the targets that maintainers use. What CI does in
// between is played as it comes; without play it is only written down.
func (r *rehearsal) makeHistory(ctx context.Context, version string, play func(context.Context, episode) error) error {
	base, err := decide.ParseVersion(version)
	if err != nil {
		return fmt.Errorf("the product's own version: %w", err)
	}
	base = base.Stable()
	next, patch := base.NextMinor(), base.NextPatch()
	repo, err := git.Init(ctx, r.Dir, r.Product.Branches.Main)
	if err != nil {
		return err
	}
	r.history = history{Nightly: dawn.Add(24 * time.Hour)}
	m := maintainer{rehearsal: r, repo: repo, play: play}
	main := r.Product.Branches.Main

	m.begin(ctx, base)
	m.prepare(ctx, base)
	m.fillIn(ctx, base)
	first := m.needs(base, "the first release: there is nothing to try it against")
	m.tag(ctx, base.String(), first)
	m.released(ctx, base.Tag(), decide.Stable, first)

	m.on(ctx, main)
	m.resume(ctx)
	m.prepare(ctx, candidateOf(next))
	m.released(ctx, main, decide.Edge, "")
	m.on(ctx, main)
	m.tag(ctx, next.String()+"-rc", "")
	m.released(ctx, candidateOf(next).Tag(), decide.Candidate, "")

	m.on(ctx, main)
	m.fillIn(ctx, next)
	m.prepare(ctx, next)
	m.tag(ctx, next.String(), "")
	m.released(ctx, next.Tag(), decide.Stable, "")

	m.startHotfix(ctx, patch)
	m.note(ctx, "### Fixed\n\n- A defect of the old line.\n", "fix: a defect of the old line")
	m.prepare(ctx, patch)
	m.fillIn(ctx, patch)
	m.checkHotfix(ctx, patch)
	m.tag(ctx, patch.String(), "")
	m.released(ctx, patch.Tag(), decide.Stable, "")

	m.on(ctx, main)
	m.finishHotfix(ctx, patch)
	m.episode(ctx, episode{Withdraw: next.String(), Reason: "It forgets files that were uploaded during a restart."})
	m.episode(ctx, episode{Restore: next.String()})
	return m.err
}

// candidateOf gives the first candidate of a version.
func candidateOf(v decide.Version) decide.Version {
	c, _ := decide.ParseVersion(v.Core() + "-rc.1") // a core with "-rc.1" is a version
	return c
}

// maintainer plays the person of a rehearsal; after an error he does nothing
// more.
type maintainer struct {
	*rehearsal
	repo git.Repo
	play func(context.Context, episode) error
	// unreleased is the changelog with the entries of the next version.
	unreleased []byte
	err        error
}

func (m *maintainer) do(f func() error) {
	if m.err == nil {
		m.err = f()
	}
}

func (m *maintainer) on(ctx context.Context, branch string) {
	m.do(func() error { return m.repo.Switch(ctx, branch, "") })
}

func (m *maintainer) commit(ctx context.Context, subject string) {
	m.do(func() error {
		_, err := m.repo.Commit(ctx, *m.Who, dawn, subject)
		return err
	})
}

func (m *maintainer) file(name string) string {
	return filepath.Join(m.Dir, filepath.FromSlash(name))
}

// begin commits the product as it was before its first release here. The
// versions that its changelog has from before get plain tags, and the entries
// of the next version are set aside.
func (m *maintainer) begin(ctx context.Context, base decide.Version) {
	m.do(func() error {
		text, log, err := m.changelog()
		if err != nil {
			return err
		}
		m.unreleased = text
		if section, ok := log.Unreleased(); ok && section.Body != "" {
			if _, released := log.Section(base); released {
				cut := strings.Replace(string(text), section.Body+"\n\n", "", 1)
				if err := os.WriteFile(m.file(m.Product.Paperwork.Changelog), []byte(cut), 0o644); err != nil {
					return err
				}
			}
		}
		head, err := m.repo.Commit(ctx, *m.Who, dawn, "feat: the product")
		if err != nil {
			return err
		}
		for _, section := range log.Sections() {
			v := section.Version
			if v.IsZero() || v.Compare(base) >= 0 || v.Channel() != decide.Stable {
				continue
			}
			if err := m.repo.MakeTag(ctx, *m.Who, dawn, v.Tag(), head, "Release "+v.Tag()+", from before", false); err != nil {
				return err
			}
		}
		return nil
	})
}

// changelog is the product's, as it lies in the checkout.
func (m *maintainer) changelog() ([]byte, *changelog.File, error) {
	name := m.Product.Paperwork.Changelog
	text, err := os.ReadFile(m.file(name))
	if err != nil {
		return nil, nil, err
	}
	log, err := changelog.Parse(name, text)
	return text, log, err
}

// resume brings the entries of the next version back, below what was released.
func (m *maintainer) resume(ctx context.Context) {
	m.do(func() error {
		name := m.Product.Paperwork.Changelog
		text, err := os.ReadFile(m.file(name))
		if err != nil || bytes.Equal(text, m.unreleased) {
			return err
		}
		log, err := changelog.Parse(name, m.unreleased)
		if err != nil {
			return err
		}
		section, _ := log.Unreleased()
		return m.addEntries(section.Body + "\n")
	})
	m.commit(ctx, "feat: the next version")
}

// addEntries puts Markdown under the heading of what is not released.
func (m *maintainer) addEntries(entries string) error {
	name := m.Product.Paperwork.Changelog
	text, log, err := m.changelog()
	if err != nil {
		return err
	}
	section, ok := log.Unreleased()
	if !ok {
		return fmt.Errorf("%s has no section of unreleased changes", name)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	var out bytes.Buffer
	for i, l := range lines {
		out.Write(l)
		if i+1 == section.Line {
			out.WriteString("\n" + entries)
		}
	}
	return os.WriteFile(m.file(name), out.Bytes(), 0o644)
}

func (m *maintainer) note(ctx context.Context, entries, subject string) {
	m.do(func() error { return m.addEntries(entries) })
	m.commit(ctx, subject)
}

func (m *maintainer) prepare(ctx context.Context, v decide.Version) {
	m.do(func() error {
		day := dawn
		if v.Channel() == decide.Stable { // a section that is there keeps its date
			if section, ok, err := m.section(v); err != nil {
				return err
			} else if ok && section.Date != "" {
				if day, err = time.Parse(time.DateOnly, section.Date); err != nil {
					return err
				}
			}
		}
		return m.act(ctx, "prepare "+v.Tag(), func(ctx context.Context) (commit, signed, changed string, err error) {
			done, err := m.Suite.prepare(ctx, v, day)
			return done.Commit, "", edits(done.Files), err
		})
	})
}

// edits names the first of the files.
func edits(files []string) string {
	if n := len(files) - 2; n > 0 {
		return fmt.Sprintf("edits %s and %d more", strings.Join(files[:2], " "), n)
	}
	return "edits " + strings.Join(files, " ")
}

// act does what a maintainer does, as a step of the rehearsal and a row of its
// tables.
func (m *maintainer) act(ctx context.Context, name string, f func(context.Context) (commit, signed, changed string, err error)) error {
	return m.UI.Run(ctx, name, func(ctx context.Context, step *term.Step) error {
		commit, signed, changed, err := f(ctx)
		if err != nil {
			return err
		}
		step.Detail("%s", changed)
		m.rows = append(m.rows, row{what: name, made: "commit " + short(commit), tag: signed, changed: changed})
		return nil
	})
}

func (m *maintainer) startHotfix(ctx context.Context, v decide.Version) {
	m.do(func() error {
		return m.act(ctx, "hotfix:start", func(ctx context.Context) (commit, signed, changed string, err error) {
			branch, base, err := m.Suite.startHotfix(ctx, v.String())
			if err != nil {
				return "", "", "", err
			}
			commit, err = m.repo.Head(ctx)
			return commit, "", "branch " + branch + " from " + base.Tag(), err
		})
	})
}

// checkHotfix is what `hotfix` looks at before it tries anything.
func (m *maintainer) checkHotfix(ctx context.Context, v decide.Version) {
	m.do(func() error {
		return m.act(ctx, "hotfix", func(ctx context.Context) (commit, signed, changed string, err error) {
			report, gates, err := m.hotfixGates(ctx)
			if err != nil {
				return "", "", "", err
			}
			return report.Commit, "", fmt.Sprintf("%d commits, %d files since %s", report.Commits, len(report.Files), report.Base.Tag()), refusal("the hotfix", gates)
		})
	})
}

func (m *maintainer) finishHotfix(ctx context.Context, v decide.Version) {
	m.do(func() error {
		return m.act(ctx, "hotfix:finish", func(ctx context.Context) (commit, signed, changed string, err error) {
			done, err := m.Suite.finishHotfix(ctx, v.String(), false)
			return done.commit, "", fmt.Sprintf("into %s, %d files joined", done.into, len(done.joined)), err
		})
	})
}

func (m *maintainer) section(v decide.Version) (changelog.Section, bool, error) {
	_, log, err := m.changelog()
	if err != nil {
		return changelog.Section{}, false, err
	}
	section, ok := log.Section(v)
	return section, ok, nil
}

// fillIn writes what only people know: notes for operators, and what they tried.
func (m *maintainer) fillIn(ctx context.Context, v decide.Version) {
	m.do(func() error {
		guide := m.file(m.Product.Paperwork.Upgrading)
		text, err := os.ReadFile(guide)
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte(upgrading.Placeholder), []byte("none"))
		if err := os.WriteFile(guide, text, 0o644); err != nil || !m.needsPromotion(v) {
			return err
		}
		gates := fmt.Sprintf("version: %s\ngates:\n", v.Core())
		for _, g := range m.Product.Promotion.Manual {
			gates += fmt.Sprintf("  - name: %s\n    status: PASS\n    evidence: %s/actions/runs/1\n    who: %s\n    when: %s\n",
				g.Name, m.Product.Source, m.Who.Name, dawn.Format(time.DateOnly))
		}
		return os.WriteFile(m.file(path.Join(m.Product.Paperwork.Gates, v.Tag()+".yaml")), []byte(gates), 0o644)
	})
	m.commit(ctx, "docs: what was tried before "+v.Tag())
}

// needs gives a reason where the policy wants a tried candidate.
func (m *maintainer) needs(v decide.Version, why string) string {
	if m.needsPromotion(v) {
		return why
	}
	return ""
}

func (m *maintainer) tag(ctx context.Context, version, why string) {
	m.do(func() error {
		return m.act(ctx, "tag "+version, func(ctx context.Context) (commit, signed, changed string, err error) {
			made, err := m.Suite.tag(ctx, TagOrder{Version: version, Why: why})
			signed = "NO"
			if made.Signer != "" {
				signed = "yes"
			}
			return made.Commit, signed, made.Message, err
		})
	})
}

// released has CI publish what HEAD is.
func (m *maintainer) released(ctx context.Context, ref string, channel decide.Channel, why string) {
	m.do(func() error {
		head, err := m.repo.Head(ctx)
		if err != nil {
			return err
		}
		m.episode(ctx, episode{Ref: ref, Channel: channel, Commit: head, Why: why})
		return m.err
	})
}

func (m *maintainer) episode(ctx context.Context, e episode) {
	m.do(func() error {
		m.history.Episodes = append(m.history.Episodes, e)
		if m.play == nil {
			return nil
		}
		return m.play(ctx, e)
	})
}
