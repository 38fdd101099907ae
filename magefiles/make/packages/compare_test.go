package packages_test

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// Debian's pacman comes without vercmp, so its rules are written down here; pacman
// itself is asked in [TestPacman].

var alpmPart = regexp.MustCompile(`[0-9]+|[a-zA-Z]+`)

// alpmCompare follows vercmp(8): parts of digits and of letters one by one, digits
// after letters, and letters at the end before nothing at all.
func alpmCompare(a, b string) int {
	as, bs := alpmPart.FindAllString(a, -1), alpmPart.FindAllString(b, -1)
	digits := func(s string) bool { return s[0] >= '0' && s[0] <= '9' }
	for i := range min(len(as), len(bs)) {
		x, y := as[i], bs[i]
		switch {
		case digits(x) && digits(y):
			n, _ := strconv.Atoi(x)
			m, _ := strconv.Atoi(y)
			if n != m {
				return cmp.Compare(n, m)
			}
		case digits(x) != digits(y):
			if digits(x) {
				return 1
			}
			return -1
		case x != y:
			return strings.Compare(x, y)
		}
	}
	switch {
	case len(as) == len(bs):
		return 0
	case len(as) > len(bs):
		if digits(as[len(bs)]) {
			return 1
		}
		return -1
	}
	return -alpmCompare(b, a)
}
