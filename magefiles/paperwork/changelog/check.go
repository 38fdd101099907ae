package changelog

import (
	"fmt"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// CheckEntries wants at least one entry. Comments and headings are none. Errors
// of the checks are of type *[Error].
func (s Section) CheckEntries() error {
	for _, g := range s.Groups {
		if len(g.Entries) > 0 {
			return nil
		}
	}
	return s.errorf(s.Line, "%q has no entries: write down what changed", s.Heading)
}

// CheckDate wants a release date of the form YYYY-MM-DD.
func (s Section) CheckDate() error {
	if s.Date == "" {
		return s.errorf(s.Line, "the heading %q has no date: want a day of the calendar as YYYY-MM-DD behind the version", s.Heading)
	}
	return nil
}

// CheckOrder wants a file in which a version may still be released: no later
// version of the same line for a PATCH, of the same MAJOR for a MINOR, and none
// at all for a MAJOR.
func (f *File) CheckOrder(v decide.Version) error {
	for _, p := range f.versions() {
		o := p.form.version
		if o.Compare(v) <= 0 {
			continue
		}
		switch bump := v.Bump(); {
		case bump == decide.BumpPatch && o.Line() != v.Line(), bump == decide.BumpMinor && o.Major() != v.Major():
			continue
		}
		return f.errorf(p.head.start, "the later version %s stands here already, so %s can't be released: choose a version after it", o, v)
	}
	return nil
}

func (s Section) errorf(line int, format string, args ...any) *Error {
	return &Error{s.file, line, fmt.Sprintf(format, args...)}
}
