package record

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// The notes of a stable release and of an unsigned candidate.
func TestNotes(t *testing.T) {
	assets := []NoteAsset{
		{Name: "server-x86_64-linux", SHA256: "aa", Size: 17 << 20},
		{Name: "SHA256SUMS", SHA256: "bb", Size: 300},
	}
	for name, n := range map[string]Notes{
		"stable": {
			Title: "Server", Tag: "v0.4.0", Source: "https://example.org/server", Changelog: "CHANGELOG.md",
			Image: "registry.example.org/server", Digest: "sha256:cc", Channel: "stable", Tags: []string{"0.4.0", "sha-dd"},
			Assets: assets, KeyFile: "cosign.pub", Bundles: true, Provenance: "server-0.4.0.provenance.sigstore.json",
		},
		"candidate": {
			Title: "Server", Tag: "v0.4.0-rc.1", Source: "https://example.org/server", Changelog: "CHANGELOG.md",
			Image: "registry.example.org/server", Digest: "sha256:cc", Channel: "candidate", Tags: []string{"0.4.0-rc.1"},
			Assets: assets, KeyFile: "cosign.pub", Unsigned: true,
		},
	} {
		got, err := n.Markdown()
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "TestNotes", name+".md")
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("the notes of a %s release are\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A later record that made changes keeps the earlier one; one that made none
// leaves it alone.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	write := func(day int, actions ...string) {
		t.Helper()
		if err := Write(dir, Record{Actions: actions, Finished: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)}); err != nil {
			t.Fatal(err)
		}
	}
	write(1, "create tag 1.0.0")
	write(2)
	r, err := Read(dir)
	if err != nil || r.Finished.Day() != 1 {
		t.Errorf("a run without changes replaced the record: %+v, %v", r, err)
	}
	write(3, "move tag latest")
	if r, err = Read(dir); err != nil || !slices.Equal(r.Actions, []string{"move tag latest"}) {
		t.Errorf("the record is %+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "record-20260101T000000Z.json")); err != nil {
		t.Errorf("the earlier record is gone: %v", err)
	}
}
