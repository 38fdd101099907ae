package tests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cargo finds a cargo that works.
func cargo(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/cargo", "cargo"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("cargo is missing: scripts/setup.sh rust")
	return ""
}

// workspace has three crates: app depends on core, tool on nothing.
func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Cargo.toml":                    "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\n",
		"Cargo.lock":                    "version = 3\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"core-of-it\",\n]\n\n[[package]]\nname = \"core-of-it\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"tool\"\nversion = \"0.1.0\"\n",
		"crates/core/Cargo.toml":        "[package]\nname = \"core-of-it\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		"crates/core/src/lib.rs":        "pub fn two() -> u32 { 2 }\n#[test]\nfn is_two() { assert_eq!(two(), 2) }\n#[test]\n#[ignore]\nfn slow() {}\n",
		"crates/app/Cargo.toml":         "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ncore-of-it = { path = \"../core\" }\n",
		"crates/app/src/lib.rs":         "#[test]\nfn adds() { assert_eq!(core_of_it::two() + 1, 3) }\n",
		"crates/tool/Cargo.toml":        "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		"crates/tool/src/lib.rs":        "",
		"crates/tool/tests/fails.rs":    "#[test]\nfn never_right() { panic!(\"no\") }\n",
		"crates/tool/tests/passes.rs":   "#[test]\nfn right() {}\n",
		"crates/tool/nested/readme.txt": "",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAffected(t *testing.T) {
	dir := workspace(t)
	for _, c := range []struct {
		changed []string
		want    string
	}{
		{nil, "no crate"},
		{[]string{"crates/app/src/lib.rs"}, "app"},
		{[]string{"crates/core/src/lib.rs"}, "app, core-of-it"},
		{[]string{"crates/tool/nested/readme.txt", "crates/app/Cargo.toml"}, "app, tool"},
		{[]string{"crates/tool/src/lib.rs", "Cargo.lock"}, "the whole workspace, since Cargo.lock belongs to no crate"},
		{[]string{"crates/corelike/x"}, "the whole workspace, since crates/corelike/x belongs to no crate"},
		{[]string{"migrations/1.sql"}, "the whole workspace, since migrations/1.sql belongs to no crate"},
	} {
		got, err := Affected(t.Context(), cargo(t), dir, c.changed)
		if err != nil || got.String() != c.want {
			t.Errorf("%v reaches %q, %v, want %q", c.changed, got, err, c.want)
		}
	}
	if _, err := Affected(t.Context(), cargo(t), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "Cargo.toml") {
		t.Errorf("no workspace: %v", err)
	}
}

// A crate at the top of the checkout owns its sources alone.
func TestAffectedAtTheTop(t *testing.T) {
	text := []byte(`{"packages":[{"name":"one","manifest_path":"/w/Cargo.toml","dependencies":[]}]}`)
	for path, want := range map[string]string{"src/main.rs": "one", "build.rs": "one", "Cargo.lock": "the whole workspace, since Cargo.lock belongs to no crate"} {
		got, err := affected(text, "/w", []string{path})
		if err != nil || got.String() != want {
			t.Errorf("%s reaches %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestBackend(t *testing.T) {
	dir := workspace(t)
	test := func(s Scope) (Result, error) {
		return Backend(t.Context(), Options{Cargo: cargo(t), Rustc: filepath.Join(filepath.Dir(cargo(t)), "rustc"), Dir: dir, Scope: s, Log: t.Output()})
	}
	r, err := test(Scope{Crates: []string{"app", "core-of-it"}})
	if err != nil || r.Passed != 2 || r.Failed != 0 || r.Ignored != 1 {
		t.Errorf("two crates: %+v, %v", r, err)
	}
	r, err = test(Everything("all is asked for"))
	var failed *FailedError
	if !errors.As(err, &failed) || r.Passed != 3 || len(r.Failures) != 1 || r.Failures[0].Name != "never_right" {
		t.Errorf("all crates: %+v, %v", r, err)
	}
	if err == nil || err.Error() != "1 of 4 tests failed: tests/fails.rs: never_right" {
		t.Errorf("the error says %v", err)
	}
	if f := r.Failures[0]; f.Suite != "tests/fails.rs" || !strings.Contains(f.Output, "panicked at crates/tool/tests/fails.rs:2:20:\nno") {
		t.Errorf("the failure is %+v", f)
	}
	if !slices.ContainsFunc(r.Suites, func(s Suite) bool {
		return s.Name == "core_of_it: unittests src/lib.rs" && s.Passed == 1 && s.Ignored == 1
	}) || !slices.ContainsFunc(r.Suites, func(s Suite) bool { return s.Name == "Doc-tests core_of_it" }) {
		t.Errorf("the suites are %+v", r.Suites)
	}
	if err := os.WriteFile(filepath.Join(dir, "crates/app/src/lib.rs"), []byte("fn unused() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = test(Scope{Crates: []string{"app"}}); err == nil || !strings.Contains(err.Error(), "ran no test") {
		t.Errorf("a crate without tests: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "crates/app/src/lib.rs"), []byte("fn broken( {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var broken *CompileError
	if r, err = test(Everything("all is asked for")); !errors.As(err, &broken) || errors.As(err, &failed) || len(r.Suites) != 0 {
		t.Errorf("a crate that does not compile: %+v, %v", r, err)
	} else if text := err.Error(); !strings.HasPrefix(text, "`app` (lib test)") && !strings.HasPrefix(text, "`app` (lib)") ||
		!strings.Contains(text, "did not compile, so no test ran:\nerror: ") || !strings.Contains(text, "crates/app/src/lib.rs:1") {
		t.Errorf("the error says %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Cargo.lock"), []byte("version = 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = test(Scope{Crates: []string{"app"}}); err == nil || errors.As(err, &broken) || !strings.Contains(err.Error(), "running the tests") || !strings.Contains(err.Error(), "--locked") {
		t.Errorf("a lock file that does not fit: %v", err)
	}
	if _, err = test(Scope{}); err == nil || !strings.Contains(err.Error(), "no crate") {
		t.Errorf("no crate: %v", err)
	}
}
