package scan_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

var ok, says = testkit.OK, testkit.Says

const document = `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[
{"type":"library","name":"a","version":"1.0.0","purl":"pkg:cargo/a@1.0.0"},{"type":"library","group":"@scope","name":"b","version":"2.0.0","purl":"pkg:npm/%40scope/b@2.0.0"},
{"type":"application","name":"own","version":"0.1.0","purl":"pkg:cargo/own@0.1.0?vcs_url=git%2Bhttps://example.org"}]}`

// TestProgram scans with the scanner program, from each kind of place that a
// database can lie in.
func TestProgram(t *testing.T) {
	program := scan.Program{Path: testkit.Scanner(t)}
	dir := t.TempDir()
	sbom := filepath.Join(dir, "a.cdx.json")
	ok(t, os.WriteFile(sbom, []byte(document), 0o644))
	mirror := filepath.Join(dir, "mirror")
	made := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	ok(t, program.Build(t.Context(), scan.Build{Dir: mirror, Built: made, Advisories: []scan.Advisory{
		{ID: "GHSA-1", Aliases: []string{"CVE-1"}, Ecosystem: "rust-crate", Package: "a", Affected: "<1.0.1", Fixed: "1.0.1", Severity: "high", URL: "https://example.org"},
		{ID: "GHSA-2", Ecosystem: "npm", Package: "@scope/b", Affected: ">=2.0.0", Severity: "medium"},
		{ID: "GHSA-3", Ecosystem: "rust-crate", Package: "a", Affected: "<1.0.0", Fixed: "1.0.0", Severity: "critical"},
		{ID: "GHSA-4", Ecosystem: "npm", Package: "a", Affected: "<9.0.0", Severity: "critical"},
	}}))
	archive := filepath.Join(mirror, "v6", scan.DatabaseFile)
	files := httptest.NewServer(http.FileServer(http.Dir(mirror)))
	defer files.Close()
	images := httptest.NewServer(registry.New())
	defer images.Close()
	text, err := os.ReadFile(archive)
	ok(t, err)
	artifact, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: static.NewLayer(text, "application/gzip"), Annotations: map[string]string{"org.opencontainers.image.title": scan.DatabaseFile},
	})
	ok(t, err)
	ref, err := name.ParseReference(strings.TrimPrefix(images.URL, "http://") + "/db:6")
	ok(t, err)
	ok(t, remote.Write(ref, artifact))

	grype := func(t *testing.T, from string) (scan.Report, error) {
		t.Helper()
		at, err := scan.Locate(t.Context(), from, t.TempDir())
		ok(t, err)
		return scan.Grype{Program: program, Database: at}.Scan(t.Context(), scan.Targets{Documents: []scan.Document{{Name: "linux/amd64", Path: sbom}}})
	}
	for kind, from := range map[string]string{"file": archive, "http": files.URL, "list": files.URL + "/v6/latest.json", "registry": scan.OCI + ref.Name()} {
		t.Run(kind, func(t *testing.T) {
			r, err := grype(t, from)
			ok(t, err)
			var got []string
			for _, f := range r.Findings {
				got = append(got, f.ID+" "+string(f.Severity)+" "+f.Package+" "+strings.Join(f.Fixed, ","))
			}
			if s := strings.Join(got, "|"); s != "GHSA-1 high pkg:cargo/a@1.0.0 1.0.1|GHSA-2 medium pkg:npm/%40scope/b@2.0.0 " {
				t.Errorf("found %s", s)
			}
			if d := r.Database; !d.Built.Equal(made) || d.Schema == "" || d.From == "" || d.Checksum == "" || r.Scanner.Version == "unknown" {
				t.Errorf("database %+v, scanner %+v", d, r.Scanner)
			}
		})
	}
	t.Run("a mirror that died after the first time", func(t *testing.T) {
		dying := httptest.NewServer(http.FileServer(http.Dir(mirror)))
		at := scan.Location{Cache: t.TempDir(), URL: dying.URL}
		_, err := program.Database(t.Context(), at)
		ok(t, err)
		dying.Close()
		d, err := program.Database(t.Context(), at)
		ok(t, err)
		if !d.Built.Equal(made) {
			t.Errorf("got %+v", d)
		}
	})
	t.Run("a mirror that is dead", func(t *testing.T) {
		dead := httptest.NewServer(nil)
		dead.Close()
		_, err := grype(t, dead.URL)
		says(t, err, "fetching the database from "+dead.URL)
	})
	t.Run("another archive than the list says", func(t *testing.T) {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, scan.DatabaseFile) {
				_, _ = w.Write(append(text, 0))
				return
			}
			http.FileServer(http.Dir(mirror)).ServeHTTP(w, r)
		}))
		defer other.Close()
		_, err := grype(t, other.URL)
		says(t, err, "fetching the database from", "hecksum")
	})
	for what, bytes := range map[string][]byte{"empty": nil, "truncated": text[:len(text)/2], "no database": []byte("clean")} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), scan.DatabaseFile)
			ok(t, os.WriteFile(file, bytes, 0o644))
			_, err := grype(t, file)
			says(t, err, "scanning with grype", "loading the database")
		})
	}
	t.Run("an emptied SBOM", func(t *testing.T) {
		was := sbom
		defer func() { sbom = was }()
		sbom = filepath.Join(t.TempDir(), "b.cdx.json")
		ok(t, os.WriteFile(sbom, []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}`), 0o644))
		_, err := grype(t, archive)
		says(t, err, "none of its 0 components has a package URL")
	})
	t.Run("a database that was changed in the cache", func(t *testing.T) {
		at := scan.Location{Cache: t.TempDir(), File: archive}
		_, err := program.Database(t.Context(), at)
		ok(t, err)
		found, err := filepath.Glob(filepath.Join(at.Cache, "*", "*", "vulnerability.db"))
		ok(t, err)
		f, err := os.OpenFile(found[0], os.O_RDWR, 0)
		ok(t, err)
		_, err = f.WriteAt([]byte{1}, 8000)
		ok(t, err)
		ok(t, f.Close())
		_, err = program.Database(t.Context(), at)
		says(t, err, "loading the database")
	})
}

func TestLocateRefuses(t *testing.T) {
	_, err := scan.Locate(t.Context(), filepath.Join(t.TempDir(), "none"), t.TempDir())
	says(t, err, "no such file", "name a file, an http(s) URL or oci://REPOSITORY:TAG")
	images := httptest.NewServer(registry.New())
	defer images.Close()
	_, err = scan.Locate(t.Context(), scan.OCI+strings.TrimPrefix(images.URL, "http://")+"/none:1", t.TempDir())
	says(t, err, "fetching the vulnerability database oci://", "none")
}

// TestBuildProgram builds the program as targets do.
func TestBuildProgram(t *testing.T) {
	testkit.Scanner(t) // -short, and the build cache
	p, err := scan.BuildProgram(t.Context(), t.TempDir(), nil)
	ok(t, err)
	ok(t, p.Build(t.Context(), scan.Build{Dir: t.TempDir()}))
}

func TestUnpackTrivyRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.tar.gz")
	says(t, scan.UnpackTrivy(file, t.TempDir()), "the database of Trivy")
	ok(t, os.WriteFile(file, []byte("clean"), 0o644))
	says(t, scan.UnpackTrivy(file, t.TempDir()), "is no gzipped tar with trivy.db and metadata.json")
}
