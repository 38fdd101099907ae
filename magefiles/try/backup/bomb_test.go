package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
)

// bomb is a gzip stream of some ten megabytes with a tar archive of one file
// of 10 GiB of zeros. Its trailer is missing: nobody may come that far.
func bomb(t *testing.T) []byte {
	t.Helper()
	const size, chunk = 10 << 30, 64 << 20
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Name: "bucket/zeros", Mode: 0o600, Size: size, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBuffer([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}) // RFC 1952
	// Blocks that end at a byte and do not look back can be put one after the
	// other as often as it takes.
	block := func(content []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestSpeed)
		if err == nil {
			_, err = w.Write(content)
		}
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	out.Write(block(head.Bytes()))
	out.Write(bytes.Repeat(block(make([]byte, chunk)), size/chunk))
	return out.Bytes()
}

// TestBomb has 10 GiB of zeros in a small archive, which is refused before it
// fills memory or disk.
func TestBomb(t *testing.T) {
	b := good(t)
	b.files[backup.Volume] = bomb(t)
	if n := len(b.files[backup.Volume]); n > 64<<20 {
		t.Fatalf("the archive has %d bytes: that is not small", n)
	}
	dir := b.write(t)
	b.files = nil
	const want = "unpacks to more than 200 times its size, which is the limit: expected data, found a bomb"
	into := filepath.Join(t.TempDir(), "into")

	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	problems, _, err := backup.Verify(t.Context(), dir, backup.Limits{})
	refused := backup.ExtractVolume(t.Context(), dir, backup.Volume, backup.Limits{}, into)
	runtime.ReadMemStats(&after)

	if err != nil || len(problems) == 0 || problems[0].File != backup.Volume || !strings.Contains(problems[0].Text, want) {
		t.Errorf("verified with %q, %v; want %q", problems, err, want)
	}
	var is *backup.RefusedError
	if !errors.As(refused, &is) || !strings.Contains(refused.Error(), want) {
		t.Errorf("extracted with %v, want a refusal: %s", refused, want)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("looking at it allocated %d bytes", grown)
	}
	var written int64
	err = filepath.WalkDir(into, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		written += info.Size()
		return err
	})
	// The first 64 MiB are not held against an archive.
	if limit := int64(128 << 20); err != nil || written > limit {
		t.Errorf("%d bytes were written, %v; at most %d may be", written, err, limit)
	}
	if err := os.RemoveAll(into); err != nil {
		t.Error(err)
	}
	t.Logf("%d MiB were written before it was refused", written>>20)
}
