package cargo

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/paperwork/versions"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// fake makes a directory with a cargo and a rustc that has some targets.
func fake(t *testing.T, version string, targets ...string) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
case "$1$2" in
--version*) echo "rustc %s (fake)"; echo "host: x86_64-unknown-linux-gnu"; echo "commit-hash: unknown" ;;
--printsysroot) echo %s ;;
--printtarget-libdir) case "$4" in no-*) echo "unknown target" >&2; exit 1;; esac; echo "%s/lib/$4" ;;
esac
`, version, dir, dir)
	for _, name := range []string{"cargo", "rustc"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range targets {
		lib := filepath.Join(dir, "lib", target)
		if err := os.MkdirAll(lib, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lib, "libstd-1234.rlib"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	x86, arm := amd64.Triple, arm64.Triple
	both := []string{x86, arm}
	onlyX86, onlyArm, all := fake(t, "1.1.0", x86), fake(t, "1.2.0", arm), fake(t, "1.3.0", x86, arm)
	broken, alone := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(broken, "cargo"): "#!/bin/sh\n",
		filepath.Join(broken, "rustc"): "#!/bin/sh\necho 'error: toolchain is not installed' >&2\nexit 1\n",
		filepath.Join(alone, "cargo"):  "#!/bin/sh\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got := func(ts Toolchains) string {
		var out []string
		for _, tc := range ts {
			out = append(out, filepath.Dir(tc.Cargo)+" "+strings.Join(tc.Targets, ","))
		}
		return strings.Join(out, "; ")
	}
	for _, tt := range []struct {
		name   string
		places []string
		want   string
	}{
		{"the first with all", []string{onlyX86, broken, all, onlyArm}, all + " " + x86 + "," + arm},
		{"each its own", []string{onlyArm, alone, onlyX86}, onlyX86 + " " + x86 + "; " + onlyArm + " " + arm},
		{"named twice", []string{all, all}, all + " " + x86 + "," + arm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts, err := find(t.Context(), t.TempDir(), both, tt.places)
			if err != nil || got(ts) != tt.want {
				t.Errorf("got %q, %v, want %q", got(ts), err, tt.want)
			}
		})
	}

	_, err := find(t.Context(), t.TempDir(), both, []string{onlyX86, broken, alone})
	var missing *MissingError
	if !errors.As(err, &missing) || !slices.Equal(missing.Targets, []string{arm}) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"no Rust toolchain here can build aarch64-unknown-linux-gnu; looked at:",
		onlyX86 + "/cargo (rustc 1.1.0 (fake)) has x86_64-unknown-linux-gnu, lacks aarch64-unknown-linux-gnu (no standard library in " + onlyX86,
		"error: toolchain is not installed",
		alone + "/cargo: no rustc beside it",
		"scripts/setup.sh", "rustup target add aarch64-unknown-linux-gnu",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	_, err = find(t.Context(), t.TempDir(), []string{"s390x-unknown-linux-gnu"}, []string{fake(t, "1.1.0", "s390x-unknown-linux-gnu")})
	if err == nil || !strings.Contains(err.Error(), "no linker s390x-linux-gnu-gcc") || !strings.Contains(err.Error(), "apt-get install gcc-s390x-linux-gnu") {
		t.Errorf("a missing linker: %v", err)
	}
	_, err = find(t.Context(), t.TempDir(), both, nil)
	if err == nil || !strings.Contains(err.Error(), "there is no cargo with a rustc beside it on PATH") {
		t.Errorf("nothing at all: %v", err)
	}
}

func TestFilter(t *testing.T) {
	kept, dropped := filter([]string{
		"PATH=/bin", "RUSTFLAGS=-C x", "GITHUB_SHA=1", "CARGO_NET_OFFLINE=true", "CARGO_TARGET_X_LINKER=ld", "CC=clang", "CARGO_HOME=/c", "CARGO_BUILD_JOBS=1",
	})
	if want := []string{"PATH=/bin", "CARGO_NET_OFFLINE=true", "CARGO_HOME=/c"}; !slices.Equal(kept, want) {
		t.Errorf("kept %q", kept)
	}
	if want := []string{"CARGO_BUILD_JOBS", "CARGO_TARGET_X_LINKER", "CC", "RUSTFLAGS"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %q", dropped)
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name, own, above string
		want             []string
		err              string
	}{
		{name: "none"},
		{name: "a list", own: `build.rustflags = ["--cfg", "x"]`, want: []string{"--cfg", "x"}},
		{name: "a text", own: `build.rustflags = "--cfg  x"`, want: []string{"--cfg", "x"}},
		{name: "the target's come first", own: "build.rustflags = \"a\"\n[target.x86_64-unknown-linux-gnu]\nrustflags = [\"b\"]", want: []string{"b"}},
		{name: "a condition", own: "[target.'cfg(unix)']\nrustflags = [\"b\"]", err: "write them under the target's triple"},
		{name: "a number", own: "build.rustflags = 1", err: "build.rustflags is 1: want a list of texts"},
		{name: "a list of numbers", own: "build.rustflags = [1]", err: "build.rustflags holds 1"},
		{name: "no TOML", own: "build = [", err: "config.toml"},
		{name: "profile above", above: "[profile.release]\nlto = true", err: `sets "profile", which would change the binary on this machine only`},
		{name: "a mirror above", above: "[source.crates-io]\nreplace-with = 'm'", own: `build.rustflags = "a"`, want: []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := t.TempDir()
			dir := filepath.Join(up, "checkout")
			for _, f := range [][2]string{{up, tt.above}, {dir, tt.own}} {
				path := filepath.Join(f[0], ".cargo", "config.toml")
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if f[1] != "" {
					if err := os.WriteFile(path, []byte(f[1]), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			s, err := readSettings(dir, filepath.Join(t.TempDir(), "home"))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(s.flags("x86_64-unknown-linux-gnu"), tt.want) {
				t.Errorf("got %q, %v, want %q", s.flags("x86_64-unknown-linux-gnu"), err, tt.want)
			}
		})
	}
}

func TestProductVersion(t *testing.T) {
	for _, tt := range []struct{ pkg, want, err string }{
		{pkg: "tiny", want: "1.4.2"},
		{pkg: "tiny-mac", want: "0.3.0"},
		{pkg: "other", err: "has no package other, only [tiny tiny-core tiny-mac]"},
	} {
		got, err := ProductVersion("testdata/workspace", tt.pkg)
		if got != tt.want || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %q, %v", tt.pkg, got, err)
		}
	}
	if _, err := ProductVersion(t.TempDir(), "tiny"); !errors.Is(err, versions.ErrNoCargo) || !strings.Contains(err.Error(), "-w") {
		t.Errorf("an empty directory: %v", err)
	}
	dir := t.TempDir()
	for text, want := range map[string]string{
		"[package]\nname = \"a\"\nversion = \"2.0.0\"": "",
		"[package]\nname = \"a\"":                      "declares no version for package a",
		"[package":                                     "Cargo.toml",
	} {
		if err := os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := ProductVersion(dir, "a")
		if want == "" && (err != nil || got != "2.0.0") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

const tree = `0|app v0.1.0 (/home/somebody/app)|
1|serde v1.0.228|
2|serde_derive v1.0.228 (proc-macro)|
3|syn v2.0.1+build|
1|here v0.3.0 (proc-macro) (/home/somebody/app/here)|
1|other v2.0.0 (registry ` + "`company`" + `)|
2|serde v1.0.228| (*)
1|fork v0.1.0 (https://example.org/fork?rev=12#12345678)|
2|syn v1.0.9|
`

func TestParseTree(t *testing.T) {
	got, err := parseTree(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := crateList{[]crate{
		{Name: "app", Version: "0.1.0", Source: "local", Dependencies: []int{1, 2, 3, 4}, Root: true},
		{Name: "fork", Version: "0.1.0", Source: "git", Dependencies: []int{6}},
		{Name: "here", Version: "0.3.0", Source: "local"},
		{Name: "other", Version: "2.0.0", Source: "registry", Dependencies: []int{4}},
		{Name: "serde", Version: "1.0.228", Source: "crates.io", Dependencies: []int{5}},
		{Name: "serde_derive", Version: "1.0.228", Source: "crates.io", Dependencies: []int{7}},
		{Name: "syn", Version: "1.0.9", Source: "crates.io"},
		{Name: "syn", Version: "2.0.1+build", Source: "crates.io"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for text, want := range map[string]string{
		"":                            "printed nothing",
		"serde v1":                    "line 1 of `cargo tree`",
		"1|serde v1.0.0|":             "line 1 of `cargo tree`",
		"0|a v1.0.0|\n2|b v1.0.0|":    "line 2 of `cargo tree`",
		"0|a v1.0.0|\n0|b v1.0.0|":    "line 2 of `cargo tree`",
		"0|a 1.0.0|":                  `want "NAME vVERSION"`,
		"0|a v1.0.0 somewhere|":       "no source in brackets",
		"0|a v1.0.0|\n-1|b v1.0.0|\n": "line 2",
	} {
		if _, err := parseTree(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add(tree)
	f.Add("0|a v1 ()|")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseTree(text)
		if err != nil {
			return
		}
		roots := 0
		for _, c := range list.Packages {
			if c.Root {
				roots++
			}
			for _, d := range c.Dependencies {
				if d < 0 || d >= len(list.Packages) {
					t.Fatalf("%s depends on number %d of %d", c.Name, d, len(list.Packages))
				}
			}
		}
		if roots != 1 {
			t.Fatalf("%d roots", roots)
		}
		if _, err := list.section(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDynamicIsRefused(t *testing.T) {
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	target := product.Target{Arch: "amd64", OS: "linux"}
	content := read(t, path)
	if f, err := elf.NewFile(bytes.NewReader(content)); err != nil || f.Machine != elf.EM_X86_64 {
		target.Arch = "arm64"
	}
	err = checkStatic(content, target)
	var dynamic *DynamicError
	if !errors.As(err, &dynamic) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"libc.so.6", "the loader /lib", "not static"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	target.Arch = map[string]string{"amd64": "arm64", "arm64": "amd64"}[target.Arch]
	if err := checkStatic(content, target); err == nil || !strings.Contains(err.Error(), ", linux/"+target.Arch+" wants EM_") {
		t.Errorf("another machine: %v", err)
	}
	if err := checkStatic([]byte("#!/bin/sh\n"), target); err == nil || !strings.Contains(err.Error(), "as ELF") {
		t.Errorf("a script: %v", err)
	}
}

func TestLeaks(t *testing.T) {
	long := []place{{"the checkout", "/home/me/checkout", []string{"src"}}}
	short := []place{{"the checkout", "/app", []string{"backend"}}}
	for _, tt := range []struct {
		content string
		places  []place
		leaks   bool
	}{
		{"xx/home/me/checkout/src/main.rs\x00", long, true},
		{"xx/home/me/checkout", long, true},
		{"/home/me/other", long, false},
		{"/app/frontend-build", short, false},
		{"/app/backend/src/main.rs", short, true},
	} {
		err := checkLeaks([]byte(tt.content), tt.places)
		if (err != nil) != tt.leaks {
			t.Errorf("%q: %v", tt.content, err)
		}
		if err != nil && !strings.Contains(err.Error(), "/") {
			t.Errorf("the error does not say what was found: %v", err)
		}
	}
}

// The test's own binary takes a section; everything that was loaded stays.
func TestEmbed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, self)
	after, err := embed(before, sectionName, []byte("the crates"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Section(sectionName).Data(); err != nil || string(got) != "the crates" {
		t.Errorf("the section holds %q, %v", got, err)
	}
	old, err := elf.NewFile(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range old.Sections {
		if f.Sections[i].Name != s.Name {
			t.Errorf("section %d was %s and is %s", i, s.Name, f.Sections[i].Name)
		}
	}
	for _, p := range old.Progs {
		from, to := max(p.Off, 64), p.Off+p.Filesz // the ELF header has changed
		if from < to && !bytes.Equal(before[from:to], after[from:to]) {
			t.Errorf("the segment at %#x changed", p.Off)
		}
	}
	path := filepath.Join(t.TempDir(), "self")
	if err := writeExecutable(path, after); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "-test.list", "TestEmbed$").CombinedOutput(); err != nil || !strings.Contains(string(out), "TestEmbed") {
		t.Errorf("it does not run any more: %s, %v", out, err)
	}
	if _, err := embed(after, sectionName, nil); err == nil || !strings.Contains(err.Error(), "has a section .dep-v0 already") {
		t.Errorf("a second time: %v", err)
	}
}

func FuzzEmbed(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	small := make([]byte, 64)
	copy(small, "\x7fELF\x02\x01\x01")
	small[16], small[18], small[20], small[52], small[58] = 2, 62, 1, 64, 64
	f.Add(small)
	f.Fuzz(func(t *testing.T, content []byte) {
		_ = checkStatic(content, amd64) // must not panic
		out, err := embed(content, sectionName, []byte("x"))
		if err != nil {
			return
		}
		g, err := elf.NewFile(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("the result is not readable: %v", err)
		}
		if s := g.Section(sectionName); s == nil {
			t.Fatal("the section is not there")
		}
	})
}
