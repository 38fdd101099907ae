package journey

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
)

// Outcome says how a step, or a whole journey, went.
type Outcome string

// The outcomes. A journey either passed or failed.
const (
	Running Outcome = "running"
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	// Skipped: there was nothing to try, and the target allows that.
	Skipped Outcome = "skipped"
	// NotRun: an earlier step failed.
	NotRun Outcome = "not run"
)

// Report is the evidence of one journey. It holds no secret. Times are UTC, to
// the second.
type Report struct {
	// Journey is its name: launch, beta, post-restore, pilot, verify or
	// bad-login.
	Journey  string    `json:"journey"`
	BaseURL  string    `json:"baseURL"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Status   Outcome   `json:"status"`
	// Details is one sentence: what failed, or how much passed.
	Details string `json:"details"`
	// Admin and Viewer are e-mail addresses.
	Admin  string `json:"admin"`
	Viewer string `json:"viewer,omitempty"`
	// Kept is what the journey made, and after Pilot what it left.
	Kept Kept `json:"kept"`
	// Steps in the order in which they ran; not in the .env file.
	Steps []Step `json:"steps,omitempty"`
}

// Step is one step of a journey.
type Step struct {
	Name string `json:"name"`
	// Requests are those that were sent, in order; of a step that tries again,
	// each time.
	Requests []Request `json:"requests,omitempty"`
	Expected string    `json:"expected"`
	// Found says what came back instead, or why nothing was asked.
	Found   string        `json:"found,omitempty"`
	Took    time.Duration `json:"took"`
	Outcome Outcome       `json:"outcome"`
}

// Request is what was sent. Tokens in the path are masked.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	// As says who sent it: admin, viewer or a visitor.
	As string `json:"as"`
	// Status is the answer's, 0 where none came.
	Status int `json:"status,omitempty"`
}

// String gives "POST /api/v1/notes as admin".
func (r Request) String() string { return r.Method + " " + r.Path + " as " + r.As }

// Kept names what a journey made, so that a later one can look for it. Digests
// are SHA-256 in lower-case hexadecimal digits.
type Kept struct {
	// Preserved: it was left in the product on purpose. It was even where the
	// journey failed, if all that failed is the logout after it.
	Preserved bool `json:"preserved"`
	// FolderID is the folder that all files are in.
	FolderID   string `json:"folderID,omitempty"`
	FileID     string `json:"fileID,omitempty"`
	FileSHA256 string `json:"fileSHA256,omitempty"`
	FileSize   int64  `json:"fileSize,omitempty"`
	NoteID     string `json:"noteID,omitempty"`
	NoteTitle  string `json:"noteTitle,omitempty"`
	NoteSHA256 string `json:"noteSHA256,omitempty"`
	// SearchNeedle is a word that only the note has.
	SearchNeedle string `json:"searchNeedle,omitempty"`
	// DropName is the file that came through the upload-only link.
	DropName   string `json:"dropName,omitempty"`
	DropSHA256 string `json:"dropSHA256,omitempty"`
	DropSize   int64  `json:"dropSize,omitempty"`
	// The public links: of the file, and for uploads alone.
	PublicShareID     string `json:"publicShareID,omitempty"`
	UploadOnlyShareID string `json:"uploadOnlyShareID,omitempty"`

	// shareToken opens the public link. It lives as long as the process, and
	// in no report.
	shareToken string
}

// complete says whether there is all that Verify looks for.
func (k Kept) complete() error {
	if !k.Preserved {
		return errors.New("the report says that its journey kept no data: look for that of a pilot journey that passed")
	}
	for _, f := range k.fields() {
		if f.needed && f.get() == "" {
			return fmt.Errorf("the report says that data was kept, and has no %s: run the pilot journey again", f.key)
		}
	}
	return nil
}

// Name is the name of the report's .env file: 20060102T150405Z-JOURNEY.env.
func (r Report) Name() string {
	return r.Started.UTC().Format("20060102T150405Z") + "-" + r.Journey + ".env"
}

// Write puts the report into dir, which it makes where it is missing: as the
// .env file whose path it gives, and with its steps as .json beside that. A
// report that is there already is not replaced.
func (r Report) Write(dir string) (path string, err error) {
	if r.Started.IsZero() {
		return "", errors.New("there is no report to write: the journey did not begin")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("writing the journey's report: %w", err)
	}
	path = filepath.Join(dir, r.Name())
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("the report %s is there already: two journeys began in the same second; give another directory", path)
	}
	steps, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the journey's report: %w", err)
	}
	beside := path[:len(path)-len(".env")] + ".json"
	if err := atomicfile.Write(beside, append(steps, '\n'), 0o644); err != nil {
		return "", fmt.Errorf("writing the journey's report: %w", err)
	}
	if err := atomicfile.Write(path, r.Env(), 0o644); err != nil {
		return "", fmt.Errorf("writing the journey's report: %w", err)
	}
	return path, nil
}

// Read reads a report's .env file; the steps are not in it. Its faults are
// [*ParseError].
func Read(path string) (Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Report{}, fmt.Errorf("reading the journey's report: %w", err)
	}
	return Parse(path, text)
}
