package pipeline

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.etcd.io/bbolt"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// TestPeerTrivy: the real Trivy on the bundle's layout, with a small database
// from the test's own registry.
func TestPeerTrivy(t *testing.T) {
	program := testkit.Peer(t, "trivy")
	p, sample := withFrontend(t, map[string]string{
		"security/trivy.yaml": "exceptions:\n  - vulnerability: " + plantedNPM + "\n    package: pkg:npm/js-cookie\n    reason: no cookie of others is read\n    expires: 2999-01-01\n" +
			"  - vulnerability: CVE-2026-1001\n    package: pkg:cargo/itoa\n    reason: numbers only\n    expires: 2999-01-01\n",
		// What would silence Trivy where it runs: it must not count.
		".trivyignore": "CVE-2026-1001\n" + plantedNPM + "\n",
		"trivy.yaml":   "severity: LOW\n",
	})
	p.Scan = &product.Scan{Scanners: []string{product.Trivy}}
	w := newWorldOf(t, p, sample)
	w.env = map[string]string{envTrivy: program}
	server := w.serve(registries.All()["distribution"](t))
	host := strings.TrimPrefix(server.URL, "http://")
	database := func(name string, updated time.Time) {
		t.Helper()
		archive := trivyDatabase(t, planted(), updated)
		ref := mustRef(t, host+"/"+name+":2")
		image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.aquasec.trivy.config.v1+json")
		image, err := mutate.Append(image, mutate.Addendum{
			Layer:       static.NewLayer(archive, "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"),
			Annotations: map[string]string{"org.opencontainers.image.title": "db.tar.gz"},
			MediaType:   "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip",
		})
		ok(t, err)
		ok(t, remote.Write(ref, image))
		w.env[envDatabase+"TRIVY"] = scan.OCI + ref.Name()
	}

	database("vulnerabilities", time.Now())
	says(t, w.first(), "v0.2.0 is not published: trivy found what the policy does not let pass", plantedNPM+" (critical) in js-cookie 3.0.5, fixed in 9.9.9", "CVE-2026-1001 (high) in itoa")
	e := w.scanRecord("scan:trivy")
	if e.Result != record.Fail || e.Facts["scanner"] == "trivy " || !strings.Contains(e.Facts["database"], host) {
		t.Errorf("the record says %s, %v", e.Result, e.Facts)
	}
	text, err := os.ReadFile(w.dist(scansDir, "v0.2.0", "trivy.sarif"))
	ok(t, err)
	for _, part := range []string{`"name": "trivy"`, `"version": "2.1.0"`, `"ruleId": "CVE-2026-1001"`, `"ruleId": "` + plantedNPM + `"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the SARIF file does not say %s:\n%s", part, text)
		}
	}

	t.Run("what it sees in the image", func(t *testing.T) {
		targets, err := w.bundled(t.Context(), "v0.2.0")
		ok(t, err)
		targets.Documents, targets.Images = targets.Documents[:1], targets.Images[:1]
		scanner, err := w.scanner(t.Context(), product.Trivy, w.database(product.Trivy, ""), w.log)
		ok(t, err)
		report, err := scanner.Scan(t.Context(), targets)
		ok(t, err)
		t.Logf("Trivy %s saw %s", report.Scanner.Version, strings.Join(report.Scanned[0].Packages, " "))
	})
	t.Run("stale database", func(t *testing.T) {
		database("stale", time.Now().AddDate(0, 0, -7))
		says(t, w.first(), "the vulnerability database of trivy was built at", "older than 5 days", "RELEASE_SCAN_DB_TRIVY")
	})
	t.Run("no database", func(t *testing.T) {
		w.env[envDatabase+"TRIVY"] = scan.OCI + host + "/none:2"
		says(t, w.first(), "v0.2.0 is not published: scanning with Trivy")
	})
	t.Run("a file, and exceptions", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "db.tar.gz")
		ok(t, os.WriteFile(file, trivyDatabase(t, planted(), time.Now()), 0o644))
		w.env[envDatabase+"TRIVY"] = file
		s := w.Suite
		s.Product.Scan = &product.Scan{Scanners: []string{product.Trivy}, Exceptions: "security/trivy.yaml"}
		w.out.Reset()
		ok(t, s.Scan(t.Context(), ScanOrder{Tag: "v0.2.0"}))
		for _, part := range []string{"allowed by security/trivy.yaml until 2999-01-01: numbers only", "no fix", "minor"} {
			if !strings.Contains(w.out.String(), part) {
				t.Errorf("the table does not say %q:\n%s", part, w.out)
			}
		}
	})
	t.Run("allowed, it is published and attested", func(t *testing.T) {
		w.env[envDatabase+"TRIVY"] = ""
		database("vulnerabilities", time.Now())
		w.Product.Scan = &product.Scan{Scanners: []string{product.Trivy}, Exceptions: "security/trivy.yaml"}
		ok(t, os.RemoveAll(w.dist("v0.2.0"))) // the bundle of another definition
		ok(t, w.first())
		ok(t, w.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.2.0", Key: filepath.Join(w.Dir, ".release", "cosign.pub"), Require: []string{"scan:trivy"}}))
	})
}

// trivyDatabase is a database of Trivy's (schema version 2) of these advisories.
func trivyDatabase(t testing.TB, list []scan.Advisory, updated time.Time) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trivy.db")
	db, err := bbolt.Open(path, 0o600, nil)
	ok(t, err)
	ok(t, db.Update(func(tx *bbolt.Tx) error {
		put := func(key string, value any, buckets ...string) {
			text, err := json.Marshal(value)
			ok(t, err)
			b, err := tx.CreateBucketIfNotExists([]byte(buckets[0]))
			ok(t, err)
			for _, name := range buckets[1:] {
				b, err = b.CreateBucketIfNotExists([]byte(name))
				ok(t, err)
			}
			ok(t, b.Put([]byte(key), text))
		}
		for _, a := range list {
			source := map[string]string{"rust-crate": "cargo::GitHub Security Advisory Rust", "npm": "npm::GitHub Security Advisory Npm"}[a.Ecosystem]
			put(source, map[string]string{"ID": "ghsa", "Name": source, "URL": "https://github.com/advisories"}, "data-source")
			id := a.ID
			if len(a.Aliases) > 0 {
				id = a.Aliases[0]
			}
			advisory := map[string][]string{"VulnerableVersions": {a.Affected}, "VendorIDs": {a.ID}}
			if a.Fixed != "" {
				advisory["PatchedVersions"] = []string{a.Fixed}
			} else {
				advisory["VulnerableVersions"] = []string{"<=99.0.0"}
			}
			put(id, advisory, source, a.Package)
			put(id, map[string]any{"Title": "an advisory about " + a.Package, "Severity": strings.ToUpper(a.Severity)}, "vulnerability")
		}
		return nil
	}))
	ok(t, db.Close())
	text, err := os.ReadFile(path)
	ok(t, err)
	stamp := updated.UTC().Format(time.RFC3339)
	metadata, err := json.Marshal(map[string]any{"Version": 2, "UpdatedAt": stamp, "NextUpdate": updated.UTC().AddDate(0, 0, 30).Format(time.RFC3339), "DownloadedAt": stamp})
	ok(t, err)
	var tarred bytes.Buffer
	files := tar.NewWriter(&tarred)
	for name, text := range map[string][]byte{"trivy.db": text, "metadata.json": metadata} {
		ok(t, files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := files.Write(text)
		ok(t, err)
	}
	ok(t, files.Close())
	packed, err := zipped(tarred.Bytes())
	ok(t, err)
	return packed
}
