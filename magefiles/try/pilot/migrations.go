package pilot

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// migration is a file of the checkout, or a row of what sqlx has recorded.
type migration struct {
	version  int64
	name     string
	success  bool
	checksum string
}

// migrationFile is how sqlx wants them named. What takes a migration back is
// never applied: the product goes forward only.
var migrationFile = regexp.MustCompile(`^(\d+)_(.+?)(\.up)?\.sql$`)

// recorded asks for what sqlx has applied, in the order in which it did.
const recorded = `SELECT version, description, success, encode(checksum, 'hex') FROM _sqlx_migrations ORDER BY installed_on, version`

// migrations holds what the database has recorded against the checkout's files.
func (p *pilot) migrations(ctx context.Context, r *record) error {
	if kind := p.main.Database(); kind != "postgres" {
		return &drill.NotApplicableError{Reason: fmt.Sprintf("the database is %s, which a release does not run on", kind)}
	}
	if p.o.Compose == nil {
		return errors.New("the product names no database (Product.Compose), so what it has recorded cannot be asked for")
	}
	files, err := migrationFiles(p.o.Migrations)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := []string{"psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", p.o.Compose.DatabaseUser, "-d", p.o.Compose.DatabaseName, "-c", recorded}
	if err := p.main.Exec(ctx, stack.Database, cmd, nil, &out); err != nil {
		return fmt.Errorf("asking the database for its migrations: %w", err)
	}
	path := p.path("migrations.txt")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("keeping what the database has recorded: %w", err)
	}
	r.leave(path)
	rows, err := migrationRows(out.String())
	if err != nil {
		return err
	}
	r.Detail = fmt.Sprintf("%d files, all of them applied in order", len(files))
	return errors.Join(unapplied(files, rows)...)
}

// migrationFiles reads a directory of migrations, in order.
func migrationFiles(dir string) ([]migration, error) {
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	var out []migration
	for _, d := range there { // by name, which is by version where all are of one length
		parts := migrationFile.FindStringSubmatch(d.Name())
		if parts == nil || strings.HasSuffix(d.Name(), ".down.sql") {
			continue
		}
		version, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s has a version that is no number of 64 bits", filepath.Join(dir, d.Name()))
		}
		if n := len(out); n > 0 && out[n-1].version >= version {
			return nil, fmt.Errorf("%s has the version %d, which is not above the one of %s", filepath.Join(dir, d.Name()), version, out[n-1].name)
		}
		text, err := os.ReadFile(filepath.Join(dir, d.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the migrations: %w", err)
		}
		sum := sha512.Sum384(text)
		out = append(out, migration{version: version, name: d.Name(), success: true, checksum: hex.EncodeToString(sum[:])})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there are no migrations in %s: expected files such as 0001_accounts.sql", dir)
	}
	return out, nil
}

// migrationRows reads what psql prints, unaligned: one row a line.
func migrationRows(text string) ([]migration, error) {
	var out []migration
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		version, rest, _ := strings.Cut(line, "|")
		// The description may have the separator in it.
		fields := strings.Split(rest, "|")
		v, err := strconv.ParseInt(version, 10, 64)
		if n := len(fields); err != nil || n < 3 || fields[n-2] != "t" && fields[n-2] != "f" {
			return nil, fmt.Errorf("the database has recorded migrations in another form than sqlx does: %q", line)
		}
		n := len(fields)
		out = append(out, migration{v, strings.Join(fields[:n-2], "|"), fields[n-2] == "t", fields[n-1]})
	}
	return out, nil
}

// unapplied says which files are not recorded as they should be, and what is
// recorded besides.
func unapplied(files, rows []migration) (out []error) {
	known := map[int64]migration{}
	for i, row := range rows {
		known[row.version] = row
		if i > 0 && rows[i-1].version > row.version {
			out = append(out, fmt.Errorf("the migration %d was applied after %d: versions only count up", row.version, rows[i-1].version))
		}
	}
	for _, f := range files {
		row, ok := known[f.version]
		delete(known, f.version)
		switch {
		case !ok:
			out = append(out, fmt.Errorf("the migration %s is not recorded as applied: is it compiled into the binary?", f.name))
		case !row.success:
			out = append(out, fmt.Errorf("the migration %s was begun and did not succeed", f.name))
		case row.checksum != f.checksum:
			out = append(out, fmt.Errorf("the migration %s was applied with another content (SHA-384 %s, the file has %s)", f.name, row.checksum, f.checksum))
		}
	}
	for _, row := range rows {
		if _, left := known[row.version]; left {
			out = append(out, fmt.Errorf("the migration %d (%s) is recorded, and no file of the checkout", row.version, row.name))
		}
	}
	return out
}
