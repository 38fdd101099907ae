//go:build linux

package stack_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// gone waits until a process is no more, or waits to be reaped by whoever
// inherited it.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %s is still there", pid)
}

func TestParentKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "STACK_TEST_ABANDON="+server, "STACK_TEST_PARENT="+t.TempDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "error:") {
			break
		}
	}
	pid := regexp.MustCompile(`hello from run (\d+)`).FindStringSubmatch(text.String())
	if pid == nil || !strings.Contains(text.String(), "error: <nil>") {
		t.Fatalf("the parent says:\n%s", text.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	gone(t, pid[1])
}

// TestFork: the child ignores SIGTERM and holds the log open.
func TestFork(t *testing.T) {
	forked := regexp.MustCompile(`forked (\d+)`)
	p := started(t, stack.ProcessOptions{}, "FORK", "1")
	first := forked.FindStringSubmatch(logs(t, p))[1]
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(t, first)
	second := forked.FindAllStringSubmatch(logs(t, p), -1)[1][1]
	if err := p.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
	gone(t, second)
}

// TestLeftover: a mount in it keeps a directory from being removed, or, where
// the test may not mount, a parent that must not be written.
func TestLeftover(t *testing.T) {
	parent := t.TempDir()
	p, err := stack.OpenProcess(t.Context(), stack.ProcessOptions{Run: how, Binary: server, Parent: parent})
	if err != nil {
		t.Fatal(err)
	}
	want, free := filepath.Join(p.Dir(), "work"), func() error { return syscall.Unmount(filepath.Join(p.Dir(), "work"), 0) }
	if os.Getuid() == 0 {
		if err := syscall.Mount("none", want, "tmpfs", 0, ""); err != nil {
			t.Skipf("root without the right to mount can always remove: %v", err)
		}
	} else {
		want, free = p.Dir(), func() error { return os.Chmod(parent, 0o700) }
		if err := os.Chmod(parent, 0o500); err != nil {
			t.Fatal(err)
		}
	}
	err = p.Destroy(t.Context())
	var left *stack.LeftoverError
	if !errors.As(err, &left) || len(left.Paths) != 1 || left.Paths[0] != want {
		t.Errorf("got %v", err)
	}
	wants(t, fmt.Sprint(err), "the stack could not be removed (", "remove by hand: "+want)
	if err := free(); err != nil {
		t.Fatal(err)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
	if there, _ := os.ReadDir(parent); len(there) > 0 {
		t.Errorf("%v is left", there)
	}
}
