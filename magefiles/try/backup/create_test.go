package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

func TestRoundTrip(t *testing.T) {
	for _, chat := range []bool{false, true} {
		dir, src := t.TempDir(), source(t)
		src.Secrets = map[string]string{"JWT_SECRET": "not in there"}
		if chat {
			src.Chat = &backup.Chat{Postgres: src.Postgres, Volume: src.Volume}
		}
		made, err := backup.Create(t.Context(), dir, src)
		if err != nil {
			t.Fatal(err)
		}
		if made.Dir != filepath.Join(dir, stamp) {
			t.Errorf("the bundle is %s", made.Dir)
		}
		found, info, err := backup.Verify(t.Context(), made.Dir, backup.Limits{})
		if err != nil || len(found) > 0 {
			t.Fatalf("%v, %v", found, err)
		}
		if info.Manifest != made.Manifest || info.Manifest.Timestamp != stamp || info.Manifest.Created != "2026-11-23T02:15:00Z" {
			t.Errorf("the manifest is %+v, written was %+v", info.Manifest, made.Manifest)
		}
		want := 3
		if chat {
			want = 5
		}
		if len(info.Parts) != want || len(made.Parts) != want {
			t.Fatalf("parts: %+v", info.Parts)
		}
		for i := range made.Parts {
			if made.Parts[i] != info.Parts[i] || info.Parts[i].Expanded == 0 {
				t.Errorf("written was %+v, read %+v", made.Parts[i], info.Parts[i])
			}
		}
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			info, statErr := d.Info()
			if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; path != dir && info.Mode().Perm() != want {
				t.Errorf("%s has the mode %v, expected %v", path, info.Mode(), want)
			}
			return errors.Join(err, statErr)
		})
		if err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("beside the bundle: %v, %v", left, err)
		}
		restored(t, made.Dir)
	}
}

// restored compares what comes out of a bundle with what went in.
func restored(t *testing.T, dir string) {
	t.Helper()
	r, err := backup.OpenDatabase(t.Context(), dir, backup.Postgres, backup.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sql, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(sql, dumped(t)) {
		t.Errorf("the dump differs: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	into := filepath.Join(t.TempDir(), "data")
	if err := backup.ExtractVolume(t.Context(), dir, backup.Volume, backup.Limits{}, into); err != nil {
		t.Fatal(err)
	}
	for name, want := range tree() {
		path := filepath.Join(into, name)
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want.Data) {
			t.Errorf("%s differs: %v", name, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want.Mode|0o600 || !info.ModTime().Equal(moment) {
			t.Errorf("%s is %v of %v, %v", name, info.Mode(), info.ModTime(), err)
		}
	}
}

func TestCreateTwice(t *testing.T) {
	dir := t.TempDir()
	if _, err := backup.Create(t.Context(), dir, source(t)); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Create(t.Context(), dir, source(t))
	if err == nil || !strings.Contains(err.Error(), "a backup never replaces another") {
		t.Errorf("got %v", err)
	}
}

// What goes wrong is named, and nothing is left of the bundle.
func TestCreateRefused(t *testing.T) {
	const secret = "s3cret/value+of=the run"
	broken := errors.New("pg_dump died")
	config := func(name, content string) func(*backup.Source) {
		return func(s *backup.Source) {
			s.Secrets = map[string]string{"NONE": "", "JWT_SECRET": secret}
			s.Config = backup.Files(fstest.MapFS{name: {Data: []byte(content)}})
		}
	}
	for name, row := range map[string]struct {
		change func(*backup.Source)
		want   string
	}{
		"source fails":    {func(s *backup.Source) { s.Postgres = func(context.Context, io.Writer) error { return broken } }, "writing postgres.sql.gz: pg_dump died"},
		"no source":       {func(s *backup.Source) { s.Chat = &backup.Chat{} }, "writing buzz-postgres.sql.gz: nothing was given"},
		"dump cut off":    {func(s *backup.Source) { s.Postgres = writes(dumped(t)[:5000]) }, "pg_dump was cut off"},
		"archive cut off": {func(s *backup.Source) { s.Volume = writes(pack(t, entry{name: "a", content: "b"})[:1024]) }, "has no end marker"},
		"archive fails":   {func(s *backup.Source) { s.Volume = func(context.Context, io.Writer) error { return broken } }, "writing rustfs-data.tar.gz: pg_dump died"},
		"link": {func(s *backup.Source) {
			s.Volume = writes(pack(t, entry{name: "a", typeflag: tar.TypeSymlink, link: "/etc"}))
		}, `"a" is a symbolic link`},
		"link in a tree":      {func(s *backup.Source) { s.Volume = backup.Files(fstest.MapFS{"l": {Mode: fs.ModeSymlink}}) }, "packing l: it is a symbolic link"},
		"too large":           {func(s *backup.Source) { s.Limits.Expanded = 20000 }, "makes the bundle larger than the limit"},
		"manifest":            {func(s *backup.Source) { s.Manifest.PostgresDB = "a b" }, `POSTGRES_DB is "a b", expected a name`},
		"secret in manifest":  {func(s *backup.Source) { s.Secrets = map[string]string{"PASSWORD": "rustshare"} }, "manifest.env: holds the value of PASSWORD"},
		"secret":              {config("docker/.env", "A=1\nJWT_SECRET="+secret+"\n"), `entry "docker/.env" holds the value of JWT_SECRET`},
		"secret in a URL":     {config("url", "postgres://u:s3cret%2Fvalue%2Bof%3Dthe+run@h/db"), "holds the value of JWT_SECRET"},
		"secret in base64":    {config("b64", "czNjcmV0L3ZhbHVlK29mPXRoZSBydW4="), "holds the value of JWT_SECRET"},
		"secret far inside":   {config("far", strings.Repeat("x", 32760)+secret), "holds the value of JWT_SECRET"},
		"secret in a name":    {config("s3cret/value+of=the run", "x"), "the name of an entry holds the value of JWT_SECRET"},
		"secret at the start": {config("a", secret), "holds the value of JWT_SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, src := t.TempDir(), source(t)
			row.change(&src)
			_, err := backup.Create(t.Context(), dir, src)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, expected %q", err, row.want)
			} else if strings.Contains(err.Error(), secret) && !strings.Contains(name, "name") {
				t.Errorf("the error holds the secret: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	dir, src := t.TempDir(), source(t)
	ctx, cancel := context.WithCancel(t.Context())
	src.Volume = func(ctx context.Context, _ io.Writer) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := backup.Create(ctx, dir, src); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A stream for a volume keeps owners and permissions, the root's too, and
// nothing that could do harm.
func TestCopyVolume(t *testing.T) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, h := range []*tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o2750, Uid: 10001, Gid: 10002, ModTime: moment},
		{Name: "./object", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 10001, Gid: 10002, ModTime: moment, Uname: "root", PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "all"}},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := good(t)
	b.files[backup.Volume] = zip(t, packed.Bytes())
	var out bytes.Buffer
	if err := backup.CopyVolume(t.Context(), b.write(t), backup.Volume, backup.Limits{}, &out); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&out)
	for _, want := range []tar.Header{{Name: "./", Mode: 0o750}, {Name: "object", Mode: 0o755}} {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != want.Name || h.Mode != want.Mode || h.Uid != 10001 || h.Gid != 10002 || h.Uname != "" || len(h.PAXRecords) > 0 || !h.ModTime.Equal(moment) {
			t.Errorf("got %+v, expected %s with the mode %o", h, want.Name, want.Mode)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

// A volume of a gigabyte costs no more memory than a small one, neither to
// write nor to check nor to read.
func TestMemory(t *testing.T) {
	const size = 1 << 30
	zeros := func(_ context.Context, w io.Writer) error {
		out := tar.NewWriter(w)
		if err := out.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: size, Mode: 0o600}); err != nil {
			return err
		}
		if _, err := io.CopyN(out, zero{}, size); err != nil {
			return err
		}
		return out.Close()
	}
	src, dir := source(t), t.TempDir()
	src.Volume, src.Limits = zeros, backup.Limits{Ratio: 2000}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	made, err := backup.Create(t.Context(), dir, src)
	if err != nil {
		t.Fatal(err)
	}
	if found := verify(t, made.Dir, src.Limits); len(found) > 0 {
		t.Error(found)
	}
	if err := backup.CopyVolume(t.Context(), made.Dir, backup.Volume, src.Limits, io.Discard); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("%d bytes were allocated on the way", used)
	}
	// With the usual limits it is a bomb, and is left at once.
	want := "rustfs-data.tar.gz: unpacks to more than 200 times its size, which is the limit: expected data, found a bomb"
	if found := verify(t, made.Dir, backup.Limits{}); len(found) != 1 || found[0] != want {
		t.Errorf("got %q", found)
	}
	into := t.TempDir()
	err = backup.ExtractVolume(t.Context(), made.Dir, backup.Volume, backup.Limits{}, into)
	var refused *backup.RefusedError
	if !errors.As(err, &refused) || refused.Problem.String() != want {
		t.Errorf("got %v", err)
	}
	if info, err := os.Stat(filepath.Join(into, "zeros")); err != nil || info.Size() > 128<<20 {
		t.Errorf("%v was unpacked of the bomb, %v", info, err)
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
