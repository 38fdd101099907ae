package stack_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// hostile are tar streams that no store takes, by what is said of them.
func hostile(t *testing.T) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	for want, h := range map[string]tar.Header{
		`entry "../out" of the tar stream leads out`:           {Name: "../out", Typeflag: tar.TypeReg},
		`entry "/etc/passwd" of the tar stream leads out`:      {Name: "/etc/passwd", Typeflag: tar.TypeReg},
		`entry "a/../../out" of the tar stream leads out`:      {Name: "a/../../out", Typeflag: tar.TypeReg},
		`entry "a\\..\\out" of the tar stream leads out`:       {Name: `a\..\out`, Typeflag: tar.TypeReg},
		`entry "link" of the tar stream is neither a file`:     {Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
		`entry "hard" of the tar stream is neither a file`:     {Name: "hard", Typeflag: tar.TypeLink, Linkname: "one"},
		`entry "null" of the tar stream is neither a file`:     {Name: "null", Typeflag: tar.TypeChar},
		`entry "." of the tar stream is a file without a name`: {Name: ".", Typeflag: tar.TypeReg},
	} {
		m[want] = packed(t, tar.Header{Name: "one", Typeflag: tar.TypeReg}, h)
	}
	m["reading the tar stream: "] = []byte(strings.Repeat("no tar", 200))
	return m
}

func packed(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpacked gives the files of a tar stream.
func unpacked(t *testing.T, b []byte) map[string]string {
	t.Helper()
	m := map[string]string{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		m[h.Name] = string(text)
	}
}

func TestProcessData(t *testing.T) {
	p := started(t, stack.ProcessOptions{})
	get(t, p.URL()+"/put/one")
	var dump, objects bytes.Buffer
	if err := p.Dump(t.Context(), &dump); err != nil || dump.String() != "one\n" {
		t.Fatalf("got %q, %v", dump.String(), err)
	}
	if err := p.PackObjects(t.Context(), &objects); err != nil || !maps.Equal(unpacked(t, objects.Bytes()), map[string]string{"marker": "", "one": "one"}) {
		t.Fatalf("got %v, %v", unpacked(t, objects.Bytes()), err)
	}
	get(t, p.URL()+"/put/two") // it runs again

	other := started(t, stack.ProcessOptions{})
	get(t, other.URL()+"/put/three")
	if err := other.Replay(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	if err := other.ReplaceObjects(t.Context(), bytes.NewReader(objects.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"one": 200, "three": 404} {
		if status, _ := get(t, other.URL()+"/get/"+name); status != want {
			t.Errorf("%s: got %d, want %d", name, status, want)
		}
	}
	if err := other.Stop(t.Context(), stack.ObjectStore); err != nil {
		t.Fatal(err)
	}
	var away bytes.Buffer
	if err := other.PackObjects(t.Context(), &away); err != nil || !bytes.Equal(away.Bytes(), objects.Bytes()) && len(unpacked(t, away.Bytes())) != 2 {
		t.Errorf("packing a store that is stopped: %v", err)
	}

	// What is wrong is not taken, and nothing of it stays.
	broken := errors.New("broken on the way")
	if err := other.Replay(t.Context(), io.MultiReader(strings.NewReader("half"), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(other.Dir(), "*", "rustshare.db*")); len(left) > 0 {
		t.Errorf("%v is left of a broken dump", left)
	}
	for want, stream := range hostile(t) {
		wants(t, fmt.Sprint(other.ReplaceObjects(t.Context(), bytes.NewReader(stream))), "unpacking into the object store: "+want)
		if left, _ := os.ReadDir(filepath.Join(other.Dir(), "data", "objects")); len(left) > 0 {
			t.Errorf("%v is left of a refused stream", left)
		}
	}
	// A database that was not closed is not whole.
	if err := os.WriteFile(filepath.Join(p.Dir(), "data", "rustshare.db-wal"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, fmt.Sprint(p.Dump(t.Context(), io.Discard)), "the server left rustshare.db-wal beside its database")
	if err := p.Ready(t.Context()); err != nil {
		t.Errorf("after a refused dump: %v", err)
	}
	if p.Kind() != "process" || p.Database() != "sqlite" {
		t.Errorf("got %s, %s", p.Kind(), p.Database())
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestProcessProbe(t *testing.T) {
	parent := t.TempDir()
	p := started(t, stack.ProcessOptions{Parent: parent}, "GIVEN", "yes")
	if err := p.Probe(t.Context(), map[string]string{"PRINT": "fine"}); err != nil {
		t.Errorf("one that is well: %v", err)
	}
	err := p.Probe(t.Context(), map[string]string{"EXIT": "4", "PRINT": "key $JWT_SECRET"})
	var exit *stack.ExitError
	if !errors.As(err, &exit) || exit.Code != 4 {
		t.Errorf("one that ends gave %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
	leaks, err := p.Leaks(t.Context())
	if want := []stack.Leak{{Service: stack.Backend, Secret: "JWT_SECRET"}}; err != nil || !slices.Equal(leaks, want) {
		t.Errorf("what a probe logged: %v, %v", leaks, err)
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
