package product

// validateAttestations wants a forge that has a store of attestations.
func (f Forge) validateAttestations(fault faultFunc) {
	if f.Attestations && (f.Kind == ForgeGitea || f.Kind == ForgeDirectory) {
		fault("Forge.Attestations", "is set for %q, and only GitHub keeps attestations: leave it out", f.Kind)
	}
}
