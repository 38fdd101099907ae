package converge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// RevisionKey is the annotation of an index that names its commit (OCI image
// spec).
const RevisionKey = "org.opencontainers.image.revision"

// State is what is in the registry and on the forge, as far as a [Desired]
// asks.
type State struct {
	// Manifests and Blobs that are there. Blobs of manifests that are there
	// count as there.
	Manifests, Blobs map[v1.Hash]bool
	// Tags that exist, with their digests.
	Tags map[string]v1.Hash
	// Names are all the tags that the registry lists.
	Names []string
	// Published are the stable versions among them.
	Published []decide.Version
	// Withdrawn are those among them that are withdrawn, as far as a rolling
	// tag would name them.
	Withdrawn []decide.Version
	// Unlisted are the wanted referrers that their subject does not show,
	// neither through the referrers API nor under the fallback tag.
	Unlisted map[v1.Hash][]v1.Descriptor
	// Untagged are the proof tags that lack some of their layers.
	Untagged map[string]bool
	// Edge says of a forward tag at another digest whether it may be moved.
	Edge map[string]Position
	// Differs says what differs between this build and the one under the
	// commit's tag.
	Differs string
	// Release is the forge's release of this tag, nil where there is none.
	Release *forge.Release
	// Latest is the tag of the release that the forge shows first, and
	// LatestPublic tells whether the one that it should show is public.
	Latest       string
	LatestPublic bool
	// OwnLatest is true where the forge chooses by itself which one that is.
	OwnLatest bool
	// Notes are those of the public releases that are to be amended, by tag.
	Notes map[string]string
	// Keeps is true where the forge keeps statements, and Kept has the ids of
	// those that it has.
	Keeps bool
	Kept  map[string]bool
}

// Position is where a forward tag stands.
type Position struct {
	// Commit is the revision of what it points at, "" where it names none.
	Commit string
	// Behind is true where that is this commit or an ancestor of it, or is not
	// known to be anything else.
	Behind bool
}

// Observe looks at registry and forge. It changes nothing.
func (p *Publisher) Observe(ctx context.Context, want Desired) (State, error) {
	o := p.observer(want)
	if err := o.observe(ctx); err != nil {
		return State{}, err
	}
	return o.s, nil
}

type observer struct {
	*Publisher
	want Desired
	mu   sync.Mutex
	s    State
	// asked are the tags that were looked at.
	asked map[string]bool
}

func (p *Publisher) observer(want Desired) *observer {
	return &observer{Publisher: p, want: want, asked: map[string]bool{}, s: State{
		Manifests: map[v1.Hash]bool{}, Blobs: map[v1.Hash]bool{}, Tags: map[string]v1.Hash{},
		Unlisted: map[v1.Hash][]v1.Descriptor{}, Untagged: map[string]bool{}, Edge: map[string]Position{},
		Notes: map[string]string{}, Kept: map[string]bool{},
	}}
}

func (o *observer) observe(ctx context.Context) error {
	if err := o.Registry.Connect(ctx); err != nil {
		return err
	}
	for _, round := range []func(context.Context, *errgroup.Group){o.first, o.second} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(o.jobs())
		round(ctx, g)
		if err := g.Wait(); err != nil {
			return fmt.Errorf("looking at what is published: %w", err)
		}
	}
	return nil
}

func (o *observer) set(f func(*State)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(&o.s)
}

// state gives what is known so far.
func (o *observer) state() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.s
}

// first asks what depends on nothing else.
func (o *observer) first(ctx context.Context, g *errgroup.Group) {
	for _, m := range o.want.Manifests {
		g.Go(func() error {
			_, ok, err := o.Registry.Head(ctx, m.Digest.String())
			o.set(func(s *State) { s.Manifests[m.Digest] = ok })
			return err
		})
	}
	for _, tag := range slices.Concat(o.want.Immutable, o.want.Forward) {
		g.Go(func() error { return o.tag(ctx, tag) })
	}
	subjects, referrers := o.want.subjects()
	for _, h := range subjects {
		g.Go(func() error {
			lacking, _, err := o.unlisted(ctx, h, referrers[h])
			if len(lacking) > 0 {
				o.set(func(s *State) { s.Unlisted[h] = lacking })
			}
			return err
		})
	}
	for _, m := range o.want.Manifests {
		if m.Tag == "" {
			continue
		}
		g.Go(func() error {
			_, lacking, err := o.Publisher.untagged(ctx, m)
			if len(lacking) > 0 {
				o.set(func(s *State) { s.Untagged[m.Tag] = true })
			}
			return err
		})
	}
	if o.want.Channel == decide.Stable {
		g.Go(func() error {
			names, err := o.Registry.Tags(ctx)
			o.set(func(s *State) { s.Names, s.Published = names, versions(names, decide.Stable) })
			return err
		})
		g.Go(func() error {
			latest, err := o.Forge.Latest(ctx)
			own := errors.Is(err, forge.ErrOwnLatest)
			o.set(func(s *State) { s.Latest, s.OwnLatest = latest, own })
			if own {
				return nil
			}
			return err
		})
	}
	for tag := range o.want.Amend {
		g.Go(func() error {
			r, err := o.Forge.Page(ctx, tag)
			if r != nil && !r.Draft {
				o.set(func(s *State) { s.Notes[tag] = r.Notes })
			}
			return err
		})
	}
	o.statements(ctx, g)
	if r := o.want.Release; r != nil {
		g.Go(func() error {
			found, err := o.Forge.Find(ctx, r.Tag)
			o.set(func(s *State) { s.Release = found })
			return err
		})
	}
}

// second asks what depends on the first answers.
func (o *observer) second(ctx context.Context, g *errgroup.Group) {
	asked, tags := map[v1.Hash]bool{}, maps.Clone(o.s.Tags)
	for _, m := range o.want.Manifests {
		if o.s.Manifests[m.Digest] {
			for _, b := range m.Blobs {
				asked[b.Digest] = true
				o.s.Blobs[b.Digest] = true
			}
		}
	}
	for _, m := range o.want.Manifests {
		for _, b := range m.Blobs {
			if asked[b.Digest] {
				continue
			}
			asked[b.Digest] = true
			g.Go(func() error {
				ok, err := o.Registry.HasBlob(ctx, b.Digest)
				o.set(func(s *State) { s.Blobs[b.Digest] = ok })
				return err
			})
		}
	}
	g.Go(func() error { return o.rolling(ctx) })
	for _, tag := range o.want.Forward {
		if h, ok := tags[tag]; ok && h != o.want.Image {
			g.Go(func() error { return o.edge(ctx, tag, h) })
		}
	}
	if h, ok := tags[decide.CommitTag(o.want.Commit)]; ok && h != o.want.Image && o.Differs != nil &&
		slices.Contains(o.want.Immutable, decide.CommitTag(o.want.Commit)) {
		g.Go(func() error {
			text := o.Differs(ctx, o.want.Image, h)
			o.set(func(s *State) { s.Differs = text })
			return nil
		})
	}
}

// aliases looks where the rolling tags stand, and whether the release that the
// forge should show first is there.
func (o *observer) aliases(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.jobs())
	rolling := o.want.rolling(o.state())
	for alias := range rolling {
		g.Go(func() error { return o.tag(ctx, alias) })
	}
	if v, ok := rolling[decide.Latest]; ok {
		tag := o.want.releaseTag(v)
		if o.s.Latest != tag && (o.want.Release == nil || tag != o.want.Release.Tag) {
			g.Go(func() error {
				r, err := o.Forge.Page(ctx, tag)
				o.set(func(s *State) { s.LatestPublic = r != nil && !r.Draft })
				return err
			})
		}
	}
	return g.Wait()
}

// tag asks once where a tag stands.
func (o *observer) tag(ctx context.Context, tag string) error {
	asked := false
	o.set(func(s *State) { asked, o.asked[tag] = o.asked[tag], true })
	if asked {
		return nil
	}
	d, ok, err := o.Registry.Head(ctx, tag)
	if ok {
		o.set(func(s *State) { s.Tags[tag] = d.Digest })
	}
	return err
}

// edge finds out whether a forward tag is behind this commit.
func (o *observer) edge(ctx context.Context, tag string, h v1.Hash) error {
	raw, _, ok, err := o.Registry.Manifest(ctx, h.String())
	if err != nil {
		return err
	}
	var c content
	if ok {
		if err := json.Unmarshal(raw, &c); err != nil {
			return fmt.Errorf("reading what tag %s points at: %w", tag, err)
		}
	}
	at := Position{Commit: c.Annotations[RevisionKey], Behind: true}
	if at.Commit != "" && at.Commit != o.want.Commit {
		if o.Ancestor == nil {
			return fmt.Errorf("tag %s stands at commit %s and there is no history to look at", tag, at.Commit)
		}
		if at.Behind, err = o.Ancestor(ctx, at.Commit, o.want.Commit); err != nil {
			return fmt.Errorf("finding out whether tag %s (commit %s) is behind %s: %w", tag, at.Commit, o.want.Commit, err)
		}
	}
	o.set(func(s *State) { s.Edge[tag] = at })
	return nil
}

// versions picks those of a channel out of a list of tags, the lowest first.
func versions(tags []string, channel decide.Channel) []decide.Version {
	var out []decide.Version
	for _, t := range tags {
		if v, err := decide.ParseVersion(t); err == nil && v.Channel() == channel {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, decide.Version.Compare)
	return out
}
