package pipeline

import (
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// VerifyFiles proves the files of a release page that lie in a directory. The
// query's image is not asked for.
func (s *Suite) VerifyFiles(dir string, q VerifyQuery) error {
	trust, err := s.trustedBy(q)
	if err != nil {
		return err
	}
	expect := verify.Expect{Source: s.Product.Source, Commit: q.Commit}
	if q.Tag != "" {
		expect.Ref = "refs/tags/" + strings.TrimPrefix(q.Tag, "refs/tags/")
	}
	report, err := verify.Files(dir, trust, expect)
	if len(report.Checks) > 0 {
		if printed := s.printFiles(report, q.JSON); printed != nil {
			return printed
		}
	}
	return err
}

// printFiles writes what a verification of files found.
func (s *Suite) printFiles(r verify.FilesReport, asJSON bool) error {
	if asJSON {
		return s.printJSON(r)
	}
	var size int64
	for _, f := range r.Files {
		size += f.Size
	}
	rows := [][]string{{"files", fmt.Sprintf("%d in %s, %s", len(r.Files), r.Dir, term.Bytes(size))}, {"signed by", r.Signer}}
	if p := r.Provenance; p != nil {
		rows = append(rows, []string{"built from", fmt.Sprintf("%s %s, commit %s", p.Repository, p.Ref, p.Commit)}, []string{"built by", p.Builder})
	}
	if len(r.Absent) > 0 {
		rows = append(rows, []string{"not downloaded", strings.Join(r.Absent, ", ")})
	}
	return s.printChecks(r.Passed, rows, r.Checks)
}

// printChecks writes a verdict with what it is about, and the checks behind it.
func (s *Suite) printChecks(passed bool, about [][]string, checks []verify.Check) error {
	verdict := "NOT verified"
	if passed {
		verdict = "verified"
	}
	if err := s.UI.Table(s.Out, []string{verdict, ""}, about); err != nil {
		return err
	}
	var rows [][]string
	for _, c := range checks {
		state := "pass"
		if !c.Pass {
			state = "FAIL"
		}
		rows = append(rows, []string{c.Subject, c.Name, state, c.Detail})
	}
	if err := s.blankLine(); err != nil {
		return err
	}
	return s.UI.Table(s.Out, []string{"subject", "check", "state", "detail"}, rows)
}
