package record

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// LogsMedia is the media type of a pack of logs.
const LogsMedia = "application/gzip"

// KeepLog takes a pack of logs, a gzipped tar, into the bundle and names it for
// a record's Logs; [WriteEvidence] lists it then. The name is made by
// [Evidence.File], as in e.File("logs.tar.gz").
func KeepLog(b *bundle.Bundle, name string, r io.Reader) (LogFile, error) {
	blob, err := b.Ingest(r)
	if err != nil {
		return LogFile{}, fmt.Errorf("keeping the log %s: %w", name, err)
	}
	return LogFile{Name: name, SHA256: blob.Digest.Hex, Size: blob.Size}, nil
}

// WriteEvidence puts a record into the bundle, under [Evidence.File] with the
// extension "json", and lists the logs that it names. What stood there from an
// earlier run stays under a name with the time at which that run finished:
// evidence is never lost to a rerun. The same record again changes nothing.
//
// A record of another commit than the bundle's, and one whose logs are not
// there, are refused. Records are written by one run at a time.
func WriteEvidence(b *bundle.Bundle, e Evidence) error {
	if _, err := e.Encode(); err != nil {
		return err
	}
	for _, l := range e.Logs {
		if !b.Has(l.descriptor(l.Name)) {
			return fmt.Errorf("the evidence of %s names the log %s (sha256:%s), which is not in the bundle: keep the log first", e.Name, l.Name, l.SHA256)
		}
	}
	return e.put(b, e.Logs)
}

// Adopt puts a record into the bundle that came with an attested test result.
// Its logs lie in the bundle that it was made in, and stay named.
func Adopt(b *bundle.Bundle, e Evidence) error { return e.put(b, nil) }

// put writes the record and lists it with these logs.
func (e Evidence) put(b *bundle.Bundle, logs []LogFile) error {
	text, err := e.Encode()
	if err != nil {
		return err
	}
	if e.Commit != b.Plan.Commit {
		return fmt.Errorf("the evidence of %s is of commit %s, the bundle %s of %s: write it into its own", e.Name, e.Commit, b.Dir, b.Plan.Commit)
	}
	if d, ok := b.Find(bundle.Evidence, e.File("json")); ok {
		if d.Digest.Hex == hexOf(text) {
			return nil
		}
		old, err := readEvidence(b, d)
		if err != nil {
			return fmt.Errorf("keeping the earlier evidence: %w", err)
		}
		if err := old.list(b, d, old.kept(b), old.Finished.Format("20060102T150405.000Z")); err != nil {
			return err
		}
	}
	blob, err := b.Ingest(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("writing the evidence of %s: %w", e.Name, err)
	}
	return e.list(b, blob.Descriptor(intoto.EvidenceMedia, ""), logs, "")
}

// kept are the logs that this bundle lists: those of a record that was adopted
// lie in another.
func (e Evidence) kept(b *bundle.Bundle) []LogFile {
	listed := map[string]bool{}
	for _, d := range b.Entries(bundle.Evidence) {
		listed[d.Digest.Hex] = true
	}
	var out []LogFile
	for _, l := range e.Logs {
		if listed[l.SHA256] {
			out = append(out, l)
		}
	}
	return out
}

// list adds the logs and then the record to the bundle's index, under names
// with a time where it is given.
func (e Evidence) list(b *bundle.Bundle, record v1.Descriptor, logs []LogFile, time string) error {
	begin := e.File("")
	named := func(name string) string {
		if time == "" {
			return name
		}
		return strings.TrimSuffix(begin, ".") + "-" + time + "." + strings.TrimPrefix(name, begin)
	}
	for _, l := range logs {
		if err := b.Add(bundle.Evidence, l.descriptor(named(l.Name))); err != nil {
			return err
		}
	}
	record.Annotations = map[string]string{bundle.TitleKey: named(e.File("json"))}
	return b.Add(bundle.Evidence, record)
}

func (l LogFile) descriptor(title string) v1.Descriptor {
	blob := bundle.Blob{Digest: v1.Hash{Algorithm: "sha256", Hex: l.SHA256}, Size: l.Size}
	return blob.Descriptor(LogsMedia, title)
}

// ReadEvidence gives the records of a bundle, of a rerun the newest, in the
// order in which they were started. Every record, and every log of it that the
// bundle has, is read and held against its digest.
func ReadEvidence(b *bundle.Bundle) ([]Evidence, error) {
	var out []Evidence
	for _, d := range b.Entries(bundle.Evidence) {
		if string(d.MediaType) != intoto.EvidenceMedia {
			continue
		}
		e, err := readEvidence(b, d)
		if err != nil {
			return nil, err
		}
		if e.File("json") == d.Annotations[bundle.TitleKey] { // others are of earlier runs
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, c Evidence) int {
		return cmp.Or(a.Started.Compare(c.Started), cmp.Compare(a.Name, c.Name), cmp.Compare(a.Stack, c.Stack))
	})
	return out, nil
}

// readEvidence reads a record of the bundle and looks at its logs.
func readEvidence(b *bundle.Bundle, d v1.Descriptor) (Evidence, error) {
	title := d.Annotations[bundle.TitleKey]
	damaged := func(what string, err error) error {
		return fmt.Errorf("%s in the bundle %s: %w; run what it is about again", what, b.Dir, err)
	}
	text, err := os.ReadFile(b.Path(d.Digest))
	if err == nil && hexOf(text) != d.Digest.Hex {
		err = fmt.Errorf("%s holds other bytes than its name says", b.Path(d.Digest))
	}
	if err != nil {
		return Evidence{}, damaged("the evidence "+title, err)
	}
	e, err := DecodeEvidence(text)
	if err != nil {
		return e, damaged("the evidence "+title, err)
	}
	for _, l := range e.kept(b) {
		if err := l.check(b); err != nil {
			return e, damaged("the log "+l.Name+" of "+title, err)
		}
	}
	return e, nil
}

// check reads a log to its end.
func (l LogFile) check(b *bundle.Bundle) error {
	f, err := os.Open(b.Path(l.descriptor("").Digest))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != l.SHA256 || n != l.Size {
		return fmt.Errorf("it has the sha256 %s and %d bytes, its record says %s and %d", found, n, l.SHA256, l.Size)
	}
	return nil
}

func hexOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
