// Package markdown makes text safe to stand in Markdown (CommonMark 0.31 with
// GitHub's tables): what people wrote elsewhere must not become headings, links
// or HTML of ours. It knows no other package of the suite.
package markdown

import (
	"regexp"
	"strings"
	"unicode"
)

// Literal gives Markdown for one paragraph, or one cell of a table, that shows
// text exactly as it is. White space is collapsed and control characters go.
// Plain web addresses stay, for forges make links of them.
func Literal(text string) string {
	words := strings.Fields(strings.Map(visible, strings.ToValidUTF8(text, "?")))
	for i, w := range words {
		if !address.MatchString(w) {
			words[i] = literal(w)
		}
	}
	line := strings.Join(words, " ")
	switch m := number.FindStringSubmatchIndex(line); {
	case m != nil: // the beginning of a list
		line = line[:m[2]] + `\` + line[m[2]:]
	case line != "" && strings.ContainsRune("#>-+=", rune(line[0])):
		line = `\` + line
	}
	return line
}

// Sentence ends a text as one. An empty one stays so.
func Sentence(text string) string {
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

var (
	address = regexp.MustCompile(`^https?://[A-Za-z0-9./?#=&%+:,@_-]*[A-Za-z0-9/]$`)
	number  = regexp.MustCompile(`^[0-9]+([.)])(?: |$)`)
)

// visible drops what cannot be seen and what turns the direction of writing.
func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return -1
	}
	return r
}

func literal(word string) string {
	r := []rune(word)
	var out strings.Builder
	for i, c := range r {
		var before, after rune
		if i > 0 {
			before = r[i-1]
		}
		if i+1 < len(r) {
			after = r[i+1]
		}
		// An underscore inside a word means nothing, nor does a lone "&".
		bare := c == '_' && plain(before) && plain(after) || c == '&' && !plain(after) && after != '#'
		if strings.ContainsRune("\\`*_[]<|~$&", c) && !bare {
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}

func plain(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// Cell gives inline Markdown the form that it needs in a cell of a table: on one
// line, with its pipes escaped. Pipes that are escaped already stay.
func Cell(text string) string {
	text = strings.TrimSpace(lineEnds.Replace(text))
	var out strings.Builder
	escaped := false
	for _, c := range text {
		if c == '|' && !escaped {
			out.WriteByte('\\')
		}
		escaped = c == '\\' && !escaped
		out.WriteRune(c)
	}
	return out.String()
}

var lineEnds = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// Table writes a table whose cells show their text as it is. A row may have
// fewer cells than there are headers; what it has more is left out.
func Table(header []string, rows [][]string) string {
	var out strings.Builder
	line := func(cells []string) {
		for i := range header {
			out.WriteString("| ")
			if i < len(cells) {
				out.WriteString(Literal(cells[i]))
			}
			out.WriteString(" ")
		}
		out.WriteString("|\n")
	}
	line(header)
	out.WriteString(strings.Repeat("|---", len(header)) + "|\n")
	for _, r := range rows {
		line(r)
	}
	return out.String()
}
