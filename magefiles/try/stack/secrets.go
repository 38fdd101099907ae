package stack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// shortest is the length of a value, in bytes, from which on it is masked and
// searched for. Shorter ones occur in any log.
const shortest = 8

// Secrets are values by the names of the variables that carry them. Printing
// them, or writing them as JSON, gives their names only.
type Secrets map[string]string

// NewSecrets makes a secret of 256 random bits, in hexadecimal, for each name.
func NewSecrets(names ...string) Secrets {
	s := Secrets{}
	for _, name := range names {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails, by its documentation
		s[name] = hex.EncodeToString(b[:])
	}
	return s
}

// Names are sorted.
func (s Secrets) Names() []string { return slices.Sorted(maps.Keys(s)) }

// Values are in the order of the names.
func (s Secrets) Values() []string {
	var out []string
	for _, name := range s.Names() {
		out = append(out, s[name])
	}
	return out
}

func (s Secrets) String() string { return fmt.Sprintf("secrets %v", s.Names()) }

// GoString keeps the values out of %#v.
func (s Secrets) GoString() string { return s.String() }

// MarshalText keeps the values out of reports.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// forms are the ways in which a value shows in a log: as it is, URL-encoded,
// and inside of something that is base64.
func forms(value string) []string {
	if len(value) < shortest {
		return nil
	}
	query, path := url.QueryEscape(value), url.PathEscape(value)
	out := []string{value, query, path, lowerEscapes(query), lowerEscapes(path)}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
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

var escape = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return escape.ReplaceAllStringFunc(s, strings.ToLower) }

// masker replaces every form of the secrets. The longest come first: one may
// be the beginning of another.
func (s Secrets) masker() (replace *strings.Replacer, longest int) {
	var all []string
	for _, value := range s {
		all = append(all, forms(value)...)
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range all {
		pairs = append(pairs, form, "***")
		longest = max(longest, len(form))
	}
	return strings.NewReplacer(pairs...), longest
}

// Mask replaces every secret of eight bytes or more, also URL-encoded and in
// base64, by "***".
func (s Secrets) Mask(text string) string {
	replace, _ := s.masker()
	return replace.Replace(text)
}

const chunk = 64 << 10

// Copy copies a log, masked. It needs little memory whatever the log's size
// and the length of its lines. A secret that is split over lines stays: Leaks
// finds it.
func (s Secrets) Copy(ctx context.Context, to io.Writer, from io.Reader) error {
	replace, longest := s.masker()
	var text string
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		text = replace.Replace(text + string(buf[:n]))
		// The beginning of a secret may be at the end.
		safe := max(0, len(text)-max(0, longest-1))
		if err != nil {
			safe = len(text)
		}
		if _, werr := io.WriteString(to, text[:safe]); werr != nil {
			return werr
		}
		text = text[safe:]
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

// Leaks gives the names, sorted, of the secrets of eight bytes or more that
// are in a log: as they are, URL-encoded or in base64, also split over lines.
func (s Secrets) Leaks(ctx context.Context, log io.Reader) ([]string, error) {
	needles, longest := map[string][][]byte{}, 0
	for name, value := range s {
		for _, form := range forms(value) {
			// Without white space, lines are of no matter.
			needle := squeeze([]byte(form))
			needles[name] = append(needles[name], needle)
			longest = max(longest, len(needle))
		}
	}
	found := map[string]bool{}
	var text []byte
	buf := make([]byte, chunk)
	for {
		n, err := log.Read(buf)
		text = append(text, squeeze(buf[:n])...)
		for name, forms := range needles {
			if !found[name] && slices.ContainsFunc(forms, func(f []byte) bool { return bytes.Contains(text, f) }) {
				found[name] = true
			}
		}
		text = append(text[:0], text[max(0, len(text)-longest):]...)
		if err == io.EOF {
			return slices.Sorted(maps.Keys(found)), nil
		}
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

func squeeze(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return out
}
