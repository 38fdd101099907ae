package term

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Place is a place in the checkout that an error or a warning is about.
type Place struct {
	// File is relative to the checkout, with slashes; Line counts from 1.
	// Either may be empty where it is not known.
	File string
	Line int
	// Title is a word or two, such as the name of a gate; it may be empty.
	Title string
	// Text says what is wrong there.
	Text string
}

// An error may know where the faults stand: by a method Places, or, where it is
// about one place, by a method Place that gives the file as in [Place]. The
// latter needs no import of this package.
type (
	manyPlaces interface{ Places() []Place }
	onePlace   interface {
		Place() (file string, line int)
	}
)

// ErrorAt and WarnAt tell about places: in Actions as annotations at file and
// line, one for each. Elsewhere they do nothing: what is shown to people names
// the places.
func (u *UI) ErrorAt(places ...Place) { u.at("error", places) }

// WarnAt is described with [UI.ErrorAt].
func (u *UI) WarnAt(places ...Place) { u.at("warning", places) }

func (u *UI) at(level string, places []Place) {
	if u.mode != github {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range places {
		u.annotate(level, p)
	}
}

// Fail takes the error that ends a target, nil included, and gives back what the
// target returns. In Actions it becomes one annotation, or one for each place
// that it knows. It is not printed: mage does that, so what comes back has its
// secrets replaced, and in Actions no workflow commands in it.
func (u *UI) Fail(err error) error {
	if err == nil {
		return nil
	}
	places := placesOf(err)
	if len(places) == 0 {
		places = []Place{{Text: err.Error()}}
	}
	u.ErrorAt(places...)
	u.mu.Lock()
	defer u.mu.Unlock()
	if text := u.safe(err.Error()); text != err.Error() {
		return &safeError{text: text, err: err}
	}
	return err
}

// safeError is an error with another text.
type safeError struct {
	text string
	err  error
}

func (e *safeError) Error() string { return e.text }
func (e *safeError) Unwrap() error { return e.err }

// placesOf collects the places that an error and those behind it know.
func placesOf(err error) []Place {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand: all of it counts
	case nil:
		return nil
	case manyPlaces:
		if places := e.Places(); len(places) > 0 {
			return places
		}
	case onePlace:
		if file, line := e.Place(); file != "" {
			return []Place{{File: file, Line: line, Text: err.Error()}}
		}
	}
	switch e := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		return placesOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		var out []Place
		for _, err := range e.Unwrap() {
			out = append(out, placesOf(err)...)
		}
		return out
	}
	return nil
}

// annotate writes an annotation, with the lock held. Secrets are replaced before
// anything is escaped: an escaped one would not be found.
func (u *UI) annotate(level string, p Place) {
	var properties []string
	add := func(name, value string) {
		if value = u.hide.Replace(printable(value)); value != "" {
			properties = append(properties, name+"="+property.Replace(value))
		}
	}
	add("file", p.File)
	if p.Line > 0 {
		add("line", fmt.Sprint(p.Line))
	}
	add("title", p.Title)
	command := level
	if len(properties) > 0 {
		command += " " + strings.Join(properties, ",")
	}
	u.above("::" + command + "::" + escape(u.hide.Replace(printable(p.Text))))
}

// escape encodes the data of a workflow command, property the value of one of
// its properties.
func escape(s string) string { return data.Replace(s) }

var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// outputName is what a workflow can refer to.
var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Output hands a value to the steps after this one, in Actions; elsewhere it
// does nothing. Secrets in it are replaced.
func (u *UI) Output(name, value string) error {
	if !outputName.MatchString(name) {
		return fmt.Errorf("%q is no name of an output: want letters, digits, dashes and underscores", name)
	}
	u.mu.Lock()
	value = u.hide.Replace(value)
	u.mu.Unlock()
	line := name + "=" + value + "\n"
	if strings.ContainsAny(value, "\r\n") {
		end := "end-" + rand.Text() // nobody can put it into the value
		line = name + "<<" + end + "\n" + value + "\n" + end + "\n"
	}
	return u.append("GITHUB_OUTPUT", u.outputs, line)
}

// Page adds Markdown to the page of the run, in Actions; elsewhere it does
// nothing. Secrets in it are replaced.
func (u *UI) Page(markdown string) error {
	u.mu.Lock()
	text := u.hide.Replace(strings.TrimRight(markdown, "\n"))
	u.mu.Unlock()
	return u.append("GITHUB_STEP_SUMMARY", u.stepReport, text+"\n\n")
}

// append adds text to one of the files that the runner reads; variable is where
// its name came from.
func (u *UI) append(variable, file, text string) error {
	if file == "" {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the file that %s names: %w", variable, err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the file that %s names: %w", variable, err)
	}
	return nil
}
