package record

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

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
