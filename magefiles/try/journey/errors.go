package journey

import "fmt"

// StepError is a step that failed. Secrets are masked in all its texts.
type StepError struct {
	// Step is the step's name.
	Step string
	// Sent is the request that did it: "POST /api/v1/notes as admin".
	Sent string
	// Expected and Found say what should have come back and what did: for an
	// answer the status and the beginning of the body.
	Expected, Found string
	// Err is the cause where there is one: a [*LeakError], a context's end, a
	// broken connection.
	Err error
}

// Error gives it all in one sentence.
func (e *StepError) Error() string {
	sent := e.Sent
	if sent == "" {
		sent = "nothing"
	}
	return fmt.Sprintf("%s: sent %s, expected %s, found %s", e.Step, sent, e.Expected, e.Found)
}

func (e *StepError) Unwrap() error { return e.Err }

// LeakError is a search that shows a user what is not his.
type LeakError struct {
	// Viewer is the e-mail address of the one who should not have found it,
	// NoteID what was found, and Needle the word that was searched for.
	Viewer, NoteID, Needle string
}

func (e *LeakError) Error() string {
	return fmt.Sprintf("LEAK (Sev-1): %s, who has no right to it, finds the admin's note %s by searching for %s: stop the release, no tag may move", e.Viewer, e.NoteID, e.Needle)
}

// finding is what a step's check says; the walk makes a [StepError] of it.
type finding struct {
	expected, found string
	err             error
}

func (f *finding) Error() string { return f.found }
func (f *finding) Unwrap() error { return f.err }
