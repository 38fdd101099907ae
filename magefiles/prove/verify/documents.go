package verify

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Documents gives the CycloneDX documents that the trusted key attests of the
// images of an index, by their manifests' digests. An image without one is left
// out. Only these statements and the index are read.
func Documents(ctx context.Context, ref name.Digest, trust Trust, opts ...remote.Option) (map[v1.Hash][]byte, error) {
	judge, err := trust.judge()
	if err != nil {
		return nil, err
	}
	p, err := judge.only(ctx, ref, trust.Format, intoto.CycloneDX, opts)
	if err != nil {
		return nil, fmt.Errorf("looking for the SBOMs of %s: %w", ref, err)
	}
	var index v1.IndexManifest
	if err := p.manifest(ctx, p.digest, &index); err != nil {
		return nil, fmt.Errorf("looking for the SBOMs of %s: %w", ref, err)
	}
	out := map[v1.Hash][]byte{}
	for _, m := range index.Manifests {
		for _, s := range p.of(intoto.CycloneDX) {
			if s.Names(m.Digest.Hex) {
				out[m.Digest] = s.Predicate
			}
		}
	}
	return out, nil
}
