package pipeline

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// verifyEnv has the test binary be `mage release:verify` with its arguments.
const verifyEnv = "RELEASE_TEST_VERIFY"

func verifyChild(args []string) error {
	s, err := New(Suite{Product: tiny(), Dir: ".", Getenv: func(string) string { return "" }, UI: term.New(os.Stderr, func(string) string { return "" }), Out: os.Stdout})
	if err != nil {
		return err
	}
	var q VerifyQuery
	for _, a := range args {
		switch name, value, flag := strings.Cut(a, "="); {
		case a == "release:verify":
		case flag && name == "-key":
			q.Key = value
		case flag && name == "-tag":
			q.Tag = value
		case !flag:
			q.Image = a
		default:
			return errors.New("the test does not know the flag " + a)
		}
	}
	return s.Verify(context.Background(), q)
}

// docBlock is how a block of docs/verify.md is run.
type docBlock struct {
	// spoil changes the consumer's directory or what is published so that the
	// block must fail. Nil for a block that only sets variables or makes a file.
	spoil func(c *consumer)
	// not says why a block cannot be run here, or nothing.
	not func(c *consumer) string
	// first are blocks whose results this one needs.
	first []string
}

// docBlocks are all blocks, by the names that stand above them.
var docBlocks = map[string]docBlock{
	"begin":             {},
	"root":              {},
	"download":          {spoil: func(c *consumer) { c.must(os.Remove(c.asset("SHA256SUMS.sig"))) }},
	"sums-cosign":       {first: files, spoil: otherKey},
	"sums-openssl":      {first: files, spoil: otherKey},
	"sums-check":        {first: files, spoil: otherBinary},
	"binary-provenance": {first: files, spoil: otherBinary},
	"binary-commit":     {first: files, spoil: otherVersion},
	"install":           {first: files, spoil: func(c *consumer) { c.append(c.asset("install.sh"), "\n") }},
	"image-signature":   {spoil: otherKey},
	"image-provenance":  {spoil: otherKey},
	"image-commit":      {spoil: otherVersion},
	"sbom-image":        {spoil: otherKey},
	"sbom-binary":       {first: files, spoil: otherBinary},
	"deb":               {not: packaged("_amd64.deb", "ar", "gpgv")},
	"rpm":               {not: packaged(".x86_64.rpm", "rpmkeys")},
	"apk":               {not: packaged("_x86_64.apk", "apk")},
	"keyless-root":      {not: because("this release is signed with a key; keyless ones are verified with a Fulcio of the test's own")},
	"gh":                {not: because("gh asks github.com, and knows certificates alone: this release is signed with a key")},
	"us":                {spoil: otherKey},
}

var files = []string{"download"}

func because(why string) func(*consumer) string { return func(*consumer) string { return why } }

// packaged tells why packages of a kind cannot be checked here.
func packaged(suffix string, tools ...string) func(*consumer) string {
	return func(c *consumer) string {
		found, err := filepath.Glob(c.asset("*" + suffix))
		c.must(err)
		if len(found) == 0 {
			return "the release of this test has no *" + suffix
		}
		for _, tool := range tools {
			if _, err := exec.LookPath(tool); err != nil {
				return tool + " is not installed: scripts/setup.sh packaging has it where the system does"
			}
		}
		return ""
	}
}

func otherKey(c *consumer) {
	key, err := attest.NewKey()
	c.must(err)
	c.must(os.WriteFile(filepath.Join(c.dir, "cosign.pub"), key.PublicPEM(), 0o644))
}

func otherBinary(c *consumer) { c.append(filepath.Join(c.dir, "tinyd-x86_64-linux"), "x") }

// otherVersion gives the same image and files another version's name.
func otherVersion(c *consumer) {
	d, err := remote.Get(mustRef(c.t, c.image+":0.2.0"))
	c.must(err)
	c.must(remote.Tag(mustRef(c.t, c.image+":9.9.9").Context().Tag("9.9.9"), d))
	c.version = "9.9.9"
	old, err := filepath.Glob(filepath.Join(c.dir, "tiny-0.2.0.*"))
	c.must(err)
	for _, path := range old {
		c.must(os.Rename(path, strings.Replace(path, "0.2.0", "9.9.9", 1)))
	}
}

// consumer is somebody with a directory, a public key and the tools.
type consumer struct {
	t testing.TB
	// dir is the consumer's, page the served directory of the release's files.
	dir, page               string
	image, address, version string
	path, home              string
	blocks                  map[string]string
}

func (c *consumer) must(err error) {
	c.t.Helper()
	ok(c.t, err)
}

func (c *consumer) asset(name string) string { return filepath.Join(c.page, name) }

func (c *consumer) append(path, text string) {
	c.t.Helper()
	old, err := os.ReadFile(path)
	c.must(err)
	c.must(os.WriteFile(path, append(old, text...), 0o644))
}

// run runs a block after those that set its variables.
func (c *consumer) run(name string) (string, error) {
	script := c.blocks["begin"] + c.blocks["root"]
	if name != "begin" && name != "root" {
		script += c.blocks[name]
	}
	// What the document calls RustShare's is the tiny product's here.
	script = strings.NewReplacer(
		"VERSION=0.4.0", "VERSION="+c.version,
		"ghcr.io/kubedoio/rustshare-backend", c.image,
		"https://github.com/kubedoio/rustshare/", c.address+"/",
		"rustshare-backend-x86_64-linux", "tinyd-x86_64-linux",
		"rustshare-server", "tinyd",
		"rustshare-$VERSION", "tiny-$VERSION", "rustshare_", "tiny_",
	).Replace(script)
	cmd := exec.CommandContext(c.t.Context(), "sh", "-eu", "-c", script)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + c.path + ":" + os.Getenv("PATH"), "HOME=" + c.home, "TUF_ROOT=" + c.home, "CURL_CA_BUNDLE=" + filepath.Join(c.home, "ca.pem"), "TERM=dumb"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// readBlocks reads the blocks of shell in a document, each with its name in the
// comment above it.
func readBlocks(t testing.TB, text string) (names []string, blocks map[string]string) {
	t.Helper()
	blocks = map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] != "```sh" {
			continue
		}
		name, found := strings.CutPrefix(lines[i-1], "<!-- run: ")
		name, closed := strings.CutSuffix(name, " -->")
		if !found || !closed || blocks[name] != "" {
			t.Fatalf("line %d begins a block of shell: the line above has to be <!-- run: NAME -->, with a name of its own", i+1)
		}
		end := slices.Index(lines[i+1:], "```")
		if end < 0 {
			t.Fatalf("the block in line %d has no end", i+1)
		}
		names, blocks[name] = append(names, name), strings.Join(lines[i+1:i+1+end], "\n")+"\n"
		i += end
	}
	return names, blocks
}

// TestVerifyDoc runs what docs/verify.md says against a release, and against a
// spoiled one.
func TestVerifyDoc(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "verify.md"))
	ok(t, err)
	names, blocks := readBlocks(t, string(text))
	if len(names) != len(docBlocks) {
		t.Errorf("the document has the blocks %q, this test knows %d", names, len(docBlocks))
	}

	// The page's address stands in the installer: it is served before there is one.
	served := t.TempDir()
	server := httptest.NewTLSServer(testkit.Pages(served, "/tiny/tiny"))
	t.Cleanup(server.Close)
	p := tiny()
	p.Forge, p.Install = product.Forge{Kind: product.ForgeDirectory, URL: server.URL + "/tiny/tiny"}, &product.Install{Command: "tinyd"}
	w := newWorld(t, p)
	w.serve(registries.All()["embedded"](t))
	ok(t, w.play(t.Context(), w.history.Episodes[0]))

	home, path := t.TempDir(), t.TempDir()
	ok(t, os.Symlink(testkit.Cosign(t), filepath.Join(path, "cosign")))
	self, err := os.Executable()
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(path, "mage"), []byte("#!/bin/sh\n"+verifyEnv+"=yes exec '"+self+"' \"$@\"\n"), 0o755))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ok(t, os.WriteFile(filepath.Join(home, "ca.pem"), certificate, 0o644))
	key, err := os.ReadFile(filepath.Join(w.dir, rehearsedKeys, "cosign.pub"))
	ok(t, err)
	// fresh is a consumer of the release as it was published.
	fresh := func(t *testing.T) *consumer {
		ok(t, os.RemoveAll(filepath.Join(served, "v0.2.0")))
		ok(t, copyAll(w.dist(releasesDir), served, nil))
		c := &consumer{
			t: t, dir: t.TempDir(), page: filepath.Join(served, "v0.2.0"), image: w.Image, version: "0.2.0",
			address: server.URL + "/tiny/tiny", path: path, home: home, blocks: blocks,
		}
		ok(t, os.WriteFile(filepath.Join(c.dir, "cosign.pub"), key, 0o644))
		return c
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			b, known := docBlocks[name]
			if !known {
				t.Fatal("the document has a block of this name, and this test does not: add it to docBlocks")
			}
			c := fresh(t)
			if b.not != nil {
				if why := b.not(c); why != "" {
					t.Skip("not run: " + why)
				}
			}
			for _, before := range append(slices.Clone(b.first), name) {
				if out, err := c.run(before); err != nil {
					t.Fatalf("%s: %v\n%s", before, err, out)
				}
			}
			if b.spoil == nil {
				return
			}
			c = fresh(t)
			for _, before := range b.first {
				if out, err := c.run(before); err != nil {
					t.Fatalf("%s: %v\n%s", before, err, out)
				}
			}
			b.spoil(c)
			out, err := c.run(name)
			if err == nil {
				t.Errorf("it is content with what was spoiled:\n%s", out)
			}
			last := strings.TrimSpace(out)
			t.Logf("spoiled: %s", last[max(0, len(last)-300):])
		})
	}
}
