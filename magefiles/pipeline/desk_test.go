package pipeline

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// desk is a maintainer's machine: a checkout of the tiny product whose version
// 0.2.0 is released, with his key pinned, and one fix on main since.
type desk struct {
	*Suite
	t    testing.TB
	repo git.Repo
	out  *bytes.Buffer
	env  map[string]string
}

const changelogName, guideName = "CHANGELOG.md", "docs/upgrading.md"

// maintained is tiny with what a maintainer's work needs of a product.
func maintained() product.Product {
	p := tiny()
	p.Paperwork.Paths = []string{"CHANGELOG.md", "docs/**"}
	return p
}

// promoted is [maintained] where a minor release needs a tried candidate.
func promoted() product.Product {
	p := maintained()
	p.Promotion = product.Promotion{Bumps: []string{"minor", "major"}, Manual: []product.ManualGate{{Name: "staging", Ask: "Was it on staging for a day?"}}}
	return p
}

func newDesk(t testing.TB, p product.Product) *desk {
	t.Helper()
	return newDeskOf(t, p, nil)
}

// newDeskOf is [newDesk] with more files, by their names.
func newDeskOf(t testing.TB, p product.Product, more map[string]string) *desk {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	checkout := filepath.Join(dir, "checkout")
	ok(t, copyAll(filepath.Join(root(t), "testdata", "tiny"), checkout, func(path string) bool {
		return path == "target" || path == "dist" || path == "magefiles"
	}))
	who, err := keys.NewOpenPGP(ctx, filepath.Join(dir, "keys"), "Ada", "ada@example.org")
	ok(t, err)
	t.Cleanup(func() { _ = who.Close(context.WithoutCancel(ctx)) }) // its directory goes away with the test
	key, err := attest.NewKey()
	ok(t, err)
	identity := who.Git()
	d := &desk{t: t, out: &bytes.Buffer{}, env: map[string]string{}}
	d.Suite, err = New(Suite{
		Product: p, Dir: checkout, Dist: filepath.Join(dir, "dist"), Image: embeddedImage,
		Getenv: func(name string) string { return d.env[name] },
		UI:     term.New(&bytes.Buffer{}, func(string) string { return "" }), Out: d.out,
		Forge: forge.Directory(filepath.Join(dir, "releases")), Who: &identity, Clock: dawn,
		Key: key,
	})
	ok(t, err)
	d.write(".release/keys/ada.asc", string(who.Public))
	d.write(".release/cosign.pub", string(key.PublicPEM()))
	d.repo, err = git.Init(ctx, checkout, "main")
	ok(t, err)

	for name, text := range more {
		d.write(name, text)
	}
	text := d.read(changelogName)
	released := strings.Replace(text, text[strings.Index(text, "### Fixed"):strings.Index(text, "## [0.2.0]")], "", 1)
	d.write(changelogName, released)
	d.commit("feat: the product")
	head := d.head()
	ok(t, d.repo.MakeTag(ctx, identity, dawn, "v0.1.0", head, "Release v0.1.0", true))
	ok(t, d.repo.MakeTag(ctx, identity, dawn, "v0.2.0", head, "Release v0.2.0", true))
	d.write(changelogName, text)
	d.write("src/main.rs", d.read("src/main.rs")+"// fixed\n")
	d.commit("fix: read the whole head")
	return d
}

// day is the day of the desk's releases.
var day = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)

func (d *desk) path(name string) string { return filepath.Join(d.Dir, filepath.FromSlash(name)) }

func (d *desk) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(d.path(name))
	ok(d.t, err)
	return string(text)
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	ok(d.t, os.MkdirAll(filepath.Dir(d.path(name)), 0o755))
	ok(d.t, os.WriteFile(d.path(name), []byte(text), 0o644))
}

// change replaces a text that has to be in a file.
func (d *desk) change(name, from, to string) {
	d.t.Helper()
	text := d.read(name)
	if !strings.Contains(text, from) {
		d.t.Fatalf("%s has no %q:\n%s", name, from, text)
	}
	d.write(name, strings.Replace(text, from, to, 1))
}

func (d *desk) commit(subject string) string {
	d.t.Helper()
	hash, err := d.repo.Commit(d.t.Context(), *d.Who, dawn, subject)
	ok(d.t, err)
	return hash
}

func (d *desk) head() string {
	d.t.Helper()
	hash, err := d.repo.Head(d.t.Context())
	ok(d.t, err)
	return hash
}

func (d *desk) on(branch string) {
	d.t.Helper()
	ok(d.t, d.repo.Switch(d.t.Context(), branch, ""))
}

// git runs git as it is, and gives what it says.
func (d *desk) git(args ...string) string {
	d.t.Helper()
	out, err := run.Text(d.t.Context(), run.Cmd{Name: "git", Args: args, Dir: d.Dir, Env: []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}})
	ok(d.t, err)
	return out
}

// prepared prepares a version, and fills in what is to be filled in.
func (d *desk) prepared(version string) {
	d.t.Helper()
	v, err := parseVersion(version)
	ok(d.t, err)
	_, err = d.prepare(d.t.Context(), v, day)
	ok(d.t, err)
	d.write(guideName, strings.ReplaceAll(d.read(guideName), upgrading.Placeholder, "None"))
	d.commit("docs: what operators do for " + version)
}

// tagged tags a version at HEAD.
func (d *desk) tagged(version string) {
	d.t.Helper()
	_, err := d.tag(d.t.Context(), TagOrder{Version: version})
	ok(d.t, err)
}

// same wants branch, commit, tags and tree as they were.
func (d *desk) same(t testing.TB, f func()) {
	t.Helper()
	look := func() string {
		return d.git("status", "--porcelain", "--branch", "--ignored", "--untracked-files=all") + "\n" + d.git("for-each-ref") + "\n" + d.git("rev-parse", "HEAD")
	}
	before := look()
	f()
	if after := look(); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// prints wants all the parts in what was printed.
func (d *desk) prints(t testing.TB, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(d.out.String(), p) {
			t.Errorf("it printed\n%s\nexpected %q", d.out, p)
		}
	}
	if testing.Verbose() {
		t.Logf("printed:\n%s", d.out)
	}
	d.out.Reset()
}
