package upgrading

import (
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// Rows are rows that were taken out of a guide, by table and version.
type Rows struct{ tables [2][]versionRows }

type versionRows struct {
	version decide.Version
	// lines have no line ends.
	lines []string
}

// Split takes the rows of those versions out of the guide that another one has
// no rows of, and gives the rest of the file beside them. [Guide.Insert] puts
// them back: into this guide, or into the other one.
func (g *Guide) Split(other *Guide) (rest []byte, taken Rows) {
	keep := g.Bytes()
	var cuts [][2]int
	for i, t := range g.tables {
		start := t.body
		for n, r := range t.Rows {
			end := t.ends[n]
			if !r.Version.IsZero() && len(other.tables[i].of(r.Version)) == 0 {
				line := strings.TrimRight(string(g.text[start:end]), "\r\n")
				list := taken.tables[i]
				if last := len(list) - 1; last >= 0 && list[last].version.Compare(r.Version) == 0 {
					list[last].lines = append(list[last].lines, line)
				} else {
					list = append(list, versionRows{r.Version, []string{line}})
				}
				taken.tables[i] = list
				cuts = append(cuts, [2]int{start, end})
			}
			start = end
		}
	}
	slices.SortFunc(cuts, func(a, b [2]int) int { return b[0] - a[0] }) // from the end on
	for _, c := range cuts {
		keep = slices.Delete(keep, c[0], c[1])
	}
	return keep, taken
}

// Insert gives the file with rows of another guide, each version where the
// order of the table wants it. Rows of versions that the guide has stay out.
func (g *Guide) Insert(rows Rows) ([]byte, error) {
	for i := range rows.tables {
		for _, r := range rows.tables[i] {
			t := g.tables[i]
			if len(t.of(r.version)) > 0 {
				continue
			}
			order := t.order()
			if order == 0 {
				order = g.tables[1-i].order()
			}
			at := t.place(r.version, order < 0)
			text := strings.Join(r.lines, t.ending) + t.ending
			if at > 0 && g.text[at-1] != '\n' { // the last line of the file, unended
				text = t.ending + strings.TrimSuffix(text, t.ending)
			}
			next, err := Parse("", slices.Insert(g.Bytes(), at, []byte(text)...))
			if err != nil {
				return nil, err
			}
			g = next
		}
	}
	return g.Bytes(), nil
}
