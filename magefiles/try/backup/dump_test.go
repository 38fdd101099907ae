package backup_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

const (
	begins = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abcDEF123\n\nSET standard_conforming_strings = on;\n"
	ends   = "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abcDEF123\n\n"
)

// Statements between a dump's beginning and its end, which come in line 8.
func TestDump(t *testing.T) {
	const command = "a command to psql: expected SQL alone"
	for _, row := range []struct {
		name, sql string
		want      []string
	}{
		{"nothing", "", nil},
		{"what dumps have", `SELECT pg_catalog.set_config('search_path', '', false);
SELECT pg_catalog.setval('public.s', 3, true);
COMMENT ON TABLE t IS 'back\slash \! id';
COMMENT ON TABLE t IS E'it\'s \\'; -- \! in a comment
/* and /* in */ \! another */
CREATE TABLE "odd ""\! name" (a text DEFAULT 'x''y;');
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $_$ $$ \! ; DO $_x$ $_$;
CREATE OR REPLACE FUNCTION g(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN $1 > 1 THEN 2 END; SELECT 3; END;
CREATE RULE r AS ON DELETE TO t DO ALSO (DELETE FROM u; DELETE FROM v);
CREATE USER MAPPING FOR u SERVER s;
COPY public.program (program) FROM stdin;
\\.
\! not a command
\.x
.
\.
COPY t (a) FROM stdin;
\.
`, nil},
		{"shell", "\\! id", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"shell after SQL", "SELECT pg_catalog.setval('a', 1) \\! id\n;", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"output", "\\o |sh", []string{`postgres.sql.gz:8: "\\o" begins ` + command}},
		{"include", "\\i /etc/passwd", []string{`postgres.sql.gz:8: "\\i" begins ` + command}},
		{"copy", "\\copy t FROM PROGRAM 'id'", []string{`postgres.sql.gz:8: "\\c" begins ` + command}},
		{"restrict twice", "\\restrict a \\! id", []string{`postgres.sql.gz:8: "\\restrict a " begins ` + command}},
		{"restrict bare", "\\restrict", []string{`postgres.sql.gz:8: "\\restrict" is ` + command}},
		{"after an escaped quote", "COMMENT ON TABLE t IS E'\\' ; \\! x'; \\! id", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"after a plain backslash", "COMMENT ON TABLE t IS '\\'; \\! id -- '", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"string that goes on", "COMMENT ON TABLE t IS E'a'\n'\\' ; \\! x'; \\! id", []string{`postgres.sql.gz:9: "\\!" begins ` + command}},
		{"string that does not", "COMMENT ON TABLE t IS E'a'\n- '\\'; \\! id -- '", []string{`postgres.sql.gz:9: "\\!" begins ` + command}},
		{"after a comment in a comment", "/* /* */ */ \\! id", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"no dollar quote", "CREATE TABLE a$b$ (c int); \\! id $b$", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"no dollar tag", "CREATE TABLE t (c $1a); \\! id", []string{`postgres.sql.gz:8: "\\!" begins ` + command}},
		{"broken dollar tag", "CREATE TABLE t (c $a b);", []string{`postgres.sql.gz:8: "$a" begins a dollar quote that does not go on as one`}},
		{"string in a number", "CREATE TABLE t (c 1e'\\');", []string{"postgres.sql.gz:8: a string begins inside of a number"}},
		{"copy to a program", "COPY t TO PROGRAM 'sh';", []string{"postgres.sql.gz:8: COPY runs a program on the server"}},
		{"copy from a file", "COPY t FROM '/etc/passwd';", []string{"postgres.sql.gz:8: COPY reads or writes something else than the dump: expected FROM stdin"}},
		{"copy to us", "COPY t TO stdout;", []string{"postgres.sql.gz:8: COPY reads or writes something else than the dump: expected FROM stdin"}},
		{"copy with more", "COPY t FROM stdin; DROP TABLE t;\n\\.", []string{"postgres.sql.gz:8: something follows COPY on its line, where its data has to begin in the next"}},
		{"block", "DO $$ BEGIN EXECUTE 'x'; END $$;", []string{`postgres.sql.gz:8: a statement begins with "do": pg_dump writes none such`}},
		{"call", "SELECT evil();", []string{"postgres.sql.gz:8: a SELECT does something that pg_dump's do not"}},
		{"read", "SELECT pg_catalog.pg_read_file('/etc/passwd');", []string{"postgres.sql.gz:8: a SELECT does something that pg_dump's do not"}},
		{"system", "ALTER SYSTEM SET archive_command = 'id';", []string{"postgres.sql.gz:8: ALTER SYSTEM reaches beyond the database: expected a dump of one database"}},
		{"role", "CREATE ROLE r SUPERUSER;", []string{"postgres.sql.gz:8: CREATE ROLE reaches beyond the database: expected a dump of one database"}},
		{"user", "ALTER USER u SUPERUSER;", []string{"postgres.sql.gz:8: ALTER USER reaches beyond the database: expected a dump of one database"}},
		{"strings", "SET standard_conforming_strings = off;", []string{"postgres.sql.gz:8: standard_conforming_strings is not set to on, which changes where strings end"}},
		{"encoding", "SET client_encoding = 'SJIS';", []string{"postgres.sql.gz:8: client_encoding is not set to UTF8, which changes where strings end"}},
		{"quoted setting", "SET \"standard_conforming_strings\" = off;", []string{"postgres.sql.gz:8: a SET is not of the form that pg_dump writes"}},
		{"set_config", "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);", []string{"postgres.sql.gz:8: set_config sets something else than an empty search_path"}},
		{"NUL", "CREATE TABLE \x00t (a int);", []string{"postgres.sql.gz:8: a NUL byte is no SQL"}},
		{"after the end", "--\n-- PostgreSQL database dump complete\n--\nDROP TABLE t;", []string{"postgres.sql.gz:11: a statement follows the end of the dump"}},
		{"several", "\\! id\nDO 'x';\n\\i x\nCOPY t FROM PROGRAM 'x';", []string{`postgres.sql.gz:8: "\\!" begins ` + command, `postgres.sql.gz:9: a statement begins with "do": pg_dump writes none such`, `postgres.sql.gz:10: "\\i" begins ` + command, "postgres.sql.gz:11: COPY runs a program on the server"}},
	} {
		t.Run(row.name, func(t *testing.T) { dumpRow(t, begins+row.sql+ends, row.want) })
	}
	for name, row := range map[string]struct{ sql, want string }{
		"empty":                {"", `postgres.sql.gz: is not a plain dump of pg_dump: the comment "-- PostgreSQL database dump" is missing`},
		"no dump":              {"SELECT 1;\n\\! id\n", `postgres.sql.gz:1: is not a plain dump of pg_dump: expected the comment "-- PostgreSQL database dump" before anything else`},
		"custom format":        {"PGDMP\x01\x0e\x00\x04\x08", `postgres.sql.gz:1: is not a plain dump of pg_dump: expected the comment "-- PostgreSQL database dump" before anything else`},
		"no end":               {begins + "CREATE TABLE t (a int);\n", `postgres.sql.gz:9: the dump does not end with the comment "-- PostgreSQL database dump complete": pg_dump was cut off`},
		"cut off in data":      {begins + "COPY t (a) FROM stdin;\n1\n", "postgres.sql.gz:10: the dump ends inside of a table's data: pg_dump was cut off"},
		"cut off in SQL":       {begins + "CREATE TABLE t (", "postgres.sql.gz:8: the dump ends inside of a statement: pg_dump was cut off"},
		"cut off in a string":  {begins + "COMMENT ON TABLE t IS 'x;\n" + ends, "postgres.sql.gz:16: the dump ends inside of a statement: pg_dump was cut off"},
		"the end in the data":  {begins + "COPY t (a) FROM stdin;\n-- PostgreSQL database dump complete\n\\.\n", `postgres.sql.gz:11: the dump does not end with the comment "-- PostgreSQL database dump complete": pg_dump was cut off`},
		"the end without line": {begins + "-- PostgreSQL database dump complete", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			if row.want != "" {
				want = []string{row.want}
			}
			dumpRow(t, row.sql, want)
		})
	}
}

// dumpRow verifies a dump, and reads it alone: what is wrong with it is not
// handed out.
func dumpRow(t *testing.T, sql string, want []string) {
	t.Helper()
	b := good(t)
	b.files[backup.Postgres] = zip(t, []byte(sql))
	dir := b.write(t)
	found := verify(t, dir, backup.Limits{})
	if strings.Join(found, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nexpected\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	r, err := backup.OpenDatabase(t.Context(), dir, backup.Postgres, backup.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(iotest.OneByteReader(r))
	if len(want) == 0 {
		if err != nil || string(got) != sql {
			t.Errorf("read %q, %v", got, err)
		}
		return
	}
	var refused *backup.RefusedError
	if !errors.As(err, &refused) || refused.Problem.String() != want[0] {
		t.Errorf("got %v, expected %q", err, want[0])
	}
	if strings.HasPrefix(refused.Problem.Text, `"\\`) && strings.Contains(string(got), "\\! id") {
		t.Errorf("a command was handed out: %q", got)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.As(err, &refused) {
		t.Errorf("read again: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// What was changed after it was verified is met on the way.
func TestOpenRefused(t *testing.T) {
	for _, row := range []struct {
		name, part string
		change     func(*testing.T, *bundle)
		want       string
	}{
		{"no part", "../x", func(*testing.T, *bundle) {}, `"../x" is no part of a backup bundle that can be read so`},
		{"no dump", backup.Volume, func(*testing.T, *bundle) {}, `"rustfs-data.tar.gz" is no part of a backup bundle that can be read so`},
		{"no sums", backup.Postgres, remove("SHA256SUMS"), "is refused: .: SHA256SUMS is missing"},
		{"not listed", backup.Postgres, sums(func(string) string { return "" }), "is refused: SHA256SUMS: does not list postgres.sql.gz"},
		{"bad sums", backup.Postgres, sums(func(s string) string { return "x\n" + s }), `is refused: SHA256SUMS:1: "x" is not a SHA-256`},
		{"missing", backup.Postgres, remove(backup.Postgres), "is refused: postgres.sql.gz: is missing"},
		{"other content", backup.Postgres, after(func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, backup.Postgres)), os.Symlink("SHA256SUMS", filepath.Join(dir, backup.Postgres)))
		}), "is refused: postgres.sql.gz: is a symbolic link"},
		{"other dump", backup.Postgres, func(t *testing.T, b *bundle) {
			other := zip(t, []byte(begins+ends))
			after(func(dir string) error { return os.WriteFile(filepath.Join(dir, backup.Postgres), other, 0o600) })(t, b)
		}, "copy the bundle again, or take another"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := good(t)
			row.change(t, b)
			r, err := backup.OpenDatabase(t.Context(), b.write(t), row.part, backup.Limits{})
			if err == nil {
				_, err = io.ReadAll(r)
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, expected %q", err, row.want)
			}
		})
	}
	dir := good(t).write(t)
	r, err := backup.OpenDatabase(t.Context(), dir, backup.Postgres, backup.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	into := t.TempDir()
	put(t, filepath.Join(into, "old"), nil)
	err = backup.ExtractVolume(t.Context(), dir, backup.Volume, backup.Limits{}, into)
	if err == nil || !strings.Contains(err.Error(), `is not empty (it has "old"): name an empty directory`) {
		t.Errorf("got %v", err)
	}
	if _, _, err := backup.Verify(t.Context(), filepath.Join(into, "none"), backup.Limits{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no bundle: %v", err)
	}
}
