package pipeline

import (
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func TestStartHotfix(t *testing.T) {
	for name, tt := range map[string]struct {
		version string
		branch  string // what is made, from the base
		base    string
		want    []string // or what is said
	}{
		"the last stable one": {branch: "hotfix/v0.2.1", base: "v0.2.0"},
		"a line":              {version: "0.1", branch: "hotfix/v0.1.1", base: "v0.1.0"},
		"a line with v":       {version: "v0.1", branch: "hotfix/v0.1.1", base: "v0.1.0"},
		"a version":           {version: "0.1.1", branch: "hotfix/v0.1.1", base: "v0.1.0"},
		"one too far":         {version: "0.1.2", want: []string{"the hotfix after 0.1.0 is 0.1.1, not 0.1.2"}},
		"a candidate":         {version: "0.2.1-rc.1", want: []string{"the hotfix after 0.2.0 is 0.2.1, not 0.2.1-rc.1"}},
		"what is released":    {version: "v0.2.0", want: []string{"the hotfix after 0.2.0 is 0.2.1, not 0.2.0"}},
		"no such line":        {version: "0.3", want: []string{`there is no stable tag of the line of "0.3"; want a line such as 0.3, or the version to make`}},
		"no version":          {version: "yesterday", want: []string{`there is no stable tag of the line of "yesterday"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, maintained())
			if tt.want != nil {
				d.same(t, func() { says(t, d.StartHotfix(t.Context(), tt.version), tt.want...) })
				return
			}
			ok(t, d.StartHotfix(t.Context(), tt.version))
			version := strings.TrimPrefix(tt.branch, "hotfix/v")
			d.prints(t, "branch", tt.branch, "from", tt.base, "CHANGELOG.md", "go run . release:prepare "+version, "docs/upgrading.md", "go run . hotfix,")
			if branch := d.git("symbolic-ref", "--short", "HEAD"); branch != tt.branch || d.head() != d.git("rev-parse", tt.base+"^{commit}") {
				t.Errorf("HEAD is on %s at %s", branch, d.head())
			}
		})
	}
}

func TestStartHotfixRefuses(t *testing.T) {
	d := newDesk(t, maintained())
	d.git("branch", "hotfix/v0.2.1", "v0.2.0")
	d.same(t, func() {
		says(t, d.StartHotfix(t.Context(), ""), "refs/heads/hotfix/v0.2.1 exists already: go on with it (`git switch hotfix/v0.2.1`)")
	})
	d.remote()
	d.git("push", "--quiet", "origin", "hotfix/v0.2.1")
	d.git("branch", "-D", "hotfix/v0.2.1")
	d.same(t, func() {
		says(t, d.StartHotfix(t.Context(), "0.2"), "refs/remotes/origin/hotfix/v0.2.1 exists already: go on with it (`git switch hotfix/v0.2.1`)")
	})
	d.write("src/main.rs", "")
	d.same(t, func() { says(t, d.StartHotfix(t.Context(), "0.1"), "src/main.rs: commit, stash or remove") })
	d.git("restore", ".")
	d.git("tag", "-d", "v0.1.0", "v0.2.0")
	d.same(t, func() {
		says(t, d.StartHotfix(t.Context(), ""), "there is no stable tag to make a hotfix of; in a clone without tags, `git fetch --tags`")
	})
}

// hotfix starts the next patch of 0.2 and fixes something, without paperwork.
func (d *desk) hotfix() {
	d.t.Helper()
	_, _, err := d.startHotfix(d.t.Context(), "0.2")
	ok(d.t, err)
	d.change("src/main.rs", "use std::io", "// the fix\nuse std::io")
	d.commit("fix: the fix")
}

// noted writes the hotfix down.
func (d *desk) noted() {
	d.t.Helper()
	d.change(changelogName, "## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- The fix.\n")
	d.commit("docs: the fix")
	d.prepared("0.2.1")
}

// withTarget has cargo build where earlier runs did.
func (d *desk) withTarget() *desk {
	d.t.Helper()
	var err error
	d.CargoTarget, err = cacheDir("test", d.Product.Name, "target")
	ok(d.t, err)
	return d
}

func TestHotfixRefuses(t *testing.T) {
	d := newDesk(t, maintained()).withTarget()
	d.same(t, func() {
		says(t, d.Hotfix(t.Context(), Order{}), "the hotfix is refused:\nbranch: main is no hotfix branch: start one with `go run . hotfix:start`, or run `git switch hotfix/vX.Y.Z`")
	})
	ok(t, d.repo.Switch(t.Context(), "hotfix/v0.2.3", "v0.2.0"))
	d.same(t, func() {
		says(t, d.Hotfix(t.Context(), Order{}), "base: the release before 0.2.3 is v0.2.0, so the next patch is 0.2.1")
	})
	d.on("main")
	ok(t, d.repo.Switch(t.Context(), "hotfix/v0.2.1", "main"))
	d.same(t, func() {
		says(t, d.Hotfix(t.Context(), Order{}), "change: hotfix/v0.2.1 holds 1 commit of main since v0.2.0, and a hotfix bundles nothing with its fix")
	})
	d.write("new.txt", "")
	says(t, d.Hotfix(t.Context(), Order{}), "new.txt")
}

// Hotfix runs what it can, and refuses for what it cannot.
func TestHotfix(t *testing.T) {
	p := maintained()
	p.Critical = []string{"src/store/**"}
	smoke := "smoke:launch: tiny names no journey that shows launch (Product.Journeys), so nothing here can try it: do so by hand"
	p.Run, p.Tries.Stable = product.RustShare().Run, []string{"smoke:launch"}
	d := newDesk(t, p).withTarget()

	// Everything that is missing is said at once.
	d.hotfix()
	d.same(t, func() {
		says(t, d.Hotfix(t.Context(), Order{}), "the hotfix 0.2.1 is refused:",
			"version: the sources declare version 0.2.0, tag v0.2.1 wants 0.2.1",
			"changelog: CHANGELOG.md:8: there is no section \"## [0.2.1] - YYYY-MM-DD\": run `go run . release:prepare 0.2.1`",
			"upgrading: docs/upgrading.md:5: table \"Breaking Changes\" has no row of version 0.2.1", smoke)
	})
	d.prints(t, "touched since v0.2.0  lines", "src/main.rs           +1 -0",
		"1 commit since v0.2.0 in src/: 1 line of 1 file, paperwork apart",
		"test:backend  PASS   tinyd: 1 passed")
	if strings.Contains(d.out.String(), "drill:restore") {
		t.Error("nothing critical is touched, and it asks for the drill")
	}

	// Version numbers alone make no crate touched.
	d.noted()
	says(t, d.Hotfix(t.Context(), Order{}), "the hotfix 0.2.1 is refused:\n"+smoke)
	d.prints(t, "Cargo.lock", "Cargo.toml", "changelog     PASS", "test:backend  PASS   tinyd: 1 passed")

	// At the signed tag the release asks for the smoke, on the very image.
	d.tagged("0.2.1")
	missing := "v0.2.1 is not published: tiny names no journey that shows launch"
	d.same(t, func() { says(t, d.Hotfix(t.Context(), Order{}), missing) })
	d.prints(t, "HEAD is at v0.2.1, the tag of hotfix/v0.2.1")
	ok(t, d.repo.Detach(t.Context(), "refs/tags/v0.2.1"))
	d.same(t, func() { says(t, d.Hotfix(t.Context(), Order{}), missing) })
	d.prints(t, "HEAD is at v0.2.1, the tag of hotfix/v0.2.1")
}

// A test that fails is named, and a critical path asks for the restore drill.
func TestHotfixTries(t *testing.T) {
	p := maintained()
	p.Critical = []string{"src/**"}
	p.Run, p.Tries.Critical = product.RustShare().Run, []string{"drill:restore"}
	d := newDesk(t, p).withTarget()
	d.hotfix()
	d.change("src/main.rs", `"200 OK"`, `"201 Created"`)
	d.commit("fix: worse")
	d.noted()
	d.same(t, func() {
		says(t, d.Hotfix(t.Context(), Order{}), "test:backend: ", "tests::answers",
			"drill:restore: tiny names no journey that shows drill:restore (Product.Journeys), so nothing here can try it")
	})
	d.prints(t, "test:backend   FAIL", "drill:restore  FAIL")
}

// What paperwork and version numbers change reaches no crate.
func TestHotfixTouchesNoCrate(t *testing.T) {
	d := newDesk(t, maintained())
	_, _, err := d.startHotfix(t.Context(), "")
	ok(t, err)
	d.noted()
	ok(t, d.Hotfix(t.Context(), Order{}))
	d.prints(t, "test:backend  PASS   no crate is touched")

	// A dependency does.
	changed, err := d.changedSources(t.Context(), "v0.2.0")
	if err != nil || changed != nil {
		t.Errorf("got %q, %v", changed, err)
	}
	d.change("Cargo.toml", `itoa = "1"`, `itoa = "1.0"`)
	d.commit("fix: dependency")
	changed, err = d.changedSources(t.Context(), "v0.2.0")
	if err != nil || strings.Join(changed, " ") != "Cargo.toml" {
		t.Errorf("got %q, %v", changed, err)
	}
}
