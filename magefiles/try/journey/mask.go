package journey

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// mask takes secrets out of texts: those that are known, in the spellings that
// they have on the wire, and whatever stands where secrets stand.
type mask struct {
	known    map[string]bool
	longest  int
	replacer *strings.Replacer
}

// stars stand for a secret.
const stars = "***"

// add makes secrets known. Each stays so for the rest of the journey.
func (m *mask) add(secrets ...string) {
	if m.known == nil {
		m.known = map[string]bool{}
	}
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted, _ := json.Marshal(s) // a string always has a spelling
		for _, form := range []string{
			s, strings.Trim(string(quoted), `"`), url.QueryEscape(s), url.PathEscape(s),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
		} {
			m.known[form] = true
			m.longest = max(m.longest, len(form))
		}
	}
	m.replacer = nil
}

var (
	// secretField is a JSON field that holds a secret by its name, also where
	// the text ends within.
	secretField = regexp.MustCompile(`(?i)("[^"]*(?:token|password|secret|cookie|csrf|session)[^"]*"\s*:\s*")(?:[^"\\]|\\.)*`)
	cookieField = regexp.MustCompile(`(?i)((?:` + sessionCookie + `|` + csrfCookie + `)=)[^;\s"&]+`)
	bearerField = regexp.MustCompile(`(?i)(bearer\s+)[^\s"]+`)
)

// text gives s without secrets.
func (m *mask) text(s string) string {
	if m.replacer == nil {
		forms := make([]string, 0, len(m.known))
		for f := range m.known {
			forms = append(forms, f)
		}
		// The longest first: one may be the beginning of another.
		slices.SortFunc(forms, func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		})
		var pairs []string
		for _, f := range forms {
			pairs = append(pairs, f, stars)
		}
		m.replacer = strings.NewReplacer(pairs...)
	}
	s = m.replacer.Replace(s)
	for _, re := range []*regexp.Regexp{secretField, cookieField, bearerField} {
		s = re.ReplaceAllString(s, "${1}"+stars)
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
	s := m.text(strings.ToValidUTF8(string(b), "\uFFFD"))
	if cut {
		// The end may hold the beginning of a secret.
		s = s[:max(0, len(s)-m.longest)]
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > shown {
		s, cut = string(r[:shown]), true
	}
	if cut {
		s += "…"
	}
	return s
}
