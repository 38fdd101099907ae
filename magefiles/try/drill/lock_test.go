package drill

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(elsewhere, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "opening the lock of the restore drill") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "data" {
		t.Errorf("it has %q, %v", text, err)
	}
}

// Anybody may have written the file.
func FuzzHolder(f *testing.F) {
	f.Add([]byte("pid=1234\nsince=2026-11-23T02:15:00Z\n"))
	f.Add([]byte("pid=1234\nsince=\x1b[2J"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		e := holder("lock", text)
		if strings.ContainsFunc(e.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q became %q", text, e.Error())
		}
		if (e.PID == "") != (e.Since == "") {
			t.Errorf("%q became %+v", text, e)
		}
	})
}
