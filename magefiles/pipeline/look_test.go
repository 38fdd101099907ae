package pipeline

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// contains wants a text with all the parts.
func contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s does not say %q:\n%s", what, p, text)
		}
	}
}

// sub is t.Run.
func (w *world) sub(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		w.t = t
		f(t)
	})
	w.t = t
}

// head gives the commit that is checked out.
func (w *world) head() string {
	w.t.Helper()
	head, err := git.Repo{Dir: w.Dir}.Head(w.t.Context())
	ok(w.t, err)
	return head
}

// at gives the digest under a tag.
func (w *world) at(tag string) string {
	w.t.Helper()
	d, err := remote.Head(mustRef(w.t, w.Image+":"+tag))
	ok(w.t, err)
	return d.Digest.String()
}

// said runs something and gives what it printed and logged.
func (w *world) said(f func(ctx context.Context) error) string {
	w.t.Helper()
	w.out.Reset()
	w.log.Reset()
	ok(w.t, f(w.t.Context()))
	return w.log.String() + w.out.String()
}

// rolls withdraws or restores, and gives what was said.
func (w *world) rolls(o RollbackOrder) string {
	w.t.Helper()
	return w.said(func(ctx context.Context) error { return w.Rollback(ctx, o) })
}

// records gives the records of a version's roll-backs.
func (w *world) records(tag string) (out []rolledBack) {
	w.t.Helper()
	names, err := filepath.Glob(w.dist(withdrawnDir, tag, "record-*.json"))
	ok(w.t, err)
	for _, name := range names {
		var r rolledBack
		text, err := os.ReadFile(name)
		ok(w.t, err)
		ok(w.t, json.Unmarshal(text, &r))
		out = append(out, r)
	}
	return out
}

// planned gives the plan of a tag, and what it is for people.
func (w *world) planned(ref string) (p decide.Plan, text string) {
	w.t.Helper()
	w.out.Reset()
	ok(w.t, w.ShowPlan(w.t.Context(), ref, true))
	ok(w.t, json.Unmarshal(w.out.Bytes(), &p))
	return p, w.said(func(ctx context.Context) error { return w.ShowPlan(ctx, ref, false) })
}

// tagsOf names the rolling tags of a plan, with a mark where they would move.
func tagsOf(p decide.Plan) (out []string) {
	for _, c := range p.Tags {
		switch {
		case c.Rolling && c.Change:
			out = append(out, c.Name+" moves")
		case c.Rolling:
			out = append(out, c.Name)
		}
	}
	return out
}
