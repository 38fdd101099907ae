package versions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

const sample = "../../../testdata/rustshare"

// app is a product without a frontend.
var app = product.Product{Cargo: product.Cargo{Package: "app"}}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tree reads all the files below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// diff lists the lines that differ, as they are now, and wants everything else
// to be the same to the byte.
func diff(t *testing.T, before, after map[string]string) []string {
	t.Helper()
	var out []string
	for name, old := range before {
		was, is := strings.SplitAfter(old, "\n"), strings.SplitAfter(after[name], "\n")
		if len(was) != len(is) {
			t.Fatalf("%s had %d lines and has %d", name, len(was), len(is))
		}
		for i := range was {
			if was[i] != is[i] {
				out = append(out, fmt.Sprintf("%s:%d: %s", name, i+1, strings.TrimSuffix(is[i], "\n")))
			}
		}
	}
	if len(before) != len(after) {
		t.Fatalf("there were %d files, there are %d", len(before), len(after))
	}
	slices.Sort(out)
	return out
}

// cargo runs Cargo without network. Where it is installed beside rustup, the
// system's is taken: it needs no download for a pinned toolchain.
func cargo(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	name := "/usr/bin/cargo"
	if _, err := os.Stat(name); err != nil {
		name = "cargo"
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("cargo is not there: scripts/setup.sh rust installs it")
	}
	if err != nil {
		t.Fatalf("cargo %v: %v\n%s", args, err, stderr.String())
	}
	return out
}

// members are the workspace's packages as Cargo sees them: name and version.
func members(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	var metadata struct {
		Packages []struct {
			ID, Name, Version string
		} `json:"packages"`
		Members []string `json:"workspace_members"`
	}
	text := cargo(t, dir, append([]string{"metadata", "--format-version", "1", "--locked", "--offline"}, args...)...)
	if err := json.Unmarshal(text, &metadata); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range metadata.Packages {
		if slices.Contains(metadata.Members, p.ID) {
			out = append(out, p.Name+" "+p.Version)
		}
	}
	slices.Sort(out)
	return out
}

// ours are the same as Members sees them.
func ours(t *testing.T, dir string) []string {
	t.Helper()
	all, err := Members(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range all {
		out = append(out, m.Name+" "+m.Version)
	}
	slices.Sort(out)
	return out
}

func TestSample(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Cargo.toml", "Cargo.lock", "backend", "frontend/package.json", "frontend/package-lock.json"} {
		err := fs.WalkDir(os.DirFS(sample), name, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(sample, name))
			write(t, dir, map[string]string{name: string(text)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, dir)
	changed, err := Set(dir, product.RustShare(), "0.27.3")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Cargo.lock", "frontend/package.json", "frontend/package-lock.json", "Cargo.toml"}
	if !slices.Equal(changed, want) {
		t.Errorf("changed %v, want %v", changed, want)
	}
	lines := diff(t, before, tree(t, dir))
	for i, l := range lines {
		file, line, _ := strings.Cut(l, ":")
		_, line, _ = strings.Cut(line, ": ")
		lines[i] = file + ": " + line
	}
	want = []string{
		`Cargo.lock: version = "0.27.3"`,
		`Cargo.lock: version = "0.27.3"`,
		`Cargo.toml: version = "0.27.3"`,
		`frontend/package-lock.json:   "version": "0.27.3",`,
		`frontend/package-lock.json:       "version": "0.27.3",`,
		`frontend/package.json:   "version": "0.27.3",`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("these lines changed:\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	want = []string{"rustshare-core 0.27.3", "rustshare-server 0.27.3"}
	if got := members(t, dir, "--no-deps"); !slices.Equal(got, want) {
		t.Errorf("Cargo sees %v", got)
	}
	if got := ours(t, dir); !slices.Equal(got, want) {
		t.Errorf("Members sees %v", got)
	}
	if changed, err := Set(dir, product.RustShare(), "0.27.3"); err != nil || len(changed) > 0 {
		t.Errorf("again: %v, %v", changed, err)
	}
}

// Cargo's own lock file is right before and after; it resolves without network,
// since all crates are local.
func TestWorkspaces(t *testing.T) {
	for name, tt := range workspaces {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tt.files {
				write(t, dir, map[string]string{file: text})
				if filepath.Base(file) == "Cargo.toml" {
					write(t, dir, map[string]string{filepath.Join(filepath.Dir(file), "src/lib.rs"): ""})
				}
			}
			cargo(t, dir, "generate-lockfile", "--offline")
			if got, want := ours(t, dir), members(t, dir); !slices.Equal(got, want) {
				t.Errorf("Members sees %v, Cargo %v", got, want)
			}
			before := tree(t, dir)
			changed, err := Set(dir, app, "0.2.0")
			if err != nil {
				t.Fatal(err)
			}
			after := tree(t, dir)
			if got := diff(t, before, after); !slices.Equal(got, tt.want) {
				t.Errorf("these lines changed:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			for _, f := range changed {
				if before[f] == after[f] {
					t.Errorf("%s did not change, and is said to have", f)
				}
			}
			if got, want := ours(t, dir), members(t, dir); !slices.Equal(got, want) {
				t.Errorf("afterwards Members sees %v, Cargo %v", got, want)
			}
			if changed, err := Set(dir, app, "0.2.0"); err != nil || len(changed) > 0 {
				t.Errorf("again: %v, %v", changed, err)
			}
			// A run that died before any of its files leaves one that can be
			// repeated.
			for i := range changed {
				write(t, dir, before)
				for _, f := range changed[:i] {
					write(t, dir, map[string]string{f: after[f]})
				}
				rest, err := Set(dir, app, "0.2.0")
				if err != nil || !slices.Equal(rest, changed[i:]) || !slices.Equal(diff(t, before, tree(t, dir)), tt.want) {
					t.Errorf("repeated after %v: %v, %v", changed[:i], rest, err)
				}
			}
		})
	}
}

var workspaces = map[string]struct {
	files map[string]string
	want  []string
}{
	"a single crate": {
		files: map[string]string{
			"Cargo.toml": "# The product.\r\n[package]\r\nname = \"app\"\r\nedition = \"2021\"\r\nversion    = '0.1.0' # raised by release:prepare\r\n\r\n[package.metadata.x]\r\nversion = \"0.1.0\"",
		},
		want: []string{
			`Cargo.lock:7: version = "0.2.0"`,
			"Cargo.toml:5: version    = '0.2.0' # raised by release:prepare\r",
		},
	},
	"inherited, with globs and an exclusion": {
		files: map[string]string{
			"Cargo.toml":              "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\", \"tools/one\"]\nexclude = [\"crates/apart\"]\n[workspace.package]\nedition = \"2021\"\nversion = \"0.1.0\"\n",
			"crates/app/Cargo.toml":   "[package]\nname = \"app\"\nversion.workspace = true\nedition.workspace = true\n[dependencies]\nlib = { path = \"../lib\", version = \"^0.1.0\" }\n",
			"crates/lib/Cargo.toml":   "[package]\nname = \"lib\"\nversion = { workspace = true }\nedition.workspace = true\n",
			"crates/apart/Cargo.toml": "[package]\nname = \"apart\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
			"tools/one/Cargo.toml":    "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dev-dependencies]\nlib = { path = \"../../crates/lib\", version = \"=0.1.0\" }\n",
			"tools/nobody/Cargo.toml": "[package]\nname = \"nobody\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
			"crates/notes.toml":       "version = \"0.1.0\"\n",
		},
		want: []string{
			`Cargo.lock:14: version = "0.2.0"`,
			`Cargo.lock:18: version = "0.2.0"`,
			`Cargo.lock:7: version = "0.2.0"`,
			`Cargo.toml:7: version = "0.2.0"`,
			`crates/app/Cargo.toml:6: lib = { path = "../lib", version = "^0.2.0" }`,
			`tools/one/Cargo.toml:3: version = "0.2.0"`,
			`tools/one/Cargo.toml:6: lib = { path = "../../crates/lib", version = "=0.2.0" }`,
		},
	},
	"an own version, and another's own affair": {
		files: map[string]string{
			"Cargo.toml":     "[workspace]\nresolver = \"2\"\nmembers = [\"app\", \"lib\"]\npackage.version = \"0.9.0\"\n",
			"app/Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nlib = { path = \"../lib\", version = \"0.9.0\" }\nold = { path = \"../old\", package = \"renamed\", version = \"0.1.0\" }\n",
			"lib/Cargo.toml": "[package]\nname = \"lib\"\nversion.workspace = true\nedition = \"2021\"\n",
			// Found through the path alone.
			"old/Cargo.toml": "[package]\nname = \"renamed\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		},
		want: []string{
			`Cargo.lock:19: version = "0.2.0"`,
			`Cargo.lock:7: version = "0.2.0"`,
			`app/Cargo.toml:3: version = "0.2.0"`,
			`app/Cargo.toml:7: old = { path = "../old", package = "renamed", version = "0.2.0" }`,
			`old/Cargo.toml:3: version = "0.2.0"`,
		},
	},
	"dependencies as tables, for targets, and shared": {
		files: map[string]string{
			"Cargo.toml": "[workspace]\nresolver = \"2\"\nmembers = [\"app\"]\n" +
				"[workspace.package]\nversion = \"0.1.0\"\n" +
				"[workspace.dependencies]\nshared = { version = \"0.1.0\", path = \"shared\" }\nunused = { path = \"unused\", version = \"0.1.0\" }\n",
			"app/Cargo.toml": "[package]\nname = \"app\"\nedition = \"2021\"\nversion.workspace = true\n" +
				"[dependencies]\nshared.workspace = true\nplain.path = \"../plain\"\nplain.version = \"0.1.0\"\n" +
				"[dependencies.long]\npath = \"../long\"\nversion = \"\"\"0.1.0\"\"\"\n" +
				"[target.'cfg(unix)'.build-dependencies.unix]\nversion = \"0.1\"\npath = \"../unix\"\n",
			"shared/Cargo.toml": "[package]\nname = \"shared\"\nedition = \"2021\"\nversion.workspace = true\n",
			"plain/Cargo.toml":  "[package]\nname = \"plain\"\nedition = \"2021\"\nversion.workspace = true\n",
			"long/Cargo.toml":   "[package]\nname = \"long\"\nedition = \"2021\"\nversion.workspace = true\n",
			"unix/Cargo.toml":   "[package]\nname = \"unix\"\nedition = \"2021\"\nversion = \"0.1.9\"\n",
			"unused/Cargo.toml": "[package]\nname = \"unused\"\nedition = \"2021\"\nversion = \"0.1.0\"\n",
		},
		want: []string{
			`Cargo.lock:17: version = "0.2.0"`,
			`Cargo.lock:21: version = "0.2.0"`,
			`Cargo.lock:25: version = "0.2.0"`,
			`Cargo.lock:7: version = "0.2.0"`,
			`Cargo.toml:5: version = "0.2.0"`,
			`Cargo.toml:7: shared = { version = "0.2.0", path = "shared" }`,
			`app/Cargo.toml:11: version = """0.2.0"""`,
			`app/Cargo.toml:8: plain.version = "0.2.0"`,
		},
	},
	"a root package with members": {
		files: map[string]string{
			"Cargo.toml":          "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\nmembers = [\"./deep/[a-b]\", \"deep/c/*\"]\n[dependencies]\na = { path = \"deep/a\" }\n",
			"deep/a/Cargo.toml":   "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
			"deep/c/c/Cargo.toml": "[package]\nname = \"c\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
		},
		want: []string{
			`Cargo.lock:11: version = "0.2.0"`,
			`Cargo.lock:7: version = "0.2.0"`,
			`Cargo.toml:3: version = "0.2.0"`,
			`deep/a/Cargo.toml:3: version = "0.2.0"`,
		},
	},
	"a name twice in the lock file": {
		files: map[string]string{
			"Cargo.toml":     "[workspace]\nresolver = \"2\"\nmembers = [\"app\", \"lib\"]\nexclude = [\"old\"]\n",
			"app/Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nlib = { path = \"../lib\", version = \"0.1.0\" }\nbefore = { path = \"../old\", package = \"lib\", version = \"0.0.9\" }\n",
			"lib/Cargo.toml": "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
			"old/Cargo.toml": "[package]\nname = \"lib\"\nversion = \"0.0.9\"\nedition = \"2021\"\n",
		},
		want: []string{
			`Cargo.lock:10:  "lib 0.2.0",`,
			`Cargo.lock:19: version = "0.2.0"`,
			`Cargo.lock:7: version = "0.2.0"`,
			`app/Cargo.toml:3: version = "0.2.0"`,
			`app/Cargo.toml:6: lib = { path = "../lib", version = "0.2.0" }`,
			`lib/Cargo.toml:3: version = "0.2.0"`,
		},
	},
}
