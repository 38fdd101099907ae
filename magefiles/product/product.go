// Package product describes one product in typed Go: what it is called, what
// it is built from, where it is published and whom it trusts. It is the one
// package that another product rewrites; it knows no other package of the
// suite.
package product

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Product is everything that the suite has to know about a product. Values are
// plain data: [Product.Validate] holds them against the rules once, before any
// target runs, and [Product.Digest] names them in plans and bundles.
type Product struct {
	// Name is the product's name in file names and logs: lower-case letters,
	// digits and dashes.
	Name string `json:"name"`
	// Title and Description go into the image's annotations and labels.
	Title       string `json:"title"`
	Description string `json:"description"`
	// License is an SPDX licence expression, Vendor the publishing organisation.
	License string `json:"license"`
	Vendor  string `json:"vendor"`
	// Source is the URL of the product's repository, without a trailing slash
	// or ".git".
	Source string `json:"source"`

	Branches  Branches  `json:"branches"`
	Paperwork Paperwork `json:"paperwork"`
	// Critical lists the paths whose change makes a hotfix run the restore
	// drill. Patterns as in [Paperwork.Paths].
	Critical []string `json:"critical"`
	Trust    Trust    `json:"trust"`
	// Promotion says what has to come before a stable release.
	Promotion Promotion `json:"promotion"`
	// Forge is where release pages live; its zero value is GitHub at Source.
	Forge Forge `json:"forge,omitzero"`
	// Announce says where releases are made known.
	Announce Announce `json:"announce,omitzero"`
	// Journeys are the smoke journeys that the product is made for: "launch",
	// "beta". They speak RustShare's API; empty for a product that does not.
	Journeys []string `json:"journeys,omitempty"`
	// Run is how the product is run to be tried; nil: it is not.
	Run *Run `json:"run,omitempty"`
	// Compose is how the product runs on Docker; nil where it does not.
	Compose *Compose `json:"compose,omitempty"`
	// Tries are what a release has to pass before it is published.
	Tries Tries `json:"tries,omitzero"`
	// Scan is how a release is scanned for known vulnerabilities; nil: it is not.
	Scan *Scan `json:"scan,omitempty"`
	// Workflows are the CI workflows that must have succeeded for the very
	// commit of a stable release, by their display names.
	Workflows []string `json:"workflows"`

	Cargo Cargo `json:"cargo"`
	// Frontend is nil where the product has none.
	Frontend *Frontend `json:"frontend,omitempty"`
	Image    Image     `json:"image"`
	// Proofs says how signatures and attestations are stored beside the image.
	Proofs ProofFormat `json:"proofs"`
	// Extra are files attached to a release as they are, paths relative to the
	// checkout, built by nobody: the asset is named by its last element.
	Extra []string `json:"extra,omitempty"`
	// Install is nil where no script installs the binaries.
	Install *Install `json:"install,omitempty"`
	// Packages is what candidates and stable releases are packed into; nil where
	// they are not.
	Packages *Packages `json:"packages,omitempty"`
}

// Branches names the branches that a release may come from.
type Branches struct {
	// Main is the branch of edge builds, candidates and stable releases.
	Main string `json:"main"`
	// Hotfix is the prefix of hotfix branches, with its trailing slash.
	Hotfix string `json:"hotfix"`
}

// Paperwork names the files that accompany a release.
type Paperwork struct {
	// Changelog is a Keep a Changelog 1.1.0 file, Upgrading the guide with the
	// tables of breaking and environment changes, Records the directory of
	// validation records.
	Changelog string `json:"changelog"`
	Upgrading string `json:"upgrading"`
	Records   string `json:"records"`
	// Gates is the directory of the manual gates, one file vX.Y.Z.yaml a
	// version.
	Gates string `json:"gates"`
	// Paths may differ between a candidate and its stable release without the
	// binaries having to be tried again. Slash-separated patterns relative to
	// the checkout; a trailing "/**" stands for a whole directory.
	Paths []string `json:"paths"`
}

// Promotion says what has to come before a stable release.
type Promotion struct {
	// Bumps are the kinds of stable releases ("major", "minor", "patch") that
	// need a published candidate of the same version, differing in paperwork
	// alone, and the manual gates.
	Bumps []string `json:"bumps"`
	// Manual are the gates that people check before a stable release, kept for
	// each version in [Paperwork.Gates].
	Manual []ManualGate `json:"manual,omitempty"`
}

// ManualGate is something that people check.
type ManualGate struct {
	// Name is what it is called in the file, in plans and in the record.
	Name string `json:"name"`
	// Ask says what has to be shown, in one sentence.
	Ask string `json:"ask"`
}

// Forge is where a product's release pages live.
type Forge struct {
	// Kind is ForgeGitHub (also where it is empty), ForgeGitea or ForgeDirectory.
	Kind ForgeKind `json:"kind,omitempty"`
	// URL is the repository's page; empty: the product's Source.
	URL string `json:"url,omitempty"`
	// Attestations has GitHub keep the provenance and the SBOMs that a
	// certificate signs, for `gh attestation verify`. Repositories on GitHub
	// Enterprise Server, and private ones on some plans, have no such store.
	Attestations bool `json:"attestations,omitempty"`
}

// ForgeKind is a kind of forge.
type ForgeKind string

const (
	ForgeGitHub ForgeKind = "github"
	// ForgeGitea stands for Forgejo as well: they share the API.
	ForgeGitea ForgeKind = "gitea"
	// ForgeDirectory keeps release pages in dist/releases.
	ForgeDirectory ForgeKind = "directory"
)

// Announce says where releases are made known, besides the addresses of chats
// and the like, which are secrets and come from the environment.
type Announce struct {
	// Discussions is the category of GitHub Discussions; empty for none.
	Discussions string `json:"discussions,omitempty"`
}

// Trust says which signatures count. The keys lie in the product's repository:
// what the machine's own keyring holds never matters.
type Trust struct {
	// OpenPGP are patterns of armored or binary public key files.
	OpenPGP []string `json:"openpgp"`
	// SSHSigners is an allowed_signers file as ssh-keygen(1) describes it;
	// empty where SSH signatures are not accepted.
	SSHSigners string `json:"sshSigners,omitempty"`
	// UnsignedCandidates lets a pre-release tag do without a signature. It is
	// shown loudly in plan and record all the same.
	UnsignedCandidates bool `json:"unsignedCandidates"`
	// ReleaseKey is the file with the public key (PEM, as cosign writes it)
	// that the release's own signatures verify against; empty where only Keyless
	// counts.
	ReleaseKey string `json:"releaseKey"`
	// Keyless says which certificates count; nil where none does. With both a
	// signature by either will do.
	Keyless *Keyless `json:"keyless,omitempty"`
}

// Cargo describes the Rust side: one binary, built once a target.
type Cargo struct {
	// Package is the Cargo package, Binary the name of its binary.
	Package string `json:"package"`
	Binary  string `json:"binary"`
	// Targets in the order in which they are shown.
	Targets []Target `json:"targets"`
}

// Target is one platform that the product is built for.
type Target struct {
	// Triple is the Rust target triple, such as x86_64-unknown-linux-gnu.
	Triple string `json:"triple"`
	// OS and Arch name the platform as OCI does, such as linux and amd64.
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// Asset is the binary's file name on the release page.
	Asset string `json:"asset"`
}

// Platform gives the platform in the form "linux/amd64".
func (t Target) Platform() string { return t.OS + "/" + t.Arch }

// Frontend describes an npm project whose build output goes into the image.
type Frontend struct {
	// Dir holds package.json and package-lock.json, Output is the build's
	// output directory; both relative to the checkout.
	Dir    string `json:"dir"`
	Output string `json:"output"`
	// ImageDir is where the output lies in the image, absolute.
	ImageDir string `json:"imageDir"`
}

// Image describes the runtime image.
type Image struct {
	// Repository is the full name without tag, such as ghcr.io/owner/name.
	Repository string `json:"repository"`
	// Base is an image to build on, by digest. Empty: the built-in one, which
	// holds CA roots, passwd and group and nothing else.
	Base string `json:"base,omitempty"`
	User User   `json:"user"`
	// BinaryPath is where the binary lies in the image, absolute.
	BinaryPath string `json:"binaryPath"`
	// Args follow the binary in the entry point.
	Args []string `json:"args,omitempty"`
	// Env are the image's environment variables; they must hold no secret.
	Env map[string]string `json:"env,omitempty"`
	// Ports are TCP ports that the product listens on.
	Ports []int `json:"ports,omitempty"`
	// Dirs are made for the user to write to, absolute.
	Dirs []string `json:"dirs,omitempty"`
	// Labels are added to the standard ones.
	Labels map[string]string `json:"labels,omitempty"`
	// Health is the command of the image's health check; it needs no shell.
	Health Health `json:"health"`
}

// User is the account that the image runs as. It must not be root.
type User struct {
	Name string `json:"name"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
}

// Health is a health check as Docker knows it. Durations are whole seconds.
type Health struct {
	Command     []string `json:"command,omitempty"`
	Interval    int      `json:"interval,omitempty"`
	Timeout     int      `json:"timeout,omitempty"`
	StartPeriod int      `json:"startPeriod,omitempty"`
	Retries     int      `json:"retries,omitempty"`
}

// Compose describes the product's Docker Compose files. Paths are relative to
// the checkout.
type Compose struct {
	// Files run one given image; Production are those of an installation, Drill
	// those of the isolated copy that a backup is restored into.
	Files      []string `json:"files"`
	Production []string `json:"production"`
	Drill      []string `json:"drill"`
	// DrillProject is the project of that copy.
	DrillProject string `json:"drillProject"`
	// Names of the services. Backend is the one with the image.
	Backend     string `json:"backend"`
	Database    string `json:"database"`
	ObjectStore string `json:"objectStore"`
	Proxy       string `json:"proxy"`
	// BackendPort and ProxyPort are where these two listen in their containers.
	BackendPort int `json:"backendPort"`
	ProxyPort   int `json:"proxyPort"`
	// DatabaseVolume and ObjectVolume are the named volumes with the data, and
	// ObjectPath is where the latter is mounted in the object store.
	DatabaseVolume string `json:"databaseVolume"`
	ObjectVolume   string `json:"objectVolume"`
	ObjectPath     string `json:"objectPath"`
	// DatabaseName and DatabaseUser are those of PostgreSQL.
	DatabaseName string `json:"databaseName"`
	DatabaseUser string `json:"databaseUser"`
	// DatabaseURLEnv is the variable with the database's URL, the others are
	// those with the secrets of database and object store.
	DatabaseURLEnv      string `json:"databaseURLEnv"`
	DatabasePasswordEnv string `json:"databasePasswordEnv"`
	ObjectUserEnv       string `json:"objectUserEnv"`
	ObjectPasswordEnv   string `json:"objectPasswordEnv"`
	// Migrations is the directory with the database's migrations.
	Migrations string `json:"migrations"`
	// ImageEnv and PullEnv are the variables with the image and its pull
	// policy.
	ImageEnv string `json:"imageEnv"`
	PullEnv  string `json:"pullEnv"`
	// Config are the files, or patterns of files, that a backup holds as the
	// configuration. They must hold no secret.
	Config []string `json:"config"`
}

// Tries name what a release has to pass, as targets: "test:backend",
// "test:frontend", "smoke:launch", "smoke:pilot" and the like.
type Tries struct {
	// Edge is for main's builds, Candidate for release candidates.
	Edge      []string `json:"edge,omitempty"`
	Candidate []string `json:"candidate,omitempty"`
	// Stable is for every stable release. Uncovered comes on top where no
	// candidate of the same binaries has passed what Candidate asks for.
	Stable    []string `json:"stable,omitempty"`
	Uncovered []string `json:"uncovered,omitempty"`
	// Critical comes on top for a hotfix that touches [Product.Critical].
	Critical []string `json:"critical,omitempty"`
}

// ProofFormat is how signatures and attestations are stored in a registry. A
// release uses one format: images with both were seen to break verification.
type ProofFormat string

const (
	// ProofBundles are Sigstore bundles (v0.3) as OCI referrers.
	ProofBundles ProofFormat = "bundles"
	// ProofTags are cosign's older ".sig" and ".att" tags.
	ProofTags ProofFormat = "tags"
)

// Digest names the definition: the sha256, in lower-case hex, of its JSON
// form. Two definitions with the same digest make the same release.
func (p Product) Digest() string {
	b, err := json.Marshal(p)
	if err != nil { // plain data: maps of strings, slices, numbers
		return fmt.Sprintf("unencodable: %v", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Platforms lists the platforms in order, as in "linux/amd64".
func (p Product) Platforms() []string {
	var out []string
	for _, t := range p.Cargo.Targets {
		out = append(out, t.Platform())
	}
	return out
}
