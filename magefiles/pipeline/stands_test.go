package pipeline

import (
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// TestStackKind: what can be said without asking Docker.
func TestStackKind(t *testing.T) {
	for name, tt := range map[string]struct {
		change     func(*product.Product)
		env        string
		want, says string
	}{
		"asked for":       {nil, "process", "process", ""},
		"no Docker":       {func(p *product.Product) { p.Compose = nil }, "", "process", ""},
		"not run":         {func(p *product.Product) { p.Run, p.Compose = nil, nil }, "", "", "rustshare does not say how it is run (Product.Run), so nothing here can try it: do so by hand"},
		"no process":      {func(p *product.Product) { p.Run.Process = nil }, "process", "", "rustshare does not run as a single process (Product.Run.Process): try it on Docker (RELEASE_STACK=compose)"},
		"neither":         {func(p *product.Product) { p.Run.Process, p.Compose = nil, nil }, "", "", "does not run as a single process"},
		"another":         {nil, "podman", "", "RELEASE_STACK=podman is no kind of stack: want compose or process"},
		"no compose file": {func(p *product.Product) { p.Compose = nil }, "compose", "", "RELEASE_STACK=compose, but rustshare has no compose files (Product.Compose)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Suite{Product: product.RustShare(), Getenv: func(string) string { return tt.env }}
			if tt.change != nil {
				tt.change(&s.Product)
			}
			got, err := s.stackKind(t.Context())
			if got != tt.want || (err == nil) != (tt.says == "") {
				t.Fatalf("got %q, %v", got, err)
			}
			if err != nil {
				says(t, err, tt.says)
			}
		})
	}
	s := Suite{Product: tiny(), Getenv: func(string) string { return "process" }}
	if kind, err := s.rehearsalStack(t.Context(), ""); kind != "" || err != nil {
		t.Errorf("a product that is not tried: %q, %v", kind, err)
	}
}
