package stack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// files describes testdata/compose.
var files = product.Compose{
	Files:   []string{"docker-compose.yml"},
	Backend: "app", Database: "db", ObjectStore: "store", Proxy: "web", BackendPort: 8080, ProxyPort: 8080,
	DatabaseVolume: "rows", ObjectVolume: "objects", ObjectPath: "/data", DatabaseName: "rustshare", DatabaseUser: "rustshare",
	ImageEnv: "APP_IMAGE", PullEnv: "APP_PULL", DatabaseURLEnv: "DATABASE_URL", DatabasePasswordEnv: "POSTGRES_PASSWORD",
	ObjectUserEnv: "RUSTFS_ROOT_USER", ObjectPasswordEnv: "RUSTFS_ROOT_PASSWORD",
}

// scratch is an image with the test server and nothing else, not run as root.
func scratch(t *testing.T, change func(*v1.Config)) v1.Image {
	t.Helper()
	program, err := os.ReadFile(server)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "server", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))},
		{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: 1234, Gid: 1234},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o777},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			_, err = w.Write(program)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{User: "1234:1234", Entrypoint: []string{"/server"}}
	if change != nil {
		change(&file.Config)
	}
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// needDocker fails without Docker, and skips where tests are to be short.
func needDocker(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it starts containers")
	}
	if err := stack.DockerAnswers(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, img v1.Image) *stack.Image {
	t.Helper()
	needDocker(t)
	i, err := stack.Load(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i
}

// others has the same image for all services of testdata/compose but the app.
func others(image string) map[string]string {
	return map[string]string{"first": image, "db": image, "store": image, "web": image}
}

// composed are options for testdata/compose with the test server everywhere,
// and variables in pairs.
func composed(t *testing.T, env ...string) stack.ComposeOptions {
	t.Helper()
	i := load(t, scratch(t, nil))
	o := stack.ComposeOptions{
		Dir: "testdata/compose", Run: how, Compose: files, Image: i, Images: others(i.Ref),
		Env: map[string]string{}, Parent: t.TempDir(), Grace: 5 * time.Second,
	}
	for n := 0; n < len(env); n += 2 {
		o.Env[env[n]] = env[n+1]
	}
	return o
}

// compose opens a stack. It is gone at the end of the test, and nothing of it
// is left.
func compose(t *testing.T, o stack.ComposeOptions) *stack.Compose {
	t.Helper()
	c, err := stack.OpenCompose(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Destroy(context.Background()); err != nil {
			t.Error(err)
		}
		nothingOf(t, c.Project())
		if left, _ := os.ReadDir(o.Parent); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	})
	return c
}

func composeStarted(t *testing.T, o stack.ComposeOptions) *stack.Compose {
	t.Helper()
	c := compose(t, o)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// dockerSays runs Docker's client.
func dockerSays(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// nothingOf looks for what begins with a name, whatever its labels.
func nothingOf(t *testing.T, project string) {
	t.Helper()
	for _, args := range [][]string{{"ps", "--all", "--format", "{{.Names}}"}, {"volume", "ls", "--format", "{{.Name}}"}, {"network", "ls", "--format", "{{.Name}}"}} {
		all := strings.Fields(dockerSays(t, args...))
		if i := slices.IndexFunc(all, func(n string) bool { return strings.HasPrefix(n, project) }); i >= 0 {
			t.Errorf("docker %s shows %s, which should be gone", args[0], all[i])
		}
	}
}

// bystander makes a container, a volume and a network of somebody else's, and
// looks at the end of the test whether they are as they were.
func bystander(t *testing.T, image string) string {
	t.Helper()
	name := "bystander-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")) + fmt.Sprint(os.Getpid())
	dockerSays(t, "network", "create", name)
	dockerSays(t, "volume", "create", name)
	dockerSays(t, "run", "--detach", "--name", name, "--network", name, "--volume", name+":/data", "--env", "STORAGE_DIR=/data/objects",
		"--env", "DATABASE_URL=sqlite:/data/db", "--env", "BIND_ADDR=0.0.0.0:8080", image)
	look := func() string {
		return dockerSays(t, "inspect", "--format", "{{.Id}} {{.State.Pid}} {{.State.Running}}", name) + dockerSays(t, "volume", "inspect", name) + dockerSays(t, "network", "inspect", name)
	}
	before := look()
	t.Cleanup(func() {
		if after := look(); after != before {
			t.Errorf("what others have changed:\n%s\n%s", before, after)
		}
		dockerSays(t, "rm", "--force", "--volumes", name)
		dockerSays(t, "volume", "rm", name)
		dockerSays(t, "network", "rm", name)
	})
	return name
}

// abandonCompose is what TestStale starts this test's binary for: it makes a
// stack, tells its name and waits to be killed.
func abandonCompose(image string) {
	c, err := stack.OpenCompose(context.Background(), stack.ComposeOptions{
		Dir: "testdata/compose", Run: how, Compose: files, Image: &stack.Image{Ref: image, ID: os.Getenv("STACK_TEST_IMAGE_ID")},
		Images: others(image), Parent: os.Getenv("STACK_TEST_PARENT"),
		Keep: os.Getenv("STACK_TEST_KEEP") != "",
	})
	if err == nil {
		err = c.Start(context.Background(), stack.Database)
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("project:", c.Project())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
