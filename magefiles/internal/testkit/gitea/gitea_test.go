package gitea

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.c",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository has one commit of some files.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	for name, text := range files {
		ok(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		ok(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", "first")
	return dir
}

func TestServer(t *testing.T) {
	ctx := t.Context()
	begin := time.Now()
	s := New(t, Options{})
	t.Logf("ready after %s", time.Since(begin))
	var version struct{ Version string }
	ok(t, s.Call(ctx, "GET", "/version", nil, &version))
	if "v"+version.Version != Version {
		t.Errorf("the server is %q, expected %s", version.Version, Version)
	}
	url, err := s.NewRepository(ctx, "sample", true)
	ok(t, err)
	dir := repository(t, map[string]string{"README.md": "hello\n"})
	git(t, dir, "tag", "v1.0.0")
	ok(t, s.Push(ctx, dir, url, "main", "v1.0.0"))
	var branch struct{ Commit struct{ ID string } }
	ok(t, s.Call(ctx, "GET", "/repos/"+Admin+"/sample/branches/main", nil, &branch))
	if want := git(t, dir, "rev-parse", "HEAD"); branch.Commit.ID != want {
		t.Errorf("main is at %q, expected %s", branch.Commit.ID, want)
	}

	feed, err := s.send(ctx, "GET", url+"/tags.rss", basic(Admin, s.Token()), nil)
	ok(t, err)
	if !strings.Contains(string(feed), "v1.0.0") {
		t.Errorf("the server has not taken note of the tag: %s", feed)
	}

	token, err := s.NewToken(ctx, "read:repository")
	ok(t, err)
	ok(t, s.call(ctx, "GET", "/repos/"+Admin+"/sample", "token "+token, nil, nil))
	if err := s.call(ctx, "GET", "/user", "token "+token, nil, nil); err == nil || !strings.Contains(err.Error(), "read:user") {
		t.Errorf("a token without the scope: %v", err)
	}
	other, err := s.NewUser(ctx, "guest")
	ok(t, err)
	if err := s.call(ctx, "GET", "/repos/"+Admin+"/sample", "token "+other, nil, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("another's private repository: %v", err)
	}

	pid, data := s.process.cmd.Process.Pid, s.dir
	begin = time.Now()
	ok(t, s.Stop())
	t.Logf("stopped after %s", time.Since(begin))
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", data, err)
	}
	if p, err := os.FindProcess(pid); err == nil && p.Signal(nil) == nil {
		t.Errorf("process %d still runs", pid)
	}
	ok(t, s.Stop())
}

// What the script installs is what is looked for.
func TestVersions(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "scripts", "setup.sh"))
	ok(t, err)
	for _, line := range []string{"gitea code.gitea.io/gitea " + Version, "gitea-runner gitea.com/gitea/runner " + RunnerVersion} {
		if !strings.Contains(string(script), `"`+line+`"`) {
			t.Errorf("scripts/setup.sh does not build %s", line)
		}
	}
}

func TestNoStart(t *testing.T) {
	_, err := Start(t.Context(), Options{Settings: "[database]\nNAME = x\n[storage]\nSTORAGE_TYPE = nowhere\n"})
	if err == nil || !strings.Contains(err.Error(), "its log ends with") || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v", err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err = Start(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "scripts/setup.sh forge") {
		t.Errorf("got %v", err)
	}
}

const pinned = "11bd71901bbe5b1630ceea73d27597364c9af683"

const workflow = `name: Release
on:
  push:
    tags: ["v*"]
permissions:
  contents: write
  actions: read
jobs:
  release:
    runs-on: host
    steps:
      - uses: actions/checkout@` + pinned + ` # v4.2.2
      - id: one
        run: |
          echo "version=1.0.0" >> "$GITHUB_OUTPUT"
          echo "# Summary" >> "$GITHUB_STEP_SUMMARY"
          test "$GITHUB_ACTIONS $CI $GITHUB_EVENT_NAME $GITHUB_REF $GITHUB_REF_NAME $GITHUB_REF_TYPE" = "true true push refs/tags/v1.0.0 v1.0.0 tag"
          test "$GITHUB_REPOSITORY $GITHUB_WORKFLOW $GITHUB_SHA" = "maintainer/sample Release $(git rev-parse HEAD)"
          test -z "$GITHUB_TOKEN$GITEA_TOKEN" # a step asks for it
          test "$FROM_THE_TEST" = yes
          git describe --tags
          cat README.md
      - run: |
          echo "version is ${{ steps.one.outputs.version }}"
          for path in releases/0 actions/runs; do
            code=$(curl -s -o /dev/null -w '%{http_code}' -X "$([ "$path" = actions/runs ] && echo GET || echo PATCH)" -d '{}' \
              -H "Authorization: token $GITHUB_TOKEN" -H 'Content-Type: application/json' "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/$path")
            echo "$path is $code"
          done
          echo "secret is $SECRET"
        env:
          GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}
          SECRET: ${{ secrets.REGISTRY_TOKEN }}
`

func TestRunner(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := New(t, Options{})
	ok(t, s.StartRunner(ctx, "FROM_THE_TEST=yes"))
	if err := s.StartRunner(ctx); err == nil {
		t.Error("a second runner was started")
	}
	ok(t, s.NewAction(ctx, "actions/checkout", Checkout, "v4", pinned))
	url, err := s.NewRepository(ctx, "sample", true)
	ok(t, err)
	ok(t, s.SetSecret(ctx, "sample", "REGISTRY_TOKEN", "geheim"))
	dir := repository(t, map[string]string{"README.md": "hello\n", ".github/workflows/release.yml": workflow})
	git(t, dir, "tag", "v1.0.0")
	ok(t, s.Push(ctx, dir, url, "main", "v1.0.0"))
	jobs, err := s.Jobs(ctx, "sample", git(t, dir, "rev-parse", "HEAD"), 1)
	ok(t, err)
	if len(jobs) != 1 || jobs[0].Workflow != "release.yml" || jobs[0].Ref != "refs/tags/v1.0.0" || jobs[0].Name != "release" || jobs[0].Conclusion != "success" {
		t.Fatalf("got %+v", jobs)
	}
	for _, line := range []string{"hello", "v1.0.0", "version is 1.0.0", "releases/0 is 404", "actions/runs is 200", "secret is ***"} {
		if !strings.Contains(jobs[0].Log, line+"\n") {
			t.Errorf("the log does not say %q:\n%s", line, jobs[0].Log)
		}
	}

	// A job that fails says so.
	ok(t, os.WriteFile(filepath.Join(dir, ".github/workflows/release.yml"), []byte("on: push\njobs:\n  bad:\n    runs-on: host\n    steps:\n      - run: echo oh; exit 3\n"), 0o600))
	git(t, dir, "commit", "-q", "-a", "-m", "bad")
	ok(t, s.Push(ctx, dir, url, "main"))
	jobs, err = s.Jobs(ctx, "sample", git(t, dir, "rev-parse", "HEAD"), 1)
	ok(t, err)
	if len(jobs) != 1 || jobs[0].Conclusion != "failure" || !strings.Contains(jobs[0].Log, "oh\n") {
		t.Errorf("got %+v", jobs)
	}
}
