package pipeline

import (
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

func TestSuiteOf(t *testing.T) {
	commit := strings.Repeat("ab", 20)
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "false"}}
	dirty := []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "true"}}
	const uri = "pkg:golang/" + suiteModule
	for _, c := range []struct {
		name string
		info debug.BuildInfo
		want intoto.Resource
	}{
		{"nothing known", debug.BuildInfo{Main: debug.Module{Path: suiteModule, Version: "(devel)"}}, intoto.Resource{}},
		{
			"its own checkout", debug.BuildInfo{Main: debug.Module{Path: suiteModule, Version: "(devel)"}, Settings: settings},
			intoto.Resource{Name: "rustshare-release", URI: uri, Digest: map[string]string{"gitCommit": commit}},
		},
		{"a changed checkout", debug.BuildInfo{Main: debug.Module{Path: suiteModule, Version: "(devel)"}, Settings: dirty}, intoto.Resource{}},
		{
			"a product's dependency, whose commit the settings do not name",
			debug.BuildInfo{Main: debug.Module{Path: "example.org/product"}, Deps: []*debug.Module{{Path: "a"}, {Path: suiteModule, Version: "v1.2.3"}}, Settings: settings},
			intoto.Resource{Name: "rustshare-release", URI: uri + "@v1.2.3", Annotations: map[string]string{"version": "v1.2.3"}},
		},
		{"somebody else's program", debug.BuildInfo{Main: debug.Module{Path: "example.org/product", Version: "v1.0.0"}, Settings: settings}, intoto.Resource{}},
	} {
		if got := suiteOf(c.info); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestBuilder(t *testing.T) {
	env := map[string]string{}
	s := Suite{Getenv: func(name string) string { return env[name] }}
	if b := s.builder(); b.ID != localBuilder || b.Invocation != "" {
		t.Errorf("without a CI the builder is %+v", b)
	}
	for _, server := range []string{"https://github.com", "https://git.example.org"} { // Gitea and Forgejo use the same names
		env = map[string]string{
			"GITHUB_SERVER_URL": server, "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "3",
			"GITHUB_WORKFLOW_REF": "o/r/.github/workflows/release.yml@refs/heads/main",
		}
		b := s.builder()
		if b.ID != server+"/o/r/.github/workflows/release.yml@refs/heads/main" || b.Invocation != server+"/o/r/actions/runs/42/attempts/3" {
			t.Errorf("on %s the builder is %+v", server, b)
		}
	}
}
