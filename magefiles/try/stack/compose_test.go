package stack_test

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
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

func appURL(t *testing.T, c *stack.Compose) string {
	t.Helper()
	return "http://" + dockerSays(t, "port", c.Project()+"-app-1", "8080/tcp")
}

// TestCompose is the life of a stack, from the first start to the last of its
// services killed.
func TestCompose(t *testing.T) {
	t.Setenv("ANSWER", "of the caller, must not get there")
	o := composed(t, "PRINT", "key $JWT_SECRET,over", "GIVEN", "yes")
	bystander(t, o.Image.Ref)
	c := composeStarted(t, o)

	res, err := http.Get(c.URL() + "/surroundings")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	_, body := get(t, appURL(t, c)+"/surroundings")
	var got struct{ Env, Args []string }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GIVEN=yes", "ANSWER=none", "JWT_SECRET=" + c.Secrets()["JWT_SECRET"]} {
		if !slices.Contains(got.Env, want) {
			t.Errorf("the backend's environment has no %s: %v", want, got.Env)
		}
	}
	overlay, err := os.ReadFile(filepath.Join(c.Dir(), "overlay.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.Secrets() {
		if strings.Contains(string(overlay), value) || strings.Contains(fmt.Sprint(got.Args), value) {
			t.Errorf("%s shows in the overlay or in arguments", name)
		}
	}
	for container, want := range map[string]string{"app": "8080/tcp -> 127.0.0.1", "web": "8080/tcp -> 127.0.0.1", "db": "", "store": ""} {
		if out := dockerSays(t, "port", c.Project()+"-"+container+"-1"); !strings.HasPrefix(out, want) || want == "" && out != "" {
			t.Errorf("%s publishes %q", container, out)
		}
	}

	// Data and logs outlive a restart.
	get(t, appURL(t, c)+"/put/one")
	if err := c.Restart(t.Context(), stack.Backend, stack.Proxy); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, appURL(t, c)+"/get/one"); status != 200 || body != "one" {
		t.Errorf("got %d %s", status, body)
	}
	text := logs(t, c)
	wants(t, text, "key ***\nover", "asked to stop")
	if n := strings.Count(text, "hello from run"); n != 2 {
		t.Errorf("the log has %d runs, want 2:\n%s", n, text)
	}
	leaks, err := c.Leaks(t.Context())
	if want := []stack.Leak{{Service: stack.Backend, Secret: "JWT_SECRET"}}; err != nil || !slices.Equal(leaks, want) {
		t.Errorf("got %v, %v", leaks, err)
	}

	// A service goes away and comes back.
	if err := c.Stop(t.Context(), stack.ObjectStore); err != nil {
		t.Fatal(err)
	}
	if err := c.Unready(t.Context()); err != nil {
		t.Errorf("without object store: %v", err)
	}
	if err := c.Start(t.Context(), stack.ObjectStore); err != nil {
		t.Errorf("starting the object store: %v", err)
	}

	var out bytes.Buffer
	if err := c.Exec(t.Context(), stack.Backend, []string{"/server", "copy"}, strings.NewReader("in and out"), &out); err != nil || out.String() != "in and out" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	var unsupported *stack.UnsupportedError
	if err := c.Stop(t.Context(), "search"); !errors.As(err, &unsupported) {
		t.Errorf("stopping what there is not gave %v", err)
	}
	wants(t, fmt.Sprint(unsupported), `a stack of kind "compose" cannot stop the search: the compose files have no such service`)

	dockerSays(t, "kill", c.Project()+"-db-1")
	err = c.Ready(t.Context())
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Service != stack.Database || exit.Code != -1 {
		t.Errorf("a killed database gave %v", err)
	}
	wants(t, fmt.Sprint(err), "the database ended by itself (signal: killed); the last it logged:\nhello from run")
	if err := c.Stop(t.Context(), stack.Database); !errors.As(err, &exit) {
		t.Errorf("stopping what was killed gave %v", err)
	}
	if err := c.Stop(t.Context(), stack.Backend); err != nil {
		t.Error(err)
	}
	if err := c.Exec(t.Context(), stack.Backend, []string{"/server", "copy"}, nil, nil); err == nil || !strings.Contains(err.Error(), "the backend does not run (Exited") {
		t.Errorf("a command in what is stopped gave %v", err)
	}
}

// TestComposeExit: with a patience of an hour, only being told at once ends
// these.
func TestComposeExit(t *testing.T) {
	alone := []stack.Service{stack.Backend} // without waiting for others
	for name, tt := range map[string]struct {
		change func(*v1.Config)
		env    []string
		start  []stack.Service
		want   []string
	}{
		"exits":           {nil, []string{"EXIT", "3", "PRINT", "key $JWT_SECRET"}, nil, []string{"the backend ended by itself (exit status 3)", "key ***", "cannot go on"}},
		"ends well":       {nil, []string{"EXIT", "0"}, alone, []string{"the backend ended by itself (exit status 0)"}},
		"no such program": {func(c *v1.Config) { c.Entrypoint = []string{"/nope"} }, nil, alone, []string{"the backend ended by itself (exit status 127, Docker could not start it: ", "/nope", "it logged nothing"}},
		"not a program":   {func(c *v1.Config) { c.Entrypoint = []string{"/etc/hostname"} }, nil, alone, []string{"the backend ended by itself (exit status 126, Docker could not start it: ", "permission denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := composed(t, tt.env...)
			o.Patience, o.Image = time.Hour, load(t, scratch(t, tt.change))
			err := compose(t, o).Start(t.Context(), tt.start...)
			var exit *stack.ExitError
			if !errors.As(err, &exit) || exit.Service != stack.Backend {
				t.Fatalf("got %v", err)
			}
			wants(t, err.Error(), tt.want...)
		})
	}
}

func TestComposeNeverReady(t *testing.T) {
	o := composed(t, "NEVER", "1")
	o.Patience = 20 * time.Second // all is up by then
	c := compose(t, o)
	err := c.Start(t.Context())
	var unready *stack.ReadinessError
	if !errors.As(err, &unready) {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "was not ready within ", "GET "+c.URL()+"/health/ready: answered 503", "the last it logged:\nhello from run")
	if err := c.Unready(t.Context()); err != nil {
		t.Errorf("waiting for what it is gave %v", err)
	}
}

// TestComposeCancel: an ended context, and a panic, leave nothing either.
func TestComposeCancel(t *testing.T) {
	c := compose(t, composed(t, "NEVER", "1", "STUBBORN", "1"))
	interrupted := errors.New("interrupted by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(3*time.Second, func() { cancel(interrupted) })
	if err := c.Start(ctx); !errors.Is(err, interrupted) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		defer func() {
			if err := c.Destroy(ctx); err != nil {
				t.Error(err)
			}
		}()
		panic("in a journey")
	}()
	nothingOf(t, c.Project())
	if err := c.Logs(t.Context(), stack.Backend, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the logs of what is destroyed: %v", err)
	}
	if err := c.Start(ctx); !errors.Is(err, interrupted) {
		t.Errorf("starting after that: %v", err)
	}
}

func TestComposePortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	o := composed(t, "WEB_PORT", port)
	o.FixedPorts = true
	fixed := compose(t, o)
	if want := "http://127.0.0.1:" + port; fixed.URL() != want {
		t.Errorf("got %s, want %s", fixed.URL(), want)
	}
	err = fixed.Start(t.Context(), stack.Proxy)
	var taken *stack.PortError
	if !errors.As(err, &taken) || taken.Service != stack.Proxy {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "the proxy cannot listen on 127.0.0.1:"+port+", which is taken: `ss -ltnp 'sport = :"+port+"'` tells which program has it")

	if err := fixed.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}

	// Of ports that are not fixed there are others.
	free := compose(t, composed(t))
	before := free.URL()
	other, err := net.Listen("tcp", strings.TrimPrefix(before, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := free.Start(t.Context()); err != nil || free.URL() == before {
		t.Errorf("starting gave %v at %s", err, free.URL())
	}

	// Another container has it.
	_, o.Env["WEB_PORT"], _ = net.SplitHostPort(strings.TrimPrefix(free.URL(), "http://"))
	o.Parent = t.TempDir()
	err = compose(t, o).Start(t.Context(), stack.Proxy)
	if !errors.As(err, &taken) || taken.Holder != free.Project()+"-web-1" {
		t.Fatalf("got %v", err)
	}
	wants(t, err.Error(), "which is taken: container "+taken.Holder+" has it")
}

func TestComposeProbe(t *testing.T) {
	c := composeStarted(t, composed(t))
	before := dockerSays(t, "ps", "--all", "--filter", "label=com.docker.compose.project="+c.Project(), "--format", "{{.Names}} {{.ID}}")
	if err := c.Probe(t.Context(), map[string]string{"PRINT": "fine"}); err != nil {
		t.Errorf("one that is well: %v", err)
	}
	err := c.Probe(t.Context(), map[string]string{"EXIT": "4", "PRINT": "key $RUSTSHARE_ADMIN_PASSWORD$JWT_SECRET", "JWT_SECRET": "weak"})
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Code != 4 {
		t.Errorf("one that ends gave %v", err)
	}
	wants(t, fmt.Sprint(err), "cannot go on")
	if after := dockerSays(t, "ps", "--all", "--filter", "label=com.docker.compose.project="+c.Project(), "--format", "{{.Names}} {{.ID}}"); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	wants(t, logs(t, c), "fine", "weak")
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if leaks, err := c.Leaks(t.Context()); err != nil || len(leaks) > 0 {
		t.Errorf("got %v, %v", leaks, err)
	}
	_ = c.Probe(t.Context(), map[string]string{"EXIT": "4", "PRINT": "key $JWT_SECRET"})
	if leaks, err := c.Leaks(t.Context()); err != nil || len(leaks) != 1 {
		t.Errorf("what a probe logged: %v, %v", leaks, err)
	}
}

func TestComposeConfig(t *testing.T) {
	o := composed(t)
	for want, change := range map[string]func(*stack.ComposeOptions){
		"set MORE to something":                                 func(o *stack.ComposeOptions) { o.Files = []string{"docker-compose.yml", "needs.yml"} },
		"volume objects of the compose files is external":       func(o *stack.ComposeOptions) { o.Files = []string{"docker-compose.yml", "external.yml"} },
		`have no service "search", which Product.Compose names`: func(o *stack.ComposeOptions) { o.Images = map[string]string{"search": "none"} },
		"nowhere.yml":                          func(o *stack.ComposeOptions) { o.Files = []string{"nowhere.yml"} },
		"publish no host port for port 81":     func(o *stack.ComposeOptions) { o.FixedPorts, o.Compose.ProxyPort = true, 81 },
		"is not a snapshot of a compose stack": func(o *stack.ComposeOptions) { o.Snapshot = t.TempDir() },
	} {
		o := o
		change(&o)
		_, err := stack.OpenCompose(t.Context(), o)
		wants(t, fmt.Sprint(err), want)
	}
	if left, _ := os.ReadDir(o.Parent); len(left) > 0 {
		t.Errorf("%v is left of stacks that could not be opened", left)
	}
	c := compose(t, o)
	text, err := c.Config(t.Context(), "docker-compose.yml")
	var got struct {
		Services map[string]struct{ Environment map[string]string }
	}
	if err = errors.Join(err, json.Unmarshal(text, &got)); err != nil || got.Services["app"].Environment["JWT_SECRET"] != "***" || got.Services["app"].Environment["ANSWER"] != "none" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "was not started") {
		t.Errorf("readiness of what was not started: %v", err)
	}
}

func TestLoad(t *testing.T) {
	img := scratch(t, func(c *v1.Config) { c.Labels = map[string]string{"of": t.Name() + fmt.Sprint(time.Now().UnixNano())} })
	one, two := load(t, img), load(t, img)
	id, err := img.ConfigName()
	if err != nil || one.ID != id.String() || two.ID != one.ID || one.Ref == two.Ref {
		t.Errorf("got %v and %v, want %v (%v)", one, two, id, err)
	}
	for range 2 {
		if err := one.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	dockerSays(t, "image", "inspect", two.Ref)

	// Another image under the name is found out.
	o := composed(t)
	dockerSays(t, "tag", two.Ref, o.Image.Ref)
	wants(t, fmt.Sprint(compose(t, o).Start(t.Context())), "the backend has the image "+two.ID+", expected "+o.Image.ID)
}

func TestNoDocker(t *testing.T) {
	o := stack.ComposeOptions{Dir: "testdata/compose", Run: how, Compose: files, Exclusive: true, Parent: t.TempDir()}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	wants(t, fmt.Sprint(stack.DockerAnswers(t.Context())), "no Docker Engine answers: install and start it with scripts/setup.sh docker")
	_, err := stack.OpenCompose(t.Context(), o)
	wants(t, fmt.Sprint(err), "looking whether project ", "is free: asking Docker for containers")
	_, err = stack.Stale(t.Context())
	wants(t, fmt.Sprint(err), "looking for containers of dead runs")
	t.Setenv("PATH", t.TempDir())
	wants(t, fmt.Sprint(stack.DockerAnswers(t.Context())), "executable file not found", "scripts/setup.sh docker")
}
