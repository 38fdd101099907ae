package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func FuzzManifest(f *testing.F) {
	m := Manifest{"20261123T021500Z", "2026-11-23T02:15:00Z", "", "postgres", "db", "user", "rustfs", "it's $(x)", "unknown"}
	sqlite := Manifest{Timestamp: m.Timestamp, Created: m.Created, Database: "sqlite", Branch: "main", Commit: "unknown"}
	f.Add(m.Text())
	f.Add(sqlite.Text())
	f.Add(strings.Replace(m.Text(), "'", `"`, 2))
	f.Add("GIT_BRANCH=$'a\\303\\244'\\ b\"\\\"\"\n# comment\n\nexport X=1;")
	f.Fuzz(func(t *testing.T, text string) {
		m, found := ParseManifest([]byte(text))
		for _, p := range found {
			if p.File != ManifestName || strings.Contains(p.Text, "\n") {
				t.Errorf("the problem %q", p)
			}
		}
		if len(found) > 0 {
			return
		}
		if again, found := ParseManifest([]byte(m.Text())); again != m || len(found) > 0 {
			t.Errorf("%+v became %+v, %v", m, again, found)
		}
	})
}

func FuzzSums(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add(sum + "  postgres.sql.gz\n" + sum + " *config.tar.gz\n")
	f.Add(sum + "  ../x\n\n" + sum + " config.tar.gz\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		sums, found := ParseSums([]byte(text))
		for name := range sums {
			if m, ok := find(name); !ok || m.name == SumsName {
				t.Errorf("%q was taken", name)
			}
		}
		if again, _ := ParseSums([]byte(formatSums(sums))); len(found) == 0 && len(again) != len(sums) {
			t.Errorf("%v became %v", sums, again)
		}
	})
}

// What is accepted unpacks inside of its directory, and is accepted again.
func FuzzArchive(f *testing.F) {
	var seed bytes.Buffer
	w := tar.NewWriter(&seed)
	for _, h := range []*tar.Header{
		{Name: "./", Typeflag: tar.TypeDir}, {Name: "a/b", Size: 3}, {Name: strings.Repeat("long/", 30), Typeflag: tar.TypeDir},
	} {
		if err := errors.Join(w.WriteHeader(h), write(w, h.Size)); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Add(bytes.Replace(seed.Bytes(), []byte("a/b"), []byte("../"), 1))
	limits := Limits{Entry: 1 << 16, Entries: 100}.filled()
	f.Fuzz(func(t *testing.T, packed []byte) {
		p := &problems{}
		var again bytes.Buffer
		err := newArchive(limits, p, false).rewrite(bytes.NewReader(packed), &again, nil)
		if err != nil || len(p.list) > 0 {
			if err != nil && len(p.list) == 0 {
				t.Errorf("%v without a problem", err)
			}
			return
		}
		above := t.TempDir()
		into := filepath.Join(above, "into")
		if err := os.Mkdir(into, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(into)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close() //nolint:errcheck // every file was closed
		err = newArchive(limits, p, true).read(&again, func(h *tar.Header, r io.Reader) error { return extract(root, h, r) })
		if err != nil || len(p.list) > 0 {
			t.Errorf("what was accepted is refused: %v, %v", err, p.list)
		}
		if entries, err := os.ReadDir(above); err != nil || len(entries) != 1 {
			t.Errorf("outside: %v, %v", entries, err)
		}
	})
}

func write(w io.Writer, n int64) error {
	_, err := w.Write(make([]byte, n))
	return err
}

// How a dump is cut into writes changes nothing.
func FuzzDump(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "postgres.sql"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, 7)
	f.Add([]byte(dumpBegins+"\nCOPY t FROM stdin;\n\\.\r\nSET a = E'\\'';\n\\restrict a\n/*/**/*/$a$ $$a$;"+dumpEnds), 1)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		whole, parts := &problems{}, &problems{}
		if err := check(bytes.NewReader(text), newDump(whole)); err != nil {
			t.Fatal(err)
		}
		d := newDump(parts)
		step = max(1, step%64)
		for i := 0; i < len(text); i += step {
			if _, err := d.Write(text[i:min(len(text), i+step)]); err != nil {
				t.Fatal(err)
			}
		}
		d.finish()
		if len(whole.all()) != len(parts.all()) {
			t.Errorf("at once %v, in parts %v", whole.all(), parts.all())
		}
	})
}

// How a file is cut into writes changes nothing, and what is accepted has the
// size that its header says.
func FuzzFile(f *testing.F) {
	content, err := os.ReadFile(filepath.Join("testdata", "sqlite.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content, 7)
	f.Add(content[:1024], 99)
	f.Add(content[:99], 1)
	f.Fuzz(func(t *testing.T, content []byte, step int) {
		whole, parts := &problems{}, &problems{}
		if err := check(bytes.NewReader(content), &file{p: whole}); err != nil {
			t.Fatal(err)
		}
		c := &file{p: parts}
		step = max(1, step%128)
		for i := 0; i < len(content); i += step {
			if _, err := c.Write(content[i:min(len(content), i+step)]); err != nil {
				t.Fatal(err)
			}
		}
		c.finish()
		if !slices.Equal(whole.list, parts.list) {
			t.Errorf("at once %v, in parts %v", whole.list, parts.list)
		}
		if len(whole.list) == 0 && c.page*c.pages != int64(len(content)) {
			t.Errorf("%d bytes were taken for %d pages of %d", len(content), c.pages, c.page)
		}
	})
}
