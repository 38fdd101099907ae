package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

const (
	// verifierID is who verifies, in a summary.
	verifierID = "https://" + suiteModule + "/blob/main/docs/provenance.md#verifier-v1"
	// policyURI is what is checked; its digest is that of a [policy].
	policyURI = "https://" + suiteModule + "/blob/main/docs/provenance.md#policy-v1"
)

// level is the one of SLSA's build track that a verified release reaches: there is
// signed provenance of every artifact. That the signer cannot be misused by
// the build, as level 2 asks, a key alone does not show.
const level = "SLSA_BUILD_LEVEL_1"

// policy is what an image was held against; a summary has the sha256 of its
// compact JSON.
type policy struct {
	Source  string              `json:"source"`
	Commit  string              `json:"commit"`
	Ref     string              `json:"ref"`
	Channel string              `json:"channel"`
	Require []string            `json:"require"`
	Signer  string              `json:"signer"`
	Format  product.ProofFormat `json:"format"`
}

func (p policy) resource() (intoto.Resource, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return intoto.Resource{}, err
	}
	sum := sha256.Sum256(text)
	return intoto.Resource{URI: policyURI, Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])}}, nil
}

// summarise signs that an image passed, and attaches that to the index and its
// images. Where the same was said before nothing is done. The report must be one
// of a verification that passed; it gets the summary.
func (s *Suite) summarise(ctx context.Context, reg *registry.Registry, digest v1.Hash, expect verify.Expect, r *verify.Report) error {
	if !r.Passed {
		return errors.New("the image did not pass, so there is nothing to attest")
	}
	if w := r.Withdrawn; w != nil {
		return fmt.Errorf("%s is withdrawn (%s): its makers say not to use it, so no summary is made that says it passed", w.Version, w.Reason)
	}
	signer, own, err := s.attester(ctx, r)
	if err != nil {
		return err
	}
	said, err := summaryOf(r, expect, s.builder().Version)
	if err != nil {
		return err
	}
	said.Verified = s.clock()
	options, err := reg.Remote(ctx)
	if err != nil {
		return err
	}
	// What counts is what this signer said: it may be another than the release's.
	before, err := verify.Summaries(ctx, reg.Digest(digest), own, options...)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(before, said.SameAs); i >= 0 {
		s.UI.Println("The same was attested at %s already.", before[i].Verified.Format("2006-01-02 15:04:05"))
		return nil
	}
	subjects, err := parts(ctx, reg, digest)
	if err != nil {
		return err
	}
	made, err := attest.VerificationSummary(ctx, signer, r.Format, subjects, said)
	if err != nil {
		return err
	}
	var want converge.Desired
	for _, proof := range made {
		m, err := converge.Proof("verification summary", proof.Manifest, proof.Tag, proof.Blobs...)
		if err != nil {
			return err
		}
		want.Manifests = append(want.Manifests, m)
	}
	p := &converge.Publisher{Registry: reg}
	if _, err := p.Converge(ctx, want); err != nil {
		return fmt.Errorf("attaching the verification summary: %w", err)
	}
	s.UI.Println("A verification summary is attached to the index and %d images.", len(subjects)-1)
	said.Verified = said.Verified.UTC()
	r.Summaries = append([]intoto.Summary{said}, r.Summaries...)
	return nil
}

// attester gives who signs a summary, and the trust that knows its signatures
// again: the key that the environment names, whosever it is, or else CI's own
// identity on the release's ref.
func (s *Suite) attester(ctx context.Context, r *verify.Report) (attest.Signer, verify.Trust, error) {
	key, err := s.key()
	if err != nil {
		return nil, verify.Trust{}, err
	}
	if key != nil {
		return key, verify.Trust{Key: key.PublicPEM(), Format: r.Format}, nil
	}
	trust, err := s.trust()
	if err != nil {
		return nil, trust, err
	}
	trust.Format = r.Format
	signer, err := s.signer(ctx, trust, r.Provenance.Ref, false)
	return signer, trust, err
}

// summaryOf says what a report proves, but for the time.
func summaryOf(r *verify.Report, expect verify.Expect, version map[string]string) (intoto.Summary, error) {
	require := slices.Clone(expect.Require)
	slices.Sort(require)
	policy, err := policy{
		Source: expect.Source, Commit: expect.Commit, Ref: expect.Ref, Channel: expect.Channel, Require: require, Signer: r.Signer, Format: r.Format,
	}.resource()
	if err != nil {
		return intoto.Summary{}, err
	}
	out := intoto.Summary{
		Verifier: intoto.SummaryVerifier{ID: verifierID, Version: version},
		Resource: "oci://" + r.Image + "@" + r.Digest, Policy: policy,
		Result: intoto.SummaryPassed, Levels: []string{level}, Version: intoto.SLSAVersion,
	}
	seen := map[string]bool{}
	for _, in := range r.Inputs {
		h, err := v1.NewHash(in.Digest)
		if err != nil {
			return intoto.Summary{}, err
		}
		if seen[in.Digest] {
			continue
		}
		seen[in.Digest] = true
		out.Inputs = append(out.Inputs, intoto.Resource{
			URI: "oci://" + r.Image + "@" + in.Digest, Digest: map[string]string{h.Algorithm: h.Hex},
			Annotations: map[string]string{"predicateType": in.Predicate},
		})
	}
	return out, nil
}

// parts describes an index and the images in it.
func parts(ctx context.Context, reg *registry.Registry, digest v1.Hash) ([]v1.Descriptor, error) {
	raw, d, ok, err := reg.Manifest(ctx, digest.String())
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if !ok || json.Unmarshal(raw, &index) != nil {
		return nil, fmt.Errorf("the index %s is not in the registry any more", digest)
	}
	out := []v1.Descriptor{{MediaType: d.MediaType, Digest: digest, Size: int64(len(raw))}}
	return append(out, index.Manifests...), nil
}
