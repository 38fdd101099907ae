package cargo

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rustaudit "github.com/rust-secure-code/go-rustaudit"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

var (
	amd64 = product.Target{Triple: "x86_64-unknown-linux-gnu", OS: "linux", Arch: "amd64", Asset: "tiny-x86_64-linux"}
	arm64 = product.Target{Triple: "aarch64-unknown-linux-gnu", OS: "linux", Arch: "arm64", Asset: "tiny-aarch64-linux"}
)

// workspace copies the fixture into a fresh directory and gives the options
// that build it.
func workspace(t *testing.T, targets ...product.Target) Options {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	if err := os.CopyFS(dir, os.DirFS("testdata/workspace")); err != nil {
		t.Fatal(err)
	}
	return Options{
		Dir:        dir,
		Cargo:      product.Cargo{Package: "tiny", Binary: "tiny", Targets: targets},
		Commit:     strings.Repeat("1", 40),
		CommitTime: time.Unix(1_700_000_000, 0),
	}
}

func edit(t *testing.T, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, o Options) []Binary {
	t.Helper()
	out, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err) // names the toolchains and the command that installs one
	}
	return out
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The same commit gives the same bytes wherever it lies, wherever cargo keeps
// its crates, and whatever the machine's environment says.
func TestBuildTwiceIsTheSame(t *testing.T) {
	first := workspace(t, amd64, arm64)
	var log bytes.Buffer
	first.Log = &log
	one := build(t, first)

	t.Setenv("CARGO_HOME", filepath.Join(t.TempDir(), "another", "home"))
	t.Setenv("RUSTFLAGS", "-C opt-level=0")
	t.Setenv("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
	second := workspace(t, amd64, arm64)
	second.TargetDir = filepath.Join(t.TempDir(), "a-target-directory-with-a-longer-name")
	var said bytes.Buffer
	second.Log = &said
	two := build(t, second)

	for i, b := range one {
		if !bytes.Equal(read(t, b.Path), read(t, two[i].Path)) {
			t.Errorf("%s differs between two directories", b.Target.Asset)
		}
		if b.Version != "1.4.2" || !strings.HasPrefix(b.Toolchain, "rustc 1.") {
			t.Errorf("%s: version %q, toolchain %q", b.Target.Asset, b.Version, b.Toolchain)
		}
		if err := checkStatic(read(t, b.Path), b.Target); err != nil {
			t.Error(err)
		}
		checkCrates(t, first, b)
	}
	if one[0].Crates >= one[1].Crates {
		t.Errorf("%d and %d crates: only one target has cfg-if", one[0].Crates, one[1].Crates)
	}
	if one[0].Ran != Native && one[1].Ran != Native {
		t.Errorf("no binary ran natively: %q, %q", one[0].Ran, one[1].Ran)
	}
	if _, ok := Emulator("arm64"); ok && !strings.Contains(one[1].Ran, "qemu-aarch64") && one[1].Ran != Native {
		t.Errorf("the arm64 binary: %q", one[1].Ran)
	}
	if !strings.Contains(log.String(), "   Compiling tiny v1.4.2") {
		t.Errorf("cargo's output is not in the log:\n%s", &log)
	}
	if want := "left out of the build, so that it is the same everywhere: CARGO_PROFILE_RELEASE_OPT_LEVEL, RUSTFLAGS"; !strings.Contains(said.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, &said)
	}
	if !bytes.Contains(read(t, one[0].Path), []byte("crates/core/src/lib.rs")) {
		t.Error("the binary names no source file: the test for leaking paths proves nothing")
	}
}

// checkCrates holds the embedded list, as other tools read it, against what
// `cargo tree` gives for the target.
func checkCrates(t *testing.T, o Options, b Binary) {
	t.Helper()
	info, err := rustaudit.GetDependencyInfo(bytes.NewReader(read(t, b.Path)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range info.Packages {
		if p.Kind != rustaudit.Runtime {
			t.Errorf("%s is a %s dependency", p.Name, p.Kind)
		}
		got = append(got, p.Name+" v"+p.Version)
	}
	tc, err := Find(t.Context(), o.Dir, []string{b.Target.Triple})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := run.Text(t.Context(), run.Cmd{
		Name: tc[0].Cargo, Dir: o.Dir, Env: []string{"RUSTC=" + tc[0].Rustc},
		Args: []string{"tree", "-p", "tiny", "-e", "normal", "--target", b.Target.Triple, "--locked", "--prefix", "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.SplitSeq(tree, "\n") {
		f := strings.Fields(line)
		want = append(want, f[0]+" "+f[1])
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if !slices.Equal(got, want) || b.Crates != len(want) {
		t.Errorf("%s lists %d crates %q, cargo tree gives %q", b.Target.Asset, b.Crates, got, want)
	}
}

// Two checkouts share a target directory; the second was made before the first
// was built, so its files look old to cargo. Crates from the registry are not
// compiled again.
func TestSharedTargetDirectory(t *testing.T) {
	shared := t.TempDir()
	first, second := workspace(t, amd64), workspace(t, amd64)
	// A library, a procedural macro and a build script.
	edit(t, filepath.Join(second.Dir, "crates/core/src/lib.rs"), "abcx", "abCx")
	edit(t, filepath.Join(second.Dir, "crates/mac/src/lib.rs"), "{ 42 }", "{ 43 }")
	edit(t, filepath.Join(second.Dir, "app/build.rs"), "format(42)", "format(44)")
	second.Commit = strings.Repeat("2", 40)
	first.TargetDir, second.TargetDir = shared, shared

	old := read(t, build(t, first)[0].Path)
	var log bytes.Buffer
	second.Log = &log
	b := build(t, second)[0]
	now := read(t, b.Path)
	if b.Ran == Native {
		if said, err := run.Text(t.Context(), run.Cmd{Name: b.Path}); err != nil || said != "plain 43 44\n2" {
			t.Errorf("the second checkout's binary says %q, %v", said, err)
		}
	}
	if !bytes.Contains(old, []byte("abcx")) || bytes.Contains(now, []byte("abcx")) || !bytes.Contains(now, []byte("abCx")) {
		t.Error("the second checkout's binary holds the first one's code")
	}
	if strings.Contains(log.String(), "Compiling memchr") || !strings.Contains(log.String(), "Compiling tiny-core") {
		t.Errorf("want the workspace's crates compiled and no others:\n%s", &log)
	}
	log.Reset()
	build(t, second)
	if strings.Contains(log.String(), "Compiling") {
		t.Errorf("the same checkout is compiled again:\n%s", &log)
	}
}

func TestBuildRefuses(t *testing.T) {
	const main = "app/src/main.rs"
	tests := []struct {
		name, file, old, new, want string
	}{
		{"a path of the checkout", main, `"plain"`, `env!("CARGO_MANIFEST_DIR")`, "the binary names the checkout of this machine"},
		{"another version", main, `env!("CARGO_PKG_VERSION")`, `"9.9.9"`, `says "tiny 9.9.9" with --version, its sources declare 1.4.2`},
		{"a crash", main, `if std::env::args()`, `panic!("no luck"); #[allow(unreachable_code)] if std::env::args()`, "no luck"},
		{"code that does not compile", main, `fn main() {`, `fn main() { nonsense`, "building tiny: "},
		{"a stale lock file", "Cargo.toml", `"1.4.2"`, `"1.4.3"`, "--locked"},
	}
	shared := t.TempDir()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := workspace(t, amd64)
			o.TargetDir = shared
			o.Commit = tt.name
			edit(t, filepath.Join(o.Dir, tt.file), tt.old, tt.new)
			_, err := Build(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// The product's own flags stay in force.
func TestOwnFlags(t *testing.T) {
	o := workspace(t, amd64)
	if err := os.Mkdir(filepath.Join(o.Dir, ".cargo"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "[build]\nrustflags = [\"--cfg\", \"tiny_special\"]\n"
	if err := os.WriteFile(filepath.Join(o.Dir, ".cargo/config.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(o.Dir, "app/src/main.rs"), `"plain"`, `if cfg!(tiny_special) { "special-build" } else { "plain" }`)
	if !bytes.Contains(read(t, build(t, o)[0].Path), []byte("special-build")) {
		t.Error("the flag of .cargo/config.toml was lost")
	}
}

func TestIntoBundle(t *testing.T) {
	o := workspace(t, amd64)
	b, err := bundle.Create(t.TempDir(), decide.Plan{Commit: o.Commit})
	if err != nil {
		t.Fatal(err)
	}
	first, err := Into(t.Context(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := b.Find(bundle.Binary, amd64.Asset)
	if !ok || d.Annotations[bundle.TargetKey] != amd64.Triple || d.Annotations[bundle.PlatformKey] != "linux/amd64" {
		t.Fatalf("the entry is %+v", d)
	}
	// The second time nothing is needed: neither the checkout nor cargo.
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	again, err := bundle.Open(b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Into(t.Context(), again, o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, second) {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if err := os.Truncate(first[0].Path, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := Into(t.Context(), again, o); err == nil {
		t.Error("a blob that was cut short counts as there")
	}
}

func TestToolsAreHere(t *testing.T) {
	for _, name := range []string{"aarch64-linux-gnu-gcc", "qemu-aarch64-static"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Errorf("%s is missing: install it with scripts/setup.sh", name)
		}
	}
}
