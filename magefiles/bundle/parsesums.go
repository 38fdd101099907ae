package bundle

import (
	"fmt"
	"regexp"
	"strings"
)

// sumLine is a line of sha256sum(1), in its text or its binary form.
var sumLine = regexp.MustCompile(`^([0-9a-f]{64}) [ *]([^/\\\s]+)$`)

// ParseSums reads SHA256SUMS as [Bundle.WriteSums] writes it, or sha256sum(1):
// the sha256, in lower-case hex, of each file by its name. A line of another
// form, a name with a directory in it and one that stands there twice are
// errors with the line's number; so is a list without any file.
func ParseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		m := sumLine.FindStringSubmatch(line)
		switch {
		case m == nil && len(text) == 0:
			return nil, fmt.Errorf("%s is empty: download it again", SumsName)
		case m == nil:
			return nil, fmt.Errorf("%s:%d is %s: want a sha256, two spaces and a file's name, as sha256sum writes them", SumsName, i+1, clip(line))
		case sums[m[2]] != "":
			return nil, fmt.Errorf("%s:%d names %s a second time: it is not the list that was released", SumsName, i+1, clip(m[2]))
		}
		sums[m[2]] = m[1]
	}
	return sums, nil
}
