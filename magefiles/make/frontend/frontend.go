// Package frontend builds and tests the product's npm project. It knows
// product.
package frontend

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Options say what to build and from what.
type Options struct {
	// Dir is the product's checkout.
	Dir      string
	Frontend product.Frontend
	// CommitTime becomes SOURCE_DATE_EPOCH.
	CommitTime time.Time
	// Log gets what npm says, line by line; nil for silence.
	Log io.Writer
	// Found gets the programs that are used; it may be nil.
	Found *Tools
}

// Tools are the programs that a frontend needs.
type Tools struct {
	// Npm and Node are absolute paths, the versions as the programs print them
	// without "v".
	Npm, NpmVersion, Node, NodeVersion string
}

// Find looks for node and npm on PATH. The error says what is missing and how
// to install it.
func Find(ctx context.Context) (Tools, error) {
	var t Tools
	for _, p := range []struct {
		name          string
		path, version *string
	}{{"node", &t.Node, &t.NodeVersion}, {"npm", &t.Npm, &t.NpmVersion}} {
		path, err := exec.LookPath(p.name)
		if err != nil {
			return t, fmt.Errorf("the frontend needs %s, which is not on PATH: install it with `scripts/setup.sh` (`apt-get install nodejs npm`)", p.name)
		}
		version, err := run.Text(ctx, run.Cmd{Name: path, Args: []string{"--version"}})
		if err != nil {
			return t, fmt.Errorf("asking %s for its version: %w", p.name, err)
		}
		*p.path, *p.version = path, strings.TrimPrefix(version, "v")
	}
	return t, nil
}

// Build installs the locked packages, runs the project's build script and
// gives the directory with its output, absolute. What an earlier build left
// there is removed first. Packages that were installed from the very same
// package-lock.json are not installed again.
func Build(ctx context.Context, o Options) (string, error) {
	tools, err := o.install(ctx)
	if err != nil {
		return "", err
	}
	output, err := filepath.Abs(filepath.Join(o.Dir, filepath.FromSlash(o.Frontend.Output)))
	if err != nil {
		return "", err
	}
	if err := o.clear(ctx, output); err != nil {
		return "", err
	}
	if err := o.npm(ctx, tools, "run", "build"); err != nil {
		return "", fmt.Errorf("building the frontend: %w", err)
	}
	if err := checkOutput(output); err != nil {
		return "", fmt.Errorf("%w: `npm run build` in %s has to write to it, or Frontend.Output in the product's definition has to name another directory", err, o.Frontend.Dir)
	}
	return output, nil
}

// Test installs the locked packages and runs the project's test script, with
// these arguments for it.
func Test(ctx context.Context, o Options, args ...string) error {
	tools, err := o.install(ctx)
	if err != nil {
		return err
	}
	if err := o.npm(ctx, tools, append([]string{"run", "test", "--"}, args...)...); err != nil {
		return fmt.Errorf("testing the frontend: %w", err)
	}
	return nil
}

// marker lies in node_modules and names what it was installed from; `npm ci`
// removes it with all the rest before it begins.
const marker = ".release-installed"

func (o Options) install(ctx context.Context) (Tools, error) {
	tools, err := Find(ctx)
	if err != nil {
		return tools, err
	}
	if o.Found != nil {
		*o.Found = tools
	}
	dir := o.dir()
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return tools, fmt.Errorf("%s has no package-lock.json: commit the one that `npm install` writes, a release takes locked packages only", dir)
	}
	if err != nil {
		return tools, err
	}
	want := fmt.Sprintf("%x node %s %s/%s\n", sha256.Sum256(lock), tools.NodeVersion, runtime.GOOS, runtime.GOARCH)
	path := filepath.Join(dir, "node_modules", marker)
	if got, err := os.ReadFile(path); err == nil && string(got) == want {
		return tools, nil
	}
	if err := o.npm(ctx, tools, "ci", "--no-audit", "--no-fund", "--include=dev"); err != nil {
		return tools, fmt.Errorf("installing the frontend's packages: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // no packages, no directory
		return tools, err
	}
	return tools, os.WriteFile(path, []byte(want), 0o644)
}

func (o Options) dir() string { return filepath.Join(o.Dir, filepath.FromSlash(o.Frontend.Dir)) }

// passed are the variables that a build may see: where things are and how to
// reach the network. Bundlers write others into their output, those that begin
// with VITE_ for one. A name that ends in "*" is a prefix.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL",
	"npm_config_*", "NPM_CONFIG_*", "NPM_TOKEN", "NODE_AUTH_TOKEN", "NODE_EXTRA_CA_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
}

func environment(environ []string, commitTime time.Time) []string {
	var env []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(passed, func(p string) bool {
			prefix, many := strings.CutSuffix(p, "*")
			return name == p || many && strings.HasPrefix(name, prefix)
		}) || run.ShowsTime(kv) {
			env = append(env, kv)
		}
	}
	return append(env,
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(commitTime.Unix(), 10),
		"CI=1", "TZ=UTC", "NO_COLOR=1", "npm_config_update_notifier=false",
	)
}

func (o Options) npm(ctx context.Context, tools Tools, args ...string) error {
	var secrets []string
	for _, name := range []string{"NPM_TOKEN", "NODE_AUTH_TOKEN"} {
		secrets = append(secrets, os.Getenv(name))
	}
	cmd := run.Cmd{
		Name: tools.Npm, Args: args, Dir: o.dir(), Secrets: secrets,
		BareEnv: true, Env: environment(os.Environ(), o.CommitTime), Log: o.Log,
	}
	return run.Do(ctx, cmd)
}

// clear removes an earlier build's output, so that nothing stale goes into the
// image. Sources are never removed: a directory with files that git tracks is
// refused, and outside of a git repository nothing is removed.
func (o Options) clear(ctx context.Context, output string) error {
	if _, err := os.Stat(output); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	tracked, err := run.Text(ctx, run.Cmd{Name: "git", Args: []string{"ls-files", "--", o.Frontend.Output}, Dir: o.Dir})
	if err != nil {
		return ctx.Err()
	}
	if tracked != "" {
		first, _, _ := strings.Cut(tracked, "\n")
		return fmt.Errorf("Frontend.Output %s holds %s, which git tracks: it has to be a directory that only the build writes", o.Frontend.Output, first)
	}
	if err := os.RemoveAll(output); err != nil {
		return fmt.Errorf("removing an earlier build of the frontend: %w", err)
	}
	return nil
}

func checkOutput(dir string) error {
	found := errors.New("found")
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			return found
		}
		return err
	})
	switch {
	case errors.Is(err, found):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the frontend's output directory %s was not made", dir)
	case err != nil:
		return err
	}
	return fmt.Errorf("the frontend's output directory %s holds no file", dir)
}
