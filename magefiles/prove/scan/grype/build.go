package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/anchore/grype/grype/db/v6/distribution"
	"gorm.io/gorm"

	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

// build writes a database of the advisories, as a mirror has it.
func build(b scan.Build) (err error) {
	built := b.Built.UTC().Truncate(time.Second)
	if b.Built.IsZero() {
		built = time.Now().UTC().Truncate(time.Second)
	}
	work, err := os.MkdirTemp("", "database-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := write(work, built, b.Advisories); err != nil {
		return fmt.Errorf("writing the database: %w", err)
	}
	out := filepath.Join(b.Dir, "v6")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	archive := filepath.Join(out, scan.DatabaseFile)
	if err := pack(archive, filepath.Join(work, v6.VulnerabilityDBFileName)); err != nil {
		return err
	}
	entry, err := distribution.NewArchive(archive, built, v6.ModelVersion, v6.Revision, v6.Addition)
	if err != nil {
		return err
	}
	latest, err := os.Create(filepath.Join(out, distribution.LatestFileName))
	if err != nil {
		return err
	}
	return errors.Join(distribution.NewLatestDocument(*entry).Write(latest), latest.Close())
}

func write(dir string, built time.Time, advisories []scan.Advisory) (err error) {
	db, err := v6.NewWriter(v6.Config{DBDirPath: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, a := range advisories {
		if err := add(db, built, a); err != nil {
			return fmt.Errorf("%s: %w", a.ID, err)
		}
	}
	low, ok := db.(interface{ GetDB() *gorm.DB })
	if !ok {
		return errors.New("grype's store does not give its database: the time of the build cannot be set")
	}
	return low.GetDB().Model(&v6.DBMetadata{}).Where("true").Update("build_timestamp", built).Error
}

func add(db v6.ReadWriter, built time.Time, a scan.Advisory) error {
	provider := &v6.Provider{ID: "github", Version: "1", Processor: "made up", DateCaptured: &built}
	aliases := a.Aliases
	v := &v6.VulnerabilityHandle{
		Name: a.ID, Status: v6.VulnerabilityActive, PublishedDate: &built, ProviderID: provider.ID, Provider: provider,
		BlobValue: &v6.VulnerabilityBlob{
			ID: a.ID, Description: "an advisory about " + a.Package, Aliases: aliases,
			References: []v6.Reference{{URL: a.URL}},
			Severities: []v6.Severity{{Scheme: v6.SeveritySchemeCHMLN, Value: a.Severity, Rank: 1}},
		},
	}
	if err := db.AddVulnerabilities(v); err != nil {
		return err
	}
	fix := &v6.Fix{State: v6.NotFixedStatus}
	if a.Fixed != "" {
		fix = &v6.Fix{State: v6.FixedStatus, Version: a.Fixed}
	}
	return db.AddAffectedPackages(&v6.AffectedPackageHandle{
		VulnerabilityID: v.ID, Vulnerability: v,
		Package: &v6.Package{Ecosystem: a.Ecosystem, Name: a.Package},
		BlobValue: &v6.PackageBlob{
			CVEs:   aliases,
			Ranges: []v6.Range{{Version: v6.Version{Type: "semver", Constraint: a.Affected}, Fix: fix}},
		},
	})
}

// pack makes a gzipped tar with one file.
func pack(archive, file string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it is only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zip := gzip.NewWriter(out)
	files := tar.NewWriter(zip)
	if err := files.WriteHeader(&tar.Header{Name: filepath.Base(file), Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(files, in); err != nil {
		return err
	}
	return errors.Join(files.Close(), zip.Close())
}
