//go:build !mage

// Command rustshare-release runs the suite's targets without an installed
// mage: `go run . -l` lists them, `go run . rehearse` runs one.
package main

import (
	"os"

	"github.com/magefile/mage/mage"
)

func main() { os.Exit(mage.Main()) }
