package pipeline

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/reproduce"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// attestReproduction signs what came of a build again, as a test result on the
// published image, and gives the digest of the manifest. What failed is
// attested too.
func (s *Suite) attestReproduction(ctx context.Context, ui runner, pub *publishedRelease, out Reproduction) (digest string, err error) {
	return digest, ui.Run(ctx, "attestation of the result", func(ctx context.Context, step *term.Step) error {
		signer, err := s.rebuilder(ctx, pub)
		if err != nil {
			return err
		}
		run, _, err := evidenceOfReproduction(out).TestRun()
		if err != nil {
			return err
		}
		raw, full, ok, err := pub.reg.Manifest(ctx, pub.digest.String())
		if err == nil && !ok {
			err = fmt.Errorf("%s is gone from the registry", pub.ref())
		}
		if err != nil {
			return err
		}
		subject := v1.Descriptor{MediaType: full.MediaType, Digest: pub.digest, Size: int64(len(raw))}
		const what = "result of " + reproducibleName
		made, err := attest.Attach(ctx, signer, s.Product.Proofs, what, intoto.TestResult, run, out.finished, subject)
		if err != nil {
			return err
		}
		m, err := converge.Proof(what, made[0].Manifest, made[0].Tag, made[0].Blobs...)
		if err != nil {
			return err
		}
		p := s.publisher(pub.reg.Registry, nil, pub.trust, func(decide.Version) verify.Expect { return verify.Expect{} })
		// Of the channels that of candidates moves no tag.
		if _, err := p.Converge(ctx, converge.Desired{Channel: decide.Candidate, Commit: out.Commit, Manifests: []converge.Manifest{m}}); err != nil {
			return err
		}
		digest = m.Digest.String()
		step.Detail("%s by %s", run.Result, shortDigest(signer.Fingerprint()))
		return nil
	})
}

// rebuilder is who signs the result: a key of one's own, which need not be the
// release's, or CI's identity.
func (s *Suite) rebuilder(ctx context.Context, pub *publishedRelease) (attest.Signer, error) {
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	if key != nil {
		return key, nil
	}
	return s.signer(ctx, pub.trust, pub.from, false)
}

// evidenceOfReproduction makes the record of a build again: a step for each
// artifact, and one for each thing that was left out.
func evidenceOfReproduction(out Reproduction) record.Evidence {
	e := record.Evidence{
		Name: reproducibleName, Kind: record.Test, Result: record.Pass, Summary: out.Report.String(),
		Commit: out.Commit, Digest: out.digest, Started: out.started, Finished: out.finished, Facts: map[string]string{},
	}
	if !out.Same {
		e.Result = record.Fail
	}
	for _, c := range out.Conditions {
		e.Facts[c.What] = c.Again
		if c.Same != "" {
			e.Facts[c.What] = "the same: " + c.Same
		}
	}
	for _, a := range out.Artifacts {
		s := record.EvidenceStep{Name: a.Name, Result: record.Pass, Detail: string(a.Verdict), Started: out.started}
		switch {
		case a.Verdict == reproduce.Differs && len(a.Differences) > 0:
			s.Result, s.Detail = record.Fail, a.Differences[0].String()
		case a.Verdict == reproduce.Differs || a.Verdict == reproduce.Missing:
			s.Result = record.Fail
		case a.Verdict == reproduce.Follows && !out.Same:
			s.Result = record.Fail
		}
		e.Steps = append(e.Steps, s)
	}
	for _, l := range out.LeftOut {
		e.Steps = append(e.Steps, record.EvidenceStep{Name: l.Name, Result: record.NotApplicable, Detail: "left out: " + l.Why, Started: out.started})
	}
	return e
}
