package image

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// annotations are the image spec's pre-defined keys, on the index, on every
// manifest and, as labels, in every config. Version is the product's own and
// not the release's: edge, candidate and stable of one commit are one image.
func annotations(p product.Product, in Input) map[string]string {
	const prefix = "org.opencontainers.image."
	out := map[string]string{}
	for k, v := range map[string]string{
		"title": p.Title, "description": p.Description, "licenses": p.License, "vendor": p.Vendor,
		"source": p.Source, "revision": in.Commit, "version": in.Version,
		"created": in.CommitTime.Format(time.RFC3339),
	} {
		if v != "" {
			out[prefix+k] = v
		}
	}
	if name, digest, ok := strings.Cut(p.Image.Base, "@"); ok {
		out[prefix+"base.name"], out[prefix+"base.digest"] = name, digest
	}
	return out
}

// defaultPath is the search path where no base image sets one.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func config(p product.Product, in Input, t product.Target, from base, layers []made) v1.ConfigFile {
	labels := maps.Clone(p.Image.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, annotations(p, in))

	c := v1.ConfigFile{
		OS: t.OS, Architecture: t.Arch, Variant: from.config.Variant,
		Created: v1.Time{Time: in.CommitTime},
		RootFS:  v1.RootFS{Type: "layers"},
		History: slices.Clone(from.config.History),
		Config: v1.Config{
			User:       fmt.Sprintf("%d:%d", p.Image.User.UID, p.Image.User.GID),
			Env:        environment(p, from),
			Entrypoint: append([]string{p.Image.BinaryPath}, p.Image.Args...),
			Labels:     labels,
			WorkingDir: from.config.Config.WorkingDir,
			StopSignal: from.config.Config.StopSignal,
		},
	}
	if len(p.Image.Ports) > 0 {
		c.Config.ExposedPorts = map[string]struct{}{}
		for _, port := range p.Image.Ports {
			c.Config.ExposedPorts[strconv.Itoa(port)+"/tcp"] = struct{}{}
		}
	}
	if h := p.Image.Health; len(h.Command) > 0 {
		c.Config.Healthcheck = &v1.HealthConfig{
			Test:        append([]string{"CMD"}, h.Command...),
			Interval:    time.Duration(h.Interval) * time.Second,
			Timeout:     time.Duration(h.Timeout) * time.Second,
			StartPeriod: time.Duration(h.StartPeriod) * time.Second,
			Retries:     h.Retries,
		}
	}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
		if l.name != "" { // the base's have their own history
			c.History = append(c.History, v1.History{
				Created: v1.Time{Time: in.CommitTime}, CreatedBy: "release", Comment: l.name,
			})
		}
	}
	return c
}

// environment gives the variables sorted by name: the base's, or those that
// the built-in layers need, and the product's over them.
func environment(p product.Product, from base) []string {
	vars := map[string]string{"PATH": defaultPath}
	if p.Image.Base == "" {
		vars["SSL_CERT_FILE"] = rootsPath
	}
	for _, kv := range from.config.Config.Env {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	maps.Copy(vars, p.Image.Env)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}
