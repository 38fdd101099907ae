package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzManifest(f *testing.F) {
	m := Manifest{"20261123T021500Z", "2026-11-23T02:15:00Z", "postgres", "db", "user", "rustfs", "it's $(x)", "unknown"}
	f.Add(m.Text())
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

// A shell reads each value as we do; what it would run, we refuse.
func FuzzShellWord(f *testing.F) {
	for _, s := range []string{"main", `a\ b`, `'it'\''s'`, `"a \$b \x"`, "$'a\\303\\244\\''", "a#b", "ä^", `"a"'b'c`, "$x", "`id`", "a;b", "~", "a=~", "a:~/b", "!x", "{a,b}", "*", `""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		value, err := unquote(word)
		if err != nil || strings.ContainsAny(word, "\x00\n\r") || strings.ContainsRune(value, 0) {
			return
		}
		// Restricted and without programs: a fault of ours must not run what was made up.
		cmd := exec.Command("bash", "-r", "-c", "V="+word+"\nprintf %s \"$V\"")
		cmd.Env = []string{"PATH=/nonexistent"}
		out, err := cmd.Output()
		if err != nil || string(out) != value {
			t.Errorf("bash reads %q as %q (%v), expected %q", word, out, err, value)
		}
		if again, err := unquote(quote(value)); err != nil || again != value {
			t.Errorf("%q quoted is %q, %v", value, again, err)
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
		if err := copyDump(bytes.NewReader(text), whole); err != nil {
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
