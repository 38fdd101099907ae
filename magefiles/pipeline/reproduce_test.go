package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/reproduce"
)

// rebuiltEnv has the product (JSON) that this binary builds again as a child of
// its own, with a target and its flags as arguments, as a magefile's program.
const rebuiltEnv = "RELEASE_TEST_REBUILT"

func rebuiltChild(text string, args []string) error {
	var p product.Product
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	s, err := New(Suite{Product: p, Dir: dir, Getenv: os.Getenv, UI: term.New(os.Stderr, func(string) string { return "" }), Out: os.Stdout})
	if err != nil {
		return err
	}
	if len(args) == 0 || args[0] != "build:bundle" {
		return fmt.Errorf("the child was asked for %q", args)
	}
	var o ContentOrder
	for _, a := range args[1:] {
		switch name, value, _ := strings.Cut(a, "="); name {
		case "-tag":
			o.Ref = value
		case "-out":
			o.Out = value
		default:
			return fmt.Errorf("build:bundle has no flag %s", a)
		}
	}
	return s.BuildBundle(context.Background(), o)
}

// variant is a world whose first release is checked out, with what differs from
// the tiny product's sources: a path and its text.
func variant(t *testing.T, p product.Product, changed map[string]string) (*world, episode) {
	t.Helper()
	// The distribution's compiler goes first: it is there for every user, and runs
	// under faketime.
	t.Setenv("PATH", "/usr/bin"+string(filepath.ListSeparator)+os.Getenv("PATH"))
	sample := filepath.Join(root(t), "testdata", "tiny")
	if len(changed) > 0 {
		copied := filepath.Join(t.TempDir(), "sample")
		ok(t, copyAll(sample, copied, func(path string) bool { return path == "target" }))
		for name, text := range changed {
			ok(t, os.MkdirAll(filepath.Dir(filepath.Join(copied, name)), 0o755))
			ok(t, os.WriteFile(filepath.Join(copied, name), []byte(text), 0o644))
		}
		sample = copied
	}
	w := emptyWorld(t, p)
	ok(t, w.fresh(t.Context(), sample, nil))
	text, err := json.Marshal(w.Product)
	ok(t, err)
	w.childEnv = []string{rebuiltEnv + "=" + string(text)}
	w.CargoTarget = "" // a world's own: those of others are elsewhere
	w.env = map[string]string{"PATH": os.Getenv("PATH"), "LANG": os.Getenv("LANG")}
	e := w.history.Episodes[0]
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	return w, e
}

// condition finds in what a build again was another one.
func condition(out Reproduction, what string) Condition {
	i := slices.IndexFunc(out.Conditions, func(c Condition) bool { return c.What == what })
	if i < 0 {
		return Condition{}
	}
	return out.Conditions[i]
}

func describeReport(r reproduce.Report) string {
	var b strings.Builder
	for _, row := range r.Rows() {
		b.WriteString(strings.Join(row, " | ") + "\n")
	}
	for _, row := range r.LeftRows() {
		b.WriteString("left out: " + strings.Join(row, " | ") + "\n")
	}
	return b.String()
}

// TestReproducible makes a release, publishes it, and builds it twice again: as
// its makers from the bundle, as its users from what is published.
func TestReproducible(t *testing.T) {
	p := tiny()
	p.Extra = []string{"docs/upgrading.md"}
	w, e := variant(t, p, nil)
	w.serve(registries.All()["embedded"](t))
	ok(t, w.play(t.Context(), e))

	t.Run("bundle", func(t *testing.T) {
		out, err := w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Ref: e.Ref})
		if err != nil {
			t.Fatalf("%v\n%s", err, describeReport(out.Report))
		}
		t.Logf("%+v\n%s", out.Conditions, describeReport(out.Report))
		for _, what := range []string{"user", "host name", "time"} {
			if c := condition(out, what); os.Getuid() == 0 && c.Again == "" {
				t.Errorf("%s was the same: %s; as root and after scripts/setup.sh it is not", what, c.Same)
			}
		}
		left := describeReport(out.Report)
		for _, name := range []string{"plan.json", "index.json", ".provenance.sigstore.json", "attached proof index.signature", "evidence gates.json"} {
			if !strings.Contains(left, name+" | ") {
				t.Errorf("nothing says that %s was left out:\n%s", name, left)
			}
		}
		for _, name := range []string{"tinyd-x86_64-linux", "tinyd-aarch64-linux", "upgrading.md", "image index", "SHA256SUMS", "layer 1 of linux/arm64"} {
			if !slices.ContainsFunc(out.Artifacts, func(a reproduce.Artifact) bool {
				return strings.HasPrefix(a.Name, name) && a.Verdict == reproduce.Identical
			}) {
				t.Errorf("%s was not compared", name)
			}
		}
	})
	t.Run("published", func(t *testing.T) {
		image := w.outcomes[0].Plan.Image + "@" + w.outcomes[0].Digest.String()
		w.out.Reset()
		ok(t, w.Reproduce(t.Context(), ReproduceQuery{Image: image, Attest: true, JSON: true}))
		var out Reproduction
		ok(t, json.Unmarshal(w.out.Bytes(), &out))
		t.Log(describeReport(out.Report))
		if !out.Same || out.Release != image || out.Ref != e.Ref || out.Attested == "" {
			t.Errorf("it says %+v", out)
		}
		for _, name := range []string{"tinyd-x86_64-linux on the release page", "tinyd-x86_64-linux.spdx.json", "layer 1 of linux/arm64"} {
			if !slices.ContainsFunc(out.Artifacts, func(a reproduce.Artifact) bool { return strings.HasPrefix(a.Name, name) }) {
				t.Errorf("%s was not compared", name)
			}
		}
		ok(t, w.Verify(t.Context(), VerifyQuery{Image: image, Require: []string{reproducibleName}}))
		says(t, w.Verify(t.Context(), VerifyQuery{Image: image, Require: []string{"verify:other"}}), "verify:other was asked for")
	})
	t.Run("published otherwise", func(t *testing.T) {
		w.serve(registries.All()["embedded"](w.t))
		ok(t, w.play(t.Context(), e))
		path := filepath.Join(w.dist(releasesDir), e.Ref, "tinyd-x86_64-linux.spdx.json")
		text, err := os.ReadFile(path)
		ok(t, err)
		ok(t, os.WriteFile(path, append(text, '\n'), 0o644))
		image := w.outcomes[0].Plan.Image + ":" + strings.TrimPrefix(e.Ref, "v")
		_, err = w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Image: image, Attest: true})
		says(t, err, e.Ref+" is not reproducible", "tinyd-x86_64-linux.spdx.json: sha256 is")
		ok(t, w.Verify(t.Context(), VerifyQuery{Image: image}))
		says(t, w.Verify(t.Context(), VerifyQuery{Image: image, Require: []string{reproducibleName}}), reproducibleName+" ended with FAILED")
	})
	t.Run("refused", func(t *testing.T) {
		other, err := attest.NewKey()
		ok(t, err)
		file := filepath.Join(t.TempDir(), "cosign.pub")
		ok(t, os.WriteFile(file, other.PublicPEM(), 0o644))
		_, err = w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Image: w.Image + ":" + strings.TrimPrefix(e.Ref, "v"), Key: file})
		says(t, err, "is not built again, since it does not verify")
		says(t, w.Reproduce(t.Context(), ReproduceQuery{Ref: e.Ref, Attest: true}), "-image")
		_, err = w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Image: w.Image + ":9.9.9"})
		says(t, err, "does not exist")
	})
}

// buildScript writes a Rust expression of its own into the binary.
func buildScript(expression string) map[string]string {
	main, err := os.ReadFile(filepath.Join("..", "..", "testdata", "tiny", "src", "main.rs"))
	if err != nil {
		panic(err)
	}
	return map[string]string{
		"build.rs":    "fn main() { println!(\"cargo:rustc-env=ODD={}\", " + expression + "); }\n",
		"src/main.rs": strings.Replace(string(main), `println!("tinyd {VERSION}");`, `println!("tinyd {VERSION}"); eprintln!("built: {}", env!("ODD"));`, 1),
	}
}

// TestNotReproducible builds variants of the product that are functions of more
// than the commit, and has each named with the section that gives it away.
func TestNotReproducible(t *testing.T) {
	for _, c := range []struct {
		name, expression string
		root             bool
	}{
		{"time", `std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()`, false},
		{"user", `std::env::var("USER").unwrap_or("root".into())`, true},
		{"random", `{ use std::hash::{BuildHasher, Hasher}; std::collections::hash_map::RandomState::new().build_hasher().finish() }`, false},
		{"host name", `std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_string()`, true},
		{"umask", `{ use std::os::unix::fs::PermissionsExt; format!("mode {:o}", std::fs::metadata("Cargo.toml").unwrap().permissions().mode()) }`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "time" {
				t.Skip("-short builds one variant: run it without")
			}
			if c.root && os.Getuid() != 0 {
				t.Skip("only root can have another " + c.name + ": run the tests as root, as scripts/test.sh in a container does")
			}
			p := tiny()
			p.Cargo.Targets = p.Cargo.Targets[:1]
			w, e := variant(t, p, buildScript(c.expression))
			out, err := w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Ref: e.Ref})
			t.Log(describeReport(out.Report))
			var differs *NotReproducible
			if !errors.As(err, &differs) {
				t.Fatalf("got %v", err)
			}
			says(t, err, e.Ref+" is not reproducible", "tinyd-x86_64-linux: section .")
			binary := out.Artifacts[0]
			if binary.Verdict != reproduce.Differs || binary.Name != "tinyd-x86_64-linux" {
				t.Errorf("the binary is %+v", binary)
			}
			for _, a := range out.Artifacts {
				follows := !strings.HasPrefix(a.Name, "layer ") || strings.Contains(a.Name, "(binary)")
				if a.Name != binary.Name && a.Verdict != reproduce.Identical && follows && (a.Verdict != reproduce.Follows || len(a.Of) == 0) {
					t.Errorf("%s does not follow the binary: %+v", a.Name, a)
				}
			}
		})
	}
}

// TestBuildBundle refuses what is not the tag's commit, and prints what it made.
func TestBuildBundle(t *testing.T) {
	w, e := variant(t, tiny(), nil)
	out := filepath.Join(t.TempDir(), "bundle")
	ok(t, os.WriteFile(filepath.Join(w.Dir, "Cargo.toml"), []byte("[package]\n"), 0o644))
	says(t, w.BuildBundle(t.Context(), ContentOrder{Ref: e.Ref, Out: out}), "Cargo.toml")
	ok(t, (git.Repo{Dir: w.Dir}).Restore(t.Context()))
	says(t, w.BuildBundle(t.Context(), ContentOrder{Ref: "v9.9.9", Out: out}), "v9.9.9")

	w.Key, w.Forge = nil, nil // it needs neither
	w.out.Reset()
	ok(t, w.BuildBundle(t.Context(), ContentOrder{Ref: e.Ref, JSON: true}))
	var made Content
	ok(t, json.Unmarshal(w.out.Bytes(), &made))
	if made.Ref != e.Ref || made.Commit != e.Commit || made.Dir != w.dist(e.Ref) || len(made.Assets) < 3 {
		t.Errorf("it printed %s", w.out)
	}
}

// frontendOf is a small npm project with one package, whose build script writes
// an expression of its own.
func frontendOf(t *testing.T, expression string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "testdata", "rustshare", "frontend", "package-lock.json"))
	ok(t, err)
	var sample struct {
		Packages map[string]json.RawMessage `json:"packages"`
	}
	ok(t, json.Unmarshal(text, &sample))
	const name, version = "js-cookie", "^3.0.5"
	own := map[string]any{
		"name": "tiny-frontend", "version": "0.1.0", "license": "Apache-2.0",
		"scripts": map[string]string{"build": "node build.mjs"}, "dependencies": map[string]string{name: version},
	}
	project, err := json.Marshal(own)
	ok(t, err)
	delete(own, "scripts")
	lock, err := json.Marshal(map[string]any{
		"name": "tiny-frontend", "version": "0.1.0", "lockfileVersion": 3, "requires": true,
		"packages": map[string]any{"": own, "node_modules/" + name: sample.Packages["node_modules/"+name]},
	})
	ok(t, err)
	return map[string]string{
		"frontend/package.json": string(project), "frontend/package-lock.json": string(lock),
		".gitignore": "target\ndist\nfrontend/node_modules\nfrontend/build\n",
		"frontend/build.mjs": `import fs from "node:fs";
fs.mkdirSync("build/assets", { recursive: true });
fs.copyFileSync("node_modules/js-cookie/dist/js.cookie.mjs", "build/assets/cookie.js");
fs.writeFileSync("build/index.html", "<!doctype html>\n<p>" + ` + expression + ` + "</p>\n");
`,
	}
}

// TestReproducibleFrontend builds a product with a frontend again: one that is a
// function of the commit, and one with the year in it, which 400 days change.
func TestReproducibleFrontend(t *testing.T) {
	p := tiny()
	p.Cargo.Targets = p.Cargo.Targets[:1]
	p.Frontend = &product.Frontend{Dir: "frontend", Output: "frontend/build", ImageDir: "/srv/frontend"}
	t.Run("same", func(t *testing.T) {
		w, e := variant(t, p, frontendOf(t, `process.env.SOURCE_DATE_EPOCH + new Date(0).getHours()`))
		keep := filepath.Join(t.TempDir(), "kept")
		ok(t, os.Mkdir(keep, 0o700)) // another user cannot get in: it stays the same
		out, err := w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Ref: e.Ref, Keep: keep})
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, describeReport(out.Report), w.log)
		}
		if c := condition(out, "user"); c.Same == "" {
			t.Errorf("the user was another one: %+v", c)
		}
		if _, err := os.Stat(filepath.Join(out.Again, "index.json")); err != nil {
			t.Errorf("the build again was not kept: %v", err)
		}
	})
	t.Run("year", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short builds one variant: run it without")
		}
		w, e := variant(t, p, frontendOf(t, `new Date().getFullYear()`))
		out, err := w.reproduce(t.Context(), term.Discard(), ReproduceQuery{Ref: e.Ref})
		t.Log(describeReport(out.Report))
		if c := condition(out, "time"); c.Again == "" {
			t.Fatalf("the time was the same: %s; after scripts/setup.sh, with the distribution's compiler, it is not", c.Same)
		}
		says(t, err, "(frontend): srv/frontend/index.html → line 2 is", "<p>")
	})
}
