//go:build !unix

package run

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func askGroup(p *os.Process) error { return p.Kill() }

func killGroup(*os.Process) {}
