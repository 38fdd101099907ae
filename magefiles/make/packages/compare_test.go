package packages_test

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Debian has no apk, and its pacman comes without vercmp, so their rules are
// written down here; pacman itself is asked in [TestPacman].

var (
	apkForm   = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)*)(?:_([a-z]+)([0-9]*))?$`)
	apkSuffix = []string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}
)

// apkCompare follows apk-package(5): numbers, then a suffix, of which those up to
// rc come before none.
func apkCompare(t testing.TB, a, b string) int {
	t.Helper()
	parse := func(s string) (numbers []int, suffix, n int) {
		m := apkForm.FindStringSubmatch(s)
		if m == nil || !slices.Contains(apkSuffix, m[2]) {
			t.Fatalf("%q is no version of apk", s)
		}
		for part := range strings.SplitSeq(m[1], ".") {
			v, err := strconv.Atoi(part)
			ok(t, err)
			numbers = append(numbers, v)
		}
		n, _ = strconv.Atoi(m[3])
		return numbers, slices.Index(apkSuffix, m[2]), n
	}
	an, as, ac := parse(a)
	bn, bs, bc := parse(b)
	return cmp.Or(slices.Compare(an, bn), cmp.Compare(as, bs), cmp.Compare(ac, bc))
}

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
