package filediff

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"github.com/klauspost/compress/zstd"

	"github.com/kubedoio/rustshare-release/magefiles/internal/elfkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

var ok = testkit.OK

// at is a fixed time, so that the golden files are.
var at = time.Date(2026, 1, 16, 9, 0, 0, 0, time.UTC)

type file struct {
	name, text string
	mode       int64
	uid        int
	mtime      time.Time
}

func tarball(t testing.TB, list ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range list {
		if f.mtime.IsZero() {
			f.mtime = at
		}
		if f.mode == 0 {
			f.mode = 0o644
		}
		ok(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: f.mode, Uid: f.uid, ModTime: f.mtime, Format: tar.FormatUSTAR}))
		_, err := io.WriteString(w, f.text)
		ok(t, err)
	}
	ok(t, w.Close())
	return buf.Bytes()
}

func gz(t testing.TB, content []byte, mtime time.Time, level int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, level)
	ok(t, err)
	w.ModTime = mtime
	_, err = w.Write(content)
	ok(t, err)
	ok(t, w.Close())
	return buf.Bytes()
}

func zst(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	ok(t, err)
	return w.EncodeAll(content, nil)
}

// arFile is a member of an ar archive.
func ar(members ...file) []byte {
	var buf bytes.Buffer
	buf.WriteString("!<arch>\n")
	for _, f := range members {
		fmt.Fprintf(&buf, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", f.name, f.mtime.Unix(), f.uid, 0, 0o100644, len(f.text))
		buf.WriteString(f.text)
		if len(f.text)%2 == 1 {
			buf.WriteByte('\n')
		}
	}
	return buf.Bytes()
}

// pack makes a package with nfpm.
func pack(t testing.TB, format, script, license, binary string, mtime time.Time) []byte {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		ok(t, os.WriteFile(path, []byte(text), 0o644))
		ok(t, os.Chtimes(path, mtime, mtime)) // the apk's scripts have it
		return path
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "tiny", Arch: "amd64", Platform: "linux", Version: "0.1.0", Maintainer: "Tiny <tiny@example.org>", Description: "A server", License: license,
		MTime: mtime,
		Overridables: nfpm.Overridables{
			Scripts: nfpm.Scripts{PostInstall: write("postinst", script)},
			RPM:     nfpm.RPM{BuildHost: "host"},
			Contents: files.Contents{{
				Source: write("tinyd", binary), Destination: "/usr/bin/tinyd",
				FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: mtime},
			}},
		},
	})
	ok(t, nfpm.PrepareForPackager(info, format))
	p, err := nfpm.Get(format)
	ok(t, err)
	var buf bytes.Buffer
	ok(t, p.Package(info, &buf))
	return buf.Bytes()
}

func compare(t testing.TB, a, b []byte, o Options) Result {
	t.Helper()
	o.Scratch = t.TempDir()
	r, err := Compare(t.Context(), io.NewSectionReader(bytes.NewReader(a), 0, int64(len(a))), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), o)
	ok(t, err)
	left, err := os.ReadDir(o.Scratch)
	ok(t, err)
	if len(left) > 0 {
		t.Errorf("%d files were left in the scratch directory", len(left))
	}
	return r
}

func lines(r Result) string {
	var b strings.Builder
	for _, d := range r.Differences {
		mark := ""
		if d.Signature {
			mark = " (signature)"
		}
		fmt.Fprintf(&b, "%s%s\n  %s\n  %s\n", d.Where(), mark, Shown(d.A), Shown(d.B))
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "and %d more\n", r.More)
	}
	return b.String()
}

// cases are two files each that differ in something.
func cases(t testing.TB) map[string][2][]byte {
	later := at.Add(24 * time.Hour)
	one := tarball(t, file{name: "a", text: "first\nsecond\n"}, file{name: "dir/b", text: `{"user":"root","list":[1,2]}`})
	two := tarball(t, file{name: "a", text: "first\nanother\n", mode: 0o600, mtime: later}, file{name: "dir/b", text: `{"user":"tiny","list":[1,2,3],"x.y":null}`, uid: 5}, file{name: "new", text: "x"})
	exe := elfkit.Executable(elf.EM_X86_64, elfkit.Crates(), 64)
	patched := bytes.Clone(exe)
	f, err := elf.NewFile(bytes.NewReader(exe))
	ok(t, err)
	s := f.Section(".dep-v0")
	patched[s.Offset+8] ^= 1
	headed := bytes.Clone(exe)
	headed[9] = 1
	sig := func(text string) []byte {
		return gz(t, tarball(t, file{name: ".SIGN.RSA.tiny.pub", text: text}), time.Time{}, 6)
	}
	long := strings.Repeat("x", 100_000)
	c := map[string][2][]byte{
		"text":             {[]byte("one\ntwo\nthree\n"), []byte("one\ntwo\nthrée\n")},
		"text-shorter":     {[]byte("one\ntwo\n"), []byte("one\n")},
		"text-long-line":   {[]byte(long + "a\n" + long), []byte(long + "b\n" + long)},
		"bytes":            {[]byte("\x00\x01\x02built by root\x03"), []byte("\x00\x01\x02built by user\x03")},
		"bytes-longer":     {[]byte("\x00\x01\x02"), []byte("\x00\x01\x02\x03\x04")},
		"json":             {[]byte(`{"a":{"b":[1,{"c":"x"}],"time":"2026"},"only":true}`), []byte(`{"a":{"b":[1,{"c":"y"},3],"time":"2027"}}`)},
		"json-form":        {[]byte(`{"a":1,"b":2}`), []byte("{\"a\":1,\n\"b\":2}")},
		"tar":              {one, two},
		"tar-order":        {tarball(t, file{name: "a"}, file{name: "b"}), tarball(t, file{name: "b"}, file{name: "a"})},
		"tar-padding":      {one, append(bytes.Clone(one), make([]byte, 512)...)},
		"tar.gz":           {gz(t, one, time.Time{}, 6), gz(t, two, time.Time{}, 6)},
		"gzip-header":      {gz(t, one, at, 6), gz(t, one, later, 9)},
		"gzip-compression": {gz(t, []byte(long+"abc"), time.Time{}, 3), gz(t, []byte(long+"abc"), time.Time{}, 5)},
		"tar.zst":          {zst(t, one), zst(t, two)},
		"elf":              {exe, patched},
		"elf-header":       {exe, headed},
		"deb":              {pack(t, "deb", "echo 1", "MIT", string(exe), at), pack(t, "deb", "echo 2", "MIT", string(patched), at)},
		"deb-mtime":        {pack(t, "deb", "echo", "MIT", "x", at), pack(t, "deb", "echo", "MIT", "x", later)},
		"deb-signed": {
			ar(file{name: "debian-binary", text: "2.0\n", mtime: at}, file{name: "_gpgorigin", text: "one", mtime: at}),
			ar(file{name: "debian-binary", text: "2.0\n", mtime: at}),
		},
		"rpm":       {pack(t, "rpm", "echo 1", "MIT", string(exe), at), pack(t, "rpm", "echo 2", "Apache-2.0", string(patched), at)},
		"apk":       {pack(t, "apk", "echo 1", "MIT", string(exe), at), pack(t, "apk", "echo 1", "Apache-2.0", string(patched), at)},
		"archlinux": {pack(t, "archlinux", "echo 1", "MIT", "x", at), pack(t, "archlinux", "echo 1", "MIT", "y", at)},
		"apk-signed": {
			append(sig("one"), gz(t, one, time.Time{}, 6)...),
			append(sig("two"), gz(t, one, time.Time{}, 6)...),
		},
		"apk-unsigned":  {append(sig("one"), gz(t, one, time.Time{}, 6)...), append(gz(t, one, time.Time{}, 6), gz(t, one, time.Time{}, 6)...)},
		"another-kind":  {one, gz(t, one, time.Time{}, 6)},
		"broken-gzip":   {gz(t, one, time.Time{}, 6)[:90], gz(t, two, time.Time{}, 6)[:90]},
		"nested-in-tar": {tarball(t, file{name: "in.tar.gz", text: string(gz(t, one, time.Time{}, 6))}), tarball(t, file{name: "in.tar.gz", text: string(gz(t, two, time.Time{}, 6))})},
	}
	return c
}

func TestCompare(t *testing.T) {
	for name, c := range cases(t) {
		t.Run(name, func(t *testing.T) {
			r := compare(t, c[0], c[1], Options{})
			testkit.Golden(t, filepath.Join("testdata", name+".txt"), lines(r))
			if r.Same() {
				t.Error("no difference was found")
			}
			if same := compare(t, c[0], bytes.Clone(c[0]), Options{}); !same.Same() {
				t.Errorf("with itself:\n%s", lines(same))
			}
			want := name == "deb-signed" || name == "apk-signed"
			if r.SignatureAlone() != want {
				t.Errorf("SignatureAlone is %t", !want)
			}
		})
	}
}

// TestBounds unpacks no more than it may, and counts what it does not tell.
func TestBounds(t *testing.T) {
	bomb := func(end string) []byte { return gz(t, append(make([]byte, 8<<20), end...), time.Time{}, 9) }
	r := compare(t, bomb("a"), bomb("b"), Options{MaxUnpacked: 1 << 20})
	if len(r.Differences) != 1 || !strings.HasPrefix(r.Differences[0].What, "byte 0x") {
		t.Errorf("a bomb: %s", lines(r))
	}
	var a, b []file
	for i := range 50 {
		a = append(a, file{name: fmt.Sprint(i), text: "a"})
		b = append(b, file{name: fmt.Sprint(i), text: "b"})
	}
	r = compare(t, tarball(t, a...), tarball(t, b...), Options{Most: 3})
	if len(r.Differences) != 3 || r.More != 47 || r.SignatureAlone() {
		t.Errorf("%d told, %d more", len(r.Differences), r.More)
	}
	deep := func(end string) []byte {
		out := []byte(end)
		for range 20 {
			out = gz(t, out, time.Time{}, 6)
		}
		return out
	}
	if r = compare(t, deep("a"), deep("b"), Options{}); r.Same() {
		t.Error("what lies too deep to look at counts as the same")
	}
}

// FuzzCompare wants an answer for any two files: the same, or a difference.
func FuzzCompare(f *testing.F) {
	for _, c := range cases(f) {
		if len(c[0]) < 64<<10 {
			f.Add(c[0], c[1])
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, a, b []byte) {
		r, err := Compare(t.Context(), io.NewSectionReader(bytes.NewReader(a), 0, int64(len(a))), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))),
			Options{Scratch: dir, MaxUnpacked: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if r.Same() != bytes.Equal(a, b) {
			t.Errorf("same is %t, want %t", r.Same(), bytes.Equal(a, b))
		}
	})
}
