package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// ComposeOptions say what to run with Docker Compose, and how.
type ComposeOptions struct {
	// Dir is the product's checkout, Run says how the product is run, and
	// Compose tells of its files.
	Dir     string
	Run     product.Run
	Compose product.Compose
	// Files are used instead of Compose.Files; relative to Dir.
	Files []string
	// Project is the name of the compose project; empty: one of our own. With a
	// name, or with Exclusive, a [*CollisionError] is given where any container,
	// volume or network is labelled with the project.
	Project   string
	Exclusive bool
	// FixedPorts publishes what the files say. Otherwise backend and proxy get
	// free ports of 127.0.0.1, and nothing else is published.
	FixedPorts bool
	// Image is the backend's; nil: that of the files. Images are used for other
	// services, by their names in the files, instead of the files' own. None of
	// these is ever pulled.
	Image  *Image
	Images map[string]string
	// Env are variables for the files and for the backend, besides what the
	// stack sets, and win over it. Nothing else of this process's environment
	// reaches them.
	Env map[string]string
	// Secrets are those to run with; those that are missing are made. To take
	// over another stack's data, take over its secrets.
	Secrets Secrets
	// Snapshot is a directory that Snapshot filled, to begin with its data;
	// empty: no data. It is only read.
	Snapshot string
	// Parent is the directory below which the stack makes its own; empty: that
	// of temporary files.
	Parent string
	// Keep says that the stack may be left behind on purpose: [Stale] leaves it.
	Keep bool
	// Patience is how long readiness is waited for, two minutes by default, and
	// Grace what a service gets to end in, 10 seconds by default.
	Patience, Grace time.Duration
	// Log gets what docker compose says of its progress; nil: nobody.
	Log io.Writer
}

// Compose is a stack of containers: the product's own compose files and an
// overlay that gives it images, ports, labels and volumes of its own. A stopped
// service is one whose container was stopped.
//
// All that it makes carries the label of the project and one of this process.
// Destroy removes what has both.
type Compose struct {
	o       ComposeOptions
	docker  docker
	dir     string
	files   []string
	project string
	label   string
	secrets Secrets
	config  composeConfig
	// ports are the published ones of services, by their names in the files.
	ports map[string]string
	// wanted are the services that have to run.
	wanted map[string]bool
	// created is true when containers and volumes are there, and the snapshot
	// in them.
	created bool
	probes  int
}

var (
	_ Stack = (*Compose)(nil)
	_ Data  = (*Compose)(nil)
)

const kindCompose = "compose"

// OpenCompose prepares a stack, has docker compose validate its configuration,
// and starts nothing yet. The caller defers [Compose.Destroy].
func OpenCompose(ctx context.Context, o ComposeOptions) (_ *Compose, err error) {
	if o.Run.Ready == "" || slices.Contains(o.Compose.SecretNames(), "") {
		return nil, errors.New("the product cannot be run with Docker Compose: its definition does not say how (Product.Run, Product.Compose)")
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if len(o.Files) == 0 {
		o.Files = o.Compose.Files
	}
	c := &Compose{o: o, project: o.Project, label: owner(), ports: map[string]string{}, wanted: map[string]bool{}}
	if o.Keep {
		c.label += kept
	}
	if c.project == "" {
		c.project = "release-try-" + strings.ToLower(rand.Text()[:10])
	}
	c.secrets = o.completed()
	c.docker = docker{secrets: c.secrets, env: c.environment(), log: o.Log}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("finding the checkout: %w", err)
	}
	c.o.Dir = o.Dir
	for _, f := range o.Files {
		c.files = append(c.files, filepath.Join(o.Dir, f))
	}
	if c.dir, err = os.MkdirTemp(o.Parent, "rustshare-stack-"); err != nil {
		return nil, fmt.Errorf("making the stack's directory: %w", err)
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return nil, fmt.Errorf("finding the stack's directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(c.dir))
		}
	}()
	if o.Exclusive || o.Project != "" {
		if err := c.collisions(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.readConfig(ctx); err != nil {
		return nil, err
	}
	if err := c.choosePorts(ctx); err != nil {
		return nil, err
	}
	if err := c.checkSnapshot(); err != nil {
		return nil, err
	}
	c.files = append(c.files, filepath.Join(c.dir, "overlay.yml"))
	if err := c.writeOverlay(); err != nil {
		return nil, err
	}
	if _, err := c.docker.text(ctx, c.compose("config", "--quiet")...); err != nil {
		return nil, fmt.Errorf("validating the compose files with the overlay: %w", err)
	}
	return c, nil
}

// completed are given secrets, and new ones for those that are missing. What S3
// servers take as a key has their usual lengths.
func (o ComposeOptions) completed() Secrets {
	k := o.Compose
	s := NewSecrets(append(k.SecretNames(), o.Run.Secrets...)...)
	s[k.ObjectUserEnv] = s[k.ObjectUserEnv][:20]
	s[k.ObjectPasswordEnv] = s[k.ObjectPasswordEnv][:40]
	maps.Copy(s, o.Secrets)
	return s
}

// environment is what the compose files can refer to.
func (c *Compose) environment() []string {
	k := c.o.Compose
	env := map[string]string{
		"COMPOSE_DISABLE_ENV_FILE": "1", // a file of the operator's secrets
		"COMPOSE_ANSI":             "never",
		"POSTGRES_DB":              k.DatabaseName,
		"POSTGRES_USER":            k.DatabaseUser,
		"AWS_ACCESS_KEY_ID":        c.secrets[k.ObjectUserEnv],
		"AWS_SECRET_ACCESS_KEY":    c.secrets[k.ObjectPasswordEnv],
		k.DatabaseURLEnv: (&url.URL{
			Scheme: "postgres", User: url.UserPassword(k.DatabaseUser, c.secrets[k.DatabasePasswordEnv]),
			Host: k.Database + ":5432", Path: "/" + k.DatabaseName,
		}).String(),
	}
	if c.o.Image != nil {
		env[k.ImageEnv], env[k.PullEnv] = c.o.Image.Ref, "never"
	}
	maps.Copy(env, c.secrets)
	maps.Copy(env, c.o.Env)
	delete(env, "") // where the files have no variable for the image
	return assigned(env)
}

// compose are the arguments of a compose command on the stack's files.
func (c *Compose) compose(args ...string) []string {
	return c.composeOn(c.files, args...)
}

func (c *Compose) composeOn(files []string, args ...string) []string {
	all := []string{"compose", "--progress", "plain", "--project-name", c.project, "--project-directory", c.o.Dir}
	for _, f := range files {
		all = append(all, "--file", f)
	}
	return append(all, args...)
}

// collisions looks for what is labelled with the project.
func (c *Compose) collisions(ctx context.Context) error {
	found, err := c.docker.things(ctx, "label="+projectLabel+"="+c.project)
	if err != nil {
		return fmt.Errorf("looking whether project %q is free: %w", c.project, err)
	}
	if len(found) > 0 {
		return &CollisionError{Project: c.project, Found: names(found)}
	}
	return nil
}

// choosePorts finds free ports for backend and proxy, or reads those of the
// files.
func (c *Compose) choosePorts(ctx context.Context) error {
	k := c.o.Compose
	for _, s := range []struct {
		name string
		port int
	}{{k.Backend, k.BackendPort}, {k.Proxy, k.ProxyPort}} {
		if s.name == "" {
			continue
		}
		if c.o.FixedPorts {
			if c.ports[s.name] = c.config.Services[s.name].published(s.port); c.ports[s.name] == "" {
				return fmt.Errorf("the compose files publish no host port for port %d of service %s: the stack could not be asked", s.port, s.name)
			}
			continue
		}
		address, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		c.ports[s.name] = address
	}
	return nil
}

// freeAddress finds a free port of the loopback interface.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return address, nil
}

// Kind is "compose".
func (c *Compose) Kind() string { return kindCompose }

// Project is the name of the compose project.
func (c *Compose) Project() string { return c.project }

// Dir is the stack's directory.
func (c *Compose) Dir() string { return c.dir }

// URL is the address of the proxy where there is one, else of the backend.
func (c *Compose) URL() string {
	if c.o.Compose.Proxy != "" {
		return "http://" + c.ports[c.o.Compose.Proxy]
	}
	return c.backendURL()
}

func (c *Compose) backendURL() string { return "http://" + c.ports[c.o.Compose.Backend] }

// Secrets are those that the services were given. Some have other names as
// well: see the compose files.
func (c *Compose) Secrets() Secrets { return c.secrets }

// Config is what docker compose makes of files of the checkout, or of those of
// the stack where none is named, as JSON with secrets masked.
func (c *Compose) Config(ctx context.Context, files ...string) ([]byte, error) {
	paths := c.files
	if len(files) > 0 {
		paths = nil
		for _, f := range files {
			paths = append(paths, filepath.Join(c.o.Dir, f))
		}
	}
	text, err := c.docker.text(ctx, c.composeOn(paths, "config", "--format", "json")...)
	if err != nil {
		return nil, fmt.Errorf("validating the compose files: %w", err)
	}
	return []byte(c.secrets.Mask(text)), nil
}

// destroying is what taking the stack away may take when the context has ended.
const destroying = 2 * time.Minute

// Destroy kills the containers and removes them, volumes and networks. What has
// the project's label and is not of this stack is left alone and named.
func (c *Compose) Destroy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroying)
	defer cancel()
	project := "label=" + projectLabel + "=" + c.project
	left, err := c.docker.remove(ctx, project, "label="+ownerLabel+"="+c.label)
	if err == nil {
		found, lerr := c.docker.things(ctx, project)
		if left, err = names(found), lerr; len(left) > 0 {
			err = errors.New("others put them into the project")
		}
	}
	if err != nil {
		if len(left) == 0 {
			left = []string{"all that `docker ps -a`, `docker network ls` and `docker volume ls` show with --filter " + project}
		}
		err = &LeftoverError{Paths: left, Err: err}
	}
	clear(c.wanted)
	c.created = false
	return errors.Join(err, removeAll(c.dir))
}
