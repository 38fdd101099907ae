package journey

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/kubedoio/rustshare-release/magefiles/internal/secret"
)

// mask takes secrets out of texts: those that are known, in the spellings that
// they have on the wire, and whatever stands where secrets stand.
type mask struct{ known secret.Set }

// add makes secrets known. Each stays so for the rest of the journey.
func (m *mask) add(secrets ...string) {
	for _, s := range secrets {
		m.known.Add(s, s)
	}
}

var (
	// secretField is a JSON field that holds a secret by its name, also where
	// the text ends within.
	secretField = regexp.MustCompile(`(?i)("[^"]*(?:token|password|secret|cookie|csrf|session)[^"]*"\s*:\s*")(?:[^"\\]|\\.)*`)
	cookieField = regexp.MustCompile(`(?i)((?:` + sessionCookie + `|` + csrfCookie + `)=)[^;\s"&]+`)
	bearerField = regexp.MustCompile(`(?i)(bearer\s+)[^\s"]+`)
)

// text gives s without secrets.
func (m *mask) text(s string) string { return fields(m.known.Mask(s)) }

// fields hides what stands where secrets stand.
func fields(s string) string {
	for _, re := range []*regexp.Regexp{secretField, cookieField, bearerField} {
		s = re.ReplaceAllString(s, "${1}***")
	}
	return s
}

// shown is how much of a body an error shows, in characters, out of the first
// bytes that are looked at.
const (
	shown  = 300
	lookAt = 64 << 10
)

// body gives the beginning of a body for an error: masked, on one line, without
// control characters. cut says that the body went on.
func (m *mask) body(b []byte, cut bool) string {
	if len(b) > lookAt {
		b, cut = b[:lookAt], true
	}
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	if cut { // the end may hold the beginning of a secret
		s = m.known.MaskCut(s)
	} else {
		s = m.known.Mask(s)
	}
	s = strings.Join(strings.FieldsFunc(fields(s), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > shown {
		s, cut = string(r[:shown]), true
	}
	if cut {
		s += "…"
	}
	return s
}
