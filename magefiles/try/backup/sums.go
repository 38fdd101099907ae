package backup

import (
	"regexp"
	"strings"
)

// sumLine is a line of sha256sum(1), in its text or its binary form.
var sumLine = regexp.MustCompile(`^([0-9a-f]{64}) [ *]([^/\\]+)$`)

// ParseSums reads SHA256SUMS: a lower-case SHA-256 for each name. Every problem
// of form is named; which files have to be listed is up to [Verify].
func ParseSums(text []byte) (map[string]string, []Problem) {
	p := &problems{file: SumsName}
	sums := parseSums(string(text), p)
	return sums, p.all()
}

func parseSums(text string, p *problems) map[string]string {
	sums, lines := map[string]string{}, map[string]int{}
	if text == "" {
		return sums
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		n := i + 1
		m := sumLine.FindStringSubmatch(line)
		if m == nil {
			p.addAt(n, "%s is not a SHA-256, two spaces and a name, as sha256sum writes them", short(line))
			continue
		}
		name := m[2]
		if first := lines[name]; first > 0 {
			p.addAt(n, "%s stands in line %d already: one of the two has to go", short(name), first)
			continue
		}
		lines[name] = n
		if _, ok := find(name); !ok || name == SumsName {
			p.addAt(n, "%s is no file that SHA256SUMS lists", short(name))
			continue
		}
		sums[name] = m[1]
	}
	return sums
}

// formatSums writes the checksums of files, in the order of [layout].
func formatSums(sums map[string]string) string {
	var out strings.Builder
	for _, m := range layout() {
		if sum, ok := sums[m.name]; ok {
			out.WriteString(sum + "  " + m.name + "\n")
		}
	}
	return out.String()
}
