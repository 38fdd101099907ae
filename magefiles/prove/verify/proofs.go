package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

const bundleMedia = "application/vnd.dev.sigstore.bundle.v0.3+json"

// proofs is what a registry holds about one manifest.
type proofs struct {
	digest v1.Hash
	// good are signed by whom is trusted and about the digest.
	good []signed
	// refused are the others, by predicate type ("" where it is unknown).
	refused []refusal
	// bundles and tags count what was found of each format.
	bundles, tags int
	// artifacts are referrers of other types.
	artifacts []referrer
}

type refusal struct {
	predicate string
	why       error
}

// of gives the good statements of a predicate type.
func (p *proofs) of(predicate string) []intoto.Statement {
	var out []intoto.Statement
	for _, s := range p.good {
		if s.PredicateType == predicate {
			out = append(out, s.Statement)
		}
	}
	return out
}

// refusedOf says why the first proof of a predicate type does not count, nil
// where there is none.
func (p *proofs) refusedOf(predicate string) error {
	for _, r := range p.refused {
		if r.predicate == predicate {
			return r.why
		}
	}
	return nil
}

// take sorts a proof in.
func (p *proofs) take(s signed, f found, err error) {
	switch {
	case err != nil:
		p.refused = append(p.refused, refusal{f.predicate, err})
	case s.by.may(s.PredicateType) != nil:
		p.refused = append(p.refused, refusal{s.PredicateType, s.by.may(s.PredicateType)})
	case !s.Names(p.digest.Hex):
		p.refused = append(p.refused, refusal{s.PredicateType, fmt.Errorf("it is about %s", about(s.Statement))})
	default:
		if s.PredicateType != intoto.Provenance {
			f.text = nil
		}
		s.from = f
		p.good = append(p.good, s)
	}
}

func about(s intoto.Statement) string {
	var out []string
	for _, sub := range s.Subject {
		out = append(out, "sha256:"+sub.Digest["sha256"])
	}
	return strings.Join(out, ", ")
}

// collect reads everything about one manifest, in both formats.
func (s *source) collect(ctx context.Context, j *judge, h v1.Hash) (*proofs, error) {
	p := &proofs{digest: h}
	var bundles, sigs, atts []found
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		bundles, p.artifacts, err = s.bundles(inner, h, everything)
		return err
	})
	group.Go(func() (err error) { sigs, err = s.tagged(inner, proofTag(h, "sig"), everything); return err })
	group.Go(func() (err error) { atts, err = s.tagged(inner, proofTag(h, "att"), everything); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return p, s.judge(ctx, j, p, bundles, sigs, atts)
}

// some are proofs of one predicate type, and where they were read.
type some struct {
	*proofs
	*source
}

// only reads the proofs of one predicate type about a manifest, and nothing
// else: one list of referrers, one tag, or both where no format is named.
func (j *judge) only(ctx context.Context, ref name.Digest, format product.ProofFormat, predicate string, opts []remote.Option) (some, error) {
	digest, err := v1.NewHash(ref.DigestStr())
	if err != nil {
		return some{}, err
	}
	src, err := newSource(ref.Context(), opts)
	if err != nil {
		return some{}, err
	}
	var bundles, atts []found
	if format != product.ProofTags {
		if bundles, _, err = src.bundles(ctx, digest, predicate); err != nil {
			return some{}, err
		}
	}
	if format != product.ProofBundles {
		if atts, err = src.tagged(ctx, proofTag(digest, "att"), predicate); err != nil {
			return some{}, err
		}
	}
	p := &proofs{digest: digest}
	return some{p, src}, src.judge(ctx, j, p, bundles, nil, atts)
}

// judge sorts proofs into those that count and others. What is not signed by
// whom is trusted is kept apart: anyone who may push can attach something.
// The error is that there is no telling.
func (s *source) judge(ctx context.Context, j *judge, p *proofs, bundles, sigs, atts []found) error {
	p.bundles, p.tags = len(bundles), len(sigs)+len(atts)
	for _, f := range bundles {
		statement, err := s.judged(f.layer.Digest, func() (signed, error) { return j.bundle(f.text) })
		if unknown := (noRoot{}); errors.As(err, &unknown) {
			return fmt.Errorf("judging a proof of %s: %w", p.digest, unknown.error)
		}
		p.take(statement, f, err)
	}
	for _, f := range sigs {
		statement, err := j.simple(f.text, f.layer)
		f.predicate = intoto.Signature
		p.take(statement, f, err)
	}
	for _, f := range atts {
		statement, err := j.envelope(ctx, f.text)
		f.predicate = f.layer.Annotations[tagPredicateKey]
		p.take(statement, f, err)
	}
	return nil
}

// Bundles reads the Sigstore bundles that are attached to manifests, as they
// are: nothing is verified. They come in the order of their digests. A manifest
// that is not there has none.
func Bundles(ctx context.Context, repo name.Repository, digests []v1.Hash, opts ...remote.Option) ([][]byte, error) {
	src, err := newSource(repo, opts)
	if err != nil {
		return nil, err
	}
	lists := make([][]found, len(digests))
	group, ctx := errgroup.WithContext(ctx)
	for i, h := range digests {
		group.Go(func() (err error) {
			lists[i], _, err = src.bundles(ctx, h, everything)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("reading what is attached already: %w", err)
	}
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.layer.Digest.Hex, b.layer.Digest.Hex) })
	var out [][]byte
	for i, f := range all {
		if i == 0 || f.layer.Digest != all[i-1].layer.Digest {
			out = append(out, f.text)
		}
	}
	return out, nil
}

// proofTag is where the proofs of one kind about a manifest stand.
func proofTag(h v1.Hash, kind string) string { return h.Algorithm + "-" + h.Hex + "." + kind }

// judged gives the verdict on a proof. One that is attached to several subjects
// is judged once.
func (s *source) judged(h v1.Hash, judge func() (signed, error)) (signed, error) {
	verdict, _ := s.verdicts.LoadOrStore(h, sync.OnceValues(judge))
	return verdict.(func() (signed, error))()
}

// found is a proof that is not verified yet.
type found struct {
	text      []byte
	layer     v1.Descriptor
	predicate string
}

// everything is a predicate type that stands for all of them.
const everything = ""

// Annotations that name a proof's predicate type: of a manifest that attaches a
// bundle, and of a layer under an ".att" tag.
const (
	predicateKey    = "dev.sigstore.bundle.predicateType"
	tagPredicateKey = "predicateType"
)

// bundles reads the Sigstore bundles that refer to a manifest; other referrers
// are given as they are. What a referrer is stands in its manifest: registries
// were seen to list another artifactType. With a predicate type only what is
// listed as one, or without saying, is read.
func (s *source) bundles(ctx context.Context, h v1.Hash, predicate string) ([]found, []referrer, error) {
	list, err := s.referrers(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	if predicate != everything {
		list = slices.DeleteFunc(list, func(d v1.Descriptor) bool {
			return len(d.Annotations) > 0 && d.Annotations[predicateKey] != predicate
		})
	}
	read := make([]referrer, len(list))
	proofs := make([]found, len(list))
	group, ctx := errgroup.WithContext(ctx)
	for i, d := range list {
		group.Go(func() error {
			m := &read[i].manifest
			err := s.manifest(ctx, d.Digest, m)
			if missing(err) {
				return nil // listed, but gone
			}
			if err != nil {
				return err
			}
			read[i].digest = d.Digest
			proofs[i].predicate = m.Annotations[predicateKey]
			if m.ArtifactType != bundleMedia || (predicate != everything && proofs[i].predicate != predicate) {
				return nil
			}
			if len(m.Layers) != 1 {
				return nil // an empty text is no bundle, and refused as such
			}
			proofs[i].layer = m.Layers[0]
			proofs[i].text, err = s.blob(ctx, m.Layers[0])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	var mine []found
	var others []referrer
	for i, r := range read {
		switch {
		case r.digest == v1.Hash{}:
		case predicate != everything && proofs[i].predicate != predicate:
		case r.manifest.ArtifactType == bundleMedia:
			mine = append(mine, proofs[i])
		default:
			others = append(others, r)
		}
	}
	return mine, others, nil
}

// referrer is a manifest that refers to another.
type referrer struct {
	digest   v1.Hash
	manifest v1.Manifest
}

// tagged reads the proofs under a tag, all of them or those of a predicate
// type.
func (s *source) tagged(ctx context.Context, tag, predicate string) ([]found, error) {
	var m v1.Manifest
	if ok, err := s.tag(ctx, tag, &m); err != nil || !ok {
		return nil, err
	}
	if predicate != everything {
		m.Layers = slices.DeleteFunc(m.Layers, func(l v1.Descriptor) bool { return l.Annotations[tagPredicateKey] != predicate })
	}
	out := make([]found, len(m.Layers))
	group, ctx := errgroup.WithContext(ctx)
	for i, l := range m.Layers {
		group.Go(func() error {
			text, err := s.blob(ctx, l)
			out[i] = found{text: text, layer: l}
			return err
		})
	}
	return out, group.Wait()
}

// format gives the one format of all proofs, or says what is mixed.
func format(want product.ProofFormat, all ...*proofs) (product.ProofFormat, string) {
	var bundles, tags int
	for _, p := range all {
		bundles, tags = bundles+p.bundles, tags+p.tags
	}
	switch {
	case bundles > 0 && tags > 0:
		return "", fmt.Sprintf("it has proofs in two formats, %d Sigstore bundles and %d under .sig and .att tags, and verifiers were seen to refuse such images: keep one format a product and delete the tags of the other", bundles, tags)
	case want == product.ProofBundles && tags > 0:
		return product.ProofTags, "its proofs are under .sig and .att tags, this product's are Sigstore bundles: sign it again in the product's format"
	case want == product.ProofTags && bundles > 0:
		return product.ProofBundles, "its proofs are Sigstore bundles, this product's are under .sig and .att tags: sign it again in the product's format"
	case tags > 0:
		return product.ProofTags, ""
	case bundles > 0:
		return product.ProofBundles, ""
	}
	return want, ""
}
