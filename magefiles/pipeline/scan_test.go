package pipeline

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// What is planted: advisories about a crate and an npm package that the variant
// of the tiny product really has.
const (
	plantedCrate = "GHSA-crat-crat-crat"
	plantedNPM   = "GHSA-npmp-npmp-npmp"
)

func planted() []scan.Advisory {
	return []scan.Advisory{
		{ID: plantedCrate, Aliases: []string{"CVE-2026-1001"}, Ecosystem: "rust-crate", Package: "itoa", Affected: "<9.9.9", Fixed: "9.9.9", Severity: "high", URL: "https://example.org/crate"},
		{ID: plantedNPM, Ecosystem: "npm", Package: "js-cookie", Affected: "<9.9.9", Fixed: "9.9.9", Severity: "critical", URL: "https://example.org/npm"},
		{ID: "GHSA-none-none-none", Ecosystem: "npm", Package: "js-cookie", Affected: "<9.9.9", Severity: "critical"},
		{ID: "GHSA-mild-mild-mild", Ecosystem: "rust-crate", Package: "itoa", Affected: "<9.9.9", Fixed: "9.9.9", Severity: "low"},
	}
}

// withFrontend is a variant of the tiny product with a frontend of one npm
// package, and what else is to lie in its checkout.
func withFrontend(t testing.TB, files map[string]string) (product.Product, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	ok(t, copyAll(filepath.Join(root(t), "testdata", "tiny"), dir, nil))
	p := tiny()
	p.Frontend = &product.Frontend{Dir: "frontend", Output: "frontend/build", ImageDir: "/srv"}
	p.Scan = &product.Scan{Scanners: []string{product.Grype}, Exceptions: "security/exceptions.yaml", VEX: []string{"security/*.vex.json"}}
	all := map[string]string{
		"frontend/package.json": `{"name":"tiny-frontend","version":"0.2.0","private":true,"license":"Apache-2.0",
"scripts":{"build":"node -e \"fs.mkdirSync('build');fs.copyFileSync('node_modules/js-cookie/dist/js.cookie.mjs','build/app.js')\""},
"dependencies":{"js-cookie":"3.0.5"}}`,
		"frontend/package-lock.json": `{"name":"tiny-frontend","version":"0.2.0","lockfileVersion":3,"requires":true,"packages":{
"":{"name":"tiny-frontend","version":"0.2.0","license":"Apache-2.0","dependencies":{"js-cookie":"3.0.5"}},
"node_modules/js-cookie":{"version":"3.0.5","integrity":"sha512-cEiJEAEoIbWfCZYKWhVwFuvPX1gETRYPw6LlaTKoxD3s2AkXzkCjnp6h0V77ozyqj0jakteJ4YqDJT830+lVGw==","license":"MIT","engines":{"node":">=14"}}}}`,
		".gitignore": "dist/\ntarget/\nnode_modules/\nfrontend/build/\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return p, dir
}

// scanning is a world whose releases are scanned, with a database of its own.
func scanning(t testing.TB, files map[string]string) *world {
	t.Helper()
	program := testkit.Scanner(t)
	p, sample := withFrontend(t, files)
	w := newWorldOf(t, p, sample)
	w.env = map[string]string{envScanner: program}
	w.serve(registries.All()["distribution"](t))
	w.Database = w.makeDatabase(planted(), time.Time{})
	return w
}

// makeDatabase builds a vulnerability database.
func (w *world) makeDatabase(list []scan.Advisory, built time.Time) string {
	w.t.Helper()
	dir := w.t.TempDir()
	ok(w.t, scan.Program{Path: w.env[envScanner]}.Build(w.t.Context(), scan.Build{Dir: dir, Built: built, Advisories: list}))
	return filepath.Join(dir, "v6", scan.DatabaseFile)
}

func (w *world) first() error { return w.play(w.t.Context(), w.history.Episodes[0]) }

// record is the record of the scan of the first release.
func (w *world) scanRecord(name string) record.Evidence {
	w.t.Helper()
	b, err := bundle.Open(w.dist(w.history.Episodes[0].Ref))
	ok(w.t, err)
	all, err := record.ReadEvidence(b)
	ok(w.t, err)
	for _, e := range all {
		if e.Name == name {
			return e
		}
	}
	w.t.Fatalf("the bundle has no record of %s", name)
	return record.Evidence{}
}

// TestScanStops: the gate finds a planted crate and a planted npm package, and
// nothing is published.
func TestScanStops(t *testing.T) {
	w := scanning(t, nil)
	says(t, w.first(), "v0.2.0 is not published", "grype found what the policy does not let pass", plantedNPM+" (critical) in js-cookie 3.0.5, fixed in 9.9.9", plantedCrate+" (high) in itoa")
	if _, err := remote.Head(mustRef(t, w.Image+":0.2.0")); err == nil {
		t.Error("it is published all the same")
	}
	e := w.scanRecord("scan:grype")
	if e.Result != record.Fail || e.Summary != "4 found: 2 stops, 1 no fix, 1 minor" {
		t.Errorf("the record says %s: %s", e.Result, e.Summary)
	}
	text, err := os.ReadFile(w.dist(scansDir, "v0.2.0", "grype.sarif"))
	ok(t, err)
	for _, part := range []string{`"version": "2.1.0"`, `"ruleId": "` + plantedCrate + `"`, `"uri": "frontend/package-lock.json"`, `"security-severity": "9.5"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the SARIF file does not say %s", part)
		}
	}

	t.Run("stale database", func(t *testing.T) {
		w.Database = w.makeDatabase(nil, time.Now().AddDate(0, 0, -6))
		says(t, w.first(), "the vulnerability database of grype was built at", "6 days ago", "none that is older than 5 days")
	})
	t.Run("no database", func(t *testing.T) {
		w.Database = filepath.Join(t.TempDir(), "none.tar.gz")
		says(t, w.first(), "v0.2.0 is not published", "none.tar.gz: no such file")
	})
	t.Run("empty database", func(t *testing.T) {
		w.Database = filepath.Join(t.TempDir(), "empty.tar.gz")
		ok(t, os.WriteFile(w.Database, nil, 0o644))
		says(t, w.first(), "v0.2.0 is not published", "loading the database")
	})
	for name, c := range map[string][]string{
		"unreadable": {`echo clean`, "answer cannot be read"},
		"killed":     {`kill -9 $$`, "scanning with grype"},
		"saw nothing": {`echo '{"scanner":{"name":"grype"},"database":{"built":"2999-01-01T00:00:00Z"},"scanned":[{"name":"linux/amd64","packages":[]}]}'`,
			"grype saw no package in linux/amd64"},
		"saw less": {`echo '{"scanner":{"name":"grype"},"database":{"built":"2999-01-01T00:00:00Z"},"scanned":[{"name":"linux/amd64","packages":["pkg:npm/js-cookie@3.0.5"]}]}'`,
			"grype saw 1 of the 4 packages", "pkg:cargo/itoa@1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			was := w.env[envScanner]
			defer func() { w.env[envScanner] = was }()
			w.env[envScanner] = filepath.Join(t.TempDir(), "scanner")
			ok(t, os.WriteFile(w.env[envScanner], []byte("#!/bin/sh\n"+c[0]+"\n"), 0o755))
			w.Database = w.dist("..", "any.tar.gz")
			ok(t, os.WriteFile(w.Database, nil, 0o644))
			says(t, w.first(), append([]string{"v0.2.0 is not published"}, c[1:]...)...)
		})
	}
	t.Run("nothing planted", func(t *testing.T) {
		w.Database = w.makeDatabase(nil, time.Time{})
		ok(t, w.first())
	})
}

// TestScanAllowed: exceptions let a release pass, it is attested, and they end.
func TestScanAllowed(t *testing.T) {
	ten := time.Now().UTC().AddDate(0, 0, -10).Format(time.RFC3339)
	w := scanning(t, map[string]string{
		"security/crate.vex.json": `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/vex/1","author":"maintainers","timestamp":"` + ten + `","version":1,
"statements":[{"vulnerability":{"name":"CVE-2026-1001"},"products":[{"@id":"pkg:oci/tinyd","subcomponents":[{"@id":"pkg:cargo/itoa"}]}],
"status":"not_affected","justification":"vulnerable_code_not_in_execute_path"}]}`,
		"security/exceptions.yaml": "exceptions:\n  - vulnerability: " + plantedNPM + "\n    package: pkg:npm/js-cookie@3.0.5\n    reason: no cookie of others is read\n    expires: " + time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly) + "\n" +
			"  - vulnerability: GHSA-gone-gone-gone\n    package: pkg:npm/left-pad\n    reason: it was there once\n    expires: 2999-01-01\n",
	})
	ok(t, w.first())
	e := w.scanRecord("scan:grype")
	if e.Result != record.Pass || e.Summary != "4 found: 2 allowed, 1 no fix, 1 minor" {
		t.Errorf("the record says %s: %s", e.Result, e.Summary)
	}
	for _, part := range []string{"the exception for GHSA-gone-gone-gone in pkg:npm/left-pad (security/exceptions.yaml) matches nothing that grype found", "allowed by security/exceptions.yaml until", "no cookie of others is read"} {
		if !strings.Contains(w.log.String(), part) {
			t.Errorf("the log does not say %q:\n%s", part, w.log)
		}
	}
	key := filepath.Join(w.Dir, ".release", "cosign.pub")
	ok(t, w.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.2.0", Key: key, Require: []string{"scan:grype"}}))
	says(t, w.Verify(t.Context(), VerifyQuery{Image: w.Image + ":0.2.0", Key: key, Require: []string{"scan:trivy"}}), "scan:trivy was asked for")

	t.Run("attested", func(t *testing.T) {
		b, err := bundle.Open(w.dist("v0.2.0"))
		ok(t, err)
		var on []string
		for _, d := range b.Entries(bundle.Artifact) {
			if title := d.Annotations[bundle.TitleKey]; strings.Contains(title, ".vulnerabilities.grype") {
				on = append(on, strings.TrimSuffix(title, ".vulnerabilities.grype"))
			}
		}
		if got := strings.Join(on, " "); got != "index linux-amd64 linux-arm64" {
			t.Errorf("the scan is attested on %q", got)
		}
	})
	t.Run("cosign", func(t *testing.T) {
		said := cosignVerifiesScan(t, w.Image+":0.2.0", key)
		var envelope struct{ Payload []byte }
		ok(t, json.Unmarshal([]byte(strings.SplitN(said, "\n", 2)[0]), &envelope))
		s, err := intoto.Decode(envelope.Payload)
		ok(t, err)
		if s.PredicateType != intoto.Vulnerabilities || !strings.Contains(string(s.Predicate), plantedNPM) || !strings.Contains(string(s.Predicate), `"scanFinishedOn"`) {
			t.Errorf("cosign gives %s %s", s.PredicateType, s.Predicate)
		}
	})
	t.Run("again", func(t *testing.T) {
		w.log.Reset()
		ok(t, w.first())
		for _, part := range []string{"scanned at " + e.Finished.Format(time.RFC3339), "0 signed"} {
			if !strings.Contains(w.log.String(), part) {
				t.Errorf("the log does not say %q:\n%s", part, w.log)
			}
		}
	})
	t.Run("elsewhere", func(t *testing.T) { // what is attested counts on another machine
		s := w.Suite
		s.Dist = filepath.Join(t.TempDir(), "dist")
		w.log.Reset()
		_, err := s.release(t.Context(), s.UI, Order{Ref: "v0.2.0", Channels: []decide.Channel{decide.Stable}})
		ok(t, err)
		if want := "scanned at " + e.Finished.Format(time.RFC3339); !strings.Contains(w.log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, w.log)
		}
	})
	t.Run("published image", func(t *testing.T) {
		w.out.Reset()
		ok(t, w.Suite.Scan(t.Context(), ScanOrder{Image: w.Image + ":0.2.0", Key: key, Database: w.Database}))
		for _, part := range []string{plantedNPM, "js-cookie", "3.0.5", "9.9.9", "allowed by security/exceptions.yaml until"} {
			if !strings.Contains(w.out.String(), part) {
				t.Errorf("the table does not say %q:\n%s", part, w.out)
			}
		}
	})
	t.Run("expired", func(t *testing.T) {
		s := w.Suite
		s.Product.Scan = &product.Scan{Scanners: []string{product.Grype}, Exceptions: "security/exceptions.yaml", VEX: []string{"security/*.vex.json"}, Believed: 9}
		s.Dir, s.Getenv, s.UI, s.Out = w.Dir, w.Getenv, term.New(w.log, func(string) string { return "" }), w.out
		file := filepath.Join(t.TempDir(), "out.sarif")
		says(t, s.Scan(t.Context(), ScanOrder{Tag: "v0.2.0", SARIF: file}), plantedCrate+" (high) in itoa", "its exception in security/crate.vex.json ended on")
		text, err := os.ReadFile(file)
		ok(t, err)
		if !strings.Contains(string(text), `"suppressions"`) || strings.Count(string(text), `"kind": "external"`) != 1 {
			t.Errorf("SARIF:\n%s", text)
		}
	})
}

// TestRehearseScan: a rehearsal scans with a database that it makes up, and says
// so.
func TestRehearseScan(t *testing.T) {
	program := testkit.Scanner(t)
	p := tiny()
	p.Scan = &product.Scan{Scanners: []string{product.Trivy}, Candidate: []string{product.Grype}}
	w := newWorld(t, p)
	w.env = map[string]string{envScanner: program}
	w.serve(registries.All()["embedded"](t))
	w.Product = rehearsed(w.Product)
	ok(t, w.rehearseScan(t.Context()))
	ok(t, w.first())
	ok(t, w.tables())
	for _, part := range []string{"scan (made-up database)", "grype: nothing found"} {
		if !strings.Contains(w.out.String(), part) {
			t.Errorf("the tables do not say %q:\n%s", part, w.out)
		}
	}
}

// TestScannerMissing: what is not there is told before anything is built.
func TestScannerMissing(t *testing.T) {
	p := tiny()
	p.Scan = &product.Scan{Scanners: []string{product.Trivy}}
	w := newWorld(t, p)
	w.env = map[string]string{envTrivy: filepath.Join(t.TempDir(), "trivy")}
	w.serve(registries.All()["embedded"](t))
	says(t, w.first(), "scan:trivy has to be passed before the release is published", "no such file")
	if _, err := os.Stat(w.dist("v0.2.0")); err == nil {
		t.Error("a bundle was begun")
	}
	w.Product.Scan = &product.Scan{Scanners: []string{product.Grype}}
	w.env = map[string]string{envScanner: filepath.Join(t.TempDir(), "grype")}
	says(t, w.first(), "scan:grype has to be passed before the release is published", "no such file")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	w.env = nil
	says(t, w.canScan([]string{product.Trivy}), "trivy is not installed: run scripts/setup.sh trivy, or name it in RELEASE_TRIVY")
	says(t, w.canScan([]string{product.Grype}), "grype is built with Go, which is not on the PATH", "RELEASE_SCANNER")
}

// cosignVerifiesScan has cosign's command line verify the attested scan, and
// gives the envelope that it prints.
func cosignVerifiesScan(t *testing.T, image, key string) string {
	t.Helper()
	cosign := testkit.Cosign(t)
	dir := t.TempDir()
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), cosign, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "TUF_ROOT="+dir)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("cosign %s: %v\n%s", strings.Join(args, " "), err, &said)
		}
		return string(out)
	}
	run("trusted-root", "create", "--out", "trusted-root.json")
	return run("verify-attestation", "--type", intoto.Vulnerabilities, "--new-bundle-format", "--key", key,
		"--trusted-root", "trusted-root.json", "--insecure-ignore-tlog", "--allow-http-registry", image)
}
