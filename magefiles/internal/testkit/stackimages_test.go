package testkit

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var top = filepath.Join("..", "..", "..")

// composeServices reads the services of one of the sample's compose files.
func composeServices(t *testing.T, name string) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "testdata", "rustshare", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]map[string]any `yaml:"services"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file.Services
}

// TestScriptKnowsImages: scripts/docker.sh has the image of every service that
// the compose files take from elsewhere, and an entry point for its stand-in.
func TestScriptKnowsImages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, "scripts", "docker.sh"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\nIMAGES=(\n")
	list, _, _ = strings.Cut(list, "\n)\n")
	known := map[string]string{}
	for line := range strings.Lines(list) {
		fields := strings.Fields(strings.Trim(strings.TrimSpace(line), `"`))
		if len(fields) != 3 {
			t.Fatalf("scripts/docker.sh: IMAGES has the line %q, want service, image and stand-in", line)
		}
		known[fields[0]] = fields[1]
		if _, err := os.Stat(filepath.Join(top, "scripts", "images", fields[2]+".sh")); err != nil {
			t.Errorf("the stand-in of %s has no entry point: %v", fields[0], err)
		}
	}
	for _, name := range []string{"docker-compose.yml", "docker-compose.restore-drill.yml"} {
		want := map[string]string{}
		for service, settings := range composeServices(t, name) {
			if service != "backend" {
				want[service], _ = settings["image"].(string)
			}
		}
		if !maps.Equal(known, want) {
			t.Errorf("scripts/docker.sh has the images %v, %s names %v", known, name, want)
		}
	}
}

// TestSampleDrillIsTheSame: what a backup is restored into differs from the stack
// that it was made of in what keeps the two apart, and in nothing else.
func TestSampleDrillIsTheSame(t *testing.T) {
	main, drill := composeServices(t, "docker-compose.yml"), composeServices(t, "docker-compose.restore-drill.yml")
	apart := []string{"restart", "ports"}
	for _, services := range []map[string]map[string]any{main, drill} {
		for _, settings := range services {
			for _, key := range apart {
				delete(settings, key)
			}
		}
		delete(services["backend"], "image")
		delete(services["backend"], "pull_policy")
		// The drill must not be led to the real data.
		environment, _ := services["backend"]["environment"].(map[string]any)
		delete(environment, "DATABASE_URL")
		delete(environment, "AWS_ENDPOINT_URL")
	}
	if got, want := slices.Sorted(maps.Keys(drill)), slices.Sorted(maps.Keys(main)); !slices.Equal(got, want) {
		t.Fatalf("the drill has the services %v, the stack has %v", got, want)
	}
	for service, want := range main {
		if !reflect.DeepEqual(drill[service], want) {
			t.Errorf("%s differs:\ndrill %v\nstack %v", service, drill[service], want)
		}
	}
}

// TestStackImages: what the script names is there.
func TestStackImages(t *testing.T) {
	for service, image := range StackImages(t) {
		if !strings.HasPrefix(image, "rustshare-release/") || !strings.Contains(image, ":") {
			t.Errorf("%s comes from %q, want a name of our own with a version", service, image)
		}
	}
}
