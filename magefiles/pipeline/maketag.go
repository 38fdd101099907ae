package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
)

// TagOrder asks for a release tag.
type TagOrder struct {
	// Version is "0.4.0", "0.4.0-rc.2", or "0.4.0-rc" for the candidate that
	// comes next.
	Version string
	// Why is the maintainer's reason for tagging without a tried candidate.
	Why  string
	Push bool
	JSON bool
}

// tagged is a tag that was made.
type tagged struct {
	Tag     string        `json:"tag"`
	Commit  string        `json:"commit"`
	Message string        `json:"message"`
	Signer  string        `json:"signer,omitempty"`
	Pushed  bool          `json:"pushed"`
	Push    string        `json:"push"`
	Gates   []decide.Gate `json:"gates"`
}

// Tag makes a signed release tag at HEAD once every gate lets it pass, verifies
// it as the pipeline will, and pushes it only when told.
func (s *Suite) Tag(ctx context.Context, o TagOrder) error {
	if s.Getenv("CI") == "true" || s.Getenv("GITHUB_ACTIONS") == "true" {
		return errors.New("this is CI, which never makes or pushes tags: maintainers sign them on their own machines")
	}
	var made tagged
	err := s.UI.Run(ctx, "tag "+o.Version, func(ctx context.Context, step *term.Step) (err error) {
		made, err = s.tag(ctx, o)
		step.Detail("%s", made.Tag)
		return err
	})
	if len(made.Gates) > 0 && !o.JSON {
		if err := s.printGates(made.Gates); err != nil {
			return err
		}
		if err := s.blankLine(); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if o.JSON {
		return s.printJSON(made)
	}
	next := made.Push
	if made.Pushed {
		next = "pushed; CI publishes it now (go run . release:status shows how far it is)"
	}
	rows := [][]string{{"commit", made.Commit}, {"message", made.Message}, {"signed by", or(made.Signer, "NOBODY")}, {"next", next}}
	if slices.ContainsFunc(made.Gates, func(g decide.Gate) bool { return g.Override != "" }) {
		rows = append(rows, []string{"note", "publishing asks for -why again: a tag does not carry the reason"})
	}
	return s.UI.Table(s.Out, []string{"tagged", made.Tag}, rows)
}

// tag is the work of [Suite.Tag]. With Push a tag that is at HEAD already is
// held against its gates once more and pushed: an order whose push failed can be
// given again.
func (s *Suite) tag(ctx context.Context, o TagOrder) (tagged, error) {
	w, err := s.workplace(ctx)
	if err != nil {
		return tagged{}, err
	}
	who, err := w.identity()
	if err != nil {
		return tagged{}, err
	}
	here, err := w.Tags(ctx, w.head)
	if err != nil {
		return tagged{}, err
	}
	if !o.Push {
		here = nil
	}
	v, err := s.tagVersion(w, o.Version, here)
	if err != nil {
		return tagged{}, err
	}
	made := tagged{Tag: v.Tag(), Commit: w.head, Message: s.tagMessage(w, v)}
	again := slices.Contains(here, made.Tag)
	ref := decide.Ref{Name: v.Tag(), Channel: v.Channel(), Version: v}
	if made.Gates, err = s.tagGates(ctx, w, ref, o.Why); err != nil {
		return made, err
	}
	if again { // both ask for a tag that is new
		made.Gates = slices.DeleteFunc(made.Gates, func(g decide.Gate) bool { return g.Name == gate.NameGate || g.Name == gate.OrderGate })
	}
	if err := refusal(ref.Name, made.Gates); err != nil {
		return made, err
	}
	if !again {
		if err := w.MakeTag(ctx, who, s.clock(), made.Tag, w.head, made.Message, true); err != nil {
			return made, fmt.Errorf("%w; git signs with user.signingKey, and %s pins whose keys count", err, s.Product.Branches.Main)
		}
	}
	if err := s.verifyTag(ctx, w, ref, &made); err != nil {
		if again {
			return made, fmt.Errorf("tag %s is at HEAD already and does not pass, so it was not pushed: %w", made.Tag, err)
		}
		err = fmt.Errorf("the tag was made, does not pass, and was taken away again: %w", err)
		return made, errors.Join(err, w.DeleteTag(context.WithoutCancel(ctx), made.Tag))
	}
	return made, s.pushTag(ctx, w, o.Push, &made)
}

// verifyTag reads the tag that is there as the pipeline will.
func (s *Suite) verifyTag(ctx context.Context, w workplace, ref decide.Ref, made *tagged) error {
	report, err := gate.Check(ctx, w.Repo, s.Product, ref, time.Now())
	if err := errors.Join(err, report.Err()); err != nil {
		return err
	}
	if t := report.Source.Tag; t != nil && t.Signature != nil {
		made.Signer = t.Signature.Owner + " (" + t.Signature.Key + ")"
	}
	return nil
}

// pushTag pushes a tag where that is asked for, and says how it is done
// otherwise.
func (s *Suite) pushTag(ctx context.Context, w workplace, push bool, made *tagged) error {
	remote, err := s.home(ctx, w.Repo)
	if err != nil {
		return err
	}
	made.Push = fmt.Sprintf("git push %s refs/tags/%s", or(remote, "REMOTE"), made.Tag)
	if !push {
		return nil
	}
	if remote == "" {
		return fmt.Errorf("there is no remote to push %s to: `git remote add origin %s`, then `%s`", made.Tag, s.Product.Source, strings.Replace(made.Push, "REMOTE", "origin", 1))
	}
	if err := w.Push(ctx, remote, "refs/tags/"+made.Tag); err != nil {
		return fmt.Errorf("%s was made and verified, and could not be pushed; push it by hand (`%s`) or run this again: %w", made.Tag, made.Push, err)
	}
	made.Pushed = true
	return nil
}

// tagVersion reads the version to tag and counts a candidate on. The last
// candidate of the version is taken where it is among the tags that are here.
func (s *Suite) tagVersion(w workplace, text string, here []string) (decide.Version, error) {
	core, next := strings.CutSuffix(strings.TrimPrefix(text, "v"), "-rc")
	v, err := parseVersion(core)
	if err != nil || !next {
		return v, err
	}
	var tags []string
	var last decide.Version
	for _, c := range w.candidates { // ascending
		tags = append(tags, c.Tag())
		if c.Core() == v.Core() {
			last = c
		}
	}
	if !last.IsZero() && slices.Contains(here, last.Tag()) {
		return last, nil
	}
	return gate.NextCandidate(tags, v), nil
}

// tagMessage is what the policy has tags say.
func (s *Suite) tagMessage(w workplace, v decide.Version) string {
	switch {
	case v.Channel() == decide.Candidate:
		return "Release candidate " + v.String()
	case strings.HasPrefix(w.branch, s.Product.Branches.Hotfix):
		return "Hotfix " + v.Tag()
	}
	return "Release " + v.Tag()
}

// tagGates evaluates what can be known before there is a tag.
func (s *Suite) tagGates(ctx context.Context, w workplace, ref decide.Ref, why string) ([]decide.Gate, error) {
	gates, err := gate.Before(ctx, w.Repo, s.Product, ref, w.head, s.clock())
	if err != nil {
		return nil, err
	}
	version, err := cargo.ProductVersion(s.Dir, s.Product.Cargo.Package)
	if err != nil {
		return nil, err
	}
	gates = append(gates, versionGate(ref, version))
	reg, f, err := s.open(ctx, true)
	if err != nil {
		return nil, err
	}
	defer reg.close()
	more, _, err := s.releaseGates(ctx, w.Repo, ref, w.head, reg.Registry, f, why)
	return append(gates, more...), err
}

// printGates writes gates for people.
func (s *Suite) printGates(gates []decide.Gate) error {
	return s.UI.Table(s.Out, gatesHeader, gateRows(gates))
}
