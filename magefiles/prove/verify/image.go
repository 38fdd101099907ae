package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
)

const revisionKey = "org.opencontainers.image.revision"

// Image verifies an image index by digest, from its registry alone:
//   - the index and every image in it carry a signature of the trusted key
//     (an attestation is none);
//   - signed provenance of each names the expected repository, ref and commit;
//     one of several will do, since builds of one commit share a digest;
//   - each image has SPDX and CycloneDX documents, attested at the image and at
//     the index, that are about its very digest and list crates;
//   - the index names the provenance's commit as its revision;
//   - the binary that an image starts is, byte by byte, an attached one, and the
//     signed provenance has its sha256; the attached binary has its own
//     provenance and SBOMs;
//   - what was asked to be passed was passed ([Require]).
//
// Whether the release was withdrawn stands in the report; it is no failure.
//
// Where something does not hold the error is an [*Error], and the result holds
// the report but proves nothing. Any other error means that the registry could
// not be asked. The options say how to reach it.
func Image(ctx context.Context, ref name.Digest, trust Trust, want Expect, opts ...remote.Option) (Result, error) {
	judge, err := trust.judge()
	if err != nil {
		return Result{}, err
	}
	digest, err := v1.NewHash(ref.DigestStr())
	if err != nil {
		return Result{}, fmt.Errorf("verifying %s: %w", ref, err)
	}
	src, err := newSource(ref.Context(), opts)
	if err != nil {
		return Result{}, err
	}
	e, err := src.gather(ctx, judge, digest)
	if err != nil {
		return Result{}, fmt.Errorf("verifying %s: %w", ref, err)
	}
	report := Report{Image: ref.Context().Name(), Digest: digest.String(), Signer: judge.fingerprint, Platforms: []Platform{}}
	said, err := withdrawal(e.index)
	if err != nil {
		return Result{}, fmt.Errorf("verifying %s: %w", ref, err)
	}
	if said.Stands() {
		report.Withdrawn = said
	}
	r := &recorder{judge: judge, report: &report}
	e.check(r, judge, trust, want)
	if len(r.failures) > 0 {
		return Result{Report: report}, &Error{Image: ref.Name(), Failures: r.failures}
	}
	report.Passed = true
	return Result{digest: digest, Report: report}, nil
}

// evidence is everything that was read.
type evidence struct {
	index  *proofs
	images []*imageEvidence
	// revision is the commit that the index names.
	revision string
}

type imageEvidence struct {
	*proofs
	platform string
	// layer is the top layer, binary what it holds.
	layer  v1.Hash
	binary layerFile
	// problem says why there is no telling what the image starts.
	problem string
	// attached are the artifacts with the very same layer.
	attached []*attached
}

// attached is the artifact of a binary.
type attached struct {
	*proofs
	title, sha256 string
}

func (s *source) gather(ctx context.Context, j *judge, digest v1.Hash) (*evidence, error) {
	var index v1.IndexManifest
	if err := s.manifest(ctx, digest, &index); err != nil {
		return nil, err
	}
	if len(index.Manifests) == 0 {
		return nil, fmt.Errorf("%s is no image index, or an empty one: verify the index that a release's tag points at", digest)
	}
	e := &evidence{revision: index.Annotations[revisionKey], images: make([]*imageEvidence, len(index.Manifests))}
	var artifacts []artifact
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if e.index, err = s.collect(inner, j, digest); err == nil {
			artifacts, err = s.artifacts(inner, j, e.index.artifacts)
		}
		return err
	})
	for i, d := range index.Manifests {
		group.Go(func() (err error) {
			e.images[i], err = s.image(inner, j, d)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, image := range e.images {
		for _, a := range artifacts {
			if a.layer == image.layer {
				image.attached = append(image.attached, a.attached)
			}
		}
	}
	return e, nil
}

// image reads one image of the index: its proofs and the binary in it.
func (s *source) image(ctx context.Context, j *judge, d v1.Descriptor) (*imageEvidence, error) {
	out := &imageEvidence{platform: "unknown"}
	if d.Platform != nil {
		out.platform = d.Platform.OS + "/" + d.Platform.Architecture
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out.proofs, err = s.collect(ctx, j, d.Digest)
		return err
	})
	group.Go(func() error {
		var m v1.Manifest
		if err := s.manifest(ctx, d.Digest, &m); err != nil {
			return err
		}
		if len(m.Layers) == 0 {
			return fmt.Errorf("the image for %s has no layer", out.platform)
		}
		top := m.Layers[len(m.Layers)-1]
		out.layer = top.Digest
		var err error
		out.binary, err = s.started(ctx, m.Config, top.Digest)
		if bad := badImage(""); errors.As(err, &bad) {
			out.problem, err = string(bad), nil
		}
		if err != nil {
			return fmt.Errorf("reading the binary in the image for %s: %w", out.platform, err)
		}
		return nil
	})
	return out, group.Wait()
}

type artifact struct {
	*attached
	layer v1.Hash
}

// artifacts reads the binaries that are attached to the index.
func (s *source) artifacts(ctx context.Context, j *judge, list []referrer) ([]artifact, error) {
	list = slices.DeleteFunc(list, func(r referrer) bool {
		return r.manifest.ArtifactType != bundle.BinaryArtifact || len(r.manifest.Layers) != 1
	})
	out := make([]artifact, len(list))
	group, ctx := errgroup.WithContext(ctx)
	for i, r := range list {
		group.Go(func() error {
			p, err := s.collect(ctx, j, r.digest)
			notes := r.manifest.Annotations
			out[i] = artifact{&attached{p, notes[bundle.TitleKey], notes[bundle.SHA256Key]}, r.manifest.Layers[0].Digest}
			return err
		})
	}
	return out, group.Wait()
}
