// Package shellword writes and reads the values of KEY=value files that a POSIX
// shell may source: manifests of backups and reports of tries. Nothing is ever
// run or expanded.
package shellword

import (
	"errors"
	"fmt"
	"strings"
)

// Quote gives a word as a POSIX shell reads it: plain where it needs nothing,
// else in single quotes.
func Quote(s string) string {
	for _, c := range []byte(s) {
		if !plain(c) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// OneLine gives a text as one that fits into a line: control characters become
// spaces, and what is no UTF-8 becomes U+FFFD.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// plain bytes mean themselves at any place of a shell's assignment.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-./:@%+,=", c) >= 0
}

// Unquote reads the one word that a shell would assign, in any of the forms
// that printf %q and people write. Nothing is ever expanded: what would be, is
// an error.
func Unquote(s string) (string, error) {
	var out strings.Builder
	for s != "" {
		c := s[0]
		switch {
		case c == '\'':
			end := strings.IndexByte(s[1:], '\'')
			if end < 0 {
				return "", errors.New("a single quote is not closed on its line")
			}
			out.WriteString(s[1 : end+1])
			s = s[end+2:]
		case c == '"':
			rest, err := doubleQuoted(&out, s[1:])
			if err != nil {
				return "", err
			}
			s = rest
		case strings.HasPrefix(s, "$'"):
			rest, err := ansiQuoted(&out, s[2:])
			if err != nil {
				return "", err
			}
			s = rest
		case c == '\\':
			if len(s) == 1 {
				return "", errors.New("it goes on over the end of its line")
			}
			out.WriteByte(s[1])
			s = s[2:]
		case plain(c), c >= 0x80, c == '#' && out.Len() > 0, c == '^':
			out.WriteByte(c)
			s = s[1:]
		default:
			return "", special(c)
		}
	}
	return out.String(), nil
}

// special says what a shell would do at a byte.
func special(c byte) error {
	switch {
	case c == '$' || c == '`':
		return fmt.Errorf("a shell would run or expand what follows %q: values are plain or quoted text", c)
	case strings.IndexByte(";&|<>()", c) >= 0:
		return fmt.Errorf("a shell would run what follows %q as a command: values are plain or quoted text", c)
	case c == ' ' || c == '\t':
		return errors.New("a shell would run what follows the space as a command: quote the value")
	case c < 0x20 || c == 0x7f:
		return fmt.Errorf("it has the control character %q", c)
	}
	return fmt.Errorf("%q has a meaning of its own in a shell: quote the value", c)
}

// doubleQuoted reads up to the closing double quote and gives what follows it.
func doubleQuoted(out *strings.Builder, s string) (string, error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return s[i+1:], nil
		case '$', '`':
			return "", special(c)
		case '\\':
			if i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0 {
				i++
			}
			out.WriteByte(s[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", errors.New("a double quote is not closed on its line")
}

// ansiQuoted reads the $'…' of bash, which printf %q writes for bytes outside
// of ASCII, up to its end, and gives what follows it.
func ansiQuoted(out *strings.Builder, s string) (string, error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'':
			return s[i+1:], nil
		case c != '\\':
			out.WriteByte(c)
		case i+1 < len(s) && strings.IndexByte(`'"\?`, s[i+1]) >= 0:
			i++
			out.WriteByte(s[i])
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && octal(s[i+2]) && octal(s[i+3]):
			out.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
		default:
			return "", errors.New(`only \' and three octal digits are read inside of $'…'`)
		}
	}
	return "", errors.New("a $' is not closed on its line")
}

func octal(c byte) bool { return c >= '0' && c <= '7' }
