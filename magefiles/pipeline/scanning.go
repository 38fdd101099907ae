package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// ScanOrder asks for a scan outside a release. It leaves no record.
type ScanOrder struct {
	// Image is a published image by tag or digest; empty for a bundle in dist.
	Image string
	// Key is a file with cosign's public key for an image; empty for the one that
	// the checkout pins.
	Key string
	// Tag picks the bundle; empty for the edge build of HEAD.
	Tag string
	// Scanner is "grype" or "trivy"; empty for the product's, or grype.
	Scanner string
	// Database says where its database comes from: see [product.Scan].
	Database string
	// SARIF is a file to write.
	SARIF string
	JSON  bool
}

// scannedBy is what came of one scanner.
type scannedBy struct {
	Report   scan.Report   `json:"report"`
	Decision scan.Decision `json:"decision"`
	// Stops says why a release would stop; empty where it would not.
	Stops string `json:"stops,omitempty"`
}

// Scan scans a bundle or a published image and prints what was found. What the
// policy stops is the error.
func (s *Suite) Scan(ctx context.Context, o ScanOrder) (err error) {
	names := s.scanners(decide.Edge)
	switch {
	case o.Scanner != "":
		names = []string{o.Scanner}
	case len(names) == 0:
		names = []string{product.Grype}
	}
	if len(names) > 1 && (o.Database != "" || o.SARIF != "") {
		return fmt.Errorf("-db and -sarif are about one scanner, and the product asks for %s: name one with -scanner", strings.Join(names, " and "))
	}
	if err := s.canScan(names); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "scan-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var targets scan.Targets
	err = s.UI.Run(ctx, "what to scan", func(ctx context.Context, step *term.Step) (err error) {
		if o.Image != "" {
			targets, err = s.pulled(ctx, step, o, dir)
		} else {
			targets, err = s.bundled(ctx, o.Tag)
		}
		return err
	})
	if err != nil {
		return err
	}
	var all []scannedBy
	var stops error
	for _, name := range names {
		err := s.UI.Run(ctx, scanName(name), func(ctx context.Context, step *term.Step) error {
			scanner, err := s.scanner(ctx, name, s.database(name, o.Database), step.Log())
			if err != nil {
				return err
			}
			report, decision, err := s.judge(ctx, scanner, targets)
			if err != nil {
				return err
			}
			for _, w := range decision.Warnings {
				step.Warn("%s", w)
			}
			step.Detail("%s", decision.Summary())
			one := scannedBy{Report: report, Decision: decision}
			if stop := decision.Stop(name); stop != nil {
				one.Stops = stop.Error()
				stops = errors.Join(stops, stop)
			}
			all = append(all, one)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(s.printScans(o, all), stops)
}

func (s *Suite) printScans(o ScanOrder, all []scannedBy) error {
	if o.SARIF != "" {
		text, err := scan.SARIF(all[0].Report, all[0].Decision, s.pinnedIn)
		if err != nil {
			return err
		}
		if err := atomicfile.Write(o.SARIF, text, 0o644); err != nil {
			return err
		}
	}
	if o.JSON {
		return s.printJSON(all)
	}
	for _, one := range all {
		if len(one.Decision.Verdicts) == 0 {
			if _, err := fmt.Fprintf(s.Out, "%s %s found nothing (database of %s).\n", one.Report.Scanner.Name, one.Report.Scanner.Version, one.Report.Database.Built.Format(time.RFC3339)); err != nil {
				return err
			}
			continue
		}
		if err := s.UI.Table(s.Out, scanHead, scanRows(one.Decision)); err != nil {
			return err
		}
	}
	return nil
}

// bundled are the images of a bundle in dist.
func (s *Suite) bundled(ctx context.Context, tag string) (scan.Targets, error) {
	if tag == "" {
		repo, err := git.Open(ctx, s.Dir)
		if err != nil {
			return scan.Targets{}, err
		}
		head, err := repo.Head(ctx)
		if err != nil {
			return scan.Targets{}, err
		}
		tag = decide.Plan{Ref: decide.Ref{Channel: decide.Edge}, Commit: head}.ID()
	}
	b, err := bundle.Open(s.dist(strings.TrimPrefix(tag, "refs/tags/")))
	if errors.Is(err, os.ErrNotExist) {
		return scan.Targets{}, fmt.Errorf("%s holds no bundle of %s: make it (`go run . release:publish -tag=%s -dryRun`), or name another with -tag", s.dist(), tag, tag)
	}
	if err != nil {
		return scan.Targets{}, err
	}
	return scanTargets(b)
}

// pulled brings a published image into a layout, with the SBOMs that the trusted
// key attests of it.
func (s *Suite) pulled(ctx context.Context, step *term.Step, o ScanOrder, dir string) (scan.Targets, error) {
	t := scan.Targets{Layout: filepath.Join(dir, "layout")}
	ref, err := name.ParseReference(o.Image, name.StrictValidation)
	if err != nil {
		return t, fmt.Errorf("%q is no image: want a full reference by tag or digest, such as %s:1.2.3 (%w)", o.Image, s.Product.Image.Repository, err)
	}
	trust, err := s.trustedBy(VerifyQuery{Image: o.Image, Key: o.Key})
	if err != nil {
		return t, err
	}
	reg, err := s.dial(ref.Context().Name(), true)
	if err != nil {
		return t, err
	}
	options, err := reg.Remote(ctx)
	if err != nil {
		return t, err
	}
	options = append(options, remote.WithContext(ctx))
	index, err := remote.Index(ref, options...)
	if err != nil {
		return t, fmt.Errorf("reading %s: %w", ref, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return t, err
	}
	step.Detail("%s", digest)
	manifest, err := index.IndexManifest()
	if err != nil {
		return t, err
	}
	documents, err := verify.Documents(ctx, reg.Digest(digest), trust, options...)
	if err != nil {
		return t, err
	}
	path, err := layout.Write(t.Layout, empty.Index)
	if err != nil {
		return t, err
	}
	if err := path.AppendIndex(index); err != nil {
		return t, fmt.Errorf("pulling %s: %w", ref, err)
	}
	for i, m := range manifest.Manifests {
		platform := "unknown"
		if m.Platform != nil {
			platform = m.Platform.OS + "/" + m.Platform.Architecture
		}
		text, ok := documents[m.Digest]
		if !ok {
			return t, fmt.Errorf("no CycloneDX document of the image for %s is attested by the trusted key: nobody says what is in it", platform)
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.cdx.json", i))
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return t, err
		}
		t.Documents = append(t.Documents, scan.Document{Name: platform, Path: file})
		t.Images = append(t.Images, scan.Image{Platform: platform, Digest: m.Digest.String()})
	}
	return t, nil
}

// ScanDatabase fetches grype's database, where a newer one is there, and shows
// what it is.
func (s *Suite) ScanDatabase(ctx context.Context, database string, asJSON bool) error {
	var d scan.Database
	err := s.UI.Run(ctx, "vulnerability database", func(ctx context.Context, step *term.Step) (err error) {
		d, err = s.grypeDatabase(ctx, s.database(product.Grype, database), step.Log())
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return s.printJSON(d)
	}
	age := time.Since(d.Built)
	state := "fresh"
	if most := s.scanPolicy().MaxAge; age > most {
		state = "too old: the policy takes none older than " + most.String()
	}
	return s.UI.Table(s.Out, []string{"grype's database", ""}, [][]string{
		{"from", d.From}, {"built", d.Built.Format(time.RFC3339)}, {"age", age.Round(time.Minute).String() + ", " + state},
		{"schema", d.Schema}, {"checksum", or(d.Checksum, "-")},
	})
}

func (s *Suite) grypeDatabase(ctx context.Context, from string, log io.Writer) (scan.Database, error) {
	cache, err := cacheDir("scan", product.Grype)
	if err != nil {
		return scan.Database{}, err
	}
	program, err := s.scanProgram(ctx, log)
	if err != nil {
		return scan.Database{}, err
	}
	at, err := s.locate(ctx, from, cache)
	if err != nil {
		return scan.Database{}, err
	}
	return program.Database(ctx, at)
}
