// Package record keeps the evidence of a release: what was decided, what each
// gate and step found, what was published and what the verification saw. It
// knows decide.
package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
)

// Name is the record's file name in a bundle.
const Name = "record.json"

// Record is the evidence of one run of a release. Times are UTC.
type Record struct {
	Plan decide.Plan `json:"plan"`
	// Digest is the image index that the release is.
	Digest   string    `json:"digest"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Binaries says what each binary is and whether it was run.
	Binaries []Binary `json:"binaries"`
	// Actions are the changes that this run made, in order; none where the
	// release was finished before.
	Actions []string `json:"actions"`
	// Kept are the changes that were not made, with the reason.
	Kept []string `json:"kept,omitempty"`
	// Candidate is what the release was promoted from; nil where there is none.
	Candidate *Candidate `json:"candidate,omitempty"`
	// Override is the maintainer's reason for going on against a rule.
	Override string `json:"override,omitempty"`
	// Verification is the report of the last verification.
	Verification any `json:"verification"`
	// Sent counts what went to the registry.
	Sent any `json:"sent"`
}

// Candidate is a release candidate by its tag and its image's digest.
type Candidate struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// Binary is the evidence about one binary.
type Binary struct {
	Asset     string `json:"asset"`
	Target    string `json:"target"`
	SHA256    string `json:"sha256"`
	Toolchain string `json:"toolchain,omitempty"`
	// Ran is how it was tried: "native", an emulator's name, or why not.
	Ran    string `json:"ran,omitempty"`
	Crates int    `json:"crates,omitempty"`
}

// Write puts the record into dir. An earlier record that made changes is kept
// beside it, named by the time it finished: evidence is never lost to a rerun.
func Write(dir string, r Record) error {
	path := filepath.Join(dir, Name)
	if old, err := Read(dir); err == nil && len(old.Actions) > 0 {
		if len(r.Actions) == 0 {
			return nil // nothing happened: the record of what did stands
		}
		kept := filepath.Join(dir, "record-"+old.Finished.UTC().Format("20060102T150405Z")+".json")
		if err := os.Rename(path, kept); err != nil {
			return fmt.Errorf("keeping the earlier record: %w", err)
		}
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the record: %w", err)
	}
	if err := atomicfile.Write(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	return nil
}

// Read gives the record that lies in dir.
func Read(dir string) (Record, error) {
	var r Record
	text, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", filepath.Join(dir, Name), err)
	}
	return r, nil
}
