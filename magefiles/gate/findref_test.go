package gate

import (
	"errors"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestFindRef(t *testing.T) {
	r := newRepository(t)
	r.tag("v0.3.0", nil)
	r.git("tag", "deployed")
	tests := map[string]struct {
		flag string
		env  func(string) string
		want string
		on   decide.Channel
	}{
		"the flag":                    {"v0.4.0", env(), "v0.4.0", decide.Stable},
		"the flag before CI":          {"v0.4.0-rc.1", env("GITHUB_REF_TYPE", "tag", "GITHUB_REF_NAME", "v0.5.0"), "v0.4.0-rc.1", decide.Candidate},
		"a full ref":                  {"refs/tags/v0.4.0", env(), "v0.4.0", decide.Stable},
		"main":                        {"main", env(), "main", decide.Edge},
		"nightly":                     {"nightly", env(), "main", decide.Nightly},
		"GitHub, Gitea, Forgejo: tag": {"", env("GITHUB_REF_TYPE", "tag", "GITHUB_REF_NAME", "v0.5.0"), "v0.5.0", decide.Stable},
		"GitHub: main":                {"", env("GITHUB_REF_TYPE", "branch", "GITHUB_REF_NAME", "main"), "main", decide.Edge},
		"GitLab: tag":                 {"", env("CI_COMMIT_TAG", "v0.5.0-rc.2"), "v0.5.0-rc.2", decide.Candidate},
		"GitLab: main":                {"", env("CI_COMMIT_BRANCH", "main"), "main", decide.Edge},
		"HEAD":                        {"", env(), "v0.3.0", decide.Stable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := FindRef(t.Context(), r.Repo, theProduct(), tt.flag, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != tt.want || got.Channel != tt.on {
				t.Errorf("got %s on %s, want %s on %s", got.Name, got.Channel, tt.want, tt.on)
			}
		})
	}
}

func TestFindRefRefuses(t *testing.T) {
	r := newRepository(t)
	long := "v1.2.3-" + strings.Repeat("a", 300)
	tests := map[string]struct {
		flag string
		env  func(string) string
		says string
	}{
		"leading zero":              {"v01.2.3", env(), `-tag: "v01.2.3" is no release tag`},
		"two numbers":               {"v1.2", env(), `-tag: "v1.2" is no release tag`},
		"empty pre-release":         {"v1.2.3-", env(), `-tag: "v1.2.3-" is no release tag`},
		"zero-padded pre-release":   {"v1.2.3-01", env(), `-tag: "v1.2.3-01" is no release tag`},
		"300 characters":            {long, env(), "(307 characters)"},
		"a space alone":             {" ", env(), `-tag: " " is no release tag`},
		"spaces":                    {"v1.2.3 --force", env(), `-tag: "v1.2.3 --force" is no release tag`},
		"a line feed":               {"v1.2.3\n", env(), `-tag: "v1.2.3\n" is no release tag`},
		"a leading dash":            {"-v1.2.3", env(), `-tag: "-v1.2.3" is no release tag`},
		"an option":                 {"--upload-pack=x", env(), `"--upload-pack=x" is no release tag`},
		"dots":                      {"v1.2.3..v1.2.4", env(), `"v1.2.3..v1.2.4" is no release tag`},
		"dots alone":                {"..", env(), `".." is no release tag`},
		"a path":                    {"../../v1.2.3", env(), `is no release tag`},
		"a revision":                {"v1.2.3^{}", env(), `"v1.2.3^{}" is no release tag`},
		"another branch":            {"refs/heads/feature", env(), `branch "feature" is published nowhere`},
		"GitHub: another branch":    {"", env("GITHUB_REF_TYPE", "branch", "GITHUB_REF_NAME", "feature"), `GITHUB_REF_NAME: branch "feature" is published nowhere`},
		"GitHub: no release tag":    {"", env("GITHUB_REF_TYPE", "tag", "GITHUB_REF_NAME", "docs-1"), `GITHUB_REF_NAME: "docs-1" is no release tag`},
		"GitHub: a tag called main": {"", env("GITHUB_REF_TYPE", "tag", "GITHUB_REF_NAME", "main"), `GITHUB_REF_NAME: "main" is no release tag`},
		"GitLab: no release tag":    {"", env("CI_COMMIT_TAG", "docs-1"), `CI_COMMIT_TAG: "docs-1" is no release tag`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ref, err := FindRef(t.Context(), r.Repo, theProduct(), tt.flag, tt.env)
			var bad *BadRefError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %+v, %v, want an error that says %q", ref, err, tt.says)
			}
		})
	}
}

func TestFindRefAtHead(t *testing.T) {
	r := newRepository(t)
	find := func() error {
		t.Helper()
		ref, err := FindRef(t.Context(), r.Repo, theProduct(), "", env())
		if err == nil {
			t.Fatalf("found %s", ref.Name)
		}
		return err
	}
	var none *NoTagAtHeadError
	if err := find(); !errors.As(err, &none) || !strings.Contains(err.Error(), "where there is none: name one with -tag=vX.Y.Z") {
		t.Errorf("no tag: %v", err)
	}
	r.git("tag", "deployed")
	r.git("tag", "v1.2")
	if err := find(); !errors.As(err, &none) || !strings.Contains(err.Error(), "where there is only deployed, v1.2: ") {
		t.Errorf("no release tag: %v", err)
	}
	r.tag("v0.4.0-rc.1", ada)
	r.git("tag", "v0.4.0")
	var several *SeveralTagsError
	if err := find(); !errors.As(err, &several) || !strings.Contains(err.Error(), "has 2 release tags, v0.4.0, v0.4.0-rc.1: say which one with -tag=v0.4.0") {
		t.Errorf("several tags: %v", err)
	}
	empty, err := git.Init(t.Context(), t.TempDir(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FindRef(t.Context(), empty, theProduct(), "", env()); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("no commit: %v", err)
	}
}
