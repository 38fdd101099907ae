package announce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
)

// State is how far the message to an address got.
type State string

// The states that a ledger keeps. An address that it does not know was never
// tried; after StateFailed it is tried again.
const (
	StateSending State = "sending"
	StateSent    State = "sent"
	StateFailed  State = "failed"
)

// Ledger remembers where one message went. Keys are made from addresses and
// show nothing of them. Its methods may be called side by side; two processes
// that announce the same at the same time are not kept apart.
type Ledger interface {
	// States gives the last state of each key.
	States(ctx context.Context) (map[string]State, error)
	// Mark keeps a state for good before it returns.
	Mark(ctx context.Context, key string, s State) error
}

// LedgerName is the ledger's file name in a bundle.
const LedgerName = "announced.jsonl"

// File is a ledger in a file: a line of JSON for each mark, the last one of a
// key counts.
type File struct {
	path string
	mu   sync.Mutex
}

// NewFile makes the ledger that is kept in a file; the file may be missing, its
// directory has to be there. A withdrawal wants another file than a release.
func NewFile(path string) *File { return &File{path: path} }

type mark struct {
	Key   string    `json:"key"`
	State State     `json:"state"`
	At    time.Time `json:"at"`
}

// States reads the file.
func (f *File) States(context.Context) (map[string]State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	states := map[string]State{}
	line := 0
	for text := range bytes.Lines(text) {
		line++
		var m mark
		err := json.Unmarshal(text, &m)
		if err == nil && (m.Key == "" || m.State != StateSending && m.State != StateSent && m.State != StateFailed) {
			err = fmt.Errorf("no key, or state %q", m.State)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d is no mark of an announcement (%w): repair the line, for without it a message could be sent twice", f.path, line, err)
		}
		states[m.Key] = m.State
	}
	return states, nil
}

// Mark adds a line.
func (f *File) Mark(_ context.Context, key string, s State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := f.read()
	if err != nil {
		return err
	}
	line, err := json.Marshal(mark{key, s, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return fmt.Errorf("encoding a mark: %w", err)
	}
	if err := atomicfile.Write(f.path, append(append(text, line...), '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the ledger of announcements: %w", err)
	}
	return nil
}

func (f *File) read() ([]byte, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ledger of announcements: %w", err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return text, nil
}
