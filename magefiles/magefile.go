//go:build mage

// From a signed git tag to a release that anyone can verify.
package main

import (
	// mage:import
	"github.com/kubedoio/rustshare-release/magefiles/targets"
)

// Aliases lets a plain `mage hotfix` stand beside hotfix:start, and `mage test`
// beside test:backend.
var Aliases = map[string]interface{}{"hotfix": targets.Hotfix.Run, "test": targets.Test.Run}
