package sigstorekit

import (
	"os"
	"syscall"
)

// ownNetwork has a program start in a network of its own; nil where this process
// may not do that.
func ownNetwork() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
}
