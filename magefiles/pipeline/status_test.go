package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// TestPublished asks about what is published in every way, and repairs what is
// wrong with the commands that are given for it.
func TestPublished(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	w.live(t.Context())
	w.statuses(t)
	w.noted(t)
	w.toldActions(t)
}

// status gives what release:status finds, and what it says to people.
func (w *world) status() (r statusReport, text string) {
	w.t.Helper()
	w.out.Reset()
	ok(w.t, w.Status(w.t.Context(), true))
	ok(w.t, json.Unmarshal(w.out.Bytes(), &r))
	return r, w.said(func(ctx context.Context) error { return w.Status(ctx, false) })
}

// repair runs a command of release:status as a person would.
func (w *world) repair(command string) {
	w.t.Helper()
	var tag, target, again string
	if _, err := fmt.Sscanf(command, "git switch --detach %s && go run . release:%s -tag=%s", &tag, &target, &again); err != nil || tag != again {
		w.t.Fatalf("%q is no command", command)
	}
	channel := map[string]decide.Channel{"rc": decide.Candidate, "stable": decide.Stable}[target]
	ok(w.t, (git.Repo{Dir: w.Dir}).Detach(w.t.Context(), tag))
	w.said(func(ctx context.Context) error {
		return w.Release(ctx, Order{Ref: tag, Channels: []decide.Channel{channel}})
	})
}

func (w *world) statuses(t *testing.T) {
	ctx := t.Context()
	point := func(tag, at string) {
		t.Helper()
		index, err := remote.Index(mustRef(t, w.Image+":"+at))
		ok(t, err)
		ok(t, remote.WriteIndex(mustRef(t, w.Image+":"+tag), index))
	}
	w.sub(t, "settled", func(t *testing.T) {
		r, said := w.status()
		if !r.Settled || len(r.Repairs) != 0 || len(r.Stable) != 3 || len(r.Candidates) != 1 || r.Latest != "v0.3.0" {
			t.Errorf("the status is %+v", r)
		}
		contains(t, "the status", said, "All is as it should be.", "0.3.0-rc.1", "candidate", "public", "latest release page", "edge")
		if strings.Contains(said, "WRONG") || strings.Contains(said, "WITHDRAWN") {
			t.Errorf("nothing is wrong:\n%s", said)
		}
	})
	for _, tt := range []struct {
		name    string
		spoil   func(t *testing.T)
		found   []string
		command []string
	}{
		{"latest moved by hand", func(*testing.T) { point("latest", "0.2.0") },
			[]string{"move tag latest from ", "(0.2.0) to ", "(0.3.0)", "WRONG"}, []string{"release:stable -tag=v0.3.0"}},
		{"an old line moved by hand", func(*testing.T) { point("0.2", "0.3.0") },
			[]string{"move tag 0.2 from ", "(0.3.0) to ", "(0.2.1)", "WRONG"}, []string{"release:stable -tag=v0.2.1"}},
		{"a line at a candidate", func(*testing.T) { point("0.3", "0.3.0-rc.1") },
			[]string{"move tag 0.3 from sha256:", "WRONG"}, []string{"release:stable -tag=v0.3.0"}},
		{"no page", func(t *testing.T) { ok(t, os.RemoveAll(w.dist(releasesDir, "v0.2.1"))) },
			[]string{"the release page of v0.2.1 is missing"}, []string{"release:stable -tag=v0.2.1"}},
		{"no page of a candidate, which is a draft", func(t *testing.T) {
			ok(t, os.RemoveAll(w.dist(releasesDir, "v0.3.0-rc.1")))
			ok(t, w.Forge.Draft(ctx, forge.Release{Tag: "v0.3.0-rc.1", Name: "x", Notes: "x", Prerelease: true}))
		}, []string{"the release page of v0.3.0-rc.1 is draft"}, []string{"release:rc -tag=v0.3.0-rc.1"}},
		{"another page first", func(t *testing.T) { ok(t, w.Forge.SetLatest(ctx, "v0.2.1")) },
			[]string{"latest release page", "WRONG", "v0.3.0"}, []string{"release:stable -tag=v0.3.0"}},
	} {
		w.sub(t, tt.name, func(t *testing.T) {
			tt.spoil(t)
			r, said := w.status()
			if r.Settled || len(r.Repairs) != len(tt.command) {
				t.Fatalf("the status is %+v", r)
			}
			contains(t, "the status", said, append(tt.found, "repair")...)
			for i, want := range tt.command {
				contains(t, "the command", r.Repairs[i].Command, want)
				w.repair(r.Repairs[i].Command)
			}
			if r, said = w.status(); !r.Settled {
				t.Errorf("after the repair the status is\n%s", said)
			}
		})
	}
	w.sub(t, "withdrawn", func(t *testing.T) {
		w.rolls(RollbackOrder{Version: "0.3.0", Reason: loses})
		r, said := w.status()
		if !r.Settled || r.Stable[0].Withdrawn == nil || r.Stable[0].Withdrawn.Use != "0.2.1" || r.LatestWant != "v0.2.1" {
			t.Errorf("the status is %+v", r)
		}
		contains(t, "the status", said, "WITHDRAWN: "+loses, "All is as it should be.")
		point("latest", "0.3.0") // by hand, in spite of all
		r, _ = w.status()
		if len(r.Repairs) != 1 {
			t.Fatalf("the status is %+v", r)
		}
		contains(t, "the command", r.Repairs[0].Command, "release:stable -tag=v0.2.1")
		w.repair(r.Repairs[0].Command)
		if w.at("latest") != w.at("0.2.1") {
			t.Error("the repair did not move latest")
		}
		w.rolls(RollbackOrder{Version: "0.3.0", Restore: true})
	})
	w.sub(t, "a forge that chooses", func(t *testing.T) {
		f := w.Forge
		defer func() { w.Forge = f }()
		w.Forge = chooser{f}
		r, said := w.status()
		if !r.Settled || !r.OwnLatest || len(r.Repairs) != 0 {
			t.Errorf("the status is %+v", r)
		}
		contains(t, "the status", said, "v0.2.1", "the forge chooses by itself", "All is as it should be.")
	})
}

// chooser is a forge that shows the newest release first, whatever is asked.
type chooser struct{ forge.Forge }

func (chooser) Latest(context.Context) (string, error)  { return "v0.2.1", forge.ErrOwnLatest }
func (chooser) SetLatest(context.Context, string) error { return forge.ErrOwnLatest }
