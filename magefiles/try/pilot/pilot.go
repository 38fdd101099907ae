// Package pilot is the pilot run: everything that a release candidate has to
// live through before anyone gets it, phase by phase, with evidence of each in
// one directory. It knows drills, stacks, journeys and backups.
package pilot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/journey"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// Options say what is tried and with what.
type Options struct {
	// Dir is where the evidence lies, of this run and of those of the same
	// image that were not finished.
	Dir string
	// Candidate is what is tried, by the digest of its image. Previous is the
	// stable release before it; without a version there is none.
	Candidate, Previous drill.Release
	// Stack is the kind of the instances that Open gives.
	Stack string
	Open  drill.Opener
	// Run is how the product is run, and Compose how on Docker; nil where it
	// does not.
	Run     product.Run
	Compose *product.Compose
	// Migrations is the checkout's directory of them.
	Migrations string
	// Page says that the instances serve a page at /.
	Page bool
	// Admin and Viewer need an e-mail address; their passwords are made for
	// the run.
	Admin, Viewer journey.Account
	// Backup says what a backup holds besides the data; LockDir is the directory
	// with the restore drill's lock, and KeepRestored leaves its stack running.
	Backup       drill.BackupOptions
	LockDir      string
	KeepRestored bool
	// From names the phase to begin with, whatever passed before. Only names
	// those to run, and no others but what they need. Both empty: those that
	// have not passed yet.
	From string
	Only []string
	// Mask is told every secret of the run before anything can log it, Begin
	// the name of a phase that begins, and Watch every step that ends: those
	// of a drill, named "PHASE: STEP", before their phase. They may be nil.
	Mask  func(secret string)
	Begin func(phase string)
	Watch func(drill.Step)
}

// Result is what came of a pilot run. Its steps are the phases, by name,
// together with those that an earlier run of the same image has passed.
type Result struct {
	*drill.Run
	// Logs are the packed logs, of every run that belongs to it.
	Logs []File
}

// File is a piece of evidence.
type File struct {
	// Path is below the evidence directory, with slashes.
	Path string `json:"path"`
	// SHA256 is in lower-case hex, Size in bytes.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Name is the run's name.
const Name = "smoke:pilot"

// Run does the pilot run, or what is missing of it: phases that passed with
// the same image, kind of stack and options are kept, unless From or Only asks
// for them. What another phase needs is done again all the same, since a stack
// and its secrets end with a run.
//
// The first phase that fails keeps the ones after it from being run, but for
// the logs, which are searched and packed, and the teardown. The error names
// the phases that failed and where the evidence lies. A run that was asked for
// some phases, and has others missing, is not run as a whole, and no error.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Mask == nil {
		o.Mask = func(string) {}
	}
	if o.Begin == nil {
		o.Begin = func(string) {}
	}
	if o.Watch == nil {
		o.Watch = func(drill.Step) {}
	}
	if err := o.valid(); err != nil {
		return Result{}, err
	}
	st, err := resume(o)
	if err != nil {
		return Result{}, err
	}
	p := &pilot{o: o, state: st, session: fmt.Sprintf("run-%d", st.Sessions)}
	return p.run(ctx, plan(o, st))
}

func (o Options) valid() error {
	for _, name := range append([]string{o.From}, o.Only...) {
		if name != "" && !slices.ContainsFunc(phases(), func(f phase) bool { return f.name == name }) {
			return fmt.Errorf("the pilot run has no phase %q; its phases are: %s", name, strings.Join(Phases(), ", "))
		}
	}
	switch {
	case o.From != "" && len(o.Only) > 0:
		return errors.New("the pilot run begins with a phase or has only some: give one of both")
	case o.Open == nil, o.Dir == "", o.Candidate.Digest == "", o.Stack == "", o.Run.Ready == "":
		return errors.New("a pilot run needs an evidence directory, an image by its digest, a kind of stack with a way to open one, and how the product is run")
	}
	return nil
}

// pilot is one run. It ends with the process, and its secrets with it.
type pilot struct {
	o     Options
	state *state
	// session is the directory below o.Dir with what this run leaves.
	session string
	// main is the stack that the phases share, nil before the first one and
	// after the teardown.
	main *witness
	// opened counts the stacks; secrets are those of each.
	opened  int
	secrets []stack.Secrets
	// scratch is where the gathered logs wait to be packed, and unread says
	// which could not be read.
	scratch  string
	gathered []gathered
	unread   []error
	configs  map[string]composeConfig
	kept     journey.Kept
	// bundle is the backup.
	bundle string
}

func (p *pilot) path(elem ...string) string {
	return filepath.Join(append([]string{p.o.Dir, p.session}, elem...)...)
}

// run does the phases of a plan in order.
func (p *pilot) run(ctx context.Context, wanted map[string]bool) (_ Result, err error) {
	// Whatever happens in a phase, the stack goes.
	defer func() { err = errors.Join(err, p.abandon(ctx)) }()
	var failed []error
	for _, f := range phases() {
		r := &record{Step: drill.Step{Name: f.name, Outcome: drill.NotRun}}
		switch old := p.state.find(f.name); {
		case !wanted[f.name]:
			if old == nil {
				r.Detail = "not asked for"
				p.state.put(r)
			}
			continue
		case len(failed) > 0 && ctx.Err() != nil && f.name != teardownPhase:
			r.Detail = "the run was interrupted"
		case len(failed) > 0 && !f.always:
			r.Detail = "kept from running by a phase that failed"
		default:
			if err := p.do(ctx, f, r); err != nil {
				failed = append(failed, fmt.Errorf("phase %q: %w", f.name, err))
			}
		}
		p.state.put(r)
		p.o.Watch(r.Step)
		if err := p.state.save(p.o.Dir); err != nil {
			failed = append(failed, err)
			break
		}
	}
	if len(failed) > 0 {
		failed = []error{fmt.Errorf("the pilot run failed (its evidence lies in %s): %w", p.o.Dir, errors.Join(failed...))}
	}
	return p.state.result(p.o, errors.Join(failed...))
}

// do runs one phase and writes down how it went.
func (p *pilot) do(ctx context.Context, f phase, r *record) error {
	p.o.Begin(f.name)
	r.Started, r.Outcome = time.Now().UTC(), drill.Passed
	err := context.Cause(ctx)
	if err == nil || f.always {
		err = f.do(p, ctx, r)
	}
	r.Took = time.Since(r.Started)
	// A phase counts as passed only when its logs were searched: nobody can
	// once this process and its secrets are gone.
	if err == nil {
		err = p.search(ctx)
	}
	var incomplete *incompleteError
	missing := errors.As(err, &incomplete)
	if sealed := r.seal(p.o.Dir); sealed != nil {
		err, missing = errors.Join(err, sealed), false
	}
	switch {
	case missing:
		r.Outcome, r.Detail = drill.NotRun, err.Error()
		return nil
	case drill.Inapplicable(err):
		r.Outcome, r.Detail = drill.NotApplicable, err.Error()
		return nil
	case err != nil:
		r.Outcome, r.Detail = drill.Failed, p.mask(err.Error())
		return err
	}
	return nil
}

// mask takes the secrets of all stacks out of a text.
func (p *pilot) mask(text string) string {
	for _, s := range p.secrets {
		text = s.Mask(text)
	}
	return text
}
