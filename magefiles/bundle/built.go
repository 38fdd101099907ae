package bundle

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
)

// BuiltName is the file beside plan.json that says how the bundle was built. It
// is nothing of the content, and differs from build to build.
const BuiltName = "built.json"

// Built says of a build what its content does not.
type Built struct {
	// Started and Finished are when the build of the binaries began and when the
	// image was complete; zero where that is not known.
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// Tools are the programs that were used, besides those that stand with each
	// binary.
	Tools []Tool `json:"tools,omitempty"`
}

// Tool is a program with its version, as in "npm" and "10.9.2".
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Built reads how the bundle was built; the zero value where nothing is known.
func (b *Bundle) Built() (Built, error) {
	var built Built
	err := readJSON(filepath.Join(b.Dir, BuiltName), &built)
	if errors.Is(err, fs.ErrNotExist) {
		return Built{}, nil
	}
	return built, err
}

// SetBuilt leaves how the bundle was built beside it.
func (b *Bundle) SetBuilt(built Built) error {
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(b.Dir, BuiltName), append(text, '\n'), 0o644)
}
