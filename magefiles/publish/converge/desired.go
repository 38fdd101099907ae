// Package converge publishes: it compares what should be with what is in the
// registry and on the forge, and applies the difference in an order in which
// dying at any moment leaves nothing wrong behind. The same difference is the
// dry run, the repair of an interrupted release, the check of a finished one,
// and the roll-back.
package converge

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// Desired is what should be once a release is done. Without an image it is a
// roll-back, or its end: a Channel of decide.Stable, Withdrawn or Restored
// versions, the statement that says so among the Manifests, and notes to Amend.
type Desired struct {
	Channel decide.Channel
	// Version is zero for edge and nightly builds.
	Version decide.Version
	Commit  string
	// Image is the multi-arch index; the zero value stands for no image.
	Image v1.Hash
	// Manifests are the image and its proofs, children before parents and
	// subjects before their referrers. The subject may be in the registry.
	Manifests []Manifest
	// Immutable tags are made once and never moved.
	Immutable []string
	// Forward tags follow the main branch and never go back on it.
	Forward []string
	// Withdrawn are stable versions that are withdrawn in this run, Restored
	// those whose withdrawal is taken back. What was withdrawn before is read
	// from the registry ([Publisher.Withdrawn]).
	Withdrawn, Restored []decide.Version
	// Amend changes the notes of public releases, by tag. Each function given
	// its own result changes nothing.
	Amend map[string]func(notes string) string
	// Statements are those that the forge is to keep. Keyed are those that it
	// cannot take, since a key signed them; it is empty where none are wanted.
	Statements []Statement
	Keyed      []string
	// Release is the forge's page, nil where there is none.
	Release *forge.Release
	// Why is the maintainer's reason to go on although the commit's tag stands
	// at another digest.
	Why string

	paths map[string]string // asset name to file
}

// Manifest is one manifest to publish.
type Manifest struct {
	Digest    v1.Hash
	MediaType types.MediaType
	Raw       []byte
	// What says what it is, in a few words.
	What string
	// Blobs are the config and the layers.
	Blobs []Blob
	// Subject is what it is a referrer of, nil for none.
	Subject *v1.Hash
	// Tag is set where it is found by a tag of its own, as cosign's older
	// proofs are.
	Tag string
	// Proof tells proofs from the image and its parts.
	Proof bool

	level    int
	referrer v1.Descriptor
}

// Blob is content of the bundle.
type Blob struct {
	Digest v1.Hash
	Size   int64
	// What says what it is, in a few words.
	What string

	path string
	data []byte
}

func (b Blob) open() (io.ReadCloser, error) {
	if b.path == "" {
		return io.NopCloser(bytes.NewReader(b.data)), nil
	}
	return os.Open(b.path)
}

func (b Blob) send() registry.Blob {
	return registry.Blob{Digest: b.Digest, Size: b.Size, Open: b.open}
}

// Extras are what a bundle does not say about its release.
type Extras struct {
	// Name and Notes go on the release page.
	Name, Notes string
	Why         string
	// Statements has the forge keep the provenance and the SBOMs.
	Statements bool
}

// Want reads from a bundle what should be. Tags are those of [decide.Tags];
// the rolling tags among a stable release's are left out, since they depend on
// what is published when the release gets there.
func Want(b *bundle.Bundle, tags []decide.Tag, x Extras) (Desired, error) {
	ref := b.Plan.Ref
	want := Desired{
		Channel: ref.Channel, Version: ref.Version, Commit: b.Plan.Commit,
		Why: x.Why, paths: map[string]string{},
	}
	for _, t := range tags {
		switch {
		case !t.Rolling:
			want.Immutable = append(want.Immutable, t.Name)
		case ref.Channel == decide.Edge || ref.Channel == decide.Nightly:
			want.Forward = append(want.Forward, t.Name)
		}
	}
	images := b.Entries(bundle.Image)
	if len(images) != 1 {
		return Desired{}, fmt.Errorf("bundle %s holds %d image indexes, want one: make the image first", b.Dir, len(images))
	}
	want.Image = images[0].Digest
	w := walker{b: b, level: map[v1.Hash]int{}, what: map[v1.Hash]string{}}
	for _, role := range []bundle.Role{bundle.Image, bundle.Artifact, bundle.Tagged} {
		for _, d := range b.Entries(role) {
			if err := w.walk(d, role); err != nil {
				return Desired{}, fmt.Errorf("reading bundle %s: %w", b.Dir, err)
			}
		}
	}
	want.Manifests = w.out
	if x.Statements {
		if err := want.statements(b); err != nil {
			return Desired{}, fmt.Errorf("reading bundle %s: %w", b.Dir, err)
		}
	}
	if ref.Version.IsZero() {
		return want, nil
	}
	want.Release = &forge.Release{
		Tag: ref.Name, Name: x.Name, Notes: x.Notes, Prerelease: ref.Channel != decide.Stable,
	}
	for _, d := range b.Assets() {
		title := d.Annotations[bundle.TitleKey]
		if err := forge.CheckName(title); err != nil {
			return Desired{}, fmt.Errorf("reading bundle %s: %w", b.Dir, err)
		}
		if _, twice := want.paths[title]; twice {
			return Desired{}, fmt.Errorf("bundle %s holds two assets named %s: a release page needs one", b.Dir, title)
		}
		want.paths[title] = b.Path(d.Digest)
		want.Release.Assets = append(want.Release.Assets, forge.Asset{Name: title, Size: d.Size, SHA256: d.Digest.Hex})
	}
	return want, nil
}

// walker collects manifests, children before parents.
type walker struct {
	b     *bundle.Bundle
	out   []Manifest
	level map[v1.Hash]int
	what  map[v1.Hash]string
}

// content is what is looked at in a manifest of any kind.
type content struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       *v1.Descriptor    `json:"config"`
	Layers       []v1.Descriptor   `json:"layers"`
	Manifests    []v1.Descriptor   `json:"manifests"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// parts are the config, where there is one, and the layers.
func (c content) parts() []v1.Descriptor {
	if c.Config == nil {
		return c.Layers
	}
	return append([]v1.Descriptor{*c.Config}, c.Layers...)
}

// partOf says what a part is.
func (c content) partOf(i int, what string) string {
	if c.Config != nil && i == 0 {
		return "config of " + what
	}
	return "layer of " + what
}

// refer notes what a referrer looks like in the list of its subject.
func (m *Manifest) refer(c content) {
	if c.Subject == nil {
		return
	}
	m.Subject = &c.Subject.Digest
	m.referrer = v1.Descriptor{
		MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Raw)),
		ArtifactType: c.ArtifactType, Annotations: c.Annotations,
	}
	if m.referrer.ArtifactType == "" && c.Config != nil {
		m.referrer.ArtifactType = string(c.Config.MediaType)
	}
}

func (w *walker) walk(d v1.Descriptor, role bundle.Role) error {
	if _, done := w.level[d.Digest]; done {
		return nil
	}
	raw, err := os.ReadFile(w.b.Path(d.Digest))
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != d.Digest.Hex {
		return fmt.Errorf("%s holds other bytes than its name says: remove it and make the bundle anew", w.b.Path(d.Digest))
	}
	var c content
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	m := Manifest{
		Digest: d.Digest, MediaType: d.MediaType, Raw: raw, What: w.describe(d, c, role),
		Proof: role != bundle.Image,
	}
	if m.MediaType == "" {
		m.MediaType = c.MediaType
	}
	for _, child := range c.Manifests {
		if err := w.walk(child, role); err != nil {
			return err
		}
		m.level = max(m.level, w.level[child.Digest]+1)
	}
	for i, part := range c.parts() {
		if !part.MediaType.IsDistributable() {
			continue
		}
		blob := Blob{Digest: part.Digest, Size: part.Size, What: c.partOf(i, m.What), path: w.b.Path(part.Digest)}
		if _, err := os.Stat(blob.path); err != nil {
			if int64(len(part.Data)) != part.Size {
				return fmt.Errorf("blob %s of %s is missing: make the bundle anew", part.Digest, m.What)
			}
			blob.path, blob.data = "", part.Data
		}
		m.Blobs = append(m.Blobs, blob)
	}
	if s := c.Subject; s != nil {
		m.level = max(m.level, w.level[s.Digest]+1)
	}
	m.refer(c)
	if role == bundle.Tagged {
		if m.Tag = d.Annotations[bundle.RefNameKey]; m.Tag == "" {
			return fmt.Errorf("manifest %s is to be found by a tag and has none", d.Digest)
		}
	}
	w.level[d.Digest], w.what[d.Digest] = m.level, m.What
	w.out = append(w.out, m)
	return nil
}

func (w *walker) describe(d v1.Descriptor, c content, role bundle.Role) string {
	of := ""
	if c.Subject != nil {
		of = " of " + w.what[c.Subject.Digest]
	}
	switch {
	case role == bundle.Tagged:
		return "proofs"
	case role == bundle.Artifact:
		for _, k := range slices.Sorted(maps.Keys(c.Annotations)) {
			if strings.HasSuffix(k, "predicateType") {
				return "proof " + c.Annotations[k] + of
			}
		}
		title := cmp.Or(d.Annotations[bundle.TitleKey], c.Annotations[bundle.TitleKey], c.ArtifactType)
		return cmp.Or(title, "artifact") + of
	case c.Config == nil:
		return "image index"
	case d.Platform != nil:
		return "image " + d.Platform.String()
	}
	return "image"
}

// short is enough of a digest for a line on a screen.
func short(h v1.Hash) string {
	return h.Algorithm + ":" + h.Hex[:min(12, len(h.Hex))]
}

// subjects groups the manifests that are referrers by their subject, both in
// the order in which they are put.
func (d Desired) subjects() (order []v1.Hash, referrers map[v1.Hash][]v1.Descriptor) {
	referrers = map[v1.Hash][]v1.Descriptor{}
	for _, m := range d.Manifests {
		if m.Subject == nil {
			continue
		}
		if !slices.Contains(order, *m.Subject) {
			order = append(order, *m.Subject)
		}
		referrers[*m.Subject] = append(referrers[*m.Subject], m.referrer)
	}
	return order, referrers
}

// image finds the index itself among the manifests.
func (d Desired) image() Manifest {
	for _, m := range d.Manifests {
		if m.Digest == d.Image {
			return m
		}
	}
	return Manifest{}
}

// rolling is where the aliases of stable versions should point.
func (d Desired) rolling(have State) map[string]decide.Version {
	if d.Channel != decide.Stable {
		return nil
	}
	published := have.Published
	if !d.Version.IsZero() {
		published = append(slices.Clone(published), d.Version)
	}
	return decide.Rolling(published, d.withdrawn(have.Withdrawn))
}

// releaseTag names the forge's release of a version.
func (d Desired) releaseTag(v decide.Version) string {
	if d.Release != nil && v.Compare(d.Version) == 0 {
		return d.Release.Tag
	}
	return v.Tag()
}
