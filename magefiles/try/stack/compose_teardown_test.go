package stack_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// TestTeardownBlocked: somebody else uses what is ours.
func TestTeardownBlocked(t *testing.T) {
	o := composed(t)
	c := compose(t, o)
	if err := c.Start(t.Context(), stack.ObjectStore); err != nil {
		t.Fatal(err)
	}
	p := c.Project()
	dockerSays(t, "run", "--detach", "--name", "foreign-"+p, "--network", p+"_default", "--volume", p+"_objects:/data",
		"--env", "STORAGE_DIR=/data/objects", "--env", "DATABASE_URL=sqlite:/tmp/db", "--env", "BIND_ADDR=0.0.0.0:8080", o.Image.Ref)
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", "foreign-"+p).Run() })
	err := c.Destroy(t.Context())
	var left *stack.LeftoverError
	if !errors.As(err, &left) {
		t.Fatalf("got %v", err)
	}
	used := " (used by container foreign-" + p + ")"
	if want := []string{"network " + p + "_default" + used, "volume " + p + "_objects" + used}; !slices.Equal(left.Paths, want) {
		t.Errorf("got %v, want %v", left.Paths, want)
	}
	wants(t, err.Error(), "remove by hand: network "+p+"_default")
	if out := dockerSays(t, "inspect", "--format", "{{.State.Running}}", "foreign-"+p); out != "true" {
		t.Errorf("the container of somebody else runs: %s", out)
	}
	dockerSays(t, "rm", "--force", "foreign-"+p)
	if err := c.Destroy(t.Context()); err != nil {
		t.Errorf("when it was gone: %v", err)
	}
}

// TestOthersInProject: what others put into the project stays and is named.
func TestOthersInProject(t *testing.T) {
	c := compose(t, composed(t))
	p := c.Project()
	dockerSays(t, "volume", "create", "--label", "com.docker.compose.project="+p, "others-"+p)
	t.Cleanup(func() { _ = exec.Command("docker", "volume", "rm", "others-"+p).Run() })
	err := c.Destroy(t.Context())
	wants(t, fmt.Sprint(err), "others put them into the project", "volume others-"+p)
	dockerSays(t, "volume", "rm", "others-"+p) // it is there
}

func TestCollision(t *testing.T) {
	o := composed(t)
	o.Project = "collision" + fmt.Sprint(os.Getpid())
	c := compose(t, o)
	if err := c.Start(t.Context(), stack.Database); err != nil {
		t.Fatal(err)
	}
	o.Parent = t.TempDir()
	for _, exclusive := range []bool{true, false} {
		o.Exclusive = exclusive
		_, err := stack.OpenCompose(t.Context(), o)
		var collision *stack.CollisionError
		if !errors.As(err, &collision) {
			t.Fatalf("got %v", err)
		}
		p := o.Project
		slices.Sort(collision.Found)
		want := []string{
			"container " + p + "-app-1", "container " + p + "-db-1", "container " + p + "-first-1", "container " + p + "-store-1", "container " + p + "-web-1",
			"network " + p + "_default", "volume " + p + "_data", "volume " + p + "_objects", "volume " + p + "_rows",
		}
		if !slices.Equal(collision.Found, want) {
			t.Errorf("got %v, want %v", collision.Found, want)
		}
		wants(t, err.Error(), `project "`+p+`" is in use: container `+p, "`docker compose --project-name "+p+" down`")
	}
	if out := dockerSays(t, "inspect", "--format", "{{.State.Running}}", o.Project+"-db-1"); out != "true" {
		t.Errorf("the stack that was there runs: %s", out)
	}
}

// abandonedCompose gives the project of a process that made it and was killed.
func abandonedCompose(t *testing.T, i *stack.Image, kill bool, env ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), "STACK_TEST_ABANDON_COMPOSE="+i.Ref, "STACK_TEST_IMAGE_ID="+i.ID, "STACK_TEST_PARENT="+t.TempDir()), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		_ = in.Close()
	}
	t.Cleanup(end)
	line, _ := bufio.NewReader(out).ReadString('\n')
	project, ok := strings.CutPrefix(strings.TrimSpace(line), "project: ")
	if !ok {
		t.Fatalf("it says %q", line)
	}
	t.Cleanup(func() { // those that are kept, or live
		_ = exec.Command("docker", "compose", "--project-name", project, "down", "--volumes", "--timeout", "1").Run()
		nothingOf(t, project)
	})
	if kill {
		end()
	}
	return project
}

func TestStale(t *testing.T) {
	i := load(t, scratch(t, nil))
	bystander(t, i.Ref)
	dead := abandonedCompose(t, i, true)
	alive := abandonedCompose(t, i, false)
	kept := abandonedCompose(t, i, true, "STACK_TEST_KEEP=1")
	removed, err := stack.Stale(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"container " + dead + "-db-1", "network " + dead + "_default", "volume " + dead + "_rows"} {
		if !slices.Contains(removed, want) {
			t.Errorf("%s is not among %v", want, removed)
		}
	}
	nothingOf(t, dead)
	for _, p := range []string{alive, kept} {
		if out := dockerSays(t, "inspect", "--format", "{{.State.Running}}", p+"-db-1"); out != "true" {
			t.Errorf("that of %s runs: %s", p, out)
		}
	}
	dockerSays(t, "image", "inspect", i.Ref)
}

// TestStaleImage: the image of a stack that was kept on purpose goes when that
// stack is gone.
func TestStaleImage(t *testing.T) {
	i := load(t, scratch(t, func(c *v1.Config) { c.Labels = map[string]string{"of": t.Name()} }))
	name, tag, _ := strings.Cut(i.Ref, ":")
	part := strings.Split(tag, ".")
	part[1] = "1073741824" // no process has this id
	ref := name + ":" + strings.Join(part, ".")
	dockerSays(t, "tag", i.Ref, ref)
	container := dockerSays(t, "create", ref)
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", container).Run() })
	removed, err := stack.Stale(t.Context())
	if err != nil || slices.Contains(removed, "image "+ref) {
		t.Errorf("with a container it removed %v, %v", removed, err)
	}
	dockerSays(t, "rm", container)
	removed, err = stack.Stale(t.Context())
	if err != nil || !slices.Contains(removed, "image "+ref) {
		t.Errorf("without one it removed %v, %v", removed, err)
	}
}
