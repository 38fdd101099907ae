package scan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

// standIn says what Trivy would, and writes down how it was asked. The real one
// is in TestPeerTrivy of the pipeline.
const standIn = `#!/bin/sh
env >"$HOME/env"
case "$1" in
version) echo '{"Version":"0.72.0"}' ;;
image | sbom)
  mkdir -p "$HOME/db"
  echo '{"Version":2,"UpdatedAt":"2026-11-20T00:00:00Z"}' >"$HOME/db/metadata.json"
  for last; do :; done
  echo "$1 $(ls -A | tr '\n' ' ')$(ls -A "$last" | tr '\n' ' ')" >>"$HOME/calls"
  cat "$HOME/$1.json" ;;
esac
`

// TestTrivy holds what is asked of Trivy, and what becomes of its answers.
func TestTrivy(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, []byte(text), 0o755))
		return path
	}
	digest := strings.Repeat("ab", 32)
	write("layout/blobs/sha256/"+digest, "{}")
	cache := filepath.Join(dir, "cache")
	trivy := scan.Trivy{Path: write("trivy", standIn), Cache: cache, Repository: "registry.example.org/db:2"}
	targets := scan.Targets{
		Layout:    filepath.Join(dir, "layout"),
		Documents: []scan.Document{{Name: "linux/amd64", Path: write("a.cdx.json", `{"bomFormat":"CycloneDX","components":[{"purl":"pkg:cargo/a@1.0.0"},{"purl":"pkg:npm/b@2.0.0"}]}`)}},
		Images:    []scan.Image{{Platform: "linux/amd64", Digest: "sha256:" + digest}},
	}
	answer := func(packages string) string {
		return `{"SchemaVersion":2,"Results":[{"Packages":[` + packages + `],"Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"a","PkgIdentifier":{"PURL":"pkg:cargo/a@1.0.0"},"InstalledVersion":"1.0.0","FixedVersion":"1.0.1","Severity":"HIGH"}]}]}`
	}
	const a, b = `{"Identifier":{"PURL":"pkg:cargo/a@1.0.0"}}`, `{"Identifier":{"PURL":"pkg:npm/b@2.0.0"}}`
	write("cache/image.json", answer(a))
	write("cache/sbom.json", answer(a+","+b))
	t.Setenv("TRIVY_SEVERITY", "LOW")
	r, err := trivy.Scan(t.Context(), targets)
	ok(t, err)
	if len(r.Findings) != 1 || r.Findings[0].ID != "CVE-1" || strings.Join(r.Scanned[0].Packages, " ") != "pkg:cargo/a@1.0.0 pkg:npm/b@2.0.0" {
		t.Errorf("got %+v", r)
	}
	if r.Scanner.Version != "0.72.0" || r.Database.From != "registry.example.org/db:2" || r.Database.Built.IsZero() {
		t.Errorf("scanner %+v, database %+v", r.Scanner, r.Database)
	}
	env, err := os.ReadFile(filepath.Join(cache, "env"))
	ok(t, err)
	if strings.Contains(string(env), "TRIVY_SEVERITY") {
		t.Errorf("its own settings reach it:\n%s", env)
	}
	// It ran where there is nothing but the image, which is a layout of its own.
	calls, err := os.ReadFile(filepath.Join(cache, "calls"))
	ok(t, err)
	if want := "image image0 blobs index.json oci-layout \nsbom image0 "; !strings.HasPrefix(string(calls), want) {
		t.Errorf("it was asked %q, want %q", calls, want)
	}

	write("cache/image.json", `{"SchemaVersion":2}`)
	_, err = trivy.Scan(t.Context(), targets)
	says(t, err, "scanning with Trivy: it saw no package in the image for linux/amd64: that is no clean result")
	write("cache/image.json", answer(a))
	write("cache/sbom.json", answer(a))
	_, err = trivy.Scan(t.Context(), targets)
	says(t, err, "trivy saw 1 of the 2 packages that the SBOM of linux/amd64 lists, and not pkg:npm/b@2.0.0")
	write("cache/sbom.json", "clean")
	_, err = trivy.Scan(t.Context(), targets)
	says(t, err, "reading what it says of linux/amd64 (sbom): it is no JSON report")
	targets.Images[0].Digest = "sha256:" + strings.Repeat("cd", 32)
	_, err = trivy.Scan(t.Context(), targets)
	says(t, err, "the layout has no image sha256:cdcd")
	targets.Images = nil
	_, err = trivy.Scan(t.Context(), targets)
	says(t, err, "there are 0 images and 1 SBOMs")
	trivy.Path = write("other", "#!/bin/sh\necho hello\n")
	targets.Images = []scan.Image{{}}
	_, err = trivy.Scan(t.Context(), targets)
	says(t, err, "does not say its version: is it Trivy?")
}
