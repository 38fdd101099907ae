package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Rehearse lives through whole releases of the sample product, on an embedded registry.
// -keep leaves repository, keys, bundles, registry and releases in a
// directory. -like goes through the commits of a kept rehearsal again, to show
// that the same commits give the same digests.
func Rehearse(ctx context.Context, keep, like *string) error {
	return run(func(s *pipeline.Suite) error {
		return s.Rehearse(ctx, value(keep), value(like))
	})
}

// Doctor says what each target needs on this machine, and how to get what is missing.
func Doctor(ctx context.Context, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Doctor(ctx, value(json))
	})
}

// Registry is the embedded image registry.
type Registry mg.Namespace

// Serve serves the registry that lies in DIR, until it is interrupted.
// -listen is host:port on loopback (default 127.0.0.1:5000).
func (Registry) Serve(ctx context.Context, dir string, listen *string) error {
	return run(func(s *pipeline.Suite) error {
		return s.ServeRegistry(ctx, dir, value(listen))
	})
}

// Bench times a release from finished binaries to verified, against the floor of the same bytes.
func Bench(ctx context.Context, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Bench(ctx, value(json))
	})
}
