package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/make/frontend"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// suiteModule is the Go module of this suite.
const suiteModule = "github.com/kubedoio/rustshare-release"

// localBuilder is the builder of a release that no known CI made.
const localBuilder = "https://" + suiteModule + "/blob/main/docs/provenance.md#local-builder"

// builder says who builds: the CI's workflow and run where there is one, which
// GitHub, Gitea and Forgejo name in the same variables.
func (s *Suite) builder() attest.Builder {
	b := attest.Builder{ID: localBuilder}
	server, repository, run := s.Getenv("GITHUB_SERVER_URL"), s.Getenv("GITHUB_REPOSITORY"), s.Getenv("GITHUB_RUN_ID")
	if workflow := s.Getenv("GITHUB_WORKFLOW_REF"); server != "" && workflow != "" {
		b.ID = server + "/" + workflow
		b.Invocation = fmt.Sprintf("%s/%s/actions/runs/%s/attempts/%s", server, repository, run, or(s.Getenv("GITHUB_RUN_ATTEMPT"), "1"))
	}
	if version := suite().Annotations["version"]; version != "" {
		b.Version = map[string]string{"rustshare-release": version}
	}
	return b
}

// suite describes this program, as far as the Go toolchain has noted what it was
// built from; the zero value where it has not.
func suite() intoto.Resource {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return intoto.Resource{}
	}
	return suiteOf(*info)
}

func suiteOf(info debug.BuildInfo) intoto.Resource {
	module := info.Main
	for _, d := range info.Deps {
		if d.Path == suiteModule {
			module = *d
		}
	}
	out := intoto.Resource{Name: "rustshare-release", URI: "pkg:golang/" + suiteModule}
	if module.Path != suiteModule {
		return intoto.Resource{}
	}
	if v := module.Version; v != "" && v != "(devel)" {
		out.URI += "@" + v
		out.Annotations = map[string]string{"version": v}
	}
	dirty := false
	for _, s := range info.Settings {
		switch {
		case module.Path != info.Main.Path: // the settings are the main module's
		case s.Key == "vcs.revision" && (len(s.Value) == 40 || len(s.Value) == 64):
			out.Digest = map[string]string{"gitCommit": s.Value}
		case s.Key == "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty { // the commit is not what was run
		out.Digest = nil
	}
	if out.Digest == nil && out.Annotations == nil {
		return intoto.Resource{}
	}
	return out
}

// begun notes when a bundle's build began: the first run that works on it says.
func (s *Suite) begun(b *bundle.Bundle) error {
	built, err := b.Built()
	if err != nil || !built.Started.IsZero() {
		return err
	}
	if _, _, done, err := b.ImageIndex(); err != nil || done {
		return err // who began it did not say
	}
	built.Started = s.clock().UTC()
	return b.SetBuilt(built)
}

// builtWith notes what the frontend was built with.
func (s *Suite) builtWith(b *bundle.Bundle, t frontend.Tools) error {
	built, err := b.Built()
	if err != nil {
		return err
	}
	built.Tools = []bundle.Tool{{Name: "node", Version: t.NodeVersion}, {Name: "npm", Version: t.NpmVersion}}
	return b.SetBuilt(built)
}

// finished notes when the image was complete.
func (s *Suite) finished(b *bundle.Bundle) error {
	built, err := b.Built()
	if err != nil {
		return err
	}
	built.Finished = s.clock().UTC()
	return b.SetBuilt(built)
}

// dependencies are what a build was made from and with, besides what the bundle
// itself says: lock files of the commit, tools, and this suite.
func (s *Suite) dependencies(b *bundle.Bundle) ([]intoto.Resource, error) {
	locks := []string{"Cargo.lock"}
	if f := s.Product.Frontend; f != nil {
		locks = append(locks, path.Join(f.Dir, "package-lock.json"))
	}
	var out []intoto.Resource
	for _, name := range locks {
		text, err := os.ReadFile(filepath.Join(s.Dir, filepath.FromSlash(name))) // the gates saw a clean checkout of the commit
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s for the provenance: %w", name, err)
		}
		sum := sha256.Sum256(text)
		out = append(out, intoto.Resource{
			Name: name, URI: intoto.SourceFile(s.Product.Source, b.Plan.Ref.Full(), name),
			Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])},
		})
	}
	built, err := b.Built()
	if err != nil {
		return nil, err
	}
	for _, t := range built.Tools {
		out = append(out, intoto.Tool(t.Name, t.Version))
	}
	if self := suite(); self.URI != "" {
		out = append(out, self)
	}
	return out, nil
}

// provenances gives those that the registry holds of a bundle's image already:
// a run on another machine keeps the provenance of the build that made it.
func (s *Suite) provenances(ctx context.Context, reg *registry.Registry, b *bundle.Bundle) ([][]byte, error) {
	index, manifest, ok, err := b.ImageIndex()
	if err != nil || !ok {
		return nil, err
	}
	if _, ok, err := reg.Head(ctx, index.Digest.String()); err != nil || !ok {
		return nil, err
	}
	trust, err := s.trust()
	if err != nil {
		return nil, err
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return nil, err
	}
	subjects := []v1.Hash{index.Digest}
	for _, m := range manifest.Manifests { // a run may have died between them
		subjects = append(subjects, m.Digest)
	}
	var out [][]byte
	for _, h := range subjects {
		found, err := verify.Provenances(ctx, reg.Digest(h), trust, options...)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// attestOptions are what the proofs of a bundle are made with.
func (s *Suite) attestOptions(ctx context.Context, reg *registry.Registry, b *bundle.Bundle, signer attest.Signer) (attest.Options, error) {
	o := attest.Options{Signer: signer, Builder: s.builder()}
	built, err := b.Built()
	if err != nil {
		return o, err
	}
	o.Builder.Started, o.Builder.Finished = built.Started, built.Finished
	var errs [3]error
	o.Dependencies, errs[0] = s.dependencies(b)
	o.Provenances, errs[1] = s.provenances(ctx, reg, b)
	o.Results, errs[2] = results(b)
	return o, errors.Join(errs[:]...)
}

// versionOf says which one a dependency is, for people.
func versionOf(r intoto.Resource) string {
	if v := r.Annotations["version"]; v != "" {
		return strings.TrimPrefix(v, r.Name+" ")
	}
	for _, algorithm := range []string{"gitCommit", "sha256", "sha512"} {
		if d := r.Digest[algorithm]; d != "" {
			return algorithm + ":" + short(d)
		}
	}
	return r.URI
}
