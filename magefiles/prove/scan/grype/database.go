package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/anchore/clio"
	"github.com/anchore/grype/grype"
	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/anchore/grype/grype/db/v6/distribution"
	"github.com/anchore/grype/grype/db/v6/installation"
	"github.com/anchore/grype/grype/vulnerability"
	"github.com/spf13/afero"

	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
)

// open loads the database, fetches it where that is newer, and says what it is.
// How old it may be is the policy's business, and not decided here.
func open(l scan.Location) (vulnerability.Provider, scan.Database, error) {
	none := scan.Database{}
	if l.Cache == "" {
		return nil, none, errors.New("the request names no directory for the database")
	}
	fetch := distribution.DefaultConfig()
	fetch.ID = clio.Identification{Name: "rustshare-release"}
	install := installation.Config{ValidateChecksum: true}
	from := l.URL
	switch {
	case l.File != "":
		sum, err := digest(l.File)
		if err != nil {
			return nil, none, fmt.Errorf("reading the database: %w", err)
		}
		from = "file sha256:" + sum
		install.DBRootDir = filepath.Join(l.Cache, "file-"+sum[:16])
		if err := imported(fetch, install, l.File); err != nil {
			return nil, none, fmt.Errorf("loading the database %s: %w", l.File, err)
		}
	case l.URL != "":
		sum := sha256.Sum256([]byte(l.URL))
		fetch.LatestURL = l.URL
		install.DBRootDir = filepath.Join(l.Cache, "mirror-"+hex.EncodeToString(sum[:])[:16])
	default:
		from = fetch.LatestURL
		install.DBRootDir = filepath.Join(l.Cache, "public")
	}
	if l.File == "" {
		// What is there already will do where the network does not answer: the
		// policy refuses it when it is too old.
		fmt.Fprintln(os.Stderr, "asking", from, "for a newer database")
		if err := updated(fetch, install); err != nil {
			if _, there := os.Stat(install.DBFilePath()); there != nil {
				return nil, none, fmt.Errorf("fetching the database from %s: %w", from, err)
			}
			fmt.Fprintf(os.Stderr, "%s did not answer, the database of before is taken: %v\n", from, err)
		}
	}
	db, status, err := grype.LoadVulnerabilityDB(fetch, install, false)
	if err != nil {
		return nil, none, fmt.Errorf("loading the database from %s: %w", from, err)
	}
	database := scan.Database{Schema: status.SchemaVersion, Built: status.Built.UTC(), From: from}
	if m, err := v6.ReadImportMetadata(afero.NewOsFs(), install.DBDirectoryPath()); err == nil {
		database.Checksum = m.Digest
	}
	return db, database, nil
}

// shown is the database, without a scan.
func shown(r scan.Request) (scan.Report, error) {
	db, database, err := open(r.Database)
	if err != nil {
		return scan.Report{}, err
	}
	now := time.Now().UTC()
	return scan.Report{Scanner: tool(), Database: database, Started: now, Finished: now}, db.Close()
}

// updated fetches a newer database, where there is one. The archive's checksum
// is held against what the mirror's list says.
func updated(fetch distribution.Config, install installation.Config) error {
	fetch.RequireUpdateCheck = true
	client, err := distribution.NewClient(fetch)
	if err != nil {
		return err
	}
	curator, err := installation.NewCurator(install, client)
	if err != nil {
		return err
	}
	_, err = curator.Update()
	return err
}

// imported unpacks a file, once: the directory is named by its content.
func imported(fetch distribution.Config, install installation.Config, file string) error {
	if _, err := os.Stat(filepath.Join(install.DBDirectoryPath(), v6.ImportMetadataFileName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	client, err := distribution.NewClient(fetch)
	if err != nil {
		return err
	}
	curator, err := installation.NewCurator(install, client)
	if err != nil {
		return err
	}
	return curator.Import(file)
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it is only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
