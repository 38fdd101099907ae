//go:build !unix

package embedded

import "os"

// exclusive does nothing where there is no flock(2): two processes on one
// directory are then the user's to avoid.
func exclusive(*os.File) error { return nil }
