package converge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Status is what registry and forge hold, and what they should.
type Status struct {
	// Stable versions and Candidates, the highest first.
	Stable     []Standing `json:"stable"`
	Candidates []Standing `json:"candidates"`
	// Tags are the rolling tags: aliases of stable versions, the most general
	// first, then edge and the last nightly.
	Tags []Pointer `json:"tags"`
	// Latest is the tag of the release that the forge shows first, and
	// LatestWant that of the one that it should show; "" for none. OwnLatest is
	// true where the forge chooses by itself.
	Latest     string `json:"latest"`
	LatestWant string `json:"latestWant"`
	OwnLatest  bool   `json:"ownLatest"`
	// Left is what is to be done to names, [Skip]s included: the difference of
	// a [Desired] without an image.
	Left []Action `json:"-"`
}

// Standing is how a version stands.
type Standing struct {
	Version decide.Version `json:"version"`
	Digest  v1.Hash        `json:"digest"`
	// Page is the forge's release page.
	Page Page `json:"page"`
	// Withdrawn is set where the version is.
	Withdrawn *intoto.Withdrawal `json:"withdrawn,omitempty"`
}

// Page is the state of a release page.
type Page string

// States of a release page.
const (
	Public  Page = "public"
	Draft   Page = "draft"
	Missing Page = "missing"
)

// Pointer is a rolling tag.
type Pointer struct {
	Tag string `json:"tag"`
	// Digest is where it stands, and Version what that is. They are zero where
	// it does not exist, and where it stands at no stable version.
	Digest  v1.Hash        `json:"digest,omitzero"`
	Version decide.Version `json:"version,omitzero"`
	// Want is the version that it should name. It is zero where the tag stays:
	// edge, nightly, and where all versions that it could name are withdrawn.
	Want decide.Version `json:"want,omitzero"`
	// Right is false where it should stand elsewhere.
	Right bool `json:"right"`
}

// Settled tells whether all is as it should be: names are right, and each
// version has a public page.
func (s Status) Settled() bool {
	unpublished := func(v Standing) bool { return v.Page != Public }
	return !Pending(s.Left) && !slices.ContainsFunc(s.Stable, unpublished) && !slices.ContainsFunc(s.Candidates, unpublished)
}

// Status looks at everything that is published. It changes nothing, and neither
// verifies proofs nor compares assets.
func (p *Publisher) Status(ctx context.Context) (Status, error) {
	want := Desired{Channel: decide.Stable}
	o := p.observer(want)
	if err := o.observe(ctx); err != nil {
		return Status{}, err
	}
	rolling := want.rolling(o.s)
	s := Status{
		Stable: standings(o.s.Published), Candidates: standings(versions(o.s.Names, decide.Candidate)),
		Tags: pointers(o.s.Names, rolling), Latest: o.s.Latest, OwnLatest: o.s.OwnLatest,
	}
	if v, ok := rolling[decide.Latest]; ok {
		s.LatestWant = want.releaseTag(v)
	}

	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.jobs())
	for _, list := range [][]Standing{s.Stable, s.Candidates} {
		for i := range list {
			g.Go(func() error { return o.stand(ctx, &list[i]) })
		}
	}
	for _, t := range s.Tags {
		g.Go(func() error { return o.tag(ctx, t.Tag) })
	}
	if err := g.Wait(); err != nil {
		return Status{}, fmt.Errorf("looking at what is published: %w", err)
	}
	var err error
	if s.Left, err = Diff(want, o.s); err != nil { // now it can name the version that stands under any tag
		return Status{}, err
	}
	for i := range s.Tags {
		t := &s.Tags[i]
		t.Digest = o.s.Tags[t.Tag]
		t.Version = o.s.version(t.Digest)
		t.Right = t.Want.IsZero() || t.Digest == o.s.Tags[t.Want.Image()]
	}
	return s, nil
}

// standings lists versions, the highest first.
func standings(all []decide.Version) []Standing {
	out := []Standing{}
	for _, v := range slices.Backward(all) {
		out = append(out, Standing{Version: v})
	}
	return out
}

// stand asks how a version stands.
func (o *observer) stand(ctx context.Context, s *Standing) error {
	if err := o.tag(ctx, s.Version.Image()); err != nil {
		return err
	}
	o.set(func(have *State) { s.Digest = have.Tags[s.Version.Image()] })
	r, err := o.Forge.Page(ctx, s.Version.Tag())
	if err != nil {
		return err
	}
	switch {
	case r == nil:
		s.Page = Missing
	case r.Draft:
		s.Page = Draft
	default:
		s.Page = Public
	}
	if o.Withdrawn == nil || s.Version.Channel() != decide.Stable {
		return nil
	}
	w, err := o.Withdrawn(ctx, s.Digest)
	if w.Stands() {
		s.Withdrawn = w
	}
	return err
}

// pointers lists the rolling tags that there are, or should be.
func pointers(names []string, rolling map[string]decide.Version) []Pointer {
	out := []Pointer{}
	for _, tag := range slices.Backward(decide.RollingOrder(rolling)) {
		out = append(out, Pointer{Tag: tag, Want: rolling[tag]})
	}
	nightly := ""
	for _, tag := range slices.Sorted(slices.Values(names)) {
		if _, ok := rolling[tag]; !ok && (aliasForm.MatchString(tag) || tag == "edge") {
			out = append(out, Pointer{Tag: tag})
		}
		if strings.HasPrefix(tag, "nightly-") {
			nightly = tag
		}
	}
	if nightly != "" {
		out = append(out, Pointer{Tag: nightly})
	}
	return out
}
