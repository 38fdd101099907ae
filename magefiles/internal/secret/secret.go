// Package secret finds and hides secrets in text, in all the forms in which
// they turn up in logs, answers and dumps.
package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// distinct is the length, in bytes, from which on a form is looked for also
// where white space is between its characters, and a value within something
// that is base64. What is shorter would be found in any text.
const distinct = 8

// stars stand for a secret.
const stars = "***"

// Forms are the ways in which a value shows: as it is, in JSON, in a URL, in a
// shell's single quotes, in base64, and inside of something that is base64.
// Sorted, each once; those of an empty value are none.
func Forms(value string) []string {
	if value == "" {
		return nil
	}
	query, path := url.QueryEscape(value), url.PathEscape(value)
	out := []string{
		value, inJSON(value, true), inJSON(value, false), strings.ReplaceAll(value, "'", `'\''`),
		query, path, lowerEscapes(query), lowerEscapes(path), base64.StdEncoding.EncodeToString([]byte(value)),
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		out = append(out, enc.EncodeToString([]byte(value)))
		if len(value) < distinct {
			continue
		}
		// Where in a group of three the value begins decides on its letters;
		// those at the ends hold bits of its neighbours.
		for before := range 3 {
			first := (before*8 + 5) / 6
			last := (before + len(value)) * 8 / 6
			out = append(out, enc.EncodeToString(append(make([]byte, before), value...))[first:last])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func inJSON(value string, html bool) string {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(html)
	_ = enc.Encode(value) // a string always has a spelling
	return strings.TrimSuffix(text.String(), "\"\n")[1:]
}

var escape = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return escape.ReplaceAllStringFunc(s, strings.ToLower) }

// Set are secrets to look for. The zero value has none.
type Set struct {
	needles []needle
	// longest is the length of the longest form; exact and loose say whether
	// there are any of these.
	longest      int
	exact, loose bool
}

// needle is a form that is looked for.
type needle struct {
	name string
	form []byte
	// loose says that white space is of no matter; form has none then.
	loose bool
}

// New is the set of these values, by their names.
func New(values map[string]string) *Set {
	s := &Set{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s.Add(name, values[name])
	}
	return s
}

// Add adds a secret. An empty one is no secret.
func (s *Set) Add(name, value string) {
	for _, form := range Forms(value) {
		n := needle{name: name, form: squeeze([]byte(form)), loose: true}
		if len(n.form) < distinct {
			n.form, n.loose = []byte(form), false
		}
		if slices.ContainsFunc(s.needles, func(o needle) bool { return o.name == name && bytes.Equal(o.form, n.form) }) {
			continue
		}
		s.needles = append(s.needles, n)
		s.longest = max(s.longest, len(form))
		s.exact, s.loose = s.exact || !n.loose, s.loose || n.loose
	}
}

// Mask replaces every form of a secret by "***", also those that are split over
// lines.
func (s *Set) Mask(text string) string {
	out, _ := s.hide(nil, []byte(text), 0, len(text))
	return string(out)
}

// MaskCut is [Set.Mask] of a text that goes on. What may be the beginning of a
// secret at its end is left away.
func (s *Set) MaskCut(text string) string {
	out, _ := s.hide(nil, []byte(text), 0, s.safe([]byte(text)))
	return string(out)
}

const (
	chunk = 64 << 10
	// most is how much text is held back, in bytes, since it may be the
	// beginning of a secret: it is nothing but white space, nearly.
	most = 1 << 20
)

// Copy copies a text, masked. It needs little memory whatever the text's size
// and the length of its lines. A secret with a megabyte of white space in it
// stays: Leaks finds it.
func (s *Set) Copy(ctx context.Context, to io.Writer, from io.Reader) error {
	var text, out []byte
	hidden := 0 // bytes of text that belong to a secret before it
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		text = append(text, buf[:n]...)
		safe := max(s.safe(text), len(text)-most)
		if err != nil {
			safe = len(text)
		}
		out, hidden = s.hide(out[:0], text, hidden, safe)
		if _, werr := to.Write(out); werr != nil {
			return werr
		}
		text = append(text[:0], text[safe:]...)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Leaks gives the names, sorted, of the secrets that are in a text, also split
// over lines.
func (s *Set) Leaks(ctx context.Context, text io.Reader) ([]string, error) {
	search := s.Search()
	buf := make([]byte, chunk)
	for {
		n, err := text.Read(buf)
		_, _ = search.Write(buf[:n]) // never fails
		if err == io.EOF {
			return search.Found(), nil
		}
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// Search looks for secrets in what is written to it.
type Search struct {
	set *Set
	// text and squeezed are the ends of what was written, the latter without
	// white space.
	text, squeezed []byte
	found          map[string]bool
}

// Search begins one.
func (s *Set) Search() *Search { return &Search{set: s, found: map[string]bool{}} }

// Write never fails.
func (s *Search) Write(p []byte) (int, error) {
	if s.set.exact {
		s.text = append(s.text, p...)
	}
	if s.set.loose {
		s.squeezed = append(s.squeezed, squeeze(p)...)
	}
	for _, n := range s.set.needles {
		if !s.found[n.name] && bytes.Contains(s.in(n), n.form) {
			s.found[n.name] = true
		}
	}
	s.text, s.squeezed = s.set.end(s.text), s.set.end(s.squeezed)
	return len(p), nil
}

func (s *Search) in(n needle) []byte {
	if n.loose {
		return s.squeezed
	}
	return s.text
}

// end is what may be the beginning of a secret, at the beginning of the buffer.
func (s *Set) end(text []byte) []byte {
	return append(text[:0], text[max(0, len(text)-max(0, s.longest-1)):]...)
}

// Found are the names, sorted, of the secrets that were found so far.
func (s *Search) Found() []string { return slices.Sorted(maps.Keys(s.found)) }

// span is where a secret stands.
type span struct{ begin, end int }

// spans finds all secrets. They may overlap; those that begin first come first.
func (s *Set) spans(text []byte) []span {
	var squeezed []byte
	var at []int
	if s.loose {
		squeezed, at = squeeze(text), places(text)
	}
	var out []span
	for _, n := range s.needles {
		in := text
		if n.loose {
			in = squeezed
		}
		for from := 0; ; from++ {
			i := bytes.Index(in[from:], n.form)
			if i < 0 {
				break
			}
			from += i
			found := span{from, from + len(n.form)}
			if n.loose {
				found = span{at[found.begin], at[found.end-1] + 1}
			}
			out = append(out, found)
		}
	}
	slices.SortFunc(out, func(a, b span) int { return a.begin - b.begin })
	return out
}

// hide appends text up to safe, masked. The first bytes, as many as hidden
// says, belong to a secret that has its stars already; it gives how many these
// are of the text from safe on. Secrets that overlap get the stars of one.
func (s *Set) hide(out, text []byte, hidden, safe int) (_ []byte, after int) {
	at := hidden
	for _, found := range s.spans(text) {
		if found.begin >= safe {
			break
		}
		if found.begin >= at {
			out = append(append(out, text[at:found.begin]...), stars...)
		}
		at = max(at, found.end)
	}
	if at < safe {
		out, at = append(out, text[at:safe]...), safe
	}
	return out, at - safe
}

// safe is how much of a text that goes on can be told: a secret that begins
// later may go on after the end.
func (s *Set) safe(text []byte) int {
	if s.longest <= 1 {
		return len(text)
	}
	at := places(text)
	if len(at) < s.longest {
		return 0
	}
	return at[len(at)-s.longest+1]
}

// white is what may stand between the characters of a secret.
func white(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// squeeze leaves white space out.
func squeeze(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range text {
		if !white(c) {
			out = append(out, c)
		}
	}
	return out
}

// places are where the characters of the squeezed text stand.
func places(text []byte) []int {
	out := make([]int, 0, len(text))
	for i, c := range text {
		if !white(c) {
			out = append(out, i)
		}
	}
	return out
}
