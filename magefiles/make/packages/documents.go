package packages

import (
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/changelog"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// release is a section of the changelog.
type release struct {
	version Version
	date    time.Time
	groups  []changelog.Group
}

// releases gives what the changelog says up to a version, the newest first. What
// is unreleased stands under the version itself, unless that has a section. A
// version without order as a package is left out.
func releases(sections []changelog.Section, v Version, at time.Time) []release {
	top := release{version: v, date: at}
	var out []release
	for _, s := range sections {
		if s.Version.IsZero() {
			if v.label != "" {
				top.groups = s.Groups
			}
			continue
		}
		of, err := VersionOf(s.Version)
		date, dateErr := time.Parse(time.DateOnly, s.Date)
		if err != nil || dateErr != nil {
			continue
		}
		if of == v {
			top.groups, top.date = s.Groups, date.Add(12*time.Hour) // rpm takes noon for a day
			continue
		}
		if later(s.Version, v) {
			continue
		}
		out = append(out, release{of, date.Add(12 * time.Hour), s.Groups})
	}
	return append([]release{top}, out...)
}

// later tells whether a version comes after the one that is packed.
func later(v decide.Version, packed Version) bool {
	is, err := decide.ParseVersion(packed.String())
	return err != nil || v.Compare(is) > 0
}

// notes are the entries of a release, each in one line, with the heading that it
// stands under.
func (r release) notes() []string {
	var out []string
	for _, g := range r.groups {
		for _, e := range g.Entries {
			text := oneLine(e.Text)
			if g.Kind != "" {
				text = g.Kind + ": " + text
			}
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		out = []string{"No entry in the changelog."}
	}
	return out
}

// debChangelog writes the changelog in Debian's form (deb-changelog(5)).
func (s *sources) debChangelog() []byte {
	var l lines
	for _, r := range s.changes {
		l.add("%s (%s) stable; urgency=medium", s.p.Name, r.version.In(product.Deb))
		l.add("")
		for _, n := range r.notes() {
			for i, line := range wrap(n, 74) {
				l.add("  %s %s", []string{"*", " "}[min(i, 1)], line)
			}
		}
		l.add("")
		l.add(" -- %s  %s", s.p.Packages.Maintainer, r.date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
		l.add("")
	}
	return []byte(strings.TrimSuffix(l.String(), "\n"))
}

// chglog is what nfpm reads a changelog from.
type chglog struct {
	Semver   string       `json:"semver"`
	Date     time.Time    `json:"date"`
	Packager string       `json:"packager"`
	Changes  []chglogNote `json:"changes"`
}

type chglogNote struct {
	Note string `json:"note"`
}

func (s *sources) rpmChangelog() []chglog {
	out := make([]chglog, 0, len(s.changes))
	for _, r := range s.changes {
		e := chglog{r.version.In(product.RPM) + "-1", r.date.UTC(), s.p.Packages.Maintainer, nil}
		for _, n := range r.notes() {
			e.Changes = append(e.Changes, chglogNote{n})
		}
		out = append(out, e)
	}
	return out
}

// commonLicenses are those that every Debian system has the text of
// (/usr/share/common-licenses), by their SPDX names.
var commonLicenses = map[string]string{
	"Apache-2.0": "Apache-2.0", "GPL-2.0-only": "GPL-2", "GPL-2.0-or-later": "GPL-2",
	"GPL-3.0-only": "GPL-3", "GPL-3.0-or-later": "GPL-3", "LGPL-3.0-only": "LGPL-3", "LGPL-3.0-or-later": "LGPL-3",
	"MPL-2.0": "MPL-2.0",
}

// copyright writes the machine-readable file that Debian asks for (DEP-5).
func copyright(p product.Product, license []byte) []byte {
	var l lines
	l.add("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/")
	l.add("Upstream-Name: %s", p.Title)
	l.add("Upstream-Contact: %s", p.Packages.Maintainer)
	l.add("Source: %s", p.Source)
	l.add("")
	l.add("Files: *")
	l.add("Copyright: %s", p.Packages.Copyright)
	l.add("License: %s", p.License)
	if name, ok := commonLicenses[p.License]; ok {
		l.add(" On Debian systems the text of the licence is in")
		l.add(" /usr/share/common-licenses/%s.", name)
	} else {
		for line := range strings.Lines(strings.TrimSpace(string(license))) {
			if line = strings.TrimRight(line, " \t\r\n"); line == "" {
				line = "."
			}
			l.add(" %s", line)
		}
	}
	return l.bytes()
}

// overrides tell lintian what is meant to be as it is.
func overrides(p product.Product) []byte {
	var l lines
	for _, o := range overridden {
		l.add("# %s", o.why)
		l.add("%s: %s", p.Name, o.tag)
	}
	return l.bytes()
}

// overridden are lintian's tags that do not apply to what is not made for
// Debian's own archive.
var overridden = []struct{ tag, why string }{
	{"statically-linked-binary", "One binary for all distributions: it brings what it needs."},
	{"shared-library-lacks-prerequisites", "It is a static program at a random address (static-pie), no library."},
	{"non-standard-file-perm", "The settings hold secrets, and only root reads them."},
}

// manual writes the manual page (man(7)).
func manual(p product.Product, v Version, at time.Time) []byte {
	k, bin := p.Packages, p.Cargo.Binary
	var l lines
	l.add(`.TH %s 8 "%s" "%s %s" "System Manager's Manual"`, strings.ToUpper(roff(bin)), at.Format(time.DateOnly), roff(p.Title), roff(v.String()))
	l.add(".SH NAME")
	l.add(`%s \- %s`, roff(bin), roff(p.Description))
	l.add(".SH SYNOPSIS")
	for i, c := range k.Commands {
		if i > 0 {
			l.add(".br")
		}
		l.add(".B %s", roff(strings.TrimSpace(bin+" "+c.Args)))
	}
	l.add(".SH DESCRIPTION")
	l.add("%s", roff(p.Title+" as a service is configured by variables of its environment, which stand in"))
	l.add(".IR %s .", roff(settingsFile(p)))
	l.add(".SH COMMANDS")
	for _, c := range k.Commands {
		l.add(".TP")
		l.add(".B %s", roff(strings.TrimSpace(bin+" "+c.Args)))
		l.add("%s", roff(c.Does))
	}
	l.add(".SH ENVIRONMENT")
	for _, e := range k.Service.Settings {
		l.add(".TP")
		l.add(".B %s", roff(e.Name))
		l.add("%s", roff(e.About))
		if e.Value != "" {
			l.add("%s", roff("Installed as "+e.Value+"."))
		}
	}
	l.add(".SH FILES")
	for _, f := range [][2]string{
		{settingsFile(p), "The settings. Only root reads them, since they hold secrets."},
		{stateDir(p), "The data, made when the service first starts. Removing the package leaves it alone."},
	} {
		l.add(".TP")
		l.add(".I %s", roff(f[0]))
		l.add("%s", roff(f[1]))
	}
	l.add(".SH SEE ALSO")
	l.add("%s", roff(homepage(p)))
	return l.bytes()
}

// roff writes text so that it stands for itself in a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`).Replace(oneLine(text))
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
