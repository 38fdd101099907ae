package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Endings of the files of a release page that prove others.
const (
	bundleEnding     = ".sigstore.json"
	provenanceEnding = ".provenance" + bundleEnding
)

// FilesReport is what a verification of downloaded files found, in the order in
// which it looked. It is the JSON of verify:files.
type FilesReport struct {
	// Dir is where the files lie.
	Dir string `json:"dir"`
	// Signer is who signed the provenance and the list of checksums.
	Signer string `json:"signer,omitempty"`
	// Passed is true where every check passed.
	Passed     bool        `json:"passed"`
	Provenance *Provenance `json:"provenance,omitempty"`
	// Files are the files that were proved, by name; Absent those that the
	// release has and the directory has not.
	Files  []File   `json:"files"`
	Absent []string `json:"absent,omitempty"`
	Checks []Check  `json:"checks"`
}

// File is a downloaded file.
type File struct {
	Name string `json:"name"`
	// SHA256 is in lower-case hex, Size in bytes.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Reasons that a downloaded file is refused for.
const (
	// Unlisted: the release has no such file.
	Unlisted Reason = "unlisted"
	// WrongFile: it is not the file that was released.
	WrongFile Reason = "wrong file"
)

// Files verifies the files of a release page that lie in a directory, without
// asking anybody:
//   - the provenance (*.provenance.sigstore.json) is signed, and of the expected
//     repository, ref and commit;
//   - SHA256SUMS is signed (SHA256SUMS.sigstore.json), for that very ref
//     and by a run of that commit;
//   - each file is one of that list, has its checksum, and is named by the
//     provenance; files that were not downloaded are no failure;
//   - an SBOM beside the file that it is called after describes that very file.
//
// Files are read once, as a stream. Where something does not hold the error is
// an [*Error]; any other error means that the directory could not be read.
func Files(dir string, trust Trust, want Expect) (FilesReport, error) {
	j, err := trust.judge()
	if err != nil {
		return FilesReport{}, err
	}
	out := FilesReport{Dir: dir, Files: []File{}}
	found, err := downloaded(dir)
	if err != nil {
		return out, err
	}
	r := &recorder{report: &Report{}, judge: j}
	f := &files{dir: dir, j: j, recorder: r, found: found}
	if err := f.check(&out, want); err != nil {
		return out, err
	}
	out.Checks = r.report.Checks
	if len(r.failures) > 0 {
		return out, &Error{Image: dir, Failures: r.failures}
	}
	out.Passed = true
	return out, nil
}

// maxProof is how large a list, a bundle or a document may be, in bytes.
const maxProof = maxBlob

type files struct {
	*recorder
	dir   string
	j     *judge
	found []File
}

func (f *files) check(out *FilesReport, want Expect) error {
	statement, err := f.provenance(out, want)
	if err != nil || statement == nil {
		return err
	}
	sums, err := f.sums(statement.Ref, statement.Commit)
	if err != nil || sums == nil {
		return err
	}
	have := map[string]File{}
	for _, file := range f.found {
		have[file.Name] = file
		if f.file(file, sums, statement) {
			out.Files = append(out.Files, file)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if _, ok := have[name]; !ok {
			out.Absent = append(out.Absent, name)
		}
	}
	return f.documents(have)
}

// provenance reads the statement about everything that was built.
func (f *files) provenance(out *FilesReport, want Expect) (*statement, error) {
	at := slices.IndexFunc(f.found, func(file File) bool { return strings.HasSuffix(file.Name, provenanceEnding) })
	if at < 0 {
		f.fail(NoProvenance, "provenance", "provenance", "%s has no file *%s: download that of the release too", f.dir, provenanceEnding)
		return nil, nil
	}
	file := f.found[at]
	if slices.ContainsFunc(f.found[at+1:], func(o File) bool { return strings.HasSuffix(o.Name, provenanceEnding) }) {
		f.fail(NoProvenance, "provenance", "provenance", "%s has more than one file *%s: verify the files of one release at a time", f.dir, provenanceEnding)
		return nil, nil
	}
	text, err := f.read(file.Name)
	if err != nil {
		return nil, err
	}
	p := &proofs{digest: v1.Hash{Algorithm: "sha256", Hex: file.SHA256}}
	s, err := f.j.bundle(text)
	if unknown := (noRoot{}); errors.As(err, &unknown) {
		return nil, unknown.error
	}
	switch {
	case err == nil && s.by.may(s.PredicateType) != nil:
		err = s.by.may(s.PredicateType)
	case err == nil && s.PredicateType != intoto.Provenance:
		err = fmt.Errorf("it is a statement of type %s", s.PredicateType)
	}
	if err != nil {
		p.refused = []refusal{{intoto.Provenance, err}}
	} else {
		p.good = []signed{s}
		if build, err := intoto.DecodeBuild(s.Statement); err == nil {
			p.keep(or(want.Ref, build.Definition.External.Ref), build.Commit())
		}
	}
	got := f.recorder.provenance(file.Name, p, want)
	if got != nil {
		out.Provenance, out.Signer = &got.Provenance, s.by.name
	}
	return got, nil
}

// sums reads the list of checksums where it is signed for a release of the ref,
// by a run of the commit.
func (f *files) sums(ref, commit string) (map[string]string, error) {
	const check = "checksums"
	var texts [2][]byte
	for i, name := range []string{bundle.SumsName, bundle.SumsName + bundleEnding} {
		text, err := f.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			f.fail(Unsigned, bundle.SumsName, check, "%s has no %s: download it from the release page too", f.dir, name)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	who, err := f.j.over(texts[1], texts[0])
	if err == nil {
		err = who.of(ref)
	}
	if err == nil && who.commit != "" && who.commit != commit {
		err = fmt.Errorf("it is signed by %s in a run of commit %s, and the provenance names the commit %s", who.name, who.commit, commit)
	}
	if err != nil {
		f.fail(Untrusted, bundle.SumsName, check, "the signature of %s does not count: %s", bundle.SumsName, f.why(err))
		return nil, nil
	}
	sums, err := bundle.ParseSums(texts[0])
	if err != nil {
		f.fail(WrongFile, bundle.SumsName, check, "%v", err)
		return nil, nil
	}
	f.pass(bundle.SumsName, check, "lists %d files, signed by %s", len(sums), who.name)
	return sums, nil
}

// proves tells whether a file is there to prove others: the provenance is not
// about it.
func proves(name string) bool {
	return bundle.OfSums(name) || strings.HasSuffix(name, bundleEnding)
}

// file wants a file to be the one that was released. It tells whether it is.
func (f *files) file(file File, sums map[string]string, provenance *statement) bool {
	if bundle.OfSums(file.Name) {
		return false // what the list is proved by
	}
	const check = "checksum"
	want, listed := sums[file.Name]
	switch {
	case !listed:
		f.fail(Unlisted, file.Name, check, "%s is in no line of %s: it is no file of this release; take it out of %s", file.Name, bundle.SumsName, f.dir)
		return false
	case want != file.SHA256:
		f.fail(WrongFile, file.Name, check, "%s has sha256 %s, %s says %s: it is damaged or not what was released; download it again", file.Name, file.SHA256, bundle.SumsName, want)
		return false
	}
	f.pass(file.Name, check, "sha256 %s", file.SHA256)
	if proves(file.Name) {
		return true
	}
	if !provenance.Names(file.SHA256) {
		f.fail(WrongFile, file.Name, "provenance", "the provenance names no file with sha256 %s: %s was added to the release by somebody else, or after it was signed", file.SHA256, file.Name)
		return false
	}
	return true
}

// documents wants the SBOMs that lie beside their files to be about them.
func (f *files) documents(have map[string]File) error {
	for _, file := range f.found {
		for ending, predicate := range map[string]string{".spdx.json": intoto.SPDX, ".cdx.json": intoto.CycloneDX} {
			about, ok := strings.CutSuffix(file.Name, ending)
			subject, there := have[about]
			if !ok || !there {
				continue
			}
			text, err := f.read(file.Name)
			if err != nil {
				return err
			}
			doc, err := intoto.DecodeSBOM(predicate, text)
			switch {
			case err != nil:
				f.fail(WrongSBOM, file.Name, "sbom", "%v", err)
			case doc.SHA256 != subject.SHA256:
				f.fail(WrongSBOM, file.Name, "sbom", "%s describes sha256:%s, and %s is sha256:%s: it is the SBOM of another file", file.Name, doc.SHA256, about, subject.SHA256)
			case doc.Crates == 0:
				f.fail(WrongSBOM, file.Name, "sbom", "%s lists no crate: what %s was built from is not known", file.Name, about)
			default:
				f.pass(file.Name, "sbom", "describes %s: %d crates, %d npm packages", about, doc.Crates, doc.Packages)
			}
		}
	}
	return nil
}

// read reads a small file whole.
func (f *files) read(name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, maxProof+1))
	if err == nil && len(text) > maxProof {
		err = fmt.Errorf("%s has more than %d bytes, which no proof has", filepath.Join(f.dir, name), maxProof)
	}
	return text, err
}

// downloaded hashes the files of a directory, by name. Whatever is no plain file
// is an error: what a link points at may change.
func downloaded(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("%s is no plain file: verify a directory with the files of one release and nothing else", filepath.Join(dir, e.Name()))
		}
		file, err := hashFile(dir, e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s is empty: download the files of a release into it", dir)
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func hashFile(dir, name string) (File, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return File{}, fmt.Errorf("reading %s: %w", filepath.Join(dir, name), err)
	}
	return File{name, hex.EncodeToString(sum.Sum(nil)), n}, nil
}
