package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

func TestSurroundings(t *testing.T) {
	t.Setenv("CALLERS_OWN", "must not get there")
	front := t.TempDir()
	p := started(t, stack.ProcessOptions{Frontend: front}, "GIVEN", "yes")
	_, body := get(t, p.URL()+"/surroundings")
	var got struct {
		Env, Args []string
		Dir       string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range got.Env {
		name, value, _ := strings.Cut(v, "=")
		names = append(names, name)
		if secret, ok := p.Secrets()[name]; ok && (value != secret || len(value) != 64) {
			t.Errorf("%s is not the secret of 64 digits that the stack tells", name)
		}
	}
	want := []string{
		"BIND_ADDR", "DATABASE_URL", "FRONTEND_DIST_DIR", "GIVEN", "HOME", "JWT_SECRET", "RUSTSHARE_ADMIN_PASSWORD", "RUSTSHARE_CHAT_WEBHOOK_SECRET",
		"RUSTSHARE_DEMO_VIEWER_PASSWORD", "RUSTSHARE_SECRET_ENCRYPTION_KEY", "STORAGE_DIR", "TMPDIR",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the environment has %v, want %v", names, want)
	}
	if len(got.Args) != 1 || !strings.HasPrefix(got.Dir, p.Dir()) || !slices.Contains(got.Env, "FRONTEND_DIST_DIR="+front) {
		t.Errorf("arguments %v, directory %s, environment %v", got.Args, got.Dir, got.Env)
	}
	if other := open(t, stack.ProcessOptions{}).Secrets(); other["JWT_SECRET"] == p.Secrets()["JWT_SECRET"] {
		t.Error("two runs share a secret")
	}
}

// TestNotSaidHow: products that say nothing of how they are run.
func TestNotSaidHow(t *testing.T) {
	parent := t.TempDir()
	_, err := stack.OpenProcess(t.Context(), stack.ProcessOptions{Run: product.Run{Ready: "/ready"}, Binary: server, Parent: parent})
	wants(t, fmt.Sprint(err), "cannot be run as a single process: its definition says nothing of how (Product.Run.Process)")
	for _, o := range []stack.ComposeOptions{{Compose: files}, {Run: how}} {
		o.Dir, o.Parent = "testdata/compose", parent
		_, err := stack.OpenCompose(t.Context(), o)
		wants(t, fmt.Sprint(err), "cannot be run with Docker Compose: its definition does not say how (Product.Run, Product.Compose)")
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestDigest(t *testing.T) {
	parent := t.TempDir()
	_, err := stack.OpenProcess(t.Context(), stack.ProcessOptions{Run: how, Binary: server, Digest: "sha256:00", Parent: parent})
	if err == nil {
		t.Fatal("a binary with another digest was taken")
	}
	wants(t, err.Error(), "taking the binary: "+server+" has the digest sha256:", "expected sha256:00")
	right := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(err.Error())
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("%v is left of a stack that could not be opened", left)
	}
	open(t, stack.ProcessOptions{Digest: right})
	_, err = stack.OpenProcess(t.Context(), stack.ProcessOptions{Run: how, Binary: filepath.Join(parent, "none"), Parent: parent})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no binary gave %v", err)
	}
}

func TestNotAProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server")
	if err := os.WriteFile(path, []byte("\x7fELF of another machine"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := open(t, stack.ProcessOptions{Binary: path}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "starting the backend: fork/exec") {
		t.Errorf("got %v", err)
	}
}

// TestLate: slow is not broken.
func TestLate(t *testing.T) {
	for _, env := range [][]string{{"READY_AFTER", "300ms"}, {"BIND_AFTER", "300ms"}} {
		started(t, stack.ProcessOptions{}, env...)
	}
}

func TestNeverReady(t *testing.T) {
	p := open(t, stack.ProcessOptions{Patience: 300 * time.Millisecond}, "NEVER", "1")
	err := p.Start(t.Context())
	var unready *stack.ReadinessError
	if !errors.As(err, &unready) {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "was not ready within", "GET http://127.0.0.1:", "/health/ready: answered 503 not today, ***", "the last it logged:\nhello from run")
	if strings.Contains(err.Error(), p.Secrets()["JWT_SECRET"]) {
		t.Errorf("a secret is in %v", err)
	}
	if err := p.Unready(t.Context()); err != nil {
		t.Errorf("waiting for what it is gave %v", err)
	}

	err = started(t, stack.ProcessOptions{Patience: 300 * time.Millisecond}).Unready(t.Context())
	if !errors.As(err, &unready) {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "was not unready within", "answered 200")

	err = open(t, stack.ProcessOptions{Patience: 300 * time.Millisecond}, "HANG", "1").Start(t.Context())
	if !errors.As(err, &unready) {
		t.Errorf("a server that does not answer gave %v", err)
	}
}

// TestExit: with a patience of an hour, only being told at once ends this.
func TestExit(t *testing.T) {
	p := open(t, stack.ProcessOptions{Patience: time.Hour}, "EXIT", "3", "PRINT", "key $JWT_SECRET")
	err := p.Start(t.Context())
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || exit.Service != stack.Backend {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "the backend ended by itself (exit status 3)", "key ***\ncannot go on")
	if err := p.Stop(t.Context(), stack.Backend); !errors.As(err, &exit) {
		t.Errorf("stopping what has ended gave %v", err)
	}
}

func TestCrash(t *testing.T) {
	p := started(t, stack.ProcessOptions{Patience: time.Hour})
	if _, err := http.Get(p.URL() + "/crash"); err == nil {
		t.Fatal("it did not crash")
	}
	err := p.Unready(t.Context())
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 {
		t.Fatalf("waiting for a crashed server to be unready gave %v", err)
	}
	wants(t, err.Error(), "panic: at the disco")
	if err := p.Start(t.Context()); err != nil {
		t.Errorf("starting it again: %v", err)
	}
}

// TestCancel: an ended context leaves no hour of grace either.
func TestCancel(t *testing.T) {
	p := open(t, stack.ProcessOptions{Patience: time.Hour, Grace: time.Hour}, "NEVER", "1", "STUBBORN", "1")
	interrupted := errors.New("interrupted by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(interrupted) })
	if err := p.Start(ctx); !errors.Is(err, interrupted) {
		t.Errorf("got %v", err)
	}
	late := open(t, stack.ProcessOptions{})
	if err := late.Start(ctx); !errors.Is(err, interrupted) {
		t.Errorf("starting after that: %v", err)
	}
	if err := late.Logs(t.Context(), stack.Backend, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was started after that: %v", err)
	}
	if err := p.Destroy(ctx); err != nil {
		t.Errorf("destroying after that: %v", err)
	}
}

// TestPortTaken: somebody takes the port between two starts.
func TestPortTaken(t *testing.T) {
	p := started(t, stack.ProcessOptions{})
	before := p.URL()
	if err := p.Restart(t.Context()); err != nil || p.URL() != before {
		t.Fatalf("restarting gave %v and moved from %s to %s", err, before, p.URL())
	}
	if err := p.Stop(t.Context(), stack.Backend); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(before, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // answers, so that only the server's own end tells
		_ = http.Serve(l, http.NotFoundHandler())
	}()
	if err := p.Start(t.Context()); err != nil || p.URL() == before {
		t.Errorf("starting gave %v at %s", err, p.URL())
	}
	wants(t, logs(t, p), "address already in use")
}

func TestRestartKeepsData(t *testing.T) {
	p := started(t, stack.ProcessOptions{})
	get(t, p.URL()+"/put/one")
	if err := p.Restart(t.Context(), stack.Backend); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, p.URL()+"/get/one"); status != 200 || body != "one" {
		t.Errorf("got %d %s", status, body)
	}
	if n := strings.Count(logs(t, p), "hello from run"); n != 2 {
		t.Errorf("the log has %d runs, want 2:\n%s", n, logs(t, p))
	}
}

func TestObjectStore(t *testing.T) {
	p := started(t, stack.ProcessOptions{})
	get(t, p.URL()+"/put/one")
	if err := p.Stop(t.Context(), stack.ObjectStore); err != nil {
		t.Fatal(err)
	}
	if err := p.Unready(t.Context()); err != nil {
		t.Errorf("without object store: %v", err)
	}
	if err := p.Snapshot(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "needs the object store, which is stopped") {
		t.Errorf("a snapshot without object store gave %v", err)
	}
	var exit *stack.ExitError
	if err := p.Restart(t.Context(), stack.Backend); !errors.As(err, &exit) {
		t.Errorf("restarting without object store gave %v", err)
	} else if n := strings.Count(exit.Tail, "hello from run"); n != 1 {
		t.Errorf("the error shows the log of %d runs, want that of the one that ended:\n%s", n, exit.Tail)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, p.URL()+"/get/one"); status != 200 || body != "one" {
		t.Errorf("got %d %s", status, body)
	}
	if err := p.Restart(t.Context(), stack.ObjectStore); err != nil {
		t.Errorf("restarting the object store: %v", err)
	}
}

func TestUnsupported(t *testing.T) {
	p := open(t, stack.ProcessOptions{})
	for op, err := range map[string]error{
		"start":        p.Start(t.Context(), stack.Database),
		"stop":         p.Stop(t.Context(), stack.Database),
		"show logs of": p.Logs(t.Context(), stack.Database, io.Discard),
	} {
		var unsupported *stack.UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Service != stack.Database {
			t.Errorf("%s: %v", op, err)
			continue
		}
		wants(t, err.Error(), `a stack of kind "process" cannot `+op+" the database: it is a part of the backend's process")
	}
	if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "was not started") {
		t.Errorf("readiness of what was not started: %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	p := started(t, stack.ProcessOptions{})
	get(t, p.URL()+"/put/one")
	dir := filepath.Join(t.TempDir(), "a", "snapshot")
	if err := p.Snapshot(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	get(t, p.URL()+"/put/two") // it runs again
	candidate := started(t, stack.ProcessOptions{Snapshot: dir, Secrets: p.Secrets()})
	if status, body := get(t, candidate.URL()+"/get/one"); status != 200 || body != "one" {
		t.Errorf("got %d %s", status, body)
	}
	if status, _ := get(t, candidate.URL()+"/get/two"); status != 404 {
		t.Errorf("what came after the snapshot is in it: %d", status)
	}
	get(t, candidate.URL()+"/put/three")
	if _, err := os.Stat(filepath.Join(dir, "objects", "three")); err == nil {
		t.Error("the new stack writes into the snapshot")
	}
	if !slices.Equal(candidate.Secrets().Values(), p.Secrets().Values()) {
		t.Error("the secrets were not taken over")
	}
	wants(t, p.Snapshot(t.Context(), dir).Error(), "a snapshot needs an empty directory, and "+dir+" has objects in it")
	if err := p.Ready(t.Context()); err != nil {
		t.Errorf("after a refused snapshot: %v", err)
	}
	// What never was one.
	parent := t.TempDir()
	_, err := stack.OpenProcess(t.Context(), stack.ProcessOptions{Run: how, Binary: server, Parent: parent, Snapshot: t.TempDir()})
	wants(t, fmt.Sprint(err), "is not a snapshot of a stack")
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "objects", "link")); err != nil {
		t.Fatal(err)
	}
	_, err = stack.OpenProcess(t.Context(), stack.ProcessOptions{Run: how, Binary: server, Parent: parent, Snapshot: dir})
	wants(t, fmt.Sprint(err), "restoring the snapshot: "+filepath.Join(dir, "objects", "link")+" is neither a file nor a directory (L")
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestStubborn(t *testing.T) {
	p := started(t, stack.ProcessOptions{Grace: 200 * time.Millisecond}, "STUBBORN", "1")
	err := p.Stop(t.Context(), stack.Backend)
	var killed *stack.KilledError
	if !errors.As(err, &killed) {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "the backend did not end within 200ms of SIGTERM and was killed", "hello from run")
	// Destroying is no test of the product: killing is enough.
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPanic(t *testing.T) {
	p := started(t, stack.ProcessOptions{})
	func() {
		defer func() { _ = recover() }()
		defer func() {
			if err := p.Destroy(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		panic("in a journey")
	}()
	if _, err := os.Stat(p.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after a panic: %v", err)
	}
	if err := p.Logs(t.Context(), stack.Backend, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the logs of what is destroyed: %v", err)
	}
}

func TestLockedDirectory(t *testing.T) {
	started(t, stack.ProcessOptions{}, "LOCKED", "1") // the cleanup looks
}

func TestLeaks(t *testing.T) {
	p := started(t, stack.ProcessOptions{}, "PRINT", "admin $RUSTSHARE_ADMIN_PASSWORD!,nothing")
	leaks, err := p.Leaks(t.Context())
	if want := []stack.Leak{{Service: stack.Backend, Secret: "RUSTSHARE_ADMIN_PASSWORD"}}; err != nil || !slices.Equal(leaks, want) {
		t.Errorf("got %v, %v", leaks, err)
	}
	wants(t, logs(t, p), "admin ***!\nnothing\n")
}
