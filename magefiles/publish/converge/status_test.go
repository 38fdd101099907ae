package converge

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// TestStatus looks at releases that are well, drifted and withdrawn.
func TestStatus(t *testing.T) {
	w := newWorld(t, registries.All()["embedded"](t))
	status := func() Status {
		t.Helper()
		p := w.publisher()
		s, err := p.Status(t.Context())
		ok(t, err)
		if n := p.Registry.Stats().Writes(); n > 0 {
			t.Errorf("%d writes", n)
		}
		return s
	}
	if s := status(); !s.Settled() || len(s.Stable)+len(s.Candidates)+len(s.Tags)+len(s.Left) > 0 {
		t.Errorf("of nothing: %+v", s)
	}
	one := build(t, source{ref: "v0.1.0", commit: commit("a")})
	for _, m := range []made{
		one,
		build(t, source{ref: "main", commit: commit("b")}),
		build(t, source{ref: "v0.2.0-rc.1", commit: commit("b")}),
		build(t, source{ref: "v0.2.0", commit: commit("b")}),
		build(t, source{ref: "v0.10.0", commit: commit("c")}),
	} {
		w.publish(m.want)
	}
	w.publish(w.withdraw("0.10.0"))
	if s := status(); !s.Settled() || len(lines(s.Left)) != 1 {
		t.Errorf("settled %v, left %q", s.Settled(), lines(s.Left))
	}

	// Somebody moved 0.2 by hand, took a page away and shows the wrong one.
	p := w.publisher()
	image := one.want.image()
	ok(t, p.Registry.PutManifest(t.Context(), "0.2", image.MediaType, image.Raw))
	ok(t, forge.Directory(w.releases).SetLatest(t.Context(), "v0.1.0"))
	ok(t, os.RemoveAll(filepath.Join(w.releases, "v0.2.0-rc.1")))
	s := status()
	text, err := json.MarshalIndent(s, "", "  ")
	ok(t, err)
	golden(t, "status", append(strings.Split(string(text), "\n"), lines(s.Left)...))
	if s.Settled() {
		t.Error("it is not settled")
	}
	// What is left is what a release does anyway.
	w.publish(Desired{Channel: decide.Stable})
	if s := status(); Pending(s.Left) || s.Settled() {
		t.Errorf("left %q, settled %v", lines(s.Left), s.Settled())
	}

	// Asking reads pages alone, and no assets.
	p = w.publisher()
	p.Forge = pages{p.Forge, t}
	again, err := p.Status(t.Context())
	ok(t, err)
	if got := again.Candidates[0].Page; got != Missing {
		t.Errorf("the page of %s is %s", again.Candidates[0].Version, got)
	}

	p = w.publisher()
	p.Withdrawn = func(context.Context, v1.Hash) (*intoto.Withdrawal, error) { return nil, errors.New("no answer") }
	_, err = p.Status(t.Context())
	says(t, err, "looking at what is published: no answer")
}

// pages is a forge whose assets nobody may ask for.
type pages struct {
	forge.Forge
	t *testing.T
}

func (f pages) Find(_ context.Context, tag string) (*forge.Release, error) {
	f.t.Errorf("the assets of %s were asked for", tag)
	return nil, errors.New("too expensive")
}
