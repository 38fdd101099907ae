package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// verifyEnv has the test binary be mage, for the targets of docs/verify.md; its
// value is a file with the product (JSON).
const verifyEnv = "RELEASE_TEST_VERIFY"

func verifyChild(file string, args []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p product.Product
	if err := json.Unmarshal(text, &p); err != nil {
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
	s.childEnv = []string{verifyEnv + "=", rebuiltEnv + "=" + string(text)}
	var q VerifyQuery
	var what []string
	for _, a := range args {
		switch name, value, _ := strings.Cut(a, "="); name {
		case "-key":
			q.Key = value
		case "-tag":
			q.Tag = value
		case "-identity":
			q.Identity = value
		case "-issuer":
			q.Issuer = value
		case "-trustedRoot":
			q.TrustedRoot = value
		case "-image":
			q.Image = value
		default:
			what = append(what, a)
		}
	}
	ctx := context.Background()
	switch {
	case len(what) == 2 && what[0] == "release:verify":
		q.Image = what[1]
		return s.Verify(ctx, q)
	case len(what) == 2 && what[0] == "verify:files":
		return s.VerifyFiles(what[1], q)
	case len(what) == 1 && what[0] == reproducibleName:
		return s.Reproduce(ctx, ReproduceQuery{Image: q.Image, Ref: q.Tag})
	}
	return fmt.Errorf("the test does not know %q", what)
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
	// by is how the release is signed that the block is run against: both ways
	// where it is empty.
	by signing
}

type signing string

const (
	byKey    signing = "key"
	byNobody signing = "keyless"
)

// docBlocks are all blocks, by the names that stand above them.
var docBlocks = map[string]docBlock{
	"begin":             {},
	"root":              {by: byKey},
	"download":          {spoil: func(c *consumer) { c.must(os.Remove(c.asset("SHA256SUMS.sigstore.json"))) }},
	"sums-cosign":       {first: files, spoil: otherSigner},
	"sums-openssl":      {by: byKey, first: files, spoil: otherSigner},
	"sums-check":        {first: files, spoil: otherBinary},
	"binary-provenance": {first: files, spoil: otherBinary},
	"binary-commit":     {first: files, spoil: otherVersion},
	"install":           {first: files, spoil: func(c *consumer) { c.append(c.asset("install.sh"), "\n") }},
	"image-signature":   {spoil: otherSigner},
	"image-provenance":  {spoil: otherSigner},
	"image-commit":      {spoil: otherVersion},
	"sbom-image":        {spoil: otherSigner},
	"sbom-binary":       {first: files, spoil: otherBinary},
	"scan":              {spoil: otherSigner},
	"summary":           {spoil: otherSigner},
	"deb":               {by: byKey, not: missing("ar", inPackaging), spoil: otherByte("tiny_0.2.0_amd64.deb")},
	"rpm":               {by: byKey, not: missing("rpmkeys", inPackaging), spoil: otherByte("tiny-0.2.0-1.x86_64.rpm")},
	"apk":               {by: byKey, not: missing("apk", "apk-openssl verifies the same"), spoil: otherByte("tiny_0.2.0-r0_x86_64.apk")},
	"apk-openssl":       {by: byKey, not: missing("python3", inPackaging), spoil: otherByte("tiny_0.2.0-r0_x86_64.apk")},
	"keyless-root":      {by: byNobody},
	"gh":                {by: byNobody, first: files, spoil: otherBinary},
	"gh-offline":        {by: byNobody, first: files, spoil: otherBinary},
	"us":                {spoil: otherSigner},
	"us-files":          {first: files, spoil: otherBinary},
	"reproducible":      {by: byKey, spoil: otherImage},
}

var files = []string{"download"}

const inPackaging = "scripts/setup.sh packaging installs it"

// missing tells that a tool which a block cannot be run without is not there, and
// what helps.
func missing(tool, then string) func(*consumer) string {
	return func(*consumer) string {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is not installed: " + then
		}
		return ""
	}
}

// otherImage has another image under the version's tag.
func otherImage(c *consumer) {
	tag := mustRef(c.t, c.image+":"+c.version)
	d, err := remote.Get(tag)
	c.must(err)
	other, err := random.Image(100, 1)
	c.must(err)
	c.must(remote.Write(tag, other))
	c.t.Cleanup(func() { c.must(remote.Tag(tag.Context().Tag(c.version), d)) })
}

// otherByte has another byte in the middle of a file of the page.
func otherByte(name string) func(*consumer) {
	return func(c *consumer) {
		text, err := os.ReadFile(c.asset(name))
		c.must(err)
		text[len(text)/2] ^= 1
		c.must(os.WriteFile(c.asset(name), text, 0o644))
	}
}

// otherSigner has the consumer trust somebody else.
func otherSigner(c *consumer) {
	key, err := attest.NewKey()
	c.must(err)
	c.must(os.WriteFile(filepath.Join(c.dir, "cosign.pub"), key.PublicPEM(), 0o644))
	c.workflow = "edge.yml"
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
	// workflow is the file of the one that may sign.
	workflow string
	blocks   map[string]string
	by       signing
	release  *docRelease
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
	prelude := []string{"begin", "root"}
	if c.by == byNobody {
		prelude[1] = "keyless-root"
	}
	script := c.blocks[prelude[0]] + c.blocks[prelude[1]]
	if c.by == byNobody { // what the document says an instance of one's own needs
		script += `FLAGS="$FLAGS --trusted-root trusted_root.json --use-signed-timestamps --insecure-ignore-sct"` + "\n" +
			`WHO="$WHO -trustedRoot=trusted_root.json"` + "\n"
	}
	if !slices.Contains(prelude, name) {
		script += c.blocks[name]
	}
	// What the document calls RustShare's is the tiny product's here.
	replace := []string{
		"VERSION=0.4.0", "VERSION=" + c.version,
		"ghcr.io/kubedoio/rustshare-backend", c.image,
		"https://github.com/kubedoio/rustshare/.github/workflows/release.yml", c.release.Product.Source + "/.github/workflows/" + c.workflow,
		"https://github.com/kubedoio/rustshare/", c.address + "/",
		"https://github.com/kubedoio/rustshare.git", c.release.Dir,
		"--repo kubedoio/rustshare", "--repo " + strings.TrimPrefix(c.release.Product.Source, gitHub),
		"kubedoio-rustshare.rsa.pub", "tiny.rsa.pub",
		"rustshare-backend-x86_64-linux", "tinyd-x86_64-linux",
		"rustshare-server", "tinyd",
		"rustshare-$VERSION", "tiny-$VERSION", "rustshare_", "tiny_",
	}
	if name == "gh" { // a stand-in for GitHub, and the root of this instance
		replace = append(replace, "gh attestation verify", "gh attestation verify --hostname github.localhost --custom-trusted-root trusted_root.jsonl")
	}
	cmd := exec.CommandContext(c.t.Context(), "sh", "-eu", "-c", strings.NewReplacer(replace...).Replace(script))
	cmd.Dir = c.dir
	cmd.Env = append([]string{
		"PATH=" + c.path + ":" + os.Getenv("PATH"), "HOME=" + c.home, "TUF_ROOT=" + c.home, "CURL_CA_BUNDLE=" + filepath.Join(c.home, "ca.pem"), "TERM=dumb",
		"CARGO_HOME=" + or(os.Getenv("CARGO_HOME"), filepath.Join(os.Getenv("HOME"), ".cargo")),
	}, c.release.more...)
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
