package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// composeConfig is what matters of `docker compose config --format json`.
type composeConfig struct {
	Services map[string]composeService
	Networks map[string]composeResource
	Volumes  map[string]composeResource
}

type composeResource struct {
	Name     string
	External bool
}

type composeMount struct{ Type, Source, Target string }

type composeService struct {
	Image     string
	DependsOn map[string]struct{ Condition string } `json:"depends_on"`
	Volumes   []composeMount
	Ports     []struct {
		HostIP    string `json:"host_ip"`
		Target    int
		Published string
	}
	Healthcheck *struct {
		Disable  bool
		Interval string
		Retries  int
	}
}

// published is the host address of a port of the container, or empty.
func (s composeService) published(port int) string {
	for _, p := range s.Ports {
		if p.Target == port && p.Published != "" {
			host := p.HostIP
			if host == "" || host == "0.0.0.0" {
				host = "127.0.0.1"
			}
			return net.JoinHostPort(host, p.Published)
		}
	}
	return ""
}

// readConfig reads the files as docker compose understands them.
func (c *Compose) readConfig(ctx context.Context) error {
	text, err := c.docker.text(ctx, c.compose("config", "--format", "json")...)
	if err != nil {
		return fmt.Errorf("validating the compose files: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &c.config); err != nil {
		return fmt.Errorf("reading what docker compose config says: %w", err)
	}
	k := c.o.Compose
	for _, s := range append([]string{k.Backend, k.Database, k.ObjectStore, k.Proxy}, slices.Sorted(maps.Keys(c.o.Images))...) {
		if _, ok := c.config.Services[s]; s != "" && !ok {
			return fmt.Errorf("%s have no service %q, which Product.Compose names", strings.Join(c.o.Files, " and "), s)
		}
	}
	for what, all := range map[string]map[string]composeResource{"volume": c.config.Volumes, "network": c.config.Networks} {
		for name, r := range all {
			if r.External {
				return fmt.Errorf("%s %s of the compose files is external: a stack that is tried must not touch what others use", what, name)
			}
		}
	}
	return nil
}

// services are the names of all services, sorted.
func (c *Compose) services() []string { return slices.Sorted(maps.Keys(c.config.Services)) }

// finishes says whether a service is one that others wait for to end well.
func (c *Compose) finishes(service string) bool {
	for _, s := range c.config.Services {
		if s.DependsOn[service].Condition == "service_completed_successfully" {
			return true
		}
	}
	return false
}

// mount is where a volume of the files is mounted.
func (c *Compose) mount(volume string) (service, target string, ok bool) {
	for _, name := range c.services() {
		for _, v := range c.config.Services[name].Volumes {
			if v.Type == "volume" && v.Source == volume {
				return name, v.Target, true
			}
		}
	}
	return "", "", false
}

// probeEvery is how often health is looked at, in place of slower intervals of
// the files. It shortens every start.
const probeEvery = time.Second

// writeOverlay writes the file that makes the stack one of our own. It holds no
// value of a variable: those come from the environment of docker compose.
func (c *Compose) writeOverlay() error {
	k := c.o.Compose
	var b strings.Builder
	label := fmt.Sprintf("{%s: %s}", yaml(ownerLabel), yaml(c.label))
	b.WriteString("services:\n")
	for _, name := range c.services() {
		s := c.config.Services[name]
		fmt.Fprintf(&b, "  %s:\n    container_name: !reset null\n    restart: \"no\"\n    labels: %s\n", yaml(name), label)
		image := c.o.Images[name]
		if name == k.Backend && c.o.Image != nil {
			image = c.o.Image.Ref
		}
		if image != "" {
			fmt.Fprintf(&b, "    image: %s\n    pull_policy: never\n", yaml(image))
		}
		port := map[string]int{k.Backend: k.BackendPort, k.Proxy: k.ProxyPort}[name]
		switch {
		case c.o.FixedPorts:
		case port != 0:
			fmt.Fprintf(&b, "    ports: !override [%s]\n", yaml(c.ports[name]+":"+strconv.Itoa(port)))
		case len(s.Ports) > 0:
			b.WriteString("    ports: !reset []\n")
		}
		if name == k.Backend && len(c.o.Env) > 0 {
			b.WriteString("    environment:\n")
			for _, v := range slices.Sorted(maps.Keys(c.o.Env)) {
				fmt.Fprintf(&b, "      %s:\n", yaml(v)) // its value is that of the environment
			}
		}
		if h := s.Healthcheck; h != nil && !h.Disable && h.Retries > 0 {
			if every, err := time.ParseDuration(h.Interval); err == nil && every > probeEvery {
				fmt.Fprintf(&b, "    healthcheck: {interval: %s, retries: %d}\n", probeEvery, h.Retries*int(every/probeEvery))
			}
		}
	}
	for _, part := range []struct {
		name string
		all  map[string]composeResource
	}{{"networks", c.config.Networks}, {"volumes", c.config.Volumes}} {
		if len(part.all) > 0 {
			b.WriteString(part.name + ":\n")
		}
		for _, name := range slices.Sorted(maps.Keys(part.all)) {
			fmt.Fprintf(&b, "  %s: {name: %s, labels: %s}\n", yaml(name), yaml(c.project+"_"+name), label)
		}
	}
	if err := os.WriteFile(filepath.Join(c.dir, "overlay.yml"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	return nil
}

// yaml quotes a string, so that docker compose replaces nothing in it.
func yaml(s string) string {
	b, _ := json.Marshal(strings.ReplaceAll(s, "$", "$$")) // strings always can
	return string(b)
}
