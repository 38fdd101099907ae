package converge

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Statement is a signed statement for the forge to keep.
type Statement struct {
	// What says what it is, in a few words.
	What string
	forge.Attestation
}

// kept are the predicate types that a forge keeps: what its verifier asks for
// unless told otherwise, and what is in the artifacts.
var kept = []string{intoto.Provenance, intoto.SPDX, intoto.CycloneDX}

// statements finds those in a bundle that the forge is to keep. A statement
// about several things is one.
func (d *Desired) statements(b *bundle.Bundle) error {
	var texts []v1.Descriptor
	for _, e := range b.Entries(bundle.File) {
		if e.MediaType == forge.BundleMedia {
			texts = append(texts, e)
		}
	}
	for _, e := range b.Entries(bundle.Artifact) {
		if e.ArtifactType != forge.BundleMedia {
			continue
		}
		var m v1.Manifest
		if err := b.ReadJSON(e.Digest, &m); err != nil {
			return err
		}
		for _, l := range m.Layers {
			l.Annotations = e.Annotations
			texts = append(texts, l)
		}
	}
	seen := map[v1.Hash]bool{}
	for _, e := range texts {
		if seen[e.Digest] {
			continue
		}
		seen[e.Digest] = true
		title := e.Annotations[bundle.TitleKey]
		text, err := os.ReadFile(b.Path(e.Digest))
		if err != nil {
			return err
		}
		a, err := forge.ReadAttestation(text)
		if forge.IsNoStatement(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", title, err)
		}
		switch {
		case !slices.Contains(kept, a.Predicate):
		case a.Certified:
			d.Statements = append(d.Statements, Statement{title, a})
		default:
			d.Keyed = append(d.Keyed, title)
		}
	}
	return nil
}

// statements asks which of the wanted ones the forge has.
func (o *observer) statements(ctx context.Context, g *errgroup.Group) {
	store, ok := o.Forge.(forge.Attestations)
	if !ok {
		return
	}
	o.set(func(s *State) { s.Keeps = true })
	var subjects []string
	for _, a := range o.want.Statements {
		if !slices.Contains(subjects, a.Subject) {
			subjects = append(subjects, a.Subject)
		}
	}
	for _, subject := range subjects {
		g.Go(func() error {
			ids, err := store.Attested(ctx, subject)
			o.set(func(s *State) {
				for _, id := range ids {
					s.Kept[id] = true
				}
			})
			return err
		})
	}
}

// statements gives the forge those that it lacks, where it keeps any.
func (d *differ) statements() {
	if !d.have.Keeps {
		return
	}
	if n := len(d.want.Keyed); n > 0 {
		d.add(Skip{fmt.Sprintf("%d statements are not posted to the forge", n), "they are signed with a key, and its verifier wants to see a certificate"})
	}
	for _, s := range d.want.Statements {
		if !d.have.Kept[s.ID] {
			d.add(PostStatement{s})
		}
	}
}

// PostStatement gives the forge a signed statement to keep.
type PostStatement struct{ Statement Statement }

func (a PostStatement) String() string {
	return fmt.Sprintf("post statement %s about %s to the forge (the token needs %q)", a.Statement.What, a.Statement.Subject[:min(19, len(a.Statement.Subject))], "attestations: write")
}
func (PostStatement) rank() int { return rankStatement }
func (a PostStatement) do(ctx context.Context, r *run) error {
	store, ok := r.Forge.(forge.Attestations)
	if !ok {
		return fmt.Errorf("this forge keeps no statements: %s", strings.TrimSpace(a.Statement.What))
	}
	return store.Attest(ctx, a.Statement.Attestation)
}
