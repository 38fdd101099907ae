package packages_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// boot makes a root the system of a systemd: in namespaces of its own, with the
// least that it asks for. $1 is the root, $2 a name for its control group.
const boot = `set -e
mount --make-rprivate /
mount -t cgroup2 none "$1/mnt"
mkdir "$1/mnt/$2"
echo $$ >"$1/mnt/$2/cgroup.procs"
exec unshare --mount --pid --fork --cgroup --uts --ipc --kill-child sh -c '
set -e
umount "$0/mnt"
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs sys
mkdir -p sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs tmpfs dev
for n in null zero full random urandom tty; do touch dev/$n; mount --bind /dev/$n dev/$n; done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
pivot_root . mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "umount -l /mnt; exec /lib/systemd/systemd --system --unit=basic.target --log-target=journal"
' "$1"
`

// booted is a system whose systemd runs.
type booted struct {
	system
	pid string
}

// boots starts the root's systemd. It ends with the test.
func (s system) boots() booted {
	t := s.t
	t.Helper()
	if out, err := exec.Command("unshare", "--mount", "--cgroup", "--pid", "--fork", "sh", "-c", "mount --make-rprivate / && mount -t cgroup2 none /mnt").CombinedOutput(); err != nil {
		t.Skipf("no namespaces with control groups here (a container without privileges?): run the tests on a machine of their own: %s", out)
	}
	group := fmt.Sprintf("release-test-%d", os.Getpid())
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", boot, "sh", s.root, group)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	ok(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		_ = exec.Command("unshare", "--mount", "sh", "-c", `mount --make-rprivate / && mount -t cgroup2 none /mnt && find "/mnt/$0" -depth -type d -exec rmdir {} \;`, group).Run()
	})
	for range 200 {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if pid := strings.TrimSpace(string(children)); pid != "" {
			b := booted{s, pid}
			if out, _ := b.try("systemctl", "is-system-running"); strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded") {
				return b
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("systemd does not come up: %s", said.String())
	return booted{}
}

// try runs a command in the system.
func (b booted) try(args ...string) (string, error) {
	cmd := exec.CommandContext(b.t.Context(), "nsenter", append([]string{"-t", b.pid, "-m", "-p", "-C", "-u", "-i", "-r", "-w"}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "HOME=/root"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b booted) run(args ...string) string {
	b.t.Helper()
	out, err := b.try(args...)
	if err != nil {
		journal, _ := b.try("journalctl", "--no-pager", "-n", "20")
		b.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

// TestSystemd has a real systemd run the service with all its hardening, restart
// it at an upgrade, and stop it at the removal.
func TestSystemd(t *testing.T) {
	s := debian(t)
	candidate, stable, first, other := versions(t, product.Deb, nil)
	old := s.take(filepath.Join(candidate, "tiny_0.4.0.rc.1_amd64.deb"))
	b := s.boots()
	b.run("dpkg", "-i", old)
	if out, err := b.try("systemctl", "is-enabled", "tiny"); err == nil {
		t.Errorf("the service is %s before its settings are filled in", out)
	}
	if out, err := b.try("systemctl", "is-active", "tiny"); err == nil {
		t.Errorf("the service is %s before its settings are filled in", out)
	}
	b.run("systemctl", "enable", "--now", "tiny")
	b.healthy(first, &bytes.Buffer{})
	shown := b.run("systemctl", "show", "tiny", "-p", "MainPID,User,NoNewPrivileges,ProtectSystem,StateDirectory,CapabilityBoundingSet")
	pid := ""
	for line := range strings.Lines(shown) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key == "MainPID" {
			pid = value
		}
	}
	status := b.run("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "Umask:\t0077"} {
		if !strings.Contains(status, want) {
			t.Errorf("the service has no %q:\n%s", want, status)
		}
	}
	if out := b.run("stat", "-c", "%U %a", "/var/lib/tiny"); out != "tiny 750\n" {
		t.Errorf("the data belong to %s", out)
	}
	security := strings.TrimSpace(b.run("systemd-analyze", "security", "--no-pager", "tiny"))
	t.Log(security[strings.LastIndex(security, "\n")+1:])
	b.run("systemd-analyze", "security", "--no-pager", "--threshold=15", "tiny") // of 100

	s.operate(other)
	b.run("dpkg", "--force-confdef", "--force-confold", "-i", s.take(filepath.Join(stable, "tiny_0.4.0_amd64.deb")))
	b.healthy(other, &bytes.Buffer{}) // restarted, with the operator's settings
	b.run("dpkg", "-r", "tiny")
	if out, err := b.try("systemctl", "is-active", "tiny"); err == nil {
		t.Errorf("the service is %s after its removal", out)
	}
	b.run("dpkg", "-P", "tiny")
	b.wants(false, "/etc/systemd/system/multi-user.target.wants/tiny.service")
}
