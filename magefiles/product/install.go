package product

// Install says how the binaries are installed by the script install.sh that each
// release carries. It knows Linux on amd64 and arm64.
type Install struct {
	// Command is what the binary is called where it is installed.
	Command string `json:"command"`
}

func (i Install) validate(fault faultFunc, form formFunc, c Cargo) {
	form("Install.Command", i.Command, assetForm, "a file name of letters, digits, dots, dashes and underscores")
	for _, t := range c.Targets {
		if t.OS == "linux" && (t.Arch == "amd64" || t.Arch == "arm64") {
			return
		}
	}
	if len(c.Targets) == 0 { // said already
		return
	}
	fault("Install", "needs a target for linux/amd64 or linux/arm64: add one, or leave Install out")
}
