package pipeline

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// tryLabel is on all that a try makes in Docker. Its value names the process,
// as the tags of the images do: MACHINE.PID.STARTED and what follows.
const tryLabel = "com.github.kubedoio.release.try"

// dockerSays runs Docker's client.
func dockerSays(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// everything is what Docker lists, a line each: kind, name, and whose try it is
// of.
func everything(t *testing.T) []string {
	t.Helper()
	const format = `{{.Label "` + tryLabel + `"}}`
	var out []string
	for _, args := range [][]string{
		{"ps", "--all", "--format", "container {{.Names}} " + format}, {"network", "ls", "--format", "network {{.Name}} " + format},
		{"volume", "ls", "--format", "volume {{.Name}} " + format},
	} {
		for line := range strings.Lines(dockerSays(t, args...)) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// ofProcess lists what the tries of a process have in Docker.
func ofProcess(t *testing.T, pid int) []string {
	t.Helper()
	owner := fmt.Sprintf(".%d.", pid)
	var out []string
	for _, line := range everything(t) {
		if f := strings.Fields(line); len(f) == 3 && strings.Contains(f[2], owner) {
			out = append(out, f[0]+" "+f[1])
		}
	}
	for ref := range strings.FieldsSeq(dockerSays(t, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "try.invalid/image")) {
		if strings.Contains(ref, owner) {
			out = append(out, "image "+ref)
		}
	}
	return out
}

// bystander makes a container, a volume and a network of somebody else. What it
// gives looks whether they are as they were, and whether nothing of this process
// is there but what is named.
func bystander(t *testing.T, images map[string]string) (look func(but ...string)) {
	t.Helper()
	name := fmt.Sprintf("bystander-%d", os.Getpid())
	dockerSays(t, "network", "create", name)
	t.Cleanup(func() { dockerSays(t, "network", "rm", name) })
	dockerSays(t, "volume", "create", name)
	t.Cleanup(func() { dockerSays(t, "volume", "rm", name) })
	sleeping(t, images, name, "--network", name, "--volume", name+":/data")
	state := func() string {
		return dockerSays(t, "inspect", "--format", "{{.Id}} {{.State.Pid}} {{.State.Running}} {{.NetworkSettings.Networks}}", name) +
			dockerSays(t, "volume", "inspect", name) + dockerSays(t, "network", "inspect", name)
	}
	before := state()
	return func(but ...string) {
		t.Helper()
		left := slices.DeleteFunc(ofProcess(t, os.Getpid()), func(what string) bool { return slices.Contains(but, what) })
		if len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if after := state(); after != before {
			t.Errorf("what others have is\n%s\nand was\n%s", after, before)
		}
	}
}

// sleeping is a container of somebody else.
func sleeping(t *testing.T, images map[string]string, name string, args ...string) {
	t.Helper()
	image := or(images["postgres"], "postgres:16-alpine")
	dockerSays(t, append(append([]string{"run", "--detach", "--name", name, "--entrypoint", "sleep"}, args...), image, "3600")...)
	t.Cleanup(func() { dockerSays(t, "rm", "--force", "--volumes", name) })
}

// container is the id of the one of this process's that runs a service.
func container(t *testing.T, service string) string {
	t.Helper()
	owner := fmt.Sprintf(".%d.", os.Getpid())
	for line := range strings.Lines(dockerSays(t, "ps", "--filter", "label=com.docker.compose.service="+service, "--format", `{{.ID}} {{.Label "`+tryLabel+`"}}`)) {
		if id, label, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(label, owner) {
			return id
		}
	}
	t.Fatalf("no container of this process runs %s", service)
	return ""
}
