package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/image"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

const (
	// envStack picks the kind of stack that things are tried on: onCompose or
	// onProcess.
	envStack = "RELEASE_STACK"
	// envStackImages replaces images of services that the compose files name, as
	// in "postgres=example.org/postgres:16,nginx=…": a mirror, a stand-in.
	envStackImages = "RELEASE_STACK_IMAGES"
)

// The kinds of stack.
const (
	onCompose = "compose"
	onProcess = "process"
)

// wantedStack is the kind that is asked for: Docker Compose where the product has
// files for it and nobody says otherwise.
func (s *Suite) wantedStack() string {
	kind := or(s.Stack, s.Getenv(envStack))
	switch {
	case kind != "":
		return kind
	case s.Product.Compose != nil:
		return onCompose
	}
	return onProcess
}

// stackKind says what things are tried on. A product with compose files is
// tried with them, unless somebody says otherwise: a Docker that does not answer
// is a refusal.
func (s *Suite) stackKind(ctx context.Context) (string, error) {
	kind := s.wantedStack()
	switch {
	case s.Product.Run == nil:
		return "", fmt.Errorf("%s does not say how it is run (Product.Run), so nothing here can try it: do so by hand", s.Product.Name)
	case kind == onProcess && s.Product.Run.Process == nil:
		return "", fmt.Errorf("%s does not run as a single process (Product.Run.Process): try it on Docker (%s=%s)", s.Product.Name, envStack, onCompose)
	case kind == onProcess:
		return kind, nil
	case kind != onCompose:
		return "", fmt.Errorf("%s=%s is no kind of stack: want %s or %s", envStack, kind, onCompose, onProcess)
	case s.Product.Compose == nil:
		return "", fmt.Errorf("%s=%s, but %s has no compose files (Product.Compose)", envStack, kind, s.Product.Name)
	}
	if err := stack.DockerAnswers(ctx); err != nil {
		return "", fmt.Errorf("%w; or try it without Docker (%s=%s), which the evidence says", err, envStack, onProcess)
	}
	return kind, nil
}

// rehearsalStack is what a rehearsal tries things on where nobody says: Docker,
// if it answers and has the images, or else processes.
func (s *Suite) rehearsalStack(ctx context.Context, dir string) (string, error) {
	how := s.Product.Run
	if how == nil {
		return "", nil // nothing is tried
	}
	if or(s.Stack, s.Getenv(envStack)) != "" || s.Product.Compose == nil || how.Process == nil {
		return s.stackKind(ctx)
	}
	err := stack.DockerAnswers(ctx)
	if err == nil {
		err = s.hasImages(ctx, dir)
	}
	if err != nil {
		s.UI.Println("Images are tried as processes, without Docker: %v", err)
		return onProcess, nil
	}
	return onCompose, nil
}

// hasImages wants the images of the services that run beside the product.
func (s *Suite) hasImages(ctx context.Context, dir string) (err error) {
	images, err := stackImages(s.Getenv(envStackImages))
	if err != nil {
		return err
	}
	c := *s.Product.Compose
	in, err := stack.OpenCompose(ctx, stack.ComposeOptions{
		Dir: dir, Run: *s.Product.Run, Compose: c, Files: c.Files, Images: images, Env: map[string]string{c.ImageEnv: s.Product.Image.Repository},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Destroy(ctx)) }()
	_, err = in.Used(ctx)
	return err
}

// stands are where a trial is run, and the release before it beside it.
type stands struct {
	suite *Suite
	kind  string
	// dir is for what has to lie on the disk meanwhile.
	dir string
	now trial
	// last is the stable version before; zero where there is none. Its image is
	// looked for in the registry.
	last     decide.Version
	registry *registry.Registry
	images   map[string]string
	step     *term.Step

	// was is the release before, once it was asked for.
	was trial
	// unpacked and loaded are the images by digest, as each kind wants them.
	unpacked map[string]image.Unpacked
	loaded   map[string]*stack.Image
	// secrets are those of every instance that was opened.
	secrets []stack.Secrets
	// compose is the last instance on Docker.
	compose *stack.Compose
}

// stands makes a place to try things on. The caller closes it.
func (s *Suite) stands(ctx context.Context, step *term.Step, now trial, last decide.Version, reg *registry.Registry) (*stands, error) {
	kind, err := s.stackKind(ctx)
	if err != nil {
		return nil, err
	}
	images, err := stackImages(s.Getenv(envStackImages))
	if err != nil {
		return nil, err
	}
	if kind == onCompose {
		removed, err := stack.Stale(ctx)
		for _, what := range removed {
			s.UI.Println("removed what a run left that was killed: %s", what)
		}
		if err != nil { // it is not in the way
			s.UI.Warn("what a run left that was killed is still there: %v", err)
		}
	}
	dir, err := os.MkdirTemp("", "try-*")
	if err != nil {
		return nil, err
	}
	return &stands{
		suite: s, kind: kind, dir: dir, now: now, last: last, registry: reg, images: images, step: step,
		unpacked: map[string]image.Unpacked{}, loaded: map[string]*stack.Image{},
	}, nil
}

// stackImages reads the value of envStackImages.
func stackImages(text string) (map[string]string, error) {
	out := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		service, ref, ok := strings.Cut(part, "=")
		if !ok || service == "" || ref == "" {
			return nil, fmt.Errorf("%s has the part %q: want SERVICE=IMAGE, separated by commas", envStackImages, part)
		}
		out[service] = ref
	}
	return out, nil
}

// close removes what trying left in Docker and on the disk.
func (t *stands) close(ctx context.Context) error {
	var errs []error
	for _, i := range t.loaded {
		errs = append(errs, i.Remove(context.WithoutCancel(ctx)))
	}
	return errors.Join(append(errs, os.RemoveAll(t.dir))...)
}

// open gives an instance that is not started yet: a [drill.Opener].
func (t *stands) open(ctx context.Context, o drill.Opening) (drill.Instance, error) {
	what := t.now
	if o.Previous {
		var err error
		if what, err = t.before(ctx); err != nil {
			return nil, err
		}
	}
	var in drill.Instance
	var err error
	if t.kind == onCompose {
		in, err = t.openCompose(ctx, what, o)
	} else {
		in, err = t.openProcess(ctx, what, o)
	}
	if err != nil {
		return nil, err
	}
	for _, secret := range in.Secrets().Values() {
		t.suite.UI.Mask(secret)
	}
	t.secrets = append(t.secrets, in.Secrets())
	return in, nil
}

// mask takes the secrets of all instances out of a record: it will be public.
func (t *stands) mask(e record.Evidence) record.Evidence {
	for _, s := range t.secrets {
		e.Summary = s.Mask(e.Summary)
		for i := range e.Steps {
			e.Steps[i].Detail = s.Mask(e.Steps[i].Detail)
		}
		for name, fact := range e.Facts {
			e.Facts[name] = s.Mask(fact)
		}
	}
	return e
}

// before is the release before. It is looked for once.
func (t *stands) before(ctx context.Context) (trial, error) {
	if t.last.IsZero() {
		return trial{}, &drill.NotApplicableError{Reason: "there is no stable release before this one"}
	}
	if t.was.image == nil {
		var err error
		if t.was, err = t.suite.previousTrial(ctx, t.step, t.registry, t.last, t.dir); err != nil {
			return trial{}, fmt.Errorf("getting %s, the release before: %w", t.last, err)
		}
	}
	return t.was, nil
}

func (t *stands) openProcess(ctx context.Context, what trial, o drill.Opening) (drill.Instance, error) {
	files, ok := t.unpacked[what.Digest]
	if !ok {
		dir := filepath.Join(t.dir, strings.ReplaceAll(what.Digest, ":", "-"))
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			files, err = image.Unpack(ctx, what.image, t.suite.Product, dir)
		}
		if err != nil {
			return nil, err
		}
		t.unpacked[what.Digest] = files
	}
	return stack.OpenProcess(ctx, stack.ProcessOptions{
		Run: *t.suite.Product.Run, Binary: files.Binary, Frontend: files.Frontend, Secrets: maps.Clone(o.Secrets), Snapshot: o.Snapshot, Parent: t.dir,
	})
}

func (t *stands) openCompose(ctx context.Context, what trial, o drill.Opening) (drill.Instance, error) {
	loaded, ok := t.loaded[what.Digest]
	if !ok {
		var err error
		if loaded, err = stack.Load(ctx, what.image); err != nil {
			return nil, err
		}
		t.loaded[what.Digest] = loaded
	}
	c := *t.suite.Product.Compose
	options := stack.ComposeOptions{
		Dir: t.suite.Dir, Run: *t.suite.Product.Run, Compose: c, Files: c.Files, Image: loaded, Images: t.images,
		Secrets: maps.Clone(o.Secrets), Snapshot: o.Snapshot, Parent: t.dir, Log: t.step.Log(),
	}
	if o.Isolated {
		options.Files, options.Project, options.Exclusive, options.FixedPorts = c.Drill, c.DrillProject, true, true
		options.Keep = o.Keep
	}
	in, err := stack.OpenCompose(ctx, options)
	if err != nil {
		return nil, err
	}
	if options.Keep { // its image stays with it, until a later run finds it without a stack
		delete(t.loaded, what.Digest)
	}
	t.compose = in
	return in, nil
}

// used are the facts about the images that ran beside what was tried.
func (t *stands) used(ctx context.Context) (map[string]string, error) {
	if t.compose == nil {
		return nil, nil
	}
	images, err := t.compose.Used(ctx)
	facts := map[string]string{}
	for service, image := range images {
		facts[usedFact+service] = image
	}
	return facts, err
}

// usedFact begins the facts about images of services.
const usedFact = "image of "
