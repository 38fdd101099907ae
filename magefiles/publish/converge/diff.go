package converge

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Diff says what is to be done, in the order in which it is done. It is a pure
// function: the same two arguments give the same actions. Nothing to do is an
// empty list, or one of [Skip]s alone. What must not be done is an error: a
// [*TagError], a [*CommitTagError], or a [*forge.ConflictError].
func Diff(want Desired, have State) ([]Action, error) {
	d := differ{want: want, have: have}
	if err := d.withdrawals(); err != nil {
		return nil, err
	}
	d.content()
	d.statements()
	if err := d.immutable(); err != nil {
		return nil, err
	}
	if err := d.release(); err != nil {
		return nil, err
	}
	d.forward()
	if err := d.rolling(); err != nil {
		return nil, err
	}
	d.amend()
	d.proofs()
	slices.SortStableFunc(d.out, func(a, b Action) int { return cmp.Compare(a.rank(), b.rank()) })
	return d.out, nil
}

// Pending tells whether any action changes something.
func Pending(actions []Action) bool {
	return slices.ContainsFunc(actions, func(a Action) bool { _, skip := a.(Skip); return !skip })
}

// Bytes is what the actions send.
func Bytes(actions []Action) int64 {
	var n int64
	for _, a := range actions {
		switch a := a.(type) {
		case SendBlob:
			n += a.Blob.Size
		case UploadAsset:
			n += a.Asset.Size
		}
	}
	return n
}

type differ struct {
	want Desired
	have State
	out  []Action
}

func (d *differ) add(a ...Action) { d.out = append(d.out, a...) }

// content is blobs, manifests and the lists of referrers.
func (d *differ) content() {
	sent := map[v1.Hash]bool{}
	for _, m := range d.want.Manifests {
		if m.Tag != "" && d.have.Untagged[m.Tag] {
			d.add(TagProofs{m})
		}
		if d.have.Manifests[m.Digest] {
			continue
		}
		for _, b := range m.Blobs {
			if !d.have.Blobs[b.Digest] && !sent[b.Digest] {
				sent[b.Digest] = true
				d.add(SendBlob{b})
			}
		}
		d.add(PutManifest{m})
	}
	subjects, referrers := d.want.subjects()
	for _, h := range subjects {
		if len(d.have.Unlisted[h]) > 0 {
			d.add(ListReferrers{h, referrers[h]})
		}
	}
}

func (d *differ) immutable() error {
	for _, tag := range d.want.Immutable {
		commit := tag == decide.CommitTag(d.want.Commit)
		found, ok := d.have.Tags[tag]
		switch {
		case !ok:
			d.add(CreateTag{tag, d.want.image(), commit})
		case found == d.want.Image:
		case !commit:
			return &TagError{tag, found, d.want.Image}
		case d.want.Why == "":
			return &CommitTagError{tag, found, d.want.Image, d.have.Differs}
		default:
			d.add(Skip{fmt.Sprintf("tag %s stays at %s", tag, short(found)), d.want.Why})
		}
	}
	return nil
}

func (d *differ) release() error {
	if d.want.Release == nil {
		return nil
	}
	want := *d.want.Release
	want.Latest = d.latest() == want.Tag
	found := d.have.Release
	if found != nil && !found.Draft {
		return d.public(want, *found)
	}
	if found == nil || found.Name != want.Name || !forge.SameNotes(found.Notes, want.Notes) || found.Prerelease != want.Prerelease {
		d.add(DraftRelease{want})
	}
	if found == nil {
		found = &forge.Release{}
	}
	for _, a := range found.Assets {
		if _, ok := want.Find(a.Name); !ok {
			d.add(DropAsset{want.Tag, a.Name})
		}
	}
	for _, a := range want.Assets {
		if there, ok := found.Find(a.Name); !ok || there != a {
			d.add(UploadAsset{want.Tag, a, d.want.paths[a.Name]})
		}
	}
	d.add(PublishRelease{want})
	return nil
}

// public holds a public release against the wanted one. Its notes are the
// maintainer's to edit, and files that others attached are theirs.
func (d *differ) public(want, found forge.Release) error {
	for _, a := range want.Assets {
		there, ok := found.Find(a.Name)
		if ok && there.SHA256 != a.SHA256 {
			return &forge.ConflictError{Tag: want.Tag, Asset: a.Name, Found: there.SHA256, Want: a.SHA256}
		}
		if !ok {
			d.add(UploadAsset{want.Tag, a, d.want.paths[a.Name]})
		}
	}
	return nil
}

// latest is the release that the forge should show first, "" for none or where
// that is not this run's affair.
func (d *differ) latest() string {
	if v, ok := d.want.rolling(d.have)[decide.Latest]; ok {
		return d.want.releaseTag(v)
	}
	return ""
}

// forward moves edge and nightly tags, never back.
func (d *differ) forward() {
	for i, tag := range d.want.Forward {
		found, ok := d.have.Tags[tag]
		if ok && found == d.want.Image {
			continue
		}
		if at := d.have.Edge[tag]; ok && !at.Behind {
			d.add(Skip{fmt.Sprintf("tag %s stays at %s", tag, short(found)), fmt.Sprintf("newer: it is built from commit %s, which is no ancestor of %s", at.Commit, d.want.Commit)})
			continue
		}
		d.add(MoveTag{Tag: tag, From: found, To: d.want.Image, place: i})
	}
}

var aliasForm = regexp.MustCompile(`^(latest|(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?)$`)

// rolling moves every alias of a stable version that is not where it belongs.
func (d *differ) rolling() error {
	if d.want.Channel != decide.Stable {
		return nil
	}
	rolling := d.want.rolling(d.have)
	order := decide.RollingOrder(rolling)
	if len(d.want.Withdrawn) > 0 { // most people follow the most general ones
		slices.Reverse(order)
	}
	for i, alias := range order {
		v := rolling[alias]
		to, ok := d.have.Tags[v.Image()]
		if v.Compare(d.want.Version) == 0 && d.want.Image != (v1.Hash{}) {
			to, ok = d.want.Image, true
		}
		if !ok {
			return fmt.Errorf("tag %s belongs at version %s, which the registry lists and does not have: run this again in a minute", alias, v)
		}
		if found := d.have.Tags[alias]; found != to {
			d.add(MoveTag{Tag: alias, From: found, To: to, Was: d.have.version(found), Version: v, place: i})
		}
	}
	if d.want.Image != (v1.Hash{}) && among(d.want.withdrawn(d.have.Withdrawn), d.want.Version) {
		d.add(Skip{"no rolling tag moves to version " + d.want.Version.String(), "it is withdrawn"})
	}
	for _, tag := range d.have.Names {
		if _, ok := rolling[tag]; !ok && aliasForm.MatchString(tag) {
			d.add(Skip{"tag " + tag + " stays", "every version that it could name is withdrawn"})
		}
	}
	if tag := d.latest(); tag != "" && d.have.Latest != tag && d.shown(tag) {
		if d.have.OwnLatest {
			d.add(Skip{"the forge shows " + cmp.Or(d.have.Latest, "no release") + " as the latest", "it chooses by itself; it should be " + tag})
		} else {
			d.add(SetLatest{tag, d.have.Latest})
		}
	}
	return nil
}

// shown tells whether a release is public and its place is not settled by its
// own publication.
func (d *differ) shown(tag string) bool {
	if d.want.Release != nil && d.want.Release.Tag == tag {
		return d.have.Release != nil && !d.have.Release.Draft
	}
	return d.have.LatestPublic
}

// proofs puts reading back and verification before anything that gets a name.
func (d *differ) proofs() {
	needed := map[v1.Hash]decide.Version{}
	mine := false
	for _, a := range d.out {
		switch a := a.(type) {
		case MoveTag:
			needed[a.To] = a.Version
		case SendBlob, PutManifest, ListReferrers, TagProofs, PostStatement, CreateTag, DraftRelease, UploadAsset, DropAsset, PublishRelease:
			mine = true
		}
	}
	_, moves := needed[d.want.Image]
	if len(d.want.Manifests) > 0 && (moves || mine) {
		d.add(ReadBack{d.want.Manifests})
	}
	if d.want.Image != (v1.Hash{}) && (moves || mine) {
		needed[d.want.Image] = d.want.Version
	}
	if mine || len(needed) > 0 {
		d.confirm()
	}
	for _, h := range slices.SortedFunc(maps.Keys(needed), func(a, b v1.Hash) int { return cmp.Compare(a.Hex, b.Hex) }) {
		d.add(Verify{Digest: h, Version: needed[h], there: h != d.want.Image})
	}
}
