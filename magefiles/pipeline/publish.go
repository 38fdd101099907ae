package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// publish brings registry and forge to where the bundle says, and proves the
// result: what the image had to pass has to be attested on it. A dry run only
// compares.
func (s *Suite) publish(ctx context.Context, ui runner, b *bundle.Bundle, from start, reg *registry.Registry, f forge.Forge, trust verify.Trust, o Order) (outcome, error) {
	var tags []decide.Tag
	for _, t := range from.plan.Tags {
		tags = append(tags, t.Tag)
	}
	notes, err := s.bundleNotes(b, from)
	if err != nil {
		return outcome{}, err
	}
	want, err := converge.Want(b, tags, converge.Extras{
		Name: s.Product.Title + " " + from.plan.Ref.Name, Notes: notes, Why: o.Why,
		Statements: s.Product.Forge.Attestations,
	})
	if err != nil {
		return outcome{}, err
	}
	if err := keepSums(ctx, b, f, want); err != nil {
		return outcome{}, err
	}
	out := outcome{Plan: from.plan, Source: from.source, Digest: want.Image}
	p := s.publisher(reg, f, trust, func(v decide.Version) verify.Expect {
		if v.IsZero() || v.Compare(from.plan.Ref.Version) == 0 {
			return verify.Expect{Source: s.Product.Source, Commit: from.plan.Commit, Ref: from.source.FullRef, Require: from.plan.Tries}
		}
		return s.expectTag(v)
	})
	p.Ancestor = from.repo.IsAncestor
	p.Differs = func(ctx context.Context, mine, theirs v1.Hash) string { return differs(ctx, b, reg, theirs) }
	if o.DryRun {
		return out, ui.Run(ctx, "compare with what is published", func(ctx context.Context, step *term.Step) error {
			have, err := p.Observe(ctx, want)
			if err != nil {
				return err
			}
			out.Actions, err = converge.Diff(want, have)
			step.Detail("%d actions, %s to send", len(out.Actions), term.Bytes(converge.Bytes(out.Actions)))
			return err
		})
	}
	err = ui.Run(ctx, "publish", func(ctx context.Context, step *term.Step) error {
		sent := &sum{}
		p.Watch.Sent = func(n int64) { step.Progress(sent.add(n), 0) }
		done, err := p.Converge(ctx, want)
		if err != nil {
			return err
		}
		out.Actions, out.Moved, out.Sent = done.Done, moved(done.Done), reg.Stats()
		result, ok := done.Proofs[want.Image]
		if !ok { // nothing had to be verified on the way
			if result, err = p.Verify(ctx, want.Image, from.plan.Ref.Version); err != nil {
				return err
			}
		}
		out.Report = result.Report
		step.Detail("moved: %s", out.moved())
		return nil
	})
	if err != nil || !converge.Pending(out.Actions) {
		return out, err
	}
	return out, ui.Run(ctx, "look again", func(ctx context.Context, step *term.Step) error {
		have, err := p.Observe(ctx, want)
		if err != nil {
			return err
		}
		left, err := converge.Diff(want, have)
		if err != nil {
			return err
		}
		if converge.Pending(left) {
			return fmt.Errorf("published, but not as it should be; run it again. Left to do: %s", left[0])
		}
		step.Detail("registry and releases are as they should be")
		return nil
	})
}

// publisher gives what brings registry and forge to where they should be: what
// it publishes verifies by whom is trusted, as far as expect says.
func (s *Suite) publisher(reg *registry.Registry, f forge.Forge, trust verify.Trust, expect func(decide.Version) verify.Expect) *converge.Publisher {
	return &converge.Publisher{
		Registry: reg, Forge: f,
		Verify: func(ctx context.Context, digest v1.Hash, v decide.Version) (verify.Result, error) {
			options, err := reg.Remote(ctx)
			if err != nil {
				return verify.Result{}, err
			}
			return verify.Image(ctx, reg.Digest(digest), trust, expect(v), options...)
		},
		Withdrawn: func(ctx context.Context, digest v1.Hash) (*intoto.Withdrawal, error) {
			options, err := reg.Remote(ctx)
			if err != nil {
				return nil, err
			}
			return verify.Withdrawals(ctx, reg.Digest(digest), trust, options...)
		},
	}
}

// expectTag is what the provenance of a published version has to name.
func (s *Suite) expectTag(v decide.Version) verify.Expect {
	return verify.Expect{Source: s.Product.Source, Ref: "refs/tags/" + v.Tag()}
}

// differs says what differs between the bundle's image and another one.
func differs(ctx context.Context, b *bundle.Bundle, reg *registry.Registry, theirs v1.Hash) string {
	mine, err := image.Open(b)
	if err != nil {
		return ""
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return ""
	}
	other, err := remote.Index(reg.Digest(theirs), append(options, remote.WithContext(ctx))...)
	if err != nil {
		return ""
	}
	said, err := image.Diff(ctx, mine, other)
	if err != nil {
		return ""
	}
	return strings.Join(said, "; ")
}

// tagRef is the full ref of a git tag, which may be named in full already.
func tagRef(tag string) string {
	return "refs/tags/" + strings.TrimPrefix(tag, "refs/tags/")
}

// refName is a branch's or tag's name, for people.
func refName(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

// meant is what a tag of an image stands for: a version's own tag for the
// release of that version, "latest" and the tags of lines for a stable release,
// others for nothing in particular.
func meant(tag string) (ref, channel string) {
	if v, err := decide.ParseVersion(tag); err == nil {
		return "refs/tags/" + v.Tag(), ""
	}
	if tag == "latest" || lineForm.MatchString(tag) {
		return "", string(decide.Stable)
	}
	return "", ""
}

// lineForm is a tag such as "1" or "1.2".
var lineForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// moved names the tags that were made or moved.
func moved(actions []converge.Action) []string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case converge.CreateTag:
			out = append(out, a.Tag)
		case converge.MoveTag:
			out = append(out, a.Tag)
		}
	}
	return out
}

// VerifyQuery asks for the proof of a published image. Key, Commit and Tag may
// be empty.
type VerifyQuery struct {
	Image, Key, Commit, Tag string
	// Identity is a certificate's subject, Issuer who vouches for it; TrustedRoot
	// the file with the authorities that count (default: what the checkout pins,
	// or the public good instance's).
	Identity, Issuer, TrustedRoot string
	// Require names what the image must have passed: see [verify.Require].
	Require []string
	// Attest signs what came of it, where it passed, and attaches that.
	Attest bool
	JSON   bool
}

// Verify proves an image from the registry alone.
func (s *Suite) Verify(ctx context.Context, q VerifyQuery) error {
	ref, err := name.ParseReference(q.Image, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("%q is no image: want a full reference by tag or digest, such as %s:1.2.3 (%w)", q.Image, s.Product.Image.Repository, err)
	}
	trust, err := s.trustedBy(q)
	if err != nil {
		return err
	}
	reg, err := s.dial(ref.Context().Name(), !q.Attest)
	if err != nil {
		return err
	}
	d, ok, err := reg.Head(ctx, ref.Identifier())
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s does not exist in the registry", ref)
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return err
	}
	expect := verify.Expect{Source: s.Product.Source, Commit: q.Commit, Require: q.Require}
	if q.Tag != "" {
		expect.Ref = tagRef(q.Tag)
	} else if tag, ok := ref.(name.Tag); ok {
		expect.Ref, expect.Channel = meant(tag.TagStr())
	}
	result, err := verify.Image(ctx, reg.Digest(d.Digest), trust, expect, options...)
	if err == nil && q.Attest {
		if err = s.summarise(ctx, reg, d.Digest, expect, &result.Report); err != nil {
			return err
		}
	}
	if len(result.Report.Checks) > 0 {
		if printed := s.printReport(result.Report, q.JSON); printed != nil {
			return printed
		}
	}
	return err
}
