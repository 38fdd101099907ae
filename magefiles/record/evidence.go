package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind says what a piece of evidence is about.
type Kind string

// The kinds.
const (
	Gate  Kind = "gate"
	Test  Kind = "test"
	Smoke Kind = "smoke"
	Drill Kind = "drill"
	Scan  Kind = "scan"
)

// Result is how something went. Pass alone passes: what failed, was not run,
// does not apply or is not finished was not shown.
type Result string

// The results.
const (
	// Pass: it was shown.
	Pass Result = "PASS"
	// Fail: it was tried, and it does not hold.
	Fail Result = "FAIL"
	// NotRun: it was not tried, or not to the end.
	NotRun Result = "NOT_RUN"
	// NotApplicable: it means nothing here.
	NotApplicable Result = "NOT_APPLICABLE"
	// Pending: somebody has to finish it.
	Pending Result = "PENDING"
)

// Evidence is the record of one gate, test, smoke run, drill or scan. Times are
// UTC, in whole milliseconds. What runs again on another kind of stack is a
// record of its own.
type Evidence struct {
	// Name is the target's, such as "drill:restore", or "gates".
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	Result Result `json:"result"`
	// Summary is one sentence: how much passed, or what failed.
	Summary string `json:"summary"`
	// Commit is the full hash of what was tried.
	Commit string `json:"commit"`
	// Digest is the image index that was tried, as "sha256:" and hex; "" where
	// it was the commit and no image.
	Digest string `json:"digest,omitempty"`
	// Platform is that of the image in the index that was run, such as
	// "linux/amd64"; "" where none was.
	Platform string `json:"platform,omitempty"`
	// Stack is the kind of stack that it ran on, such as "process" or
	// "compose"; "" where there was none.
	Stack string `json:"stack,omitempty"`
	// Started and Finished are when it ran, or when it was found that it would
	// not.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Steps are in the order in which they were done.
	Steps []EvidenceStep `json:"steps,omitempty"`
	// Facts are what has to be named besides: the previous version, counts, the
	// backup.
	Facts map[string]string `json:"facts,omitempty"`
	// Logs lie beside the record; see [KeepLog].
	Logs []LogFile `json:"logs,omitempty"`
}

// EvidenceStep is one step of it.
type EvidenceStep struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
	Detail string `json:"detail,omitempty"`
	// Started is zero for a step that was not begun.
	Started time.Time `json:"started,omitzero"`
	// Took is in nanoseconds.
	Took time.Duration `json:"took,omitempty"`
}

// LogFile names a pack of logs.
type LogFile struct {
	// Name begins as the record's file does: "drill-restore.logs.tar.gz".
	Name string `json:"name"`
	// SHA256 is in lower-case hex, Size in bytes.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// ResultOf is what follows from the steps: Fail where one failed, else Pending
// or NotRun where one is, Pass where one passed, and NotApplicable where none
// did. Nothing follows from no steps: that is NotRun.
func ResultOf(steps []EvidenceStep) Result {
	if len(steps) == 0 {
		return NotRun
	}
	for _, r := range []Result{Fail, Pending, NotRun, Pass} {
		if slices.ContainsFunc(steps, func(s EvidenceStep) bool { return s.Result == r }) {
			return r
		}
	}
	return NotApplicable
}

// File gives the name of a file of this record: "drill-restore.json" for the
// extension "json", and with the stack "drill-restore@compose.json".
func (e Evidence) File(extension string) string {
	name := strings.ReplaceAll(e.Name, ":", "-")
	if e.Stack != "" {
		name += "@" + e.Stack
	}
	return name + "." + extension
}

// maxEvidence is the size of the largest record, in bytes.
const maxEvidence = 8 << 20

var (
	namePattern     = regexp.MustCompile(`^[a-z][a-zA-Z0-9]{0,31}(:[a-zA-Z0-9]{1,32}){0,2}$`)
	commitPattern   = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	hexPattern      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	platformPattern = regexp.MustCompile(`^[a-z0-9]{1,16}/[a-z0-9]{1,16}(/[a-z0-9]{1,16})?$`)
	stackPattern    = regexp.MustCompile(`^[a-z]{1,16}$`)
	logPattern      = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9@._-]{0,127}$`)
	factPattern     = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9 ./:_-]{0,63}$`)
)

// Validate wants a record that can be kept and believed: names, times and
// digests in their form, and a result that follows from its steps. A run may
// fail although each of its steps passed.
func (e Evidence) Validate() error {
	if !namePattern.MatchString(e.Name) {
		return fmt.Errorf("the evidence is named %q, want a target's name such as drill:restore", e.Name)
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("the evidence of %s "+format, append([]any{e.Name}, args...)...)
	}
	if !slices.Contains([]Kind{Gate, Test, Smoke, Drill, Scan}, e.Kind) {
		return fail("is of the kind %q, want gate, test, smoke, drill or scan", e.Kind)
	}
	if !e.Result.known() {
		return fail("has the result %q, want PASS, FAIL, NOT_RUN, NOT_APPLICABLE or PENDING", e.Result)
	}
	switch {
	case strings.TrimSpace(e.Summary) == "":
		return fail("has no summary: say in a sentence how it went")
	case !commitPattern.MatchString(e.Commit):
		return fail("names the commit %q, want the full hash", e.Commit)
	case e.Digest != "" && !hexPattern.MatchString(strings.TrimPrefix(e.Digest, "sha256:")):
		return fail("names the digest %q, want sha256: and 64 hex digits", e.Digest)
	case e.Digest != "" && !strings.HasPrefix(e.Digest, "sha256:"):
		return fail("names the digest %q, want sha256: before it", e.Digest)
	case e.Platform != "" && !platformPattern.MatchString(e.Platform):
		return fail("names the platform %q, want one such as linux/amd64", e.Platform)
	case e.Stack != "" && !stackPattern.MatchString(e.Stack):
		return fail("names the stack %q, want a word such as process or compose", e.Stack)
	case e.Started.IsZero() || e.Finished.IsZero():
		return fail("says nothing of when: it needs the time at which it started and finished")
	case e.Finished.Before(e.Started):
		return fail("finished at %s, before it started at %s", stamp(e.Finished), stamp(e.Started))
	}
	for _, text := range e.texts() {
		if *text != clean(*text) {
			return fail("has text with control characters: %q", *text)
		}
	}
	for key := range e.Facts {
		if !factPattern.MatchString(key) {
			return fail("has a fact named %q, want a few plain words", key)
		}
	}
	if err := e.checkSteps(); err != nil {
		return fail("%w", err)
	}
	if err := e.checkLogs(); err != nil {
		return fail("%w", err)
	}
	return nil
}

func (e Evidence) checkSteps() error {
	for i, s := range e.Steps {
		switch {
		case strings.TrimSpace(s.Name) == "":
			return fmt.Errorf("has no name for its step %d", i+1)
		case !s.Result.known():
			return fmt.Errorf("has the result %q at %q, want PASS, FAIL, NOT_RUN, NOT_APPLICABLE or PENDING", s.Result, s.Name)
		case s.Took < 0:
			return fmt.Errorf("says that %q took %s", s.Name, s.Took)
		}
	}
	if want := ResultOf(e.Steps); len(e.Steps) > 0 && e.Result != want && e.Result != Fail {
		return fmt.Errorf("says %s, but %s is what follows from its steps", e.Result, want)
	}
	return nil
}

func (e Evidence) checkLogs() error {
	seen := map[string]bool{}
	for _, l := range e.Logs {
		switch begin := e.File(""); {
		case !logPattern.MatchString(l.Name) || !strings.HasPrefix(l.Name, begin) || l.Name == e.File("json"):
			return fmt.Errorf("names the log %q, want a file name that begins with %s", l.Name, begin)
		case seen[l.Name]:
			return fmt.Errorf("names the log %s twice", l.Name)
		case !hexPattern.MatchString(l.SHA256):
			return fmt.Errorf("names the sha256 %q for the log %s, want 64 hex digits", l.SHA256, l.Name)
		case l.Size < 0:
			return fmt.Errorf("says that the log %s has %d bytes", l.Name, l.Size)
		}
		seen[l.Name] = true
	}
	return nil
}

func (r Result) known() bool {
	return slices.Contains([]Result{Pass, Fail, NotRun, NotApplicable, Pending}, r)
}

// texts are those that come from elsewhere: errors, names, answers.
func (e *Evidence) texts() []*string {
	out := []*string{&e.Summary}
	for i := range e.Steps {
		out = append(out, &e.Steps[i].Name, &e.Steps[i].Detail)
	}
	for _, v := range e.Facts {
		out = append(out, &v)
	}
	return out
}

// clean takes out what steers terminals: a record is read on them.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// tidy gives the record as it is kept, and leaves e alone: times in UTC and
// milliseconds, texts without control characters.
func (e Evidence) tidy() Evidence {
	e.Started, e.Finished = whole(e.Started), whole(e.Finished)
	e.Steps = slices.Clone(e.Steps)
	for i := range e.Steps {
		e.Steps[i].Started = whole(e.Steps[i].Started)
	}
	if e.Facts != nil {
		facts := map[string]string{}
		for k, v := range e.Facts {
			facts[k] = clean(v)
		}
		e.Facts = facts
	}
	for _, text := range e.texts() {
		*text = clean(*text)
	}
	return e
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Encode gives the bytes of the record's file, the same for the same record.
// The error is that of [Evidence.Validate].
func (e Evidence) Encode() ([]byte, error) {
	e = e.tidy()
	if err := e.Validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding the evidence of %s: %w", e.Name, err)
	}
	if out.Len() > maxEvidence {
		return nil, fmt.Errorf("the evidence of %s has %d bytes, more than the %d that a record may have: put the details into its logs", e.Name, out.Len(), maxEvidence)
	}
	return out.Bytes(), nil
}

// DecodeEvidence reads what [Evidence.Encode] gave, and nothing else: unknown
// fields, another order or other white space are errors.
func DecodeEvidence(text []byte) (Evidence, error) {
	var e Evidence
	if len(text) > maxEvidence {
		return e, fmt.Errorf("reading evidence: it has %d bytes, more than the %d that a record may have", len(text), maxEvidence)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, fmt.Errorf("reading evidence: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("reading evidence: there is more after the record")
	}
	again, err := e.Encode()
	if err != nil {
		return e, fmt.Errorf("reading evidence: %w", err)
	}
	if !bytes.Equal(again, text) {
		return e, fmt.Errorf("reading the evidence of %s: it is not written as this suite writes it, was it edited by hand?", e.Name)
	}
	return e, nil
}
