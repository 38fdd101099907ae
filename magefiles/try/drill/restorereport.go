package drill

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/shellword"
	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// restoreReport is the restore drill's report as operators know it: a file
// <UTC stamp>-restore-drill.env with lines KEY=value that a shell may source.
type restoreReport struct {
	Status            Outcome // Passed or Failed
	Started, Finished time.Time
	Project, BaseURL  string
	Backup, Details   string
	secrets           stack.Secrets
}

// begin gives the report of a drill that does not come to its end.
func (o RestoreOptions) begin() *restoreReport {
	dir := o.Bundle
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &restoreReport{
		Status: Failed, Started: time.Now().UTC(), Project: o.Project, Backup: dir,
		Details: "the drill did not come to its end", secrets: o.Secrets,
	}
}

func (r *restoreReport) conclude(steps []Step, err error) { r.Status, r.Details = conclude(steps, err) }

func (r *restoreReport) text() string {
	var out strings.Builder
	for _, line := range [][2]string{
		{"RESTORE_DRILL_STATUS", string(r.Status)},
		{"RESTORE_DRILL_STARTED_AT", r.Started.Format(time.RFC3339)},
		{"RESTORE_DRILL_FINISHED_AT", r.Finished.Format(time.RFC3339)},
		{"RESTORE_DRILL_PROJECT", r.Project},
		{"RESTORE_DRILL_BASE_URL", r.BaseURL},
		{"BACKUP_DIR", r.Backup},
		{"REPORT_DETAILS", r.secrets.Mask(r.Details)},
	} {
		fmt.Fprintf(&out, "%s=%s\n", line[0], shellword.Quote(shellword.OneLine(line[1])))
	}
	return out.String()
}

// write puts the report into a directory, which it makes where it is missing.
func (r *restoreReport) write(dir string) error {
	if dir == "" {
		return nil
	}
	r.Finished = time.Now().UTC()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing the report of the restore drill: %w", err)
	}
	path := filepath.Join(dir, backup.Stamp(r.Started)+"-restore-drill.env")
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("the report %s is there already: two drills began in the same second; give another directory", path)
	}
	if err := atomicfile.Write(path, []byte(r.text()), 0o644); err != nil {
		return fmt.Errorf("writing the report of the restore drill: %w", err)
	}
	return nil
}
