package pipeline

import (
	"fmt"
	"runtime"
	"syscall"
)

// canRename tells whether a program can be given a host name of its own.
func canRename() bool { return onHost(otherHost, func() error { return nil }) == nil }

// onHost does something whose programs see another host name. Only the thread
// that does it leaves the machine's UTS namespace, and it ends with that.
func onHost(name string, do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWUTS)
		if err == nil {
			err = syscall.Sethostname([]byte(name))
		}
		if err != nil {
			done <- fmt.Errorf("giving a program another host name: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}
