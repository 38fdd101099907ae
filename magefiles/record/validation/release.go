// Package validation writes a release's validation record: what was asked for
// before it was published, what came of each of these things, and how to check
// it oneself. One record is Markdown for the repository, the other the same as a
// single HTML page that loads nothing. It knows record, decide and the paperwork.
package validation

import (
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// Release is what a validation record is written from. Nothing of it is
// trusted to be free of markup.
type Release struct {
	// Title is the product's name for people: "RustShare".
	Title string
	Plan  decide.Plan
	// Digest is the image index, as "sha256:…".
	Digest string
	// Images are the platforms' images in the index's order.
	Images []Image
	// Files are what hangs on the release page besides the binaries: SBOMs,
	// packages, checksums.
	Files []File
	// Record is that of the publication; its zero value: nothing is published.
	Record record.Record
	// Asked are the names of the tries that the policy asks for here:
	// "drill:restore", or with the kind of stack "drill:restore@compose".
	Asked []string
	// Evidence is what lies in the bundle, one for each name and kind of stack.
	Evidence []record.Evidence
	// Candidate is the one that the release was promoted from; nil where there
	// is none.
	Candidate *Candidate
	// Manual is what people say, ManualPath the file that they said it in, and
	// ManualAsked the gates that the product wants from them for this release.
	Manual      manual.File
	ManualPath  string
	ManualAsked []product.ManualGate
	// Previous is the tag of the stable release before; empty for the first.
	Previous string
	// Used are the images of other software that the tries ran beside the
	// release's own.
	Used []Used
	// KeyFile is the public key's path in the product's repository.
	KeyFile string
}

// Image is the release's image for one platform.
type Image struct {
	// Platform is as in "linux/amd64".
	Platform string
	// Digest is as in "sha256:…".
	Digest string
}

// File is a file of the release page.
type File struct {
	Name string
	// SHA256 is in lower-case hex, Size in bytes.
	SHA256 string
	Size   int64
}

// Candidate is a release candidate with its evidence. It is shown beside the
// release's own and does not stand in for it: whether the two are the same is a
// gate.
type Candidate struct {
	Tag      string
	Digest   string
	Evidence []record.Evidence
}

// Used is an image that was run beside the release's own.
type Used struct {
	// Service is what it did: "postgres".
	Service string
	// Image is its reference, Digest or ID what it was by content.
	Image, Digest string
}
