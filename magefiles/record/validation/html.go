package validation

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

//go:embed validation.html.tmpl
var htmlText string

//go:embed validation.css
var style string

// HTML writes the record as one page for people who would rather look than
// read. It loads nothing and runs nothing: its content security policy allows
// its own style sheet, by hash, and no more. The same release gives the same
// bytes.
func HTML(r Release) ([]byte, error) {
	t, err := template.New("validation.html").Funcs(template.FuncMap{
		"short": short, "took": took, "size": term.Bytes, "clock": clock, "isDigest": isDigest, "isLink": isLink, "percent": percent,
		"class": class, "words": say, "bare": bare, "open": isOpen,
	}).Parse(htmlText)
	if err != nil {
		return nil, fmt.Errorf("reading the template of the validation page: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	v := struct {
		view
		Style     template.CSS
		StyleHash string
	}{r.view(), template.CSS(style), base64.StdEncoding.EncodeToString(sum[:])}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("writing the validation page: %w", err)
	}
	return out.Bytes(), nil
}

// link is what may become one: an address without user names or spaces.
var link = regexp.MustCompile(`^https?://[A-Za-z0-9.:-]+(/[^\s\\@]*)?$`)

func isLink(s string) bool { return link.MatchString(s) }

// bare is a link without its scheme.
func bare(s string) string {
	_, rest, _ := strings.Cut(s, "://")
	return rest
}

// percent writes a share for SVG.
func percent(f float64) string { return strconv.FormatFloat(100*f, 'f', 3, 64) + "%" }

// class is the result's name in the style sheet and of its sign.
func class(r record.Result) string {
	switch r {
	case pass:
		return "pass"
	case fail:
		return "fail"
	case pending:
		return "pending"
	case notApplicable:
		return "na"
	}
	return "notrun"
}

// say writes a result as people read it: "NOT RUN".
func say(r record.Result) string { return strings.ReplaceAll(string(r), "_", " ") }

// isOpen is true for what is shown unfolded: what did not pass.
func isOpen(t track) bool { return t.Result != pass && t.Result != notApplicable }

// Left and Wide place a bar; it is never too narrow to be seen.
func (t track) Left() string { return percent(min(t.from, 1-t.room())) }

// Wide is the bar's length.
func (t track) Wide() string { return percent(t.room()) }

const narrowest = 0.006

func (t track) room() float64 { return max(t.wide, narrowest) }

// At places a line of the scale.
func (t tick) At() string { return percent(t.at) }
