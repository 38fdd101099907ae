package backup

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kubedoio/rustshare-release/magefiles/internal/shellword"
)

// Manifest is what manifest.env says. The file has one KEY=value a line, blank
// lines and lines that begin with #. A value is plain text, or quoted as
// printf %q, single or double quotes do. It is read and never run.
type Manifest struct {
	// Timestamp is BACKUP_TIMESTAMP, the name of the directory ([StampLayout]).
	Timestamp string
	// Created is BACKUP_CREATED_AT_UTC, in RFC 3339 with Z.
	Created string
	// Database is DATABASE: "sqlite", or empty for PostgreSQL.
	Database string
	// PostgresService, PostgresDB, PostgresUser and RustfsService are the names
	// that Compose and PostgreSQL know. With SQLite there are none.
	PostgresService, PostgresDB, PostgresUser, RustfsService string
	// Branch and Commit are those of the product's checkout; Commit is a full
	// object name, and both may be "unknown".
	Branch, Commit string
}

// keyed are the fields in the order of the file.
func (m *Manifest) keyed() []field {
	return []field{
		{"BACKUP_TIMESTAMP", &m.Timestamp, stampForm, "a UTC time such as 20261123T021500Z"},
		{"BACKUP_CREATED_AT_UTC", &m.Created, createdForm, "a UTC time such as 2026-11-23T02:15:00Z"},
		{databaseKey, &m.Database, isSQLite, `"sqlite", or no such line and those of PostgreSQL`},
		{"POSTGRES_SERVICE", &m.PostgresService, isName, nameForm},
		{"POSTGRES_DB", &m.PostgresDB, isName, nameForm},
		{"POSTGRES_USER", &m.PostgresUser, isName, nameForm},
		{"RUSTFS_SERVICE", &m.RustfsService, isName, nameForm},
		{"GIT_BRANCH", &m.Branch, isBranch, "a branch's name"},
		{"GIT_COMMIT", &m.Commit, commitName.MatchString, `a commit's full name, or "unknown"`},
	}
}

// databaseKey stands in the manifests of bundles with SQLite alone, which have
// none of the names that belong to Compose and PostgreSQL.
const (
	databaseKey = "DATABASE"
	sqlite      = "sqlite"
)

func isSQLite(s string) bool { return s == sqlite }

// belongs tells whether a manifest has a key.
func (m *Manifest) belongs(key string) bool {
	names := strings.HasPrefix(key, "POSTGRES_") || key == "RUSTFS_SERVICE"
	return m.Database == sqlite && !names || m.Database != sqlite && key != databaseKey
}

type field struct {
	key   string
	value *string
	valid func(string) bool
	form  string
}

// Names become arguments of programs: no options, and nothing that PostgreSQL
// takes for a connection string.
const nameForm = "a name of letters, digits, dots, dashes and underscores"

var (
	plainName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$`)
	commitName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64}|unknown)$`)
	keyName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func isName(s string) bool { return plainName.MatchString(s) }

func isBranch(s string) bool {
	return s != "" && len(s) <= 255 && s[0] != '-' && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func stampForm(s string) bool {
	t, err := time.Parse(StampLayout, s)
	return err == nil && Stamp(t) == s
}

func createdForm(s string) bool {
	t, err := time.Parse(time.RFC3339, s)
	return err == nil && t.UTC().Format(time.RFC3339) == s
}

// Text is the file.
func (m Manifest) Text() string {
	var out strings.Builder
	for _, f := range m.keyed() {
		if !m.belongs(f.key) {
			continue
		}
		fmt.Fprintf(&out, "%s=%s\n", f.key, shellword.Quote(*f.value))
	}
	return out.String()
}

// ParseManifest reads manifest.env. It names every problem; the manifest has
// what could be read all the same.
func ParseManifest(text []byte) (Manifest, []Problem) {
	var m Manifest
	p := &problems{file: ManifestName}
	m.parse(string(text), p)
	return m, p.all()
}

func (m *Manifest) parse(text string, p *problems) {
	fields, lines := m.keyed(), map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		n := i + 1
		if trimmed := strings.TrimLeft(line, " \t"); trimmed == "" || trimmed[0] == '#' && !strings.ContainsFunc(line, control) {
			continue
		}
		key, word, ok := strings.Cut(line, "=")
		if !ok || !keyName.MatchString(key) {
			p.addAt(n, "%s is not of the form KEY=value, without spaces and without \"export\"", short(line))
			continue
		}
		value, err := shellword.Unquote(word)
		if err != nil {
			p.addAt(n, "the value of %s is refused: %v", short(key), err)
		}
		if first := lines[key]; first > 0 {
			p.addAt(n, "%s stands in line %d already: one of the two has to go", key, first)
			continue
		}
		lines[key] = n
		f, known := fieldOf(fields, key)
		if !known {
			p.addAt(n, "%s is no key of a backup's manifest", short(key))
			continue
		}
		if err == nil && !f.valid(value) {
			p.addAt(n, "%s is %s, expected %s", key, short(value), f.form)
			continue
		}
		*f.value = value
	}
	for _, f := range fields {
		switch has, belongs := lines[f.key] > 0, m.belongs(f.key); {
		case belongs && !has:
			p.add("%s is missing", f.key)
		case has && !belongs && f.key != databaseKey:
			p.addAt(lines[f.key], "%s belongs to PostgreSQL, and DATABASE is sqlite: one of the two has to go", f.key)
		}
	}
	if created, err := time.Parse(time.RFC3339, m.Created); err == nil {
		if stamp, err := time.Parse(StampLayout, m.Timestamp); err == nil {
			if late := created.Sub(stamp); late < 0 || late > 24*time.Hour {
				p.add("BACKUP_CREATED_AT_UTC is %s, and BACKUP_TIMESTAMP %s: expected at most a day after it", m.Created, m.Timestamp)
			}
		}
	}
}

func control(r rune) bool { return r != '\t' && unicode.IsControl(r) }

func fieldOf(fields []field, key string) (field, bool) {
	for _, f := range fields {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}
