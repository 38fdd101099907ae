package run

import (
	"path"
	"strings"
)

// ShowsTime tells whether a variable of the environment ("NAME=value") is one of
// those by which libfaketime shows a program another time. A build is the same
// at any time, so it may see them: that is how it is shown.
func ShowsTime(kv string) bool {
	name, value, _ := strings.Cut(kv, "=")
	if name == "LD_PRELOAD" {
		return strings.HasPrefix(path.Base(value), "libfaketime") && !strings.ContainsAny(value, ": ")
	}
	return name == "FAKETIME" || name == "DONT_FAKE_MONOTONIC"
}
