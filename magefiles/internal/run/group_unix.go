//go:build unix

package run

import (
	"os"
	"syscall"
)

// ownGroup gives a program a process group of its own, so that it can be ended
// with all that it started.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// askGroup asks the group to end; killGroup does not ask.
func askGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGTERM) }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) } // most have ended

// become has a program run as another user.
func become(attr *syscall.SysProcAttr, u User) error {
	attr.Credential = &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}
	return nil
}
