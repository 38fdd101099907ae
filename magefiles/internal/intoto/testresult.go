package intoto

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// TestResult is the predicate type of a test result, version 0.1
// (https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md).
const TestResult = "https://in-toto.io/attestation/test-result/v0.1"

// The results that a test result may have.
const (
	Passed = "PASSED"
	Warned = "WARNED"
	Failed = "FAILED"
)

// EvidenceMedia is the media type of the record of a gate, a test or a drill,
// which the configuration of our test results names.
const EvidenceMedia = "application/vnd.kubedoio.release.evidence.v1+json"

// TestRun is the predicate of a test result. What a verifier must not know it
// passes over, as the specification asks.
type TestRun struct {
	// Result is Passed, Warned or Failed.
	Result string `json:"result"`
	// Configuration is required. Ours is one resource: the record.
	Configuration []Resource `json:"configuration"`
	// URL points at the run; it may be empty.
	URL    string   `json:"url,omitempty"`
	Passed []string `json:"passedTests,omitempty"`
	Warned []string `json:"warnedTests,omitempty"`
	Failed []string `json:"failedTests,omitempty"`
}

// Resource is a resource descriptor
// (https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md),
// as far as it is used here.
type Resource struct {
	Name      string            `json:"name,omitempty"`
	URI       string            `json:"uri,omitempty"`
	Digest    map[string]string `json:"digest,omitempty"`
	Content   []byte            `json:"content,omitempty"`
	MediaType string            `json:"mediaType,omitempty"`
	// Annotations are texts in what we write; the specification allows any
	// value.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Trial is what our test results say of the run: it stands in the one resource
// of the configuration.
type Trial struct {
	// Name is the target's, as in "drill:restore".
	Name string
	// Record is the sha256, in hex, of the record's file.
	Record string
	// Text is that file; "" where the test result does not bring it along.
	Text string
	// Commit is the full hash of what was tried.
	Commit string
	// Stack is the kind of stack, such as "compose", and Platform the image's,
	// such as "linux/amd64"; "" where there was none.
	Stack, Platform string
	// Started and Finished are UTC, in whole milliseconds.
	Started, Finished time.Time
}

// Keys of the annotations of a record.
const (
	commitNote   = "commit"
	stackNote    = "stack"
	platformNote = "platform"
	startedNote  = "started"
	finishedNote = "finished"
)

// noteTime is how times stand in annotations: RFC 3339, and as texts in the
// order of time.
const noteTime = "2006-01-02T15:04:05.000Z"

// Configuration gives what stands in a test result about the trial.
func (t Trial) Configuration() []Resource {
	notes := map[string]string{
		commitNote: t.Commit, startedNote: t.Started.UTC().Format(noteTime), finishedNote: t.Finished.UTC().Format(noteTime),
	}
	for key, value := range map[string]string{stackNote: t.Stack, platformNote: t.Platform} {
		if value != "" {
			notes[key] = value
		}
	}
	record := Resource{Name: t.Name, Digest: map[string]string{"sha256": t.Record}, MediaType: EvidenceMedia, Annotations: notes}
	if t.Text != "" {
		record.Content = []byte(t.Text)
	}
	return []Resource{record}
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Trial reads back what [Trial.Configuration] wrote. A test result that another
// tool made is an error.
func (r TestRun) Trial() (Trial, error) {
	if len(r.Configuration) != 1 || r.Configuration[0].MediaType != EvidenceMedia {
		return Trial{}, fmt.Errorf("its configuration is not the one record (%s) that this suite names there", EvidenceMedia)
	}
	c := r.Configuration[0]
	t := Trial{
		Name: c.Name, Record: c.Digest["sha256"], Text: string(c.Content), Commit: c.Annotations[commitNote],
		Stack: c.Annotations[stackNote], Platform: c.Annotations[platformNote],
	}
	if t.Name == "" || t.Commit == "" || !sha256Form.MatchString(t.Record) {
		return t, fmt.Errorf("it names the record %q of commit %q with the sha256 %q: want all three", t.Name, t.Commit, t.Record)
	}
	if sum := sha256.Sum256(c.Content); t.Text != "" && hex.EncodeToString(sum[:]) != t.Record {
		return t, fmt.Errorf("the record of %s that it brings along has the sha256 %x, want %s", t.Name, sum, t.Record)
	}
	var errs [2]error
	t.Started, errs[0] = time.Parse(noteTime, c.Annotations[startedNote])
	t.Finished, errs[1] = time.Parse(noteTime, c.Annotations[finishedNote])
	if err := errors.Join(errs[:]...); err != nil {
		return t, fmt.Errorf("reading when %s was run: %w", t.Name, err)
	}
	if t.Finished.Before(t.Started) {
		return t, fmt.Errorf("%s finished before it started", t.Name)
	}
	return t, nil
}

// Check wants a test result that follows the specification, and one that does
// not contradict itself.
func (r TestRun) Check() error {
	if !slices.Contains([]string{Passed, Warned, Failed}, r.Result) {
		return fmt.Errorf("the test result is %q, want PASSED, WARNED or FAILED", r.Result)
	}
	if len(r.Configuration) == 0 {
		return errors.New("the test result has no configuration: it does not say what was run")
	}
	for _, c := range r.Configuration {
		if c.URI == "" && len(c.Digest) == 0 && len(c.Content) == 0 {
			return fmt.Errorf("the test result's configuration %q has neither URI nor digest nor content", c.Name)
		}
	}
	if r.Result != Failed && len(r.Failed) > 0 {
		return fmt.Errorf("the test result says %s and lists %q as failed", r.Result, r.Failed[0])
	}
	return nil
}

// DecodeTestRun reads the predicate of a test result's statement.
func DecodeTestRun(s Statement) (TestRun, error) {
	var r TestRun
	if s.PredicateType != TestResult {
		return r, fmt.Errorf("the statement is of type %q, want %q", s.PredicateType, TestResult)
	}
	if err := json.Unmarshal(s.Predicate, &r); err != nil {
		return r, fmt.Errorf("reading the test result: %w", err)
	}
	return r, r.Check()
}
