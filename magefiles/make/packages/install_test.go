package packages_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// server is the second product, which is built in seconds, packed like the first.
func server(port int) product.Product {
	p := product.RustShare()
	p.Name, p.Title, p.Description, p.Frontend = "tiny", "Tiny", "Smallest server that can be released", nil
	p.Cargo.Package, p.Cargo.Binary = "tinyd", "tinyd"
	k := *p.Packages
	k.Commands = []product.Command{{Does: "Serves."}, {Args: "health", Does: "Asks the server whether it is well."}}
	k.Service = product.Service{
		Args: []string{"serve"}, Env: map[string]string{"TINY_STATE": "/var/lib/tiny"},
		Settings: []product.Setting{{Name: "BIND_ADDR", Value: fmt.Sprintf("127.0.0.1:%d", port), About: "Address and port."}},
	}
	p.Packages = &k
	return p
}

// compiled is the server for this machine, built once.
var compiled = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "tiny-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	if err := os.CopyFS(dir, os.DirFS("../../../testdata/tiny")); err != nil {
		return nil, err
	}
	made, err := cargo.Build(context.Background(), cargo.Options{
		Dir: dir, Cargo: server(1).Cargo, Only: "x86_64-unknown-linux-gnu",
		Commit: strings.Repeat("0", 40), CommitTime: time.Unix(1_770_000_000, 0),
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(made[0].Path)
})

// built is the server for this machine, and a stand-in for the other one.
func built(t testing.TB) func(product.Target) []byte {
	t.Helper()
	tool(t, "cargo")
	text, err := compiled()
	ok(t, err)
	return func(target product.Target) []byte {
		if target.Arch == "amd64" {
			return text
		}
		return fake(target)
	}
}

// system is a root that packages are installed in.
type system struct {
	t    testing.TB
	root string
}

// debian unpacks the small Debian that scripts/setup.sh packaging makes.
func debian(t testing.TB) system {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: installing into a root of its own wants chroot(2); run the tests as root")
	}
	where, err := exec.Command("../../../scripts/setup.sh", "path", "debian-root").Output()
	ok(t, err)
	tar := strings.TrimSpace(string(where))
	if _, err := os.Stat(tar); err != nil {
		t.Skipf("no %s: `scripts/setup.sh packaging` makes it", tar)
	}
	s := system{t, t.TempDir()}
	ok(t, os.Chmod(s.root, 0o755))
	ok(t, os.Chmod(filepath.Dir(s.root), 0o755)) // other users have to get there
	output(t, "tar", "-C", s.root, "-xpf", tar)
	return s
}

// try runs a command in the root.
func (s system) try(args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), "chroot", append([]string{s.root}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "HOME=/root"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s system) run(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s system) take(from string) string {
	s.t.Helper()
	text, err := os.ReadFile(from)
	ok(s.t, err)
	ok(s.t, os.WriteFile(filepath.Join(s.root, "srv", filepath.Base(from)), text, 0o644))
	return "/srv/" + filepath.Base(from)
}

func (s system) has(path string) bool {
	_, err := os.Lstat(filepath.Join(s.root, path))
	return err == nil
}

func (s system) wants(there bool, paths ...string) {
	s.t.Helper()
	for _, p := range paths {
		if s.has(p) != there {
			s.t.Errorf("%s is there: %v, want %v", p, !there, there)
		}
	}
}

func (s system) read(path string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.root, path))
	ok(s.t, err)
	return string(text)
}

// serve starts the service as its unit says, by hand: the account, the variables,
// the directories and the command are read from it. It is asked for its health,
// and stopped.
func (s system) serve(unit string, port int) {
	s.t.Helper()
	var user, dir, exe string
	var env []string
	for line := range strings.Lines(s.read(unit)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "User":
			user = value
		case "WorkingDirectory":
			dir = value
		case "ExecStart":
			exe = value
		case "Environment":
			env = append(env, value)
		case "EnvironmentFile":
			for line := range strings.Lines(s.read(value)) {
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					env = append(env, line)
				}
			}
		case "StateDirectory":
			s.run("install", "-d", "-o", user, "-g", user, "-m", "750", "/var/lib/"+value)
		}
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	start := []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "env", "-i", "-C", dir}
	cmd := exec.CommandContext(ctx, "chroot", append(append(append([]string{s.root}, start...), env...), strings.Fields(exe)...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	ok(s.t, cmd.Start())
	defer func() {
		cancel()
		_ = cmd.Wait()
	}()
	s.healthy(port, &said)
}

func (s system) healthy(port int, said fmt.Stringer) {
	s.t.Helper()
	var last error
	for range 100 {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/health", port))
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("status %s", answer.Status)
		}
		last = err
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("the service is not well: %v\n%s", last, said)
}

// port is one that nobody listens on.
func port(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer l.Close() //nolint:errcheck // a test's
	return l.Addr().(*net.TCPAddr).Port
}

// versions packs a candidate and its stable release in one format, whose settings
// differ by default, and says which port the operator then sets. Without a signer
// they are not signed.
func versions(t testing.TB, f product.PackageFormat, s *packages.Signer) (candidate, stable string, first, changed int) {
	t.Helper()
	first, changed = port(t), port(t)
	content := built(t)
	pack := func(tag, about string) string {
		p := server(first)
		p.Packages.Formats = []product.PackageFormat{f}
		p.Packages.Service.Settings[0].About = about
		m := prepare(t, p, tag, content)
		m.in.Signer = s
		return m.export(t)
	}
	return pack("v0.4.0-rc.1", "Address and port."), pack("v0.4.0", "Where it listens."), first, changed
}

const env = "/etc/tiny/tiny.env"

// operate changes the settings, as an operator does.
func (s system) operate(port int) string {
	text := fmt.Sprintf("# ours\nBIND_ADDR=127.0.0.1:%d\n", port)
	ok(s.t, os.WriteFile(filepath.Join(s.root, env), []byte(text), 0o640))
	return text
}

func TestDeb(t *testing.T) {
	s := debian(t)
	candidate, stable, first, other := versions(t, product.Deb, nil)
	const unit = "/usr/lib/systemd/system/tiny.service"
	said := s.run("dpkg", "-i", s.take(filepath.Join(candidate, "tiny_0.4.0.rc.1_amd64.deb")))
	t.Log(said)
	s.run("dpkg", "--verify", "tiny")
	s.run("getent", "passwd", "tiny")
	if info, err := os.Stat(filepath.Join(s.root, env)); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the settings: %v, %v", info.Mode(), err)
	}
	if out := s.run("systemd-analyze", "verify", "--man=no", unit); strings.Contains(out, "tiny") {
		t.Errorf("systemd says of the unit: %s", out)
	}
	if out := s.run("tinyd", "--version"); !strings.HasPrefix(out, "tinyd ") {
		t.Errorf("tinyd --version says %s", out)
	}
	s.serve(unit, first)
	ok(t, os.WriteFile(filepath.Join(s.root, "var/lib/tiny/data"), []byte("kept"), 0o600))

	mine := s.operate(other)
	s.run("dpkg", "--force-confdef", "--force-confold", "-i", s.take(filepath.Join(stable, "tiny_0.4.0_amd64.deb")))
	if got := s.run("dpkg-query", "-W", "-f", "${Version}", "tiny"); got != "0.4.0" {
		t.Errorf("version %s is installed", got)
	}
	if s.read(env) != mine {
		t.Errorf("the settings are now\n%s", s.read(env))
	}
	s.wants(true, env+".dpkg-dist")
	s.serve(unit, other)
	if out, err := s.try("dpkg", "-i", "--refuse-downgrade", "/srv/tiny_0.4.0.rc.1_amd64.deb"); err == nil && !strings.Contains(out, "not replacing") && !strings.Contains(out, "skipping") {
		t.Errorf("the candidate replaces its release: %s", out)
	}

	s.run("dpkg", "-r", "tiny")
	s.wants(false, "/usr/bin/tinyd", unit)
	s.wants(true, env, "/var/lib/tiny/data")
	s.run("dpkg", "-P", "tiny")
	s.wants(false, env, "/etc/tiny", "/usr/share/doc/tiny")
	s.wants(true, "/var/lib/tiny/data")
	if out := s.run("dpkg", "--audit"); out != "" {
		t.Errorf("dpkg --audit says %s", out)
	}
	s.run("dpkg", "-i", "/srv/tiny_0.4.0_amd64.deb") // again, with the account there
	s.run("dpkg", "-P", "tiny")
}

func TestRPM(t *testing.T) {
	s := debian(t)
	program := tool(t, "rpm")
	candidate, stable, first, other := versions(t, product.RPM, nil)
	const unit = "/usr/lib/systemd/system/tiny.service"
	rpm := func(args ...string) string {
		// Nothing provides what it depends on: the root's packages are dpkg's.
		return string(output(t, program, append([]string{"--root", s.root, "--nodeps"}, args...)...))
	}
	rpm("-i", filepath.Join(candidate, "tiny-0.4.0.rc.1-1.x86_64.rpm"))
	if got := string(output(t, program, "--root", s.root, "-q", "tiny")); got != "tiny-0.4.0~rc.1-1.x86_64\n" {
		t.Errorf("rpm -q says %s", got)
	}
	output(t, program, "--root", s.root, "-V", "--nodeps", "tiny")
	s.run("getent", "passwd", "tiny")
	s.serve(unit, first)
	ok(t, os.WriteFile(filepath.Join(s.root, "var/lib/tiny/data"), []byte("kept"), 0o600))
	mine := s.operate(other)
	rpm("-U", filepath.Join(stable, "tiny-0.4.0-1.x86_64.rpm"))
	if s.read(env) != mine {
		t.Errorf("the settings are now\n%s", s.read(env))
	}
	s.wants(true, env+".rpmnew")
	s.serve(unit, other)
	if out, err := exec.Command(program, "--root", s.root, "--nodeps", "-U", filepath.Join(candidate, "tiny-0.4.0.rc.1-1.x86_64.rpm")).CombinedOutput(); err == nil {
		t.Errorf("the candidate replaces its release: %s", out)
	}
	output(t, program, "--root", s.root, "--nodeps", "-e", "tiny")
	s.wants(false, "/usr/bin/tinyd", unit, env, "/usr/share/doc/tiny")
	s.wants(true, env+".rpmsave", "/var/lib/tiny/data")
}

func TestPacman(t *testing.T) {
	program := tool(t, "pacman")
	if os.Geteuid() != 0 {
		t.Skip("not root: pacman installs for root only; run the tests as root")
	}
	candidate, stable, _, other := versions(t, product.Arch, nil)
	s := system{t, t.TempDir()}
	ok(t, os.MkdirAll(filepath.Join(s.root, "var/lib/pacman"), 0o755))
	config := filepath.Join(t.TempDir(), "pacman.conf")
	ok(t, os.WriteFile(config, []byte("[options]\nArchitecture = x86_64\nSigLevel = Never\nLocalFileSigLevel = Never\n"), 0o644))
	pacman := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--root", s.root, "--dbpath", filepath.Join(s.root, "var/lib/pacman"), "--config", config, "--noconfirm"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("pacman %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	pacman("-U", filepath.Join(candidate, "tiny-0.4.0rc1-1-x86_64.pkg.tar.zst"))
	if got := pacman("-Q", "tiny"); got != "tiny 0.4.0rc1-1\n" {
		t.Errorf("pacman -Q says %s", got)
	}
	pacman("-Qkk", "tiny")
	mine := s.operate(other)
	if out := pacman("-U", filepath.Join(stable, "tiny-0.4.0-1-x86_64.pkg.tar.zst")); strings.Contains(out, "downgrading") {
		t.Errorf("for pacman the release is older than its candidate: %s", out)
	}
	if s.read(env) != mine {
		t.Errorf("the settings are now\n%s", s.read(env))
	}
	s.wants(true, env+".pacnew", "/usr/lib/sysusers.d/tiny.conf")
	pacman("-R", "tiny")
	s.wants(false, "/usr/bin/tinyd", env)
	s.wants(true, env+".pacsave")
}
