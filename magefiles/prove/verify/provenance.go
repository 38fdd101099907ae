package verify

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Provenances reads the provenances of a manifest that whom is trusted
// signed, of whichever ref, and gives the statements' own bytes. Nothing but these is
// read: one list of referrers, one tag, or both where the trust names no format.
// A registry that does not answer is an error.
func Provenances(ctx context.Context, ref name.Digest, trust Trust, opts ...remote.Option) ([][]byte, error) {
	judge, err := trust.judge()
	if err != nil {
		return nil, err
	}
	p, err := judge.only(ctx, ref, trust.Format, intoto.Provenance, opts)
	if err != nil {
		return nil, fmt.Errorf("looking for the provenance of %s: %w", ref, err)
	}
	var out [][]byte
	for _, s := range p.good {
		if s.PredicateType != intoto.Provenance || !s.ofItsRun() {
			continue
		}
		text, err := s.from.payload()
		if err != nil {
			return nil, fmt.Errorf("looking for the provenance of %s: %w", ref, err)
		}
		out = append(out, text)
	}
	return out, nil
}

// ofItsRun tells whether a provenance that a certificate signs is signed by a run
// on the very ref and commit that it names: what a run on main signs says
// nothing of a tag.
func (s signed) ofItsRun() bool {
	if s.by.key {
		return true
	}
	b, err := intoto.DecodeBuild(s.Statement)
	return err == nil && s.by.ref == b.Definition.External.Ref && (s.by.commit == "" || s.by.commit == b.Commit())
}

// payload is the statement in a Sigstore bundle or a DSSE envelope.
func (f found) payload() ([]byte, error) {
	var e struct {
		DSSE *struct {
			Payload []byte `json:"payload"`
		} `json:"dsseEnvelope"`
		Payload []byte `json:"payload"`
	}
	if err := json.Unmarshal(f.text, &e); err != nil {
		return nil, err
	}
	if e.DSSE != nil {
		return e.DSSE.Payload, nil
	}
	return e.Payload, nil
}

// provenanceOf is what a build says, for the report.
func provenanceOf(b intoto.Build) Provenance {
	external := b.Definition.External
	p := Provenance{
		Repository: external.Repository, Ref: external.Ref, Channel: external.Channel, Target: external.Target,
		Commit: b.Commit(), Builder: b.Run.Builder.ID,
	}
	if m := b.Run.Metadata; m != nil {
		p.Invocation, p.Started, p.Finished = m.InvocationID, m.StartedOn, m.FinishedOn
	}
	source := intoto.Source(external.Repository, external.Ref)
	for _, d := range b.Definition.Dependencies {
		if d.URI != source {
			p.Dependencies = append(p.Dependencies, d)
		}
	}
	return p
}
