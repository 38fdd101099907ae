package image

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// served starts a registry with a base image for the architectures, and gives
// its name by digest.
func served(t *testing.T, shape func(http.Handler) http.Handler, archs ...string) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(shape(handler))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/base/image:1")
	if err != nil {
		t.Fatal(err)
	}
	var index v1.ImageIndex = empty.Index
	for _, arch := range archs {
		img, err := random.Image(2048, 2)
		if err != nil {
			t.Fatal(err)
		}
		c, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c.OS, c.Architecture = "linux", arch
		c.Config = v1.Config{
			Env: []string{"PATH=/base/bin", "FRONTEND_DIST_DIR=/elsewhere", "TZ=UTC"}, WorkingDir: "/work", StopSignal: "SIGINT",
			Entrypoint: []string{"/bin/sh"}, Cmd: []string{"-c"}, Labels: map[string]string{"base": "label"}, User: "root",
		}
		if img, err = mutate.ConfigFile(img, c); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	// What BuildKit adds: a proof that looks like a platform.
	proof, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: proof, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}})
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	h, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref.Context().Digest(h.String()).String()
}

func plainly(h http.Handler) http.Handler { return h }

func TestBaseImage(t *testing.T) {
	p, in := sample()
	p.Image.Base = served(t, plainly, "amd64", "arm64")
	first := filled(t, p, &in, tiny)
	d, index := assemble(t, first, p, in)
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	ref, err := name.NewDigest(p.Image.Base)
	if err != nil {
		t.Fatal(err)
	}
	from, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	if err != nil {
		t.Fatal(err)
	}
	img := images(t, index)["linux/arm64"]
	theirs, ours := manifest(t, from).Layers, manifest(t, img).Layers
	if len(ours) != len(theirs)+3 { // directories, frontend, binary
		t.Fatalf("%d layers on a base of %d", len(ours), len(theirs))
	}
	for i, l := range theirs {
		if ours[i].Digest != l.Digest || ours[i].MediaType != types.OCILayer {
			t.Errorf("layer %d is %+v, the base's %+v", i+1, ours[i], l)
		}
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"FRONTEND_DIST_DIR=/app/frontend-build", "PATH=/base/bin", "TZ=UTC"}; !slices.Equal(c.Config.Env, want) {
		t.Errorf("the environment is %q", c.Config.Env)
	}
	if c.Config.WorkingDir != "/work" || c.Config.StopSignal != "SIGINT" || c.Config.User != "10001:10001" ||
		len(c.Config.Cmd) != 0 || c.Config.Entrypoint[0] != "/app/rustshare-server" || c.Config.Labels["base"] != "" ||
		c.Config.Labels["org.opencontainers.image.base.digest"] != ref.DigestStr() {
		t.Errorf("the config is %+v", c.Config)
	}
	if names := layerNames(c.History, len(ours)); names[len(names)-1] != LayerBinary {
		t.Errorf("the layers are called %q", names)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if got := list(t, layers[len(layers)-1]); strings.Count(got, "\n") != 1 {
		t.Errorf("directories of the base may be replaced:\n%s", got)
	}
	if err := AttachBinaries(first); err != nil {
		t.Error(err)
	}
	if again, _ := assemble(t, filled(t, p, &in, tiny), p, in); again.Digest != d.Digest {
		t.Errorf("the second time the index is %s, not %s", again.Digest, d.Digest)
	}
}

func TestBaseImageRefused(t *testing.T) {
	p, in := sample()
	p.Image.Base = served(t, plainly, "amd64", "s390x")
	_, err := Assemble(t.Context(), filled(t, p, &in, tiny), p, in)
	var missing *PlatformError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "has no linux/arm64, only linux/amd64, linux/s390x") {
		t.Errorf("a missing platform: %v", err)
	}

	p.Image.Base = served(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") {
				w = &spoiler{ResponseWriter: w}
			}
			h.ServeHTTP(w, r)
		})
	}, "amd64", "arm64")
	b := filled(t, p, &in, tiny)
	if _, err := Assemble(t.Context(), b, p, in); err == nil || !strings.Contains(err.Error(), "pulling the base image") {
		t.Errorf("spoiled content: %v", err)
	}

	p.Image.Base = strings.Replace(p.Image.Base, "base/image", "base/other", 1)
	if _, err := Assemble(t.Context(), b, p, in); err == nil || !strings.Contains(err.Error(), "pulling the base image") {
		t.Errorf("an unknown image: %v", err)
	}
}

// spoiler changes the first byte of an answer.
type spoiler struct {
	http.ResponseWriter
	done bool
}

func (s *spoiler) Write(p []byte) (int, error) {
	if !s.done && len(p) > 0 {
		s.done = true
		p = slices.Clone(p)
		p[0] ^= 0xff
	}
	return s.ResponseWriter.Write(p)
}
