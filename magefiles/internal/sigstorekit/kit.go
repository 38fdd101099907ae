// Package sigstorekit starts a Sigstore instance of this machine's own, on
// loopback: a real Fulcio, a real RFC 3161 timestamp authority and, where it is
// asked for, a real Rekor v2 log, from the programs that `scripts/setup.sh
// sigstore` builds, with an OIDC issuer in this process. Rehearsals and tests
// sign keyless with it, and nobody else is asked.
package sigstorekit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Programs and their versions are what scripts/setup.sh builds.
const (
	fulcioProgram    = "fulcio-v1.8.8"
	timestampProgram = "timestamp-server-v2.1.3"
	rekorProgram     = "rekor-server-v2.2.1"
)

// Install is the command that builds the programs.
const Install = "scripts/setup.sh sigstore"

// ready bounds the start of a server. One second is usual.
const ready = time.Minute

// Options of an instance.
type Options struct {
	// Dir keeps keys, trusted root, data and logs of the servers. With those of
	// an earlier instance in it, the new one has the same keys.
	Dir string
	// Log adds a Rekor v2 log.
	Log bool
	// Untimed leaves the timestamp authority out.
	Untimed bool
	// Wait is how long to wait for another timestamp authority on this machine to
	// end: it serves its metrics on a port that cannot be chosen, so that there is
	// one at a time. On Linux, as root, it has a network of its own, and nobody
	// waits.
	Wait time.Duration
}

// Instance is a running one.
type Instance struct {
	dir     string
	o       Options
	issuer  *issuer
	servers []*server
	// fronts are what leads to servers on sockets.
	fronts []io.Closer
	// Services are its addresses.
	Services product.Services
	// TrustedRoot is what verifies what it signs, in JSON
	// (application/vnd.dev.sigstore.trustedroot+json;version=0.1).
	TrustedRoot []byte
}

// Missing names the programs that are not there.
func Missing(o Options) []string {
	var out []string
	for _, name := range o.programs() {
		if _, err := program(name); err != nil {
			out = append(out, name)
		}
	}
	return out
}

func (o Options) programs() []string {
	out := []string{fulcioProgram}
	if !o.Untimed {
		out = append(out, timestampProgram)
	}
	if o.Log {
		out = append(out, rekorProgram)
	}
	return out
}

// program finds what scripts/setup.sh put into the cache.
func program(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}
	path := filepath.Join(cache, "rustshare-release", "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not there: run %s (minutes, once): %w", name, Install, err)
	}
	return path, nil
}

// Start starts an instance, which ends with ctx. The caller closes it.
func Start(ctx context.Context, o Options) (_ *Instance, err error) {
	for _, name := range o.programs() {
		if _, err := program(name); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	i := &Instance{dir: dir, o: o}
	if err := os.MkdirAll(i.path(), 0o700); err != nil {
		return nil, fmt.Errorf("starting a Sigstore instance: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a Sigstore instance: %w", err), i.Close())
		}
	}()
	if err := i.authorities(); err != nil {
		return nil, err
	}
	if i.TrustedRoot, err = os.ReadFile(i.path(rootFile)); err != nil {
		return nil, err
	}
	if i.issuer, err = serveIssuer(i.path(issuerCA)); err != nil {
		return nil, err
	}
	return i, i.start(ctx)
}

func (i *Instance) path(elem ...string) string {
	return filepath.Join(append([]string{i.dir}, elem...)...)
}

// start starts the servers side by side.
func (i *Instance) start(ctx context.Context) error {
	ports, err := freePorts(ctx, 7)
	if err != nil {
		return err
	}
	config, err := fulcioConfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(i.path("fulcio.json"), config, 0o600); err != nil {
		return err
	}
	at := func(n int) string { return "http://" + net.JoinHostPort(host, ports[n]) }
	i.Services.Fulcio = at(0)
	starts := []server{
		{program: fulcioProgram, ready: at(0) + "/healthz", env: i.issuer.env(), args: []string{
			"serve", "--ca=fileca", "--fileca-cert=" + i.path(fulcioCA), "--fileca-key=" + i.path(fulcioKey), "--fileca-key-passwd=none",
			"--fileca-watch=false", "--ct-log-url=", "--config-path=" + i.path("fulcio.json"),
			"--host=" + host, "--port=" + ports[0], "--grpc-host=" + host, "--grpc-port=" + ports[1], "--metrics-port=" + ports[2],
			"--legacy-unix-domain-socket=@fulcio-" + ports[0],
		}},
	}
	if i.o.Log {
		i.Services.Logs = []product.Log{{URL: at(4), Version: 2}}
		starts = append(starts, server{program: rekorProgram, ready: at(4) + "/healthz", args: []string{
			"serve", "--hostname=" + host, "--http-address=" + host, "--http-port=" + ports[4], "--grpc-address=" + host, "--grpc-port=" + ports[5],
			"--http-metrics-port=" + ports[6], "--signer-filepath=" + i.path(rekorKey), "--storage-dir=" + i.path("rekor"),
			"--checkpoint-interval=100ms", "--batch-max-age=10ms", "--log-level=warn",
		}})
	}
	for n := range starts {
		s := &starts[n]
		if err := s.start(ctx, i.path()); err != nil {
			return err
		}
		i.servers = append(i.servers, s)
	}
	if !i.o.Untimed {
		i.Services.Timestamps = []string{at(3) + "/api/v1/timestamp"}
		if err := i.startTimestamps(ctx, ports[3]); err != nil {
			return err
		}
	}
	for _, s := range i.servers {
		if err := s.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fulcioConfig has Fulcio trust the issuers of this process.
func fulcioConfig() ([]byte, error) {
	type entry struct {
		IssuerURL string
		ClientID  string
		Type      string
	}
	all := map[string]entry{}
	for url, kind := range issuers() {
		all[url] = entry{url, Audience, kind}
	}
	return json.Marshal(map[string]any{"OIDCIssuers": all})
}

// Close ends the servers. Keys and data stay.
func (i *Instance) Close() error {
	var errs []error
	for _, s := range i.servers {
		errs = append(errs, s.stop())
	}
	for _, f := range slices.Backward(i.fronts) {
		errs = append(errs, f.Close())
	}
	if i.issuer != nil {
		errs = append(errs, i.issuer.close())
	}
	return errors.Join(errs...)
}

// server is one of the programs.
type server struct {
	program, ready string
	args, env      []string
	attr           *syscall.SysProcAttr

	log     string
	process *exec.Cmd
	ended   chan struct{}
}

func (s *server) start(ctx context.Context, dir string) error {
	path, err := program(s.program)
	if err != nil {
		return err
	}
	s.log = filepath.Join(dir, s.program+".log")
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the program has its own descriptor
	s.process = exec.CommandContext(ctx, path, s.args...)
	s.process.SysProcAttr = s.attr
	s.process.Dir, s.process.Stdout, s.process.Stderr = dir, log, log
	s.process.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, s.env...)
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", s.program, err)
	}
	s.ended = make(chan struct{})
	go func() {
		_ = s.process.Wait() // stopped, or told by await
		close(s.ended)
	}()
	return nil
}

// await waits until the server answers.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.ready, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			if err := resp.Body.Close(); err == nil && resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended at its start: %s", s.program, s.said())
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer at %s: %w: %s", s.program, s.ready, ctx.Err(), s.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// said is the end of the server's log.
func (s *server) said() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-9):], "\n")
}

func (s *server) stop() error {
	if s.process == nil || s.process.Process == nil {
		return nil
	}
	if err := s.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", s.program, err)
	}
	<-s.ended
	return nil
}

// host is where the servers listen; the trusted root names the log by it.
const host = "127.0.0.1"

func freePorts(ctx context.Context, n int) ([]string, error) {
	var out []string
	var open []net.Listener
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		open = append(open, l)
		out = append(out, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)) //nolint:forcetypeassert // it is what was listened on
	}
	var errs []error
	for _, l := range slices.Backward(open) {
		errs = append(errs, l.Close())
	}
	return out, errors.Join(errs...)
}
