package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/Masterminds/semver/v3"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// oldestCompose is the first version of the compose plugin with the YAML tags
// "!override" and "!reset".
const oldestCompose = "2.24.4"

// docker is Docker's command line client with a bare environment: variables of
// the caller, such as the address of a real database, must not reach a stack.
// Secrets travel in its environment, never as arguments.
type docker struct {
	secrets Secrets
	// env is handed over besides what the client itself needs.
	env []string
	log io.Writer
}

// clientEnv are the variables that the client and its plugins need, and the
// beginnings of names of others.
var clientEnv = [...]string{"PATH", "HOME", "USER", "TMPDIR", "SSH_AUTH_SOCK", "DOCKER_", "XDG_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}

func (d docker) cmd(args ...string) run.Cmd {
	c := run.Cmd{Name: "docker", Args: args, BareEnv: true}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		name = strings.ToUpper(name) // those of proxies come in both cases
		if slices.ContainsFunc(clientEnv[:], func(n string) bool {
			return name == n || strings.HasSuffix(n, "_") && strings.HasPrefix(name, n)
		}) {
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(c.Env, d.env...)
	for _, value := range d.secrets {
		c.Secrets = append(c.Secrets, forms(value)...)
	}
	return c
}

// text gives what a command prints.
func (d docker) text(ctx context.Context, args ...string) (string, error) {
	return run.Text(ctx, d.cmd(args...))
}

// lines gives what a command prints, line by line.
func (d docker) lines(ctx context.Context, args ...string) ([]string, error) {
	text, err := d.text(ctx, args...)
	if text == "" {
		return nil, err
	}
	return strings.Split(text, "\n"), err
}

// do runs a command whose progress goes into the log.
func (d docker) do(ctx context.Context, args ...string) error {
	c := d.cmd(args...)
	c.Log = d.log
	return run.Do(ctx, c)
}

// stream runs a command on streams, either of which may be nil. An error of
// theirs is given back as it is, and before that of the command, which follows
// from it.
func (d docker) stream(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	c := d.cmd(args...)
	source, sink := &remembering{r: in}, &remembering{w: out}
	if in != nil {
		c.Stdin = source
	}
	if out == nil {
		sink.w = io.Discard
	}
	err := run.Stream(ctx, c, sink)
	return cmp.Or(source.failed(), sink.failed(), err)
}

// remembering keeps the error that ended reading or writing, if any.
type remembering struct {
	r   io.Reader
	w   io.Writer
	err atomic.Pointer[error]
}

func (m *remembering) failed() error {
	if err := m.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (m *remembering) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err.Store(&err)
	}
	return n, err
}

func (m *remembering) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	if err != nil {
		m.err.Store(&err)
	}
	return n, err
}

// DockerAnswers is nil where a Docker Engine and the compose plugin can be used.
func DockerAnswers(ctx context.Context) error {
	if _, err := (docker{}).text(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return fmt.Errorf("no Docker Engine answers: install and start it with scripts/setup.sh docker: %w", err)
	}
	found, err := (docker{}).text(ctx, "compose", "version", "--short")
	if err != nil {
		return fmt.Errorf("the compose plugin of Docker is missing: install it with scripts/setup.sh docker: %w", err)
	}
	version, err := semver.NewVersion(found)
	if err != nil {
		return fmt.Errorf("the compose plugin of Docker says that it is version %q: %w", found, err)
	}
	if version.LessThan(semver.MustParse(oldestCompose)) {
		return fmt.Errorf("the compose plugin of Docker is version %s, expected %s or later: install it with scripts/setup.sh docker", found, oldestCompose)
	}
	return nil
}
