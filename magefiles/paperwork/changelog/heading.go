package changelog

import (
	"regexp"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// form is the grammar of a section's heading.
type form struct {
	ok      bool
	key     string
	version decide.Version
	bracket bool
	v       string // "v", "V" or ""
	name    string // as written, without "v"
	address span   // of an inline link, within the heading
	before  string // between name and date
	date    string
	yanked  span // with the blank before it, within the heading
}

var (
	headingForm = regexp.MustCompile(`^(\[?)([vV]?)((?i:unreleased)|[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*)(\]?)(?:\(<?([^()\s<>]*)>?(?:\s[^()]*)?\))?(.*)$`)
	restForm    = regexp.MustCompile(`^\s*$|^\s*[-–—:(\[<]`)
	dateForm    = regexp.MustCompile(`^(.*?)\b([0-9]{4}-[0-9]{2}-[0-9]{2})\b`)
	yankedForm  = regexp.MustCompile(`[ \t]?\[(?i:yanked)\]`)
)

// parseHeading reads the text of a level-2 heading. A heading without brackets
// counts only where nothing but a date, a remark or [YANKED] follows the name.
func parseHeading(s string) form {
	m := headingForm.FindStringSubmatchIndex(s)
	if m == nil {
		return form{}
	}
	h := form{ok: true, bracket: m[2] < m[3], v: s[m[4]:m[5]], name: s[m[6]:m[7]]}
	rest := s[m[12]:m[13]]
	if h.bracket != (m[8] < m[9]) {
		return form{}
	}
	if m[10] >= 0 && h.bracket {
		h.address = span{m[10], m[11]}
	}
	if d := dateForm.FindStringSubmatch(rest); d != nil {
		h.before = d[1]
		if _, err := time.Parse(time.DateOnly, d[2]); err == nil {
			h.date = d[2]
		}
	} else if !h.bracket && !restForm.MatchString(rest) {
		return form{}
	}
	if y := yankedForm.FindStringIndex(rest); y != nil {
		h.yanked = span{m[12] + y[0], m[12] + y[1]}
	}
	if strings.EqualFold(h.name, unreleased) {
		h.key = unreleased
		return h
	}
	v, err := decide.ParseVersion(h.name)
	if err != nil {
		return form{}
	}
	h.version, h.key = v, v.String()
	return h
}
