package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// how the test server is run.
var how = *product.RustShare().Run

// server is the binary of testdata/server.
var server string

func TestMain(m *testing.M) {
	if binary := os.Getenv("STACK_TEST_ABANDON"); binary != "" {
		abandon(binary)
		return
	}
	if image := os.Getenv("STACK_TEST_ABANDON_COMPOSE"); image != "" {
		abandonCompose(image)
		return
	}
	dir, err := os.MkdirTemp("", "stack-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = filepath.Join(dir, "server")
	build := exec.Command("go", "build", "-o", server, "./testdata/server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // images have no libc
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the test server: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// abandon is what TestParentKilled starts this test's binary for: it starts a
// stack, tells its process and directory, and waits to be killed.
func abandon(binary string) {
	p, err := stack.OpenProcess(context.Background(), stack.ProcessOptions{Run: how, Binary: binary, Parent: os.Getenv("STACK_TEST_PARENT")})
	if err == nil {
		err = p.Start(context.Background())
	}
	if err == nil {
		err = p.Logs(context.Background(), stack.Backend, os.Stdout)
	}
	fmt.Println("error:", err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// open opens a stack of the test server with variables in pairs. The stack is
// gone at the end of the test, and nothing of it is left.
func open(t *testing.T, o stack.ProcessOptions, env ...string) *stack.Process {
	t.Helper()
	if o.Binary == "" {
		o.Binary = server
	}
	if o.Parent == "" {
		o.Parent = t.TempDir()
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	o.Run, o.Env = how, map[string]string{}
	for i := 0; i < len(env); i += 2 {
		o.Env[env[i]] = env[i+1]
	}
	p, err := stack.OpenProcess(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Destroy(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(p.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the stack's directory is still there: %v", err)
		}
	})
	return p
}

func started(t *testing.T, o stack.ProcessOptions, env ...string) *stack.Process {
	t.Helper()
	p := open(t, o, env...)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func logs(t *testing.T, s stack.Stack) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Logs(t.Context(), stack.Backend, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}
