package changelog

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// Release is what the entries under "Unreleased" become.
type Release struct {
	// Version is a stable one: a candidate leaves its entries under
	// "Unreleased".
	Version decide.Version
	// Previous is the version that users come from: for a patch the one before
	// it on its line. The zero value stands for a first release.
	Previous decide.Version
	// Date is written as the day that it has in its own time zone.
	Date time.Time
	// Source is the https address of the repository, without "/" at its end.
	Source string
}

// compare gives the address of the changes.
func (r Release) compare() string {
	if r.Previous.IsZero() {
		return r.Source + "/releases/tag/" + r.Version.Tag()
	}
	return r.Source + "/compare/" + r.Previous.Tag() + "..." + r.Version.Tag()
}

func (r Release) check() error {
	u, err := url.Parse(r.Source)
	switch {
	case r.Version.IsZero():
		return fmt.Errorf("a release needs a version")
	case r.Version.Channel() != decide.Stable:
		return fmt.Errorf("%s is a candidate: its entries stay under Unreleased until %s is released", r.Version, r.Version.Stable())
	case !r.Previous.IsZero() && r.Previous.Compare(r.Version) >= 0:
		return fmt.Errorf("the previous version %s is not below %s", r.Previous, r.Version)
	case r.Date.IsZero() || r.Date.Year() < 1 || r.Date.Year() > 9999:
		return fmt.Errorf("release %s has no date that can be written as YYYY-MM-DD", r.Version)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsAny(r.Source, " \t\r\n()<>[]"):
		return fmt.Errorf("repository %q is no https address: the compare links of the changelog need one", r.Source)
	}
	return nil
}

// Release moves what stands under "Unreleased" under the version's new heading,
// as it is, and writes the compare link in the style of the file's other
// versions; where they have none, as a reference like in Keep a Changelog.
// "Unreleased" stays, empty, and where it has a link, that begins at the new
// version from now on. A patch of an old line takes its place in the order of
// versions.
//
// A file that has the version with its date already comes back as it is.
// Refused are: no "Unreleased", nothing in it, a later version of the same line
// (or, for a MINOR, of the same MAJOR, or for a MAJOR, any), the version
// without entries or with another date. Errors about the file are of type
// *[Error].
func (f *File) Release(r Release) ([]byte, error) {
	r.Source = strings.TrimRight(r.Source, "/")
	if err := r.check(); err != nil {
		return nil, err
	}
	if p := f.part(r.Version.String()); p != nil {
		if err := f.checkDone(p, r); err != nil {
			return nil, err
		}
		return f.Bytes(), nil
	}
	u := f.part(unreleased)
	switch {
	case u == nil:
		return nil, &Error{f.name, 0, fmt.Sprintf("there is no section \"## [Unreleased]\": write one, with the changes of %s under it", r.Version)}
	case !u.hasEntries():
		return nil, f.errorf(u.head.start, "nothing stands under Unreleased: write down what changes with %s", r.Version)
	}
	if err := f.CheckOrder(r.Version); err != nil {
		return nil, err
	}
	out := apply(f.text, f.releaseEdits(u, r).edits)

	// What an open comment or code fence swallows would only show here.
	got, err := Parse(f.name, out)
	if err != nil {
		return nil, fmt.Errorf("releasing %s: %w", r.Version, err)
	}
	if s, ok := got.Section(r.Version); !ok || s.Link != r.compare() || len(got.versions()) != len(f.versions())+1 {
		return nil, f.errorf(u.head.start, "the section of %s or its link can't be placed: look for a comment or a code fence that is not closed", r.Version)
	}
	return out, nil
}

// checkDone wants a section that an earlier call wrote.
func (f *File) checkDone(p *part, r Release) error {
	date := r.Date.Format(time.DateOnly)
	switch {
	case p.form.date == "":
		return f.errorf(p.head.start, "the section of %s has no date: write %q behind its heading, or move its entries back under Unreleased and run this again", r.Version, " - "+date)
	case p.form.date != date:
		return f.errorf(p.head.start, "the section of %s has the date %s, not %s: say -date=%s, or change the heading", r.Version, p.form.date, date, p.form.date)
	case !p.hasEntries():
		return f.errorf(p.head.start, "the section of %s is empty: write its changes, or remove it and write them under Unreleased", r.Version)
	}
	return nil
}

// draft collects the edits of one release.
type draft struct {
	*File
	Release
	edits []edit
}

func (d *draft) add(e edit)        { d.edits = append(d.edits, e) }
func (d *draft) eols(n int) string { return strings.Repeat(d.eol, n) }

func (f *File) releaseEdits(u *part, r Release) *draft {
	d := &draft{File: f, Release: r}
	below := f.below(r.Version)
	model := f.model(below)
	style := linkReference
	if model.linkAs != linkNone {
		style = model.linkAs
	} else if u.linkAs != linkNone {
		style = u.linkAs
	}
	label := model.form.v + r.Version.String()
	move := placement{heading: d.heading(model, style, label), moved: []span{{u.head.end, u.content().end}}}
	newest := f.newest(r.Version)
	if style == linkBody {
		d.versionLine(&move, model, u)
	}
	switch {
	case u.linkAs == linkBody:
		d.unreleasedLine(&move, u, newest)
	case u.linkAs != linkNone && newest:
		d.add(edit{u.link, d.sinceHere(u)})
	}
	if from := move.moved[0].start; move.lead != "" {
		move.lead += f.blankBelow(from)
	}
	d.place(move, below)
	if style == linkReference {
		d.add(f.defineEdit(label, d.compare(), r.Version))
	}
	return d
}

// placement is the new section: its heading, what leads in to the text that it
// takes over, and what follows that.
type placement struct {
	heading, lead, tail string
	moved               []span
}

// versionLine puts the version's compare link where the others have theirs:
// above the entries or below them.
func (d *draft) versionLine(move *placement, model, u *part) {
	if model.linkAs != linkBody {
		model = u
	}
	if line := d.eols(2) + d.bodyLine(model); model.linkLeads() {
		move.lead = line
	} else {
		move.tail = line
	}
}

// unreleasedLine keeps the compare link in the text of Unreleased out of what is
// moved.
func (d *draft) unreleasedLine(move *placement, u *part, newest bool) {
	b := u.linkLine
	above := d.trim(u.head.end, b.start)
	switch {
	case u.linkLeads():
		move.moved[0].start = b.end
		if newest {
			d.add(edit{u.link, d.sinceHere(u)})
		}
	case newest:
		// The line at the end becomes the version's, and Unreleased gets a new one.
		stays := string(d.text[b.start:u.link.start]) + d.sinceHere(u) + string(d.text[u.link.end:b.end])
		move.heading = stays + d.eols(2) + move.heading
		if move.tail != "" {
			d.add(edit{b.span, strings.TrimLeft(move.tail, "\r\n")})
		} else {
			d.add(edit{span{above, b.end}, d.blankBelow(b.end)})
		}
		move.tail = ""
	default:
		move.moved = []span{{u.head.end, above}, {b.end, move.moved[0].end}}
	}
}

// place writes the heading above what it moves: right there where the next
// version of the file is an older one, and else in the order of versions.
func (d *draft) place(p placement, below *part) {
	from, to := p.moved[0].start, p.moved[len(p.moved)-1].end
	var follows *part
	for _, q := range d.versions() {
		if q.head.start > from {
			follows = q
			break
		}
	}
	if follows == nil || follows == below {
		d.add(insert(from, d.eols(2)+p.heading+p.lead))
		d.add(insert(to, p.tail))
		return
	}
	text := p.heading + p.lead
	for i, s := range p.moved {
		if i > 0 && !s.empty() {
			text += d.blankBelow(s.start)
		}
		text += string(d.text[s.start:s.end])
		d.add(edit{s, ""})
	}
	d.add(d.placeSection(text+p.tail, below))
}

// placeSection is the edit that writes a section above another, or after the
// last one where there is none below.
func (f *File) placeSection(text string, below *part) edit {
	if below != nil {
		before := ""
		if at := below.head.start; at > 0 && !f.blankAt(f.lineSpan(at-1).start) {
			before = f.eol
		}
		return insert(below.head.start, before+text+f.eol+f.eol)
	}
	last := f.parts[len(f.parts)-1]
	for _, p := range f.parts {
		if p.isSection() {
			last = p
		}
	}
	return f.insertBlock(last.content().end, text)
}

// below gives the section above which a version belongs: the first of a lower
// version, or nil.
func (f *File) below(v decide.Version) *part {
	for _, p := range f.versions() {
		if p.form.version.Compare(v) < 0 {
			return p
		}
	}
	return nil
}

// newest tells whether no version of the file is higher.
func (f *File) newest(v decide.Version) bool {
	for _, p := range f.versions() {
		if p.form.version.Compare(v) > 0 {
			return false
		}
	}
	return true
}

// model gives the section whose style a new one follows: the one below it, else
// the first with a link, else the first. Without any it is an empty part.
func (f *File) model(below *part) *part {
	if below != nil && below.linkAs != linkNone {
		return below
	}
	for _, p := range f.versions() {
		if p.linkAs != linkNone {
			return p
		}
	}
	if below != nil {
		return below
	}
	if all := f.versions(); len(all) > 0 {
		return all[0]
	}
	return &part{form: form{bracket: true}}
}

// heading writes the version's heading like the model's.
func (d *draft) heading(model *part, style linkStyle, label string) string {
	prefix, before, after := "## ", " - ", ""
	if model.isSection() {
		prefix = string(d.text[model.head.start:model.title.start])
		if b := model.form.before; model.form.date != "" && strings.Trim(b, " \t-–—:(") == "" {
			before = b
		}
	}
	if strings.HasSuffix(before, "(") {
		after = ")"
	}
	switch {
	case style == linkInline:
		label = "[" + label + "](" + d.compare() + ")"
	case model.form.bracket, style == linkReference && model.linkAs != linkReference:
		label = "[" + label + "]"
	}
	return prefix + label + before + d.Date.Format(time.DateOnly) + after
}

// linkLeads tells whether the compare line stands above the entries.
func (p *part) linkLeads() bool {
	for _, b := range p.blocks {
		if b.kind == link || b.kind == entry || b.kind == group {
			return b.kind == link
		}
	}
	return false
}

// bodyLine writes the compare line like the model's, its versions replaced in
// the address and in the text.
func (d *draft) bodyLine(model *part) string {
	at, b := model.link, model.linkLine
	names := []string{}
	if !model.form.version.IsZero() {
		names = append(names, model.form.version.String(), d.Version.String())
	}
	from, _ := compared(string(d.text[at.start:at.end]))
	if from = strings.TrimPrefix(from, "v"); from != "" && !d.Previous.IsZero() {
		names = append(names, from, d.Previous.String())
	}
	replace := strings.NewReplacer(names...)
	return replace.Replace(string(d.text[b.start:at.start])) + d.compare() + replace.Replace(string(d.text[at.end:b.end]))
}

// sinceHere gives the address of the changes after this release, with the end
// that Unreleased's link had.
func (d *draft) sinceHere(u *part) string {
	_, to := compared(string(d.text[u.link.start:u.link.end]))
	return d.Source + "/compare/" + d.Version.Tag() + "..." + cmp.Or(to, "HEAD")
}

// compared takes the two ends out of a compare address.
func compared(address string) (from, to string) {
	_, ends, ok := strings.Cut(address, "/compare/")
	if !ok {
		return "", ""
	}
	from, to, _ = strings.Cut(ends, "...")
	return from, to
}
