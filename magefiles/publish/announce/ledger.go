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

// State is how far the message to an address got.
type State string

// The states that a ledger keeps. An address that it does not know was never
// tried; after StateFailed it is tried again.
const (
	StateSending State = "sending"
	StateSent    State = "sent"
	StateFailed  State = "failed"
)

// Ledger remembers where one message went. Keys are made from addresses and
// show nothing of them. Its methods may be called side by side; two processes
// that announce the same at the same time are not kept apart.
type Ledger interface {
	// States gives the last state of each key.
	States(ctx context.Context) (map[string]State, error)
	// Mark keeps a state for good before it returns.
	Mark(ctx context.Context, key string, s State) error
}

// Registry is a ledger that remembers in the registry where a release was
// announced, so that it is announced once from wherever that is done:
// annotations of a manifest under a tag that belongs to the image's digest.
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

// States implements [Ledger]. A manifest that is no ledger is an error: without
// it a message could be sent twice.
func (l *Registry) States(ctx context.Context) (map[string]State, error) {
	doing := "reading where it was announced (tag " + l.tag + ")"
	raw, _, ok, err := l.reg.Manifest(ctx, l.tag)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	states := map[string]State{}
	if !ok {
		return states, nil
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: it is no ledger of announcements, without which a message could be sent twice: see who put it there (%w)", doing, err)
	}
	for key, text := range m.Annotations {
		name, ours := strings.CutPrefix(key, ledgerKey)
		if !ours {
			continue
		}
		switch state := State(text); state {
		case StateSending, StateSent, StateFailed:
			states[name] = state
		default:
			return nil, fmt.Errorf("%s: %s is marked as %q, expected %q, %q or %q: see who wrote that, for without the mark a message could be sent twice",
				doing, name, text, StateSending, StateSent, StateFailed)
		}
	}
	return states, nil
}

// Mark implements [Ledger].
func (l *Registry) Mark(ctx context.Context, key string, state State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	states, err := l.States(ctx)
	if err != nil {
		return err
	}
	states[key] = state
	const empty = "{}"
	h, size, err := v1.SHA256(strings.NewReader(empty))
	if err != nil {
		return fmt.Errorf("hashing the ledger's configuration: %w", err)
	}
	config := v1.Descriptor{MediaType: emptyType, Size: size, Digest: h}
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(empty)), nil }
	if err := l.reg.PutBlob(ctx, registry.Blob{Digest: h, Size: size, Open: open}, nil); err != nil {
		return err
	}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: ledgerType,
		Config: config, Layers: []v1.Descriptor{config}, Annotations: map[string]string{},
	}
	for key, state := range states {
		m.Annotations[ledgerKey+key] = string(state)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding where it was announced: %w", err)
	}
	return l.reg.PutManifest(ctx, l.tag, types.OCIManifestSchema1, raw)
}
