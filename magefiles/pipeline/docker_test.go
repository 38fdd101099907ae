package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// TestTries releases the sample product and tries its image for good: without
// Docker, on a real Docker Engine with PostgreSQL and an S3 server, and with
// every failure that a release must not get through with. It compiles two
// releases of the sample for this machine.
//
// The parts follow one another: each uses what the ones before released.
func TestTries(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it compiles the sample product and runs it in containers")
	}
	w := newTried(t)
	stable, candidate := w.history.Episodes[0], w.history.Episodes[2]
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"release without Docker", func(t *testing.T) { w.stableOnProcess(t, stable) }},
		{"Docker does not answer", func(t *testing.T) { w.dockerIsDead(t, candidate) }},
		{"pilot on Docker", func(t *testing.T) { w.pilotOnDocker(t, candidate) }},
		{"process stack", func(t *testing.T) { w.processStack(t, candidate) }},
		{"failures on Docker", func(t *testing.T) { w.failuresOnDocker(t, candidate) }},
		{"interrupt", func(t *testing.T) { w.interrupt(t, candidate) }},
	} {
		if !t.Run(part.name, part.test) {
			t.Fatalf("%q failed, which what follows builds on", part.name)
		}
	}
	if left := ofProcess(t, os.Getpid()); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	onDisk, err := os.ReadDir(os.TempDir())
	ok(t, err)
	for _, f := range onDisk {
		if f.Name() != lockFile {
			t.Errorf("left behind: %s", filepath.Join(os.TempDir(), f.Name()))
		}
	}
}

// lockFile stays: it is what restore drills of a machine lock.
const lockFile = "release-restore-drill.lock"

// tried is a world with the sample product, made for this machine alone, and
// the tries that its policy asks for.
type tried struct {
	*world
	// project is that of the restore drill's stack.
	project string
}

// triedProduct is the sample for this machine, with a restore drill that is out
// of the way of others.
func triedProduct(project string) product.Product {
	p := product.RustShare()
	p.Workflows, p.Extra, p.Scan = nil, nil, nil // nothing runs them here
	p.Cargo.Targets = slices.DeleteFunc(p.Cargo.Targets, func(t product.Target) bool { return t.Arch != runtime.GOARCH })
	c := *p.Compose
	c.DrillProject = project
	p.Compose = &c
	return p
}

func newTried(t *testing.T) *tried {
	t.Helper()
	// What is left behind on the disk would be in there.
	t.Setenv("TMPDIR", t.TempDir())
	project := fmt.Sprintf("tried-%d", os.Getpid())
	p := triedProduct(project)
	sample := filepath.Join(t.TempDir(), "sample")
	leave := []string{"target", "node_modules", "dist"}
	ok(t, copyAll(filepath.Join(root(t), "testdata", p.Name), sample, func(path string) bool { return slices.Contains(leave, filepath.Base(path)) }))
	file := filepath.Join(sample, p.Compose.Drill[0])
	text, err := os.ReadFile(file)
	ok(t, err)
	text = regexp.MustCompile(`127\.0\.0\.1:\d+:`).ReplaceAllFunc(text, func([]byte) []byte { return []byte("127.0.0.1:" + freePort(t) + ":") })
	ok(t, os.WriteFile(file, text, 0o644))
	w := &tried{emptyWorld(t, p), project}
	w.env = map[string]string{}
	w.UI = term.New(testLog{t}, func(string) string { return "" })
	w.CargoTarget, err = cacheDir("rehearse", p.Name, "target")
	ok(t, err)
	w.serve(registries.All()["embedded"](t))
	enough := errors.New("enough")
	err = w.fresh(t.Context(), sample, func(_ context.Context, e episode) error {
		if e.Channel == decide.Candidate {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return w
}

// freePort is one of this machine's that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer l.Close() //nolint:errcheck // it was never used
	_, port, err := net.SplitHostPort(l.Addr().String())
	ok(t, err)
	return port
}

// withoutDocker has Docker's client ask where nothing answers.
func withoutDocker(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "no.sock"))
}

// withDocker has services beside the backend run the images that there are.
func (w *tried) withDocker(t *testing.T) map[string]string {
	t.Helper()
	ok(t, stack.DockerAnswers(t.Context()))
	images := testkit.StackImages(t)
	var list []string
	for service, image := range images {
		list = append(list, service+"="+image)
	}
	w.set(t, envStackImages, strings.Join(list, ","))
	return images
}

// set gives the suite a variable until the end of a test.
func (w *tried) set(t *testing.T, name, value string) {
	w.env[name] = value
	t.Cleanup(func() { delete(w.env, name) })
}

// bundle is that of an episode.
func (w *tried) bundle(t *testing.T, e episode) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(w.dist(e.Ref))
	ok(t, err)
	return b
}

// at gives where an episode's image is tried, after the image of another one.
func (w *tried) at(t *testing.T, e, before episode) *stands {
	t.Helper()
	ok(t, (git.Repo{Dir: w.Dir}).Detach(t.Context(), e.Commit))
	reg, err := w.openRegistry(t.Context(), true)
	ok(t, err)
	t.Cleanup(reg.close)
	now, err := trialOf(w.bundle(t, e))
	ok(t, err)
	v, err := decide.ParseVersion(strings.TrimPrefix(before.Ref, "v"))
	ok(t, err)
	at, err := w.stands(t.Context(), nil, now, v, reg.Registry)
	ok(t, err)
	t.Cleanup(func() { ok(t, at.close(context.Background())) })
	return at
}

// tries runs one of what an image can be tried with, and logs to a writer.
func (w *tried) tries(t *testing.T, at *stands, b *bundle.Bundle, name string, a attempt, log io.Writer) (e record.Evidence, err error) {
	t.Helper()
	if a.Evidence == "" {
		a.Evidence = filepath.Join(t.TempDir(), "evidence")
	}
	ui := term.New(log, func(string) string { return "" })
	err = ui.Run(t.Context(), name, func(ctx context.Context, step *term.Step) error {
		at.step = step
		e, err = w.show(ctx, at, b, name, a)
		return err
	})
	return e, err
}

// stableOnProcess has the first release, whose tries need no Docker.
func (w *tried) stableOnProcess(t *testing.T, e episode) {
	withoutDocker(t)
	w.set(t, envStack, onProcess)
	ok(t, w.play(t.Context(), e))
	for _, name := range []string{"smoke:launch", pilot.Name} {
		if got := w.evidence(t, w.bundle(t, e), name, onProcess); got.Result != record.Pass {
			t.Errorf("%s is %s: %s", name, got.Result, got.Summary)
		}
	}
}

// dockerIsDead: a release is refused before anything of it is public.
func (w *tried) dockerIsDead(t *testing.T, e episode) {
	withoutDocker(t)
	before := w.public(t)
	err := w.play(t.Context(), e)
	says(t, err, "smoke:pilot has to be passed before the release is published: no Docker Engine answers", "scripts/setup.sh docker", envStack+"="+onProcess)
	if _, err := os.Stat(w.dist(e.Ref)); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was built before anybody asked for Docker")
	}
	if after := w.public(t); after != before {
		t.Errorf("it was refused and left %s, where there was %s", after, before)
	}
}

// public is what others see of the product's releases.
func (w *tried) public(t *testing.T) string {
	t.Helper()
	tags, err := remote.List(mustRef(t, w.Image+":latest").Context())
	ok(t, err)
	pages, err := filepath.Glob(w.dist(releasesDir, "*"))
	ok(t, err)
	slices.Sort(tags)
	return strings.Join(append(tags, pages...), " ")
}

// processStack does it all without Docker.
func (w *tried) processStack(t *testing.T, e episode) {
	withoutDocker(t)
	w.set(t, envStack, onProcess)
	at := w.at(t, e, w.history.Episodes[0])
	dir := t.TempDir()
	for _, name := range []string{"smoke:launch", "smoke:beta", "drill:backup", "drill:restore", "drill:upgrade"} {
		got, err := w.tries(t, at, w.bundle(t, e), name, attempt{Evidence: filepath.Join(dir, strings.ReplaceAll(name, ":", "-"))}, testLog{t})
		ok(t, err)
		if got.Result != record.Pass || got.Stack != onProcess || got.Digest != at.now.Digest {
			t.Errorf("%s is %s on %q: %s", name, got.Result, got.Stack, got.Summary)
		}
	}
	backups, err := filepath.Glob(filepath.Join(dir, "drill-backup", "backups", "*"))
	ok(t, err)
	if len(backups) != 1 {
		t.Fatalf("the backups are %v", backups)
	}
	ok(t, w.VerifyBackup(t.Context(), backups[0], false))
}

// pilotOnDocker has the candidate that was refused, with a Docker that answers.
func (w *tried) pilotOnDocker(t *testing.T, e episode) {
	images := w.withDocker(t)
	look := bystander(t, images)
	ok(t, w.play(t.Context(), e))
	look()
	got := w.evidence(t, w.bundle(t, e), pilot.Name, onCompose)
	if got.Result != record.Pass {
		t.Errorf("it is %s: %s", got.Result, got.Summary)
	}
	var names []string
	for _, s := range got.Steps {
		names = append(names, s.Name)
		if s.Result != record.Pass {
			t.Errorf("%s is %s: %s", s.Name, s.Result, s.Detail)
		}
	}
	if want := pilot.Phases(); !slices.Equal(names, want) {
		t.Errorf("the phases are %q, expected %q", names, want)
	}
	if len(got.Logs) != 1 {
		t.Errorf("the packed logs are %v", got.Logs)
	}
	if last := w.outcomes[len(w.outcomes)-1]; got.Digest != last.Digest.String() || !last.Report.Passed {
		t.Errorf("tried was %s, published %s, verified: %t", got.Digest, last.Digest, last.Report.Passed)
	}
	upgraded := got.Steps[slices.Index(names, "upgrade drill")]
	t.Logf("upgrade drill: %s %v", upgraded.Detail, got.Facts)
}

// evidence is the newest record of a try on a kind of stack.
func (w *tried) evidence(t *testing.T, b *bundle.Bundle, name, kind string) record.Evidence {
	t.Helper()
	all, err := record.ReadEvidence(b)
	ok(t, err)
	i := slices.IndexFunc(all, func(e record.Evidence) bool { return e.Name == name && e.Stack == kind })
	if i < 0 {
		t.Fatalf("there is no record of %s on %s", name, kind)
	}
	return all[i]
}
