package pilot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzMigrationRows: whatever a database prints, the rows are those of its
// lines.
func FuzzMigrationRows(f *testing.F) {
	f.Add("1|accounts|t|00ff\n2|folders | files|f|\n")
	f.Add("x|y|t|z\n")
	f.Add("\n1||t|\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := migrationRows(text)
		if err != nil {
			return
		}
		if lines := strings.Count(text, "\n") + 1; len(rows) > lines {
			t.Errorf("%d rows of %d lines", len(rows), lines)
		}
		for _, r := range rows {
			if strings.Contains(r.name+r.checksum, "\n") {
				t.Errorf("a row over lines: %+v", r)
			}
		}
	})
}

// FuzzLoad: a state that is loaded can be gone on from.
func FuzzLoad(f *testing.F) {
	f.Add(`{"image": "sha256:00", "phases": [{"name": "ui", "outcome": "passed", "files": [{"path": "run-1/page.html"}]}]}`)
	f.Add(`{"phases": [null]}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := load(dir)
		if err != nil {
			if !strings.Contains(err.Error(), dir) {
				t.Errorf("the error names no file: %v", err)
			}
			return
		}
		plan(Options{}, st)
		st.tainted()
		if err := st.save(dir); err != nil {
			t.Error(err)
		}
	})
}
