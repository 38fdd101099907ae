package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

const stamp = "20261123T021500Z"

var moment = time.Date(2026, 11, 23, 2, 15, 0, 0, time.UTC)

// dumped is what pg_dump wrote of a database with all that is hard to read:
// quotes of each kind, backslashes, a function in SQL, large objects.
func dumped(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "postgres.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func manifest() backup.Manifest {
	return backup.Manifest{
		PostgresService: "postgres", PostgresDB: "rustshare", PostgresUser: "rustshare", RustfsService: "rustfs",
		Branch: "main", Commit: strings.Repeat("a1", 20),
	}
}

func writes(content []byte) backup.Stream {
	return func(_ context.Context, w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
}

func tree() fstest.MapFS {
	return fstest.MapFS{
		"bucket/object":     {Data: []byte("the bytes of an object"), Mode: 0o640, ModTime: moment},
		"bucket/ä and more": {Data: bytes.Repeat([]byte("0123456789"), 5000), Mode: 0o644, ModTime: moment},
		".rustfs.sys/empty": {Mode: 0o600, ModTime: moment},
	}
}

func source(t testing.TB) backup.Source {
	return backup.Source{
		Time: moment, Manifest: manifest(),
		Postgres: writes(dumped(t)),
		Volume:   backup.Files(tree()),
		Config:   backup.Files(fstest.MapFS{"docker-compose.yml": {Data: []byte("services: {}\n"), Mode: 0o644}}),
	}
}

// entry is one of a tar stream that is made by hand.
type entry struct {
	name     string
	typeflag byte // 0: a regular file
	content  string
	link     string
	pax      map[string]string
}

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.typeflag, Size: int64(len(e.content)), Linkname: e.link, Mode: 0o644, ModTime: moment, PAXRecords: e.pax}
		if e.typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zip(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bundle is one that is made by hand, so that it can be wrong.
type bundle struct {
	name  string
	files map[string][]byte
	sums  []byte // where it is not that of the files
	after func(t *testing.T, dir string)
}

// good has nothing wrong.
func good(t testing.TB) *bundle {
	m := manifest()
	m.Timestamp, m.Created = stamp, "2026-11-23T02:15:07Z"
	return &bundle{name: stamp, files: map[string][]byte{
		backup.Postgres: zip(t, dumped(t)),
		backup.Volume:   zip(t, pack(t, entry{name: "./", typeflag: tar.TypeDir}, entry{name: "./bucket/", typeflag: tar.TypeDir}, entry{name: "./bucket/object", content: "object"})),
		backup.Config:   zip(t, pack(t, entry{name: "docker-compose.yml", content: "services: {}\n"})),
		"manifest.env":  []byte(m.Text()),
	}}
}

func (b *bundle) write(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), b.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var sums strings.Builder
	for _, name := range sorted(b.files) {
		put(t, filepath.Join(dir, name), b.files[name])
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b.files[name]), name)
	}
	if b.sums == nil {
		b.sums = []byte(sums.String())
	}
	put(t, filepath.Join(dir, "SHA256SUMS"), b.sums)
	if b.after != nil {
		b.after(t, dir)
	}
	return dir
}

func sorted(m map[string][]byte) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func put(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// verify gives the problems as sentences.
func verify(t testing.TB, dir string, limits backup.Limits) []string {
	t.Helper()
	found, _, err := backup.Verify(t.Context(), dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range found {
		out = append(out, p.String())
	}
	return out
}
