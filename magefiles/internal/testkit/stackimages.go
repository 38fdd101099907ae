package testkit

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// StackImages finds the images of the services beside the backend that the
// sample's compose files name: the service and the image to run instead of the
// files', where that is a stand-in; an empty map where the files' own are there.
// The test fails with the command that gets them where there is neither; `go test
// -short` skips it.
func StackImages(t testing.TB) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out what runs the product's compose files")
	}
	gomod, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("finding this module: %v", err)
	}
	// The script knows what the stand-ins are made from, and so their names.
	script := filepath.Join(filepath.Dir(strings.TrimSpace(string(gomod))), "scripts", "setup.sh")
	cmd := exec.CommandContext(t.Context(), script, "path", "stack-images")
	var said strings.Builder
	cmd.Stderr = &said
	list, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s path stack-images: %v: %s", script, err, strings.TrimSpace(said.String()))
	}
	images := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSpace(string(list)), ",") {
		if service, image, ok := strings.Cut(part, "="); ok {
			images[service] = image
		}
	}
	return images
}
