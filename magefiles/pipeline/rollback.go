package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// RollbackOrder asks to withdraw a stable version, or to take that back.
type RollbackOrder struct {
	Version string
	// Reason is one sentence for users; a withdrawal needs it.
	Reason string
	// Use is the version to use instead (default: where the version's line, or
	// else latest, points then).
	Use string
	// Restore takes a withdrawal back.
	Restore bool
	DryRun  bool
	JSON    bool
}

// rolledBack is the record of a roll-back.
type rolledBack struct {
	Version   decide.Version `json:"version"`
	Digest    string         `json:"digest"`
	Withdrawn bool           `json:"withdrawn"`
	Reason    string         `json:"reason,omitempty"`
	// Use is the version to use instead, UseDigest its image.
	Use       decide.Version `json:"use,omitzero"`
	UseDigest string         `json:"useDigest,omitempty"`
	// Before says where each rolling tag stood that was moved.
	Before  map[string]string `json:"before"`
	Moved   []string          `json:"moved"`
	Actions []string          `json:"actions"`
	// Changelog is the commit with the incident, or the patch to apply.
	Changelog string `json:"changelog,omitempty"`
	// Notice is the file with the text for users.
	Notice string `json:"notice,omitempty"`
	// led are the rolling tags that would name the version, and name the one to
	// use instead.
	led []string
	// news is true where something was changed, or would be.
	news bool
}

// Rollback withdraws a stable version, or restores it, and prints what came of
// it.
func (s *Suite) Rollback(ctx context.Context, o RollbackOrder) error {
	out, err := s.rollback(ctx, s.UI, o)
	if err != nil {
		return err
	}
	switch {
	case o.JSON:
		return s.printJSON(out)
	case o.DryRun:
		if !out.news {
			out.Actions = append(out.Actions, out.nothing())
		}
		_, err := fmt.Fprintln(s.Out, strings.Join(out.Actions, "\n"))
		return err
	}
	rows := [][]string{{"version", out.Version.String()}, {"image", out.Digest}}
	if out.Withdrawn {
		rows = append(rows, []string{"reason", out.Reason}, []string{"use instead", out.Use.String()})
	}
	if !out.news {
		s.UI.Println("%s", out.nothing())
	}
	rows = append(rows, []string{"tags moved", or(strings.Join(out.Moved, ", "), "none")})
	for _, tag := range out.Moved {
		rows = append(rows, []string{tag + " was at", out.Before[tag]})
	}
	switch main := s.Product.Branches.Main; {
	case out.Changelog == "":
	case strings.HasSuffix(out.Changelog, ".patch"):
		rows = append(rows, []string{"changelog", "on " + main + ": git apply " + out.Changelog})
	default:
		rows = append(rows, []string{"changelog", "commit " + short(out.Changelog) + " on " + main + ", to be pushed"})
	}
	if out.Notice != "" {
		rows = append(rows, []string{"notice", out.Notice}, []string{"next", "go run . release:announce -tag=" + out.Version.Tag()})
	}
	return s.UI.Table(s.Out, []string{out.state(), ""}, rows)
}

func (r rolledBack) state() string {
	if r.Withdrawn {
		return "withdrawn"
	}
	return "not withdrawn"
}

// nothing says why there is nothing to do.
func (r rolledBack) nothing() string {
	return fmt.Sprintf("Nothing to do: %s is %s, and tags, release page and changelog say so.", r.Version.Tag(), r.state())
}

// rollback signs what is said of the version, publishes it, and lets the
// rolling tags follow. Everything that can be refused is refused before
// anything is written; done again it finishes what is missing.
func (s *Suite) rollback(ctx context.Context, ui runner, o RollbackOrder) (rolledBack, error) {
	v, err := parseVersion(o.Version)
	if err != nil {
		return rolledBack{}, err
	}
	out := rolledBack{Version: v, Withdrawn: !o.Restore, Reason: strings.Join(strings.Fields(o.Reason), " "), Before: map[string]string{}}
	if v.Channel() != decide.Stable {
		return out, fmt.Errorf("%s is a candidate: no rolling tag names it, so there is nothing to roll back; fix it in the next candidate", v)
	}
	if out.Withdrawn && out.Reason == "" {
		return out, errors.New("-reason=\"…\" is missing: users are told why they should not use the version")
	}
	reg, f, err := s.open(ctx, o.DryRun)
	if err != nil {
		return out, err
	}
	defer reg.close()
	var signer attest.Signer
	var p *converge.Publisher
	var want converge.Desired
	var incident incident
	err = ui.Run(ctx, "what would follow", func(ctx context.Context, step *term.Step) (err error) {
		trust, err := s.trust()
		if err != nil {
			return err
		}
		if signer, err = s.signer(ctx, trust, "", o.DryRun); err != nil {
			return err
		}
		p = s.publisher(reg.Registry, f, trust, s.expectTag)
		if want, err = s.wanted(ctx, p, signer, o.Use, &out); err != nil {
			return err
		}
		incident, err = s.incident(ctx, v, out)
		step.Detail("%s", out.Digest)
		return err
	})
	if err != nil {
		return out, err
	}
	if o.DryRun {
		have, err := p.Observe(ctx, want)
		if err != nil {
			return out, err
		}
		actions, err := converge.Diff(want, have)
		out.did(actions)
		if would := s.would(incident, out); would != "" {
			out.Actions, out.news = append(out.Actions, would), true
		}
		return out, err
	}
	err = ui.Run(ctx, "registry and release page", func(ctx context.Context, step *term.Step) error {
		done, err := p.Converge(ctx, want)
		out.did(done.Done)
		step.Detail("moved: %s", or(strings.Join(out.Moved, " "), "nothing"))
		return err
	})
	if err != nil { // where the tags stood before that were moved is told all the same
		return out, errors.Join(err, s.recordRollback(out))
	}
	return out, ui.Run(ctx, "changelog, notice and record", func(ctx context.Context, _ *term.Step) error {
		if out.Changelog, err = s.tell(ctx, incident, out); err != nil {
			return err
		}
		out.news = out.news || out.Changelog != ""
		if out.Withdrawn {
			if out.Notice, err = s.writeNotice(out); err != nil {
				return err
			}
		}
		return s.recordRollback(out)
	})
}

// wanted says what should be once the version is withdrawn or restored.
func (s *Suite) wanted(ctx context.Context, p *converge.Publisher, signer attest.Signer, asked string, out *rolledBack) (converge.Desired, error) {
	v := out.Version
	want := converge.Desired{Channel: decide.Stable}
	d, ok, err := p.Registry.Head(ctx, v.Image())
	if err != nil {
		return want, err
	}
	if !ok {
		return want, fmt.Errorf("%s is not published in %s: there is nothing to withdraw or restore", v, p.Registry.Repository())
	}
	out.Digest = d.Digest.String()
	page, err := p.Forge.Page(ctx, v.Tag())
	if err != nil {
		return want, err
	}
	if page == nil || page.Draft {
		return want, fmt.Errorf("release %s is not public on the forge: finish it first (release:stable -tag=%s), then withdraw it", v.Tag(), v.Tag())
	}
	said, err := p.Withdrawn(ctx, d.Digest)
	if err != nil {
		return want, err
	}
	statement := intoto.Withdrawal{Version: v.String(), Withdrawn: out.Withdrawn, Reason: out.Reason, When: s.clock()}
	if out.Withdrawn {
		status, err := p.Status(ctx)
		if err != nil {
			return want, err
		}
		use, err := instead(status, v, asked)
		if err != nil {
			return want, err
		}
		out.Use, out.UseDigest = use.Version, use.Digest.String()
		out.led = led(status, v, use.Version)
		statement.Use = out.Use.String()
		want.Withdrawn = []decide.Version{v}
		want.Amend = map[string]func(string) string{v.Tag(): func(notes string) string { return record.Deprecate(notes, out.Reason, out.Use.String()) }}
	} else {
		statement.Reason = or(statement.Reason, "the withdrawal was taken back")
		want.Restored = []decide.Version{v}
		want.Amend = map[string]func(string) string{v.Tag(): record.Undeprecate}
	}
	next, news := statement.After(said)
	if !news {
		return want, nil
	}
	raw, full, ok, err := p.Registry.Manifest(ctx, d.Digest.String())
	if err != nil || !ok {
		return want, errors.Join(err, fmt.Errorf("manifest %s is gone from the registry", d.Digest))
	}
	subject := v1.Descriptor{MediaType: full.MediaType, Digest: d.Digest, Size: int64(len(raw))}
	proof, err := attest.Withdrawal(ctx, signer, s.Product.Proofs, subject, next)
	if err != nil {
		return want, err
	}
	what := "withdrawal of " + v.String()
	if !out.Withdrawn {
		what = "return of " + v.String()
	}
	m, err := converge.Proof(what, proof.Manifest, proof.Tag, proof.Blobs...)
	want.Manifests = []converge.Manifest{m}
	return want, err
}

// instead picks the version that users should go to, and refuses where there is
// none.
func instead(status converge.Status, v decide.Version, asked string) (converge.Standing, error) {
	var best converge.Standing
	var left []string
	for _, o := range status.Stable { // the highest first
		if o.Withdrawn != nil || o.Version.Compare(v) == 0 {
			continue
		}
		left = append(left, o.Version.String())
		if asked != "" && o.Version.String() == strings.TrimPrefix(asked, "v") {
			return o, nil
		}
		if best.Version.IsZero() || best.Version.Line() != v.Line() && o.Version.Line() == v.Line() {
			best = o
		}
	}
	switch {
	case best.Version.IsZero():
		return best, fmt.Errorf("%s is the only stable version that is not withdrawn: nothing would be left for the rolling tags to name; publish a fixed version first", v)
	case asked != "":
		return best, fmt.Errorf("-use=%s is no published stable version that is not withdrawn: want one of %s", asked, strings.Join(left, ", "))
	}
	return best, nil
}
