package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// machine is another machine with a checkout of the same commit: nothing but
// cargo's cache is shared.
func (w *world) machine(commit string) *Suite {
	w.t.Helper()
	s := w.Suite
	dir := w.t.TempDir()
	s.Dir, s.Dist = filepath.Join(dir, "checkout"), filepath.Join(dir, "dist")
	repo, err := git.Clone(w.t.Context(), w.Dir, s.Dir)
	ok(w.t, err)
	ok(w.t, repo.Detach(w.t.Context(), commit))
	return &s
}

// contents are all that a bundle holds: what it is, and its digest.
func contents(t *testing.T, dir string) (lines []string) {
	t.Helper()
	b, err := bundle.Open(dir)
	ok(t, err)
	for _, role := range []bundle.Role{bundle.Binary, bundle.File, bundle.Image, bundle.Artifact, bundle.Tagged} {
		for _, d := range b.Entries(role) {
			if d.Annotations[bundle.TitleKey] == "index.result.gates" {
				continue // what the gates saw, and when, is each run's own
			}
			lines = append(lines, fmt.Sprintf("%s %s %s", role, d.Digest, slices.Sorted(maps.Values(d.Annotations))))
		}
	}
	slices.Sort(lines) // proofs are made side by side
	return lines
}

// TestSplit makes a release of parts that were built on machines of their own,
// and has it be, bit for bit, what one machine makes.
func TestSplit(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	ok(t, w.play(t.Context(), e))
	alone := w.outcomes[0]
	aloneRecord, err := record.Read(w.dist(e.Ref))
	ok(t, err)

	var parts []string
	for _, target := range w.Product.Cargo.Targets {
		s := w.machine(e.Commit)
		s.Key = nil // none is needed
		part, err := s.buildBinaries(t.Context(), term.Discard(), PartOrder{Ref: e.Ref, Target: target.Triple})
		ok(t, err)
		if len(part.Binaries) != 1 || part.Binaries[0].Asset != target.Asset || part.Dir != s.dist("parts", e.Ref, target.Triple) {
			t.Errorf("the part is %+v", part)
		}
		parts = append([]string{part.Dir}, parts...) // the wrong way round
	}

	w.serve(registries.All()["embedded"](t)) // an empty one
	last := w.machine(e.Commit)
	last.Clock = w.history.Nightly                        // what a clock says stands in the provenance
	last.CargoTarget = filepath.Join(w.Dir, "Cargo.toml") // compiling would fail
	order := Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}, Parts: parts}
	split, err := last.release(t.Context(), term.Discard(), order)
	ok(t, err)
	if split.Digest != alone.Digest || !split.Report.Passed || !slices.Equal(split.Moved, alone.Moved) {
		t.Errorf("split: %s, moved %q; on one machine: %s, moved %q", split.Digest, split.Moved, alone.Digest, alone.Moved)
	}
	splitRecord, err := record.Read(last.dist(e.Ref))
	ok(t, err)
	if !slices.Equal(splitRecord.Binaries, aloneRecord.Binaries) {
		t.Errorf("the evidence is\n%+v, on one machine\n%+v", splitRecord.Binaries, aloneRecord.Binaries)
	}
	if a, b := contents(t, w.dist(e.Ref)), contents(t, last.dist(e.Ref)); !slices.Equal(a, b) {
		t.Errorf("the bundle holds\n%s\non one machine\n%s", strings.Join(b, "\n"), strings.Join(a, "\n"))
	}

	t.Run("again", func(t *testing.T) {
		again, err := last.release(t.Context(), term.Discard(), order)
		ok(t, err)
		if again.Sent.Writes() != 0 {
			t.Errorf("a finished release sent %s", again.Sent)
		}
	})
	t.Run("half", func(t *testing.T) {
		s := w.machine(e.Commit)
		half := order
		half.Parts = parts[:1]
		_, err := s.release(t.Context(), term.Discard(), half)
		says(t, err, w.Product.Cargo.Targets[0].Asset, "is in none of the parts", parts[0])
	})
	t.Run("of another commit", func(t *testing.T) {
		next := w.history.Episodes[1]
		s := w.machine(next.Commit)
		_, err := s.release(t.Context(), term.Discard(), Order{Ref: next.Ref, Channels: []decide.Channel{next.Channel}, Parts: parts})
		says(t, err, parts[0], `is of ref "v0.2.0", this release is of main`)
	})
	t.Run("targets changed round", func(t *testing.T) {
		path := filepath.Join(parts[0], "index.json")
		text, err := os.ReadFile(path)
		ok(t, err)
		ok(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte("aarch64-unknown-linux-gnu"), []byte("x86_64-unknown-linux-gnu")), 0o644))
		_, err = w.machine(e.Commit).release(t.Context(), term.Discard(), order)
		says(t, err, "not for its target")
	})
}

// TestBuildBinaries prints the part, and refuses what the release would refuse.
func TestBuildBinaries(t *testing.T) {
	w := newWorld(t, tiny())
	w.serve(registries.All()["embedded"](t))
	e := w.history.Episodes[0]
	s := w.machine(e.Commit)
	out := filepath.Join(t.TempDir(), "part")
	w.out.Reset()
	ok(t, s.BuildBinaries(t.Context(), PartOrder{Out: out, JSON: true})) // the tag at HEAD, every target
	var part Part
	ok(t, json.Unmarshal(w.out.Bytes(), &part))
	if part.Ref != e.Ref || part.Commit != e.Commit || part.Dir != out || len(part.Binaries) != 2 || part.Binaries[0].Ran != "native" {
		t.Errorf("it printed %s", w.out)
	}
	b, err := bundle.Open(out)
	ok(t, err)
	if d, found := b.Find(bundle.Binary, part.Binaries[1].Asset); !found || d.Digest.Hex != part.Binaries[1].SHA256 {
		t.Errorf("the part holds %+v", d)
	}
	w.out.Reset()
	ok(t, s.BuildBinaries(t.Context(), PartOrder{Out: out}))
	if !bytes.Contains(w.out.Bytes(), []byte(part.Binaries[0].SHA256)) {
		t.Errorf("it printed %s", w.out)
	}

	says(t, s.BuildBinaries(t.Context(), PartOrder{Target: "mips"}), "-target=mips", "x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu")
	ok(t, os.WriteFile(filepath.Join(s.Dir, "Cargo.toml"), []byte("x"), 0o644))
	says(t, s.BuildBinaries(t.Context(), PartOrder{Ref: e.Ref}), "Cargo.toml")
	says(t, w.machine(w.history.Episodes[1].Commit).BuildBinaries(t.Context(), PartOrder{Ref: e.Ref}), e.Ref)
}
