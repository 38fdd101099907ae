package gitea

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

const workflow = `on: push
jobs:
  build:
    runs-on: nowhere
    steps:
      - run: echo
`

// Nobody takes these jobs, so they stay queued.
func TestRunsQueued(t *testing.T) {
	ctx := t.Context()
	r := project(t, true, map[string]string{".gitea/workflows/ci.yml": "name: CI\n" + workflow, ".gitea/workflows/plain.yaml": workflow})
	g := r.open(t)
	git(t, r.dir, "commit", "-q", "--allow-empty", "-m", "second")
	second := git(t, r.dir, "rev-parse", "HEAD")
	git(t, r.dir, "tag", "v1.0.0")
	ok(t, server.Push(ctx, r.dir, r.url, "main"))
	ok(t, server.Push(ctx, r.dir, r.url, "v1.0.0")) // runs them again, for the same commit

	runs, err := g.Runs(ctx, second)
	ok(t, err)
	if len(runs) != 2 || runs[0].Workflow != "CI" || runs[1].Workflow != "plain.yaml" {
		t.Fatalf("got %+v", runs)
	}
	for i, run := range runs {
		if run.Status != "queued" || run.Conclusion != "" || !strings.HasPrefix(run.URL, r.url+"/actions/runs/") {
			t.Errorf("run %d: %+v", i, run)
		}
	}
	var list struct {
		Runs []struct {
			HTMLURL string `json:"html_url"`
			Path    string
		} `json:"workflow_runs"`
	}
	ok(t, r.api(t, "GET", "/actions/runs?head_sha="+second, nil, &list))
	if len(list.Runs) != 4 || !strings.HasSuffix(list.Runs[0].Path, "@refs/tags/v1.0.0") {
		t.Fatalf("the server has %+v", list)
	}
	for _, run := range runs {
		if run.URL != list.Runs[0].HTMLURL && run.URL != list.Runs[1].HTMLURL {
			t.Errorf("%s is not the run that came last", run.URL)
		}
	}
	runs, err = g.Runs(ctx, strings.Repeat("0", 40))
	if err != nil || len(runs) != 0 {
		t.Errorf("another commit: %+v, %v", runs, err)
	}
}

// The runner takes these.
func TestRunsDone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	here := strings.Replace(workflow, "nowhere", kit.Label, 1)
	begin := time.Now().Add(-time.Minute)
	r := project(t, true, map[string]string{".github/workflows/good.yml": "name: Good\n" + here})
	git(t, r.dir, "checkout", "-q", "-b", "next")
	ok(t, os.WriteFile(filepath.Join(r.dir, ".github/workflows/bad.yml"), []byte("name: Bad\n"+strings.Replace(here, "run: echo", "run: exit 1", 1)), 0o600))
	git(t, r.dir, "add", "-A")
	git(t, r.dir, "commit", "-q", "-m", "bad")
	ok(t, server.Push(ctx, r.dir, r.url, "next"))
	commit := git(t, r.dir, "rev-parse", "HEAD")
	if _, err := server.Jobs(ctx, r.name, commit, 2); err != nil {
		t.Fatal(err)
	}
	runs, err := r.open(t).Runs(ctx, commit)
	ok(t, err)
	// The name of one that is not on the default branch is not known.
	if len(runs) != 2 || runs[0].Workflow != "Good" || runs[0].Conclusion != "success" || runs[1].Workflow != "bad.yml" || runs[1].Conclusion != "failure" {
		t.Fatalf("got %+v", runs)
	}
	for _, run := range runs {
		if run.Status != "completed" || run.Created.Before(begin) {
			t.Errorf("got %+v", run)
		}
	}
}

// The token that a job has by itself suffices for all that is done here, with
// these permissions.
func TestJobToken(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	r := project(t, true, map[string]string{".github/workflows/release.yml": `name: Release
on:
  push:
    tags: ["v*"]
permissions:
  contents: write
  actions: read
  pull-requests: write
jobs:
  release:
    runs-on: ` + kit.Label + `
    steps:
      - run: |
          printf %s "$TOKEN" > "$DIR/writing"
          mv "$DIR/writing" "$DIR/token"
          until [ -e "$DIR/done" ]; do sleep 0.1; done
        env:
          DIR: ` + dir + `
          TOKEN: ${{ secrets.GITHUB_TOKEN }}
`})
	git(t, r.dir, "tag", "v1.0.0")
	git(t, r.dir, "checkout", "-q", "-b", "hotfix/v1.0.0")
	git(t, r.dir, "commit", "-q", "--allow-empty", "-m", "fix")
	ok(t, server.Push(ctx, r.dir, r.url, "v1.0.0", "hotfix/v1.0.0"))
	var token []byte
	for token == nil {
		text, err := os.ReadFile(filepath.Join(dir, "token"))
		switch {
		case err == nil:
			token = text
		case ctx.Err() != nil:
			t.Fatal("the job did not begin")
		default:
			time.Sleep(100 * time.Millisecond)
		}
	}
	g := open(t, Options{URL: r.url, Token: string(token), Retry: impatient})
	ok(t, g.Check(ctx))
	want, contents := wanted("v1.0.0")
	ok(t, converge(ctx, g, want, contents))
	found, err := g.Find(ctx, want.Tag)
	if err != nil || found.Draft || !slices.Equal(found.Assets, want.Assets) {
		t.Errorf("found %+v, %v", found, err)
	}
	ok(t, g.Amend(ctx, want.Tag, "other"))
	runs, err := g.Runs(ctx, r.commit)
	if err != nil || len(runs) != 1 || runs[0].Workflow != "Release" || runs[0].Status != "in_progress" {
		t.Errorf("runs: %+v, %v", runs, err)
	}
	if _, err := g.OpenPullRequest(ctx, forge.PullRequest{Head: "hotfix/v1.0.0", Base: "main", Title: "t"}); err != nil {
		t.Error(err)
	}
	ok(t, os.WriteFile(filepath.Join(dir, "done"), nil, 0o600))
	jobs, err := server.Jobs(ctx, r.name, r.commit, 1)
	if err != nil || jobs[0].Conclusion != "success" {
		t.Errorf("jobs: %+v, %v", jobs, err)
	}
	// With the job its token ends.
	says(t, g.Check(ctx), "does not accept the token")
}

// Where the server does not list runs the commit's statuses tell.
func TestRunsByStatus(t *testing.T) {
	ctx := t.Context()
	r := project(t, true, nil)
	set := func(context, state string) {
		t.Helper()
		ok(t, r.api(t, "POST", "/statuses/"+r.commit, map[string]string{"context": context, "state": state, "target_url": "https://example.org/" + context[:2]}, nil))
	}
	set("CI / build (push)", "pending")
	set("CI / build (push)", "failure")
	set("CI / build (push)", "success")
	set("CI / test (push)", "success")
	set("Lint / lint (push)", "success")
	set("Lint / spell (push)", "failure")
	set("Night / all (push)", "success")
	set("Night / none (push)", "pending")
	set("coverage", "failure")
	for _, answer := range []string{"", `{"workflow_runs": [{"id": 1, "workflow_id": "ci.yml", "commit_sha": "x", "status": "success"}], "total_count": 1}`} {
		url := between(t, func(_ int, w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, "/actions/runs") {
				return false
			}
			if answer == "" {
				http.NotFound(w, req)
			}
			_, _ = w.Write([]byte(answer))
			return true
		})
		runs, err := open(t, Options{URL: r.url, API: url, Token: server.Token(), Retry: impatient}).Runs(ctx, r.commit)
		ok(t, err)
		want := []forge.Run{
			{Workflow: "CI", Status: "completed", Conclusion: "success", URL: "https://example.org/CI"},
			{Workflow: "Lint", Status: "completed", Conclusion: "failure", URL: "https://example.org/Li"},
			{Workflow: "Night", Status: "in_progress", URL: "https://example.org/Ni"},
		}
		if len(runs) != len(want) {
			t.Fatalf("got %+v", runs)
		}
		for i := range want {
			if runs[i].Created.IsZero() {
				t.Errorf("%+v has no date", runs[i])
			}
			want[i].Created = runs[i].Created
			if runs[i] != want[i] {
				t.Errorf("got %+v, expected %+v", runs[i], want[i])
			}
		}
	}
}
