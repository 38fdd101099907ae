package backup_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

// shell runs a script with the usual tools, which every machine that keeps
// backups has.
func shell(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (it needs bash, coreutils, gzip and tar: apt-get install bash coreutils gzip tar)\n%s", err, out)
	}
	return string(out)
}

func TestShellReadsOurs(t *testing.T) {
	src := source(t)
	src.Manifest.Branch = "feature/it's $(touch pwned) `id`; 50% ä"
	src.Chat = &backup.Chat{Postgres: src.Postgres, Volume: src.Volume}
	made, err := backup.Create(t.Context(), t.TempDir(), src)
	if err != nil {
		t.Fatal(err)
	}
	out := shell(t, made.Dir, `
sha256sum --strict -c SHA256SUMS
gzip -t *.gz
tar tzf rustfs-data.tar.gz
mkdir ../restored
tar -xzf rustfs-data.tar.gz -C ../restored
cat ../restored/bucket/object; echo
set -a; . ./manifest.env; set +a
bash -c 'echo "branch=$GIT_BRANCH db=$POSTGRES_DB stamp=$BACKUP_TIMESTAMP created=$BACKUP_CREATED_AT_UTC commit=$GIT_COMMIT"'
ls`)
	for _, want := range []string{
		"postgres.sql.gz: OK\n", "buzz-rustfs-data.tar.gz: OK\n", "manifest.env: OK\n", "\nbucket/object\n", "the bytes of an object\n",
		"branch=" + src.Manifest.Branch + " db=rustshare stamp=" + stamp + " created=2026-11-23T02:15:00Z commit=" + src.Manifest.Commit + "\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "pwned\n") {
		t.Errorf("the manifest ran a command:\n%s", out)
	}
}

func TestWeReadTheShells(t *testing.T) {
	for _, row := range []struct{ branch, assign, sums string }{
		{"main", "%s", "sha256sum"},
		{"feature/a b;'c' $d \"e\" \\", "%q", "sha256sum -b"},
		{"feature/ä\u2026#1", "%q", "sha256sum --text"},
	} {
		dir := filepath.Join(t.TempDir(), stamp)
		volume := t.TempDir()
		if err := os.MkdirAll(filepath.Join(volume, "bucket", "a b"), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(volume, "bucket", "a b", "object"), []byte("object"))
		put(t, filepath.Join(volume, "bucket", strings.Repeat("long", 60)), []byte("long"))
		dump, err := filepath.Abs(filepath.Join("testdata", "postgres.sql"))
		if err != nil {
			t.Fatal(err)
		}
		shell(t, "/", `
mkdir "$1"; cd "$1"
gzip -c <"$2" >postgres.sql.gz
tar -czf - -C "$3" . >rustfs-data.tar.gz
tar -czf config.tar.gz -C "$(dirname "$2")" postgres.sql
{
	echo "BACKUP_TIMESTAMP=$(basename "$1")"
	echo "BACKUP_CREATED_AT_UTC=2026-11-23T02:15:31Z"
	echo "POSTGRES_SERVICE=postgres"
	echo "POSTGRES_DB=rustshare"
	echo "POSTGRES_USER=rustshare"
	echo "RUSTFS_SERVICE=rustfs"
	printf "GIT_BRANCH=$5\n" "$4"
	echo "GIT_COMMIT=unknown"
} >manifest.env
`+row.sums+` postgres.sql.gz rustfs-data.tar.gz config.tar.gz manifest.env >SHA256SUMS`, dir, dump, volume, row.branch, row.assign)
		found, info, err := backup.Verify(t.Context(), dir, backup.Limits{})
		if err != nil || len(found) > 0 {
			t.Fatalf("%s: %v, %v", row.branch, found, err)
		}
		if info.Manifest.Branch != row.branch {
			t.Errorf("the branch is %q, expected %q", info.Manifest.Branch, row.branch)
		}
		into := t.TempDir()
		if err := backup.ExtractVolume(t.Context(), dir, backup.Volume, backup.Limits{}, into); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(into, "bucket", "a b", "object")); err != nil || string(got) != "object" {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

// Sparse entries of GNU tar, in each of its formats.
func TestSparse(t *testing.T) {
	for _, format := range []string{"gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"} {
		packed := filepath.Join(t.TempDir(), "packed")
		shell(t, t.TempDir(), "truncate -s 1M holes; tar -cSf \"$1\" --format="+format+" holes", packed)
		text, err := os.ReadFile(packed)
		if err != nil {
			t.Fatal(err)
		}
		b := good(t)
		b.files[backup.Volume] = zip(t, text)
		found := verify(t, b.write(t), backup.Limits{})
		if len(found) != 1 || !strings.Contains(found[0], "is sparse: its size in the archive says nothing of its size on disk") {
			t.Errorf("%s: %q", format, found)
		}
	}
}
