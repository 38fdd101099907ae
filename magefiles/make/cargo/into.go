package cargo

import (
	"context"
	"fmt"
	"os"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Into brings the binaries of the targets into the bundle, as entries of role
// binary under their asset names. Those that are there already are not built
// again: a bundle is of one commit and one definition.
func Into(ctx context.Context, b *bundle.Bundle, o Options) ([]Binary, error) {
	if there := There(b, o.targets()); len(there) == len(o.targets()) {
		return there, nil
	}
	out, err := Build(ctx, o)
	if err != nil {
		return nil, err
	}
	for i, made := range out {
		blob, err := b.IngestFile(made.Path)
		if err != nil {
			return nil, fmt.Errorf("taking %s into the bundle: %w", made.Target.Asset, err)
		}
		d := entry(made, blob)
		if err := b.Add(bundle.Binary, d); err != nil {
			return nil, err
		}
		out[i].Path = b.Path(d.Digest)
	}
	return out, nil
}

// There gives the binaries of the targets that the bundle holds, in the order of
// the targets.
func There(b *bundle.Bundle, targets []product.Target) []Binary {
	var out []Binary
	for _, t := range targets {
		if d, ok := b.Find(bundle.Binary, t.Asset); ok && d.Annotations[bundle.TargetKey] == t.Triple && b.Has(d) {
			out = append(out, fromEntry(b, t, d))
		}
	}
	return out
}

// Check looks at a binary that was made elsewhere as at one that was made here:
// it has to be a static executable for its target.
func Check(made Binary) error {
	content, err := os.ReadFile(made.Path)
	if err != nil {
		return err
	}
	if err := checkStatic(content, made.Target); err != nil {
		return fmt.Errorf("checking %s: %w", made.Target.Asset, err)
	}
	return nil
}

// MediaType is that of an executable in a bundle.
const MediaType = "application/x-executable"

func entry(made Binary, blob bundle.Blob) v1.Descriptor {
	d := blob.Descriptor(MediaType, made.Target.Asset)
	for k, v := range map[string]string{
		bundle.TargetKey:    made.Target.Triple,
		bundle.PlatformKey:  made.Target.Platform(),
		bundle.VersionKey:   made.Version,
		bundle.RanKey:       made.Ran,
		bundle.CratesKey:    strconv.Itoa(made.Crates),
		bundle.ToolchainKey: made.Toolchain,
		bundle.CargoKey:     made.Cargo,
	} {
		d.Annotations[k] = v
	}
	return d
}

func fromEntry(b *bundle.Bundle, t product.Target, d v1.Descriptor) Binary {
	crates, _ := strconv.Atoi(d.Annotations[bundle.CratesKey]) // only shown
	return Binary{
		Target: t, Path: b.Path(d.Digest),
		Version:   d.Annotations[bundle.VersionKey],
		Ran:       d.Annotations[bundle.RanKey],
		Crates:    crates,
		Toolchain: d.Annotations[bundle.ToolchainKey],
		Cargo:     d.Annotations[bundle.CargoKey],
	}
}
