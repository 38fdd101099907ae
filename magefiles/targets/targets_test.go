package targets

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/doctor"
)

// mage runs the targets as a person does, from the top of the repository.
func mage(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "mage"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

// Every target has a line of its own in the table of contents, and the README
// names it.
func TestList(t *testing.T) {
	out, said, err := mage(t, "-l")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	lines := regexp.MustCompile(`(?m)^  (\S+) +(.*)$`).FindAllStringSubmatch(out, -1)
	if len(lines) < 10 {
		t.Fatalf("mage -l lists %d targets:\n%s", len(lines), out)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if len(l[2]) < 20 || !strings.HasSuffix(l[2], ".") {
			t.Errorf("target %s says of itself only %q", l[1], l[2])
		}
		if _, err := doctor.For(l[1]); err != nil && l[1] != "doctor" {
			t.Errorf("the doctor does not say what %s needs: %v", l[1], err)
		}
		if !strings.Contains(string(readme), "`"+l[1]) {
			t.Errorf("the README does not name %s", l[1])
		}
	}
}

// Another product's magefile hands its own value over.
func TestAnotherProduct(t *testing.T) {
	tiny := []string{"-d", "testdata/tiny/magefiles", "-w", "testdata/tiny"}
	out, said, err := mage(t, append(tiny, "release:tags", "v1.2.3", "-published=1.2.4")...)
	if err != nil || out != "1.2.3\n" {
		t.Errorf("release:tags printed %q, %v\n%s", out, err, said)
	}
	out, said, err = mage(t, append(tiny, "doctor", "-json")...)
	if err != nil || strings.Contains(out, `"npm"`) || !strings.Contains(out, `"rust"`) {
		t.Errorf("the doctor of a product without frontend printed %s, %v\n%s", out, err, said)
	}
}

// A working directory without the product is an error that names mage's -w.
func TestNoCheckout(t *testing.T) {
	out, said, err := mage(t, "-w", t.TempDir(), "release:plan")
	if err == nil || out != "" || !strings.Contains(said, "-w") {
		t.Errorf("release:plan outside of a checkout: %v, stdout %q, stderr %q", err, out, said)
	}
}

// Results go to stdout alone, errors to stderr, and the exit code tells.
func TestStreams(t *testing.T) {
	out, said, err := mage(t, "release:tags", "v1.2")
	if err == nil || out != "" || !strings.Contains(said, "v1.2") {
		t.Errorf("release:tags of a bad tag: %v, stdout %q, stderr %q", err, out, said)
	}
}
