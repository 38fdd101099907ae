package pilot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
)

// composeConfig is what `docker compose config --format json` prints, as far as
// it matters here.
type composeConfig struct {
	Services map[string]composeService `json:"services"`
	Volumes  map[string]any            `json:"volumes"`
}

type composeService struct {
	Image       string             `json:"image"`
	Environment map[string]*string `json:"environment"`
	Volumes     []composeMount     `json:"volumes"`
}

type composeMount struct {
	Type   string `json:"type"`
	Source string `json:"source"`
	Target string `json:"target"`
}

func (m composeMount) String() string { return fmt.Sprintf("%s %s at %s", m.Type, m.Source, m.Target) }

// The sets of Compose files.
const (
	pilotFiles      = "pilot"
	productionFiles = "production"
	drillFiles      = "drill"
)

// reader is a stack of Compose files: it has Compose read them with the
// variables that it runs with, or its own where none is named, and gives JSON
// without secrets.
type reader interface {
	Config(ctx context.Context, files ...string) ([]byte, error)
}

// composeReader gives the main stack as one of Compose files.
func (p *pilot) composeReader() (reader, error) {
	c, ok := p.main.Instance.(reader)
	if !ok {
		return nil, &drill.NotApplicableError{Reason: fmt.Sprintf("a stack of kind %q has no Compose files", p.main.Kind())}
	}
	if p.o.Compose == nil {
		return nil, errors.New("the stack is one of Compose files, and the product names none (Product.Compose)")
	}
	return c, nil
}

func readConfig(ctx context.Context, from reader, files ...string) (c composeConfig, text []byte, err error) {
	if text, err = from.Config(ctx, files...); err != nil {
		return c, nil, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, nil, fmt.Errorf("reading what Compose makes of the files: %w", err)
	}
	return c, text, nil
}

// config has Compose read each set of files, and holds them against what the
// product says of itself and against each other.
func (p *pilot) config(ctx context.Context, r *record) error {
	from, err := p.composeReader()
	if err != nil {
		return err
	}
	c := p.o.Compose
	running, _, err := readConfig(ctx, from)
	if err != nil {
		return err
	}
	image := running.Services[c.Backend].Image
	p.configs = map[string]composeConfig{}
	var problems []error
	for _, set := range []struct {
		name  string
		files []string
	}{{pilotFiles, c.Files}, {productionFiles, c.Production}, {drillFiles, c.Drill}} {
		files := fmt.Sprintf("the %s files (%s)", set.name, strings.Join(set.files, ", "))
		parsed, text, err := readConfig(ctx, from, set.files...)
		if err != nil {
			return fmt.Errorf("%s: %w", files, err)
		}
		path := p.path("compose-" + set.name + ".json")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("keeping what Compose makes of the files: %w", err)
		}
		r.leave(path)
		p.configs[set.name] = parsed
		for _, what := range p.misses(parsed, image) {
			problems = append(problems, fmt.Errorf("%s %s", files, what))
		}
	}
	for _, what := range drift(p.configs[pilotFiles], p.configs[drillFiles]) {
		problems = append(problems, fmt.Errorf("%s: a drill on something else than what runs shows nothing, so bring %s and %s together",
			what, strings.Join(c.Drill, ", "), strings.Join(c.Files, ", ")))
	}
	services := slices.Sorted(maps.Keys(p.configs[pilotFiles].Services))
	r.Detail = fmt.Sprintf("pilot, production and drill files are read by Compose and agree on %s", strings.Join(services, ", "))
	return errors.Join(problems...)
}

// misses says what a set of files has not of what the product says it has.
func (p *pilot) misses(config composeConfig, image string) (out []string) {
	c := p.o.Compose
	for _, name := range []string{c.Database, c.ObjectStore, c.Backend, c.Proxy} {
		if _, ok := config.Services[name]; !ok && name != "" {
			out = append(out, "have no service "+name)
		}
	}
	if b, ok := config.Services[c.Backend]; ok && b.Image != image {
		out = append(out, fmt.Sprintf("run the image %s as %s and not the one that is tried: is it taken from %s?", b.Image, c.Backend, c.ImageEnv))
	}
	for _, v := range []string{c.DatabaseVolume, c.ObjectVolume} {
		if _, ok := config.Volumes[v]; !ok {
			out = append(out, "have no volume "+v)
		}
	}
	store := config.Services[c.ObjectStore]
	if !slices.ContainsFunc(store.Volumes, func(m composeMount) bool { return m.Source == c.ObjectVolume && m.Target == c.ObjectPath }) {
		out = append(out, fmt.Sprintf("do not mount the volume %s at %s in %s, where a backup looks for it", c.ObjectVolume, c.ObjectPath, c.ObjectStore))
	}
	return out
}

// drift names what two sets of files differ in: services, their images, and
// what is mounted where.
func drift(running, drill composeConfig) (out []string) {
	names := maps.Clone(running.Services)
	maps.Copy(names, drill.Services)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		r, inRunning := running.Services[name]
		d, inDrill := drill.Services[name]
		switch {
		case !inRunning:
			out = append(out, fmt.Sprintf("the service %s is in the drill files alone", name))
			continue
		case !inDrill:
			out = append(out, fmt.Sprintf("the service %s is not in the drill files", name))
			continue
		case r.Image != d.Image:
			out = append(out, fmt.Sprintf("the service %s runs the image %s, and %s in the drill", name, r.Image, d.Image))
		}
		for _, m := range r.Volumes {
			if !slices.Contains(d.Volumes, m) {
				out = append(out, fmt.Sprintf("the service %s mounts %s, and not in the drill", name, m))
			}
		}
		for _, m := range d.Volumes {
			if !slices.Contains(r.Volumes, m) {
				out = append(out, fmt.Sprintf("the service %s mounts %s in the drill alone", name, m))
			}
		}
	}
	volumes := maps.Clone(running.Volumes)
	maps.Copy(volumes, drill.Volumes)
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		_, inRunning := running.Volumes[name]
		if _, inDrill := drill.Volumes[name]; inRunning != inDrill {
			out = append(out, fmt.Sprintf("the volume %s is in one set of files alone", name))
		}
	}
	return out
}

// cookieSecure is the variable that makes the product send its session cookie
// over TLS alone.
const cookieSecure = "SESSION_COOKIE_SECURE"

func (p *pilot) cookies(_ context.Context, r *record) error {
	if _, err := p.composeReader(); err != nil {
		return err
	}
	value := p.configs[productionFiles].Services[p.o.Compose.Backend].Environment[cookieSecure]
	if value == nil {
		return fmt.Errorf("the production files (%s) do not set %s, so session cookies travel without TLS: set it to \"true\"", strings.Join(p.o.Compose.Production, ", "), cookieSecure)
	}
	if *value != "true" {
		return fmt.Errorf("the production files (%s) set %s to %q, so session cookies travel without TLS: set it to \"true\"", strings.Join(p.o.Compose.Production, ", "), cookieSecure, *value)
	}
	r.Detail = cookieSecure + " is true in the production files"
	return nil
}
