package bundle

// Annotations of binaries in a bundle's index.json. Only the platform is
// published, on the artifact that attaches a binary to the image.
const (
	// PlatformKey is the platform of a binary, such as linux/amd64.
	PlatformKey = "com.github.kubedoio.release.platform"
	// VersionKey is the product's own version.
	VersionKey = "com.github.kubedoio.release.version"
	// ToolchainKey is the compiler's version line.
	ToolchainKey = "com.github.kubedoio.release.toolchain"
	// CargoKey is cargo's version line.
	CargoKey = "com.github.kubedoio.release.cargo"
	// RanKey says how the binary was tried: "native", the emulator's name, or
	// "not run: " and the reason.
	RanKey = "com.github.kubedoio.release.ran"
	// CratesKey is the number of crates that its dependency list names.
	CratesKey = "com.github.kubedoio.release.crates"
)

// FileArtifact is the artifactType of the manifest that attaches an extra file
// to the image index. Its one layer is the file as it is.
const FileArtifact = "application/vnd.kubedoio.release.file.v1"
