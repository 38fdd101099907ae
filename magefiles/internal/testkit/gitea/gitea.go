// Package gitea starts a real Gitea server for tests: releases, a container
// registry and Actions on a free port of this machine, with SQLite in a
// directory that goes when it stops. Nothing of it needs a network. Only tests
// and rehearsals import it.
package gitea

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// Version and RunnerVersion are what scripts/setup.sh builds.
const (
	Version       = "v1.26.0"
	RunnerVersion = "v1.0.8"
)

// ready bounds the start of the server. Two seconds are usual.
const ready = 2 * time.Minute

// Options of a server. The zero value is one that permits everything.
type Options struct {
	// Settings are further lines of app.ini, sections included, such as
	// "[repository.release]\nFILE_MAX_SIZE = 1\n". They override the kit's own.
	Settings string
}

// Server is a running one. Its methods may be called side by side.
type Server struct {
	dir, url, binary string
	as               owner
	process, runner  *process
	admin            account
}

// account is a user of the server.
type account struct{ name, password, token string }

// Admin is the name of the first user, who may do everything.
const Admin = "maintainer"

// Start starts a server and waits until it answers. The caller stops it.
func Start(ctx context.Context, o Options) (*Server, error) {
	binary, err := installed("gitea", Version)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gitea-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for Gitea: %w", err)
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, binary, o); err != nil {
		return nil, errors.Join(fmt.Errorf("starting Gitea %s: %w", Version, err), s.Stop())
	}
	return s, nil
}

// New starts a server for one test, which fails where it cannot, and stops it
// at the test's end. Where Gitea is not built the test is skipped or fails as with
// [testkit.Peer]. Packages with several tests share one from their TestMain.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if errors.Is(err, fs.ErrNotExist) {
		testkit.NoPeer(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// installed finds what scripts/setup.sh put into the cache.
func installed(name, version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}
	path := filepath.Join(cache, "rustshare-release", "bin", name+"-"+version)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s %s is not installed, and it is the peer of this test: `scripts/setup.sh forge` builds it (ten minutes, once): %w", name, version, err)
	}
	return path, nil
}

func (s *Server) start(ctx context.Context, binary string, o Options) error {
	as, err := unprivileged()
	if err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	s.as, s.url = as, fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := s.lay(binary, port, o); err != nil {
		return err
	}
	if s.process, err = s.run(s.command("web")); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	return s.makeAdmin(ctx)
}

// lay puts everything in place that the server reads. Program and templates
// are copied: another user cannot reach this one's cache.
func (s *Server) lay(binary string, port int, o Options) error {
	s.binary = filepath.Join(s.dir, "gitea")
	if err := copyFile(binary, s.binary); err != nil {
		return err
	}
	if err := os.CopyFS(s.path("static"), os.DirFS(binary+"-static")); err != nil {
		return fmt.Errorf("copying what Gitea reads, run scripts/setup.sh forge if it is not there: %w", err)
	}
	for _, dir := range []string{"home", "tmp", "data"} {
		if err := os.Mkdir(s.path(dir), 0o700); err != nil {
			return err
		}
		if err := s.as.give(s.path(dir)); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { //nolint:gosec // the server's user reads it
		return err
	}
	config := s.path("data", "app.ini") // beside its data: the server writes its secrets there
	if err := os.WriteFile(config, []byte(settings(s.dir, s.url, port, o.Settings)), 0o600); err != nil {
		return err
	}
	return s.as.give(config)
}

func (s *Server) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// command is one of the server's program, by its user, with an environment of
// its own.
func (s *Server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, append([]string{"--config", s.path("data", "app.ini"), "--work-path", s.path("data")}, args...)...) //nolint:gosec,noctx // ours; stopped by Stop
	cmd.Dir = s.path("data")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.path("home"), "TMPDIR=" + s.path("tmp"), "LANG=C.UTF-8"}
	cmd.SysProcAttr = s.as.attributes()
	return cmd
}

const logFile = "gitea.log"

// run starts a program whose output goes to the log.
func (s *Server) run(cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(s.path(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the program has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	return begin(cmd)
}

// await polls until the server is well.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.process.done:
			return fmt.Errorf("it ended (%w); its log ends with:\n%s", s.process.err, s.logEnd())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer at %s/api/healthz (%w); its log ends with:\n%s", s.url, context.Cause(ctx), s.logEnd())
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/healthz", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
}

// logEnd is the end of the server's log.
func (s *Server) logEnd() string {
	text, err := os.ReadFile(s.path(logFile))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-4<<10):]))
}

var said = regexp.MustCompile(`(?s)generated random password is '([^']+)'.*Access token was successfully created\.\.\. ([0-9a-f]{40})`)

// makeAdmin has the server's own command line make the first user.
func (s *Server) makeAdmin(ctx context.Context) error {
	cmd := s.command("admin", "user", "create", "--admin", "--username", Admin, "--email", Admin+"@localhost.invalid",
		"--random-password", "--must-change-password=false", "--access-token", "--access-token-name", "first", "--access-token-scopes", "all")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := begin(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.stop()
		return context.Cause(ctx)
	}
	m := said.FindStringSubmatch(out.String())
	if m == nil {
		return fmt.Errorf("making the user %s (%w): it said\n%s", Admin, p.err, out.String())
	}
	s.admin = account{Admin, m[1], m[2]}
	return nil
}

// Stop ends the server with all that it started and removes its directory.
// Stopping it again does nothing.
func (s *Server) Stop() error {
	for _, p := range []*process{s.runner, s.process} {
		if p != nil {
			p.stop()
		}
	}
	s.runner, s.process = nil, nil
	return os.RemoveAll(s.dir)
}

// URL is the server's address, such as "http://127.0.0.1:33021".
func (s *Server) URL() string { return s.url }

// RegistryHost is the host of its container registry, which speaks plain HTTP:
// images are HOST/OWNER/NAME.
func (s *Server) RegistryHost() string { return strings.TrimPrefix(s.url, "http://") }

// Token is [Admin]'s, with all scopes.
func (s *Server) Token() string { return s.admin.token }

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close() //nolint:forcetypeassert // it is what was listened on
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()                                                      //nolint:errcheck // only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a program
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
