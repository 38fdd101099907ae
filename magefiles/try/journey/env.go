package journey

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kubedoio/rustshare-release/magefiles/internal/shellword"
)

// ParseError is a line of a report that cannot be taken.
type ParseError struct {
	File    string
	Line    int
	Problem string
}

// Error gives "20060102T150405Z-pilot.env:12: problem".
func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// Place is where the fault stands, for annotations.
func (e *ParseError) Place() (file string, line int) { return e.File, e.Line }

// prefixes are how the keys of each journey's own fields begin.
var prefixes = []struct{ journey, prefix string }{
	{"launch", "FINAL_LAUNCH_SMOKE_"},
	{"beta", "BETA_SMOKE_"},
	{"post-restore", "POST_RESTORE_SMOKE_"},
	{pilot, "PILOT_SMOKE_"},
	{"verify", "VERIFY_SMOKE_"},
	{"bad-login", "BAD_LOGIN_SMOKE_"},
}

var (
	// plainID is an identifier that the product makes. It goes into URLs and
	// files.
	plainID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	plainSum  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	plainSize = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
	plainFlag = regexp.MustCompile(`^(true|false)$`)
)

// field is a line of the report.
type field struct {
	key string
	// form is what a value other than "" looks like; nil for any.
	form *regexp.Regexp
	// needed: Verify cannot do without it.
	needed bool
	get    func() string
	set    func(string)
}

func text(key string, form *regexp.Regexp, needed bool, at *string) field {
	return field{key, form, needed, func() string { return *at }, func(s string) { *at = s }}
}

func size(key string, at *int64) field {
	get := func() string {
		if *at == 0 {
			return ""
		}
		return strconv.FormatInt(*at, 10)
	}
	return field{key, plainSize, true, get, func(s string) {
		*at, _ = strconv.ParseInt(s, 10, 64) // the form lets nothing else through
	}}
}

// fields are the lines that name what a journey made.
func (k *Kept) fields() []field {
	flag := func(s string) { k.Preserved = s == "true" }
	return []field{
		{"SMOKE_DATA_PRESERVED", plainFlag, true, func() string { return strconv.FormatBool(k.Preserved) }, flag},
		text("SMOKE_FOLDER_ID", plainID, true, &k.FolderID),
		text("SMOKE_FILE_ID", plainID, true, &k.FileID),
		text("SMOKE_FILE_SHA256", plainSum, true, &k.FileSHA256),
		size("SMOKE_FILE_SIZE", &k.FileSize),
		text("SMOKE_NOTE_ID", plainID, true, &k.NoteID),
		text("SMOKE_NOTE_TITLE", plainID, true, &k.NoteTitle),
		text("SMOKE_NOTE_SHA256", plainSum, true, &k.NoteSHA256),
		text("SEARCH_NEEDLE", plainID, true, &k.SearchNeedle),
		text("SMOKE_DROP_NAME", plainID, true, &k.DropName),
		text("SMOKE_DROP_SHA256", plainSum, true, &k.DropSHA256),
		size("SMOKE_DROP_SIZE", &k.DropSize),
		text("PUBLIC_FILE_SHARE_ID", plainID, true, &k.PublicShareID),
		text("UPLOAD_ONLY_SHARE_ID", plainID, false, &k.UploadOnlyShareID),
	}
}

// Env gives the report as lines KEY=VALUE that a shell may source: the status,
// the times (RFC 3339) and the URL under the journey's own prefix, such as
// BETA_SMOKE_STATUS, and what the journey made under SMOKE_FOLDER_ID and the
// like. Values that are not plain stand in single quotes.
func (r Report) Env() []byte {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + "=" + quoted(value) + "\n") }
	for _, p := range prefixes {
		if p.journey == r.Journey {
			line(p.prefix+"STATUS", string(r.Status))
			line(p.prefix+"STARTED_AT", r.Started.UTC().Format(time.RFC3339))
			line(p.prefix+"FINISHED_AT", r.Finished.UTC().Format(time.RFC3339))
			line(p.prefix+"BASE_URL", r.BaseURL)
		}
	}
	line("ADMIN_EMAIL", r.Admin)
	line("VIEWER_EMAIL", r.Viewer)
	for _, f := range r.Kept.fields() {
		line(f.key, f.get())
	}
	line("REPORT_DETAILS", r.Details)
	return []byte(b.String())
}

// quoted is a value for a shell, on one line.
func quoted(s string) string { return shellword.Quote(shellword.OneLine(s)) }

// unquoted takes quoted back, and nothing else.
func unquoted(s string) (string, error) {
	if shellword.Quote(s) == s {
		return s, nil
	}
	inner, ok := strings.CutPrefix(s, "'")
	if ok {
		inner, ok = strings.CutSuffix(inner, "'")
	}
	if !ok {
		return "", errors.New("the value has characters that need single quotes around it")
	}
	inner = strings.ReplaceAll(inner, `'\''`, "\x00")
	if strings.Contains(inner, "'") {
		return "", errors.New("the value has a single quote inside that is not written as '\\''")
	}
	return strings.ReplaceAll(inner, "\x00", "'"), nil
}

// Parse reads what [Report.Env] wrote: these lines in any order, each once, and
// nothing else. Nothing is executed or expanded. Its faults are [*ParseError].
func Parse(file string, content []byte) (Report, error) {
	fault := func(line int, format string, args ...any) (Report, error) {
		return Report{}, &ParseError{file, line, fmt.Sprintf(format, args...)}
	}
	const limit = 1 << 20
	if len(content) > limit {
		return fault(1, "the report has more than %d bytes", limit)
	}
	if !utf8.Valid(content) {
		return fault(1, "the report is not UTF-8")
	}
	var r Report
	known := r.lines()
	seen := map[string]int{}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			return fault(number, "the line does not end: the report is cut off")
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fault(number, "found %.60q, expected KEY=VALUE", line)
		}
		f, ok := known[key]
		if !ok {
			return fault(number, "a journey's report has no key %.60q", key)
		}
		if first, twice := seen[key]; twice {
			return fault(number, "%s stands in line %d already", key, first)
		}
		seen[key] = number
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fault(number, "%s has a control character", key)
		}
		value, err := unquoted(value)
		if err != nil {
			return fault(number, "%s: %v", key, err)
		}
		if value != "" && f.form != nil && !f.form.MatchString(value) {
			return fault(number, "%s is %.80q, expected %s", key, value, f.form)
		}
		f.set(value)
	}
	if err := r.identify(seen); err != nil {
		return fault(max(number, 1), "%v", err)
	}
	return r, nil
}

var (
	plainStatus = regexp.MustCompile(`^(passed|failed)$`)
	plainTime   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
)

// lines are all lines that a report may have, by key.
func (r *Report) lines() map[string]field {
	all := r.Kept.fields()
	all = append(all,
		text("ADMIN_EMAIL", nil, false, &r.Admin), text("VIEWER_EMAIL", nil, false, &r.Viewer),
		text("REPORT_DETAILS", nil, false, &r.Details))
	at := func(key string, t *time.Time) field {
		return field{key: key, form: plainTime, set: func(s string) {
			// A day that no month has stays the zero time, and identify tells.
			*t, _ = time.Parse(time.RFC3339, s)
		}}
	}
	for _, p := range prefixes {
		all = append(all,
			field{key: p.prefix + "STATUS", form: plainStatus, set: func(s string) { r.Journey, r.Status = p.journey, Outcome(s) }},
			at(p.prefix+"STARTED_AT", &r.Started), at(p.prefix+"FINISHED_AT", &r.Finished),
			text(p.prefix+"BASE_URL", nil, false, &r.BaseURL))
	}
	out := map[string]field{}
	for _, f := range all {
		out[f.key] = f
	}
	return out
}

// identify says what a report lacks to be one of one journey.
func (r *Report) identify(seen map[string]int) error {
	if r.Journey == "" || r.Status == "" {
		return errors.New("no line tells the status: expected one such as PILOT_SMOKE_STATUS=passed")
	}
	for _, p := range prefixes {
		for _, name := range []string{"STATUS", "STARTED_AT", "FINISHED_AT", "BASE_URL"} {
			if _, has := seen[p.prefix+name]; has != (p.journey == r.Journey) {
				if has {
					return fmt.Errorf("%s is that of another journey than %s", p.prefix+name, r.Journey)
				}
				return fmt.Errorf("the line %s is missing", p.prefix+name)
			}
		}
	}
	if r.Started.IsZero() || r.Finished.IsZero() {
		return errors.New("a time is empty or no day that there is")
	}
	if base, err := url.Parse(r.BaseURL); err != nil || base.Host == "" || base.User != nil {
		return fmt.Errorf("the base URL is %.80q, expected one such as http://localhost:8080", r.BaseURL)
	}
	return nil
}
