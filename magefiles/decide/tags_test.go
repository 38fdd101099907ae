package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// evening is on the next day in UTC.
var evening = time.Date(2026, 2, 28, 23, 30, 0, 0, time.FixedZone("", -5*3600))

func names(tags []Tag) string {
	var out []string
	for _, t := range tags {
		name := t.Name
		if t.Rolling {
			name = "*" + name
		}
		out = append(out, strings.Replace(name, commit, "C", 1))
	}
	return strings.Join(out, " ")
}

// TestPolicy is the tag matrix, row by row, as a table for people; rolling tags
// carry a star, C is the commit.
func TestPolicy(t *testing.T) {
	var out strings.Builder
	for _, tt := range []struct{ what, ref, published, withdrawn string }{
		{"a push to main", "main", "", ""},
		{"a push to main, after a release", "main", "0.3.0", ""},
		{"a dated build", "nightly", "", ""},
		{"a candidate", "v0.4.0-rc.1", "0.3.0", ""},
		{"an alpha", "v0.4.0-alpha.1", "0.3.0", ""},
		{"a beta of what is out", "v0.3.0-beta.2", "0.3.0", ""},
		{"the first release", "v0.1.0", "", ""},
		{"a minor", "v0.4.0", "0.3.0,0.3.1", ""},
		{"a patch", "v0.3.2", "0.3.0,0.3.1", ""},
		{"a patch of an old line", "v0.1.1", "0.1.0,0.2.0", ""},
		{"a patch of an old major", "v1.9.1", "1.9.0,2.0.0", ""},
		{"an old line's minor within its major", "v1.10.0", "1.9.0,2.0.0", ""},
		{"ten is more than nine", "v0.10.0", "0.9.0", ""},
		{"a major", "v1.0.0", "0.9.0", ""},
		{"a major that has candidates out", "v1.0.0", "0.9.0,1.1.0-rc.1,2.0.0-rc.1", ""},
		{"build metadata", "v1.2.3+build.5", "1.2.2", ""},
		{"a candidate with build metadata", "v1.2.3-rc.1+build.5", "", ""},
		{"a hotfix behind a gap", "v0.3.2", "0.3.0", ""},
		{"a rerun", "v0.3.1", "0.3.0,0.3.1", ""},
		{"a rerun after its successor", "v0.3.0", "0.3.0,0.3.1", ""},
		{"a rerun after its successor was withdrawn", "v0.3.0", "0.3.0,0.3.1", "0.3.1"},
		{"a withdrawn version", "v0.3.1", "0.3.0", "0.3.1"},
		{"a hotfix of a withdrawn version", "v0.3.2", "0.3.0,0.3.1", "0.3.1"},
		{"withdrawn, of another build", "v0.3.1", "0.3.0", "0.3.1+b"},
	} {
		ref, err := ParseRef(tt.ref, "main")
		if err != nil {
			t.Fatal(err)
		}
		tags, err := Tags(ref, commit, evening, vs(t, tt.published), vs(t, tt.withdrawn))
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
		}
		fmt.Fprintf(&out, "%s: %s", tt.what, tt.ref)
		if tt.published != "" {
			fmt.Fprintf(&out, " after %s", tt.published)
		}
		if tt.withdrawn != "" {
			fmt.Fprintf(&out, " without %s", tt.withdrawn)
		}
		fmt.Fprintf(&out, "\n  %s\n", names(tags))
	}
	testkit.Golden(t, "testdata/policy.txt", out.String())
}

func TestTagsWithoutCommit(t *testing.T) {
	ref, err := ParseRef("v0.4.0", "main")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := Tags(ref, "", time.Time{}, nil, nil)
	if err != nil || names(tags) != "0.4.0 *0.4 *0 *latest" {
		t.Errorf("got %s, %v", names(tags), err)
	}
}

func TestTagsRefuses(t *testing.T) {
	ref, err := ParseRef("v0.4.0", "main")
	if err != nil {
		t.Fatal(err)
	}
	if tags, err := Tags(ref, "0123456", evening, nil, nil); err == nil || !strings.Contains(err.Error(), `"0123456" is no full commit hash`) {
		t.Errorf("a short hash gave %v, %v", tags, err)
	}
	if tags, err := Tags(Ref{Name: "x", Channel: "moon"}, commit, evening, nil, nil); err == nil || !strings.Contains(err.Error(), `channel "moon" has no row`) {
		t.Errorf("an unknown channel gave %v, %v", tags, err)
	}
}

func TestTagsLeaveInputAlone(t *testing.T) {
	published := append(make([]Version, 0, 8), vs(t, "0.1.0,0.2.0")...)
	ref := Ref{Name: "v0.3.0", Channel: Stable, Version: v(t, "0.3.0")}
	if _, err := Tags(ref, commit, evening, published, nil); err != nil {
		t.Fatal(err)
	}
	if got := published[:3][2]; !got.IsZero() {
		t.Errorf("the caller's list was written to: %s", got)
	}
}

func TestRollingOrder(t *testing.T) {
	got := RollingOrder(Rolling(vs(t, "0.9.0,0.10.0,1.0.0,1.0.1,2.3.4,10.0.0"), nil))
	want := "10.0 2.3 1.0 0.10 0.9 10 2 1 0 latest"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := RollingOrder(nil); len(got) != 0 {
		t.Errorf("nothing gave %v", got)
	}
}

// someVersions makes a list of versions out of bytes: few numbers, so that lines
// meet; some with pre-releases and build metadata.
func someVersions(t *testing.T, data []byte) []Version {
	var out []Version
	for i := 0; i+1 < len(data) && len(out) < 24; i += 2 {
		a, b := data[i], data[i+1]
		s := fmt.Sprintf("%d.%d.%d", a%3, a/3%3*5, b%12)
		if b&0x40 != 0 {
			s += "-rc.1"
		}
		if b&0x80 != 0 {
			s += "+b"
		}
		out = append(out, v(t, s))
	}
	return out
}

// FuzzRolling holds the aliases against what the policy promises.
func FuzzRolling(f *testing.F) {
	f.Add([]byte{}, []byte{}, byte(0), byte(0))
	f.Add([]byte{0, 1, 3, 0, 1, 7}, []byte{0, 1}, byte(0), byte(2))
	f.Add([]byte{0, 1, 0, 2, 0, 0x43}, []byte{0, 0x82}, byte(4), byte(0x81))
	f.Fuzz(func(t *testing.T, some, gone []byte, a, b byte) {
		published, withdrawn := someVersions(t, some), someVersions(t, gone)
		one := someVersions(t, []byte{a, b})[0]
		rolling := Rolling(published, withdrawn)
		is := func(v Version) func(Version) bool { return func(o Version) bool { return o.Compare(v) == 0 } }

		counts := func(v Version) bool {
			return v.Channel() == Stable && !slices.ContainsFunc(withdrawn, is(v))
		}
		for name, got := range rolling {
			if !slices.ContainsFunc(published, is(got)) || !counts(got) {
				t.Errorf("%s points at %s, which is not published, is withdrawn or no stable version", name, got)
			}
			if name != Latest && name != got.Line() && name != got.Major() {
				t.Errorf("%s points at %s", name, got)
			}
		}
		for _, v := range published {
			for _, name := range []string{v.Line(), v.Major(), Latest} {
				if best, ok := rolling[name]; counts(v) && (!ok || best.Compare(v) < 0) {
					t.Errorf("%s points at %q, though %s counts", name, best, v)
				}
			}
		}

		// The order of the input has no say.
		backwards := slices.Clone(published)
		slices.Reverse(backwards)
		same(t, "backwards", rolling, Rolling(backwards, withdrawn))

		// Publishing takes no alias back.
		more := Rolling(append(slices.Clone(published), one), withdrawn)
		for name, before := range rolling {
			if after, ok := more[name]; !ok || after.Compare(before) < 0 {
				t.Errorf("publishing %s took %s back from %s to %q", one, name, before, after)
			}
		}
		// Withdrawing lets none go forward, and moves only those that pointed at
		// what was withdrawn.
		less := Rolling(published, append(slices.Clone(withdrawn), one))
		for name, before := range rolling {
			after, ok := less[name]
			if ok && after.Compare(before) > 0 {
				t.Errorf("withdrawing %s moved %s forward from %s to %s", one, name, before, after)
			}
			if before.Compare(one) != 0 && (!ok || after.Compare(before) != 0) {
				t.Errorf("withdrawing %s moved %s from %s to %q", one, name, before, after)
			}
			if ok && after.Compare(one) == 0 {
				t.Errorf("%s still points at %s, which was withdrawn", name, one)
			}
		}
		for name := range less {
			if _, ok := rolling[name]; !ok {
				t.Errorf("withdrawing %s made %s", one, name)
			}
		}
		// What is published and withdrawn again leaves no trace.
		if !slices.ContainsFunc(published, is(one)) {
			same(t, "published and withdrawn", rolling, Rolling(append(slices.Clone(published), one), append(slices.Clone(withdrawn), one)))
		}

		tags(t, one, published, withdrawn, more)
	})
}

func same(t *testing.T, what string, a, b map[string]Version) {
	t.Helper()
	ok := len(a) == len(b)
	for name, v := range a {
		w, there := b[name]
		ok = ok && there && v.Compare(w) == 0
	}
	if !ok {
		t.Errorf("%s: %v became %v", what, a, b)
	}
}

// tags holds the tags of a release against the aliases after it.
func tags(t *testing.T, one Version, published, withdrawn []Version, after map[string]Version) {
	t.Helper()
	got, err := Tags(Ref{Name: one.Tag(), Channel: one.Channel(), Version: one}, commit, evening, published, withdrawn)
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != (Tag{one.Image(), false}) || got[1] != (Tag{CommitTag(commit), false}) {
		t.Errorf("%s: the immutable tags come first: %v", one, got)
	}
	seen := map[string]bool{}
	for i, tag := range got {
		if seen[tag.Name] {
			t.Errorf("%s: %s stands there twice", one, tag.Name)
		}
		seen[tag.Name] = true
		if !ociTag.MatchString(tag.Name) {
			t.Errorf("%s: %q is no image tag", one, tag.Name)
		}
		if i < 2 {
			continue
		}
		if !tag.Rolling || one.Channel() != Stable || after[tag.Name].Compare(one) != 0 {
			t.Errorf("%s must not get %+v", one, tag)
		}
		if tag.Name == Latest && i != len(got)-1 {
			t.Errorf("%s: latest is not the last of %v", one, got)
		}
	}
	for name, v := range after {
		if one.Channel() == Stable && v.Compare(one) == 0 && !seen[name] {
			t.Errorf("%s does not get %s", one, name)
		}
	}
}
