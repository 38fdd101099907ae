// Package registries has the kinds of image registries that a release is tried
// against in tests: our own, go-containerregistry's and the CNCF distribution
// registry, with and without the referrers API.
package registries

import (
	"context"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // named in the configuration
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/sirupsen/logrus"

	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
)

// All gives the kinds by name. Each call of one makes an empty registry.
func All() map[string]func(testing.TB) http.Handler {
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	return map[string]func(testing.TB) http.Handler{
		"embedded":                   store(embedded.Options{}),
		"embedded without referrers": store(embedded.Options{NoReferrers: true}),
		"ggcr":                       func(testing.TB) http.Handler { return registry.New(quiet, registry.WithReferrersSupport(true)) },
		"ggcr without referrers":     func(testing.TB) http.Handler { return registry.New(quiet) },
		"distribution":               distribution,
	}
}

func store(o embedded.Options) func(testing.TB) http.Handler {
	return func(t testing.TB) http.Handler {
		s, err := embedded.Open(t.TempDir(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// distribution has no referrers API.
func distribution(t testing.TB) http.Handler {
	config, err := configuration.Parse(strings.NewReader("version: 0.1\nstorage:\n  inmemory: {}\nlog:\n  level: error\n  accesslog: {disabled: true}\nhttp: {secret: test}\n"))
	if err != nil {
		t.Fatal(err)
	}
	logrus.SetOutput(io.Discard)
	return handlers.NewApp(context.Background(), config)
}
