//go:build !unix

package run

import (
	"errors"
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func askGroup(p *os.Process) error { return p.Kill() }

func killGroup(*os.Process) {}

func become(*syscall.SysProcAttr, User) error {
	return errors.New("running a program as another user is not known on this system")
}
