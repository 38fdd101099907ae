package pipeline

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// printReport writes what a verification found.
func (s *Suite) printReport(r verify.Report, asJSON bool) error {
	if asJSON {
		return s.printJSON(r)
	}
	rows := [][]string{{"image", r.Image + "@" + r.Digest}, {"signed by", r.Signer}}
	rows = append(rows, builtRows(r.Provenance)...)
	for _, v := range r.Summaries {
		rows = append(rows, []string{"summary", fmt.Sprintf("%s %s, by %s at %s", v.Result, strings.Join(v.Levels, " "), v.Verifier.ID, v.Verified.Format(time.RFC3339))})
	}
	if err := s.printVerdict(r.Passed, rows); err != nil {
		return err
	}
	if w := r.Withdrawn; w != nil {
		said := fmt.Sprintf("\nWITHDRAWN: %s: %s", w.Version, markdown.Sentence(w.Reason))
		if w.Use != "" {
			said += " Use " + w.Use + " instead."
		}
		if _, err := fmt.Fprintln(s.Out, said); err != nil {
			return err
		}
	}
	return s.printChecks(r.Checks)
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
	rows = append(rows, builtRows(r.Provenance)...)
	if len(r.Absent) > 0 {
		rows = append(rows, []string{"not downloaded", strings.Join(r.Absent, ", ")})
	}
	if err := s.printVerdict(r.Passed, rows); err != nil {
		return err
	}
	return s.printChecks(r.Checks)
}

// builtRows say what a provenance says, if there is one.
func builtRows(p *verify.Provenance) [][]string {
	if p == nil {
		return nil
	}
	rows := [][]string{{"built from", fmt.Sprintf("%s %s, commit %s", p.Repository, p.Ref, p.Commit)}, {"built by", p.Builder}}
	if p.Started != nil && p.Finished != nil {
		rows = append(rows, []string{"built at", p.Started.Format(time.RFC3339) + " to " + p.Finished.Format(time.RFC3339)})
	}
	for _, d := range p.Dependencies {
		rows = append(rows, []string{"built with", strings.TrimSpace(d.Name + " " + versionOf(d))})
	}
	return rows
}

// printVerdict says whether something is verified, and what it is.
func (s *Suite) printVerdict(passed bool, rows [][]string) error {
	verdict := "NOT verified"
	if passed {
		verdict = "verified"
	}
	return s.UI.Table(s.Out, []string{verdict, ""}, rows)
}

// printChecks writes what was looked at.
func (s *Suite) printChecks(checks []verify.Check) error {
	if err := s.blankLine(); err != nil {
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
	return s.UI.Table(s.Out, []string{"subject", "check", "state", "detail"}, rows)
}

// sboms says what the SBOMs of a release list.
func (o outcome) sboms() string {
	if len(o.Report.Platforms) == 0 {
		return "NO"
	}
	p := o.Report.Platforms[0]
	return fmt.Sprintf("%d crates, %d npm", p.Crates, p.Packages)
}

// provenance says what the signed provenance names.
func (o outcome) provenance() string {
	p := o.Report.Provenance
	if !o.Report.Passed || p == nil {
		return "NO"
	}
	return refName(p.Ref) + " @ " + short(p.Commit)
}

// moved names the tags that were made or moved, commits shortened.
func (o outcome) moved() string {
	var out []string
	for _, tag := range o.Moved {
		if commit, ok := strings.CutPrefix(tag, decide.CommitTag("")); ok {
			tag = decide.CommitTag(short(commit)) + "…"
		}
		out = append(out, tag)
	}
	return or(strings.Join(out, " "), "nothing")
}

// sum is a counter that several goroutines add to.
type sum struct{ n atomic.Int64 }

func (s *sum) add(n int64) int64 { return s.n.Add(n) }
