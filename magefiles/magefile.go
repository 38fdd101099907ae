//go:build mage

// From a signed git tag to a release that anyone can verify.
package main

import (
	// mage:import
	_ "github.com/kubedoio/rustshare-release/magefiles/targets"
)
