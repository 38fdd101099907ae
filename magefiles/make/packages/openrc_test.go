package packages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// standIns take the words that Alpine's adduser and addgroup take, which Debian's
// busybox comes without, and no others.
var standIns = map[string]string{
	"addgroup": `#!/bin/sh
[ "$#" -eq 2 ] && [ "$1" = -S ] || exit 9
exec groupadd --system "$2"
`,
	"adduser": `#!/bin/sh
[ "$1 $2 $3 $4 $6 $8 ${10}" = "-S -D -H -h -s -G -g" ] && [ "$#" -eq 12 ] || exit 9
exec useradd --system --no-create-home --home-dir "$5" --shell "$7" --gid "$9" "${12}"
`,
}

// TestAPK installs what an apk holds as apk does (its files, and its scripts
// around them), since Debian has no apk, and has OpenRC run the service.
func TestAPK(t *testing.T) {
	s := debian(t)
	bsdtar := tool(t, "bsdtar")
	_, stable, first, other := versions(t, product.APK, nil)
	for name, text := range standIns {
		ok(t, os.WriteFile(filepath.Join(s.root, "usr/local/sbin", name), []byte(text), 0o755))
	}
	parts := members(t, filepath.Join(stable, "tiny_0.4.0-r0_x86_64.apk"))
	if len(parts) != 2 {
		t.Fatalf("an unsigned package has %d members, want control and data", len(parts))
	}
	for i, name := range []string{"control.tar.gz", "data.tar.gz"} {
		ok(t, os.WriteFile(filepath.Join(s.root, "tmp", name), parts[i], 0o600))
	}
	ok(t, os.Mkdir(filepath.Join(s.root, "tmp/control"), 0o755))
	output(t, bsdtar, "-C", filepath.Join(s.root, "tmp/control"), "-xpf", filepath.Join(s.root, "tmp/control.tar.gz"))
	alpine := func(script string) string { // its shell is busybox's
		return s.run("env", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "busybox", "sh", "/tmp/control/"+script)
	}
	alpine(".pre-install")
	alpine(".pre-install") // once more changes nothing
	output(t, bsdtar, "-C", s.root, "-xpf", filepath.Join(s.root, "tmp/data.tar.gz"))
	if got := s.run("getent", "passwd", "tiny"); !strings.HasSuffix(got, ":/var/lib/tiny:/sbin/nologin\n") {
		t.Errorf("the account is %s", got)
	}

	for _, port := range []int{first, other} {
		if port == other {
			s.operate(other)
		}
		script := `set -e
mount -t proc proc /proc
mkdir -p /run/openrc
touch /run/openrc/softlevel
rc-service --nodeps tiny start
for i in 1 2 3 4 5 6 7 8 9; do
	busybox wget -qO- http://127.0.0.1:` + strconv.Itoa(port) + `/health && break
	sleep 0.3
done
rc-service tiny status
pid=$(busybox pidof tinyd)
echo "user $(stat -c %U /proc/$pid) umask $(sed -n 's/^Umask:.//p' /proc/$pid/status) nonewprivs $(sed -n 's/^NoNewPrivs:.//p' /proc/$pid/status)"
echo "state $(stat -c '%U %a' /var/lib/tiny)"
rc-service --nodeps tiny stop
! busybox pidof tinyd
`
		cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", s.root, "sh", "-c", script)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{`{"status":"ok"}`, "started", "user tiny", "umask 0077", "nonewprivs 1", "state tiny 750"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
	alpine(".pre-deinstall")
}

// TestShells has the shells of the distributions read every script.
func TestShells(t *testing.T) {
	bsdtar := tool(t, "bsdtar")
	dir := prepare(t, server(8080), "v0.4.0", fake).export(t)
	scripts := map[string]string{}
	control := t.TempDir()
	output(t, tool(t, "dpkg-deb"), "--control", filepath.Join(dir, "tiny_0.4.0_arm64.deb"), control)
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		scripts["deb "+name] = filepath.Join(control, name)
	}
	ok(t, os.WriteFile(filepath.Join(control, "control.tar.gz"), members(t, filepath.Join(dir, "tiny_0.4.0-r0_aarch64.apk"))[0], 0o600))
	output(t, bsdtar, "-C", control, "-xf", filepath.Join(control, "control.tar.gz"))
	for _, name := range []string{".pre-install", ".pre-deinstall"} {
		scripts["apk "+name] = filepath.Join(control, name)
	}
	for _, name := range []string{"PREIN", "POSTIN", "PREUN", "POSTUN"} {
		text := output(t, tool(t, "rpm"), "-qp", "--qf", "%{"+name+"}", filepath.Join(dir, "tiny-0.4.0-1.aarch64.rpm"))
		if len(text) < 20 {
			t.Errorf("the rpm has no %s: %s", name, text)
		}
		ok(t, os.WriteFile(filepath.Join(control, name), text, 0o600))
		scripts["rpm "+name] = filepath.Join(control, name)
	}
	output(t, bsdtar, "-C", control, "-xf", filepath.Join(dir, "tiny-0.4.0-linux-amd64.tar.gz"))
	scripts["openrc"] = filepath.Join(control, "tiny-0.4.0-linux-amd64/tiny.openrc")
	for what, file := range scripts {
		for _, shell := range [][]string{{tool(t, "dash"), "-n"}, {tool(t, "busybox"), "sh", "-n"}} {
			output(t, shell[0], append(shell[1:], file)...)
		}
		if path, err := exec.LookPath("shellcheck"); err == nil {
			// OpenRC reads what looks unused, and a settings file is the operator's.
			output(t, path, "--shell=sh", "--exclude=SC2034,SC1090,SC1091", file)
		} else {
			t.Logf("no shellcheck here for %s: `scripts/setup.sh lint` installs it", what)
		}
	}
}
