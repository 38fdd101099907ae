package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

var ok, says = testkit.OK, testkit.Says

func asset(name, text string) (Asset, Content) {
	sum := sha256.Sum256([]byte(text))
	return Asset{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])},
		func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// files lists everything below a directory with its content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLife(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	d := Directory(filepath.Join(dir, "releases"))
	one, oneText := asset("one", "first")
	two, twoText := asset("two.txt", "second")
	r := Release{Tag: "v1.0.0", Name: "Name 1.0.0", Notes: "# Notes\n", Assets: []Asset{two, one}, Latest: true}

	found, err := d.Find(ctx, r.Tag)
	ok(t, err)
	if found != nil {
		t.Fatalf("found %+v in an empty directory", found)
	}
	ok(t, d.Draft(ctx, r))
	ok(t, d.Upload(ctx, r.Tag, one, oneText))
	found, err = d.Find(ctx, r.Tag)
	ok(t, err)
	if !found.Draft || found.Latest || found.Name != r.Name || found.Notes != r.Notes || !slices.Equal(found.Assets, []Asset{one}) {
		t.Errorf("draft: %+v", found)
	}
	if _, err := os.Stat(d.public(r.Tag)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a draft is public: %v", err)
	}

	// A draft that is not what it should be stays one.
	says(t, d.Publish(ctx, r), "stays a draft", "two.txt is missing")
	stray, strayText := asset("stray", "x")
	ok(t, d.Upload(ctx, r.Tag, two, twoText))
	ok(t, d.Upload(ctx, r.Tag, stray, strayText))
	says(t, d.Publish(ctx, r), "stray does not belong to it")
	ok(t, d.Drop(ctx, r.Tag, "stray"))
	ok(t, d.Drop(ctx, r.Tag, "stray"))
	short, shortText := asset("one", "fi")
	ok(t, d.Upload(ctx, r.Tag, short, shortText))
	var incomplete *IncompleteError
	if err := d.Publish(ctx, r); !errors.As(err, &incomplete) || incomplete.Asset != "one" {
		t.Errorf("got %v", err)
	}
	ok(t, d.Upload(ctx, r.Tag, one, oneText))

	ok(t, d.Publish(ctx, r))
	ok(t, d.Publish(ctx, r))
	found, err = d.Find(ctx, r.Tag)
	ok(t, err)
	if found.Draft || !found.Latest || found.Prerelease || len(found.Assets) != 2 {
		t.Errorf("public: %+v", found)
	}
	got := files(t, string(d))
	want := map[string]string{
		"latest": "v1.0.0\n", "v1.0.0/one": "first", "v1.0.0/two.txt": "second", "v1.0.0/notes.md": "# Notes\n",
		"v1.0.0/release.json": `{
  "tag": "v1.0.0",
  "name": "Name 1.0.0",
  "prerelease": false,
  "assets": [
    {
      "name": "one",
      "size": 5,
      "sha256": "` + one.SHA256 + `"
    },
    {
      "name": "two.txt",
      "size": 6,
      "sha256": "` + two.SHA256 + `"
    }
  ]
}
`}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s holds %q, expected %q", name, got[name], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("files: %v", got)
	}

	found, err = d.Page(ctx, r.Tag)
	ok(t, err)
	if found.Tag != r.Tag || found.Draft || found.Latest || found.Name != r.Name || found.Notes != r.Notes || found.Assets != nil {
		t.Errorf("page: %+v", found)
	}

	// From now on it keeps its bytes.
	var public *PublicError
	if err := d.Draft(ctx, r); !errors.As(err, &public) {
		t.Errorf("got %v", err)
	}
	if err := d.Drop(ctx, r.Tag, "one"); !errors.As(err, &public) {
		t.Errorf("got %v", err)
	}
	ok(t, d.Upload(ctx, r.Tag, one, oneText))
	var conflict *ConflictError
	if err := d.Upload(ctx, r.Tag, short, shortText); !errors.As(err, &conflict) || conflict.Found != one.SHA256 || conflict.Want != short.SHA256 {
		t.Errorf("got %v", err)
	}
	says(t, d.Upload(ctx, r.Tag, short, shortText), "never changed", one.SHA256, short.SHA256)
	if after := files(t, string(d)); after["v1.0.0/one"] != "first" {
		t.Errorf("a public asset was changed: %q", after["v1.0.0/one"])
	}

	// Another release is not the latest unless it says so.
	old := Release{Tag: "v0.9.1", Name: "old"}
	ok(t, d.Draft(ctx, old))
	says(t, d.SetLatest(ctx, old.Tag), "not public")
	ok(t, d.Publish(ctx, old))
	if latest, err := d.Latest(ctx); latest != "v1.0.0" || err != nil {
		t.Errorf("latest: %s, %v", latest, err)
	}
	ok(t, d.SetLatest(ctx, old.Tag))
	if latest, err := d.Latest(ctx); latest != "v0.9.1" || err != nil {
		t.Errorf("latest: %s, %v", latest, err)
	}
	says(t, d.SetLatest(ctx, "v3.0.0"), "not public")
}

func TestSameNotes(t *testing.T) {
	const notes = "# Server v0.4.0\n\n## Changes\n\n- one  \n- two\n"
	for other, same := range map[string]bool{
		notes:                                   true,
		strings.ReplaceAll(notes, "\n", "\r\n"): true,
		strings.TrimSpace(notes):                true,
		"\n" + notes + "\r\n\r\n":               true,
		strings.ReplaceAll(notes, "  \n", "\n"): false, // a line break in Markdown
		strings.ReplaceAll(notes, "\n\n", "\n"): false,
		strings.ReplaceAll(notes, "one", "One"): false,
		"":                                      false,
	} {
		if SameNotes(notes, other) != same || SameNotes(other, notes) != same {
			t.Errorf("%q: the same notes must be %v", other, same)
		}
	}
}

// What was interrupted is replaced.
func TestLeftovers(t *testing.T) {
	ctx := t.Context()
	d := Directory(t.TempDir())
	r := Release{Tag: "v1.0.0", Name: "n"}
	one, text := asset("one", "first")
	r.Assets = []Asset{one}
	ok(t, os.MkdirAll(d.draft(r.Tag), 0o755))
	ok(t, os.WriteFile(filepath.Join(d.draft(r.Tag), atomicfile.Prefix+"123"), []byte("half"), 0o600))
	ok(t, os.WriteFile(filepath.Join(d.draft(r.Tag), "one"), []byte("hal"), 0o600))
	found, err := d.Find(ctx, r.Tag)
	ok(t, err)
	if !found.Draft || len(found.Assets) != 1 || found.Assets[0] == one {
		t.Errorf("found %+v", found)
	}
	// Its page does not look at assets.
	ok(t, os.Mkdir(filepath.Join(d.draft(r.Tag), "two"), 0o755))
	if found, err = d.Page(ctx, r.Tag); err != nil || !found.Draft || found.Assets != nil {
		t.Errorf("page %+v, %v", found, err)
	}
	_, err = d.Find(ctx, r.Tag)
	says(t, err, "reading asset two of release v1.0.0")
	if found, err = d.Page(ctx, "v2.0.0"); found != nil || err != nil {
		t.Errorf("page of nothing: %+v, %v", found, err)
	}
	ok(t, d.Drop(ctx, r.Tag, "two"))
	ok(t, d.Draft(ctx, r))
	ok(t, d.Upload(ctx, r.Tag, one, text))
	ok(t, d.Publish(ctx, r))
	if got := files(t, string(d)); len(got) != 3 || got["v1.0.0/one"] != "first" {
		t.Errorf("files: %q", got)
	}
}

// An upload that fails leaves nothing under the asset's name.
func TestBrokenUpload(t *testing.T) {
	ctx := t.Context()
	d := Directory(t.TempDir())
	ok(t, d.Draft(ctx, Release{Tag: "v1.0.0"}))
	one, text := asset("one", "first")
	_, other := asset("one", "other")
	says(t, d.Upload(ctx, "v1.0.0", one, other), "uploading one to release v1.0.0", "expected 5 with "+one.SHA256)
	says(t, d.Upload(ctx, "v1.0.0", one, func() (io.ReadCloser, error) { return nil, errors.New("no file") }), "no file")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := d.Upload(cancelled, "v1.0.0", one, text); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := files(t, string(d)); len(got) != 2 {
		t.Errorf("files: %q", got)
	}
	says(t, d.Upload(ctx, "v2.0.0", one, text), "there is no release v2.0.0")
	says(t, d.Publish(ctx, Release{Tag: "v2.0.0"}), "no such draft")
}

func TestNames(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	d := Directory(filepath.Join(dir, "releases"))
	ok(t, d.Draft(ctx, Release{Tag: "v1.0.0"}))
	for _, bad := range []string{"", ".", "..", "../x", "a/b", `a\b`, "/etc/passwd", ".hidden", "-rf", "a b", "a\nb", strings.Repeat("a", 300)} {
		a, text := asset(bad, "x")
		says(t, d.Upload(ctx, "v1.0.0", a, text), "is no asset name")
		says(t, d.Drop(ctx, "v1.0.0", bad), "is no asset name")
		if bad != "" {
			says(t, d.Draft(ctx, Release{Tag: bad}), "names no release")
		}
		_, err := d.Find(ctx, bad)
		says(t, err, "names no release")
	}
	for _, own := range []string{"notes.md", "release.json"} {
		a, text := asset(own, "x")
		says(t, d.Upload(ctx, "v1.0.0", a, text), "keeps its own file under that name")
	}
	_, err := d.Find(ctx, "latest")
	says(t, err, "names no release")
	for _, good := range []string{"rustshare-backend-x86_64-linux", "SHA256SUMS", "a.spdx.json", "pkg_1.0+b-1_amd64.deb"} {
		ok(t, CheckName(good))
	}
	if got := files(t, dir); len(got) != 2 {
		t.Errorf("files: %q", got)
	}
	// What is no release is not taken for one.
	ok(t, os.WriteFile(filepath.Join(string(d), "v2.0.0"), nil, 0o600))
	_, err = d.Find(ctx, "v2.0.0")
	says(t, err, "is in the way")
	ok(t, os.MkdirAll(d.public("v3.0.0"), 0o755))
	_, err = d.Find(ctx, "v3.0.0")
	says(t, err, "reading release v3.0.0")
}
