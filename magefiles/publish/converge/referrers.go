package converge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fallbackTag is where a registry without a referrers API keeps the list of a
// subject's referrers (OCI distribution 1.1, referrers tag schema).
func fallbackTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

// unlisted gives those of the referrers that their subject does not show, and
// the index under the fallback tag where the registry has no referrers API, or
// one that leaves them out.
func (p *Publisher) unlisted(ctx context.Context, subject v1.Hash, referrers []v1.Descriptor) (lacking []v1.Descriptor, fallback v1.IndexManifest, err error) {
	fallback = v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	listed, _, err := p.Registry.Referrers(ctx, subject)
	if err != nil {
		return nil, fallback, err
	}
	if lacking = without(referrers, listed); len(lacking) == 0 {
		return nil, fallback, nil
	}
	raw, _, ok, err := p.Registry.Manifest(ctx, fallbackTag(subject))
	if err != nil || !ok {
		return referrers, fallback, err
	}
	if err := json.Unmarshal(raw, &fallback); err != nil || fallback.MediaType != types.OCIImageIndex {
		return nil, fallback, fmt.Errorf("tag %s holds no index of referrers (%s): remove that tag and run this again", fallbackTag(subject), fallback.MediaType)
	}
	return without(referrers, fallback.Manifests), fallback, nil
}

func without(all, there []v1.Descriptor) []v1.Descriptor {
	var out []v1.Descriptor
	for _, d := range all {
		if !slices.ContainsFunc(there, func(t v1.Descriptor) bool { return t.Digest == d.Digest }) {
			out = append(out, d)
		}
	}
	return out
}

// list makes sure that a subject shows its referrers: where the registry does
// not do that by itself, all of them are put under the fallback tag in one
// write, together with those that are there. Another process may write the same
// tag, so the result is read again.
func (p *Publisher) list(ctx context.Context, subject v1.Hash, referrers []v1.Descriptor) error {
	const tries = 4
	for range tries {
		lacking, index, err := p.unlisted(ctx, subject, referrers)
		if err != nil || len(lacking) == 0 {
			return err
		}
		index.Manifests = append(index.Manifests, lacking...)
		slices.SortFunc(index.Manifests, func(a, b v1.Descriptor) int {
			return strings.Compare(a.Digest.String(), b.Digest.String())
		})
		raw, err := json.Marshal(index)
		if err != nil {
			return err
		}
		if err := p.Registry.PutManifest(ctx, fallbackTag(subject), types.OCIImageIndex, raw); err != nil {
			return err
		}
	}
	return fmt.Errorf("tag %s does not keep the referrers that are put under it: is another release writing it all the time?", fallbackTag(subject))
}

// untagged gives the layers of a proof's manifest that are not under its tag,
// and the manifest that is there, nil where there is none.
func (p *Publisher) untagged(ctx context.Context, m Manifest) (found *v1.Manifest, lacking []v1.Descriptor, err error) {
	var want v1.Manifest
	if err := json.Unmarshal(m.Raw, &want); err != nil {
		return nil, nil, err
	}
	raw, _, ok, err := p.Registry.Manifest(ctx, m.Tag)
	if err != nil || !ok {
		return nil, want.Layers, err
	}
	found = &v1.Manifest{}
	if err := json.Unmarshal(raw, found); err != nil {
		return nil, nil, fmt.Errorf("reading the proofs under tag %s: %w", m.Tag, err)
	}
	return found, others(want.Layers, found.Layers), nil
}

// others gives the layers of all that are not there: the same content may carry
// several signatures, which stand in annotations.
func others(all, there []v1.Descriptor) []v1.Descriptor {
	var out []v1.Descriptor
	for _, l := range all {
		if !slices.ContainsFunc(there, func(t v1.Descriptor) bool {
			return t.Digest == l.Digest && maps.Equal(t.Annotations, l.Annotations)
		}) {
			out = append(out, l)
		}
	}
	return out
}

// includes tells whether a manifest has all the layers of another one.
func includes(m Manifest, other v1.Manifest) bool {
	var own v1.Manifest
	return json.Unmarshal(m.Raw, &own) == nil && len(others(other.Layers, own.Layers)) == 0
}
