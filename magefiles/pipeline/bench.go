package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/elfkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// What the benchmark releases.
const (
	benchBinary   = 17_000_000
	benchFrontend = 7_000_000
	benchCrates   = 190
	benchRounds   = 5
)

// BenchResult compares a release with the floor: sha256, gzip and upload of
// the same bytes, once, with the same compressor. The floor is taken twice:
// one file after the other, and as many side by side as the release has.
// Durations and ratios are medians of the rounds, in seconds.
type BenchResult struct {
	Rounds int `json:"rounds"`
	// Floor, FloorParallel and Release are for the same bytes; Release begins
	// with finished binaries and ends with a verified release.
	Floor         float64 `json:"floor"`
	FloorParallel float64 `json:"floorParallel"`
	Release       float64 `json:"release"`
	// Ratio and RatioParallel are the release's over each floor.
	Ratio         float64 `json:"ratio"`
	RatioParallel float64 `json:"ratioParallel"`
	// Again is a second run of the finished release.
	Again float64 `json:"again"`
	// Sent and SentAgain are what went over the wire in one round.
	Sent      registry.Stats `json:"sent"`
	SentAgain registry.Stats `json:"sentAgain"`
	// Steps are the seconds of the release's steps in the last round.
	Steps map[string]float64 `json:"steps"`
}

// Bench times a release of two platforms against the floor, in one run.
func (s *Suite) Bench(ctx context.Context, asJSON bool) error {
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	in, err := makeBenchInput(dir, s.Product)
	if err != nil {
		return err
	}
	r := BenchResult{Rounds: benchRounds}
	var floors, parallels, releases, ratios, parallelRatios, reruns []float64
	for i := range benchRounds {
		err := s.UI.Run(ctx, fmt.Sprintf("round %d", i+1), func(ctx context.Context, step *term.Step) error {
			round := filepath.Join(dir, fmt.Sprint(i))
			floor, err := in.floor(ctx, filepath.Join(round, "floor"), 1)
			if err != nil {
				return err
			}
			parallel, err := in.floor(ctx, filepath.Join(round, "parallel"), -1)
			if err != nil {
				return err
			}
			release, again, err := in.release(ctx, filepath.Join(round, "release"), &r)
			if err != nil {
				return err
			}
			step.Detail("floor %.2f s, side by side %.2f s, release %.2f s, again %.2f s", floor, parallel, release, again)
			parallels, parallelRatios = append(parallels, parallel), append(parallelRatios, release/parallel)
			floors, releases, reruns = append(floors, floor), append(releases, release), append(reruns, again)
			ratios = append(ratios, release/floor)
			return os.RemoveAll(round)
		})
		if err != nil {
			return err
		}
	}
	r.Floor, r.FloorParallel, r.Release, r.Again = median(floors), median(parallels), median(releases), median(reruns)
	r.Ratio, r.RatioParallel = median(ratios), median(parallelRatios)
	if asJSON {
		return s.printJSON(r)
	}
	rows := [][]string{
		{"floor: sha256, gzip, upload, one file after the other", fmt.Sprintf("%.2f s", r.Floor), ""},
		{"the same side by side", fmt.Sprintf("%.2f s", r.FloorParallel), ""},
		{"release: finished binaries to verified", fmt.Sprintf("%.2f s", r.Release), r.Sent.String()},
		{"release / floor", fmt.Sprintf("%.2f", r.Ratio), ""},
		{"release / floor side by side", fmt.Sprintf("%.2f", r.RatioParallel), ""},
		{"the finished release again", fmt.Sprintf("%.2f s", r.Again), r.SentAgain.String()},
	}
	return s.UI.Table(s.Out, []string{fmt.Sprintf("%d rounds", r.Rounds), "median", ""}, rows)
}

// benchInput is what is released: two binaries of machine code and a frontend
// of text.
type benchInput struct {
	suite    Suite
	key      *attest.Key
	binaries map[string]string // asset to path
	frontend string
	plan     decide.Plan
}

func makeBenchInput(dir string, p product.Product) (benchInput, error) {
	p.Image.Base, p.Extra, p.Trust.Keyless, p.Trust.ReleaseKey = "", nil, nil, ".release/cosign.pub"
	if p.Frontend == nil {
		p.Frontend = &product.Frontend{Dir: "frontend", Output: "frontend/build", ImageDir: "/app/frontend"}
	}
	p.Cargo.Targets = []product.Target{
		{Triple: "x86_64-unknown-linux-gnu", OS: "linux", Arch: "amd64", Asset: "server-x86_64-linux"},
		{Triple: "aarch64-unknown-linux-gnu", OS: "linux", Arch: "arm64", Asset: "server-aarch64-linux"},
	}
	in := benchInput{binaries: map[string]string{}, frontend: filepath.Join(dir, filepath.FromSlash(p.Frontend.Output))}
	var err error
	if in.key, err = attest.NewKey(); err != nil {
		return in, err
	}
	pinned := filepath.Join(dir, filepath.FromSlash(p.Trust.ReleaseKey))
	if err := os.MkdirAll(filepath.Dir(pinned), 0o755); err != nil {
		return in, err
	}
	if err := os.WriteFile(pinned, in.key.PublicPEM(), 0o644); err != nil {
		return in, err
	}
	crates := elfkit.Crates()
	for i := len(crates); i < benchCrates; i++ {
		crates = append(crates, elfkit.Crate{Name: fmt.Sprintf("crate-%d", i), Version: "1.0.0", Source: "crates.io", Dependencies: []uint{0}})
	}
	code, err := machineCode(2 * benchBinary)
	if err != nil {
		return in, err
	}
	for i, t := range p.Cargo.Targets {
		machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[t.Arch]
		head := elfkit.Executable(machine, crates, 0)
		text := slices.Concat(head, code[i*benchBinary:(i+1)*benchBinary-len(head)])
		path := filepath.Join(dir, t.Asset)
		in.binaries[t.Asset] = path
		if err := os.WriteFile(path, text, 0o755); err != nil {
			return in, err
		}
	}
	if err := writeFrontend(dir, *p.Frontend); err != nil {
		return in, err
	}
	in.suite = Suite{Product: p, Dir: dir, Getenv: func(string) string { return "" }, UI: term.Discard(), Out: io.Discard, Key: in.key}
	ref, err := decide.ParseRef("v1.0.0", p.Branches.Main)
	if err != nil {
		return in, err
	}
	in.plan = decide.Plan{
		Product: p.Name, Definition: p.Digest(), Ref: ref, Version: "1.0.0",
		Commit: strings.Repeat("c", 40), CommitTime: dawn, Image: p.Image.Repository,
	}
	tags, err := decide.Tags(ref, in.plan.Commit, dawn, nil, nil)
	for _, t := range tags {
		in.plan.Tags = append(in.plan.Tags, decide.TagChange{Tag: t})
	}
	return in, err
}

// machineCode takes bytes that compress as binaries do from this program.
func machineCode(n int) ([]byte, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	self, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for len(self) < n {
		self = append(self, self...)
	}
	return self[:n], nil
}

// writeFrontend writes text that compresses as bundled JavaScript does, and the
// lock file that an SBOM is made from.
func writeFrontend(dir string, f product.Frontend) error {
	words := strings.Fields("const let return function this.state export default import from => ( ) { } [ ] ; , . null undefined await async render props children className onClick fetch Promise")
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same bytes in every run
	out := filepath.Join(dir, filepath.FromSlash(f.Output), "assets")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for i := range 7 {
		var text bytes.Buffer
		for text.Len() < benchFrontend/7 {
			fmt.Fprintf(&text, "%s%s%d", words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(5000))
		}
		if err := os.WriteFile(filepath.Join(out, fmt.Sprintf("chunk-%d.js", i)), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	const lock = `{"name":"bench","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"bench","version":"1.0.0","dependencies":{"lit":"^3.0.0"}},"node_modules/lit":{"version":"3.0.0","license":"BSD-3-Clause"}}}`
	lockFile := filepath.Join(dir, filepath.FromSlash(f.Dir), "package-lock.json")
	if err := os.MkdirAll(filepath.Dir(lockFile), 0o755); err != nil {
		return err
	}
	return os.WriteFile(lockFile, []byte(lock), 0o644)
}

// release goes from finished binaries to a verified release, twice.
func (in benchInput) release(ctx context.Context, dir string, r *BenchResult) (first, again float64, err error) {
	server, err := embedded.Serve(ctx, filepath.Join(dir, "registry"), "", embedded.Options{})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	s := in.suite
	s.UI = term.Discard()
	s.Dist = filepath.Join(dir, "dist")
	run := func() (float64, registry.Stats, error) {
		begun := time.Now()
		reg, err := s.dial(server.Repository("bench/server"), false)
		if err != nil {
			return 0, registry.Stats{}, err
		}
		b, err := bundle.Create(s.dist(in.plan.ID()), in.plan)
		if err != nil {
			return 0, registry.Stats{}, err
		}
		if err := in.ingest(b); err != nil {
			return 0, registry.Stats{}, err
		}
		if err := s.assemble(ctx, s.UI, b, in.frontend); err != nil {
			return 0, registry.Stats{}, err
		}
		if err := s.document(ctx, s.UI, b); err != nil {
			return 0, registry.Stats{}, err
		}
		if err := s.sign(ctx, s.UI, b, in.key, reg); err != nil {
			return 0, registry.Stats{}, err
		}
		from := start{plan: in.plan, source: gate.Source{Ref: in.plan.Ref, FullRef: in.plan.Ref.Full()}}
		_, err = s.publish(ctx, s.UI, b, from, reg, forge.Directory(s.dist(releasesDir)), verify.Trust{Key: in.key.PublicPEM(), Format: s.Product.Proofs}, Order{})
		return time.Since(begun).Seconds(), reg.Stats(), err
	}
	if first, r.Sent, err = run(); err != nil {
		return 0, 0, err
	}
	r.Steps = map[string]float64{}
	for _, step := range s.UI.Steps() {
		r.Steps[step.Name] = step.Elapsed.Seconds()
	}
	again, r.SentAgain, err = run()
	return first, again, err
}

// ingest takes the binaries into the bundle, as cargo's step does.
func (in benchInput) ingest(b *bundle.Bundle) error {
	var g errgroup.Group
	for _, t := range in.suite.Product.Cargo.Targets {
		if _, ok := b.Find(bundle.Binary, t.Asset); ok {
			continue
		}
		g.Go(func() error {
			blob, err := b.IngestFile(in.binaries[t.Asset])
			if err != nil {
				return err
			}
			d := blob.Descriptor("application/x-executable", t.Asset)
			d.Annotations[bundle.TargetKey], d.Annotations[bundle.PlatformKey] = t.Triple, t.Platform()
			return b.Add(bundle.Binary, d)
		})
	}
	return g.Wait()
}

// floor reads, hashes, compresses and uploads each file once, a number of them
// side by side (-1 for all).
func (in benchInput) floor(ctx context.Context, dir string, jobs int) (seconds float64, err error) {
	server, err := embedded.Serve(ctx, filepath.Join(dir, "registry"), "", embedded.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	reg, err := registry.Open(server.Repository("bench/floor"), registry.Options{})
	if err != nil {
		return 0, err
	}
	groups := [][]string{nil}
	err = filepath.WalkDir(in.frontend, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			groups[0] = append(groups[0], path)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, path := range in.binaries {
		groups = append(groups, []string{path})
	}
	begun := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for i, files := range groups {
		g.Go(func() error {
			packed := filepath.Join(dir, fmt.Sprint(i))
			blob, err := pack(files, packed)
			if err != nil {
				return err
			}
			blob.Open = func() (io.ReadCloser, error) { return os.Open(packed) }
			return reg.PutBlob(ctx, blob, nil)
		})
	}
	err = g.Wait()
	return time.Since(begun).Seconds(), err
}

// pack compresses files into one, and hashes both sides.
func pack(files []string, to string) (blob registry.Blob, err error) {
	out, err := os.Create(to)
	if err != nil {
		return blob, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	plain, packed := sha256.New(), sha256.New()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(out, packed), bundle.GzipLevel)
	if err != nil {
		return blob, err
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return blob, err
		}
		_, err = io.Copy(io.MultiWriter(zip, plain), f)
		if err = errors.Join(err, f.Close()); err != nil {
			return blob, err
		}
	}
	if err := zip.Close(); err != nil {
		return blob, err
	}
	info, err := out.Stat()
	if err != nil {
		return blob, err
	}
	blob.Size = info.Size()
	blob.Digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(packed.Sum(nil))}
	return blob, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
