package backup_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

// database is the file of a SQLite database with pages of 512 bytes, which
// SQLite 3.40 wrote.
func database(t testing.TB) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "sqlite.db"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// single is the source of a single process.
func single(t testing.TB) backup.Source {
	src := source(t)
	src.Postgres, src.SQLite = nil, writes(database(t))
	return src
}

func TestSQLite(t *testing.T) {
	made, err := backup.Create(t.Context(), t.TempDir(), single(t))
	if err != nil {
		t.Fatal(err)
	}
	found, info, err := backup.Verify(t.Context(), made.Dir, backup.Limits{})
	if err != nil || len(found) > 0 {
		t.Fatalf("%v, %v", found, err)
	}
	if info.Manifest != made.Manifest || info.Parts[0] != made.Parts[0] || info.Parts[0].Name != backup.SQLite {
		t.Errorf("verified is %+v, made was %+v", info, made)
	}
	text, err := os.ReadFile(filepath.Join(made.Dir, backup.ManifestName))
	want := "BACKUP_TIMESTAMP=" + stamp + "\nBACKUP_CREATED_AT_UTC=2026-11-23T02:15:00Z\nDATABASE=sqlite\n" +
		"GIT_BRANCH=main\nGIT_COMMIT=" + strings.Repeat("a1", 20) + "\n"
	if err != nil || string(text) != want {
		t.Errorf("the manifest is\n%s, %v, expected\n%s", text, err, want)
	}
	r, err := backup.OpenDatabase(t.Context(), made.Dir, backup.SQLite, backup.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(content, database(t)) {
		t.Errorf("the database differs: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := backup.OpenDatabase(t.Context(), made.Dir, backup.Postgres, backup.Limits{}); err == nil || !strings.Contains(err.Error(), "SHA256SUMS: does not list postgres.sql.gz") {
		t.Errorf("the dump that is not there: %v", err)
	}
	both := single(t)
	both.Postgres = writes(dumped(t))
	if _, err := backup.Create(t.Context(), t.TempDir(), both); err == nil || !strings.Contains(err.Error(), "has one database") {
		t.Errorf("two databases: %v", err)
	}
}

// changed is a database with other bytes at a place.
func changed(t testing.TB, at int, text string) []byte {
	content := slices.Clone(database(t))
	copy(content[at:], text)
	return content
}

func TestSQLiteRefused(t *testing.T) {
	db := database(t)
	const cut = "has 1024 bytes, and its header says 3 pages of 512 bytes: the file was cut off, or written to while it was copied"
	for name, row := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":       {nil, "has 0 bytes, and the header of a SQLite database has 100: the file was cut off"},
		"half header": {db[:50], "has 50 bytes, and the header of a SQLite database has 100: the file was cut off"},
		"cut off":     {db[:1024], cut},
		"longer":      {append(slices.Clone(db), 0), strings.Replace(cut, "1024", "1537", 1)},
		"a dump":      {dumped(t), `is not the file of a SQLite database: it begins with "--\n-- PostgreSQL"`},
		"page size":   {changed(t, 16, "\x02\x01"), "has pages of 513 bytes by its header, expected a power of two from 512 to 65536"},
		"no page":     {changed(t, 16, "\x00\x00"), "has pages of 0 bytes by its header, expected a power of two from 512 to 65536"},
		"large page":  {changed(t, 16, "\x00\x01"), "has 1536 bytes, and its header says 3 pages of 65536 bytes: the file was cut off, or written to while it was copied"},
		"too new":     {changed(t, 19, "\x03"), "has the format version 3, expected 1 or 2: a newer SQLite wrote it"},
		"too old":     {changed(t, 92, "\xff"), "does not say in its header how many pages it has: open it once with a SQLite from after 2010, and write to it"},
	} {
		t.Run(name, func(t *testing.T) {
			src := single(t)
			src.SQLite = writes(row.content)
			_, err := backup.Create(t.Context(), t.TempDir(), src)
			var refused *backup.RefusedError
			want := "sqlite.db.gz: " + row.want
			if !errors.As(err, &refused) || refused.Problem.String() != want {
				t.Errorf("written: %v, expected %s", err, want)
			}
			b := process(t)
			b.files[backup.SQLite] = zip(t, row.content)
			dir := b.write(t)
			if found := verify(t, dir, backup.Limits{}); len(found) != 1 || found[0] != want {
				t.Errorf("verified: %q, expected %s", found, want)
			}
			r, err := backup.OpenDatabase(t.Context(), dir, backup.SQLite, backup.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(r); !errors.As(err, &refused) || refused.Problem.String() != want {
				t.Errorf("opened: %v, expected %s", err, want)
			}
		})
	}
}

// process is a good bundle of a single process, made by hand.
func process(t testing.TB) *bundle {
	b := good(t)
	delete(b.files, backup.Postgres)
	b.files[backup.SQLite] = zip(t, database(t))
	m := backup.Manifest{Timestamp: stamp, Created: "2026-11-23T02:15:07Z", Database: "sqlite", Branch: "main", Commit: "unknown"}
	b.files[backup.ManifestName] = []byte(m.Text())
	return b
}

// A bundle has one database, and the manifest that belongs to it.
func TestOneDatabase(t *testing.T) {
	for name, row := range map[string]struct {
		change func(t *testing.T, b *bundle)
		want   []string
	}{
		"good": {func(*testing.T, *bundle) {}, nil},
		"both": {func(t *testing.T, b *bundle) { b.files[backup.Postgres] = zip(t, dumped(t)) },
			[]string{".: sqlite.db.gz is there beside postgres.sql.gz: a bundle has one database"}},
		"neither": {func(_ *testing.T, b *bundle) { delete(b.files, backup.SQLite) }, []string{".: postgres.sql.gz is missing"}},
		"manifest of PostgreSQL": {func(t *testing.T, b *bundle) { b.files[backup.ManifestName] = good(t).files[backup.ManifestName] },
			[]string{".: sqlite.db.gz is there, and manifest.env does not say DATABASE=sqlite"}},
		"manifest of SQLite": {func(t *testing.T, b *bundle) {
			b.files[backup.Postgres] = zip(t, dumped(t))
			delete(b.files, backup.SQLite)
		},
			[]string{".: postgres.sql.gz is there, and manifest.env says DATABASE=sqlite"}},
		"key of PostgreSQL": {edit("manifest.env", "GIT_BRANCH", "POSTGRES_DB=rustshare\nGIT_BRANCH"),
			[]string{"manifest.env:4: POSTGRES_DB belongs to PostgreSQL, and DATABASE is sqlite: one of the two has to go"}},
		"other database": {edit("manifest.env", "=sqlite", "=mysql"), []string{
			".: sqlite.db.gz is there, and manifest.env does not say DATABASE=sqlite",
			`manifest.env:3: DATABASE is "mysql", expected "sqlite", or no such line and those of PostgreSQL`,
			"manifest.env: POSTGRES_SERVICE is missing", "manifest.env: POSTGRES_DB is missing", "manifest.env: POSTGRES_USER is missing", "manifest.env: RUSTFS_SERVICE is missing",
		}},
		"cut off": {func(t *testing.T, b *bundle) { cut(t, backup.SQLite, b) }, []string{"sqlite.db.gz: its gzip stream ends too early: the file was cut off"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := process(t)
			row.change(t, b)
			if found := verify(t, b.write(t), backup.Limits{}); !slices.Equal(found, row.want) {
				t.Errorf("found\n%s\nexpected\n%s", strings.Join(found, "\n"), strings.Join(row.want, "\n"))
			}
		})
	}
}
