package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// Extensions of the files beside a scan's record, and the fact that says until
// when it counts.
const (
	scanReport = "report.json.gz"
	scanSARIF  = "sarif.gz"
	scanUntil  = "valid until"
)

// keptScan is the report file of a scan.
type keptScan struct {
	Report   scan.Report   `json:"report"`
	Decision scan.Decision `json:"decision"`
}

// keepScan leaves what a scan gave: the record, the report and the SARIF file in
// the bundle, and the last also below dist, for an upload to code scanning.
func (s *Suite) keepScan(b *bundle.Bundle, name, digest string, r scan.Report, d scan.Decision) error {
	e := evidenceOfScan(name, digest, b.Plan.Commit, r, d)
	report, err := json.Marshal(keptScan{r, d})
	if err != nil {
		return err
	}
	sarif, err := scan.SARIF(r, d, s.pinnedIn)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		extension string
		text      []byte
	}{{scanReport, report}, {scanSARIF, sarif}} {
		packed, err := zipped(f.text)
		if err != nil {
			return err
		}
		log, err := record.KeepLog(b, e.File(f.extension), bytes.NewReader(packed))
		if err != nil {
			return err
		}
		e.Logs = append(e.Logs, log)
	}
	file := s.dist(scansDir, b.Plan.ID(), name+".sarif")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(file, sarif, 0o644); err != nil {
		return err
	}
	return record.WriteEvidence(b, e)
}

// evidenceOfScan makes the record: a step for each image that was scanned, and
// one for the policy.
func evidenceOfScan(name, digest, commit string, r scan.Report, d scan.Decision) record.Evidence {
	e := record.Evidence{
		Name: scanName(name), Kind: record.Scan, Result: record.Pass, Summary: d.Summary(), Commit: commit, Digest: digest,
		Started: r.Started, Finished: r.Finished,
		Facts: map[string]string{
			"scanner": r.Scanner.Name + " " + r.Scanner.Version, "database": r.Database.From,
			"database built": r.Database.Built.UTC().Format(time.RFC3339), scanUntil: d.Until.UTC().Format(time.RFC3339),
		},
	}
	if r.Database.Checksum != "" {
		e.Facts["database checksum"] = r.Database.Checksum
	}
	for _, seen := range r.Scanned {
		e.Steps = append(e.Steps, record.EvidenceStep{Name: seen.Name, Result: record.Pass, Detail: strconv.Itoa(len(seen.Packages)) + " packages"})
	}
	policy := record.EvidenceStep{Name: "policy", Result: record.Pass, Detail: e.Summary}
	if err := d.Stop(name); err != nil {
		policy.Result, policy.Detail = record.Fail, err.Error()
		e.Result = record.Fail
	}
	e.Steps = append(e.Steps, policy)
	return e
}

// scanHolds tells whether a scan of before still says something.
func scanHolds(e record.Evidence, now time.Time) bool {
	until, err := time.Parse(time.RFC3339, e.Facts[scanUntil])
	return err == nil && now.Before(until)
}

// scans are the statements about vulnerabilities that a bundle's evidence makes.
// The report of a scan that was taken over from the registry lies elsewhere, and
// its statement is there already.
func scans(b *bundle.Bundle, source string) ([]attest.Scan, error) {
	d, _, _, err := b.ImageIndex()
	if err != nil {
		return nil, err
	}
	all, err := record.ReadEvidence(b)
	if err != nil {
		return nil, err
	}
	var out []attest.Scan
	for _, e := range all {
		name, ok := strings.CutPrefix(e.Name, scanName(""))
		if !ok || e.Digest != d.Digest.String() || e.Result != record.Pass {
			continue
		}
		for _, l := range e.Logs {
			if l.Name != e.File(scanReport) || !b.Has(v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: l.SHA256}, Size: l.Size}) {
				continue
			}
			kept, err := readScan(b.Path(v1.Hash{Algorithm: "sha256", Hex: l.SHA256}))
			if err != nil {
				return nil, fmt.Errorf("reading the report of %s: %w", e.Name, err)
			}
			out = append(out, attest.Scan{Scanner: name, Predicate: scan.Predicate(kept.Report, kept.Decision, source+"@"+b.Plan.Commit)})
		}
	}
	return out, nil
}

// maxScan is the size of the largest report of a scan, in bytes.
const maxScan = 256 << 20

func readScan(path string) (kept keptScan, err error) {
	f, err := os.Open(path)
	if err != nil {
		return kept, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return kept, err
	}
	err = json.NewDecoder(io.LimitReader(unzipped, maxScan)).Decode(&kept)
	return kept, err
}

// zipped packs a text, the same for the same text.
func zipped(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, bundle.GzipLevel)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// pinnedIn is the file of the checkout that pins a package.
func (s *Suite) pinnedIn(purl string) string {
	if f := s.Product.Frontend; f != nil && strings.HasPrefix(purl, "pkg:npm/") {
		return f.Dir + "/package-lock.json"
	}
	return "Cargo.lock"
}

// isSBOM finds the CycloneDX document of an image among a bundle's files.
func isSBOM(image v1.Hash) func(v1.Descriptor) bool {
	return func(d v1.Descriptor) bool {
		return d.Annotations[bundle.DescribesKey] == image.String() && string(d.MediaType) == intoto.CycloneDXMedia
	}
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
