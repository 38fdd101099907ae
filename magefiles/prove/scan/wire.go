package scan

import "time"

// Request is what the scanner program (package grype) reads on standard input,
// as JSON: scan documents, show the database, or build one.
type Request struct {
	// Do is [DoScan], [DoDatabase] or [DoBuild].
	Do string `json:"do"`
	// Database says which one is taken; unused by [DoBuild].
	Database Location `json:"database,omitzero"`
	// Documents are SBOMs in CycloneDX or SPDX, for [DoScan].
	Documents []Document `json:"documents,omitempty"`
	// Build is for [DoBuild].
	Build *Build `json:"build,omitempty"`
}

// What a scanner program can be asked to do.
const (
	DoScan     = "scan"
	DoDatabase = "database"
	DoBuild    = "build"
)

// Location says where a database is taken from. Of URL and File one is set, or
// none for the public one.
type Location struct {
	// Cache is the directory that databases are kept in, absolute.
	Cache string `json:"cache,omitempty"`
	// URL is an HTTP mirror: a directory that has v6/latest.json, or such a file.
	URL string `json:"url,omitempty"`
	// File is an archive (.tar.gz, .tar.zst, .tar.xz) or a bare .db file.
	File string `json:"file,omitempty"`
}

// Document is an SBOM to scan.
type Document struct {
	// Name is said back in the report: what the document describes.
	Name string `json:"name"`
	// Path is absolute.
	Path string `json:"path"`
}

// Build asks for a small database of these advisories alone: for tests and
// rehearsals. It is written as a mirror is laid out: below Dir, v6/latest.json and
// v6/[DatabaseFile].
type Build struct {
	Dir string `json:"dir"`
	// Built is the time that the database claims to be of (default: now).
	Built      time.Time  `json:"built,omitzero"`
	Advisories []Advisory `json:"advisories"`
}

// DatabaseFile is the archive that [DoBuild] writes.
const DatabaseFile = "vulnerability-db.tar.gz"

// Advisory is one vulnerability of one package.
type Advisory struct {
	ID      string   `json:"id"`
	Aliases []string `json:"aliases,omitempty"`
	// Ecosystem is "rust-crate" or "npm".
	Ecosystem string `json:"ecosystem"`
	Package   string `json:"package"`
	// Affected is a constraint on versions as in "<1.2.3"; Fixed is the version
	// with the fix, "" where there is none.
	Affected string `json:"affected"`
	Fixed    string `json:"fixed,omitempty"`
	// Severity is "critical", "high", "medium", "low" or "negligible".
	Severity string `json:"severity"`
	URL      string `json:"url,omitempty"`
}
