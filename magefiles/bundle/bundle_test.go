package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

func plan(t testing.TB, ref string) decide.Plan {
	t.Helper()
	r, err := decide.ParseRef(ref, "main")
	if err != nil {
		t.Fatal(err)
	}
	return decide.Plan{Product: "sample", Definition: "d1", Ref: r, Commit: strings.Repeat("a", 40), Version: "0.4.0"}
}

func create(t testing.TB) *Bundle {
	t.Helper()
	b, err := Create(filepath.Join(t.TempDir(), "dist", "v0.4.0"), plan(t, "v0.4.0"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// snapshot gives every file of a directory with its checksum.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		out[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCreateAndReopen(t *testing.T) {
	b := create(t)
	blob, err := b.Ingest(strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(Binary, blob.Descriptor("application/x-executable", "hello-linux")); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, b.Dir)
	for name, open := range map[string]func() (*Bundle, error){
		"Create": func() (*Bundle, error) { return Create(b.Dir, plan(t, "v0.4.0")) },
		"Open":   func() (*Bundle, error) { return Open(b.Dir) },
	} {
		again, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again.Plan.Commit != b.Plan.Commit || again.Plan.Ref != b.Plan.Ref {
			t.Errorf("%s: the plan is %+v", name, again.Plan)
		}
		d, ok := again.Find(Binary, "hello-linux")
		if !ok || d.Digest != blob.Digest || !again.Has(d) {
			t.Errorf("%s: the entry is %+v, found is %v", name, d, ok)
		}
	}
	if after := snapshot(t, b.Dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("opening changed the bundle")
	}
	if _, err := layout.FromPath(b.Dir); err != nil {
		t.Errorf("it is no OCI layout: %v", err)
	}
}

func TestForeignBundleIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*decide.Plan)
		want   string
	}{
		{"commit", func(p *decide.Plan) { p.Commit = strings.Repeat("b", 40) }, "holds a bundle of commit aaaa"},
		{"tag", func(p *decide.Plan) { p.Ref = plan(t, "v0.5.0").Ref }, "holds a bundle of ref v0.4.0, this release is of v0.5.0; move that directory away"},
		{"definition", func(p *decide.Plan) { p.Definition = "d2" }, "holds a bundle of product definition d1, this release is of d2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := create(t)
			before := snapshot(t, b.Dir)
			other := b.Plan
			tt.change(&other)
			_, err := Create(b.Dir, other)
			var foreign *ForeignError
			if !errors.As(err, &foreign) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if fmt.Sprint(snapshot(t, b.Dir)) != fmt.Sprint(before) {
				t.Error("the refused bundle was changed")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
	for _, name := range []string{"plan.json", "index.json"} {
		b := create(t)
		if err := os.WriteFile(filepath.Join(b.Dir, name), []byte("{"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(b.Dir, b.Plan); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a damaged %s: %v", name, err)
		}
	}
}

// A directory without plan.json is what a run leaves that died while it made
// the bundle: the next one begins anew.
func TestCreateAfterDeathInCreate(t *testing.T) {
	b := create(t)
	if err := os.Remove(filepath.Join(b.Dir, "plan.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(b.Dir, b.Plan); err != nil {
		t.Error(err)
	}
	if _, err := Open(b.Dir); err != nil {
		t.Error(err)
	}
}

func TestIngest(t *testing.T) {
	b := create(t)
	content := make([]byte, 3<<20+17)
	for i := range content {
		content[i] = byte(rand.IntN(256))
	}
	blob, err := b.Ingest(iotest.HalfReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(content)); blob.Digest.Hex != want || blob.Size != int64(len(content)) {
		t.Errorf("got %+v, want %s and %d", blob, want, len(content))
	}
	stored, err := os.ReadFile(b.Path(blob.Digest))
	if err != nil || !bytes.Equal(stored, content) {
		t.Errorf("the content is not what was given: %v", err)
	}
	first, err := os.Stat(b.Path(blob.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Ingest(bytes.NewReader(content)); err != nil || again != blob {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	if second, err := os.Stat(b.Path(blob.Digest)); err != nil || !os.SameFile(first, second) {
		t.Errorf("content that was there was written again: %v", err)
	}
	if _, err := b.IngestFile(filepath.Join(b.Dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestIngestLayer(t *testing.T) {
	b := create(t)
	text := strings.Repeat("the quick brown fox\n", 10_000)
	layer, err := b.IngestLayer(func(w io.Writer) error {
		_, err := io.Copy(w, strings.NewReader(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(b.Path(layer.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(packed)); got != layer.Digest.Hex || layer.Size != int64(len(packed)) {
		t.Errorf("the layer is %+v, its file %s with %d bytes", layer, got, len(packed))
	}
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(text))); got != layer.DiffID.Hex {
		t.Errorf("the uncompressed digest is %s, want %s", layer.DiffID, got)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != text {
		t.Errorf("it unpacks to something else: %v", err)
	}
	if !bytes.Equal(packed[4:8], make([]byte, 4)) || z.Name != "" { // RFC 1952: no time, no name
		t.Errorf("the gzip header names %q and the time % x", z.Name, packed[4:8])
	}
}

// A write that fails leaves neither content nor a half file.
func TestFailedWriteLeavesNothing(t *testing.T) {
	b := create(t)
	before := snapshot(t, b.Dir)
	sad := errors.New("the disk is on fire")
	if _, err := b.Ingest(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(sad))); !errors.Is(err, sad) || !strings.Contains(err.Error(), "writing into the bundle") {
		t.Errorf("got %v", err)
	}
	if _, err := b.IngestLayer(func(w io.Writer) error {
		_, err := w.Write([]byte("half"))
		return errors.Join(err, sad)
	}); !errors.Is(err, sad) {
		t.Errorf("got %v", err)
	}
	if fmt.Sprint(snapshot(t, b.Dir)) != fmt.Sprint(before) {
		t.Error("something was left behind")
	}
}

// A process that is killed in the middle of a write leaves a half file that no
// name points at; the next run clears it and goes on.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv("BUNDLE_TEST_KILLED_WRITER"); dir != "" {
		b, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Ingest(io.MultiReader(strings.NewReader("half of it"), reader(func([]byte) (int, error) {
			fmt.Println("writing")
			select {} // until it is killed
		})))
		t.Fatal(err)
	}
	b := create(t)
	before := snapshot(t, b.Dir)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), "BUNDLE_TEST_KILLED_WRITER="+b.Dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("writing"))); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if len(snapshot(t, b.Dir)) != len(before)+1 {
		t.Fatal("the killed writer left no half file: this test proves nothing")
	}
	if _, err := Create(b.Dir, b.Plan); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(snapshot(t, b.Dir)) != fmt.Sprint(before) {
		t.Error("the half file is still there, or something else changed")
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestAdd(t *testing.T) {
	b := create(t)
	one := descriptor("1")
	two := descriptor("2")
	titled := func(d v1.Descriptor, title string) v1.Descriptor {
		d.Annotations = map[string]string{TitleKey: title}
		return d
	}
	for _, add := range []struct {
		role Role
		d    v1.Descriptor
	}{
		{Binary, titled(one, "a")}, {Binary, titled(one, "b")}, {Binary, titled(two, "a")}, // a is replaced
		{File, titled(one, "a")},                                     // another role
		{Image, one}, {Image, one}, {Artifact, one}, {Artifact, two}, // by digest
	} {
		if err := b.Add(add.role, add.d); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[Role]int{Binary: 2, File: 1, Image: 1, Artifact: 2, Tagged: 0} {
		if got := len(again.Entries(role)); got != want {
			t.Errorf("%d entries of role %s, want %d", got, role, want)
		}
	}
	if d, ok := again.Find(Binary, "a"); !ok || d.Digest != two.Digest {
		t.Errorf("a is %v", d.Digest)
	}
	if one.Annotations != nil {
		t.Error("the caller's descriptor was changed")
	}
	if got := again.Assets(); len(got) != 3 || got[2].Annotations[RoleKey] != string(File) {
		t.Errorf("the assets are %+v", got)
	}
}

func descriptor(content string) v1.Descriptor {
	return v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256([]byte(content)))}, Size: 1}
}

func TestAddSideBySide(t *testing.T) {
	b := create(t)
	var wg sync.WaitGroup
	const n = 40
	for i := range n {
		wg.Go(func() {
			blob, err := b.Ingest(strings.NewReader(fmt.Sprint("content ", i/2))) // every content twice
			if err != nil {
				t.Error(err)
				return
			}
			if err := b.Add(File, blob.Descriptor("text/plain", fmt.Sprintf("file-%02d", i))); err != nil {
				t.Error(err)
			}
			b.Entries(File)
		})
	}
	wg.Wait()
	again, err := Open(b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(again.Entries(File)); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
	for _, d := range again.Entries(File) {
		if !again.Has(d) {
			t.Errorf("%s is not there", d.Annotations[TitleKey])
		}
	}
}

func TestHas(t *testing.T) {
	b := create(t)
	blob, err := b.Ingest(strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	d := blob.Descriptor("text/plain", "hello")
	if !b.Has(d) {
		t.Error("what was ingested is not there")
	}
	if err := os.Truncate(b.Path(d.Digest), 2); err != nil {
		t.Fatal(err)
	}
	if b.Has(d) || b.Has(descriptor("never seen")) {
		t.Error("what is damaged or missing counts as there")
	}
	// The next one who brings the content repairs it.
	if _, err := b.Ingest(strings.NewReader("hello")); err != nil || !b.Has(d) {
		t.Errorf("the damaged content was not replaced: %v", err)
	}
}

func TestImageIndex(t *testing.T) {
	b := create(t)
	if _, _, ok, err := b.ImageIndex(); ok || err != nil {
		t.Errorf("an empty bundle: %v, %v", ok, err)
	}
	blob, err := b.IngestJSON(v1.IndexManifest{SchemaVersion: 2, Annotations: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(Image, blob.Descriptor("application/vnd.oci.image.index.v1+json", "")); err != nil {
		t.Fatal(err)
	}
	d, m, ok, err := b.ImageIndex()
	if err != nil || !ok || d.Digest != blob.Digest || m.Annotations["a"] != "b" {
		t.Errorf("got %+v, %+v, %v, %v", d, m, ok, err)
	}
	if err := os.Remove(b.Path(d.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, _, ok, err := b.ImageIndex(); ok || err == nil {
		t.Errorf("an index whose content is gone: %v, %v", ok, err)
	}
}

// sha256sum(1) itself accepts the file.
func TestSums(t *testing.T) {
	b := create(t)
	dir := t.TempDir()
	for role, files := range map[Role][]string{Binary: {"zeta-linux", "alpha-linux"}, File: {"beta.json"}} {
		for _, name := range files {
			blob, err := b.Ingest(strings.NewReader(name))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Add(role, blob.Descriptor("text/plain", name)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // the second time it does not list itself
		if err := b.WriteSums(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(b.Dir, SumsName))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		names = append(names, strings.Fields(line)[1])
	}
	if got := strings.Join(names, " "); got != "alpha-linux beta.json zeta-linux" {
		t.Errorf("the file names %s", got)
	}
	if _, ok := b.Find(File, SumsName); !ok {
		t.Error("the checksums are no asset")
	}
	cmd := exec.Command("sha256sum", "--check", "--strict", filepath.Join(b.Dir, SumsName))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

// Memory does not depend on the size of what is taken in.
func TestMemory(t *testing.T) {
	b := create(t)
	for name, f := range map[string]func() error{
		"Ingest": func() error {
			_, err := b.Ingest(io.LimitReader(zeros{}, 256<<20))
			return err
		},
		"IngestLayer": func() error {
			_, err := b.IngestLayer(func(w io.Writer) error {
				_, err := io.Copy(w, io.LimitReader(zeros{}, 256<<20))
				return err
			})
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("%s allocated %d bytes for 256 MiB", name, got)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func BenchmarkIngest(b *testing.B) {
	benchmark(b, func(to *Bundle, r io.Reader) error { _, err := to.Ingest(r); return err })
}
func BenchmarkIngestLayer(b *testing.B) {
	benchmark(b, func(to *Bundle, r io.Reader) error {
		_, err := to.IngestLayer(func(w io.Writer) error { _, err := io.Copy(w, r); return err })
		return err
	})
}

// benchmark takes in 17 MB that compress about as well as machine code.
func benchmark(b *testing.B, take func(*Bundle, io.Reader) error) {
	r := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 0, 17<<20+64)
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = make([]byte, 2+r.IntN(9))
		for j := range words[i] {
			words[i][j] = byte(r.NormFloat64()*40 + 80)
		}
	}
	for len(content) < 17<<20 {
		content = append(content, words[int(r.ExpFloat64()*500)%len(words)]...)
	}
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		to := create(b)
		b.StartTimer()
		start := cpuTime()
		if err := take(to, bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
		used += cpuTime() - start
	}
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
}

// cpuTime is what this process has used: the measure that a busy machine does
// not spoil.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
