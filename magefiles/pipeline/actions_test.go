package pipeline

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/gitea"
)

// splitWorkflow is the split form of a release as this machine can run it: both
// jobs are on one host, so that a directory takes the place of artifacts.
const splitWorkflow = `name: Release
on:
  push:
    tags: ["v*"]
jobs:
  binaries:
    runs-on: host
    strategy:
      matrix:
        target: [x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu]
    steps:
      - uses: actions/checkout@v6
      - env:
          GITHUB_TOKEN: ${{ secrets.RELEASE_TOKEN }}
          TARGET: ${{ matrix.target }}
        run: |
          cd "$SUITE"
          go tool mage -d testdata/tiny/magefiles -w "$GITHUB_WORKSPACE" build:binaries -target="$TARGET" -out="$PARTS/$TARGET"
  release:
    needs: binaries
    runs-on: host
    steps:
      - uses: actions/checkout@v6
      - id: release
        env:
          GITHUB_TOKEN: ${{ secrets.RELEASE_TOKEN }}
          COSIGN_PRIVATE_KEY: ${{ secrets.COSIGN_PRIVATE_KEY }}
        run: |
          cd "$SUITE"
          go tool mage -d testdata/tiny/magefiles -w "$GITHUB_WORKSPACE" release:rc -parts="$PARTS/x86_64-unknown-linux-gnu,$PARTS/aarch64-unknown-linux-gnu"
      - env:
          VERSION: ${{ steps.release.outputs.version }}
          CHANNEL: ${{ steps.release.outputs.channel }}
        run: echo "released $VERSION on the channel $CHANNEL"
`

// TestActions pushes a candidate's tag to a real Gitea, whose runner builds the
// binaries in a job each, merges them in a third, and publishes with
// release:rc.
func TestActions(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the jobs compile the targets and the product")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	sample := filepath.Join(t.TempDir(), "tiny")
	ok(t, copyAll(filepath.Join(root(t), "testdata", "tiny"), sample, nil))
	workflow := filepath.Join(sample, ".github", "workflows", "release.yml")
	ok(t, os.MkdirAll(filepath.Dir(workflow), 0o755))
	ok(t, os.WriteFile(workflow, []byte(splitWorkflow), 0o600))
	w := newWorldOf(t, tiny(), sample)

	server := kit.New(t, kit.Options{})
	home, err := server.NewRepository(ctx, "tiny", true)
	ok(t, err)
	token, err := server.NewToken(ctx, "write:repository", "write:package")
	ok(t, err)
	key, err := os.ReadFile(filepath.Join(w.dir, rehearsedKeys, "cosign.key"))
	ok(t, err)
	ok(t, server.SetSecret(ctx, "tiny", "RELEASE_TOKEN", token))
	ok(t, server.SetSecret(ctx, "tiny", "COSIGN_PRIVATE_KEY", string(key)))
	ok(t, server.NewAction(ctx, "actions/checkout", kit.Checkout, "v6"))
	image := server.RegistryHost() + "/" + kit.Admin + "/tinyd"
	ok(t, server.StartRunner(ctx,
		"SUITE="+root(t), "PARTS="+t.TempDir(),
		envImage+"="+image, envForge+"=gitea+"+home, "MAGEFILE_CACHE="+t.TempDir()))

	candidate := w.history.Episodes[2]
	ok(t, server.Push(ctx, w.Dir, home, "refs/heads/main:refs/heads/main", "refs/tags/"+candidate.Ref))
	jobs, err := server.Jobs(ctx, "tiny", candidate.Commit, 1)
	ok(t, err)
	said := ""
	for _, j := range jobs {
		said += j.Name + ": " + j.Conclusion + "\n" + j.Log
		if j.Conclusion != "success" || j.Ref != "refs/tags/"+candidate.Ref {
			t.Errorf("job %s of %s ended with %s:\n%s", j.Name, j.Ref, j.Conclusion, j.Log)
		}
	}
	if len(jobs) != 3 {
		t.Fatalf("%d jobs ran, want 3:\n%s", len(jobs), said)
	}
	for _, part := range []string{"2 binaries of 2 parts", "moved: 0.3.0-rc.1", "released 0.3.0-rc.1 on the channel candidate"} {
		if !strings.Contains(said, part) {
			t.Errorf("the logs do not say %q:\n%s", part, said)
		}
	}
	for _, secret := range []string{token, strings.Split(string(key), "\n")[2]} {
		if strings.Contains(said, secret) {
			t.Error("a secret stands in a log")
		}
	}

	// As the server shows it.
	var p page
	ok(t, server.Call(ctx, http.MethodGet, "/repos/"+kit.Admin+"/tiny/releases/tags/"+candidate.Ref, nil, &p))
	if p.Draft || !p.Prerelease || len(p.Assets) < 5 {
		t.Errorf("the release page is %+v", p)
	}
	w.env = map[string]string{envImage: image, envForge: "gitea+" + home, envToken: token}
	w.Forge, w.Image = nil, image
	q := VerifyQuery{Image: image + ":0.3.0-rc.1", Key: filepath.Join(w.dir, rehearsedKeys, "cosign.pub"), Tag: candidate.Ref, Commit: candidate.Commit}
	ok(t, w.Verify(ctx, q))
}
