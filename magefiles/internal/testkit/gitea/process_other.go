//go:build !linux

package gitea

import (
	"errors"
	"os"
	"syscall"
)

type owner struct{}

func unprivileged() (owner, error) {
	return owner{}, errors.New("the test server runs on Linux only")
}

func (owner) give(string) error                { return nil }
func (owner) attributes() *syscall.SysProcAttr { return nil }

func signalGroup(p *os.Process, _ bool) { _ = p.Kill() }
