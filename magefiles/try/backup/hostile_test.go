package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

// hostile is a bundle that is wrong, and the sentences that say so: all of
// them, in any order.
type hostile struct {
	name   string
	change func(t *testing.T, b *bundle)
	want   []string
	limits backup.Limits
}

// object puts entries into the volume.
func object(entries ...entry) func(*testing.T, *bundle) {
	return func(t *testing.T, b *bundle) { b.files[backup.Volume] = zip(t, pack(t, entries...)) }
}

// file puts a file into the bundle, with the checksum that belongs to it.
func file(name, content string) func(*testing.T, *bundle) {
	return func(_ *testing.T, b *bundle) { b.files[name] = []byte(content) }
}

// edit changes a file of the bundle, with the checksum that belongs to it.
func edit(name, old, text string) func(*testing.T, *bundle) {
	return func(t *testing.T, b *bundle) {
		if !strings.Contains(string(b.files[name]), old) {
			t.Fatalf("%s has no %q", name, old)
		}
		b.files[name] = []byte(strings.Replace(string(b.files[name]), old, text, 1))
	}
}

// after changes the bundle when its checksums are made.
func after(do func(dir string) error) func(*testing.T, *bundle) {
	return func(_ *testing.T, b *bundle) {
		b.after = func(t *testing.T, dir string) {
			if err := do(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func remove(name string) func(*testing.T, *bundle) {
	return after(func(dir string) error { return os.Remove(filepath.Join(dir, name)) })
}

func sums(change func(string) string) func(*testing.T, *bundle) {
	return after(func(dir string) error {
		path := filepath.Join(dir, "SHA256SUMS")
		text, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(path, []byte(change(string(text))), 0o600))
	})
}

func cut(t *testing.T, name string, b *bundle) { b.files[name] = b.files[name][:len(b.files[name])/2] }

const only = ": only files and directories are taken"

func layoutRows() []hostile {
	vol := "rustfs-data.tar.gz: "
	return []hostile{
		{"missing dump", remove("postgres.sql.gz"), []string{".: postgres.sql.gz is missing", "SHA256SUMS: lists postgres.sql.gz, which is not there"}, backup.Limits{}},
		{"missing sums", remove("SHA256SUMS"), []string{".: SHA256SUMS is missing"}, backup.Limits{}},
		{"missing manifest", remove("manifest.env"), []string{".: manifest.env is missing", "SHA256SUMS: lists manifest.env, which is not there"}, backup.Limits{}},
		{"extra file", after(func(dir string) error { return os.WriteFile(filepath.Join(dir, "run\n.sh"), nil, 0o700) }), []string{`.: "run\n.sh" is a regular file that does not belong to a bundle`}, backup.Limits{}},
		{"extra directory", after(func(dir string) error { return os.Mkdir(filepath.Join(dir, "more"), 0o700) }), []string{`.: "more" is a directory that does not belong to a bundle`}, backup.Limits{}},
		{"half of the chat", func(t *testing.T, b *bundle) { b.files[backup.ChatVolume] = b.files[backup.Volume] }, []string{".: buzz-rustfs-data.tar.gz is there without buzz-postgres.sql.gz: the chat's parts come as a pair or not at all"}, backup.Limits{}},
		{"other half of the chat", func(t *testing.T, b *bundle) { b.files[backup.ChatPostgres] = b.files[backup.Postgres] }, []string{".: buzz-postgres.sql.gz is there without buzz-rustfs-data.tar.gz: the chat's parts come as a pair or not at all"}, backup.Limits{}},
		{"symbolic link", after(func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, backup.Volume)), os.Symlink("/etc/passwd", filepath.Join(dir, backup.Volume)))
		}), []string{vol + "is a symbolic link, expected a regular file"}, backup.Limits{}},
		{"symbolic link inside", after(func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "SHA256SUMS")), os.Symlink("manifest.env", filepath.Join(dir, "SHA256SUMS")))
		}), []string{"SHA256SUMS: is a symbolic link, expected a regular file"}, backup.Limits{}},
		{"named pipe", after(func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, backup.Config)), syscall.Mkfifo(filepath.Join(dir, backup.Config), 0o600))
		}), []string{"config.tar.gz: is a named pipe, expected a regular file"}, backup.Limits{}},
		{"directory for a file", after(func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "manifest.env")), os.Mkdir(filepath.Join(dir, "manifest.env"), 0o700))
		}), []string{"manifest.env: is a directory, expected a regular file"}, backup.Limits{}},
		{"name is no time", func(_ *testing.T, b *bundle) { b.name = "latest" }, []string{`.: the directory is named "latest", expected a UTC time such as 20261123T021500Z`, `.: the directory is named "latest", and BACKUP_TIMESTAMP is 20261123T021500Z: expected the same`}, backup.Limits{}},
		{"name of another time", func(_ *testing.T, b *bundle) { b.name = "20261123T021501Z" }, []string{`.: the directory is named "20261123T021501Z", and BACKUP_TIMESTAMP is 20261123T021500Z: expected the same`}, backup.Limits{}},

		{"one byte", after(func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, "manifest.env"))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "manifest.env"), bytes.Replace(text, []byte("=main"), []byte("=mail"), 1), 0o600))
		}), []string{"manifest.env: its SHA-256 is …"}, backup.Limits{}},
		{"sums miss a file", sums(func(s string) string { return s[strings.Index(s, "\n")+1:] }), []string{"SHA256SUMS: does not list config.tar.gz"}, backup.Limits{}},
		{"sums are empty", sums(func(string) string { return "" }), []string{"SHA256SUMS: does not list postgres.sql.gz", "SHA256SUMS: does not list rustfs-data.tar.gz", "SHA256SUMS: does not list config.tar.gz", "SHA256SUMS: does not list manifest.env"}, backup.Limits{}},
		{"sums twice", sums(func(s string) string { return s + s[:strings.Index(s, "\n")+1] }), []string{`SHA256SUMS:5: "config.tar.gz" stands in line 1 already: one of the two has to go`}, backup.Limits{}},
		{"sums of others", sums(func(s string) string { return s + strings.Repeat("0", 64) + "  passwd\n" }), []string{`SHA256SUMS:5: "passwd" is no file that SHA256SUMS lists`}, backup.Limits{}},
		{"sums of themselves", sums(func(s string) string { return s + strings.Repeat("0", 64) + "  SHA256SUMS\n" }), []string{`SHA256SUMS:5: "SHA256SUMS" is no file that SHA256SUMS lists`}, backup.Limits{}},
		{"sums with a path", sums(func(s string) string { return strings.Replace(s, "  manifest", "  ../manifest", 1) }), []string{"SHA256SUMS:2: …", "SHA256SUMS: does not list manifest.env"}, backup.Limits{}},
		{"sums with an empty line", sums(func(s string) string { return "\n" + s }), []string{`SHA256SUMS:1: "" is not a SHA-256, two spaces and a name, as sha256sum writes them`}, backup.Limits{}},
		{"sums of MD5", sums(func(s string) string { return s + strings.Repeat("0", 32) + "  config.tar.gz\n" }), []string{"SHA256SUMS:5: …"}, backup.Limits{}},
		{"sums too large", sums(func(s string) string { return s + strings.Repeat("x", 1<<16) }), []string{"SHA256SUMS: is larger than 65536 bytes, which is the limit"}, backup.Limits{}},

		{"gzip cut off", func(t *testing.T, b *bundle) { cut(t, backup.Volume, b) }, []string{vol + "its gzip stream ends too early: the file was cut off"}, backup.Limits{}},
		{"empty file", file(backup.Config, ""), []string{"config.tar.gz: its gzip stream ends too early: the file was cut off"}, backup.Limits{}},
		{"no gzip", file(backup.Config, "plain text, and long enough"), []string{"config.tar.gz: is not compressed with gzip"}, backup.Limits{}},
		{"gzip damaged", func(_ *testing.T, b *bundle) {
			text := slices.Clone(b.files[backup.Volume])
			text[len(text)-5] ^= 1
			b.files[backup.Volume] = text
		}, []string{vol + "its gzip stream is damaged (gzip: invalid checksum)"}, backup.Limits{}},
		{"bytes after gzip", func(_ *testing.T, b *bundle) { b.files[backup.Volume] = append(b.files[backup.Volume], "more"...) }, []string{vol + "4 bytes follow the end of its gzip stream, expected none"}, backup.Limits{}},
		{"second gzip stream", func(t *testing.T, b *bundle) {
			b.files[backup.Postgres] = append(b.files[backup.Postgres], zip(t, []byte("\\! id\n"))...)
		}, []string{"postgres.sql.gz: 30 bytes follow the end of its gzip stream, expected none"}, backup.Limits{}},
		{"expanded", func(*testing.T, *bundle) {}, []string{"postgres.sql.gz: makes the bundle larger than 100 bytes when unpacked, which is the limit", vol + "makes the bundle larger than 100 bytes when unpacked, which is the limit", "config.tar.gz: makes the bundle larger than 100 bytes when unpacked, which is the limit"}, backup.Limits{Expanded: 100}},
	}
}

func archiveRows() []hostile {
	vol := "rustfs-data.tar.gz: "
	flat := func(n int) (out []entry) {
		for i := range n {
			out = append(out, entry{name: "f" + strings.Repeat("x", i)})
		}
		return out
	}
	return []hostile{
		{"parent", object(entry{name: "../evil"}), []string{vol + `entry "../evil" has ".." in its name`}, backup.Limits{}},
		{"parent inside", object(entry{name: "a/../../evil"}), []string{vol + `entry "a/../../evil" has ".." in its name`}, backup.Limits{}},
		{"parent as a directory", object(entry{name: "..", typeflag: tar.TypeDir}), []string{vol + `entry ".." has ".." in its name`}, backup.Limits{}},
		{"absolute", object(entry{name: "/etc/cron.d/x"}), []string{vol + `entry "/etc/cron.d/x" has an absolute name`}, backup.Limits{}},
		{"drive", object(entry{name: "C:evil"}), []string{vol + `entry "C:evil" has a name that Windows reads as a path of its own`}, backup.Limits{}},
		{"backslash", object(entry{name: `..\evil`}), []string{vol + `entry "..\\evil" has a name that Windows reads as a path of its own`}, backup.Limits{}},
		{"empty element", object(entry{name: "a//b"}), []string{vol + `entry "a//b" has a name with an empty element`}, backup.Limits{}},
		{"dot element", object(entry{name: "a/./b"}), []string{vol + `entry "a/./b" has a name with an empty element`}, backup.Limits{}},
		{"root is a file", object(entry{name: "."}), []string{vol + `entry "." has a name with an empty element`}, backup.Limits{}},
		{"control character", object(entry{name: "a\x1b[2J"}), []string{vol + `entry "a\x1b[2J" has a name with bytes that are no text`}, backup.Limits{}},
		{"no UTF-8", object(entry{name: "a\xff"}), []string{vol + `entry "a\xff" has a name with bytes that are no text`}, backup.Limits{}},
		{"symbolic link", object(entry{name: "l", typeflag: tar.TypeSymlink, link: "/etc"}, entry{name: "l/passwd"}), []string{vol + `entry "l" is a symbolic link to "/etc"` + only}, backup.Limits{}},
		{"symbolic link inside", object(entry{name: "l", typeflag: tar.TypeSymlink, link: "bucket"}), []string{vol + `entry "l" is a symbolic link to "bucket"` + only}, backup.Limits{}},
		{"hard link", object(entry{name: "l", typeflag: tar.TypeLink, link: "../../x"}), []string{vol + `entry "l" is a hard link to "../../x"` + only}, backup.Limits{}},
		{"character device", object(entry{name: "null", typeflag: tar.TypeChar}), []string{vol + `entry "null" is a device` + only}, backup.Limits{}},
		{"block device", object(entry{name: "sda", typeflag: tar.TypeBlock}), []string{vol + `entry "sda" is a device` + only}, backup.Limits{}},
		{"fifo", object(entry{name: "p", typeflag: tar.TypeFifo}), []string{vol + `entry "p" is a named pipe` + only}, backup.Limits{}},
		{"unknown type", object(entry{name: "u", typeflag: 'Z'}), []string{vol + `entry "u" is of the type "Z"` + only}, backup.Limits{}},
		{"twice", object(entry{name: "a"}, entry{name: "./a"}), []string{vol + `entry "./a" stands there a second time`}, backup.Limits{}},
		{"directory over a file", object(entry{name: "a"}, entry{name: "a/", typeflag: tar.TypeDir}), []string{vol + `entry "a/" stands there a second time`}, backup.Limits{}},
		{"below a file", object(entry{name: "a"}, entry{name: "a/b"}), []string{vol + `entry "a/b" lies below "a", which is a file`}, backup.Limits{}},
		{"file over a directory", object(entry{name: "a/b"}, entry{name: "a"}), []string{vol + `entry "a" is a file, and others lie below it`}, backup.Limits{}},
		{"large entry", object(entry{name: "a", content: strings.Repeat("x", 2000)}), []string{vol + `entry "a" is larger than the limit for one file`}, backup.Limits{Entry: 1999}},
		{"absurd size", func(t *testing.T, b *bundle) {
			var out bytes.Buffer
			if err := tar.NewWriter(&out).WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 1 << 60}); err != nil {
				t.Fatal(err)
			}
			b.files[backup.Volume] = zip(t, out.Bytes())
		}, []string{vol + `entry "a" is larger than the limit for one file`, vol + "its tar stream ends inside of an entry: the archive was cut off"}, backup.Limits{}},
		{"many entries", object(flat(4)...), []string{vol + "has more than 3 entries and directories, which is the limit"}, backup.Limits{Entries: 3}},
		{"many directories", object(entry{name: "a/b/c/d"}), []string{vol + "has more than 3 entries and directories, which is the limit"}, backup.Limits{Entries: 3}},
		{"long name", object(entry{name: "a/" + strings.Repeat("x", 99)}), []string{vol + `entry "a/` + strings.Repeat("x", 78) + `"… has a name that is longer than the limit`}, backup.Limits{Name: 100}},
		{"long element", object(entry{name: strings.Repeat("x", 256)}), []string{vol + `entry "` + strings.Repeat("x", 80) + `"… has a name with an element of more than 255 bytes`}, backup.Limits{}},
		{"deep", object(entry{name: "a/b/c/d/e"}), []string{vol + `entry "a/b/c/d/e" lies deeper than the limit`}, backup.Limits{Depth: 4}},
		{"no tar", func(t *testing.T, b *bundle) { b.files[backup.Volume] = zip(t, bytes.Repeat([]byte("text"), 500)) }, []string{vol + "its tar stream has a broken header after 0 entries"}, backup.Limits{}},
		{"nothing in it", func(t *testing.T, b *bundle) { b.files[backup.Volume] = zip(t, nil) }, []string{vol + "its tar stream has no end marker: the archive was cut off after 0 entries"}, backup.Limits{}},
		{"tar cut off", func(t *testing.T, b *bundle) {
			b.files[backup.Volume] = zip(t, pack(t, entry{name: "a", content: strings.Repeat("x", 2000)})[:1000])
		}, []string{vol + "its tar stream ends inside of an entry: the archive was cut off"}, backup.Limits{}},
		{"tar without end", func(t *testing.T, b *bundle) {
			b.files[backup.Volume] = zip(t, pack(t, entry{name: "a", content: "x"})[:1024+512])
		}, []string{vol + "its tar stream has no end marker: the archive was cut off after 1 entries"}, backup.Limits{}},
		{"data after tar", func(t *testing.T, b *bundle) {
			b.files[backup.Volume] = zip(t, append(pack(t, entry{name: "a"}), pack(t, entry{name: "../b"})...))
		}, []string{vol + "data follows the end marker of its tar stream, expected zeros alone"}, backup.Limits{}},
		{"several in one", object(entry{name: "/a"}, entry{name: "../b"}, entry{name: "c", typeflag: tar.TypeFifo}, entry{name: "fine"}, entry{name: "d", typeflag: tar.TypeLink, link: "fine"}), []string{
			vol + `entry "/a" has an absolute name`, vol + `entry "../b" has ".." in its name`,
			vol + `entry "c" is a named pipe` + only, vol + `entry "d" is a hard link to "fine"` + only,
		}, backup.Limits{}},
	}
}

func manifestRows() []hostile {
	m := "manifest.env"
	row := func(name, old, text string, want ...string) hostile {
		return hostile{name, edit(m, old, text), want, backup.Limits{}}
	}
	const code = ": values are plain or quoted text"
	return []hostile{
		row("unknown key", "GIT_BRANCH", "PATH=/tmp\nGIT_BRANCH", `manifest.env:7: "PATH" is no key of a backup's manifest`),
		row("missing key", "POSTGRES_DB=rustshare\n", "", "manifest.env: POSTGRES_DB is missing"),
		row("command", "=main", "=$(touch pwned)", `manifest.env:7: the value of "GIT_BRANCH" is refused: a shell would run or expand what follows '$'`+code),
		row("backticks", "=main", "=`id`", "manifest.env:7: the value of \"GIT_BRANCH\" is refused: a shell would run or expand what follows '`'"+code),
		row("in double quotes", "=main", `="$(id)"`, `manifest.env:7: the value of "GIT_BRANCH" is refused: a shell would run or expand what follows '$'`+code),
		row("semicolon", "=main", "=main;id", `manifest.env:7: the value of "GIT_BRANCH" is refused: a shell would run what follows ';' as a command`+code),
		row("space", "=main", "=main id", `manifest.env:7: the value of "GIT_BRANCH" is refused: a shell would run what follows the space as a command: quote the value`),
		row("pipe", "=main", "=a|b", `manifest.env:7: the value of "GIT_BRANCH" is refused: a shell would run what follows '|' as a command`+code),
		row("tilde", "=main", "=~root", `manifest.env:7: the value of "GIT_BRANCH" is refused: '~' has a meaning of its own in a shell: quote the value`),
		row("export", "GIT_BRANCH", "export GIT_BRANCH", `manifest.env:7: "export GIT_BRANCH=main" is not of the form KEY=value, without spaces and without "export"`, "manifest.env: GIT_BRANCH is missing"),
		row("over two lines", "=main", "='a\nb'", `manifest.env:7: the value of "GIT_BRANCH" is refused: a single quote is not closed on its line`, `manifest.env:8: "b'" is not of the form KEY=value, without spaces and without "export"`),
		row("line goes on", "=main", "=a\\", `manifest.env:7: the value of "GIT_BRANCH" is refused: it goes on over the end of its line`),
		row("carriage return", "=main\n", "=main\r\n", `manifest.env:7: the value of "GIT_BRANCH" is refused: it has the control character '\r'`),
		row("control character", "=main", `=$'\033[2J'`, `manifest.env:7: GIT_BRANCH is "\x1b[2J", expected a branch's name`),
		row("twice", "GIT_COMMIT", "POSTGRES_DB=other\nGIT_COMMIT", `manifest.env:8: POSTGRES_DB stands in line 4 already: one of the two has to go`),
		row("option", "POSTGRES_DB=rustshare", "POSTGRES_DB=--help", `manifest.env:4: POSTGRES_DB is "--help", expected a name of letters, digits, dots, dashes and underscores`),
		row("connection string", "POSTGRES_DB=rustshare", "POSTGRES_DB=host=evil", `manifest.env:4: POSTGRES_DB is "host=evil", expected a name of letters, digits, dots, dashes and underscores`),
		row("commit", strings.Repeat("a1", 20), "HEAD", `manifest.env:8: GIT_COMMIT is "HEAD", expected a commit's full name, or "unknown"`),
		row("created before", "T02:15:07Z", "T02:14:59Z", "manifest.env: BACKUP_CREATED_AT_UTC is 2026-11-23T02:14:59Z, and BACKUP_TIMESTAMP 20261123T021500Z: expected at most a day after it"),
		row("created is no time", "2026-11-23T02:15:07Z", "yesterday", `manifest.env:2: BACKUP_CREATED_AT_UTC is "yesterday", expected a UTC time such as 2026-11-23T02:15:00Z`),
		row("stamp is no time", stamp, "20261323T021500Z", `manifest.env:1: BACKUP_TIMESTAMP is "20261323T021500Z", expected a UTC time such as 20261123T021500Z`),
		{"too large", file(m, strings.Repeat("#\n", 1<<15+1)), []string{"manifest.env: is larger than 65536 bytes, which is the limit"}, backup.Limits{}},
		{"several at once", func(t *testing.T, b *bundle) {
			b.name = "20261123T021501Z"
			edit(m, "=main", "=`id`")(t, b)
			object(entry{name: "/a"})(t, b)
			cut(t, backup.Config, b)
			remove(backup.Postgres)(t, b)
		}, []string{
			".: postgres.sql.gz is missing", "SHA256SUMS: lists postgres.sql.gz, which is not there",
			`.: the directory is named "20261123T021501Z", and BACKUP_TIMESTAMP is 20261123T021500Z: expected the same`,
			"manifest.env:7: the value of \"GIT_BRANCH\" is refused: a shell would run or expand what follows '`'" + code,
			`rustfs-data.tar.gz: entry "/a" has an absolute name`,
			"config.tar.gz: its gzip stream ends too early: the file was cut off",
		}, backup.Limits{}},
	}
}

func TestHostile(t *testing.T) {
	if found := verify(t, good(t).write(t), backup.Limits{}); len(found) > 0 {
		t.Fatalf("a good bundle: %q", found)
	}
	for _, row := range slices.Concat(layoutRows(), archiveRows(), manifestRows()) {
		t.Run(row.name, func(t *testing.T) {
			b := good(t)
			row.change(t, b)
			dir := b.write(t)
			found := verify(t, dir, row.limits)
			for i, f := range found {
				// A sentence with checksums in it is told by how it begins.
				if at := slices.IndexFunc(row.want, func(w string) bool {
					begin, open := strings.CutSuffix(w, "…")
					return open && strings.HasPrefix(f, begin)
				}); at >= 0 {
					found[i] = row.want[at]
				}
			}
			slices.Sort(found)
			slices.Sort(row.want)
			if !slices.Equal(found, row.want) {
				t.Errorf("found\n%s\nexpected\n%s", strings.Join(found, "\n"), strings.Join(row.want, "\n"))
			}
			// What Verify says of an archive, unpacking says alone.
			for _, f := range found {
				if strings.HasPrefix(f, "rustfs-data.tar.gz: ") {
					alone(t, dir, row.limits, found)
					break
				}
			}
		})
	}
}

// alone unpacks a bad volume, which has to end with one of the sentences, and
// with nothing outside of its directory.
func alone(t *testing.T, dir string, limits backup.Limits, sentences []string) {
	t.Helper()
	above := t.TempDir()
	into := filepath.Join(above, "a", "b")
	if err := os.Mkdir(filepath.Dir(into), 0o700); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"unpacking": backup.ExtractVolume(t.Context(), dir, backup.Volume, limits, into),
		"copying":   backup.CopyVolume(t.Context(), dir, backup.Volume, limits, io.Discard),
	} {
		var refused *backup.RefusedError
		if !errors.As(err, &refused) || !slices.Contains(sentences, refused.Problem.String()) {
			t.Errorf("%s: %v, expected one of %q", what, err, sentences)
		}
	}
	for _, path := range []string{above, filepath.Join(above, "a")} {
		if entries, err := os.ReadDir(path); err != nil || len(entries) != 1 {
			t.Errorf("in %s: %v, %v", path, entries, err)
		}
	}
}

// However many problems there are, their list stays short.
func TestManyProblems(t *testing.T) {
	var entries []entry
	for i := range 150 {
		entries = append(entries, entry{name: "/" + strings.Repeat("x", i+1)})
	}
	b := good(t)
	object(entries...)(t, b)
	found := verify(t, b.write(t), backup.Limits{})
	if len(found) != 101 || found[100] != "rustfs-data.tar.gz: has 50 more problems, which are not listed" {
		t.Errorf("%d problems, the last is %q", len(found), found[len(found)-1])
	}
}

func TestVerifyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := backup.Verify(ctx, good(t).write(t), backup.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
