package reproduce

import (
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/filediff"
)

// Header is that of the table for people.
func Header() []string { return []string{"artifact", "result", "where", "release", "again"} }

// Rows are a report's artifacts, one a line, and for what differs one a
// difference.
func (r Report) Rows() [][]string {
	var rows [][]string
	for _, a := range r.Artifacts {
		switch a.Verdict {
		case Follows:
			rows = append(rows, []string{a.Name, "follows " + strings.Join(a.Of, ", "), "", "", ""})
			continue
		case Missing:
			rows = append(rows, []string{a.Name, string(Missing), "", filediff.Shown(short(a.A)), filediff.Shown(short(a.B))})
			continue
		}
		name, verdict := a.Name, string(a.Verdict)
		if len(a.Differences) == 0 {
			rows = append(rows, []string{name, verdict, "", "", ""})
		}
		for _, d := range a.Differences {
			rows = append(rows, []string{name, verdict, d.Where(), filediff.Shown(d.A), filediff.Shown(d.B)})
			name, verdict = "", ""
		}
		if a.More > 0 {
			rows = append(rows, []string{"", "", fmt.Sprintf("and %d more", a.More), "", ""})
		}
	}
	return rows
}

// LeftHeader is that of the table of what was left out.
func LeftHeader() []string { return []string{"left out", "why"} }

// LeftRows are what was left out, one a line.
func (r Report) LeftRows() [][]string {
	rows := make([][]string, 0, len(r.LeftOut))
	for _, l := range r.LeftOut {
		rows = append(rows, []string{l.Name, l.Why})
	}
	return rows
}

// String is one sentence: how much is identical, or the first that is not.
func (r Report) String() string {
	if r.Same {
		s := fmt.Sprintf("%d artifacts are identical", r.Count(Identical))
		if n := r.Count(Signature); n > 0 {
			s += fmt.Sprintf(", %d but for their signatures", n)
		}
		return fmt.Sprintf("%s, %d left out", s, len(r.LeftOut))
	}
	differ := r.Count(Differs) + r.Count(Missing)
	for _, a := range r.Artifacts {
		switch {
		case a.Verdict == Missing && a.B == "":
			return fmt.Sprintf("%d of %d artifacts differ, the first: the build again has no %s", differ, len(r.Artifacts), a.Name)
		case a.Verdict == Missing:
			return fmt.Sprintf("%d of %d artifacts differ, the first: the release has no %s", differ, len(r.Artifacts), a.Name)
		case a.Verdict == Differs && len(a.Differences) > 0:
			d := a.Differences[0]
			return fmt.Sprintf("%d of %d artifacts differ, the first is %s: %s is %s in the release and %s in the build again",
				differ, len(r.Artifacts), a.Name, d.Where(), filediff.Shown(d.A), filediff.Shown(d.B))
		}
	}
	return fmt.Sprintf("%d of %d artifacts differ", len(r.Artifacts)-r.Count(Identical), len(r.Artifacts))
}

// short keeps a digest recognisable.
func short(digest string) string {
	const most = len("sha256:") + 12
	return digest[:min(len(digest), most)]
}
