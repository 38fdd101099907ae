// Package backup is the product's backup bundle as a format: it writes bundles,
// checks those of others, and streams their parts for a restore. It knows
// nothing of Docker or of databases; callers give and take streams. It may
// import what lies below the steps.
//
// A bundle is a directory whose name is the UTC time of the backup
// ([StampLayout]). It holds these regular files and no others:
//
//	postgres.sql.gz            what pg_dump writes in its plain format, or instead
//	sqlite.db.gz               the file of a SQLite database that nobody writes to
//	rustfs-data.tar.gz         the files of the object store's volume
//	config.tar.gz              configuration files, without secrets
//	buzz-postgres.sql.gz       the same for the chat's database; with the next
//	buzz-rustfs-data.tar.gz    one, or both are missing
//	manifest.env               KEY=value lines that a shell can source ([Manifest])
//	SHA256SUMS                 the checksums of all the others, as sha256sum(1) writes them
//
// An installation with Compose has PostgreSQL. One that is a single process has
// SQLite: its manifest says DATABASE=sqlite and has no POSTGRES_ key and no
// RUSTFS_SERVICE, and rustfs-data.tar.gz has the files of its directory of
// objects. The scripts refuse such a bundle, since they miss the dump.
//
// A compressed part is one gzip stream (RFC 1952). An archive is tar (POSIX pax
// or GNU) with an end marker. It has directories and regular files alone, each
// name once, relative and without "..". Links, devices and sparse entries are
// refused, wherever they point to.
//
// The product's shell scripts read these bundles and write such ones. A bundle
// that comes from outside is hostile until [Verify] found no problem. What is
// read for a restore is checked again on the way.
package backup

import (
	"fmt"
	"time"
)

// Names of the files of a bundle.
const (
	Postgres     = "postgres.sql.gz"
	SQLite       = "sqlite.db.gz"
	Volume       = "rustfs-data.tar.gz"
	Config       = "config.tar.gz"
	ChatPostgres = "buzz-postgres.sql.gz"
	ChatVolume   = "buzz-rustfs-data.tar.gz"
	ManifestName = "manifest.env"
	SumsName     = "SHA256SUMS"
)

// StampLayout is the name of a bundle's directory, as [time.Time.Format] takes
// it; the time is UTC.
const StampLayout = "20060102T150405Z"

// kind is how a file of a bundle is read.
type kind int

const (
	text kind = iota
	dumpPart
	filePart // of SQLite
	archivePart
)

// layout lists what a bundle may hold, in the order of writing. Objects are
// packed after the database: what a row points to is there by then.
func layout() []member {
	return []member{
		{Postgres, dumpPart, true}, // one of the two, see databases
		{SQLite, filePart, true},
		{Volume, archivePart, false},
		{ChatPostgres, dumpPart, true},
		{ChatVolume, archivePart, true},
		{Config, archivePart, false},
		{ManifestName, text, false},
		{SumsName, text, false},
	}
}

type member struct {
	name     string
	kind     kind
	optional bool
}

// find gives the member with a name.
func find(name string) (member, bool) {
	for _, m := range layout() {
		if m.name == name {
			return m, true
		}
	}
	return member{}, false
}

// Problem is one thing that is wrong with a bundle.
type Problem struct {
	// File is the name of the file in the bundle, or "." for the bundle itself.
	File string
	// Line is counted from 1; 0 where lines do not matter.
	Line int
	// Text is a sentence without the file's name.
	Text string
}

func (p Problem) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}

// RefusedError says why a part was not written or not read to its end. What
// was written or read of it has to be thrown away.
type RefusedError struct {
	// Dir is the bundle.
	Dir string
	// Problem is the first that was met.
	Problem Problem
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("backup bundle %s is refused: %s", e.Dir, e.Problem)
}

// Limits bound what a bundle may hold. Fields that are zero have the values of
// [DefaultLimits].
type Limits struct {
	// Expanded is the size of all the parts together when unpacked, in bytes.
	Expanded int64
	// Ratio is how many times larger than packed a part may be. The first 64 MiB
	// of a part are not held against it.
	Ratio int64
	// Entry is the size of one file in an archive, in bytes.
	Entry int64
	// Entries is how many entries an archive may have. Memory grows with them,
	// by less than 100 bytes each.
	Entries int
	// Name is the length of an entry's name, in bytes; a single element of it
	// has at most 255.
	Name int
	// Depth is how many elements an entry's name may have.
	Depth int
}

// ratioFloor is how many bytes of a part are unpacked before its ratio counts.
const ratioFloor = 64 << 20

// DefaultLimits suit an installation of some hundred users.
func DefaultLimits() Limits {
	return Limits{Expanded: 256 << 30, Ratio: 200, Entry: 64 << 30, Entries: 1_000_000, Name: 1024, Depth: 64}
}

func (l Limits) filled() Limits {
	d := DefaultLimits()
	return Limits{
		Expanded: or(l.Expanded, d.Expanded), Ratio: or(l.Ratio, d.Ratio), Entry: or(l.Entry, d.Entry),
		Entries: or(l.Entries, d.Entries), Name: or(l.Name, d.Name), Depth: or(l.Depth, d.Depth),
	}
}

func or[T int | int64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Info says what a bundle holds.
type Info struct {
	// Dir is the bundle's directory.
	Dir string
	// Manifest is what could be read of manifest.env.
	Manifest Manifest
	// Parts are the compressed parts that are there, in the package's order.
	Parts []Part
}

// Part is a compressed part of a bundle.
type Part struct {
	Name string
	// SHA256 is that of the file as it lies there, in lower-case hex.
	SHA256 string
	// Size is that of the file, Expanded that of its content, in bytes. Where
	// the part has a problem, Expanded is what was unpacked of it.
	Size, Expanded int64
	// Entries are counted for archives.
	Entries int
}

// Stamp is the name of the bundle of a time.
func Stamp(t time.Time) string { return t.UTC().Format(StampLayout) }

// problems are those of one file. What goes beyond a hundred is only counted:
// their number is up to whoever made the file.
type problems struct {
	file string
	list []Problem
	more int
}

const maxProblems = 100

func (p *problems) add(format string, args ...any) { p.addAt(0, format, args...) }

func (p *problems) addAt(line int, format string, args ...any) {
	if len(p.list) >= maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, Problem{p.file, line, fmt.Sprintf(format, args...)})
}

func (p *problems) all() []Problem {
	if p.more == 0 {
		return p.list
	}
	return append(p.list, Problem{p.file, 0, fmt.Sprintf("has %d more problems, which are not listed", p.more)})
}

// refused is the first problem as an error, or nil.
func (p *problems) refused(dir string) error {
	if len(p.list) == 0 {
		return nil
	}
	return &RefusedError{dir, p.list[0]}
}

// short quotes text of others for a sentence.
func short(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
