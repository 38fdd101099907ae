package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

const (
	intel = "hello-x86_64-linux"
	arm   = "hello-aarch64-linux"
)

// splitPlan is a plan of two binaries and an extra file.
func splitPlan(t testing.TB) decide.Plan {
	p := plan(t, "v0.4.0")
	p.Platforms = []string{"linux/amd64", "linux/arm64"}
	p.Assets = []string{intel, arm, "guide.pdf"}
	return p
}

// built adds a binary as make/cargo does.
func built(t testing.TB, b *Bundle, title, content string) {
	t.Helper()
	blob, err := b.Ingest(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	d := blob.Descriptor("application/x-executable", title)
	platform := map[string]string{intel: "linux/amd64", arm: "linux/arm64"}[title]
	maps.Copy(d.Annotations, map[string]string{
		TargetKey: title + "-gnu", PlatformKey: platform, VersionKey: b.Plan.Version,
		ToolchainKey: "rustc 1.90.0 (x)", RanKey: "native", CratesKey: "7",
	})
	if err := b.Add(Binary, d); err != nil {
		t.Fatal(err)
	}
}

// newPart makes a part that holds binaries, given as title and content.
func newPart(t testing.TB, p decide.Plan, binaries ...string) string {
	t.Helper()
	b, err := Create(filepath.Join(t.TempDir(), "part"), p)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(binaries); i += 2 {
		built(t, b, binaries[i], binaries[i+1])
	}
	return b.Dir
}

func empty(t testing.TB) *Bundle {
	t.Helper()
	b, err := Create(filepath.Join(t.TempDir(), "dist"), splitPlan(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// relative is a snapshot by paths below the bundle.
func relative(t *testing.T, b *Bundle) map[string]string {
	out := map[string]string{}
	for path, sum := range snapshot(t, b.Dir) {
		out[strings.TrimPrefix(path, b.Dir)] = sum
	}
	return out
}

// Merged parts are, file by file, the bundle that one machine would have made,
// whatever their order.
func TestMerge(t *testing.T) {
	p := splitPlan(t)
	alone := empty(t)
	built(t, alone, intel, "one")
	built(t, alone, arm, "two")
	want := relative(t, alone)

	one, two := newPart(t, p, intel, "one"), newPart(t, p, arm, "two")
	for name, parts := range map[string][]string{
		"in order":     {one, two},
		"turned round": {two, one},
		"twice":        {two, one, two},
		"overlapping":  {newPart(t, p, arm, "two", intel, "one"), two},
	} {
		t.Run(name, func(t *testing.T) {
			dst := empty(t)
			for range 2 { // the second time there is nothing to do
				if err := Merge(dst, parts...); err != nil {
					t.Fatal(err)
				}
				if got := relative(t, dst); !maps.Equal(got, want) {
					t.Errorf("the bundle has\n%v\nwant\n%v", got, want)
				}
			}
			again, err := Open(dst.Dir)
			if err != nil {
				t.Fatal(err)
			}
			d, ok := again.Find(Binary, arm)
			if !ok || d.Annotations[RanKey] != "native" || d.Annotations[CratesKey] != "7" || d.Annotations[ToolchainKey] != "rustc 1.90.0 (x)" {
				t.Errorf("the evidence is gone: %+v", d)
			}
		})
	}
}

// A bundle that was begun on this machine takes what it lacks, and gets damaged
// content back.
func TestMergeIntoBegun(t *testing.T) {
	part := newPart(t, splitPlan(t), arm, "two")
	dst := empty(t)
	built(t, dst, intel, "one")
	if err := Merge(dst, part); err != nil {
		t.Fatal(err)
	}
	d, _ := dst.Find(Binary, arm)
	if err := os.Truncate(dst.Path(d.Digest), 1); err != nil {
		t.Fatal(err)
	}
	if err := Merge(dst, part); err != nil || !dst.Has(d) {
		t.Errorf("damaged content was not brought again: %v", err)
	}
}

// edit changes index.json or plan.json of a part as text.
func edit(t testing.TB, dir, name, old, with string) {
	t.Helper()
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q:\n%s", name, old, text)
	}
	write(t, path, strings.Replace(string(text), old, with, 1))
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// digestOf is the digest of the part's one binary.
func digestOf(t testing.TB, dir string) string {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b.Entries(Binary)[0].Digest.Hex
}

// Every one of these is a part that another machine, or a store in between,
// could hand over. Nothing of it ends in the bundle.
func TestMergeRefuses(t *testing.T) {
	ref := func(name string) func(*decide.Plan) {
		return func(p *decide.Plan) { p.Ref = plan(t, name).Ref }
	}
	for _, tt := range []struct {
		name  string
		plan  func(*decide.Plan)
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"commit", func(p *decide.Plan) { p.Commit = strings.Repeat("b", 40) }, nil, `is of commit "bbbb`},
		{"ref", ref("v0.4.0-rc.1"), nil, `is of ref "v0.4.0-rc.1", this release is of v0.4.0`},
		{"definition", func(p *decide.Plan) { p.Definition = "d2" }, nil, `is of product definition "d2", this release is of d1`},
		{"channel", func(p *decide.Plan) { p.Ref.Channel = decide.Edge }, nil, `is of channel "edge", this release is of stable`},
		{"a link for a blob", nil, func(t *testing.T, dir string) {
			path := filepath.Join(dir, "blobs", "sha256", digestOf(t, dir))
			outside := filepath.Join(t.TempDir(), "x")
			if err := errors.Join(os.Rename(path, outside), os.Symlink(outside, path)); err != nil {
				t.Fatal(err)
			}
		}, "as L"},
		{"a link for the blobs", nil, func(t *testing.T, dir string) {
			path, outside := filepath.Join(dir, "blobs"), filepath.Join(t.TempDir(), "x")
			if err := errors.Join(os.Rename(path, outside), os.Symlink(outside, path)); err != nil {
				t.Fatal(err)
			}
		}, `has "blobs" as L`},
		{"a link for the index", nil, func(t *testing.T, dir string) {
			path, outside := filepath.Join(dir, "index.json"), filepath.Join(t.TempDir(), "x")
			if err := errors.Join(os.Rename(path, outside), os.Symlink(outside, path)); err != nil {
				t.Fatal(err)
			}
		}, `has "index.json" as L`},
		{"a directory for the plan", nil, func(t *testing.T, dir string) {
			path := filepath.Join(dir, "plan.json")
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, `has "plan.json" as d`},
		{"a blob whose name is no digest", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "blobs", "sha256", "..x"), "")
		}, `holds "blobs/sha256/..x", which has no place`},
		{"what a killed build left", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "blobs", "sha256", ".partial-1"), "")
		}, `.partial-1", which has no place`},
		{"another file", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "evil\x1b[2J.sh"), "")
		}, `holds "evil\x1b[2J.sh", which`},
		{"another algorithm", nil, func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "blobs", "md5"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, `holds "blobs/md5"`},
		{"a huge index", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "index.json"), strings.Repeat(" ", maxJSON)+"{}")
		}, "has index.json with more than 1048576 bytes"},
		{"a deep index", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "index.json"), strings.Repeat("[", maxJSON/2))
		}, "has index.json damaged"},
		{"a cut plan", nil, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "plan.json"), "{") }, "has plan.json damaged"},
		{"no plan", nil, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "plan.json")); err != nil {
				t.Fatal(err)
			}
		}, "is no part, or not a whole one"},
		{"another layout", nil, func(t *testing.T, dir string) { edit(t, dir, "oci-layout", "1.0.0", "9.0.0") }, `layout of version "9.0.0"`},
		{"a missing blob", nil, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "blobs", "sha256", digestOf(t, dir))); err != nil {
				t.Fatal(err)
			}
		}, "is not complete: hello-aarch64-linux (sha256:"},
		{"a cut blob", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "blobs", "sha256", digestOf(t, dir)), "tw")
		}, "has 2 bytes, its entry says 3"},
		{"another content", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "blobs", "sha256", digestOf(t, dir)), "TWO")
		}, "is damaged: the content of blobs/sha256/"},
		{"a digest with a path", nil, func(t *testing.T, dir string) {
			edit(t, dir, "index.json", digestOf(t, dir), "../../../etc/passwd")
		}, "has index.json damaged"},
		{"no digest", nil, func(t *testing.T, dir string) {
			edit(t, dir, "index.json", `"digest": "sha256:`+digestOf(t, dir)+`",`, "")
		}, "names no content for hello-aarch64-linux"},
		{"a negative size", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"size": 3`, `"size": -3`) }, "size -3"},
		{"a role", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"binary"`, `"image"`) }, `an entry of the role "image"`},
		{"no role", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", RoleKey, "x") }, `an entry of the role ""`},
		{"a title with a path", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"`+arm+`"`, `"../`+arm+`"`) }, `has a binary "../hello`},
		{"an extra file's title", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"`+arm+`"`, `"guide.pdf"`) }, `has a binary "guide.pdf": this release has hello-x86_64-linux, hello-aarch64-linux`},
		{"a platform", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", "linux/arm64", "linux/amd64") }, `its platform is "linux/amd64": want linux/arm64`},
		{"a version", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"0.4.0"`, `"0.5.0"`) }, `its version is "0.5.0": want 0.4.0`},
		{"an annotation", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", CratesKey, "evil") }, `what no release says: "evil" is "7"`},
		{"a text for the terminal", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"native"`, `"\u001b[2Jnative"`) }, `is "\x1b[2Jnative"`},
		{"a long text", nil, func(t *testing.T, dir string) {
			edit(t, dir, "index.json", `"native"`, `"`+strings.Repeat("n", maxText+1)+`"`)
		}, `nnn…"`},
		{"embedded content", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", `"size": 3`, `"data": "eA==", "size": 3`) }, "with more than media type"},
		{"a URL", nil, func(t *testing.T, dir string) {
			edit(t, dir, "index.json", `"size": 3`, `"urls": ["https://x"], "size": 3`)
		}, "with more than media type"},
		{"a media type", nil, func(t *testing.T, dir string) { edit(t, dir, "index.json", "x-executable", `\n`) }, "with more than media type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := splitPlan(t)
			if tt.plan != nil {
				tt.plan(&p)
			}
			bad := newPart(t, p, arm, "two")
			if tt.spoil != nil {
				tt.spoil(t, bad)
			}
			dst := empty(t)
			before := relative(t, dst)
			// The faultless part comes first: its binary is not there afterwards either.
			err := Merge(dst, newPart(t, splitPlan(t), intel, "one"), bad)
			var fault *PartError
			if !errors.As(err, &fault) || fault.Dir != bad || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q of %s", err, tt.want, bad)
			}
			if len(dst.Entries(Binary)) != 0 {
				t.Error("an entry was taken")
			}
			after := relative(t, dst)
			delete(after, "/blobs/sha256/"+digestOf(t, newPart(t, splitPlan(t), intel, "one"))) // found to be right before the fault
			if !maps.Equal(after, before) {
				t.Errorf("something was taken: %v", after)
			}
		})
	}
}

func TestMergeSets(t *testing.T) {
	p := splitPlan(t)
	one, two, other := newPart(t, p, intel, "one"), newPart(t, p, arm, "two"), newPart(t, p, arm, "TWO")
	begun := empty(t)
	built(t, begun, intel, "ONE")
	for _, tt := range []struct {
		name  string
		dst   *Bundle
		parts []string
		want  []string
	}{
		{"incomplete", empty(t), []string{one}, []string{arm + " is in none of the parts", one}},
		{"none", empty(t), nil, []string{intel + " is in none of the parts"}},
		{"two contents", empty(t), []string{one, two, other}, []string{arm, two, other, digestOf(t, two), digestOf(t, other)}},
		{"another content than here", begun, []string{one, two}, []string{intel, begun.Dir, one, "build both again"}},
		{"no directory", empty(t), []string{one + "x"}, []string{"opening the part " + one + "x"}},
		{"a file", empty(t), []string{filepath.Join(one, "plan.json")}, []string{"opening the part"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := fmt.Sprint(snapshot(t, tt.dst.Dir))
			err := Merge(tt.dst, tt.parts...)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if fmt.Sprint(snapshot(t, tt.dst.Dir)) != before {
				t.Error("the bundle was changed")
			}
		})
	}
}

// FuzzMerge feeds any index and plan: what passes says nothing that a release
// does not say.
func FuzzMerge(f *testing.F) {
	dir := newPart(f, splitPlan(f), intel, "one", arm, "two")
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		f.Fatal(err)
	}
	planned, err := json.Marshal(splitPlan(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(index, planned)
	f.Add([]byte(`{"manifests":[{"digest":"sha256:00","size":1,"annotations":null},{}]}`), planned)
	f.Add([]byte(`null`), []byte(`null`))
	f.Fuzz(func(t *testing.T, index, planned []byte) {
		write(t, filepath.Join(dir, "index.json"), string(index))
		write(t, filepath.Join(dir, "plan.json"), string(planned))
		dst := empty(t)
		if Merge(dst, dir) != nil {
			if len(dst.Entries(Binary)) != 0 {
				t.Error("a refused part left an entry")
			}
			return
		}
		entries := dst.Entries(Binary)
		if len(entries) != 2 || len(dst.index.Manifests) != 2 {
			t.Fatalf("%d entries of %d", len(entries), len(dst.index.Manifests))
		}
		for i, title := range []string{intel, arm} {
			d := entries[i]
			if d.Annotations[TitleKey] != title || !dst.Has(d) || d.Platform != nil || d.Data != nil || d.URLs != nil {
				t.Errorf("entry %d is %+v", i, d)
			}
			content, err := os.ReadFile(dst.Path(d.Digest))
			if sum, _, hashed := v1.SHA256(strings.NewReader(string(content))); err != nil || hashed != nil || sum != d.Digest {
				t.Errorf("the content of %s is not what its digest says", title)
			}
		}
	})
}
