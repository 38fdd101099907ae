package stack_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// TestComposeSnapshot: a second stack takes over the volumes of a first.
func TestComposeSnapshot(t *testing.T) {
	o := composed(t)
	c := composeStarted(t, o)
	get(t, appURL(t, c)+"/put/one")
	dir := filepath.Join(t.TempDir(), "a", "snapshot")
	if err := c.Snapshot(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("after a snapshot: %v", err)
	}
	get(t, appURL(t, c)+"/put/two")
	wants(t, fmt.Sprint(c.Snapshot(t.Context(), dir)), "a snapshot needs an empty directory, and "+dir+" has data.tar in it")
	if err := c.Destroy(t.Context()); err != nil {
		t.Error(err)
	}

	o.Snapshot, o.Secrets, o.Parent = dir, c.Secrets(), t.TempDir()
	candidate := composeStarted(t, o)
	if status, body := get(t, appURL(t, candidate)+"/get/one"); status != 200 || body != "one" {
		t.Errorf("got %d %s", status, body)
	}
	if status, _ := get(t, appURL(t, candidate)+"/get/two"); status != 404 {
		t.Errorf("what came after the snapshot is in it: %d", status)
	}
	get(t, appURL(t, candidate)+"/put/three") // it can write
	if status, _ := get(t, appURL(t, candidate)+"/get/three"); status != 200 {
		t.Errorf("it cannot write: %d", status)
	}
	if candidate.Secrets()["JWT_SECRET"] != c.Secrets()["JWT_SECRET"] {
		t.Error("the secrets were not taken over")
	}
	if err := os.WriteFile(filepath.Join(dir, "more.tar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := stack.OpenCompose(t.Context(), o)
	wants(t, fmt.Sprint(err), `has a volume "more", which no service of the compose files uses`)
}

// TestComposeObjects: what is unpacked belongs to the store, which is not root
// and has neither shell nor tar.
func TestComposeObjects(t *testing.T) {
	c := compose(t, composed(t, "PRINT", "before"))
	header := tar.Header{Name: "./bucket/", Typeflag: tar.TypeDir, Mode: 0o500, Uid: 7}
	file := tar.Header{Name: "./bucket/object", Typeflag: tar.TypeReg, Mode: 0o400, Uid: 8}
	if err := c.ReplaceObjects(t.Context(), bytes.NewReader(packed(t, header, file))); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil { // the store writes a file of its own
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.PackObjects(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	modes := map[string]string{}
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[h.Name] = fmt.Sprintf("%o %d:%d", h.Mode, h.Uid, h.Gid)
	}
	if fmt.Sprint(modes) != "map[bucket/:700 1234:1234 bucket/object:600 1234:1234 objects/:700 1234:1234 objects/marker:600 1234:1234]" {
		t.Errorf("got %v", modes)
	}
	streams := hostile(t)
	for _, want := range []string{`entry "../out" of the tar stream leads out`, `entry "link" of the tar stream is neither a file`} {
		wants(t, fmt.Sprint(c.ReplaceObjects(t.Context(), bytes.NewReader(streams[want]))), "unpacking into the object store: "+want)
	}
	b.Reset()
	if err := c.PackObjects(t.Context(), &b); err != nil || len(unpacked(t, b.Bytes())) != 0 {
		t.Errorf("left of refused streams: %v, %v", unpacked(t, b.Bytes()), err)
	}
	var log bytes.Buffer
	if err := c.Logs(t.Context(), stack.ObjectStore, &log); err != nil || !strings.Contains(log.String(), "hello from run") {
		t.Errorf("the log of the container that is gone: %q, %v", log.String(), err)
	}
}

// TestComposePostgres: a real PostgreSQL.
func TestComposePostgres(t *testing.T) {
	needDocker(t)
	images := testkit.StackImages(t)
	k := *product.RustShare().Compose
	i := load(t, scratch(t, nil))
	c := compose(t, stack.ComposeOptions{
		Dir: filepath.Join("..", "..", "..", "testdata", "rustshare"), Run: how, Compose: k, Image: i, Images: images, Parent: t.TempDir(),
	})
	if err := c.Start(t.Context(), stack.Database); err != nil {
		t.Fatal(err)
	}
	sql := func(statement string) string {
		t.Helper()
		var out bytes.Buffer
		err := c.Exec(t.Context(), stack.Database, []string{"psql", "-U", k.DatabaseUser, "-At", "-d", "rustshare"}, strings.NewReader(statement), &out)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(out.String())
	}
	sql("CREATE TABLE files (name text); INSERT INTO files VALUES ('one');")
	var dump bytes.Buffer
	if err := c.Dump(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	wants(t, dump.String(), "PostgreSQL database dump", "COPY public.files", "\none\n")
	sql("INSERT INTO files VALUES ('two'); CREATE TABLE later (name text);")

	good := dump.String()
	if err := c.Replay(t.Context(), strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if got := sql("SELECT string_agg(name, ',') FROM files; SELECT to_regclass('later') IS NULL;"); got != "one\nt" {
		t.Errorf("got %q", got)
	}

	// With an error in it, or cut off, a dump leaves no database.
	broken := errors.New("the bundle is refused")
	for want, from := range map[string]io.Reader{
		`"nowhere" does not exist`: strings.NewReader(good + "INSERT INTO nowhere VALUES (1);\n"),
		broken.Error():             io.MultiReader(strings.NewReader(good), failing{broken}),
	} {
		err := c.Replay(t.Context(), from)
		wants(t, fmt.Sprint(err), "replaying the dump (the database is left dropped): ", want)
		if want == broken.Error() && !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		wants(t, sql("SELECT 1;"), `database "rustshare" does not exist`)
	}
	if err := c.Replay(t.Context(), strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if got := sql("SELECT name FROM files;"); got != "one" {
		t.Errorf("got %q", got)
	}
}
