//go:build !linux

package sigstorekit

import "syscall"

// ownNetwork is known on Linux alone.
func ownNetwork() *syscall.SysProcAttr { return nil }
