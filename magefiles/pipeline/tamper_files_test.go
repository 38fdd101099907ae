package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

// Files of the release page.
const (
	list       = "SHA256SUMS"
	listProof  = "SHA256SUMS.sigstore.json"
	provenance = "tiny-0.3.0.provenance.sigstore.json"
	deb        = "tiny_0.3.0_amd64.deb"
	program    = "tinyd-x86_64-linux"
)

// pageRows tamper with the files of the release page.
func pageRows(g *genuine) []tampering {
	changed := func(name string, change func(text []byte) []byte) func(c *copied) {
		return func(c *copied) { c.write(name, change(c.read(name))) }
	}
	flip := func(text []byte) []byte { text[len(text)/2] ^= 1; return text }
	half := func(text []byte) []byte { return text[:len(text)/2] }
	// listed changes a file and has the list say so.
	listed := func(name string) func(c *copied) {
		return func(c *copied) {
			old := sha256.Sum256(c.read(name))
			changed(name, flip)(c)
			now := sha256.Sum256(c.read(name))
			c.write(list, bytes.ReplaceAll(c.read(list), []byte(hex.EncodeToString(old[:])), []byte(hex.EncodeToString(now[:]))))
		}
	}
	// relisted signs the list as somebody.
	relisted := func(name string, by func(c *copied) attest.Signer) func(c *copied) {
		return func(c *copied) {
			listed(name)(c)
			made, err := by(c).Blob(c.t.Context(), c.read(list))
			ok(c.t, err)
			c.write(listProof, made)
		}
	}
	as := func(change func(r *sigstorekit.Run)) func(c *copied) attest.Signer {
		return func(c *copied) attest.Signer { return c.as(change) }
	}
	return []tampering{
		{what: "a binary is changed",
			us:     "tinyd-x86_64-linux has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tinyd-x86_64-linux: FAILED",
			do:     changed(program, flip)},
		{what: "a download of a binary is cut short",
			us:     "tinyd-x86_64-linux has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tinyd-x86_64-linux: FAILED",
			do:     changed(program, half)},
		{what: "two architectures' binaries have changed places",
			us:     "tinyd-aarch64-linux has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tinyd-x86_64-linux: FAILED",
			do: func(c *copied) {
				a, b := c.read(program), c.read("tinyd-aarch64-linux")
				c.write(program, b)
				c.write("tinyd-aarch64-linux", a)
			}},
		{what: "one byte of a package is changed",
			us:     "tiny_0.3.0_amd64.deb has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tiny_0.3.0_amd64.deb: FAILED",
			do:     changed(deb, flip)},
		{what: "an archive is cut short",
			us:     "tiny-0.3.0-linux-amd64.tar.gz has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tiny-0.3.0-linux-amd64.tar.gz: FAILED",
			do:     changed("tiny-0.3.0-linux-amd64.tar.gz", half)},
		{what: "a package is built again from other content, and stands so in the list",
			us:     "the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 does not verify",
			cosign: "could not verify message: invalid signature",
			do:     listed(deb)},
		{what: "a binary is changed, and stands so in the list",
			us:     "the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 does not verify",
			cosign: "could not verify message: invalid signature",
			do:     listed(program)},
		{what: "a binary is changed, and a fork signed the list",
			us:     "it is signed by https://github.com/evil/tiny/.github/workflows/release.yml@refs/tags/v0.3.0, a workflow of another repository",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/evil/tiny/.github/workflows/release.yml@refs/tags/v0.3.0"`,
			do:     relisted(program, as(fork))},
		{what: "a binary is changed, and the workflow for edge builds signed the list",
			us:     "edge.yml@refs/heads/main (by https://token.actions.githubusercontent.com), and a release of refs/tags/v0.3.0 has to be signed by a run on that very ref",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/edge.yml@refs/heads/main"`,
			do: relisted(program, as(func(r *sigstorekit.Run) {
				r.Workflow, r.Ref = ".github/workflows/edge.yml", "refs/heads/main"
			}))},
		{what: "a binary is changed, and a run of another commit on the same tag signed the list",
			us:     "in a run of commit bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, and the provenance names the commit",
			cosign: "expected GithubWorkflowSHA to be",
			ask:    g.aboutFilesOfRun(), do: relisted(program, as(func(r *sigstorekit.Run) {
				r.Commit = strings.Repeat("b", 40)
			}))},
		{what: "a binary is changed, and a key that nobody pinned signed the list",
			us:     "it is signed by a key, and no key is trusted here",
			cosign: "not enough verified log entries from transparency log",
			do: relisted(program, func(c *copied) attest.Signer {
				key, err := attest.NewKey()
				ok(c.t, err)
				return key
			})},
		{what: "the list is cut short",
			us:     "the signature of https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 does not verify",
			cosign: "could not verify message: invalid signature",
			do:     changed(list, half)},
		{what: "list and signature are those of an older release",
			us:     "the signature of SHA256SUMS does not count: it is signed by https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0"`,
			do: func(c *copied) {
				c.older(list)
				c.older(listProof)
			}},
		{what: "all files are those of an older release, under the new one's names",
			us:     "the provenance of tiny-0.3.0.provenance.sigstore.json … does not count: it is signed by https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0",
			cosign: `expected SAN value "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0", got "https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0"`,
			do: func(c *copied) {
				all, err := os.ReadDir(c.page)
				ok(c.t, err)
				for _, e := range all {
					c.older(e.Name())
				}
			}},
		{what: "the signature of the list is cut short",
			us:     "the signature of SHA256SUMS does not count: it is no Sigstore bundle",
			cosign: "unexpected EOF",
			do:     changed(listProof, half)},
		{what: "the signature of the list has lost its timestamp",
			us:     "nothing that the trusted root names says when https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.3.0 signed",
			cosign: "threshold not met for verified signed timestamps: 0 < 1",
			do: func(c *copied) {
				c.write(listProof, testkit.Edited(c.t, c.read(listProof), func(b map[string]any) {
					delete(within(b, "verificationMaterial"), "timestampVerificationData")
				}))
			}},
		{what: "the signature of the list is missing",
			us:     "has no SHA256SUMS.sigstore.json: download it from the release page too",
			cosign: "no such file or directory",
			do:     func(c *copied) { ok(c.t, os.Remove(c.file(listProof))) }},
		{what: "the provenance is that of another release",
			us:     "the provenance of tiny-0.3.0.provenance.sigstore.json … does not count: it is signed by https://github.com/example/tiny/.github/workflows/release.yml@refs/tags/v0.2.0",
			cosign: "tiny-0.3.0.provenance.sigstore.json: FAILED",
			do:     func(c *copied) { c.older(provenance) }},
		{what: "the provenance is cut short",
			us:     "the provenance of tiny-0.3.0.provenance.sigstore.json … does not count: it is no Sigstore bundle",
			cosign: "tiny-0.3.0.provenance.sigstore.json: FAILED",
			do:     changed(provenance, half)},
		{what: "the provenance is missing",
			us:     "has no file *.provenance.sigstore.json: download that of the release too",
			cosign: "no such file or directory",
			do:     func(c *copied) { ok(c.t, os.Remove(c.file(provenance))) }},
		{what: "an SBOM is emptied",
			us:     "tinyd-x86_64-linux.spdx.json has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tinyd-x86_64-linux.spdx.json: FAILED",
			do:     changed(program+".spdx.json", func([]byte) []byte { return nil })},
		{what: "an SBOM is that of another file",
			us:     "tinyd-x86_64-linux.spdx.json has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "tinyd-x86_64-linux.spdx.json: FAILED",
			do:     func(c *copied) { c.write(program+".spdx.json", c.read("tinyd-aarch64-linux.spdx.json")) }},
		{what: "`install.sh` is changed",
			us:     "install.sh has sha256 … , SHA256SUMS says … : it is damaged or not what was released",
			cosign: "install.sh: FAILED",
			do:     changed("install.sh", func(text []byte) []byte { return append(text, "curl evil\n"...) })},
		{what: "a file is added",
			us:    "tinyd-riscv64-linux is in no line of SHA256SUMS: it is no file of this release",
			do:    func(c *copied) { c.write("tinyd-riscv64-linux", []byte("\x7fELF")) },
			blind: "neither it nor `sha256sum` minds files that are in no list"},
	}
}

// scanGateRows tamper with what the scan gate has to rely on. The gate comes before
// anything is signed.
func scanGateRows() []tampering {
	const blind = "nothing is signed yet, and it scans nothing"
	program := func(script string) func(c *copied) {
		return func(c *copied) {
			path := filepath.Join(c.t.TempDir(), "scanner")
			ok(c.t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
			before := c.suite.Getenv
			c.suite.Getenv = func(name string) string {
				if name == envScanner {
					return path
				}
				return before(name)
			}
		}
	}
	database := func(text func(t testing.TB) []byte) func(c *copied) {
		return func(c *copied) {
			c.suite.Database = filepath.Join(c.t.TempDir(), scan.DatabaseFile)
			ok(c.t, os.WriteFile(c.suite.Database, text(c.t), 0o644))
		}
	}
	return []tampering{
		{what: "the vulnerability database is empty",
			us:    "scanning with grype: … loading the database",
			blind: blind, scan: true, do: database(func(testing.TB) []byte { return nil })},
		{what: "the vulnerability database is cut short",
			us:    "scanning with grype: … loading the database",
			blind: blind, scan: true, do: func(c *copied) {
				whole, err := os.ReadFile(c.suite.Database)
				ok(c.t, err)
				database(func(testing.TB) []byte { return whole[:len(whole)/2] })(c)
			}},
		{what: "the vulnerability database is a year old",
			us:    "365 days ago, and the policy takes none that is older than 5 days",
			blind: blind, scan: true, do: func(c *copied) {
				c.suite.Database = c.database(time.Now().AddDate(-1, 0, 0))
			}},
		{what: "the SBOM lists no package",
			us:    "none of its 0 components has a package URL: there is nothing to scan",
			blind: blind, scan: true, do: func(c *copied) {
				all, err := filepath.Glob(filepath.Join(c.suite.Dist, c.new.tag, "blobs", "sha256", "*"))
				ok(c.t, err)
				for _, path := range all {
					text, err := os.ReadFile(path)
					ok(c.t, err)
					if bytes.Contains(text[:min(len(text), 200)], []byte(`"CycloneDX"`)) {
						ok(c.t, os.WriteFile(path, []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}`), 0o644))
					}
				}
			}},
		{what: "the scanner's answer cannot be read",
			us:    "the scanner program's answer cannot be read",
			blind: blind, scan: true, do: program("echo clean")},
		{what: "the scanner is killed",
			us:    "scanning with grype: … signal: killed",
			blind: blind, scan: true, do: program("kill -9 $$")},
		{what: "the scanner looks at another image's packages",
			us:    "grype saw 0 of the 2 packages that the SBOM of linux/amd64 lists",
			blind: blind, scan: true,
			do: program(`echo '{"scanner":{"name":"grype"},"database":{"built":"2999-01-01T00:00:00Z"},"scanned":[{"name":"linux/amd64","packages":["pkg:cargo/none@1.0.0"]}]}'`)},
	}
}

// scanned makes a copy ready for the scan gate, with a bundle of its own.
func (c *copied) scanned() {
	c.t.Helper()
	program := testkit.Scanner(c.t)
	c.suite.Dist = filepath.Join(c.t.TempDir(), "dist")
	ok(c.t, copyAll(c.dist(c.new.tag), filepath.Join(c.suite.Dist, c.new.tag), nil))
	before := c.suite.Getenv
	c.suite.Getenv = func(name string) string {
		if name == envScanner {
			return program
		}
		return before(name)
	}
	c.suite.Product.Scan = &product.Scan{Scanners: []string{product.Grype}}
	c.suite.Database = c.database(time.Time{})
}

// database builds a vulnerability database of a time.
func (c *copied) database(built time.Time) string {
	c.t.Helper()
	dir := c.t.TempDir()
	ok(c.t, scan.Program{Path: c.suite.Getenv(envScanner)}.Build(c.t.Context(), scan.Build{Dir: dir, Built: built, Advisories: nil}))
	return filepath.Join(dir, "v6", scan.DatabaseFile)
}

// gate is the scan gate's word on the release's bundle.
func (c *copied) gate() error {
	return c.suite.Scan(c.t.Context(), ScanOrder{Tag: c.new.tag})
}
