package scripts

import (
	"bytes"
	"debug/elf"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/make/installer"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

const repository = "/kubedoio/rustshare"

var ok = testkit.OK

// machines are the architectures as uname calls them, and what their binaries
// are called on the page.
var machines = map[string]struct {
	machine elf.Machine
	asset   string
}{
	"x86_64":  {elf.EM_X86_64, "rustshare-backend-x86_64-linux"},
	"aarch64": {elf.EM_AARCH64, "rustshare-backend-aarch64-linux"},
}

// native is this machine's architecture, whose binaries can be run.
func native(t testing.TB) string {
	t.Helper()
	name := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || name == "" {
		t.Skipf("install.sh installs Linux programs for amd64 and arm64, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return name
}

func assetHere(t testing.TB) string { return machines[native(t)].asset }

// page is a served directory of release pages, which tests may spoil.
type page struct {
	t      testing.TB
	dir    string
	server *httptest.Server
	key    *attest.Key
	// signer signs the release of a version, and trust is what its script holds.
	signer func(version string) attest.Signer
	trust  installer.Trust
	// odd answers a path in another way.
	odd map[string]http.HandlerFunc
}

// newPage publishes the versions, the last one as the latest.
func newPage(t testing.TB, versions ...string) *page {
	t.Helper()
	key, err := attest.NewKey()
	ok(t, err)
	p := &page{t: t, key: key, signer: func(string) attest.Signer { return key }, trust: installer.Trust{Key: key.PublicPEM()}}
	p.serve(versions...)
	return p
}

// serve publishes the versions and serves them.
func (p *page) serve(versions ...string) {
	t := p.t
	t.Helper()
	p.dir, p.odd = t.TempDir(), map[string]http.HandlerFunc{}
	for _, v := range versions {
		p.publish(v)
	}
	pages := testkit.Pages(p.dir, repository)
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if odd, is := p.odd[strings.TrimPrefix(r.URL.Path, repository)]; is {
			odd(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of downloads that are broken off on purpose
	t.Cleanup(p.server.Close)
}

// publish makes a release of binaries that print their version, as the pipeline
// does: bundle, installer, signed list, page.
func (p *page) publish(version string) {
	p.t.Helper()
	rustshare := product.RustShare()
	ref, err := decide.ParseRef("v"+version, "main")
	ok(p.t, err)
	b, err := bundle.Create(filepath.Join(p.t.TempDir(), "bundle"), decide.Plan{Product: rustshare.Name, Ref: ref})
	ok(p.t, err)
	core, _, _ := strings.Cut(version, "-")
	for _, m := range machines {
		blob, err := b.Ingest(bytes.NewReader(program(p.t, m.machine, "rustshare-server "+core)))
		ok(p.t, err)
		ok(p.t, b.Add(bundle.Binary, blob.Descriptor("application/octet-stream", m.asset)))
	}
	ok(p.t, installer.Write(b, rustshare, p.trust))
	ok(p.t, attest.WriteSums(p.t.Context(), b, p.signer(version)))
	f := forge.Directory(p.dir)
	r := forge.Release{Tag: "v" + version, Name: version, Latest: !strings.Contains(version, "-"), Notes: "# " + version + "\n"}
	ok(p.t, f.Draft(p.t.Context(), r))
	for _, d := range b.Assets() {
		a := forge.Asset{Name: d.Annotations[bundle.TitleKey], Size: d.Size, SHA256: d.Digest.Hex}
		r.Assets = append(r.Assets, a)
		ok(p.t, f.Upload(p.t.Context(), r.Tag, a, func() (io.ReadCloser, error) { return os.Open(b.Path(d.Digest)) }))
	}
	ok(p.t, f.Publish(p.t.Context(), r))
}

// file is a published file of v0.2.0.
func (p *page) file(name string) string { return filepath.Join(p.dir, "v0.2.0", name) }

func (p *page) put(name, text string) { ok(p.t, os.WriteFile(p.file(name), []byte(text), 0o644)) }

func (p *page) text(name string) string {
	text, err := os.ReadFile(p.file(name))
	ok(p.t, err)
	return string(text)
}

// sign signs the list as it is now.
func (p *page) sign(by *attest.Key) {
	p.t.Helper()
	list := p.text("SHA256SUMS")
	made, err := by.Blob(p.t.Context(), []byte(list))
	ok(p.t, err)
	p.put(attest.SumsBundle, string(made))
	signature, err := by.Sign(p.t.Context(), []byte(list))
	ok(p.t, err)
	p.put(attest.SumsSignature, base64Of(signature))
}

// list changes the list and signs it.
func (p *page) list(change func(string) string) {
	p.put("SHA256SUMS", change(p.text("SHA256SUMS")))
	p.sign(p.key)
}

// replace has another file under a name, in the list too.
func (p *page) replace(name string, content []byte) {
	old := sumOf([]byte(p.text(name)))
	p.put(name, string(content))
	p.list(func(s string) string { return strings.Replace(s, old, sumOf(content), 1) })
}

// leads redirects a path.
func (p *page) leads(path, to string) {
	p.odd[path] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// tools are what the script may use of a system.
var tools = strings.Fields("awk cat chmod cp cut env grep head mktemp mv od rm sed sha256sum tail tr uname sleep")

// system is a machine on which the script runs: a shell, the programs on its
// PATH, and the directory that is installed into.
type system struct {
	t           testing.TB
	shell       []string
	home, path  string
	dir         string
	umask       string
	certificate bool
	// env is what else stands in the environment.
	env []string
}

// shells are those that the script is tried in, by name.
func shells(t testing.TB) map[string]func(*page) *system {
	t.Helper()
	found := map[string]func(*page) *system{}
	for _, name := range []string{"dash", "busybox"} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%s is not installed, and install.sh has to work in it: scripts/setup.sh packaging", name)
		}
		found[name] = func(p *page) *system { return newSystem(p, name, program) }
	}
	return found
}

func newSystem(p *page, name, program string) *system {
	t := p.t
	t.Helper()
	s := &system{t: t, home: t.TempDir(), certificate: true, umask: "022"}
	s.path, s.dir = filepath.Join(s.home, "path"), filepath.Join(s.home, "my bin")
	ok(t, os.Mkdir(s.path, 0o755))
	ok(t, os.Mkdir(s.dir, 0o755))
	s.shell = []string{program}
	if name == "busybox" {
		s.shell = []string{program, "sh"}
	}
	for _, tool := range tools {
		if name == "busybox" {
			ok(t, os.Symlink(program, filepath.Join(s.path, tool)))
		} else {
			s.link(tool)
		}
	}
	s.link("curl")
	s.link("openssl")
	s.stub("uname", "case $1 in -s) echo Linux ;; *) echo "+native(t)+" ;; esac")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	ok(t, os.WriteFile(filepath.Join(s.home, "ca.pem"), certificate, 0o644))
	ok(t, os.WriteFile(filepath.Join(s.home, "wgetrc"), []byte("ca_certificate="+s.home+"/ca.pem\n"), 0o644))
	return s
}

// link puts a program of this machine on the PATH.
func (s *system) link(tool string, from ...string) {
	s.t.Helper()
	path, err := exec.LookPath(append(from, tool)[0])
	if err != nil {
		s.t.Fatalf("%s is not installed, and this test needs it: apt-get install %s", tool, tool)
	}
	s.without(tool)
	ok(s.t, os.Symlink(path, filepath.Join(s.path, tool)))
}

// stub puts a script of ours there.
func (s *system) stub(tool, text string) {
	s.without(tool)
	ok(s.t, os.WriteFile(filepath.Join(s.path, tool), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
}

func (s *system) without(tool string) {
	if err := os.Remove(filepath.Join(s.path, tool)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
}

// command is the shell with the script on its standard input, as a pipe has it.
func (s *system) command(script string, args ...string) *exec.Cmd {
	args = append(append(s.shell[1:len(s.shell):len(s.shell)], "-s", "--"), args...)
	cmd := exec.CommandContext(s.t.Context(), "/bin/sh", append([]string{"-c", "umask " + s.umask + "; exec \"$@\"", "sh", s.shell[0]}, args...)...)
	cmd.Dir, cmd.Stdin = s.home, strings.NewReader(script)
	cmd.Env = append([]string{"PATH=" + s.path, "HOME=" + s.home}, s.env...)
	if s.certificate {
		cmd.Env = append(cmd.Env, "CURL_CA_BUNDLE="+s.home+"/ca.pem", "WGETRC="+s.home+"/wgetrc")
	}
	return cmd
}

// run gives what the script says, and its exit code.
func (s *system) run(script string, args ...string) (string, int) {
	s.t.Helper()
	cmd := s.command(script, args...)
	said, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		s.t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

// holds lists the directory that is installed into, with the contents.
func (s *system) holds() map[string]string {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	ok(s.t, err)
	out := map[string]string{}
	for _, e := range entries {
		text, _ := os.ReadFile(filepath.Join(s.dir, e.Name()))
		out[e.Name()] = string(text)
	}
	return out
}
