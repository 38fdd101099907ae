package scripts

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/make/installer"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/scripts"
)

const command = "rustshare-server"

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// script is what the page carries.
func (p *page) script() string { return p.text(installer.Name) }

// attack is a way in which a release, the way to it or the machine is not as it
// should be.
type attack struct {
	name string
	// page and system prepare it.
	page   func(p *page)
	system func(s *system)
	args   []string
	// says is the sentence, or a part of it.
	says string
	// cosign verifies, in place of openssl.
	cosign bool
	// dash leaves busybox out, whose shell runs its own tools before any other.
	dash bool
}

// attacks are all of them. Each leaves what was installed before as it is.
func attacks(t testing.TB) []attack {
	asset := assetHere(t)
	other := map[string]elf.Machine{"x86_64": elf.EM_AARCH64, "aarch64": elf.EM_X86_64}[native(t)]
	self := machines[native(t)].machine
	stranger, err := attest.NewKey()
	ok(t, err)
	drop := func(name string) func(*page) { return func(p *page) { ok(t, os.Remove(p.file(name))) } }
	put := func(name, text string) func(*page) { return func(p *page) { p.put(name, text) } }
	const html = "<!DOCTYPE html>\n<html><title>Sign in to the hotel's network</title></html>\n"
	download := func(name string) string { return "/releases/download/v0.2.0/" + name }
	return []attack{
		{name: "another key", page: func(p *page) { p.sign(stranger) }, says: "the signature of SHA256SUMS is not of the key that is trusted"},
		{name: "another key, cosign", cosign: true, page: func(p *page) { p.sign(stranger) }, says: "cosign does not accept the signature of SHA256SUMS"},
		{name: "no signature", page: drop("SHA256SUMS.sig"), says: "SHA256SUMS.sig is not there (404)"},
		{name: "no bundle, cosign", cosign: true, page: drop("SHA256SUMS.sigstore.json"), says: "SHA256SUMS.sigstore.json is not there (404)"},
		{name: "empty signature", page: put("SHA256SUMS.sig", ""), says: "SHA256SUMS.sig is empty"},
		{name: "signature of nothing", page: put("SHA256SUMS.sig", "bm90aGluZw=="), says: "not of the key that is trusted"},
		{name: "a page as the signature", page: put("SHA256SUMS.sig", html), says: "SHA256SUMS.sig is a web page and not the file"},
		{name: "a page as the bundle, cosign", cosign: true, page: put("SHA256SUMS.sigstore.json", html), says: "SHA256SUMS.sigstore.json is a web page"},
		{name: "a bundle of nothing, cosign", cosign: true, page: put("SHA256SUMS.sigstore.json", "{}"), says: "cosign does not accept"},
		{name: "list changed", page: func(p *page) {
			text := program(t, self, "evil 0.2.0")
			p.put("SHA256SUMS", strings.Replace(p.text("SHA256SUMS"), sumOf([]byte(p.text(asset))), sumOf(text), 1))
			p.put(asset, string(text))
		}, says: "not of the key that is trusted"},
		{name: "list changed, cosign", cosign: true, page: func(p *page) { p.put("SHA256SUMS", p.text("SHA256SUMS")+"\n") }, says: "cosign does not accept"},
		{name: "no list", page: drop("SHA256SUMS"), says: "SHA256SUMS is not there (404)"},
		{name: "empty list", page: func(p *page) { p.list(func(string) string { return "" }) }, says: "SHA256SUMS is empty"},
		{name: "a page as the list", page: put("SHA256SUMS", html), says: "SHA256SUMS is a web page and not the file: something on the way answers"},
		{name: "not in the list", page: func(p *page) {
			p.list(func(s string) string { return strings.Replace(s, asset+"\n", asset+".old\n", 1) })
		}, says: "SHA256SUMS does not list " + asset},
		{name: "twice in the list", page: func(p *page) {
			p.list(func(s string) string { return s + strings.Repeat("0", 64) + "  " + asset + "\n" })
		}, says: "lists " + asset + " more than once"},
		{name: "a path in the list", page: func(p *page) { p.list(func(s string) string { return s + strings.Repeat("0", 64) + "  ../x\n" }) }, says: "holds a line that is no checksum and name"},
		{name: "another hash in the list", page: func(p *page) { p.list(func(s string) string { return s + strings.Repeat("0", 40) + "  x\n" }) }, says: "no checksum and name"},
		{name: "a list of Windows", page: func(p *page) { p.list(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }) }, says: "no checksum and name"},
		{name: "binary changed", page: func(p *page) { p.put(asset, p.text(asset)+"x") }, says: asset + " has the checksum "},
		{name: "binary cut short", page: func(p *page) { p.put(asset, p.text(asset)[:100]) }, says: asset + " has the checksum "},
		{name: "empty binary", page: put(asset, ""), says: asset + " is empty"},
		{name: "empty binary in the list", page: func(p *page) { p.replace(asset, nil) }, says: asset + " is empty"},
		{name: "no binary", page: drop(asset), says: asset + " is not there (404)"},
		{name: "a page as the binary", page: put(asset, html), says: asset + " is a web page and not the file"},
		{name: "download breaks off", page: func(p *page) {
			p.odd[download(asset)] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write(make([]byte, 100))
			}
		}, says: "downloading "},
		{name: "server fails", page: func(p *page) {
			p.odd[download(asset)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}, says: "answers with status 502"},
		{name: "another architecture", page: func(p *page) { p.replace(asset, program(t, other, command+" 0.2.0")) }, says: asset + " is no program for " + native(t)},
		{name: "no program", page: func(p *page) { p.replace(asset, []byte("#!/bin/sh\necho "+command+" 0.2.0\n")) }, says: "is no program for"},
		{name: "another release", page: func(p *page) {
			for _, name := range []string{asset, "SHA256SUMS", "SHA256SUMS.sig"} {
				text, err := os.ReadFile(filepath.Join(p.dir, "v0.1.0", name))
				ok(t, err)
				p.put(name, string(text))
			}
		}, says: asset + " calls itself 0.1.0, and 0.2.0 is wanted: another release stands under this name"},
		{name: "a binary without version", page: func(p *page) { p.replace(asset, program(t, self, "hello 2 you")) }, says: "calls itself nothing that can be read"},
		{name: "leads to http", page: func(p *page) { p.leads(download(asset), "http://127.0.0.1:9/x") }, says: "leads to http://127.0.0.1:9/x, which is not https"},
		{name: "list leads to http", page: func(p *page) { p.leads(download("SHA256SUMS"), "http://127.0.0.1:9/x") }, says: "which is not https"},
		{name: "latest leads to http", page: func(p *page) { p.leads("/releases/latest", "http://127.0.0.1:9/releases/tag/v0.2.0") }, says: "which is not https"},
		{name: "leads to a file", page: func(p *page) { p.leads(download(asset), "file:///etc/passwd") }, says: "leads to file:///etc/passwd, which is not https"},
		{name: "leads in a circle", page: func(p *page) { p.leads(download(asset), repository+download(asset)) }, says: "leads elsewhere more than five times"},
		{name: "latest is a candidate", page: func(p *page) {
			ok(t, os.Rename(filepath.Join(p.dir, "v0.1.0"), filepath.Join(p.dir, "v0.3.0-rc.1")))
			p.leads("/releases/latest", repository+"/releases/tag/v0.3.0-rc.1")
		}, says: "/releases/tag/v0.3.0-rc.1, which names no stable version: give one"},
		{name: "no latest", page: func(p *page) { ok(t, os.Remove(filepath.Join(p.dir, "latest"))) }, says: "/releases/latest is not there (404)"},
		{name: "no such version", args: []string{"0.9.0"}, says: "/releases/tag/v0.9.0 is not there (404)"},
		{name: "withdrawn", page: put("notes.md", "## ⚠️ Deprecated\n\n**Do not use this release.** It loses files.\n"), args: []string{"0.2.0"}, says: "v0.2.0 is withdrawn: "},
		{name: "withdrawn, and still the latest", page: put("notes.md", "**Do not use this release.**\n"), says: "v0.2.0 is withdrawn: "},
		{name: "a certificate of nobody", system: func(s *system) { s.certificate = false }, says: "downloading "},
		{name: "a mirror without https", args: []string{"--from", "http://127.0.0.1:9/x"}, says: "http://127.0.0.1:9/x is no https address"},
		{name: "older than what is there", args: []string{"0.1.0"}, says: command + " is 0.1.5, and 0.1.0 is older: --allow-downgrade replaces it"},
		{name: "what is there has no version", system: func(s *system) {
			ok(t, os.WriteFile(filepath.Join(s.dir, command), []byte("#!/bin/sh\n"), 0o755))
		}, says: "does not tell its version"},
		{name: "a directory in the way", system: func(s *system) {
			ok(t, os.Remove(filepath.Join(s.dir, command)))
			ok(t, os.Mkdir(filepath.Join(s.dir, command), 0o755))
		}, says: command + " is a directory"},
		{name: "another machine", dash: true, system: func(s *system) { s.stub("uname", "case $1 in -s) echo Linux ;; *) echo riscv64 ;; esac") }, says: "there is no binary for riscv64"},
		{name: "another system", dash: true, system: func(s *system) { s.stub("uname", "case $1 in -s) echo Darwin ;; *) echo arm64 ;; esac") }, says: "this is Darwin, and there are binaries for Linux alone"},
		{name: "nothing to verify with", system: func(s *system) { s.without("openssl") }, says: "the signature cannot be verified here: install openssl, or cosign"},
		{name: "nothing to load with", system: func(s *system) { s.without("curl") }, says: "neither curl nor GNU wget is here"},
		{name: "a wget that trusts everybody", system: func(s *system) {
			s.without("curl")
			s.link("wget", "busybox")
		}, says: "neither curl nor GNU wget is here"},
		{name: "a tool is missing", dash: true, system: func(s *system) { s.without("sha256sum") }, says: "sha256sum is missing: install it"},
		{name: "openssl accepts nothing", system: func(s *system) { s.stub("openssl", "exit 0") }, says: "not of the key that is trusted"},
		{name: "an unknown verifier", args: []string{"--verifier", "none"}, says: "--verifier is none: want cosign or openssl"},
		{name: "cosign is asked for", args: []string{"--verifier", "cosign"}, says: "cosign is missing: install it"},
		{name: "no directory", args: []string{"--dir", "/nowhere at all"}, says: "/nowhere at all is no directory: make it"},
		{name: "a directory of others", args: []string{"--dir", "/proc"}, says: "/proc cannot be written to"},
		{name: "no key file", args: []string{"--key", "none.pub"}, says: "the key none.pub cannot be read"},
		{name: "no key", args: []string{"--key", "/dev/null"}, says: "this script holds no key to trust"},
		{name: "a path as version", args: []string{"../0.2.0"}, says: `"../0.2.0" is no version: want one like 0.4.0`},
		{name: "half a version", args: []string{"0.2"}, says: `"0.2" is no version`},
		{name: "a version with zeros", args: []string{"00.2.0"}, says: `"00.2.0" is no version`},
		{name: "a version of two lines", args: []string{"0.2.0\n0.1.0"}, says: "is no version"},
		{name: "two versions", args: []string{"0.2.0", "0.1.0"}, says: "two were given: 0.2.0 and 0.1.0"},
		{name: "an unknown option", args: []string{"--force"}, says: "--force is no option"},
		{name: "an option without value", args: []string{"--dir"}, says: "--dir wants a value"},
	}
}

// Every attack is refused with its sentence, and leaves what was there.
func TestInstallRefuses(t *testing.T) {
	for shell, start := range shells(t) {
		t.Run(shell, func(t *testing.T) {
			for _, a := range attacks(t) {
				if a.dash && shell != "dash" {
					continue
				}
				t.Run(a.name, func(t *testing.T) {
					p := newPage(t, "0.1.0", "0.2.0")
					script := p.script()
					if a.page != nil {
						a.page(p)
					}
					s := start(p)
					ok(t, os.WriteFile(filepath.Join(s.dir, command), program(t, machines[native(t)].machine, command+" 0.1.5"), 0o755))
					if a.cosign {
						s.link("cosign", testkit.Cosign(t))
						s.without("openssl")
					}
					if a.system != nil {
						a.system(s)
					}
					before := s.holds()
					args := append([]string{"--dir", s.dir, "--from", p.server.URL + repository}, a.args...)
					said, code := s.run(script, args...)
					if code != 1 || !strings.Contains(said, a.says) || !strings.HasSuffix(said, "; nothing was installed\n") || strings.Count(said, "\n") > 1+strings.Count(strings.Join(a.args, ""), "\n") {
						t.Errorf("exit code %d, said\n%swant one line with\n%s", code, said, a.says)
					}
					if after := s.holds(); !maps.Equal(before, after) {
						t.Errorf("the directory holds %v, before it was %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
					}
				})
			}
		})
	}
}

// What is in order is installed, whatever loads and verifies it.
func TestInstall(t *testing.T) {
	self := machines[native(t)].machine
	for shell, start := range shells(t) {
		t.Run(shell, func(t *testing.T) {
			p := newPage(t, "0.1.0", "0.2.0-rc.1", "0.2.0")
			for _, tt := range []struct {
				name    string
				system  func(s *system)
				args    []string
				version string
				says    string
				dash    bool
			}{
				{name: "the latest, openssl", version: "0.2.0", says: command + " 0.2.0 is in DIR, verified by openssl"},
				{name: "the latest, cosign", version: "0.2.0", says: "verified by cosign", system: func(s *system) {
					s.link("cosign", testkit.Cosign(t))
					s.without("openssl")
				}},
				{name: "cosign is there, openssl is asked for", args: []string{"--verifier=openssl"}, version: "", says: "is no option"},
				{name: "openssl asked for", args: []string{"--verifier", "openssl"}, version: "0.2.0", says: "verified by openssl", system: func(s *system) { s.stub("cosign", "exit 1") }},
				{name: "wget", dash: true, version: "0.2.0", says: "verified by openssl", system: func(s *system) {
					s.without("curl")
					s.link("wget")
				}},
				{name: "a given version", args: []string{"0.1.0"}, version: "0.1.0"},
				{name: "with its v", args: []string{"v0.1.0"}, version: "0.1.0"},
				{name: "a candidate", args: []string{"0.2.0-rc.1"}, version: "0.2.0", says: command + " 0.2.0-rc.1 is in DIR"},
				{name: "over an older one", version: "0.2.0", system: func(s *system) {
					ok(t, os.WriteFile(filepath.Join(s.dir, command), program(t, self, command+" v0.1.9"), 0o700))
				}},
				{name: "over a newer one", args: []string{"--allow-downgrade"}, version: "0.2.0", system: func(s *system) {
					ok(t, os.WriteFile(filepath.Join(s.dir, command), program(t, self, command+" 0.10.0"), 0o700))
				}},
				{name: "over a link", version: "0.2.0", system: func(s *system) {
					ok(t, os.WriteFile(filepath.Join(s.home, "old"), program(t, self, command+" 0.0.1"), 0o700))
					ok(t, os.Symlink(filepath.Join(s.home, "old"), filepath.Join(s.dir, command)))
				}},
				{name: "it is there already", version: "0.2.0", says: "is 0.2.0 already", system: func(s *system) {
					ok(t, os.WriteFile(filepath.Join(s.dir, command), program(t, self, command+" 0.2.0"), 0o755))
				}},
				{name: "a umask that forbids all", version: "0.2.0", system: func(s *system) { s.umask = "777" }},
				{name: "a umask that allows all", version: "0.2.0", system: func(s *system) { s.umask = "000" }},
			} {
				if tt.dash && shell != "dash" { // busybox has its own wget
					continue
				}
				t.Run(tt.name, func(t *testing.T) {
					p.t = t
					s := start(p)
					if tt.system != nil {
						tt.system(s)
					}
					said, code := s.run(p.script(), append([]string{"--dir", s.dir, "--from", p.server.URL + repository}, tt.args...)...)
					if tt.version == "" {
						if code != 1 || !strings.Contains(said, tt.says) {
							t.Errorf("exit code %d, said\n%s", code, said)
						}
						return
					}
					want := map[string]string{command: string(program(t, self, command+" "+tt.version))}
					if got := s.holds(); code != 0 || !maps.Equal(got, want) || !strings.Contains(strings.ReplaceAll(said, s.dir, "DIR"), tt.says) {
						t.Errorf("exit code %d, the directory holds %v, said\n%s", code, slices.Sorted(maps.Keys(got)), said)
					}
					if info, err := os.Lstat(filepath.Join(s.dir, command)); err != nil || info.Mode() != 0o755 {
						t.Errorf("it is installed as %v, %v", info.Mode(), err)
					}
				})
			}
		})
	}
}

// A withdrawn version is installed where that is asked for, and a prefix is as
// good as a directory.
func TestInstallOptions(t *testing.T) {
	p := newPage(t, "0.2.0")
	p.put("notes.md", "**Do not use this release.**\n")
	for shell, start := range shells(t) {
		s := start(p)
		ok(t, os.Mkdir(filepath.Join(s.home, "bin"), 0o755))
		said, code := s.run(p.script(), "--prefix", s.home, "--from", p.server.URL+repository+"/", "--allow-withdrawn", "v0.2.0")
		if _, err := os.Stat(filepath.Join(s.home, "bin", command)); err != nil || code != 0 {
			t.Errorf("%s: exit code %d, %v, said\n%s", shell, code, err, said)
		}
		if said, code := s.run(p.script(), "--help"); code != 0 || !strings.HasPrefix(said, "usage: install.sh ") {
			t.Errorf("%s: exit code %d, said\n%s", shell, code, said)
		}
	}
}

// The script as it lies in the checkout trusts nobody until it is told whom.
func TestInstallTemplate(t *testing.T) {
	p := newPage(t, "0.2.0")
	for shell, start := range shells(t) {
		s := start(p)
		args := []string{"--dir", s.dir, "--from", p.server.URL + repository}
		said, code := s.run(scripts.Install(), args...)
		if code != 1 || !strings.Contains(said, "this script holds no key to trust: take the install.sh of a release page, or pass --key FILE") {
			t.Errorf("%s: exit code %d, said\n%s", shell, code, said)
		}
		key := filepath.Join(s.home, "cosign.pub")
		ok(t, os.WriteFile(key, p.key.PublicPEM(), 0o644))
		if said, code := s.run(scripts.Install(), append(args, "--key", key)...); code != 0 {
			t.Errorf("%s: exit code %d, said\n%s", shell, code, said)
		}
	}
	for _, trust := range []installer.Trust{{}, {Stable: []string{"https://example.org/workflow"}}, {Issuer: "https://example.org"}} {
		if _, err := installer.Render(product.RustShare(), trust); err == nil {
			t.Errorf("a script was made that trusts %+v", trust)
		}
	}
}

// Without a key, cosign is asked for the identity of the very tag; which
// workflow may sign depends on the channel. Cosign is a stand-in here that writes
// down what it was asked.
func TestInstallKeyless(t *testing.T) {
	p := newPage(t, "0.2.0-rc.1", "0.2.0")
	script, err := installer.Render(product.RustShare(), installer.Trust{
		Issuer: "https://token.example.org", Stable: []string{"https://git.example.org/x/release.yml", "https://git.example.org/x/split.yml"},
	})
	ok(t, err)
	for shell, start := range shells(t) {
		for _, tt := range []struct {
			args   []string
			cosign string
			says   string
			asked  string
		}{
			{cosign: "exit 0", says: "verified by cosign", asked: "--certificate-identity https://git.example.org/x/release.yml@refs/tags/v0.2.0 --certificate-oidc-issuer https://token.example.org "},
			{args: []string{"--trusted-root", "root.json"}, cosign: "exit 0", says: "verified by cosign", asked: " --trusted-root root.json "},
			{cosign: "case $* in *split.yml*) ;; *) exit 1 ;; esac", says: "verified by cosign", asked: "--certificate-identity https://git.example.org/x/split.yml@refs/tags/v0.2.0 "},
			{cosign: "echo identities differ; exit 1", says: "cosign does not accept the signature of SHA256SUMS: identities differ; nothing was installed", asked: "verify-blob --new-bundle-format --bundle "},
			{args: []string{"0.2.0-rc.1"}, cosign: "exit 0", says: "no workflow is known that may sign v0.2.0-rc.1; nothing was installed"},
			{says: "the signature cannot be verified here: install cosign; nothing was installed"},
			{args: []string{"--verifier", "openssl"}, says: "this release is not signed with a key: openssl cannot verify it, cosign can; nothing was installed"},
		} {
			s := start(p)
			asked := filepath.Join(s.home, "asked")
			if tt.cosign != "" {
				s.stub("cosign", "echo \"$@\" >>'"+asked+"'\n"+tt.cosign)
			}
			said, _ := s.run(script, append([]string{"--dir", s.dir, "--from", p.server.URL + repository}, tt.args...)...)
			text, _ := os.ReadFile(asked)
			if !strings.Contains(said, tt.says) || !strings.Contains(string(text), tt.asked) || strings.Contains(string(text), "--key") || strings.Contains(string(text), "insecure") {
				t.Errorf("%s %v: said\n%sasked\n%s", shell, tt.args, said, text)
			}
		}
	}
}

// A signal in the middle of a download leaves nothing behind.
func TestInstallInterrupted(t *testing.T) {
	p := newPage(t, "0.2.0")
	began, end := make(chan bool), make(chan bool)
	p.odd["/releases/download/v0.2.0/"+assetHere(t)] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(make([]byte, 100))
		_ = http.NewResponseController(w).Flush()
		began <- true
		<-end
	}
	defer close(end)
	for shell, start := range shells(t) {
		s := start(p)
		cmd := s.command(p.script(), "--dir", s.dir, "--from", p.server.URL+repository)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		ok(t, cmd.Start())
		select {
		case <-began:
		case <-time.After(time.Minute):
			t.Fatal("nothing was downloaded")
		}
		if half := s.holds(); len(half) != 1 {
			t.Errorf("%s: in the middle there are %v", shell, half)
		}
		ok(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM))
		err := cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); err == nil || code != 143 && code != 1 {
			t.Errorf("%s: it ends with %v", shell, err)
		}
		if left := s.holds(); len(left) != 0 {
			t.Errorf("%s: it left %v", shell, slices.Sorted(maps.Keys(left)))
		}
	}
}

// A script that is cut short, at whatever byte, runs no program at all.
func TestInstallCutShort(t *testing.T) {
	p := newPage(t, "0.2.0")
	script := p.script()
	for shell, start := range shells(t) {
		s := start(p)
		ran := filepath.Join(s.home, "ran")
		for _, tool := range append(slices.Clone(tools), "curl", "openssl", "cosign", "wget", "sh") {
			s.stub(tool, "echo "+tool+" >>'"+ran+"'")
		}
		try := func(cut int) {
			_, _ = s.run(script[:cut], "--dir", s.dir, "--from", p.server.URL+repository)
			if _, err := os.Stat(ran); err == nil {
				t.Fatalf("%s: cut after %d of %d bytes it ran something: …%q", shell, cut, len(script), script[max(0, cut-60):cut])
			}
			if len(s.holds()) != 0 {
				t.Fatalf("%s: cut after %d bytes it left something", shell, cut)
			}
		}
		for cut := 0; cut < len(script)-400; cut += 41 {
			try(cut)
		}
		// The end is tried at every byte: the last two are "}" and a line's end.
		for cut := len(script) - 400; cut < len(script)-1; cut++ {
			try(cut)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Fatal("it ran something")
		}
		if said, _ := s.run(script, "--dir", s.dir, "--from", p.server.URL+repository); fmt.Sprint(s.holds()) != "map[]" {
			t.Errorf("%s: with tools of ours it installed something: %s", shell, said)
		}
		if _, err := os.Stat(ran); err != nil {
			t.Errorf("%s: the whole script ran nothing: this test cannot fail", shell)
		}
	}
}

// Another product has its own values, whatever is in them.
func TestInstallRendered(t *testing.T) {
	p := product.RustShare()
	p.Name, p.Source, p.Install = "tiny", "https://git.example.org/tiny/tiny", &product.Install{Command: "tinyd"}
	p.Cargo.Targets = p.Cargo.Targets[1:]
	text, err := installer.Render(p, installer.Trust{Stable: []string{"https://git.example.org/it's/workflow.yml"}, Issuer: "https://token.example.org"})
	ok(t, err)
	for _, want := range []string{
		"\nproduct='tiny'\nrepository='https://git.example.org/tiny/tiny'\ncommand='tinyd'\nasset_x86_64=''\nasset_aarch64='rustshare-backend-aarch64-linux'\nkey=''\n",
		`stable_workflows='https://git.example.org/it'\''s/workflow.yml'`,
		"#   curl -fsSL https://git.example.org/tiny/tiny/releases/latest/download/install.sh | sh",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the script lacks\n%s", want)
		}
	}
	if strings.Contains(text, "kubedoio") {
		t.Error("the script speaks of another product")
	}
}
