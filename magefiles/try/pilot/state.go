package pilot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
)

// stateFile says in the evidence directory what it is evidence of, and how far
// the run came.
const stateFile = "pilot.json"

// state is the content of that file. It holds no secret.
type state struct {
	Image string `json:"image"`
	Stack string `json:"stack"`
	// Options is a digest of those that decide on what is tried.
	Options string    `json:"options"`
	Started time.Time `json:"started"`
	// Sessions counts the processes that worked on it.
	Sessions int       `json:"sessions"`
	Phases   []*record `json:"phases"`
	// Leaks are sentences. With one of them nothing of the run can be kept.
	Leaks []string `json:"leaks,omitempty"`
	// Logs are the packed logs of all sessions.
	Logs []File `json:"logs,omitempty"`
}

// record is what came of a phase.
type record struct {
	drill.Step
	Files []File `json:"files,omitempty"`
	// Facts are those of the phase's drill.
	Facts map[string]string `json:"facts,omitempty"`

	paths []string
}

// leave adds a file, or all files of a directory, to the evidence.
func (r *record) leave(path string) { r.paths = append(r.paths, path) }

// done says that there is nothing left to do.
func (r *record) done() bool { return r.Outcome == drill.Passed || r.Outcome == drill.NotApplicable }

// seal takes the digests of what the phase left.
func (r *record) seal(dir string) error {
	for _, root := range r.paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := look(dir, path)
			r.Files = append(r.Files, f)
			return err
		})
		if err != nil {
			return fmt.Errorf("looking at the evidence: %w", err)
		}
	}
	return nil
}

// look takes the digest of a file.
func look(dir, path string) (File, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return File{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Path: filepath.ToSlash(rel), SHA256: hex.EncodeToString(h.Sum(nil)), Size: n}, err
}

// resume gives the state to go on from, saved, with a directory for what this
// run leaves. Evidence of something else is moved aside.
func resume(o Options) (*state, error) {
	fresh := &state{Image: o.Candidate.Digest, Stack: o.Stack, Options: o.digest(), Started: time.Now().UTC()}
	st, err := load(o.Dir)
	switch {
	case err != nil:
		return nil, err
	case st == nil:
		st = fresh
	case st.Image != fresh.Image, st.Stack != fresh.Stack, st.Options != fresh.Options:
		if err := aside(o.Dir, st.Started); err != nil {
			return nil, err
		}
		st = fresh
	case st.tainted():
		st.Phases, st.Leaks = nil, nil
	}
	if err := sweep(o.Dir); err != nil {
		return nil, err
	}
	st.Sessions++
	if err := os.MkdirAll(filepath.Join(o.Dir, fmt.Sprintf("run-%d", st.Sessions)), 0o755); err != nil {
		return nil, fmt.Errorf("making the evidence directory: %w", err)
	}
	return st, st.save(o.Dir)
}

// digest names the options that decide on what is tried.
func (o Options) digest() string {
	b, err := json.Marshal(struct {
		Run           product.Run
		Compose       *product.Compose
		Page          bool
		Admin, Viewer string
		Previous      drill.Release
	}{o.Run, o.Compose, o.Page, o.Admin.Email, o.Viewer.Email, o.Previous})
	if err != nil { // plain data
		return fmt.Sprintf("unencodable: %v", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// load reads the state of a directory, nil where there is none.
func load(dir string) (*state, error) {
	path := filepath.Join(dir, stateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		there, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking at the evidence directory: %w", err)
		}
		if len(there) > 0 {
			return nil, fmt.Errorf("%s has %s in it and no %s, so it is no evidence directory: name another one, or move it away", dir, there[0].Name(), stateFile)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading how far the pilot run came: %w", err)
	}
	st := new(state)
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("%s cannot be read (%w): move %s away to begin anew", path, err, dir)
	}
	for _, r := range st.Phases {
		if r == nil || !slices.Contains(Phases(), r.Name) {
			return nil, fmt.Errorf("%s has a phase that this suite does not know: move %s away to begin anew", path, dir)
		}
	}
	return st, nil
}

// aside gives a directory another name.
func aside(dir string, started time.Time) error {
	to := filepath.Clean(dir) + "-" + started.UTC().Format("20060102T150405Z")
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = fmt.Sprintf("%s-%s-%d", filepath.Clean(dir), started.UTC().Format("20060102T150405Z"), n)
	}
	if err := os.Rename(dir, to); err != nil {
		return fmt.Errorf("keeping the evidence of another image aside: %w", err)
	}
	return nil
}

// sweep removes logs that a run gathered and, since it was killed, nobody has
// searched.
func sweep(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "run-*", atomicfile.Pattern))
	for _, path := range found {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("removing what a killed run left: %w", err)
	}
	return nil
}

// tainted: a secret was logged, or a stack stayed. What passed then is no
// evidence.
func (st *state) tainted() bool {
	for _, name := range []string{logsPhase, teardownPhase} {
		if r := st.find(name); r != nil && r.Outcome == drill.Failed {
			return true
		}
	}
	return len(st.Leaks) > 0
}

func (st *state) find(name string) *record {
	for _, r := range st.Phases {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// put writes down what came of a phase, in the place of what was there.
func (st *state) put(r *record) {
	st.Phases = slices.DeleteFunc(st.Phases, func(old *record) bool { return old.Name == r.Name })
	st.Phases = append(st.Phases, r)
	order := Phases()
	slices.SortFunc(st.Phases, func(a, b *record) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
}

func (st *state) save(dir string) error {
	text, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding how far the pilot run came: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(dir, stateFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing how far the pilot run came: %w", err)
	}
	return nil
}

// result is the run as its evidence tells it.
func (st *state) result(o Options, err error) (Result, error) {
	run := drill.Begin(Name, nil)
	var missing, failed []string
	for _, r := range st.Phases {
		run.Steps = append(run.Steps, r.Step)
		maps.Copy(run.Facts, r.Facts)
		if !r.Started.IsZero() && r.Started.Before(run.Started) {
			run.Started = r.Started
		}
		switch r.Outcome {
		case drill.NotRun:
			missing = append(missing, r.Name)
		case drill.Failed:
			failed = append(failed, r.Name)
		}
	}
	if err == nil && len(failed) > 0 { // and was not asked for this time
		err = fmt.Errorf("what an earlier pilot run found stands: %s failed; run it again, its evidence lies in %s", strings.Join(failed, ", "), o.Dir)
	}
	run.Facts["version"], run.Facts["image"], run.Facts["stack"] = o.Candidate.Version, st.Image, st.Stack
	err = run.End(err)
	if err == nil && len(missing) > 0 {
		run.Status, run.Details = drill.NotRun, "not run yet: "+strings.Join(missing, ", ")
	}
	return Result{Run: run, Logs: st.Logs}, err
}
