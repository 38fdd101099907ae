package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// The environment variables that the suite reads besides CI's own.
const (
	// envImage replaces the repository to publish to; "embedded" stands for
	// the registry in dist/registry.
	envImage = "RELEASE_IMAGE"
	// envKey is cosign's private key itself (PEM), envKeyFile a file with it,
	// envPassword its password: the names that cosign knows them by.
	envKey      = "COSIGN_PRIVATE_KEY"
	envKeyFile  = "COSIGN_KEY"
	envPassword = "COSIGN_PASSWORD"
	// envToken is used for the forge, and for the registry where Docker's
	// configuration has nothing.
	envToken = "GITHUB_TOKEN"
	// envForge replaces the forge: "directory", or KIND+URL.
	envForge = "RELEASE_FORGE"
	// envForgeToken is for a forge that wants another token than envToken.
	envForgeToken = "RELEASE_FORGE_TOKEN"
	// envNotify has the addresses of announcements, one a line.
	envNotify = "RELEASE_NOTIFY"
)

// embeddedImage is the value of envImage for the embedded registry.
const embeddedImage = "embedded"

// openedRegistry is a registry, with the server behind it where it is embedded.
type openedRegistry struct {
	*registry.Registry
	server    *embedded.Server
	temporary string
}

func (r openedRegistry) close() {
	if r.server != nil {
		_ = r.server.Close() // a registry of this process, about to end
	}
	if r.temporary != "" {
		_ = os.RemoveAll(r.temporary)
	}
}

// open gives where the product is published, or only looked at: the repository
// of its images and the forge of its pages. The caller closes the first.
func (s *Suite) open(ctx context.Context, readOnly bool) (openedRegistry, forge.Forge, error) {
	f, err := s.forge()
	if err != nil {
		return openedRegistry{}, nil, err
	}
	reg, err := s.openRegistry(ctx, readOnly)
	return reg, f, err
}

// openRegistry gives the repository that is published to, or only looked at.
func (s *Suite) openRegistry(ctx context.Context, readOnly bool) (openedRegistry, error) {
	image := or(s.Image, or(s.Getenv(envImage), s.Product.Image.Repository))
	var r openedRegistry
	if image == embeddedImage {
		dir := s.dist("registry")
		if _, err := os.Stat(dir); readOnly && err != nil { // looking makes nothing: an empty one stands in
			if dir, err = os.MkdirTemp("", "registry-*"); err != nil {
				return r, err
			}
			r.temporary = dir
		}
		server, err := embedded.Serve(ctx, dir, "", embedded.Options{})
		if err != nil {
			return r, err
		}
		_, path, _ := strings.Cut(s.Product.Image.Repository, "/")
		r.server, image = server, server.Repository(path)
	}
	var err error
	if r.Registry, err = s.dial(image, readOnly); err != nil {
		r.close()
	}
	return r, err
}

// dial names a repository with the credentials that the surroundings hold. A
// registry that is only read may not know the reader.
func (s *Suite) dial(image string, readOnly bool) (*registry.Registry, error) {
	at, err := s.forgeAt()
	if err != nil {
		return nil, err
	}
	o := registry.Options{Token: s.forgeToken(), ReadOnly: readOnly}
	if u, err := url.Parse(at.URL); err == nil && at.Kind == product.ForgeGitea { // its registry is at the same address
		o.TokenHost = u.Host
	}
	return registry.Open(image, o)
}

// key gives the release's signing key, from memory, environment or file; nil
// where none is set.
func (s *Suite) key() (*attest.Key, error) {
	if s.Key != nil {
		return s.Key, nil
	}
	s.UI.Mask(s.Getenv(envPassword))
	password := func() ([]byte, error) { return []byte(s.Getenv(envPassword)), nil }
	if text := s.Getenv(envKey); text != "" {
		s.UI.Mask(text)
		return attest.ParseKey([]byte(text), password)
	}
	if file := s.Getenv(envKeyFile); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the signing key that %s names: %w", envKeyFile, err)
		}
		return attest.ParseKey(text, password)
	}
	return nil, nil //nolint:nilnil // there may be none
}

// ServeRegistry serves an embedded registry until ctx ends.
func (s *Suite) ServeRegistry(ctx context.Context, dir, listen string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%s holds no registry: name the directory that a rehearsal kept (DIR/registry), or an empty one", dir)
	}
	server, err := embedded.Serve(ctx, dir, or(listen, "127.0.0.1:5000"), embedded.Options{})
	if err != nil {
		return err
	}
	repositories, err := server.Repositories()
	if err != nil {
		return errors.Join(err, server.Close())
	}
	if _, err := fmt.Fprintf(s.Out, "http://%s\n", server.Addr); err != nil {
		return errors.Join(err, server.Close())
	}
	for _, r := range repositories {
		s.UI.Println("serving %s", server.Repository(r))
	}
	s.UI.Println("Interrupt (Ctrl-C) ends it.")
	<-ctx.Done()
	return server.Close()
}
