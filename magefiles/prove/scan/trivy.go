package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Trivy scans images with the program of that name, and their SBOMs besides:
// crates it finds in the binary itself, but what a bundler put into the frontend
// it cannot see in an image.
type Trivy struct {
	// Path is the executable.
	Path string
	// Repository is the OCI repository of its database, with or without a tag;
	// "" is Trivy's own. Offline takes the database that lies in Cache.
	Repository string
	Offline    bool
	// Cache is its directory, absolute.
	Cache string
	// Env is the environment that it gets besides Home, as in HTTPS_PROXY=…;
	// nothing of Trivy's own settings reaches it.
	Env []string
	Log io.Writer
}

const trivyURI = "https://github.com/aquasecurity/trivy"

// Scan implements [Scanner]. It looks at the images and at their SBOMs.
func (t Trivy) Scan(ctx context.Context, targets Targets) (report Report, err error) {
	defer func() {
		if err != nil {
			report, err = Report{}, fmt.Errorf("scanning with Trivy: %w", err)
		}
	}()
	if len(targets.Images) != len(targets.Documents) {
		return report, fmt.Errorf("there are %d images and %d SBOMs, want one SBOM an image", len(targets.Images), len(targets.Documents))
	}
	report = Report{Scanner: Tool{Name: "trivy", URI: trivyURI}, Started: time.Now().UTC()}
	if report.Scanner.Version, err = t.version(ctx); err != nil {
		return report, err
	}
	// Files named .trivyignore and trivy.yaml would count where it runs: it runs
	// where there are none.
	work, err := os.MkdirTemp("", "trivy-*")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	for i, image := range targets.Images {
		layout := filepath.Join(work, fmt.Sprint("image", i))
		if err := oneImage(layout, targets.Layout, image.Digest); err != nil {
			return report, err
		}
		name := targets.Documents[i].Name
		inImage, err := t.look(ctx, work, name, "image", "--input", layout)
		if err != nil {
			return report, err
		}
		if len(inImage.Scanned.Packages) == 0 {
			return report, fmt.Errorf("it saw no package in the image for %s: that is no clean result but none at all", image.Platform)
		}
		inDocument, err := t.look(ctx, work, name, "sbom", targets.Documents[i].Path)
		if err != nil {
			return report, err
		}
		report.Scanned = append(report.Scanned, Scanned{name, sortedOnce(append(inImage.Scanned.Packages, inDocument.Scanned.Packages...))})
		report.Findings = append(report.Findings, append(inImage.Findings, inDocument.Findings...)...)
	}
	if report.Database, err = t.database(); err != nil {
		return report, err
	}
	report.Findings = merge(report.Findings)
	report.Finished = time.Now().UTC()
	return report, complete(report, targets.Documents)
}

func (t Trivy) command(dir string, args ...string) run.Cmd {
	env := append([]string{"HOME=" + t.Cache}, t.Env...)
	return run.Cmd{Name: t.Path, Args: args, Dir: dir, BareEnv: true, Env: env, Log: t.Log}
}

func (t Trivy) version(ctx context.Context) (string, error) {
	text, err := run.Output(ctx, t.command(os.TempDir(), "version", "--format", "json"))
	if err != nil {
		return "", err
	}
	var v struct{ Version string }
	if err := json.Unmarshal(text, &v); err != nil || v.Version == "" {
		return "", fmt.Errorf("%s does not say its version: is it Trivy?", t.Path)
	}
	return v.Version, nil
}

type trivySeen struct {
	Scanned  Scanned
	Findings []Finding
}

func (t Trivy) look(ctx context.Context, work, name, kind string, what ...string) (trivySeen, error) {
	args := []string{
		kind, "--format", "json", "--scanners", "vuln", "--list-all-pkgs", "--quiet", "--no-progress", "--skip-version-check",
		"--disable-telemetry", "--offline-scan", "--cache-dir", t.Cache, "--timeout", "30m",
	}
	switch {
	case t.Offline:
		args = append(args, "--skip-db-update")
	case t.Repository != "":
		args = append(args, "--db-repository", t.Repository)
	}
	out := &capped{left: maxReport}
	if err := run.Stream(ctx, t.command(work, append(args, what...)...), out); err != nil {
		return trivySeen{}, err
	}
	packages, findings, err := ParseTrivy(out.Bytes(), name)
	if err != nil {
		return trivySeen{}, fmt.Errorf("reading what it says of %s (%s): %w", name, kind, err)
	}
	return trivySeen{Scanned{name, packages}, findings}, nil
}

// ParseTrivy reads a report of Trivy (JSON, schema version 2): the package URLs
// it saw, and what it found in them.
func ParseTrivy(text []byte, name string) (packages []string, findings []Finding, err error) {
	type identifier struct{ PURL string }
	var report struct {
		SchemaVersion int
		Results       []struct {
			Packages []struct {
				Name, Version string
				Identifier    identifier
			}
			Vulnerabilities []struct {
				VulnerabilityID, PkgName, InstalledVersion, FixedVersion string
				Severity, PrimaryURL, Title                              string
				VendorIDs                                                []string
				PkgIdentifier                                            identifier
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&report); err != nil {
		return nil, nil, fmt.Errorf("it is no JSON report: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("it goes on after its end")
	}
	if report.SchemaVersion != 2 {
		return nil, nil, fmt.Errorf("it is of schema version %d, want 2", report.SchemaVersion)
	}
	for _, r := range report.Results {
		for _, p := range r.Packages {
			if p.Identifier.PURL != "" {
				packages = append(packages, bare(p.Identifier.PURL))
			}
		}
		for _, v := range r.Vulnerabilities {
			if v.VulnerabilityID == "" || v.PkgIdentifier.PURL == "" {
				return nil, nil, fmt.Errorf("it has a vulnerability %q of %q without an id or a package URL", v.VulnerabilityID, v.PkgName)
			}
			f := Finding{
				ID: v.VulnerabilityID, Aliases: sortedOnce(v.VendorIDs), Package: bare(v.PkgIdentifier.PURL),
				Name: v.PkgName, Version: v.InstalledVersion, Severity: severityOf(v.Severity),
				Source: v.PrimaryURL, Title: v.Title, In: []string{name},
			}
			for fix := range strings.SplitSeq(v.FixedVersion, ",") {
				if fix = strings.TrimSpace(fix); fix != "" {
					f.Fixed = append(f.Fixed, fix)
				}
			}
			findings = append(findings, f)
		}
	}
	return sortedOnce(packages), findings, nil
}

// database reads what lies in the cache.
func (t Trivy) database() (Database, error) {
	path := filepath.Join(t.Cache, "db", "metadata.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return Database{}, fmt.Errorf("it left no word of its database: %w", err)
	}
	d, err := ParseTrivyMetadata(text)
	d.From = or(t.Repository, "Trivy's own repository")
	if t.Offline {
		d.From = "file"
	}
	return d, err
}

// ParseTrivyMetadata reads the metadata.json of a Trivy database.
func ParseTrivyMetadata(text []byte) (Database, error) {
	var m struct {
		Version   int
		UpdatedAt time.Time
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return Database{}, fmt.Errorf("reading the metadata of Trivy's database: %w", err)
	}
	if m.UpdatedAt.IsZero() {
		return Database{}, errors.New("the metadata of Trivy's database does not say when it was updated")
	}
	return Database{Schema: fmt.Sprint(m.Version), Built: m.UpdatedAt.UTC()}, nil
}

// oneImage makes a layout of one image, with the blobs of another: Trivy takes
// an index's first image, whatever it is asked for.
func oneImage(dir, layout, digest string) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	blobs, err := filepath.Abs(filepath.Join(layout, "blobs"))
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(blobs, h.Algorithm, h.Hex))
	if err != nil {
		return fmt.Errorf("the layout has no image %s: %w", digest, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(blobs, filepath.Join(dir, "blobs")); err != nil {
		return err
	}
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Digest: h, Size: info.Size()}},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644),
		os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644),
	)
}
