package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

func sh(script string, args ...string) run.Cmd {
	return run.Cmd{Name: "sh", Args: append([]string{"-c", script, "sh"}, args...)}
}

func TestOutput(t *testing.T) {
	var log bytes.Buffer
	c := sh("echo out; echo err >&2; cat; printf 'no end  \n\n'")
	c.Stdin, c.Log = strings.NewReader("in\n"), &log
	out, err := run.Output(context.Background(), c)
	if err != nil || string(out) != "out\nin\nno end  \n\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if log.String() != "err\n" {
		t.Errorf("the log of a program whose output is wanted got %q, want its standard error alone", log.String())
	}
	text, err := run.Text(context.Background(), sh("printf ' a \n\t\n'"))
	if err != nil || text != " a" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestStream(t *testing.T) {
	var out, log bytes.Buffer
	err := run.Stream(t.Context(), run.Cmd{
		Name: "sh", Args: []string{"-c", `cat; printf 'sec\000ret'; echo secret >&2`},
		Stdin: strings.NewReader("in "), Log: &log, Secrets: []string{"secret", "in"},
	}, &out)
	if err != nil || out.String() != "in sec\x00ret" || log.String() != "***\n" {
		t.Errorf("got %q, %q, %v", out.String(), log.String(), err)
	}
}

func TestDoLogsBoth(t *testing.T) {
	var log bytes.Buffer
	c := sh("echo one; echo two >&2; printf three")
	c.Log = &log
	if err := run.Do(context.Background(), c); err != nil || log.String() != "one\ntwo\nthree\n" {
		t.Errorf("got %q, %v", log.String(), err)
	}
}

func TestSurroundings(t *testing.T) {
	t.Setenv("RUN_TEST", "outer")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		env  []string
		bare bool
		want string
	}{
		{"as it is", nil, false, "outer"},
		{"added", []string{"RUN_TEST=inner"}, false, "inner"},
		{"bare", nil, true, ""},
		{"bare with its own", []string{"RUN_TEST=inner"}, true, "inner"},
	} {
		c := run.Cmd{Name: "/bin/sh", Args: []string{"-c", `echo "$RUN_TEST" && pwd -P`}, Dir: dir, Env: tt.env, BareEnv: tt.bare}
		got, err := run.Text(context.Background(), c)
		if err != nil || got != tt.want+"\n"+dir {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
}

func TestError(t *testing.T) {
	c := sh("echo on stdout; echo first >&2; echo 'cannot do it' >&2; exit 3", "two words", "it's")
	c.Dir = t.TempDir()
	_, err := run.Output(context.Background(), c)
	var failed *run.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if run.ExitCode(err) != 3 || failed.Tail != "first\ncannot do it" || failed.Dir != c.Dir {
		t.Errorf("got exit code %d, tail %q, dir %q", run.ExitCode(err), failed.Tail, failed.Dir)
	}
	for _, want := range []string{"`sh -c 'echo on stdout", `sh 'two words' 'it'\''s'`, "(exit status 3) in " + c.Dir, ":\nfirst\ncannot do it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if code := run.ExitCode(fmt.Errorf("wrapped: %w", err)); code != 3 {
		t.Errorf("exit code %d of a wrapped error, want 3", code)
	}
	_, err = run.Output(context.Background(), sh("echo only this; exit 1"))
	if err == nil || !strings.HasSuffix(err.Error(), ":\nonly this") {
		t.Errorf("a program that speaks on standard output alone gave %v", err)
	}
}

func TestNotStarted(t *testing.T) {
	for _, c := range []run.Cmd{
		{Name: "no-such-program-anywhere"},
		{Name: "sh", Args: []string{"-c", "true"}, Dir: "/no/such/dir"},
	} {
		err := run.Do(context.Background(), c)
		if err == nil || !strings.Contains(err.Error(), "`"+c.Name) || run.ExitCode(err) != -1 {
			t.Errorf("got %v, exit code %d", err, run.ExitCode(err))
		}
	}
	if code := run.ExitCode(nil); code != -1 {
		t.Errorf("exit code %d of no error, want -1", code)
	}
}

// TestTail: the end of much output is kept, beginning with a whole line.
func TestTail(t *testing.T) {
	err := run.Do(context.Background(), sh("i=0; while [ $i -lt 2000 ]; do echo line-$i >&2; i=$((i+1)); done; exit 1"))
	var failed *run.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(failed.Tail, "\n")
	if len(failed.Tail) > 4<<10 || len(failed.Tail) < 3<<10 || !strings.HasPrefix(lines[0], "line-") || lines[len(lines)-1] != "line-1999" {
		t.Errorf("%d bytes from %q to %q", len(failed.Tail), lines[0], lines[len(lines)-1])
	}
}

func TestSecrets(t *testing.T) {
	secrets := []string{"hunter2", "hunter2-longer", "-----BEGIN KEY-----\nMIIBsecret\n-----END KEY-----\n", ""}
	var log bytes.Buffer
	// In pieces, on both streams, in several lines, and on the command line.
	c := sh(`printf 'hun'; sleep 0.05; printf 'ter2-longer\n'; echo "$1" >&2; printf '%s' "$2"; exit 1`, "x hunter2 y", secrets[2])
	c.Log, c.Secrets = &log, secrets
	err := run.Do(context.Background(), c)
	if err == nil {
		t.Fatal("no error")
	}
	for _, leak := range []string{"hunter2", "longer'", "-longer", "MIIB", "BEGIN"} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("%q is in the log:\n%s", leak, log.String())
		}
		if leak != "-longer" && leak != "longer'" && strings.Contains(err.Error(), leak) {
			t.Errorf("%q is in the error:\n%v", leak, err)
		}
	}
	if !strings.Contains(log.String(), "x *** y\n") {
		t.Errorf("the log is %q", log.String())
	}
}

// TestSecretAtTheEdge: where the tail begins within a secret, no half of it is
// told.
func TestSecretAtTheEdge(t *testing.T) {
	secret := strings.Repeat("s", 100)
	for pad := 4096 - 110; pad < 4096+10; pad += 7 {
		c := sh(`printf '%s\n%s\n' "$SECRET" "$PAD" >&2; exit 1`)
		c.Env = []string{"SECRET=" + secret, "PAD=" + strings.Repeat("p", pad)}
		c.Secrets = []string{secret}
		if err := run.Do(context.Background(), c); err == nil || strings.Contains(err.Error(), "sss") {
			t.Fatalf("padding %d: %v", pad, err)
		}
	}
}

// TestCancel: the program and what it started end when the context does, and
// the error is the context's.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	pids := &pipe{ready: make(chan struct{})}
	c := sh("sleep 60 & echo $!; wait")
	c.Log = pids
	go func() {
		<-pids.ready
		cancel()
	}()
	start := time.Now()
	err := run.Do(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %v to end", took)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(pids.String()))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d, which the program started, still runs", pid)
		}
	}
}

// alive tells whether a process runs; one that ended and was not waited for
// does not count.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// pipe tells when the first line is there.
type pipe struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ready chan struct{}
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buf.Len() == 0 {
		close(p.ready)
	}
	return p.buf.Write(b)
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}
