package drill

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// LockedError is a drill that another one keeps from running.
type LockedError struct {
	Path string
	// PID is the other's process, and Since when it began, in RFC 3339; both
	// are empty where the lock does not tell.
	PID, Since string
}

func (e *LockedError) Error() string {
	who := "another restore drill is running"
	if e.PID != "" {
		who += fmt.Sprintf(": process %s, since %s", e.PID, e.Since)
	}
	return fmt.Sprintf("%s (it holds %s); wait until it ends", who, e.Path)
}

// lockName is the file that a restore drill holds a flock(2) on while it runs.
// It stays: removing it could let two in.
const lockName = "release-restore-drill.lock"

// lock keeps other restore drills out until it is released. A process that
// dies releases it.
func lock(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of the lock: %w", err)
	}
	path := filepath.Join(dir, lockName)
	// No link is followed: the directory may be one that all can write to.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the restore drill: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = &LockedError{Path: path}
		if text, readErr := io.ReadAll(io.LimitReader(f, 1<<10)); readErr == nil {
			err = holder(path, text)
		}
	case err == nil:
		text := fmt.Sprintf("pid=%d\nsince=%s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt([]byte(text), 0)
		}
	}
	if err != nil {
		_ = f.Close() // the error at hand says more
		return nil, fmt.Errorf("locking: %w", err)
	}
	return func() { _ = f.Close() }, nil // closing releases it
}

var holderForm = regexp.MustCompile(`\Apid=([0-9]{1,10})\nsince=([0-9TZ:-]{20})\n\z`)

// holder reads what the holder of a lock wrote.
func holder(path string, text []byte) *LockedError {
	e := &LockedError{Path: path}
	if m := holderForm.FindSubmatch(text); m != nil {
		e.PID, e.Since = string(m[1]), string(m[2])
	}
	return e
}
