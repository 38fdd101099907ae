package announce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// Registry is a ledger that remembers in the registry where a release was announced, so that it is
// announced once from wherever that is done: annotations of a manifest under a
// tag that belongs to the image's digest.
type Registry struct {
	reg *registry.Registry
	tag string
	mu  sync.Mutex
}

// NewLedger gives the ledger of an image's release, or of its withdrawal.
func NewLedger(reg *registry.Registry, subject v1.Hash, withdrawn bool) *Registry {
	tag := subject.Algorithm + "-" + subject.Hex + ".announced"
	if withdrawn {
		tag = subject.Algorithm + "-" + subject.Hex + ".withdrawal-announced"
	}
	return &Registry{reg: reg, tag: tag}
}

const (
	ledgerType = "application/vnd.kubedoio.release.announced.v1"
	emptyType  = "application/vnd.oci.empty.v1+json"
	ledgerKey  = "io.kubedo.release.announced."
)

func (l *Registry) read(ctx context.Context) (v1.Manifest, error) {
	m := v1.Manifest{Annotations: map[string]string{}}
	raw, _, ok, err := l.reg.Manifest(ctx, l.tag)
	if err == nil && ok {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		return m, fmt.Errorf("reading where it was announced (tag %s): %w", l.tag, err)
	}
	return m, nil
}

// States implements [Ledger].
func (l *Registry) States(ctx context.Context) (map[string]State, error) {
	m, err := l.read(ctx)
	states := map[string]State{}
	for key, state := range m.Annotations {
		if name, ok := strings.CutPrefix(key, ledgerKey); ok {
			states[name] = State(state)
		}
	}
	return states, err
}

// Mark implements [Ledger].
func (l *Registry) Mark(ctx context.Context, key string, state State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, err := l.read(ctx)
	if err != nil {
		return err
	}
	const empty = "{}"
	h, size, err := v1.SHA256(strings.NewReader(empty))
	if err != nil {
		return err
	}
	config := v1.Descriptor{MediaType: emptyType, Size: size, Digest: h}
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(empty)), nil }
	if err := l.reg.PutBlob(ctx, registry.Blob{Digest: h, Size: size, Open: open}, nil); err != nil {
		return err
	}
	m.SchemaVersion, m.MediaType, m.ArtifactType = 2, types.OCIManifestSchema1, ledgerType
	m.Config, m.Layers = config, []v1.Descriptor{config}
	if m.Annotations == nil {
		m.Annotations = map[string]string{}
	}
	m.Annotations[ledgerKey+key] = string(state)
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return l.reg.PutManifest(ctx, l.tag, types.OCIManifestSchema1, raw)
}
