package gitea

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// process is a started program.
type process struct {
	cmd *exec.Cmd
	// done is closed once it has ended; err, which says how and is never nil,
	// is read after.
	done chan struct{}
	err  error
}

// begin starts a program. It lives on a thread of its own: the system ends a
// child with the thread that started it.
func begin(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			if p.err = cmd.Wait(); p.err == nil {
				p.err = errors.New("exit status 0")
			}
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// stop asks the program's group to end and makes it after a while.
func (p *process) stop() {
	signalGroup(p.cmd.Process, false)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
	signalGroup(p.cmd.Process, true) // whatever is left of the group
	<-p.done
}
