// Package scripts holds the script that a release carries for those who install
// it.
package scripts

import _ "embed"

//go:embed install.sh
var install string

// Install gives the script that operators run, install.sh, with RustShare's
// values and no key.
func Install() string { return install }
