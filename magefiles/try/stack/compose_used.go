package stack

import (
	"context"
	"fmt"
	"strings"
)

// Used says which images the services beside the backend run, by the names of
// the services in the files: the reference and, in brackets, the digest that it
// was pulled by or, of an image that was never in a registry, its ID in Docker.
func (c *Compose) Used(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for name, service := range c.config.Services {
		if name == c.o.Compose.Backend {
			continue
		}
		ref := service.Image
		if other, ok := c.o.Images[name]; ok {
			ref = other
		}
		said, err := docker{}.text(ctx, "image", "inspect", "--format", `{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}`, ref)
		if err != nil {
			return nil, fmt.Errorf("asking Docker for the image of %s: %w", name, err)
		}
		digest := strings.TrimSpace(said)
		if _, after, ok := strings.Cut(digest, "@"); ok {
			digest = after
		}
		out[name] = ref + " (" + digest + ")"
	}
	return out, nil
}
