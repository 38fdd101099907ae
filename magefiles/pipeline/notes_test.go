package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
)

// noted prints the notes of a release in every way.
func (w *world) noted(t *testing.T) {
	ctx := t.Context()
	notes := func(tag string) string {
		t.Helper()
		return w.said(func(ctx context.Context) error { return w.Notes(ctx, tag) })
	}
	page := func(tag string) string {
		t.Helper()
		p, err := w.Forge.Find(ctx, tag)
		ok(t, err)
		return p.Notes
	}
	w.sub(t, "notes of a bundle", func(t *testing.T) {
		for _, tag := range []string{"v0.2.0", "v0.3.0-rc.1", "v0.3.0", "v0.2.1"} {
			if got, want := notes(tag), page(tag); got != want {
				t.Errorf("the notes of %s are\n%s\nthe page says\n%s", tag, got, want)
			}
		}
		contains(t, "the notes", notes("v0.3.0"), "# Tiny v0.3.0", "## Changes", "## Image", w.at("0.3.0"), "Tags: `0.3.0`, `sha-",
			"| tinyd-x86_64-linux |", "cosign verify --new-bundle-format", "[v0.2.0...v0.3.0](https://git.example.org/tiny/tiny/compare/v0.2.0...v0.3.0)", "Rehearsal Maintainer")
	})
	w.sub(t, "notes of what is published", func(t *testing.T) {
		s := w.Suite
		s.Dist = t.TempDir() // another machine
		out := w.said(func(ctx context.Context) error { return s.Notes(ctx, "v0.3.0") })
		if out != page("v0.3.0") {
			t.Errorf("the notes are\n%s", out)
		}
	})
	w.sub(t, "no notes", func(t *testing.T) {
		says(t, w.Notes(ctx, "v0.9.0"), "v0.9.0 is neither built here ("+w.dist("v0.9.0")+") nor published", "`go run . release:stable -tag=v0.9.0 -dryRun`")
		says(t, w.Notes(ctx, "v0.9.0-rc.1"), "`go run . release:rc -tag=v0.9.0-rc.1 -dryRun`")
		says(t, w.Notes(ctx, "main"), "main is no version: edge and nightly builds have no notes")
	})
}

// toldActions releases as a job of Actions does.
func (w *world) toldActions(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{
		"GITHUB_ACTIONS": "true", "CI": "true",
		"GITHUB_OUTPUT": filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary.md"),
	}
	getenv := func(name string) string { return env[name] }
	s, log := w.Suite, &bytes.Buffer{}
	s.UI = term.New(log, getenv)
	file := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(env[name])
		ok(t, err)
		return string(text)
	}
	w.sub(t, "outputs", func(t *testing.T) {
		ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), "v0.3.0"))
		index := w.Image
		ok(t, s.Release(t.Context(), Order{Ref: "v0.3.0", Channels: []decide.Channel{decide.Stable}}))
		want := "version=0.3.0\ndigest=" + w.at("0.3.0") + "\nchannel=stable\nimage=" + index + "@" + w.at("0.3.0") + "\n"
		if got := file("GITHUB_OUTPUT"); got != want {
			t.Errorf("the outputs are\n%s\nwant\n%s", got, want)
		}
		page := file("GITHUB_STEP_SUMMARY")
		contains(t, "the page", page, "## Tiny v0.3.0", "Channel stable, commit `", "| tag | kind | now | next |", "| latest | rolling |", "| gate | state | detail |",
			"PASS", "### Published", w.at("0.3.0"), "No tag was made or moved.")
	})
	w.sub(t, "refused", func(t *testing.T) {
		ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), w.history.Episodes[2].Commit))
		log.Reset()
		err := s.UI.Fail(s.Release(t.Context(), Order{Ref: "v0.3.0", Channels: []decide.Channel{decide.Stable}}))
		says(t, err, "v0.3.0 is refused", "git switch --detach v0.3.0")
		if n := strings.Count(log.String(), "::error title="); n == 0 || n != strings.Count(log.String(), "::error") || n != strings.Count(err.Error(), "\n") {
			t.Errorf("there are %d annotations, want one for each gate:\n%s\n%v", n, log, err)
		}
	})
	w.sub(t, "plan for others", func(t *testing.T) {
		ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), "v0.3.0"))
		w.out.Reset()
		ok(t, s.ShowPlan(t.Context(), "v0.3.0", true))
		var p decide.Plan
		ok(t, json.Unmarshal(w.out.Bytes(), &p))
		if n := strings.Count(file("GITHUB_STEP_SUMMARY"), "## Tiny v0.3.0"); n != 3 {
			t.Errorf("the page has %d plans, want one for each run", n)
		}
	})
}
