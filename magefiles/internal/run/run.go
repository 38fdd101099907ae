// Package run starts other programs: output streamed with a prefix, secrets
// replaced before they reach a log, and errors that carry the command, where
// it ran, how it ended and the last of what it said.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Cmd is a program to start. The zero values of its fields mean: the current
// directory, the environment as it is, nothing on standard input, no log.
type Cmd struct {
	Name string
	Args []string
	Dir  string
	// Env is added to the environment of this process.
	Env []string
	// BareEnv leaves this process's environment out: Env is all there is.
	BareEnv bool
	Stdin   io.Reader
	// Log gets both output streams line by line as they come, redacted.
	Log io.Writer
	// Secrets are values replaced by "***" in the log and in errors.
	Secrets []string
	// As runs the program as another user, which root may do; nil for the own.
	As *User
}

// User is a user of this machine, by numbers. Other groups it has none.
type User struct{ UID, GID int }

// Error is a program that failed.
type Error struct {
	Command string
	Dir     string
	// Tail is the end of what the program printed to standard error, or to
	// standard output where that was all.
	Tail string
	Err  error
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("`%s` failed (%v)", e.Command, e.Err)
	if e.Dir != "" {
		msg += " in " + e.Dir
	}
	if e.Tail != "" {
		msg += ":\n" + e.Tail
	}
	return msg
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode gives the exit code of a failed program, or -1 where it was not
// started or was killed.
func ExitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// Output runs the program and gives its standard output as it was.
func Output(ctx context.Context, c Cmd) ([]byte, error) {
	var out bytes.Buffer
	err := c.run(ctx, &out)
	return out.Bytes(), err
}

// Text is [Output] without the white space at its end.
func Text(ctx context.Context, c Cmd) (string, error) {
	out, err := Output(ctx, c)
	return strings.TrimRight(string(out), " \t\r\n"), err
}

// Stream runs the program and writes its standard output, as it is, to a
// writer as it comes.
func Stream(ctx context.Context, c Cmd, to io.Writer) error { return c.run(ctx, to) }

// Do runs the program for its effect.
func Do(ctx context.Context, c Cmd) error { return c.run(ctx, nil) }

const tailSize = 4 << 10

func (c Cmd) run(ctx context.Context, stdout io.Writer) error {
	redact := redactor(c.Secrets)
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir, cmd.Stdin = c.Dir, c.Stdin
	cmd.Env = []string{} // nil would mean this process's own
	if !c.BareEnv {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, c.Env...)
	// What the program started ends with it: compilers must not outlive us.
	cmd.SysProcAttr = ownGroup()
	if c.As != nil {
		if err := become(cmd.SysProcAttr, *c.As); err != nil {
			return err
		}
	}
	cmd.Cancel = func() error { return askGroup(cmd.Process) }
	cmd.WaitDelay = 5 * time.Second

	outTail, errTail := &tail{}, &tail{}
	outs, errs := []io.Writer{outTail}, []io.Writer{errTail}
	if stdout != nil {
		outs = append(outs, stdout)
	}
	if c.Log != nil {
		log := &lines{to: c.Log, redact: redact}
		defer log.flush()
		errs = append(errs, log)
		if stdout == nil {
			outs = append(outs, log)
		}
	}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(outs...), io.MultiWriter(errs...)
	if stdout == nil && c.Log != nil { // one writer: exec keeps it to one goroutine
		both := io.MultiWriter(errTail, errs[1])
		cmd.Stdout, cmd.Stderr = both, both
	}
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
		if cmd.Process != nil {
			killGroup(cmd.Process)
		}
	}
	said := strings.TrimSpace(errTail.String())
	if said == "" {
		said = strings.TrimSpace(outTail.String())
	}
	return &Error{
		Command: redact(commandLine(c.Name, c.Args)),
		Dir:     c.Dir, Tail: redact(said), Err: err,
	}
}

// commandLine writes a command as a shell reads it.
func commandLine(name string, args []string) string {
	words := make([]string, 0, len(args)+1)
	for _, w := range append([]string{name}, args...) {
		if w == "" || strings.ContainsAny(w, " \t\n\"'`$&|;<>()*?[]#~\\") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// redactor replaces secrets, and each line of those that have several: logs
// are redacted line by line.
func redactor(secrets []string) func(string) string {
	var all []string
	for _, s := range secrets {
		all = append(all, s)
		for l := range strings.SplitSeq(s, "\n") {
			if l = strings.TrimSpace(l); len(l) >= 4 {
				all = append(all, l)
			}
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortStableFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range all {
		if s != "" {
			pairs = append(pairs, s, "***")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// tail keeps the last bytes that were written to it.
type tail struct {
	buf []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf, t.cut = append(t.buf[:0], t.buf[over:]...), true
	}
	return len(p), nil
}

// String leaves a line out whose beginning is lost: half a secret in it could
// not be told.
func (t *tail) String() string {
	if !t.cut {
		return string(t.buf)
	}
	_, rest, _ := bytes.Cut(t.buf, []byte("\n"))
	return string(rest)
}

// lines passes whole lines on, so that a secret is never split over two.
type lines struct {
	to     io.Writer
	redact func(string) string
	rest   []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := l.redact(string(l.rest[:i+1]))
		l.rest = l.rest[i+1:]
		if _, err := io.WriteString(l.to, line); err != nil {
			return len(p), err
		}
	}
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		_, _ = io.WriteString(l.to, l.redact(string(l.rest))+"\n") // the last line of a log
	}
}
