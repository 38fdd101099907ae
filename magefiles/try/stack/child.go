package stack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// child is a program that was started in its own process group.
type child struct {
	cmd *exec.Cmd
	// logged is where its output begins in the log.
	logged int64
	// done is closed when it has ended, and with it all it started in its
	// group; err is how.
	done chan struct{}
	err  error
}

// start starts what command makes. An executable that was just written may be
// busy for a moment: another fork of this process can hold it open.
func start(ctx context.Context, command func() *exec.Cmd) (*child, error) {
	return backoff.Retry(ctx, func() (*child, error) {
		c := &child{cmd: command(), done: make(chan struct{})}
		started := make(chan error)
		go func() {
			// The kernel takes the end of this thread for that of the parent.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			err := c.cmd.Start()
			started <- err
			if err == nil {
				c.err = reap(c.cmd)
				close(c.done)
			}
		}()
		err := <-started
		if err != nil && !errors.Is(err, syscall.ETXTBSY) {
			err = backoff.Permanent(err)
		}
		return c, err
	}, backoff.WithMaxTries(10), backoff.WithBackOff(backoff.NewConstantBackOff(50*time.Millisecond)))
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// dying is what a killed program gets to be gone in.
const dying = 5 * time.Second

// stop asks the group to end, and kills it after grace or with the context.
func (c *child) stop(ctx context.Context, grace time.Duration) (killed bool, err error) {
	if c.ended() { // its id may be another's by now
		return false, nil
	}
	askGroup(c.cmd.Process)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
		return false, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	killGroup(c.cmd.Process)
	select {
	case <-c.done:
		return true, nil
	case <-time.After(dying):
		return true, fmt.Errorf("process %d is still there %s after SIGKILL: the machine's disk or memory is stuck", c.cmd.Process.Pid, dying)
	}
}

// exit tells how a child ended.
func (c *child) exit(tail string) *ExitError {
	e := &ExitError{Service: Backend, Code: 0, Status: "exit status 0", Tail: tail}
	if c.err != nil {
		e.Code, e.Status = -1, c.err.Error()
	}
	var status *exec.ExitError
	if errors.As(c.err, &status) {
		e.Code = status.ExitCode()
	}
	return e
}
