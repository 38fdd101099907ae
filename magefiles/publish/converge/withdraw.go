package converge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Withdrawn reads from the registry what was said of an index after it was
// published, nil where nothing was. It must ask anew each time: what it says
// may change while a release is at work.
type Withdrawn func(ctx context.Context, digest v1.Hash) (*intoto.Withdrawal, error)

// Proof makes a manifest to publish from a proof that lies in no bundle, such
// as a withdrawal of what is in the registry already. What says in a few words
// what it is, blobs are config and layers, tag is where it is found, "" where it
// refers to its subject.
func Proof(what string, raw []byte, tag string, blobs ...[]byte) (Manifest, error) {
	fail := func(err error) (Manifest, error) { return Manifest{}, fmt.Errorf("reading the %s: %w", what, err) }
	var c content
	if err := json.Unmarshal(raw, &c); err != nil {
		return fail(err)
	}
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return fail(err)
	}
	m := Manifest{Digest: h, MediaType: c.MediaType, Raw: raw, What: what, Tag: tag, Proof: true}
	for i, part := range c.parts() {
		at := slices.IndexFunc(blobs, func(b []byte) bool {
			h, _, err := v1.SHA256(bytes.NewReader(b))
			return err == nil && h == part.Digest
		})
		if at < 0 {
			return fail(fmt.Errorf("its blob %s is missing", part.Digest))
		}
		m.Blobs = append(m.Blobs, Blob{Digest: part.Digest, Size: part.Size, What: c.partOf(i, what), data: blobs[at]})
	}
	if c.Subject == nil && tag == "" {
		return fail(errors.New("it has neither a subject nor a tag: nobody would find it"))
	}
	m.refer(c)
	return m, nil
}

// withdrawn are the versions that no rolling tag may name. Known are those that
// the registry says are withdrawn.
func (d Desired) withdrawn(known []decide.Version) []decide.Version {
	return slices.DeleteFunc(slices.Concat(known, d.Withdrawn), func(v decide.Version) bool { return among(d.Restored, v) })
}

func among(all []decide.Version, v decide.Version) bool {
	return slices.ContainsFunc(all, func(o decide.Version) bool { return o.Compare(v) == 0 })
}

// rolling finds out where the aliases of stable versions belong, and where they
// stand.
func (o *observer) rolling(ctx context.Context) error {
	err := o.side(ctx, slices.Concat(o.want.Withdrawn, o.want.Restored), func(ctx context.Context, v decide.Version) error {
		return o.tag(ctx, v.Image())
	})
	if err != nil {
		return err
	}
	if err := o.withdrawals(ctx); err != nil {
		return err
	}
	return o.aliases(ctx)
}

// side asks about versions side by side.
func (o *observer) side(ctx context.Context, versions []decide.Version, ask func(context.Context, decide.Version) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.jobs())
	for _, v := range versions {
		g.Go(func() error { return ask(ctx, v) })
	}
	return g.Wait()
}

// withdrawals finds out which versions are withdrawn. Asked are those alone
// that an alias would name, and the ones given; where one is withdrawn, the
// aliases fall to others, which are asked then.
func (o *observer) withdrawals(ctx context.Context, fresh ...decide.Version) error {
	var asked []decide.Version
	for {
		for _, v := range o.want.rolling(o.state()) {
			if !among(asked, v) && !among(fresh, v) {
				fresh = append(fresh, v)
			}
		}
		if len(fresh) == 0 {
			break
		}
		if err := o.side(ctx, fresh, o.version); err != nil {
			return err
		}
		asked, fresh = append(asked, fresh...), nil
	}
	slices.SortFunc(o.s.Withdrawn, decide.Version.Compare)
	return nil
}

// WithdrawnFor gives those of the published stable versions that are withdrawn,
// as far as that decides which rolling tags the release of v gets, and v itself
// where it is. It asks as little as a release of v does.
func (p *Publisher) WithdrawnFor(ctx context.Context, v decide.Version, published []decide.Version) ([]decide.Version, error) {
	o := p.observer(Desired{Channel: decide.Stable, Version: v})
	o.s.Published = published
	if err := o.withdrawals(ctx, v); err != nil {
		return nil, fmt.Errorf("looking which versions are withdrawn: %w", err)
	}
	return o.s.Withdrawn, nil
}

// version asks where a stable version's own tag stands, and whether that is
// withdrawn.
func (o *observer) version(ctx context.Context, v decide.Version) error {
	if err := o.tag(ctx, v.Image()); err != nil {
		return err
	}
	var h v1.Hash
	o.set(func(s *State) {
		h = s.Tags[v.Image()]
		if v.Compare(o.want.Version) == 0 && s.Manifests[o.want.Image] {
			h = o.want.Image
		}
	})
	if o.Withdrawn == nil || h == (v1.Hash{}) || among(o.want.Restored, v) {
		return nil
	}
	w, err := o.Withdrawn(ctx, h)
	if err == nil && w.Stands() {
		o.set(func(s *State) { s.Withdrawn = append(s.Withdrawn, v) })
	}
	return err
}

// withdrawals holds what is withdrawn or restored in this run against the
// registry.
func (d *differ) withdrawals() error {
	for _, v := range slices.Concat(d.want.Withdrawn, d.want.Restored) {
		if _, ok := d.have.Tags[v.Image()]; !ok {
			return fmt.Errorf("version %s is not in the registry: there is nothing to withdraw or restore", v)
		}
	}
	return nil
}

// confirm has the registry show what is said of versions before any tag follows
// it.
func (d *differ) confirm() {
	for _, v := range d.want.Withdrawn {
		d.add(Confirm{v, d.have.Tags[v.Image()], true})
	}
	for _, v := range d.want.Restored {
		d.add(Confirm{v, d.have.Tags[v.Image()], false})
	}
}

// amend changes the notes of public releases.
func (d *differ) amend() {
	for _, tag := range slices.Sorted(maps.Keys(d.want.Amend)) {
		notes, public := d.have.Notes[tag]
		if !public {
			d.add(Skip{"the notes of release " + tag + " stay", "it is not public"})
		} else if text := d.want.Amend[tag](notes); !forge.SameNotes(text, notes) {
			d.add(AmendRelease{tag, text})
		}
	}
}

// Confirm reads what the registry says of a version: withdrawn, or not. Before
// it does no tag is moved for that reason, since the next release would move it
// back.
type Confirm struct {
	Version   decide.Version
	Digest    v1.Hash
	Withdrawn bool
}

func (a Confirm) String() string {
	state := "withdrawn"
	if !a.Withdrawn {
		state = "not withdrawn"
	}
	return fmt.Sprintf("see that the registry shows %s (%s) as %s", short(a.Digest), a.Version, state)
}
func (Confirm) rank() int { return rankVerify }
func (a Confirm) do(ctx context.Context, r *run) error {
	if r.Withdrawn == nil {
		return nil
	}
	w, err := r.Withdrawn(ctx, a.Digest)
	if err == nil && w.Stands() != a.Withdrawn {
		err = errors.New("it does not, so no tag was moved: run this again, and where that does not help see whether the statement is signed by the key that this product's releases are verified with")
	}
	return err
}

// standing asks once a run, when the first tag is about to move there, whether
// a version was withdrawn since the registry was looked at.
func (r *run) standing(ctx context.Context, tag string, v decide.Version, h v1.Hash) error {
	if r.Withdrawn == nil || v.IsZero() {
		return nil
	}
	r.mu.Lock()
	asked := r.asked[h]
	r.mu.Unlock()
	if asked {
		return nil
	}
	w, err := r.Withdrawn(ctx, h)
	if err != nil {
		return err
	}
	if w.Stands() {
		return &WithdrawnError{tag, v, w.Reason}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[h] = true
	return nil
}

// version names what stands under a digest, the highest where there are
// several; the zero value where that is not known.
func (s State) version(h v1.Hash) decide.Version {
	var found []decide.Version
	for _, v := range s.Published {
		if h != (v1.Hash{}) && s.Tags[v.Image()] == h {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return decide.Version{}
	}
	return slices.MaxFunc(found, decide.Version.Compare)
}
