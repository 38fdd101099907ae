package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Person is who made a commit or tag, by their own word.
type Person struct {
	Name, Email string
	// When is in UTC, to the second.
	When time.Time
}

// String gives "Name <mail>".
func (p Person) String() string { return p.Name + " <" + p.Email + ">" }

// TagObject is an annotated tag as git stores it (git-mktag(1)).
type TagObject struct {
	// Hash is the hash of the tag object itself.
	Hash string
	// Object is what it points at, Type that one's type.
	Object, Type string
	// Name is the tag's name inside the object, which the signature covers.
	Name   string
	Tagger Person
	// Payload is what was signed; Signature is what follows it, "" where there
	// is none. One after the other they are the whole object.
	Payload, Signature []byte
}

// Format names a tag signature's format.
type Format string

const (
	Unsigned Format = ""
	OpenPGP  Format = "openpgp"
	SSH      Format = "ssh"
	X509     Format = "x509"
)

// Format tells how the tag is signed, by the armor's first line.
func (t TagObject) Format() Format {
	for _, a := range armors {
		if bytes.HasPrefix(t.Signature, []byte(a.begin)) {
			return a.format
		}
	}
	return Unsigned
}

var armors = []struct {
	begin  string
	format Format
}{
	{"-----BEGIN PGP SIGNATURE-----", OpenPGP},
	{"-----BEGIN PGP MESSAGE-----", OpenPGP},
	{"-----BEGIN SSH SIGNATURE-----", SSH},
	{"-----BEGIN SIGNED MESSAGE-----", X509},
}

// ErrBadTag is wrapped where a tag object does not have the form that git
// writes.
var ErrBadTag = errors.New("is malformed")

// ErrNoTag is wrapped where there is no such tag.
var ErrNoTag = errors.New("is not a tag of this repository")

// Tag gives the ref of a tag by its short name.
func (r Repo) Tag(ctx context.Context, name string) (Ref, error) {
	full := "refs/tags/" + name
	if err := errors.Join(CheckName(name), CheckName(full)); err != nil {
		return Ref{}, err
	}
	refs, err := r.Refs(ctx, full)
	if err != nil {
		return Ref{}, err
	}
	for _, ref := range refs {
		if ref.Name == full { // the prefix also matches refs/tags/NAME/more
			return ref, nil
		}
	}
	return Ref{}, fmt.Errorf("%s %w", name, ErrNoTag)
}

// ReadTag reads a tag object by its hash. An object of another type is an
// error.
func (r Repo) ReadTag(ctx context.Context, hash string) (TagObject, error) {
	if err := CheckName(hash); err != nil {
		return TagObject{}, err
	}
	raw, err := run.Output(ctx, r.cmd("cat-file", "tag", hash))
	if err != nil {
		return TagObject{}, fmt.Errorf("reading tag object %s: %w", hash, err)
	}
	t, err := ParseTag(raw)
	if err != nil {
		return TagObject{}, fmt.Errorf("tag object %s %w: %w", hash, ErrBadTag, err)
	}
	t.Hash = hash
	return t, nil
}

var (
	hashForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	typeForm = regexp.MustCompile(`^(commit|tag|tree|blob)$`)
)

// ParseTag reads the raw form of a tag object strictly: the four header lines
// in git's order, each once and no other, an empty line, the message, and the
// signature, which begins at the last line that opens one, as git has it.
func ParseTag(raw []byte) (TagObject, error) {
	header, _, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		return TagObject{}, errors.New("its header has no end")
	}
	lines := strings.Split(string(header), "\n")
	names := []string{"object", "type", "tag", "tagger"}
	if len(lines) != len(names) {
		return TagObject{}, fmt.Errorf("its header has %d lines, want the four object, type, tag, tagger", len(lines))
	}
	values := make([]string, len(names))
	for i, name := range names {
		if values[i], ok = strings.CutPrefix(lines[i], name+" "); !ok {
			return TagObject{}, fmt.Errorf("line %d of its header is %.60q, want %q", i+1, lines[i], name)
		}
	}
	t := TagObject{Object: values[0], Type: values[1], Name: values[2]}
	if !hashForm.MatchString(t.Object) {
		return TagObject{}, fmt.Errorf("it points at %.80q, which is no object hash", t.Object)
	}
	if !typeForm.MatchString(t.Type) {
		return TagObject{}, fmt.Errorf("it points at an object of the type %.60q, which git does not know", t.Type)
	}
	if err := CheckName(t.Name); err != nil {
		return TagObject{}, fmt.Errorf("its inner name: %w", err)
	}
	var err error
	if t.Tagger, err = parsePerson(values[3]); err != nil {
		return TagObject{}, fmt.Errorf("its tagger: %w", err)
	}
	cut := signatureStart(raw)
	t.Payload, t.Signature = raw[:cut], raw[cut:]
	return t, nil
}

// signatureStart gives the offset of the last line that begins a signature, or
// the length where there is none.
func signatureStart(raw []byte) int {
	cut, at := len(raw), 0
	for line := range bytes.Lines(raw) {
		for _, a := range armors {
			if bytes.HasPrefix(line, []byte(a.begin)) {
				cut = at
			}
		}
		at += len(line)
	}
	return cut
}
