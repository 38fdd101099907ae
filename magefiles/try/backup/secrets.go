package backup

import (
	"bytes"
	"encoding/base64"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// needles are the forms in which the values of secrets are searched for.
type needles []needle

type needle struct {
	name string // of the secret, never its value
	form []byte
}

func newNeedles(secrets map[string]string) needles {
	var out needles
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		value := secrets[name]
		if value == "" {
			continue
		}
		forms := []string{
			value, url.QueryEscape(value), url.PathEscape(value),
			base64.RawStdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
			strings.ReplaceAll(value, "'", `'\''`),
		}
		slices.Sort(forms)
		for _, form := range slices.Compact(forms) {
			out = append(out, needle{name, []byte(form)})
		}
	}
	return out
}

// in names a secret whose value stands in a text, or gives "".
func (n needles) in(text []byte) string {
	for _, needle := range n {
		if bytes.Contains(text, needle.form) {
			return needle.name
		}
	}
	return ""
}

// longest is the length of the longest form.
func (n needles) longest() int {
	most := 0
	for _, needle := range n {
		most = max(most, len(needle.form))
	}
	return most
}

// reader searches what is read through it. What holds a secret is a fault.
func (n needles) reader(r io.Reader) io.Reader {
	if len(n) == 0 {
		return r
	}
	return &searching{r: r, needles: n, keep: n.longest() - 1}
}

type searching struct {
	r       io.Reader
	needles needles
	keep    int
	window  []byte // the end of what was read, and what is new
}

func (s *searching) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.window = append(s.window, p[:n]...)
	if name := s.needles.in(s.window); name != "" {
		return 0, fault("holds the value of " + name)
	}
	s.window = append(s.window[:0], s.window[max(0, len(s.window)-s.keep):]...)
	return n, err
}
