package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

const (
	// envScanner names a built scanner program, envTrivy Trivy's.
	envScanner = "RELEASE_SCANNER"
	envTrivy   = "RELEASE_TRIVY"
	// envDatabase begins the variables with where a scanner's database comes
	// from: RELEASE_SCAN_DB_GRYPE, RELEASE_SCAN_DB_TRIVY.
	envDatabase = "RELEASE_SCAN_DB_"
)

// scansDir is where SARIF files lie, below dist.
const scansDir = "scans"

// scan looks for known vulnerabilities in what the SBOMs list, by each
// scanner that the product asks for, and leaves records in the bundle. What a
// scan of before says counts for as long as its database is not too old.
func (s *Suite) scan(ctx context.Context, ui runner, b *bundle.Bundle, from start, reg *registry.Registry) error {
	names := s.scanners(from.plan.Ref.Channel)
	if len(names) == 0 {
		return nil
	}
	d, _, _, err := b.ImageIndex()
	if err != nil {
		return err
	}
	there, err := s.attested(ctx, reg, d.Digest)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := ui.Run(ctx, scanName(name), func(ctx context.Context, step *term.Step) error {
			old, err := s.passed(b, scanName(name), d.Digest, there)
			if err != nil {
				return err
			}
			if old != nil && scanHolds(*old, time.Now()) {
				step.Detail("%s, scanned at %s", old.Summary, old.Finished.Format(time.RFC3339))
				return nil
			}
			scanner, err := s.scanner(ctx, name, s.database(name, ""), step.Log())
			if err != nil {
				return err
			}
			targets, err := scanTargets(b)
			if err != nil {
				return err
			}
			report, decision, err := s.judge(ctx, scanner, targets)
			if err != nil {
				return err
			}
			step.Detail("%s", decision.Summary())
			for _, w := range decision.Warnings {
				step.Warn("%s", w)
			}
			if len(decision.Verdicts) > 0 {
				if err := s.UI.Table(step.Log(), scanHead, scanRows(decision)); err != nil {
					return err
				}
			}
			if err := s.keepScan(b, name, d.Digest.String(), report, decision); err != nil {
				return err
			}
			return decision.Stop(name)
		})
		if err != nil {
			return fmt.Errorf("%s is not published: %w", from.plan.Ref.Name, err)
		}
	}
	return nil
}

// scanners are those that a release of a channel is scanned with.
func (s *Suite) scanners(c decide.Channel) []string {
	p := s.Product.Scan
	switch {
	case p == nil:
		return nil
	case c == decide.Candidate:
		return slices.Concat(p.Scanners, p.Candidate)
	}
	return p.Scanners
}

func scanName(scanner string) string { return "scan:" + scanner }

// canScan asks, before anything is built, whether the scanners of a release are
// there.
func (s *Suite) canScan(names []string) error {
	for _, name := range names {
		var err error
		switch {
		case name == product.Trivy:
			_, err = s.trivyPath()
		case s.Getenv(envScanner) != "":
			_, err = os.Stat(s.Getenv(envScanner))
		default:
			if _, err = exec.LookPath("go"); err != nil {
				err = fmt.Errorf("grype is built with Go, which is not on the PATH: install it, or name a built scanner program in %s", envScanner)
			}
		}
		if err != nil {
			return fmt.Errorf("%s has to be passed before the release is published: %w", scanName(name), err)
		}
	}
	return nil
}

// database says where a scanner's database comes from: what was asked for, the
// environment, or the product.
func (s *Suite) database(scanner, asked string) string {
	if asked == "" && scanner == product.Grype {
		asked = s.Database
	}
	from := or(asked, s.Getenv(envDatabase+strings.ToUpper(scanner)))
	if p := s.Product.Scan; from == "" && p != nil {
		from = p.Databases[scanner]
	}
	return from
}

// scanner makes one ready: grype's program is built, where it is not there.
func (s *Suite) scanner(ctx context.Context, name, database string, log io.Writer) (scan.Scanner, error) {
	cache, err := cacheDir("scan", name)
	if err != nil {
		return nil, err
	}
	switch name {
	case product.Grype:
		program, err := s.scanProgram(ctx, log)
		if err != nil {
			return nil, err
		}
		at, err := s.locate(ctx, database, cache)
		return scan.Grype{Program: program, Database: at}, err
	case product.Trivy:
		return s.trivy(database, cache, log)
	}
	return nil, fmt.Errorf("%q is no scanner, want %q or %q", name, product.Grype, product.Trivy)
}

func (s *Suite) scanProgram(ctx context.Context, log io.Writer) (scan.Program, error) {
	if path := s.Getenv(envScanner); path != "" {
		return scan.Program{Path: path, Log: log}, nil
	}
	dir, err := cacheDir("scan", "program")
	if err != nil {
		return scan.Program{}, err
	}
	return scan.BuildProgram(ctx, dir, log)
}

// locate fetches a database that lies in a registry.
func (s *Suite) locate(ctx context.Context, database, cache string) (scan.Location, error) {
	repository, ok := strings.CutPrefix(database, scan.OCI)
	if !ok {
		return scan.Locate(ctx, database, cache)
	}
	repository, _, _ = strings.Cut(repository, "@")
	if at := strings.LastIndex(repository, ":"); at > strings.LastIndex(repository, "/") {
		repository = repository[:at]
	}
	reg, err := s.dial(repository, true)
	if err != nil {
		return scan.Location{}, err
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return scan.Location{}, err
	}
	return scan.Locate(ctx, database, cache, options...)
}

// trivyPath finds Trivy: where it is named, where scripts/setup.sh puts it, or on
// the PATH.
func (s *Suite) trivyPath() (string, error) {
	if path := s.Getenv(envTrivy); path != "" {
		_, err := os.Stat(path)
		return path, err
	}
	bin, err := cacheDir("bin")
	if err != nil {
		return "", err
	}
	built, err := filepath.Glob(filepath.Join(bin, "trivy-v*"))
	if err == nil && len(built) > 0 {
		slices.Sort(built)
		return built[len(built)-1], nil
	}
	found, err := exec.LookPath("trivy")
	if err != nil {
		return "", fmt.Errorf("trivy is not installed: run scripts/setup.sh trivy, or name it in %s", envTrivy)
	}
	return found, nil
}

func (s *Suite) trivy(database, cache string, log io.Writer) (scan.Scanner, error) {
	found, err := s.trivyPath()
	if err != nil {
		return nil, err
	}
	// What it fetched of one place would be taken for that of another.
	sum := sha256.Sum256([]byte(database))
	t := scan.Trivy{Path: found, Cache: filepath.Join(cache, hex.EncodeToString(sum[:8])), Log: log}
	if err := os.MkdirAll(t.Cache, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v := s.Getenv(name); v != "" {
			t.Env = append(t.Env, name+"="+v)
		}
	}
	switch repository, inRegistry := strings.CutPrefix(database, scan.OCI); {
	case database == "":
	case inRegistry:
		t.Repository = repository
	case strings.HasPrefix(database, "http://"), strings.HasPrefix(database, "https://"):
		return nil, fmt.Errorf("trivy takes its database from a registry or a file, and %s is neither: use oci://REPOSITORY:TAG", database)
	default:
		t.Offline = true
		return t, scan.UnpackTrivy(database, t.Cache)
	}
	return t, nil
}

// scanTargets are the images of a bundle with their SBOMs.
func scanTargets(b *bundle.Bundle) (scan.Targets, error) {
	t := scan.Targets{Layout: b.Dir}
	_, index, ok, err := b.ImageIndex()
	if err != nil {
		return t, err
	}
	if !ok {
		return t, errors.New("the bundle has no image yet: it is made before it is scanned")
	}
	for _, m := range index.Manifests {
		if m.Platform == nil {
			return t, fmt.Errorf("the image index holds %s without a platform", m.Digest)
		}
		platform := path.Join(m.Platform.OS, m.Platform.Architecture, m.Platform.Variant)
		at := slices.IndexFunc(b.Entries(bundle.File), isSBOM(m.Digest))
		if at < 0 {
			return t, fmt.Errorf("the bundle has no CycloneDX document of the image for %s: SBOMs are made before they are scanned", platform)
		}
		t.Documents = append(t.Documents, scan.Document{Name: platform, Path: absolute(b.Path(b.Entries(bundle.File)[at].Digest))})
		t.Images = append(t.Images, scan.Image{Platform: platform, Digest: m.Digest.String()})
	}
	return t, nil
}

// judge scans, reads the exceptions and decides.
func (s *Suite) judge(ctx context.Context, scanner scan.Scanner, targets scan.Targets) (scan.Report, scan.Decision, error) {
	policy := s.scanPolicy()
	var exceptions []scan.Exception
	if p := s.Product.Scan; p != nil {
		var err error
		if exceptions, err = scan.ReadExceptions(s.Dir, p.Exceptions, p.VEX, policy); err != nil {
			return scan.Report{}, scan.Decision{}, err
		}
	}
	report, err := scanner.Scan(ctx, targets)
	if err != nil {
		return report, scan.Decision{}, err
	}
	decision, err := scan.Decide(report, policy, exceptions, time.Now())
	return report, decision, err
}

// scanPolicy is the product's, with the defaults of what it leaves out.
func (s *Suite) scanPolicy() scan.Policy {
	var p product.Scan
	if s.Product.Scan != nil {
		p = *s.Product.Scan
	}
	policy := scan.Policy{
		Stop: scan.Severity(or(p.Stop, string(scan.High))), Unfixed: p.Unfixed,
		MaxAge: 120 * time.Hour, Believed: 90 * 24 * time.Hour,
	}
	if p.MaxAge > 0 {
		policy.MaxAge = time.Duration(p.MaxAge) * time.Hour
	}
	if p.Believed > 0 {
		policy.Believed = time.Duration(p.Believed) * 24 * time.Hour
	}
	repository := s.Product.Image.Repository
	policy.Product = []string{
		"pkg:oci/" + path.Base(repository) + "?repository_url=" + repository, "pkg:oci/" + path.Base(repository), s.Product.Source,
	}
	return policy
}

var scanHead = []string{"vulnerability", "severity", "package", "version", "fixed in", "decision"}

// scanRows is what people read of a decision.
func scanRows(d scan.Decision) [][]string {
	rows := make([][]string, 0, len(d.Verdicts))
	for _, v := range d.Verdicts {
		rows = append(rows, []string{v.ID, string(v.Severity), v.Name, v.Version, or(strings.Join(v.Fixed, " "), "-"), v.String()})
	}
	return rows
}
